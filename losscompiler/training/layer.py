"""`LossLayer`: a compiled loss as a Keras layer."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from losscompiler.errors import ArgumentError, LossWarning, UntrainedLossError
from losscompiler.graph.node import reachable
from losscompiler.graph.shapes import complete, infer
from losscompiler.pipeline import Stages
from losscompiler.runtime.keras_layer import FormulaLayer
from losscompiler.training.keras_internals import as_python, has_value, inside_compiled_loss
from losscompiler.training.saving import check_regularizer, reading
from losscompiler.training.values import ParameterValues

_GRADIENTS = ("analytic", "autodiff")


@keras.saving.register_keras_serializable(package="losscompiler")
class LossLayer(FormulaLayer):
    """A loss as a layer with trainable parameters.

    ``layer(y, p)``, ``layer([y, p])`` and ``layer({"y": y, "p": p})`` return the loss before any mean is taken: data come in
    the order targets, predictions, inputs. Each parameter is one weight of the layer; ``parameters`` gives the current,
    constrained values, `set_parameters` sets them, `freeze` and `unfreeze` say which ones train. Inside a graph (y as a
    second ``keras.Input``) the layer trains like any other; to train a net by the loss, `LossModel` is the shorter way.

    Args:
        loss: a `CompiledLoss`.
        gradient: "analytic" (the derived program, through ``keras.ops.custom_gradient``) or "autodiff" (that of the
            backend, through the program of the value).
        initial: initial values by name, in place of the loss's own.
        frozen: name or names of the parameters that do not train, in place of those of which the loss says so.
        kwargs: those of ``keras.layers.Layer``. The ``dtype`` is ``keras.config.floatx()`` unless given, also under a
            mixed-precision policy.

    Raises:
        ArgumentError: if the loss is not compiled, or ``gradient`` is unknown.
        ShapeError: when it is called on data whose shapes do not fit, with both shapes and their places in the formula.
        UntrainedLossError: when Keras calls the layer as ``model.compile(loss=layer)``: it would never train it.
    """

    DATA = property(lambda self: tuple(self.stages.graph.data), doc="Names of the data, in the order of the call.")
    PREDICTIONS = property(lambda self: tuple(self.stages.graph.predictions), doc="Names of the predictions.")
    PARAMETERS = property(lambda self: self.stages.module.PARAMETERS, doc="Facts about the parameters, by name.")

    def __init__(
        self, loss: Any, *, gradient: str = "analytic", initial: Mapping[str, Any] | None = None, frozen: str | Iterable[str] | None = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        stages = getattr(loss, "stages", loss)
        if not isinstance(stages, Stages):
            raise ArgumentError(f"loss must be a compiled loss, not {type(loss).__name__}. Compile the text first: compile_loss(...).")
        if gradient not in _GRADIENTS:
            raise ArgumentError(f"gradient must be one of {', '.join(map(repr, _GRADIENTS))}, not {gradient!r}.")
        self.stages = stages
        self.gradient = gradient
        if frozen is None:
            frozen = [name for name, parameter in stages.graph.parameters.items() if not parameter.trainable]
        self._frozen = self._known([frozen] if isinstance(frozen, str) else frozen)
        super().__init__(initial=initial, **kwargs)

    # -- parameters
    @property
    def parameters(self) -> ParameterValues:
        """Current, constrained values of the parameters by name, as NumPy arrays to read; `set_parameters` sets them."""
        return ParameterValues(self, super().parameters)

    def _legal(self, name: str, value: Any) -> Any:
        return super()._legal(next(iter(self._known([name]))), value)

    def _known(self, names: Iterable[str]) -> frozenset[str]:
        """Return names of parameters as a set.

        Raises:
            ArgumentError: if there is no such parameter.
        """
        names, parameters = list(names), self.stages.graph.parameters
        if not all(isinstance(name, str) for name in names):
            raise ArgumentError(f"parameters are given by name, one by one, as in freeze('a', 'b'); not {names!r}.")
        found = frozenset(names)
        for name in sorted(found - set(parameters)):
            if name in (self.stages.interface.constants or ()):
                raise ArgumentError(
                    f"'{name}' is a constant, compiled into the loss. For a number that can be changed between steps of training, "
                    f"declare a parameter that does not train: params={{'{name}': Parameter(..., trainable=False)}}."
                )
            raise ArgumentError(f"there is no parameter '{name}'; the loss has {', '.join(parameters) or 'none'}.")
        return found

    @property
    def frozen(self) -> tuple[str, ...]:
        """Names of the parameters that do not train, in the order of the loss."""
        return tuple(name for name in self.stages.graph.parameters if name in self._frozen)

    def freeze(self, *names: str) -> None:
        """Keep parameters at their values. A compiled model must be told by `LossModel.freeze`.

        Raises:
            ArgumentError: if there is no such parameter.
        """
        self._frozen |= self._known(names)
        self._mark_weights()

    def unfreeze(self, *names: str) -> None:
        """Let parameters train again, those too that the loss declares as untrainable.

        Raises:
            ArgumentError: if there is no such parameter.
        """
        self._frozen -= self._known(names)
        self._mark_weights()

    @contextmanager
    def thawed(self) -> Iterator[None]:
        """Let every parameter count as trainable for a while: an optimizer that is built meanwhile has state for all of them."""
        frozen, self._frozen = self._frozen, frozenset()
        self._mark_weights()
        try:
            yield
        finally:
            self._frozen = frozen
            self._mark_weights()

    def _mark_weights(self) -> None:
        """Tell Keras which weights train. A variable that starts untrainable would never be watched by TensorFlow's tape."""
        for name, weight in self._parameter_weights.items():
            trains = self.trainable and name not in self._frozen
            if weight.trainable != trains and has_value(weight):
                weight.trainable = trains

    @property
    def trainable(self) -> bool:
        """Whether the layer trains, but for its frozen parameters."""
        return bool(super().trainable)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        FormulaLayer.trainable.fset(self, value)
        self._mark_weights()

    def add_weight(self, *args: Any, trainable: bool = True, **options: Any) -> Any:
        """Make the weight of a parameter, which a `SplitOptimizer` knows by its mark ``loss_parameter``."""
        del trainable  # told by `frozen`
        weight = super().add_weight(*args, **options)
        weight.loss_parameter = options["name"]
        return weight

    def _make_weights(self, lengths: Any) -> None:
        super()._make_weights(lengths)
        self._mark_weights()

    # -- the loss
    def __call__(self, *data: Any, **kwargs: Any) -> Any:
        """Return the loss of data, before any mean is taken."""
        if inside_compiled_loss():
            raise UntrainedLossError(
                f"the loss layer '{self.name}' was given to model.compile(loss=...): Keras calls it but never trains its parameters. "
                "Wrap the net instead: model = losscompiler.LossModel(net, loss); model.compile(optimizer)."
            )
        self._mark_weights()
        arrays = self._as_list(data)
        self._check_shapes(arrays)
        return super().__call__(arrays, **kwargs)

    @as_python
    def _check_shapes(self, arrays: list[Any]) -> None:
        """Refuse data whose shapes do not fit, before Keras wraps the error in its own."""
        graph = self.stages.graph
        shapes = [tuple(array.shape) if hasattr(array, "shape") else np.shape(array) for array in arrays]
        found = infer(graph, complete(graph, dict(zip(graph.data, shapes, strict=True))))
        kinds = {name: str(getattr(array, "dtype", "")) for name, array in zip(graph.data, arrays, strict=True)}
        for node in reachable([graph.loss]):
            if node.op != "gather" or node.args[1].op != "symbol" or "float" not in kinds.get(node.args[1].name, ""):
                continue
            name, text = node.args[1].name, graph.source.slice(node.span) if node.span is not None else "the formula"
            lengths = [found[arg.index][-1:] for arg in node.args]
            if lengths[0] == lengths[1] and lengths[0] not in ((), (1,), (None,)):
                warnings.warn(
                    f"{text} takes each element of '{name}' as a position, but '{name}' holds floats, as many a sample as there are "
                    f"classes. If it is one-hot, write sum({name}*...) in place of {text}; if it does hold positions, pass integers.",
                    LossWarning, stacklevel=4,
                )  # fmt: skip

    def formula(self, *arrays: Any) -> Any:
        """Return the loss of data and parameters, with the derivative that was asked for."""
        module = self.stages.module
        return module.loss(*arrays) if self.gradient == "analytic" else module.value(*arrays)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer again: the formula's text, never code."""
        # Through JSON, since Keras hands nested tuples back as dictionaries.
        loss = json.loads(json.dumps(self.stages.config()))
        return {**super().get_config(), "loss": loss, "gradient": self.gradient, "frozen": list(self.frozen)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LossLayer:
        """Return the layer that `get_config` described; the loss is compiled again.

        Raises:
            ArgumentError: if a newer version saved it, or the config is damaged.
            FormulaError: if its formula is wrong.
        """
        with reading("the config of a LossLayer"):
            loss = Stages.from_config(config["loss"])
            for name, parameter in loss.graph.parameters.items():
                check_regularizer(parameter.regularizer, name)
            return cls(**{**config, "loss": loss})

    def save_own_variables(self, store: Any) -> None:
        """Save the weights by the names of their parameters."""
        for name, weight in self._parameter_weights.items():
            store[name] = weight

    def load_own_variables(self, store: Any) -> None:
        """Load the weights by the names of their parameters, so that no two are exchanged.

        Raises:
            ArgumentError: if the file has other parameters.
        """
        names, found = list(self._parameter_weights), list(store.keys())
        if set(names) != set(found):
            # Keras looks for the layer at several places of a file, and reports what was not found at the last one.
            theirs = f"it has {', '.join(found)}" if found else "it was saved with another loss"
            raise ArgumentError(f"the file lacks weights of the parameters {', '.join(names) or 'none'}; {theirs}.")
        for name, weight in self._parameter_weights.items():
            weight.assign(store[name])
