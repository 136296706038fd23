"""A compiled loss as a function of NumPy arrays, computed without Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from losscompiler.errors import ArgumentError
from losscompiler.verify.evaluate import Array, Evaluation, gather_arrays


class NumpyLoss:
    """A loss as a function: ``f(y, p, a=0.3)``.

    Data come in the loss's order (targets, predictions, inputs) or by name, parameters by name, as the formula means them;
    those left out take their initial values. Everything is computed in float32 if every floating array given is float32 or
    narrower, else in float64. Lists and numbers follow the arrays; NaN and infinity are no errors.

    Attributes:
        module: the emitted NumPy module that computes it.

    Raises, on being called:
        ArgumentError: if data are missing, unknown, given twice or not numeric, or a parameter is unknown, outside its
            bounds or of another shape.
        ShapeError: if shapes do not fit each other or the formula.
    """

    def __init__(self, loss: Any) -> None:
        self._loss = loss
        self.module = loss.stages.numpy_module

    def __call__(self, /, *data: Any, **named: Any) -> Array:
        """Return the loss: one number an element, or whatever its reductions leave."""
        return np.asarray(self.module.value(*self._arrays(self._by_name(data, named))))

    def value_and_gradients(self, /, *data: Any, **named: Any) -> Evaluation:
        """Return the loss, and the gradients of its sum by every prediction and parameter, by name."""
        given, graph = self._by_name(data, named), self._loss.graph
        value, pullback = self.module.value_and_pullback(*self._arrays(given))
        gradients = dict(zip(graph.variables, pullback(1.0), strict=True))
        gradients |= {name: gradients[name].reshape(np.shape(given[name])) for name in graph.predictions}
        return Evaluation(value, gradients)

    def _by_name(self, data: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
        graph = self._loss.graph
        if len(data) > len(graph.data):
            known = ", ".join(graph.data) or "none"
            raise ArgumentError(f"{len(data)} arrays are given by their place, but the data are {known}. Parameters are given by name.")
        placed = dict(zip(graph.data, data, strict=False))
        for name in named:
            if name not in (*graph.data, *graph.parameters):
                raise ArgumentError(f"there is no '{name}'; the loss has {', '.join((*graph.data, *graph.parameters)) or 'none'}.")
            if name in placed:
                raise ArgumentError(f"'{name}' is given twice, by its place and by its name. Give it once.")
        return placed | dict(named)

    def _arrays(self, given: Mapping[str, Any]) -> list[Array]:
        data = {name: value for name, value in given.items() if name in self._loss.graph.data}
        params = {name: value for name, value in given.items() if name not in data}
        return list(gather_arrays(self._loss, data, params, self.module.common_dtype(*given.values())).values())

    def __reduce__(self) -> tuple[Any, ...]:
        return NumpyLoss, (self._loss,)

    def __repr__(self) -> str:
        return f"<NumpyLoss {self._loss.name}: {', '.join((*self._loss.graph.data, *self._loss.graph.parameters))}>"
