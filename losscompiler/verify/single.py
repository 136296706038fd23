"""How accurate a program is in float32, in units of what float32 can do.

The unit of error is the larger of one rounding of the true result and what one rounding of every input may cause:

    culp = abs(got - truth) / max(ulp(truth), 2**-23 * sum over inputs x of abs(x * d truth/dx))

so that a result that is near 0 by cancellation of its inputs is not held against a program. A result counts as off if it is
wrong by more than 1 % and by more than 64 culp, or is NaN or infinite where the truth is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from losscompiler.verify.gradient_check import SinglePrecision
from losscompiler.verify.reference import Derivative, Reference, lower, summed

Array = np.ndarray[Any, Any]

OFF_SHARE, OFF_CULP = 0.01, 64.0
_UNIT = 2.0**-23
_LARGEST, _SMALLEST_NORMAL = float(np.finfo("float32").max), float(np.finfo("float32").tiny)
_UNQUESTIONED = 2.0
"""Culp, by the rounding of the result alone, beyond which the condition is computed."""


@dataclass(frozen=True)
class Measured:
    """The errors of one symbol's derivative, or of the value, in one batch: culp, 0 where nothing is judged."""

    arrays: dict[str, Array]
    separate: bool
    got: Array
    truth: Array
    culp: Array
    off: Array
    judged: Array


def measure(
    reference: Reference, derivative: Derivative, symbol: str | None, upstream: Array, got: Array, seed: int, *, separate: bool,
    arrays: dict[str, Array],
) -> Measured:  # fmt: skip
    """Return how far the results of a program in float32 are from the truth at the same float32 numbers."""
    truth = lower(derivative.truth)
    got = got.astype("float64").reshape(truth.shape)
    judged = derivative.asked & ~derivative.kink & (np.abs(truth) <= _LARGEST)
    with np.errstate(all="ignore"):
        unit = np.maximum(np.spacing(np.abs(np.where(judged, truth, 0.0)).astype("float32")).astype("float64"), _SMALLEST_NORMAL)
        if bool((judged & ~(np.abs(got - truth) <= _UNQUESTIONED * unit)).any()):
            condition = lower(reference.condition(symbol, upstream, seed))
            unit = np.maximum(unit, _UNIT * np.where(np.isfinite(condition), condition, 0.0))
        culp = np.where(judged, np.abs(got - truth) / unit, 0.0)
        culp = np.where(np.isfinite(culp), culp, np.inf)
        off = judged & (culp > OFF_CULP) & ~(np.abs(got - truth) <= OFF_SHARE * np.abs(truth))
    if off.any():
        near = _near_kink(reference, seed, truth.shape)
        off, judged, culp = off & ~near, judged & ~near, np.where(near, 0.0, culp)
    return Measured(arrays, separate, got, truth, culp, off, judged)


def _near_kink(reference: Reference, seed: int, shape: tuple[int, ...]) -> Array:
    near = reference.near_kink(_UNIT / 2, seed)
    if not reference.loss.loss.pointwise:
        return np.full(shape, bool(near.any()))
    return summed(np.broadcast_to(near, np.broadcast_shapes(near.shape, shape)).astype(int), shape) > 0


def conclude(parts: Sequence[Measured]) -> SinglePrecision | None:
    """Return the largest error over all batches and where it is; ``None`` if nothing was judged."""
    points = sum(int(part.judged.sum()) for part in parts)
    if not points:
        return None
    worst = max(parts, key=lambda part: float(part.culp.max(initial=0.0)))
    place = np.unravel_index(int(np.argmax(worst.culp)), worst.culp.shape) if worst.culp.shape else ()
    index = tuple(int(i) for i in place)
    values = {
        name: float(array[index]) if worst.separate and array.ndim == len(index) else array.tolist() for name, array in worst.arrays.items()
    }
    return SinglePrecision(
        points, float(worst.culp[index]), sum(int(part.off.sum()) for part in parts), values, () if worst.separate else index,
        float(worst.got[index]), float(worst.truth[index]),
    )  # fmt: skip
