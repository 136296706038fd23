"""Whether a program loses digits in float32, and so has to be computed in float64.

A condition analysis by sampling: the program is evaluated with every operation rounded to float32, and in float64, at
points of the loss's own domain that include very small, very large and nearly equal numbers, and at points that descend
from the worst of these. An error is measured in units of what float32 can do: the rounding of the result, or what rounding
the inputs alone may cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from losscompiler.analysis.domains import Domains, settle
from losscompiler.analysis.floats import Plan
from losscompiler.analysis.samples import KINDS, Samples, within
from losscompiler.analysis.study import Study
from losscompiler.derivative.reverse import UPSTREAM
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Node, reachable
from losscompiler.stable.worst_points import WorstPoints

MOST_UNITS = 12.0
"""Error, in units of what float32 can do, beyond which a program counts as losing digits."""

_MOST_UNITS_SEARCHED = 40.0
"""The same for points that were searched for: what loses a digit in a corner of the domain is no reason to compute twice as long."""

_MOST_UNITS_OF_PAIRS = 1e5
"""The same for losses that multiply matrices: only errors of about 1 % and more count."""

_ROWS, _ROUNDS, _ROUNDS_WITH_REDUCTIONS = 192, 3, 8
_LARGEST = 600
"""Nodes of the largest program that is probed; larger ones are computed in float64 unseen."""

UNIT = 2.0**-23
_SHAKE = 2.0**-30
LARGEST_FLOAT, SMALLEST_NORMAL = 3.4028234663852886e38, 1.1754943508222875e-38


def loses_digits(loss: LossGraph, roots: list[Node]) -> bool:
    """Tell whether value or gradients come out wrong by more than `MOST_UNITS` in float32.

    Args:
        loss: the loss as written, for the domains of its symbols.
        roots: value and gradients as they are computed.
    """
    nodes = reachable(roots)
    if not any(node.args and not node.constant for node in nodes):
        return False
    plan = Plan(roots)
    if len(nodes) > _LARGEST or plan.slow:
        return True
    study = Study.of(loss)
    domains = settle(study)
    samples = Samples(study, domains)
    if samples.shape is None:
        return True
    # What is computed from pairs of samples costs many times more in float64, on some devices sixty times.
    most = _MOST_UNITS_OF_PAIRS if any(node.op == "matmul" for node in nodes) else MOST_UNITS
    worst = WorstPoints(lambda name, x, random: within(x, domains.span_of(name), random), samples.is_position)
    seen = False
    for values in _points(samples, domains, loss):
        try:
            units = _units(plan, {**loss.constants, **values})
        except (ValueError, IndexError, OverflowError):
            continue
        if units is None:
            continue
        if units.max(initial=0) > most:
            return True
        seen = True
        if loss.loss.pointwise:
            worst.add(values, units)
    return not seen or worst.exceed(_MOST_UNITS_SEARCHED, lambda points: _units(plan, {**loss.constants, **points}))


def _points(samples: Samples, domains: Domains, loss: LossGraph) -> Iterator[dict[str, Any]]:
    """Yield values of all symbols, as float32 numbers."""
    import numpy as np

    for turn in range(_ROUNDS if loss.loss.pointwise else _ROUNDS_WITH_REDUCTIONS):
        for kind in KINDS[:-1]:
            random = np.random.default_rng([turn, KINDS.index(kind)])
            data = samples.data(kind, turn, _ROWS if loss.loss.pointwise else None)
            values = dict(samples.nearby(turn))
            if loss.loss.pointwise:
                lead = next((np.shape(x) for x in data.values()), (1,))
                values = {name: np.broadcast_to(x, lead) if np.ndim(x) == 0 else x for name, x in values.items()}
            values |= data
            moved: dict[str, Any] = {}
            for name, x in values.items():
                if not samples.is_position(name) and turn:
                    x = _spread(x, name, domains, random, moved, extreme=loss.loss.pointwise)
                moved[name] = np.asarray(np.asarray(x, "float32"), "float64")
            yield moved


def _spread(x: Any, name: str, domains: Domains, random: Any, others: Mapping[str, Any], *, extreme: bool) -> Any:
    """Return values of which many are tiny, large, 1, close to a bound, or close to another symbol's."""
    import numpy as np

    x = np.asarray(x, dtype=float)
    span = domains.span_of(name)
    # Alike along the last axis half of the time: whole rows are then close to another symbol's.
    choice = random.integers(0, 7, x.shape if random.random() < 0.5 else (*x.shape[:-1], 1))
    sign = np.where(x < 0, -1.0, 1.0)
    result = np.where(choice == 1, sign * 10.0 ** random.uniform(-6, 4, x.shape), x)
    if extreme:
        # Between 1e18 and 1e20 a square may overflow whose mean does not, which is nobody's concern.
        sizes = np.where(random.random(x.shape) < 0.8, random.uniform(-22, 18, x.shape), random.uniform(20, 24, x.shape))
        # Where exp(-x) is about the smallest float a factor may bring back what is flushed to 0.
        edge = random.uniform(84, 104, x.shape)
        result = np.where(choice == 2, sign * np.where(random.random(x.shape) < 0.3, edge, 10.0**sizes), result)
    step = 10.0 ** random.uniform(-6, -1, x.shape)
    if extreme:
        # Terms that cancel around 1, such as s**2 - 1 - 2*log(s), leave others alone there.
        result = np.where(choice == 6, sign * (1 + step * random.choice([-1.0, 0.0, 1.0], x.shape)), result)
    if np.isfinite(span.low):
        result = np.where(choice == 3, span.low + step, result)
    if np.isfinite(span.high):
        result = np.where(choice == 4, span.high - step, result)
    same = [other for other in others.values() if np.shape(other) == x.shape]
    if same:
        result = np.where(choice == 5, same[-1] * (1 + step * random.choice([-1.0, 0.0, 1.0], x.shape)), result)
    return within(result, span, random)


def _units(plan: Plan, values: Mapping[str, Any]) -> Any | None:
    """Return the largest error of the roots in units of what float32 can do, or ``None`` if there is nothing to compare.

    For a pointwise loss it is that of each sample.
    """
    import numpy as np

    shape = np.broadcast_shapes(*(np.shape(x) for x in values.values())) if plan.roots[0].pointwise else None
    given = {**values, UPSTREAM: np.ones(shape if shape is not None else ())}
    if shape is None:
        (value,) = Plan(plan.roots[:1]).values(given)
        given[UPSTREAM] = np.ones(np.shape(value))
    truth = plan.values(given)
    narrow = plan.values(given, single=True)
    random = np.random.default_rng(0)
    changes = [np.zeros(np.shape(root)) for root in truth]
    with np.errstate(all="ignore"):
        for name in sorted(set(given) - {UPSTREAM}):
            signs = random.choice([-1.0, 1.0], np.shape(given[name]))
            moved = plan.values({**given, name: given[name] * (1 + _SHAKE * signs)})
            for change, root, other in zip(changes, truth, moved, strict=True):
                change += np.nan_to_num(np.abs(other - root) * (UNIT / _SHAKE), nan=np.inf)
        # At a kink the rounding of an input alone may lead to its other side.
        for _ in range(4):
            signs_of = {name: random.choice([-1.0, 1.0], np.shape(given[name])) for name in sorted(set(given) - {UPSTREAM})}
            moved = plan.values(given | {name: given[name] * (1 + UNIT * signs) for name, signs in signs_of.items()})
            for change, root, other in zip(changes, truth, moved, strict=True):
                np.maximum(change, np.nan_to_num(np.abs(other - root), nan=np.inf), out=change)
        units, usable = np.zeros(shape or ()), False
        for root, found, change in zip(truth, narrow, changes, strict=True):
            judged = np.isfinite(root) & (np.abs(root) <= LARGEST_FLOAT)
            unit = np.maximum(np.maximum(UNIT * np.abs(root), change), SMALLEST_NORMAL)
            error = np.where(judged, np.nan_to_num(np.abs(found - root) / unit, nan=np.inf), 0)
            units = np.maximum(units, error if np.shape(error) == np.shape(units) else error.max(initial=0))
            usable |= bool(judged.any())
    return units if usable else None
