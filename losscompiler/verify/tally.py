"""Judgement of one derivative at many points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from losscompiler.verify.gradient_check import Point, SymbolCheck
from losscompiler.verify.reference import Derivative, Reference, lower, summed
from losscompiler.verify.sampling import Batch

Array = np.ndarray[Any, Any]

_UNITS = {"float64": 2.0**-53, "float32": 2.0**-24}
_LARGEST = {"float64": 1e300, "float32": 1e36}
_SMALLEST = {"float64": 1e-300, "float32": 1e-36}
_ROUNDINGS = 64
"""Units of rounding in the inputs, or beside the usual size of the derivative, that a program is allowed."""
_ZERO = 1e-25
"""What numerical differentiation leaves of a derivative that is 0, where the second derivative jumps."""
_NEAR_ZERO = 1e-6
_INACCURATE, _SMALL = 1e-3, 1e-6
"""Where the formula itself loses digits, this relative error is noted and passes; derivatives below this share of their
usual size are small."""


@dataclass(frozen=True)
class Settings:
    """How strictly to compare: the dtype of the program, the largest relative error, and the seed of random choices."""

    dtype: str
    tolerance: float
    seed: int


@dataclass(frozen=True)
class Entries:
    """Derivatives by one symbol in one batch: the analytic ones, autodiff's, and the truth. Arrays of one shape."""

    batch: Batch
    reference: Reference
    symbol: str | None
    upstream: Array
    got: Array
    auto: Array
    derivative: Derivative


def value_entries(batch: Batch, reference: Reference, value: Array) -> Entries:
    """Return the loss itself in the form in which derivatives are judged."""
    shape = np.shape(reference.value)
    truth = Derivative(reference.value, np.zeros(shape, bool), np.ones(shape, bool))
    got = value.reshape(shape)
    return Entries(batch, reference, None, np.ones(shape), got, got, truth)


@dataclass(frozen=True)
class _Judged:
    """Masks over the entries of one batch, and their errors."""

    entries: Entries
    truth: Array
    smooth: Array
    kink: Array
    undefined: Array
    rounded: Array
    lossy: Array
    wrong: Array
    auto_wrong: Array
    other_convention: Array
    error: Array
    error_auto: Array


def judge(symbol: str, entries: Sequence[Entries], settings: Settings) -> SymbolCheck:
    """Return how a derivative compares at all points of all batches."""
    usual = _usual_size(entries, settings)
    judged = [_judge_batch(part, usual, settings) for part in entries]
    return SymbolCheck(
        symbol, _count(j.smooth for j in judged), max((_largest(j.error_auto) for j in judged), default=0.0),
        max((_largest(j.error) for j in judged), default=0.0), kinks=_count(j.kink for j in judged),
        other_convention=_count(j.other_convention for j in judged), autodiff_wrong=_count(j.auto_wrong for j in judged),
        undefined=_count(j.undefined for j in judged), rounded=_count(j.rounded for j in judged), wrong=_count(j.wrong for j in judged),
        worst=_worst(judged), problem=_problem(judged, settings),
    )  # fmt: skip


def _count(masks: Iterable[Array]) -> int:
    return sum(int(mask.sum()) for mask in masks)


def _problem(judged: Sequence[_Judged], settings: Settings) -> str:
    """Say why a symbol fails, or nothing."""
    if not judged:
        return "NOT CHECKED: no point was found at which the loss is real and finite; give data"
    points, kinks, wrong = (_count(masks) for masks in ((j.smooth for j in judged), (j.kink for j in judged), (j.wrong for j in judged)))
    if wrong:
        nan, lossy = _count(j.wrong & ~np.isfinite(j.entries.got) for j in judged), _count(j.lossy for j in judged)
        on_kinks = _count(j.wrong & j.kink for j in judged)
        details = [f"NaN or infinite at {nan}"] if nan else []
        details += [f"{on_kinks} on kinks"] if on_kinks else []
        details += [f"at {lossy} the formula loses its digits in {settings.dtype}"] if lossy else []
        return f"WRONG at {wrong} of {points + kinks} points" + (f" ({', '.join(details)})" if details else "")
    return "" if points else "NOT CHECKED: the derivative exists at none of the points; give data"


def _usual_size(entries: Sequence[Entries], settings: Settings) -> float:
    """Return the median size of the derivative at random points where it is not 0: what an absolute error is small beside."""
    ordinary = [part for part in entries if part.batch.origin != "edges"] or entries
    sizes = [np.abs(lower(part.derivative.truth)[part.derivative.asked & ~part.derivative.kink]) for part in ordinary]
    found = np.concatenate(sizes) if sizes else np.zeros(0)
    return _typical(found[(found > _ZERO) & (found < _LARGEST[settings.dtype])])


def _typical(sizes: Array) -> float:
    """Return the median size of numbers, leaving out those that are not finite."""
    found = np.abs(sizes[np.isfinite(sizes)])
    return float(np.median(found)) if found.size else 0.0


def _judge_batch(entries: Entries, usual: float, settings: Settings) -> _Judged:
    derivative, got, auto = entries.derivative, entries.got.astype("float64"), entries.auto.astype("float64")
    truth = lower(derivative.truth)
    unit, largest = _UNITS[settings.dtype], _LARGEST[settings.dtype]
    kink = derivative.asked & derivative.kink
    smooth = derivative.asked & ~kink & (np.abs(truth) < largest)
    # A derivative that is exactly 0 may come out as terms that cancel, each about as large as the loss over the symbol.
    size = 1.0 if entries.symbol is None else np.clip(np.abs(entries.batch.arrays[entries.symbol]), _NEAR_ZERO, 1.0)
    cancelling = np.where(np.abs(truth) < _ZERO, (1.0 + _typical(lower(entries.reference.value))) / size, 0.0)
    floor = _ROUNDINGS * unit * np.maximum(usual, cancelling) / settings.tolerance
    error = _relative(got, truth, floor, settings)
    failing = smooth & ~(error <= settings.tolerance)
    if failing.any():
        condition = lower(entries.reference.condition(entries.symbol, entries.upstream, settings.seed))
        # One unit in the inputs moves the derivative by a unit of its condition, whatever the program does.
        floor = np.maximum(floor, np.where(failing & np.isfinite(condition), _ROUNDINGS * unit * condition / settings.tolerance, 0.0))
        error = _relative(got, truth, floor, settings)
        failing = smooth & ~(error <= settings.tolerance)
    if failing.any() and np.isfinite(got[failing]).any():
        near = failing & np.isfinite(got) & _near_kink(entries, unit, settings)
        smooth, kink = smooth & ~near, kink | near
        failing &= ~near
    rounded, lossy = failing & False, failing & False
    if failing.any() and np.isfinite(got[failing]).any():
        noise = lower(entries.reference.noise(entries.symbol, entries.upstream, settings.seed, unit))
        lossy = failing & (np.abs(got - truth) <= _ROUNDINGS * noise)
        rounded = lossy & (_relative(got, truth, np.maximum(floor, _SMALL * np.maximum(usual, cancelling)), settings) <= _INACCURATE)
    defined = smooth | kink
    error_auto = _relative(auto, got, floor, settings)
    right = smooth & (error <= settings.tolerance)
    auto_wrong = right & ~(error_auto <= settings.tolerance)
    # On a kink any subgradient will do, but NaN is none. A jump to infinity has no derivative on either side.
    wrong = (smooth & ~right & ~rounded) | (kink & ~np.isfinite(got))
    other = kink & np.isfinite(got) & ~(error_auto <= settings.tolerance)
    return _Judged(
        entries, truth, smooth, kink, derivative.asked & ~defined, rounded, lossy & ~rounded, wrong, auto_wrong, other,
        np.where(smooth & ~rounded, error, 0.0), np.where(smooth & ~auto_wrong & ~rounded, error_auto, 0.0),
    )  # fmt: skip


def _relative(got: Array, truth: Array, floor: Array, settings: Settings) -> Array:
    """Return abs(got - truth) / max(abs(truth), floor); infinite where ``got`` is not finite."""
    with np.errstate(all="ignore"):
        error = np.abs(got - truth) / np.maximum(np.maximum(np.abs(truth), floor), _SMALLEST[settings.dtype])
    return np.where(np.isfinite(error), error, np.inf)


def _near_kink(entries: Entries, unit: float, settings: Settings) -> Array:
    """Tell for each entry whether rounding may carry what it depends on across a kink."""
    near = entries.reference.near_kink(unit, settings.seed)
    shape = entries.got.shape
    if not entries.reference.loss.loss.pointwise:
        return np.full(shape, bool(near.any()))
    spread = np.broadcast_to(near, np.broadcast_shapes(near.shape, shape))
    return summed(spread.astype(int), shape) > 0


def _largest(error: Array) -> float:
    return float(error.max()) if error.size else 0.0


def _worst(judged: Sequence[_Judged]) -> Point | None:
    """Return the point of the largest error, a wrong one if there is any."""
    best: tuple[bool, float] = (False, -1.0)
    found: tuple[_Judged, tuple[int, ...]] | None = None
    for part in judged:
        for mask, wrong in ((part.wrong, True), (part.smooth & ~part.wrong & ~part.rounded, False)):
            if not mask.any():
                continue
            ranked = np.where(mask, np.where(np.isfinite(part.entries.got), part.error, np.inf), -1.0)
            index = np.unravel_index(int(np.argmax(ranked)), ranked.shape) if ranked.shape else ()
            if (wrong, float(ranked[index])) > best:
                best = (wrong, float(ranked[index]))
                found = part, tuple(int(i) for i in index)
    if found is None:
        return None
    part, place = found
    entries = part.entries
    values = dict(_values(entries.batch, place))
    kink = bool(part.kink[place])
    return Point(
        values, () if entries.batch.separate else place, float(entries.got[place]), float(entries.auto[place]),
        float("nan") if kink else float(part.truth[place]),
    )  # fmt: skip


def _values(batch: Batch, place: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    for name, array in batch.arrays.items():
        yield name, float(array[place]) if batch.separate and array.ndim == len(place) else array.tolist()
