"""Comparison of analytic derivatives with automatic differentiation and with high-precision arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from losscompiler.errors import ArgumentError
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import operations
from losscompiler.verify.autodiff import LossProgram, automatic, forward
from losscompiler.verify.evaluate import check_params, gather_arrays
from losscompiler.verify.gradient_check import GradientCheck, SymbolCheck
from losscompiler.verify.reference import Reference
from losscompiler.verify.sampling import Batch, sample
from losscompiler.verify.single import Measured, conclude, measure
from losscompiler.verify.tally import Entries, Settings, judge, value_entries

__all__ = ["TOLERANCES", "GradientCheck", "check_gradients", "compare"]

TOLERANCES = {"float64": 1e-8, "float32": 1e-3}
VALUE = "(value)"
"""What stands in the table for the loss itself."""

_MOST_ENTRIES = 96
_MOST_WORK = 150_000
"""Elementary operations in high precision for one symbol and batch; beyond it, entries are picked at random."""
_MOST_ELEMENTS = 512
_MOST_PER_POINT = 2_000_000
"""Operations over all points of a separate batch, for all symbols: a loss of many symbols is checked at fewer points."""
_FEWEST_POINTS = 5


def check_gradients(
    loss: Any,
    data: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    samples: int = 60,
    seed: int = 0,
    tolerance: float | None = None,
    dtype: str = "float64",
) -> GradientCheck:
    """Compare every analytic derivative with automatic differentiation and with high-precision arithmetic.

    The derivative is taken as the emitted program computes it. It is compared with the backend's automatic
    differentiation of the value program, and with the numerical derivative, in 110-digit arithmetic, of the formula as it
    was written. Points on a kink are compared with the backend's convention only. A NaN where a derivative exists fails,
    and so does a symbol for which no point was found. Besides, the same program is run in float32 and its error against high
    precision measured in culp (`losscompiler.verify.single`); the table tells the largest, and at which inputs if it is remarkable.

    Args:
        loss: a `CompiledLoss`.
        data: arrays by name to check at; without them points are drawn at random and from edges, wherever the loss is
            real and finite.
        params: values of parameters; with ``data``, those left out take their initial values, otherwise they vary within
            their bounds.
        samples: how many points are drawn for an elementwise loss; the number of batches of others grows with it.
        seed: of everything random.
        tolerance: largest relative error that passes; 1e-8 in float64 and 1e-3 in float32 if left out. An error that
            64 units of rounding in the inputs would explain, or that is that small beside the symbol's usual derivatives, passes.
        dtype: "float64" or "float32", in which the program runs.

    Raises:
        ArgumentError: if an array is missing, unknown or not numeric, or an option makes no sense.
        ShapeError: if shapes of the data do not fit.
    """
    if dtype not in TOLERANCES:
        raise ArgumentError(f"dtype must be one of {', '.join(map(repr, TOLERANCES))}, not {dtype!r}.")
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise ArgumentError(f"samples must be a positive whole number, not {samples!r}.")
    settings = Settings(dtype, TOLERANCES[dtype] if tolerance is None else float(tolerance), seed)
    if not settings.tolerance > 0:
        raise ArgumentError(f"tolerance must be positive, not {tolerance!r}.")
    graph: LossGraph = loss.graph
    if data is not None:
        arrays = _excerpt(graph, {name: array.astype("float64") for name, array in gather_arrays(loss, data, params, dtype).items()})
        batches: tuple[Batch, ...] = (Batch(arrays, "data"),)
    else:
        each = len(graph.variables) * operations([graph.loss])
        points = min(samples, max(_FEWEST_POINTS, _MOST_PER_POINT // max(1, each)))
        batches = sample(graph, points=points, seed=seed, fixed=check_params(graph, params, dtype))
    return compare(graph, loss.module, batches, settings)


def compare(graph: LossGraph, program: LossProgram, batches: Sequence[Batch], settings: Settings) -> GradientCheck:
    """Compare the derivatives of a program with those of the loss that it is to compute, at given points."""
    names = graph.variables
    entries: dict[str, list[Entries]] = {name: [] for name in (VALUE, *names)}
    single: dict[str, list[Measured]] = {name: [] for name in (VALUE, *names)}
    wrong_shape: dict[str, str] = {}
    random = np.random.default_rng(settings.seed)
    for batch in batches:
        arrays = {name: array.astype(settings.dtype).astype("float64") for name, array in batch.arrays.items()}
        reference = Reference(graph, arrays)
        value, pull = forward(program, list(arrays.values()), settings.dtype)
        if value.size != np.size(reference.value):
            wrong_shape[VALUE] = f"the value has shape {value.shape}, the formula's {np.shape(reference.value)}"
            continue
        upstream = random.uniform(0.5, 1.5, size=value.size).astype("float32").astype("float64")
        entries[VALUE].append(value_entries(batch, reference, value))
        wanted = [list(arrays).index(name) for name in names]
        automatically = automatic(program, list(arrays.values()), wanted, upstream, settings.dtype)
        for name, got, auto in zip(names, pull(upstream), automatically, strict=True):
            if got.shape != arrays[name].shape:
                wrong_shape[name] = f"the gradient has shape {got.shape}, but {name} has shape {arrays[name].shape}"
                continue
            derivative = reference.derivative(name, upstream, _picked(reference, name, random))
            entries[name].append(Entries(batch, reference, name, upstream, got, auto, derivative))
        for name, measured in _in_single(graph, program, batch, reference, entries, upstream, settings):
            single[name].append(measured)
    judged = [
        replace(_row(symbol, entries[symbol], wrong_shape.get(symbol, ""), settings), single=conclude(single[symbol]))
        for symbol in (VALUE, *names)
    ]
    return GradientCheck(graph.source.text.strip(), tuple(judged[1:]), judged[0], settings.tolerance, settings.dtype)


def _in_single(
    graph: LossGraph, program: LossProgram, batch: Batch, reference: Reference, entries: Mapping[str, Sequence[Entries]], upstream: Any,
    settings: Settings,
) -> Iterator[tuple[str, Measured]]:  # fmt: skip
    """Yield how accurate value and derivatives of one batch are in float32, at its numbers rounded to float32."""
    with np.errstate(over="ignore"):
        arrays = {name: array.astype("float32").astype("float64") for name, array in batch.arrays.items()}
    if any(not np.isfinite(array).all() or ((array == 0) & (batch.arrays[name] != 0)).any() for name, array in arrays.items()):
        return
    same = all(np.array_equal(array, batch.arrays[name]) for name, array in arrays.items())
    exact = reference if same else Reference(graph, arrays)
    value, pull = forward(program, list(arrays.values()), "float32")
    found = {VALUE: value, **dict(zip(graph.variables, pull(upstream), strict=True))}
    for name, got in found.items():
        if name == VALUE:
            parts = value_entries(replace(batch, arrays=arrays), exact, got)
            derivative, symbol, weights = parts.derivative, None, parts.upstream
        else:
            known = entries[name][-1] if entries[name] and entries[name][-1].batch is batch else None
            if known is None:
                continue
            picked = [int(i) for i in np.flatnonzero(known.derivative.asked)] if not graph.loss.pointwise else None
            derivative = known.derivative if same else exact.derivative(name, upstream, picked)
            symbol, weights = name, upstream
        if got.size == derivative.truth.size:
            yield name, measure(exact, derivative, symbol, weights, got, settings.seed, separate=batch.separate, arrays=arrays)


def _row(symbol: str, entries: Sequence[Entries], wrong_shape: str, settings: Settings) -> SymbolCheck:
    row = judge(symbol, entries, settings)
    return replace(row, problem=wrong_shape) if wrong_shape else row


def _picked(reference: Reference, name: str, random: np.random.Generator) -> list[int] | None:
    """Return which entries of a symbol to differentiate by: all that the budget of work allows."""
    size = int(np.prod(reference.shapes[name], dtype=int))
    if reference.loss.loss.pointwise:
        return None
    each = 2 * operations([reference.loss.loss]) * max(1, *(int(np.prod(shape, dtype=int)) for shape in reference.shapes.values()))
    most = max(4, min(_MOST_ENTRIES, _MOST_WORK // max(1, each)))
    return None if size <= most else sorted(int(i) for i in random.choice(size, size=most, replace=False))


def _excerpt(graph: LossGraph, arrays: dict[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    """Return the first rows of data that are too many for high precision; parameters stay."""
    rows = {arrays[name].shape[0] for name in graph.data if arrays[name].ndim}
    largest = max((arrays[name].size for name in graph.data), default=0)
    if len(rows) != 1 or largest <= _MOST_ELEMENTS:
        return arrays
    kept = max(1, rows.pop() * _MOST_ELEMENTS // largest)
    return {name: array[:kept] if name in graph.data and array.ndim else array for name, array in arrays.items()}
