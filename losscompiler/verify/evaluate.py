"""Value and gradients of a compiled loss on NumPy arrays, by the program that trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from losscompiler.errors import ArgumentError

_REDUCTIONS = ("none", "mean", "sum")
_DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Evaluation:
    """The loss and its gradients at some data.

    Attributes:
        value: the loss after the reduction; without one, whatever shape the loss has.
        gradients: by prediction and parameter, the gradient of the sum of ``value``, at the shape of the variable; for a
            bounded parameter by its constrained value.
    """

    value: np.ndarray[Any, Any]
    gradients: dict[str, np.ndarray[Any, Any]]


def value_and_gradients(
    loss: Any, data: Mapping[str, Any], params: Mapping[str, Any] | None = None, *, reduction: str = "none", dtype: str = "float32"
) -> Evaluation:
    """Evaluate a compiled loss and all its gradients.

    Args:
        loss: a `CompiledLoss`.
        data: arrays of targets, predictions and inputs by name.
        params: values of parameters by name; those left out take their initial values.
        reduction: "none", or "mean" or "sum" over every element of the loss.
        dtype: "float32" or "float64", in which everything is computed.

    Raises:
        ArgumentError: if an array is missing, unknown or not numeric, or an option is unknown.
        ShapeError: if shapes do not fit.
    """
    if reduction not in _REDUCTIONS:
        raise ArgumentError(f"reduction must be one of {', '.join(map(repr, _REDUCTIONS))}, not {reduction!r}.")
    if dtype not in _DTYPES:
        raise ArgumentError(f"dtype must be one of {', '.join(map(repr, _DTYPES))}, not {dtype!r}.")
    arrays = gather_arrays(loss, data, params, dtype)
    from keras import ops

    tensors = [ops.convert_to_tensor(array, dtype) for array in arrays.values()]
    value, pullback = loss.module.value_and_pullback(*tensors)
    found = np.asarray(ops.convert_to_numpy(value))
    upstream = np.full(found.shape, 1.0 / max(1, found.size) if reduction == "mean" else 1.0, dtype)
    pulled = pullback(ops.convert_to_tensor(upstream, dtype))
    gradients = {name: np.asarray(ops.convert_to_numpy(g)) for name, g in zip(loss.graph.variables, pulled, strict=True)}
    reduced = {"none": found, "mean": found.mean() if found.size else found.sum(), "sum": found.sum()}[reduction]
    return Evaluation(np.asarray(reduced), gradients)


def gather_arrays(loss: Any, data: Mapping[str, Any], params: Mapping[str, Any] | None, dtype: str) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of a loss's data and parameters in program order, after checking names, dtypes and shapes."""
    graph = loss.graph
    given = dict(params or {})
    for kind, names, known in (("data", data, graph.data), ("parameter", given, tuple(graph.parameters))):
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise ArgumentError(f"there is no {kind} '{unknown[0]}'; the loss has {', '.join(known) or 'none'}.")
    missing = [name for name in graph.data if name not in data]
    if missing:
        raise ArgumentError(f"data for '{missing[0]}' are missing; the loss needs {', '.join(graph.data)}.")
    arrays = {name: _numeric(name, data[name], dtype) for name in graph.data}
    for name, parameter in graph.parameters.items():
        value = _numeric(name, given.get(name, parameter.init), dtype)
        lengths = tuple(arrays[n].shape[-1] if isinstance(n, str) else n for n in parameter.shape)
        try:
            arrays[name] = np.broadcast_to(value, lengths)
        except ValueError:
            raise ArgumentError(f"parameter '{name}' has shape {lengths}; got {value.shape}.") from None
    return arrays


def _numeric(name: str, value: Any, dtype: str) -> np.ndarray[Any, Any]:
    try:
        array = np.asarray(value)
        if array.dtype == object or array.dtype.kind not in "biuf":
            raise TypeError
        return array.astype(dtype)
    except (TypeError, ValueError):
        raise ArgumentError(f"'{name}' must be an array of numbers, not {type(value).__name__}.") from None
