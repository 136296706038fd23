"""`LossLayer`: a compiled loss as a Keras layer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from losscompiler.errors import ArgumentError, UntrainedLossError
from losscompiler.graph.shapes import complete, infer
from losscompiler.pipeline import Stages
from losscompiler.runtime.keras_layer import FormulaLayer
from losscompiler.training.keras_internals import as_python, inside_compiled_loss

_GRADIENTS = ("analytic", "autodiff")


@keras.saving.register_keras_serializable(package="losscompiler")
class LossLayer(FormulaLayer):
    """A loss as a layer with trainable parameters.

    ``layer(y, p)``, ``layer([y, p])`` and ``layer({"y": y, "p": p})`` return the loss before any mean is taken: data come in
    the order targets, predictions, inputs. Each parameter is one weight of the layer; ``parameters`` gives the current,
    constrained values and ``set_parameters`` sets them. Inside a graph (y as a second ``keras.Input``) the layer trains
    like any other; to train a net by the loss, `LossModel` is the shorter way.

    Args:
        loss: a `CompiledLoss`.
        gradient: "analytic" (the derived program, through ``keras.ops.custom_gradient``) or "autodiff" (that of the
            backend, through the program of the value).
        initial: initial values by name, in place of the loss's own.
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

    def __init__(self, loss: Any, *, gradient: str = "analytic", initial: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        stages = getattr(loss, "stages", loss)
        if not isinstance(stages, Stages):
            raise ArgumentError(f"loss must be a compiled loss, not {type(loss).__name__}. Compile the text first: compile_loss(...).")
        if gradient not in _GRADIENTS:
            raise ArgumentError(f"gradient must be one of {', '.join(map(repr, _GRADIENTS))}, not {gradient!r}.")
        self.stages = stages
        self.gradient = gradient
        super().__init__(initial=initial, **kwargs)

    def __call__(self, *data: Any, **kwargs: Any) -> Any:
        """Return the loss of data, before any mean is taken."""
        if inside_compiled_loss():
            raise UntrainedLossError(
                f"the loss layer '{self.name}' was given to model.compile(loss=...): Keras calls it but never trains its parameters. "
                "Wrap the net instead: model = losscompiler.LossModel(net, loss); model.compile(optimizer)."
            )
        arrays = self._as_list(data)
        as_python(self._check_shapes)(arrays)
        return super().__call__(arrays, **kwargs)

    def _check_shapes(self, arrays: list[Any]) -> None:
        """Refuse data whose shapes do not fit, before Keras wraps the error in its own."""
        graph = self.stages.graph
        shapes = [tuple(array.shape) if hasattr(array, "shape") else np.shape(array) for array in arrays]
        infer(graph, complete(graph, dict(zip(graph.data, shapes, strict=True))))

    def formula(self, *arrays: Any) -> Any:
        """Return the loss of data and parameters, with the derivative that was asked for."""
        module = self.stages.module
        return module.loss(*arrays) if self.gradient == "analytic" else module.value(*arrays)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer again: the formula's text, never code."""
        # Through JSON, since Keras hands nested tuples back as dictionaries.
        loss = json.loads(json.dumps(self.stages.config()))
        return {**super().get_config(), "loss": loss, "gradient": self.gradient}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LossLayer:
        """Return the layer that `get_config` described; the loss is compiled again.

        Raises:
            ArgumentError: if it was saved by a newer version.
        """
        return cls(**{**config, "loss": Stages.from_config(config["loss"])})
