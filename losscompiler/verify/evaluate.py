"""Value and gradients of a compiled loss on NumPy arrays, by the program that trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from losscompiler.errors import ArgumentError
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.parameter import Parameter
from losscompiler.graph.shapes import infer, show
from losscompiler.verify.autodiff import forward

_REDUCTIONS: dict[str, Callable[[Any], Any]] = {
    "none": lambda value: value,
    "mean": lambda value: value.mean() if value.size else value.sum(),
    "sum": lambda value: value.sum(),
}
_DTYPES = ("float32", "float64")

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Evaluation:
    """The loss and its gradients at some data.

    Attributes:
        value: the loss after the reduction; without one, whatever shape the loss has.
        gradients: by prediction and parameter, the gradient of the sum of ``value``, at the shape of the variable; for a
            bounded parameter by its constrained value.
    """

    value: Array
    gradients: dict[str, Array]


def value_and_gradients(
    loss: Any, data: Mapping[str, Any], params: Mapping[str, Any] | None = None, *, reduction: str = "none", dtype: str = "float32"
) -> Evaluation:
    """Evaluate a compiled loss and all its gradients.

    The mean of no elements is 0, and so are its gradients. NaN in the data is no error: it shows where it is.

    Args:
        loss: a `CompiledLoss`.
        data: arrays (or anything that NumPy makes a numeric array of) of targets, predictions and inputs by name.
        params: values of parameters by name, as the formula means them; those left out take their initial values.
        reduction: "none", or "mean" or "sum" over every element of the loss.
        dtype: "float32" or "float64", in which everything is computed.

    Raises:
        ArgumentError: if an array is missing, unknown or not numeric, a parameter lies outside its bounds or has another
            shape, or an option is unknown.
        ShapeError: if shapes do not fit each other or the formula.
    """
    if reduction not in _REDUCTIONS:
        raise ArgumentError(f"reduction must be one of {', '.join(map(repr, _REDUCTIONS))}, not {reduction!r}.")
    if dtype not in _DTYPES:
        raise ArgumentError(f"dtype must be one of {', '.join(map(repr, _DTYPES))}, not {dtype!r}.")
    arrays = gather_arrays(loss, data, params, dtype)
    found, pull = forward(loss.module, list(arrays.values()), dtype)
    upstream = np.full(found.shape, 1.0 / max(1, found.size) if reduction == "mean" else 1.0, dtype)
    gradients = dict(zip(loss.graph.variables, pull(upstream), strict=True))
    gradients |= {name: gradients[name].reshape(np.shape(data[name])) for name in loss.graph.predictions}
    return Evaluation(np.asarray(_REDUCTIONS[reduction](found)), gradients)


def gather_arrays(loss: Any, data: Mapping[str, Any], params: Mapping[str, Any] | None, dtype: str) -> dict[str, Array]:
    """Return the arrays of a loss's data and parameters in program order, after checking names, values and shapes.

    A single number given as data to a loss with reductions becomes an array of one element, which has an axis.
    """
    graph: LossGraph = loss.graph
    if not isinstance(data, Mapping):
        raise ArgumentError(f"data must be a mapping from names to arrays, not {type(data).__name__}.")
    _check_known("data", data, graph.data)
    given = check_params(graph, params, dtype)
    missing = [name for name in graph.data if name not in data]
    if missing:
        raise ArgumentError(f"data for '{missing[0]}' are missing; the loss needs {', '.join(graph.data)}.")
    arrays = {name: _numeric(name, data[name], dtype) for name in graph.data}
    if not graph.loss.pointwise:
        arrays = {name: array.reshape(1) if array.ndim == 0 else array for name, array in arrays.items()}
    for name, parameter in graph.parameters.items():
        value = given[name] if name in given else np.asarray(parameter.init, dtype)
        lengths = tuple(_length(name, n, arrays) if isinstance(n, str) else n for n in parameter.shape)
        try:
            arrays[name] = np.array(np.broadcast_to(value, lengths))
        except ValueError:
            raise ArgumentError(f"parameter '{name}' has shape {show(lengths)}; got {show(value.shape)}.") from None
    shapes = {name: tuple(array.shape) for name, array in arrays.items()}
    infer(graph, {**shapes, **{name: tuple(value.shape) for name, value in graph.constants.items()}})
    return arrays


def check_params(graph: LossGraph, params: Mapping[str, Any] | None, dtype: str) -> dict[str, Array]:
    """Return values of parameters as arrays, after checking their names and bounds.

    Raises:
        ArgumentError: if a name is unknown, or a value is not numeric or outside the parameter's bounds.
    """
    if params is not None and not isinstance(params, Mapping):
        raise ArgumentError(f"params must be a mapping from names to numbers, not {type(params).__name__}.")
    given = dict(params or {})
    _check_known("parameter", given, tuple(graph.parameters))
    found = {name: _numeric(name, value, dtype) for name, value in given.items()}
    for name, value in given.items():
        _check_bounds(name, np.asarray(value, "float64"), graph.parameters[name])
    return found


def _check_known(kind: str, names: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = sorted(str(name) for name in set(names) - set(known))
    if unknown:
        raise ArgumentError(f"there is no {kind} '{unknown[0]}'; the loss has {', '.join(known) or 'none'}.")


def _check_bounds(name: str, value: Array, parameter: Parameter) -> None:
    """Refuse what lies outside; a bound itself is a legal value only where the interval is closed. NaN passes through."""
    (low, high), (closed_low, closed_high) = parameter.bounds, parameter.closed
    outside = np.zeros(value.shape, bool)
    if low is not None:
        outside |= value < low if closed_low else value <= low
    if high is not None:
        outside |= value > high if closed_high else value >= high
    if outside.any():
        raise ArgumentError(f"parameter '{name}' = {value[outside].flat[0]:g} lies outside its bounds {parameter.interval()}.")


def _length(name: str, prediction: str, arrays: Mapping[str, Array]) -> int:
    shape = arrays[prediction].shape
    if not shape:
        raise ArgumentError(f"parameter '{name}' has the length of {prediction}'s last axis, but {prediction} is a single number.")
    return int(shape[-1])


def _numeric(name: str, value: Any, dtype: str) -> Array:
    try:
        array = np.asarray(value)
        if array.dtype == object or array.dtype.kind not in "biuf":
            raise TypeError
        return array.astype(dtype)
    except (TypeError, ValueError):
        raise ArgumentError(f"'{name}' must be an array of numbers, not {_describe(value)}.") from None


def _describe(value: Any) -> str:
    return "a list of rows of different lengths or of other things" if isinstance(value, list | tuple) else type(value).__name__
