"""`LossModel`: a net and its loss, trained together."""

from __future__ import annotations

from typing import Any

import keras

from losscompiler.errors import ArgumentError
from losscompiler.training.keras_internals import exempt_from_weight_decay
from losscompiler.training.layer import LossLayer
from losscompiler.training.matching import bare, match_data, match_predictions, without_inputs
from losscompiler.training.reduction import Reduction
from losscompiler.training.values import ParameterValues, log_entries


@keras.saving.register_keras_serializable(package="losscompiler")
class LossModel(keras.Model):
    """A Keras model of a net and a loss whose parameters train with the net's weights.

    ``compile`` takes no loss; ``fit``, ``evaluate``, ``predict`` and ``save`` are Keras' own. The parameters are among
    ``trainable_variables``, exempt from weight decay; their current, constrained values stand in the logs of training, on
    the progress bar and in ``history.history["a"]`` (``w[0]`` for an element of a vector). The loss is averaged as Keras
    averages its own: over all elements, or with sample weights, class weights and masks over samples.

    - Targets come from y: an array, a tuple in the order of the loss, or a dictionary by name; none for a loss without
      target.
    - Predictions are the net's outputs, by name or by position.
    - Further inputs of the loss come from entries of a dictionary x or y of that name; the net does not see them,
      unless it has an input of that name.

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

    # -- parameters
    @property
    def parameters(self) -> ParameterValues:
        """Current, constrained values of the loss's parameters by name, as NumPy arrays."""
        return ParameterValues(self, self.loss_layer.parameters)

    def set_parameters(self, **values: Any) -> None:
        """Set parameters to values, as the formula means them; the optimizer keeps its state."""
        self.loss_layer.set_parameters(**values)

    # -- the net
    def call(self, x: Any, training: bool | None = None) -> Any:
        """Return the net's output."""
        del training  # Keras hands it on to the net itself
        y_pred = self.net(self._of_net(x))
        self._build_loss(y_pred)
        return y_pred

    def _of_net(self, x: Any) -> Any:
        if not self._graph.inputs or not isinstance(x, dict):
            return x
        inputs = [] if isinstance(self.net, keras.Sequential) else getattr(self.net, "inputs", None)
        known = [tensor.name for tensor in inputs or ()]
        rest = without_inputs(self._graph, x, known)
        return rest if inputs is None or len(inputs) > 1 else bare(rest)

    def _build_loss(self, y_pred: Any) -> None:
        """Build the loss, before the optimizer looks for weights: some have the length of a prediction."""
        if not self.loss_layer.built:
            found = match_predictions(self._graph, y_pred, self._output_names)
            self.loss_layer.build([tuple(found[name].shape) if name in found else () for name in self._graph.data])

    @property
    def _output_names(self) -> list[str]:
        return list(getattr(self.net, "output_names", None) or ())

    # -- training
    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, loss_weights: Any = None, **kwargs: Any) -> None:
        """Configure the model for training, as ``keras.Model.compile`` does, without a loss.

        Raises:
            ArgumentError: if a loss is given.
        """
        if loss is not None or loss_weights is not None:
            raise ArgumentError(
                "LossModel has its loss already: call compile(optimizer) without loss and loss_weights. "
                "To train the net by another loss, compile model.net."
            )
        super().compile(optimizer=optimizer, **kwargs)
        self._exempt()

    def _exempt(self) -> None:
        exempt_from_weight_decay(getattr(self, "optimizer", None), self.loss_layer.trainable_variables)

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True) -> Any:
        """Return the mean of the loss over samples, with whatever the net's layers and regularizers add.

        Raises:
            ArgumentError: if data of the loss are missing or ambiguous.
        """
        # Weights of open length exist only now; the optimizer is not applied yet.
        self._exempt()
        data = match_data(self._graph, x, y, y_pred, self._output_names)
        values = self.loss_layer(data)
        mean = self._reduction(values, [data[name] for name in self._graph.predictions], sample_weight)
        if not self.losses:
            return mean
        # Without a compiled loss, Keras' own method sums up the rest, scaled for the distribution strategy.
        return mean + super().compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Update metrics with the targets alone, and return all results."""
        targets = without_inputs(self._graph, y)
        if not isinstance(y_pred, dict | list | tuple):
            targets = bare(targets)
            if not isinstance(targets, dict | list | tuple):
                sample_weight = self._reduction.joint(sample_weight)
        return super().compute_metrics(x, targets, y_pred, sample_weight)

    def train_step(self, *args: Any) -> Any:
        """Train on one batch; the logs hold the parameters after the step."""
        result = super().train_step(*args)
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

    # -- saving
    def get_config(self) -> dict[str, Any]:
        """Return what makes the model again."""
        serialize = keras.saving.serialize_keras_object
        return {**super().get_config(), "net": serialize(self.net), "loss": serialize(self.loss_layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> LossModel:
        """Return the model that `get_config` described."""
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
        if self.net.built:
            self.optimizer.build(self.trainable_variables)
