"""True values, first derivatives and condition numbers of a function in adaptive arithmetic.

Nothing here knows the compiler: a function is a plain Python function of mpmath numbers. It is evaluated at the exact values
of float32 points; derivatives are central differences whose steps are so small, and whose digits so many, that 30 digits of
them are right. Digits are doubled until two rounds agree.

A point at which the function itself is 0/0 has a truth if the function has a limit there. It is evaluated near the point, at
two distances and, where the function is defined there, on both sides; all must agree.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from accuracy_corpus import CASES
from mpmath import mpf

CACHE = Path(__file__).parent / "data" / "accuracy.npz"
Array = np.ndarray[Any, Any]

Function = Callable[..., Any]

_DIGITS = (80, 160, 320, 640, 1280, 2560)
_LIMIT_DIGITS = (640, 1280, 2560, 5120)
"""Near a limit, a quotient of two small numbers loses digits several times over."""
_AGREE = mpf(10) ** -30
_LIMITS_AGREE = mpf(10) ** -20
_ZERO = mpf(10) ** -60
"""What is smaller is 0: the smallest float32 is 1e-45."""
_DISTANCES = (mpf(10) ** -45, mpf(10) ** -55)
_LIMIT_ZERO = 1e-40
"""A limit below this is 0: at these distances y*log(y) is 1e-43, and no normal float32 is smaller than 1e-38."""
_LARGEST = mpf(3) * mpf(10) ** 38


class Status(IntEnum):
    """What is known of one output at one point."""

    TRUE = 0
    OUT_OF_RANGE = 1  # beyond the largest float32
    UNDEFINED = 2  # no real value, or infinite
    KINK = 3  # the derivatives from the two sides differ, and no convention of symmetry settles it


@dataclass
class Truth:
    """Outputs of a function at a point: the value, then the derivative by each wanted argument.

    Attributes:
        outputs: the true numbers; 0 where the status is not TRUE.
        conditions: for each output g the sum over all arguments x of abs(x * dg/dx): by how much rounding the inputs moves it.
        status: a `Status` for each output.
    """

    outputs: list[float]
    conditions: list[float]
    status: list[int]


class _UndefinedError(Exception):
    """The function has no real, finite value at a point."""


@dataclass
class _Round:
    """What one number of digits gives."""

    value: Any
    first: list[Any]
    before: list[Any]
    after: list[Any]
    second: list[Any]


def truth_at(function: Function, point: Sequence[float], wanted: Sequence[int]) -> Truth:
    """Return the truth at a point for the value and the derivatives by the wanted arguments."""
    count = 1 + len(wanted)
    try:
        near, x = _settled(function, [mpf(v) for v in point], [mpf(v) for v in point], wanted, None)
        return _truth(function, near, x, [mpf(v) for v in point], wanted)
    except _UndefinedError:
        pass
    for moved in range(len(point)):
        try:
            return _limit(function, point, wanted, moved)
        except _UndefinedError:
            continue
    return Truth([0.0] * count, [0.0] * count, [Status.UNDEFINED] * count)


def _limit(function: Function, point: Sequence[float], wanted: Sequence[int], moved: int) -> Truth:
    """Return the limit as one argument approaches its value from wherever the function is defined."""
    exact = [mpf(v) for v in point]
    found: list[Truth] = []
    for side in (1, -1):
        approach = [_approached(function, exact, wanted, {moved: side * distance}, distance) for distance in _DISTANCES]
        found += [truth for truth in approach if truth is not None] if None not in approach else []
    if not found:
        raise _UndefinedError
    # A limit that depends on the direction is none: 0/0 of abs(y - p)/(abs(y) + abs(p)).
    for side in (1, -1):
        oblique = {i: side * _DISTANCES[0] / (1 + (i - moved) % len(exact)) for i in range(len(exact))}
        truth = _approached(function, exact, wanted, oblique, _DISTANCES[0])
        found = [truth, *found] if truth is not None else found
    result = found[-1]
    for other in found[:-1]:
        for position, (mine, its) in enumerate(zip(result.outputs, other.outputs, strict=True)):
            if other.status[position] != Status.TRUE or result.status[position] != Status.TRUE:
                result.status[position] = Status.UNDEFINED if position == 0 else max(result.status[position], other.status[position])
            elif abs(mine - its) > 1e-14 * max(abs(mine), abs(its)) + _LIMIT_ZERO:
                result.status[position] = Status.UNDEFINED
    for position, status in enumerate(result.status):
        if status != Status.TRUE or abs(result.outputs[position]) < _LIMIT_ZERO:
            result.outputs[position] = 0.0
    if result.status[0] == Status.UNDEFINED:
        raise _UndefinedError
    return result


def _approached(function: Function, exact: list[Any], wanted: Sequence[int], moves: dict[int, Any], distance: Any) -> Truth | None:
    """Return the truth near a point, or ``None`` where there is none."""
    with mpmath.workdps(2 * _LIMIT_DIGITS[-1]):
        x = [v + moves.get(i, 0) * max(abs(v), mpf(1)) for i, v in enumerate(exact)]
    try:
        rounds, at = _settled(function, x, exact, wanted, distance)
        return _truth(function, rounds, at, exact, wanted)
    except _UndefinedError:
        return None


def _settled(function: Function, x: list[Any], exact: list[Any], wanted: Sequence[int], scale: Any) -> tuple[list[_Round], list[Any]]:
    """Return the last two rounds, which agree."""
    last: _Round | None = None
    failures = 0
    for digits in _DIGITS if scale is None else _LIMIT_DIGITS:
        with mpmath.workdps(digits):
            try:
                current = _differences(function, x, exact, wanted, digits, scale)
            except _UndefinedError:
                # Cancellation to 0 looks like a pole until the digits suffice.
                failures += 1
                if failures > 2:
                    raise
                last = None
                continue
        if last is not None and _agree(last, current):
            return [last, current], x
        last = current
    if last is None:
        raise _UndefinedError
    return [last], x


def _close(a: Any, b: Any, tolerance: Any) -> bool:
    return bool(abs(a - b) <= tolerance * max(abs(a), abs(b)) + _ZERO)


def _agree(last: _Round, current: _Round) -> bool:
    if not _close(last.value, current.value, _AGREE):
        return False
    return all(
        _close(a, b, _AGREE) or not _close(current.before[i], current.after[i], mpf(10) ** -10) or abs(b) > _LARGEST
        for i, (a, b) in enumerate(zip(last.first, current.first, strict=True))
        if a is not None and b is not None
    )


def _call(function: Function, x: Sequence[Any]) -> Any:
    try:
        value = function(*x)
    except (ZeroDivisionError, ValueError, OverflowError, mpmath.libmp.NoConvergence) as error:
        raise _UndefinedError from error
    if isinstance(value, mpmath.mpc):
        if value.imag != 0:
            raise _UndefinedError
        value = value.real
    value = mpf(value)
    if not mpmath.isfinite(value):
        raise _UndefinedError
    return value


def _steps(x: Sequence[Any], digits: int, scale: Any) -> list[Any]:
    # With a quarter of the digits, first and second differences keep half of them.
    step = mpf(10) ** (-digits // 4)
    return [step * (scale if scale is not None else abs(v) if v != 0 else mpf(1)) for v in x]


def _moved(x: Sequence[Any], **by: Any) -> list[Any]:
    result = list(x)
    for position, step in by.items():
        result[int(position[1:])] += step
    return result


def _differences(function: Function, x: list[Any], exact: list[Any], wanted: Sequence[int], digits: int, scale: Any) -> _Round:
    value = _call(function, x)
    first: list[Any] = []
    before: list[Any] = []
    after: list[Any] = []
    second: list[Any] = []
    for i, step in enumerate(_steps(x, digits, scale)):
        if i not in wanted and exact[i] == 0:
            # No derivative is asked for, and the condition number has the factor 0.
            for part in (first, before, after, second):
                part.append(None)
            continue
        try:
            high, low = _call(function, _moved(x, **{f"x{i}": step})), _call(function, _moved(x, **{f"x{i}": -step}))
        except _UndefinedError:
            if i in wanted:
                raise
            for part in (first, before, after, second):
                part.append(None)
            continue
        first.append((high - low) / (2 * step))
        before.append((value - low) / step)
        after.append((high - value) / step)
        second.append((high - 2 * value + low) / step**2)
    return _Round(value, first, before, after, second)


def _truth(function: Function, rounds: list[_Round], x: list[Any], exact: list[Any], wanted: Sequence[int]) -> Truth:
    """Turn agreeing rounds into outputs, statuses and condition numbers."""
    current = rounds[-1]
    if len(rounds) < 2:
        raise _UndefinedError
    last = rounds[0]
    outputs, status = [current.value], [_status(current.value)]
    smooth = [True] * len(x)
    for i in range(len(x)):
        if current.first[i] is None:
            continue
        smooth[i] = _close(last.second[i], current.second[i], mpf(1) / 10) or abs(current.second[i]) < mpf(10) ** -20
    for i in wanted:
        left, right, slope = current.before[i], current.after[i], current.first[i]
        if abs(current.after[i]) > 2 * abs(last.after[i]) + _ZERO and abs(current.after[i]) > 1:
            outputs.append(mpf(0))
            status.append(Status.UNDEFINED)
        elif smooth[i] or _close(left, right, mpf(10) ** -10):
            outputs.append(slope)
            status.append(_status(slope))
        elif abs(left + right) <= _LIMITS_AGREE * (abs(left) + abs(right)) or abs(left - right) < mpf(10) ** -10:
            outputs.append(mpf(0) if abs(slope) <= _LIMITS_AGREE * (abs(left) + abs(right)) else slope)
            status.append(Status.TRUE)
        else:
            outputs.append(mpf(0))
            status.append(Status.KINK)
    conditions = _conditions(function, current, x, exact, wanted, smooth)
    numbers = [float(v) if s == Status.TRUE else 0.0 for v, s in zip(outputs, status, strict=True)]
    return Truth(numbers, conditions, [int(s) for s in status])


def _status(value: Any) -> Status:
    return Status.OUT_OF_RANGE if abs(value) > _LARGEST else Status.TRUE


def _conditions(
    function: Function, current: _Round, x: list[Any], exact: list[Any], wanted: Sequence[int], smooth: list[bool]
) -> list[float]:
    """Return for each output the sum of abs(x * derivative) over all arguments; where one does not exist it counts 0."""
    terms = [abs(v * d) for v, d in zip(exact, current.first, strict=True) if d is not None]
    result = [_bounded(mpmath.fsum(terms))]
    digits = 160 if all(smooth) else 80
    with mpmath.workdps(4 * digits):
        moves = [abs(a - b) for a, b in zip(x, exact, strict=True) if a != b]
        near = min([*moves, _DISTANCES[0]]) if moves else None
        steps = _steps(x, digits, near)
        known: dict[tuple[int, int], Any] = {(i, i): second for i, second in enumerate(current.second)}
        for i in wanted:
            total = mpf(0)
            for j in range(len(x)):
                if exact[j] == 0 or not (smooth[i] and smooth[j]) or current.first[j] is None:
                    continue
                pair = (min(i, j), max(i, j))
                if pair not in known:
                    known[pair] = _mixed(function, x, pair, steps)
                if known[pair] is not None:
                    total += abs(exact[j] * known[pair])
            result.append(_bounded(total))
    return result


def _mixed(function: Function, x: list[Any], pair: tuple[int, int], steps: list[Any]) -> Any:
    i, j = pair
    total = mpf(0)
    try:
        for a in (1, -1):
            for b in (1, -1):
                total += a * b * _call(function, _moved(x, **{f"x{i}": a * steps[i], f"x{j}": b * steps[j]}))
    except _UndefinedError:
        return None
    return total / (4 * steps[i] * steps[j])


def _bounded(value: Any) -> float:
    return float(value) if value < mpf(10) ** 300 else 1e300


# -------------------------------------------------------------------------------------------------------------- cache
@dataclass(frozen=True)
class Reference:
    """The cached truth of one case: the points, and for each output (rows) and point the number, its condition and status."""

    points: Array
    outputs: Array
    conditions: Array
    status: Array
    digest: str


def load_references() -> dict[str, Reference]:
    if not CACHE.exists():
        return {}
    with np.load(CACHE) as data:
        names = sorted({key.split("/")[0] for key in data.files})
        parts = ("points", "outputs", "conditions", "status")
        return {name: Reference(*(data[f"{name}/{part}"] for part in parts), str(data[f"{name}/digest"])) for name in names}


def save_references(references: dict[str, Reference]) -> None:
    CACHE.parent.mkdir(exist_ok=True)
    arrays: dict[str, Any] = {}
    for name, reference in sorted(references.items()):
        if name in CASES:
            for part in ("points", "outputs", "conditions", "status", "digest"):
                arrays[f"{name}/{part}"] = np.asarray(getattr(reference, part))
    np.savez_compressed(CACHE, **arrays)


def compute_reference(name: str) -> tuple[str, Reference, float]:
    start = time.perf_counter()
    case = CASES[name]
    points = case.points()
    truths = [truth_at(case.function, [float(v) for v in point], case.wanted) for point in points]
    outputs = np.array([truth.outputs for truth in truths], "float64").T
    # Only the size of a condition number matters: 8 digits, and a range that float32 does not have.
    conditions = np.minimum(np.array([truth.conditions for truth in truths], "float64").T, 3e38).astype("float32")
    status = np.array([truth.status for truth in truths], "uint8").T
    return name, Reference(points, outputs, conditions, status, case.digest()), time.perf_counter() - start


def stale(names: Sequence[str], references: Mapping[str, Reference]) -> list[str]:
    """Return the cases without a reference, or that were changed since."""
    return [name for name in names if name not in references or references[name].digest != CASES[name].digest()]


def regenerate(names: Sequence[str], *, forced: bool) -> None:
    """Make references again: of all given cases, or of those that need it."""
    references = load_references()
    wanted = list(names) if forced else stale(names, references)
    with get_context("fork").Pool(min(2, os.cpu_count() or 1)) as pool:
        for name, reference, seconds in pool.imap_unordered(compute_reference, wanted):
            references[name] = reference
            unknown = int((reference.status == Status.UNDEFINED).sum())
            print(f"{name:<36}{len(reference.points):>5} points{seconds:>8.1f} s{unknown:>6} outputs without a truth", flush=True)
            save_references(references)
    print(f"{len(wanted)} made again; {CACHE} has {CACHE.stat().st_size / 1e6:.2f} MB")
