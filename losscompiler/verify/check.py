"""Comparison of analytic derivatives with automatic differentiation and with high-precision arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from losscompiler.errors import ArgumentError
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import operations
from losscompiler.verify.autodiff import LossProgram, analytic, automatic
from losscompiler.verify.evaluate import check_params, gather_arrays
from losscompiler.verify.gradient_check import GradientCheck, SymbolCheck
from losscompiler.verify.reference import Reference, lower
from losscompiler.verify.sampling import Batch, sample
from losscompiler.verify.tally import Comparison, Entries

TOLERANCES = {"float64": 1e-8, "float32": 1e-3}
VALUE = "(value)"
"""What stands in the table for the loss itself."""

_MOST_ENTRIES = 96
_MOST_WORK = 400_000
"""Elementary operations in high precision for one symbol and batch; beyond it, entries are picked at random."""
_MOST_ELEMENTS = 2_048


@dataclass(frozen=True)
class Settings:
    """How strictly to compare: the dtype of the program, the largest relative error, and the seed of random choices."""

    dtype: str
    tolerance: float
    seed: int


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

    The derivative is taken as the emitted program computes it. It is compared with TensorFlow's automatic
    differentiation of the value program, and with the numerical derivative, in 110-digit arithmetic, of the formula as it
    was written. Points on a kink are compared with TensorFlow's convention only. A NaN where a derivative exists fails,
    and so does a symbol for which no point was found.

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
        batches = sample(graph, points=samples, seed=seed, fixed=check_params(graph, params, dtype))
    return compare(graph, loss.module, batches, settings)


def compare(graph: LossGraph, program: LossProgram, batches: Sequence[Batch], settings: Settings) -> GradientCheck:
    """Compare the derivatives of a program with those of the loss that it is to compute, at given points."""
    names = graph.variables
    entries: dict[str, list[Entries]] = {name: [] for name in (VALUE, *names)}
    wrong_shape: dict[str, str] = {}
    random = np.random.default_rng(settings.seed)
    for batch in batches:
        arrays = {name: array.astype(settings.dtype).astype("float64") for name, array in batch.arrays.items()}
        reference = Reference(graph, arrays)
        upstream = random.uniform(0.5, 1.5, size=np.size(reference.value)).astype(settings.dtype).astype("float64")
        ordered = list(arrays.values())
        value, pulled = analytic(program, ordered, upstream if _size(program, ordered, settings) == upstream.size else None, settings.dtype)
        if value.size != upstream.size:
            wrong_shape[VALUE] = f"the value has shape {value.shape}, the formula's {np.shape(reference.value)}"
            continue
        entries[VALUE].append(_value_entries(batch, reference, value))
        wanted = [list(arrays).index(name) for name in names]
        for name, got, auto in zip(names, pulled, automatic(program, ordered, wanted, upstream, settings.dtype), strict=True):
            if np.shape(got) != np.shape(arrays[name]):
                wrong_shape[name] = f"the gradient has shape {np.shape(got)}, the symbol {np.shape(arrays[name])}"
                continue
            picked = _picked(graph, reference, name, random)
            derivative = reference.derivative(name, upstream, picked)
            entries[name].append(Entries(batch, reference, name, upstream, got, auto, derivative))
    rows = [
        _row(symbol, entries[symbol], wrong_shape.get(symbol, ""), settings, bool(batches)) for symbol in (VALUE, *names)
    ]
    return GradientCheck(graph.source.text.strip(), tuple(rows[1:]), rows[0], settings.tolerance, settings.dtype)
