"""`LossModel`: a net and its loss, trained together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any

import keras
from keras import tree

from losscompiler.errors import ArgumentError
from losscompiler.training import matching
from losscompiler.training.keras_internals import exempt_from_weight_decay, exporting, give_back, mask_of, restrict, values_of
from losscompiler.training.layer import LossLayer
from losscompiler.training.matching import inputs_beside_y, match_data, match_inputs, match_predictions, split_x
from losscompiler.training.reduction import Reduction, spread
from losscompiler.training.replicas import warn_of_clipping
from losscompiler.training.saving import SavesWholeFiles
from losscompiler.training.split_optimizer import check_names, split
from losscompiler.training.values import ParameterValues, log_entries


@keras.saving.register_keras_serializable(package="losscompiler")
class LossModel(SavesWholeFiles, keras.Model):
    """A Keras model of a net and a loss whose parameters train with the net's weights.

    ``compile`` takes no loss; ``fit``, ``evaluate``, ``predict`` and ``save`` are Keras' own. The parameters are among
    ``trainable_variables``, exempt from weight decay; their current, constrained values stand in the logs of training, on
    the progress bar and in ``history.history["a"]`` (``w[0]`` for an element of a vector). The loss is averaged as Keras
    averages its own: over all elements, or with sample weights, class weights and masks over samples.

    - Targets come from y: an array, a tuple in the order of the loss, or a dictionary by name; none for a loss without
      target.
    - Predictions are the net's outputs, by name or by position.
    - Further inputs of the loss come from entries of a dictionary x or y of that name, or stand behind the net's own
      inputs in a tuple x, in the order of the loss. The net does not see them, unless it has an input of that name; a
      subclassed net of which one array is left gets that array itself.
    - Sample weights are one array: the loss has one value a sample. Of several, one a target, the loss takes the mean, and
      weighted metrics that of their own target. What is to weigh single terms of the loss is an input of the formula.
    - Metrics compare each output with the entry of y of its own name, else with the only target, else the first prediction
      with the first target, the second with the second.

    On several devices, under ``tf.distribute.MirroredStrategy`` or on JAX ``keras.distribution.DataParallel`` (over several
    processes too, which ``keras.distribution.initialize`` connects, on CPUs as well), the model takes the steps that one
    device takes on the same global batches; an uneven last one too, which JAX refuses. A loss that reduces over the batch
    sees all of it on JAX; under ``MirroredStrategy`` it sees one replica's share, and the mean of the replicas' values
    counts, as of what layers add by ``add_loss``. Under ``MirroredStrategy`` Keras clips the gradient of each share, so
    that steps with ``clipnorm``, ``global_clipnorm`` or ``clipvalue`` are other ones (`compile` warns), and Keras runs
    neither ``gradient_accumulation_steps`` nor ``ema_overwrite_frequency``, ``steps_per_execution`` above 1 or
    ``jit_compile``.

    A parameter with ``Parameter(..., trainable=False)`` is a constant that `set_parameters` changes at any time, in a
    callback too: the training step is not compiled again, and the optimizer keeps its state.

    Args:
        net: any Keras model or layer.
        loss: a `CompiledLoss`, or a `LossLayer`.
        kwargs: those of ``keras.Model``.

    Attributes:
        net: the net that was given; it can be saved and used alone.
        loss_layer: the loss.

    Raises:
        ArgumentError: if the loss has no prediction, or ``net`` is no Keras layer.
    """

    def __init__(self, net: Any, loss: Any, **kwargs: Any) -> None:
        if not isinstance(net, keras.layers.Layer):
            raise ArgumentError(f"net must be a Keras model, not {type(net).__name__}.")
        # The net casts its own inputs; the loss's inputs must not be cast to float16.
        kwargs.setdefault("dtype", net.dtype_policy)
        super().__init__(autocast=False, **kwargs)
        self.net = net
        self.loss_layer = loss if isinstance(loss, LossLayer) else LossLayer(loss, name="loss")
        graph = self.loss_layer.stages.graph
        if not graph.predictions:
            raise ArgumentError("the loss has no prediction, so that the net would never train. Use a LossLayer alone.")
        self._graph = graph
        self._reduction = Reduction(graph, self.loss_layer.stages.program)
        self._build_at_once()

    def _build_at_once(self) -> None:
        """Build the loss if the net knows its outputs: all weights exist before the first batch, as those of Keras' models do."""
        outputs = getattr(self.net, "outputs", None) if isinstance(self.net, keras.Model) else None
        if not outputs or not self.net.built:
            return
        y_pred = outputs[0] if isinstance(self.net, keras.Sequential) else self.net.output
        found = match_predictions(self._graph, y_pred, self.output_names or ())
        if all(found[name].shape[-1] is not None for name in self.loss_layer.open_lengths):
            self._build_loss(y_pred)
            self.built = True

    # -- parameters
    @property
    def parameters(self) -> ParameterValues:
        """Current, constrained values of the loss's parameters by name, as NumPy arrays to read; `set_parameters` sets them."""
        if exporting():
            return ParameterValues(self, {})  # torch.export asks every torch.nn.Module for its `parameters()`
        self._sync()
        return ParameterValues(self, self.loss_layer.parameters)

    def set_parameters(self, /, **values: Any) -> None:
        """Set parameters to values, as the formula means them; nothing is compiled again, and the optimizer keeps its state.

        Raises:
            ArgumentError: if there is no such parameter.
            ValueError: if a value lies outside its bounds.
        """
        self._sync()
        self.loss_layer.set_parameters(**values)

    def freeze(self, *names: str) -> None:
        """Keep parameters at their values from the next step on, also during ``fit``; the optimizer keeps its state.

        Raises:
            ArgumentError: if there is no such parameter.
        """
        self._sync()
        self.loss_layer.freeze(*names)
        self._after_freezing()

    def unfreeze(self, *names: str) -> None:
        """Let parameters train again from the next step on, those too that the loss declares as untrainable.

        Raises:
            ArgumentError: if there is no such parameter.
        """
        self._sync()
        self.loss_layer.unfreeze(*names)
        self._after_freezing()

    def _sync(self) -> None:
        """Fetch the variables from a JAX training loop, which keeps them to itself between the ends of epochs."""
        if keras.backend.backend() == "jax":
            self.jax_state_sync()

    def _after_freezing(self) -> None:
        """Compile steps anew when they run next, since each one updates a fixed list of variables."""
        restrict(getattr(self, "optimizer", None), self.trainable_variables)
        for kind in ("train", "test", "predict"):
            if getattr(self, f"{kind}_function", None) is not None:
                getattr(self, f"make_{kind}_function")(force=True)

    # -- the net
    def call(self, x: Any, training: bool | None = None) -> Any:
        """Return the net's output."""
        x = split_x(self._graph, x, self._net_inputs)[0] if self._knows(x) else x
        # On JAX the model is called without the context from which its layers would learn that it trains.
        y_pred = self.net(x, training=training)
        self._build_loss(y_pred)
        return y_pred

    def _knows(self, x: Any) -> bool:
        """Whether x itself tells what is for the net; a tuple for a net that does not name its inputs was split before."""
        return isinstance(x, dict) or self._net_inputs is not None

    @property
    def _net_inputs(self) -> list[str] | None:
        """Names of the net's inputs, of a `keras.Sequential` an empty one; ``None`` if it does not say."""
        if isinstance(self.net, keras.Sequential):
            return [""]
        inputs = getattr(self.net, "inputs", None)
        return None if inputs is None else [tensor.name for tensor in inputs]

    def _build_loss(self, y_pred: Any) -> None:
        """Build the loss, before the optimizer looks for weights: some have the length of a prediction."""
        if not self.loss_layer.built:
            found = match_predictions(self._graph, y_pred, self.output_names or ())
            self.loss_layer.build([tuple(found[name].shape) if name in found else () for name in self._graph.data])

    @property
    def output_names(self) -> list[str] | None:
        """Names of the net's outputs, if it has any; Keras names metrics after them."""
        return getattr(self.net, "output_names", None)

    # -- training
    def compile(
        self, optimizer: Any = "rmsprop", loss: Any = None, loss_weights: Any = None, *, parameter_optimizer: Any = None,
        parameter_lr_multiplier: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """Configure the model for training, as ``keras.Model.compile`` does, without a loss.

        Args:
            optimizer: what trains the net, and the parameters unless said otherwise.
            loss, loss_weights: must be left out.
            parameter_optimizer: what trains the loss's parameters: an optimizer for all, in any form that Keras takes, or a
                dictionary by name, from which a parameter may be left out.
            parameter_lr_multiplier: the learning rate of a parameter over that of its optimizer at every moment, whatever
                schedules and callbacks make of it: a number for all, or a dictionary by name. The parameters then have an
                optimizer of their own, of the same kind and settings, so that ``global_clipnorm`` counts them apart.
            kwargs: those of ``keras.Model.compile``.

        With either option, ``model.optimizer`` is a `SplitOptimizer`; to compile again without losing its state, pass it on.

        Raises:
            ArgumentError: if a loss is given, there is no such parameter, a multiplier is not positive, or the net has no optimizer.
        """
        if loss is not None or loss_weights is not None:
            raise ArgumentError(
                "LossModel has its loss already: call compile(optimizer) without loss and loss_weights. "
                "To train the net by another loss, compile model.net."
            )
        if parameter_optimizer is not None or parameter_lr_multiplier is not None:
            optimizer = split(optimizer, parameter_optimizer, parameter_lr_multiplier)
        optimizer = keras.optimizers.get(optimizer) if isinstance(optimizer, dict) else optimizer
        check_names(optimizer, self._graph.parameters)
        super().compile(optimizer=optimizer, **kwargs)
        warn_of_clipping(self.optimizer)
        self._prepare_optimizer(build=False)

    def _prepare_optimizer(self, build: bool = True) -> None:
        """Give the optimizer state for every parameter, frozen ones too, and keep weight decay from them."""
        optimizer = getattr(self, "optimizer", None)
        if optimizer is None:
            return
        # Weights of open length exist only when the first batch is seen, just before the optimizer is applied.
        with self.loss_layer.thawed():
            exempt_from_weight_decay(optimizer, self.loss_layer.trainable_variables)
            if build and not optimizer.built:
                optimizer.build(self.trainable_variables)
        restrict(optimizer, self.trainable_variables)

    def make_train_function(self, force: bool = False) -> None:
        """Make the function of a training step; before it the optimizer, so that a callback can restore all of its state."""
        self._prepare_optimizer(build=self.net.built and self.loss_layer.built)
        super().make_train_function(force=force)

    def _symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # Where Keras builds model and optimizer before the first step: on JAX, and under a distribution strategy.
        if data_batch is not None:
            data_batch = self._beside_y(data_batch)
        with self.loss_layer.thawed():
            super()._symbolic_build(iterator and self._first_batches(iterator), data_batch)
        self._prepare_optimizer()

    def _first_batches(self, iterator: Any) -> Iterator[tuple[Any, Any, list[Any]]]:
        for begin, end, batches in iterator:
            batch = batches[0] if isinstance(batches, list | tuple) else next(batches)
            yield begin, end, [self._beside_y(batch)]

    def _beside_y(self, data: Any) -> Any:
        """Return a batch in which no input of the loss stands in a tuple x."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        x, y = inputs_beside_y(self._graph, x, y, self._net_inputs)
        match_inputs(self._graph, x, y)  # what is missing is said before the net is called on what is misspelt
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True) -> Any:
        """Return the mean of the loss over samples, with whatever the net's layers and regularizers add.

        Raises:
            ArgumentError: if data of the loss are missing or ambiguous.
        """
        if training and not getattr(getattr(self, "optimizer", None), "built", True):
            self._prepare_optimizer()
        x, y = inputs_beside_y(self._graph, x, y, self._net_inputs)
        data = match_data(self._graph, x, y, y_pred, self.output_names or ())
        values = self.loss_layer(data)
        added = None
        if self.losses:
            # Without a compiled loss, Keras' own method sums up the rest, scaled for the distribution strategy.
            added = super().compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)
        return self._reduction(values, [data[name] for name in self._graph.predictions], sample_weight, added)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Update metrics, each with the target that belongs to its output, and return all results."""
        if self._compile_metrics is not None:
            weights = matching.metric_weights(self._graph, sample_weight, y_pred, self.output_names or ())
            if weights is None:
                weight = self._reduction.joint(sample_weight)
                weights = tree.map_structure(lambda output: weight, y_pred)
            sample_weight = tree.map_structure(lambda weight, output: spread(weight, mask_of(output)), weights, y_pred)
            y = matching.metric_targets(self._graph, y, y_pred, self.output_names or ())
        return super().compute_metrics(x, y, y_pred, sample_weight)

    @wraps(keras.Model.fit)
    def fit(self, *args: Any, **options: Any) -> Any:
        """Train, as ``keras.Model.fit`` does."""
        with self._state_kept():
            return super().fit(*args, **options)

    @wraps(keras.Model.evaluate)
    def evaluate(self, *args: Any, **options: Any) -> Any:
        """Return the loss and the metrics, as ``keras.Model.evaluate`` does."""
        with self._state_kept():
            return super().evaluate(*args, **options)

    @contextmanager
    def _state_kept(self) -> Iterator[None]:
        """Give variables their values back when a JAX loop fails, which else takes them along: a wrong call could not be repeated."""
        before = values_of(self) if keras.backend.backend() == "jax" else []
        try:
            yield
        except BaseException:
            with suppress(RuntimeError):  # arrays of a step that was under way are gone
                self._sync()
            give_back(before)
            raise

    def test_step(self, *args: Any) -> Any:
        """Evaluate one batch."""
        *state, data = args
        return super().test_step(*state, self._beside_y(data))

    def train_step(self, *args: Any) -> Any:
        """Train on one batch; the logs hold the parameters after the step."""
        *state, data = args
        result = super().train_step(*state, self._beside_y(data))
        if not isinstance(result, tuple):
            return self._with_parameters(result)
        # JAX: a step is a function of the state, and hands the new one back.
        logs, state = result
        new = [*zip(self.trainable_variables, state[0], strict=True), *zip(self.non_trainable_variables, state[1], strict=True)]
        with keras.StatelessScope(state_mapping=new):
            return self._with_parameters(logs), state

    def _with_parameters(self, logs: dict[str, Any]) -> dict[str, Any]:
        return {**logs, **log_entries(self.loss_layer.constrained(), logs)}

    def _get_metrics_result_or_logs(self, logs: dict[str, Any]) -> dict[str, Any]:
        # Keras reads the metrics anew at the end of an epoch (only so are they summed over replicas), but only if the
        # logs hold nothing else.
        metrics = self.get_metrics_result()
        own = {name: value for name, value in logs.items() if name in metrics}
        found: dict[str, Any] = super()._get_metrics_result_or_logs(own)
        return found | {name: value for name, value in logs.items() if name not in metrics}

    def _flatten_metrics_in_order(self, logs: dict[str, Any]) -> Any:
        # A list holds what Keras' own lists hold: the loss and the metrics. Parameters have names in dictionaries.
        metrics = self.get_metrics_result()
        return super()._flatten_metrics_in_order({name: value for name, value in logs.items() if name in metrics})

    # -- saving
    def export(self, filepath: Any, *args: Any, **options: Any) -> None:
        """Export the net for serving, as its own ``export`` does: no data of the loss are asked for.

        `export_with_loss` exports the loss as well.
        """
        if isinstance(self.net, keras.Model) and self.net.built:
            self.net.export(filepath, *args, **options)
        else:
            super().export(filepath, *args, **options)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the model again."""
        serialize = keras.saving.serialize_keras_object
        return {**super().get_config(), "net": serialize(self.net), "loss": serialize(self.loss_layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> LossModel:
        """Return the model that `get_config` described.

        Raises:
            ArgumentError: if net or loss are missing, or are something else.
        """
        for name in ("net", "loss"):
            if not isinstance(config.get(name), dict):
                raise ArgumentError(f"the config of a LossModel has no '{name}'. The file is damaged, or losscompiler did not write it.")
        made: dict[str, Any] = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects=custom_objects)
            for name in ("net", "loss", "dtype")
            if name in config
        }
        return cls(**(config | made))

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build the model, unless its parts came built."""
        if not (self.net.built and self.loss_layer.built):
            super().build_from_config(config)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile the model as it was; the optimizer's state follows."""
        options = keras.saving.deserialize_keras_object(config)
        self.compile(**options)
        self._prepare_optimizer(build=self.net.built)
