"""Points around a candidate for a removable singularity, and what value and derivatives are there in many digits.

Arithmetic of many digits is slow, so it is asked only where stochastic arithmetic (Vignes 1993, discrete stochastic
arithmetic) finds the program in float64 unsteady: two evaluations whose operations round at random differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from losscompiler.analysis.floats import Plan
from losscompiler.derivative.reverse import UPSTREAM
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Node
from losscompiler.graph.precise import Arithmetic, apply, evaluate
from losscompiler.stable.precision import LARGEST_FLOAT, MOST_UNITS, SMALLEST_NORMAL, UNIT
from losscompiler.stable.probe_points import DIGITS, UNFIT, Array, Batch, ProbePoints, lifted

_LIMIT = "1e-22"
"""Distance at which the limit at a point is read off, in arithmetic of 90 digits."""

_SHAKE = "1e-15"
"""Relative change of the inputs by which it is found what rounding them may do to a result, to first order: nothing at a minimum."""

_TINY, _UNIT_OF_TINY = 1e-30, 1e-4
"""Outputs that hardly count beside others, and the relative unit of error of those: three digits are enough."""

_WORK, _IN_VAIN = 120_000, 50_000
"""Evaluations of an operation in many digits that may be spent on one loss, about 10 microseconds each, and on points where
nothing turns out to be wrong."""



@dataclass(frozen=True)
class Probe:
    """Points around a candidate, with their truth.

    Attributes:
        name: the symbol.
        centre: the candidate.
        batches: values of all symbols, in float64.
        truths: for each batch the roots, with NaN where there is nothing to compare.
        units: for each batch and root what one unit of error is.
    """

    name: str
    centre: Node
    batches: list[Batch]
    truths: list[list[Array]]
    units: list[list[Array]]

    def wrong(self, roots: Sequence[Node], nudge: float = 0.0) -> int:
        """Count the outputs that a program in float64 gets wrong, with the symbol moved by ``nudge`` where it lies on the centre."""
        import numpy as np

        plan, total = Plan(roots), 0
        for batch, truths, units in zip(self.batches, self.truths, self.units, strict=True):
            found = plan.values(batch | {self.name: batch[self.name] + nudge * self._nudged(batch)} if nudge else batch)
            for got, truth, unit in zip(found, truths, units, strict=True):
                with np.errstate(invalid="ignore"):
                    fine = np.abs(got - truth) <= MOST_UNITS * unit
                total += int(np.sum(np.isfinite(truth) & ~fine))
        return total

    def _nudged(self, batch: Batch) -> Array:
        """Return for each point how far a nudge of 1 moves the symbol."""
        import numpy as np

        (centre,) = Plan([self.centre]).values(batch)
        return np.where(batch[self.name] == centre, np.where(centre == 0, 1.0, centre), 0.0)


class Prober:
    """Makes probes of one loss.

    Args:
        written: the loss as written, for the domains of its symbols.
        roots: value and derivatives in accurate forms, element by element where the loss is elementwise.
        exact: the same in forms that take less time in many digits, where nothing overflows.

    Attributes:
        rows: sets of values of all symbols at which the loss is finite; of an elementwise loss single numbers.
    """

    def __init__(self, written: LossGraph, roots: Sequence[Node], exact: Sequence[Node] | None = None) -> None:
        self.points = ProbePoints(written, roots)
        self.written = written
        self.roots = roots
        self.exact = roots if exact is None else exact
        self.plan = Plan(roots)
        self.pointwise = roots[0].pointwise
        self.rows = self.points.rows
        self._work, self._in_vain = _WORK, _IN_VAIN

    def probe(self, name: str, centre: Node) -> Probe | None:
        """Return a probe; ``None`` if nothing is wrong there at first sight, if it lies outside the domain, or if too much was spent."""
        try:
            batches, exact = self.points.around(name, centre)
            if not batches or all(self._steady(batch) for batch in batches):
                return None
            truths, units = [], []
            before = self._work
            for batch, here in zip(batches, exact, strict=True):
                self._work -= 3 * len(self.plan.nodes) * max(_size(x) for x in batch.values())
                if self._work < 0 or self._in_vain < 0:
                    return None
                truth, unit = self._truth(batch, name, here, both=centre.op == "symbol")
                truths.append(truth)
                units.append(unit)
        except UNFIT:
            return None
        probe = Probe(name, centre, batches, truths, units)
        if not probe.wrong(self.roots):
            self._in_vain -= before - self._work
        return probe

    def noisy_tie(self, probe: Probe, roots: Sequence[Node]) -> bool:
        """Tell whether outputs where two symbols are equal are wrong by more than rounding one of the two alone makes.

        The unit of a probe is what rounding all inputs at once makes, and is 0 for what depends on the difference of the two.
        """
        import mpmath
        import numpy as np

        plan, other = Plan(roots), probe.centre.name or ""
        for batch, truths, units in zip(probe.batches, probe.truths, probe.units, strict=True):
            tied = batch[probe.name] == batch[other]
            with mpmath.workdps(DIGITS):
                exact, shake = lifted(batch), mpmath.mpf(_SHAKE)
                beside = {**exact, probe.name: exact[probe.name] + np.where(tied, mpmath.mpf(_LIMIT), mpmath.mpf(0))}
                apart = {**beside, probe.name: beside[probe.name] * (1 + shake), other: beside[other] * (1 - shake)}
                pairs = zip(self._evaluated(apart), self._evaluated(beside), strict=True)
                rates = self._as_floats([(moved - still) / shake for moved, still in pairs])
            for got, truth, unit, rate in zip(plan.values(batch), truths, units, rates, strict=True):
                with np.errstate(all="ignore"):
                    allowed = np.maximum(unit, np.nan_to_num(np.abs(rate), nan=0.0, posinf=0.0) * UNIT)
                    if np.any(tied & np.isfinite(truth) & ~(np.abs(got - truth) <= MOST_UNITS * allowed)):
                        return True
        return False

    def vanishing(self) -> Callable[[Node], bool]:
        """Return a test for identities: whether an expression is 0 in many digits for all sampled values."""
        import mpmath
        import numpy as np

        with mpmath.workdps(DIGITS):
            points = [lifted(row) for row in self.rows[:2]]
        done: list[dict[int, Any]] = [{} for _ in points]

        def vanishes(node: Node) -> bool:
            with mpmath.workdps(DIGITS):
                for known, values in zip(done, points, strict=True):
                    _extend(known, node, values)
                    if not np.max(np.abs(np.asarray(known[node.index], dtype=object))) <= mpmath.mpf("1e-60"):
                        return False
            return True

        return vanishes

    def continues(self, general: Node, special: Node, name: str, centre: Node) -> bool:
        """Tell whether one expression nears another where a symbol nears a number, from all sides inside the domain."""
        import mpmath
        import numpy as np

        constants = {key: np.asarray(x, float) for key, x in self.written.constants.items()}
        agreed = 0
        with mpmath.workdps(DIGITS):
            for row in self.rows:
                exact = lifted({**row, **constants})
                try:
                    (point,) = evaluate([centre], exact)
                    sides = [exact[name] * 0 + point + sign * mpmath.mpf(_LIMIT) for sign in (1, -1)]
                    pairs = [self._as_floats(evaluate([general, special], {**exact, name: side})) for side in sides]
                except UNFIT:
                    return False
                for one, other in pairs:
                    with np.errstate(all="ignore"):
                        same = np.abs(one - other) <= 1e-15 * (1 + np.abs(other))
                    if not np.all(same | ~np.isfinite(one)):
                        return False
                    agreed += bool(np.all(same))
        return agreed > 0

    @staticmethod
    def _as_floats(found: Sequence[Array]) -> list[Array]:
        import numpy as np

        with np.errstate(all="ignore"):
            return [np.asarray(np.frompyfunc(float, 1, 1)(np.asarray(x, dtype=object)), dtype=float) for x in found]

    # -- judgement
    def _steady(self, batch: Batch) -> bool:
        """Tell whether rounding at random changes no output by more than float32 can show."""
        import numpy as np

        random = np.random.default_rng(0)
        one, other = (self.plan.values(batch, noise=np.random.default_rng(seed)) for seed in (1, 2))
        shaken = {key: x if key == UPSTREAM else x * (1 + 2.0**-30 * random.choice([-1.0, 1.0], np.shape(x))) for key, x in batch.items()}
        for left, right, still, moved in zip(one, other, self.plan.values(batch), self.plan.values(shaken), strict=True):
            with np.errstate(all="ignore"):
                noise, change = np.abs(left - right), np.abs(moved - still)
                # A change of the size of the noise is noise.
                unit = np.maximum(UNIT * np.abs(left), np.where(change > 2.0**7 * noise, 2.0**7 * change, 0.0))
                steady = noise <= np.maximum(unit, SMALLEST_NORMAL)
            if not bool(np.all(steady)):
                return False
        return True

    def _truth(self, batch: Batch, name: str, here: Array, *, both: bool) -> tuple[list[Array], list[Array]]:
        """Return the roots in many digits as floats, NaN where they have no limit, and the unit of error of each.

        With ``both``, a limit has two sides: two symbols are equal within a domain, not at its end.
        """
        import mpmath
        import numpy as np

        random = np.random.default_rng(0)
        with mpmath.workdps(DIGITS):
            exact = lifted(batch)
            step = np.where(here, mpmath.mpf(_LIMIT), mpmath.mpf(0))
            beside = {**exact, name: exact[name] + step}
            here_exactly, left = self._evaluated(beside), self._as_floats(self._evaluated({**exact, name: exact[name] - step}))
            shake = mpmath.mpf(_SHAKE)
            signs = {key: random.choice([-1, 1], np.shape(x)) for key, x in exact.items() if key != UPSTREAM}
            right = self._as_floats(here_exactly)

            def rates(side: Any) -> list[Array]:
                there = self._evaluated({key: beside[key] * (1 + side * sign) for key, sign in signs.items()})
                return self._as_floats([(root - middle) / side for root, middle in zip(there, here_exactly, strict=True)])

            closer = None
            if np.any(here) and not all(bool(np.all(np.isfinite(root) | ~here)) for root in (*right, *left)):
                # Where there is one side alone, a limit is one if it does not move any more.
                sides = (self._as_floats(self._evaluated({**exact, name: exact[name] + sign * step / 10000})) for sign in (1, -1))
                closer = [np.where(np.isfinite(one), one, other) for one, other in zip(*sides, strict=True)]
            changes = rates(shake)
            if not all(bool(np.all(np.isfinite(root))) for root in changes):
                # At the end of a domain one of the two directions leads out of it.
                changes = [np.where(np.isfinite(one), one, two) for one, two in zip(changes, rates(-shake), strict=True)]
        truths, units = [], []
        for above, below, rate, nearer in zip(right, left, changes, closer or [None] * len(right), strict=True):
            with np.errstate(all="ignore"):
                # At the end of a domain there is only one side.
                limit = np.where(np.isfinite(above), above, below)
                agree = np.abs(above - below) <= 1e-10 * np.abs(above) + 1e-20
                if not both:
                    agree |= ~np.isfinite(below) | ~np.isfinite(above)
                if nearer is not None:
                    agree &= ~here | (np.abs(nearer - limit) <= 1e-10 * np.abs(limit) + 1e-20)
                truths.append(np.where(agree & (np.abs(limit) <= LARGEST_FLOAT), limit, np.nan))
                change = np.nan_to_num(np.abs(rate), nan=0.0, posinf=0.0) * UNIT
                relative = np.where(np.abs(limit) < _TINY, _UNIT_OF_TINY, UNIT)
                unit = np.maximum(np.maximum(relative * np.abs(limit), change), SMALLEST_NORMAL)
                # A limit is known to within the distance at which it was read off.
                units.append(np.where(here, np.maximum(unit, 10 * float(_LIMIT)), unit))
        if self.pointwise:
            # Where the loss is infinite nobody asks for its derivatives.
            truths = [np.where(np.isnan(truths[0]), np.nan, truth) for truth in truths]
        return truths, units

    def _evaluated(self, values: Mapping[str, Array]) -> list[Array]:
        import numpy as np

        shape = np.shape(evaluate(self.exact[:1], values)[0])
        found = evaluate(self.exact, {**values, UPSTREAM: np.asarray(np.ones(shape), dtype=object)})
        return [np.broadcast_to(x, shape) if self.pointwise else x for x in found]


def _extend(known: dict[int, Any], node: Node, values: Mapping[str, Any]) -> None:
    """Evaluate what is below a node and not known yet."""
    arithmetic = Arithmetic()
    stack = [node]
    while stack:
        top = stack[-1]
        missing = [arg for arg in top.args if arg.index not in known]
        if top.index not in known and missing:
            stack.extend(missing)
            continue
        stack.pop()
        if top.index in known:
            continue
        if top.op == "const":
            known[top.index] = arithmetic.number(top.value)
        elif top.op == "symbol":
            known[top.index] = values[top.name]
        else:
            known[top.index] = apply(arithmetic, top, [known[arg.index] for arg in top.args])


def _size(x: Array) -> int:
    import numpy as np

    return int(np.size(x))


