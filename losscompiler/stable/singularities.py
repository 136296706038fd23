"""Removable singularities that no rule knows: points where a loss as written is 0/0, or loses all digits around it.

Candidates are the zeros of denominators, and 0 itself, around which floating-point numbers are dense. Each is probed: the
program in float64 against the same program in arithmetic of many digits, at the point and at several distances from it.
Where that fails, the loss is replaced by its power series in the symbol, wherever the last terms of the series are
negligible; that condition is evaluated with the data, so that it finds the right distance for every sample. A loss that
has a limit but no series is evaluated a little beside the point. A change that does not mend what was probed is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from losscompiler.analysis.domains import settle
from losscompiler.analysis.floats import Plan
from losscompiler.analysis.samples import Samples
from losscompiler.analysis.study import Study, rebuilt
from losscompiler.derivative.reverse import UPSTREAM, gradients
from losscompiler.graph import axes as ax
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Graph, Node, reachable
from losscompiler.graph.precise import evaluate
from losscompiler.graph.printing import node_text
from losscompiler.stable.precision import MOST_UNITS
from losscompiler.stable.rules import Rule
from losscompiler.stable.series import Expansion, NotAnalyticError
from losscompiler.stable.zeros import poles

_DIGITS = 120
_LIMIT = "1e-28"
"""Distance at which the limit at a point is read off, in arithmetic of 120 digits."""

_AROUND_0 = (0.0, 0.3, -0.1, 1e-2, -1e-3, 1e-4, -1e-5, 1e-6, -1e-8, 1e-12, 1e-20)
_AROUND = (0.0, 2.0**-23, -(2.0**-22), 2.0**-20, -(2.0**-17), 1e-4, -1e-3, 1e-2, -0.1)
"""Distances, the second relative to the point."""

_TERMS, _TERMS_AT_TIES, _HIGHEST_ORDER = 5, 4, 9
"""Terms of a series that are not 0, and the highest order up to which they are looked for."""

_NEGLIGIBLE, _NEGLIGIBLE_AT_TIES = Fraction(3, 10**7), Fraction(1, 10**8)
"""The share that the last two terms may have. With five terms, those left out are then below 1e-10, and 1e-8 in a derivative;
farther from the point, float64 carries a triple pole to 1e-9."""

_FARTHEST, _FARTHEST_FROM_TIE = Fraction(1, 4), Fraction(1, 1000)
"""How far from a number, or relative to a tie, a series may be used."""
_NUDGES = (1e-12, -1e-12, 1e-9, -1e-9, 1e-14, -1e-14)
_LARGEST, _MOST_ADDED = 260, 3000
_LARGEST_FLOAT, _SMALLEST_NORMAL, _UNIT = 3.4028234663852886e38, 1.1754943508222875e-38, 2.0**-23
_ROWS = 3
_WORK = 60_000
"""Evaluations of an operation in many digits that may be spent on one loss; about 10 microseconds each."""

Array = Any


@dataclass(frozen=True)
class _Probe:
    """Points around a candidate, with what value and derivatives are there.

    Attributes:
        name: the symbol.
        centre: the candidate.
        batches: values of all symbols, in float64.
        truths: for each batch the roots, with NaN where there is nothing to compare.
        units: for each batch and root what one unit of error is.
    """

    name: str
    centre: Node
    batches: list[dict[str, Array]]
    truths: list[list[Array]]
    units: list[list[Array]]

    def wrong(self, roots: Sequence[Node], nudge: float = 0.0) -> int:
        """Count the outputs that a program in float64 gets wrong, with the symbol moved by ``nudge`` where it lies on the centre."""
        import numpy as np

        plan, total = Plan(roots), 0
        for batch, truths, units in zip(self.batches, self.truths, self.units, strict=True):
            try:
                found = plan.values(batch | {self.name: batch[self.name] + nudge * self.nudged(batch)} if nudge else batch)
            except (ValueError, IndexError, OverflowError):
                return 10**9
            for got, truth, unit in zip(found, truths, units, strict=True):
                with np.errstate(invalid="ignore"):
                    fine = np.abs(got - truth) <= MOST_UNITS * unit
                total += int(np.sum(np.isfinite(truth) & ~fine))
        return total

    def nudged(self, batch: dict[str, Array]) -> Array:
        """Return for each point how far a nudge of 1 moves the symbol."""
        import numpy as np

        (centre,) = Plan([self.centre]).values(batch)
        return np.where(batch[self.name] == centre, np.where(centre == 0, 1.0, centre), 0.0)


def mend(loss: LossGraph, written: LossGraph) -> tuple[LossGraph, list[tuple[Rule, Node]]]:
    """Return the loss with its removable singularities mended, and what was done.

    Args:
        loss: the loss in accurate forms.
        written: the loss as written, for the domains of its symbols.
    """
    names = [name for name in loss.variables if name not in loss.predictions or loss.loss.pointwise]
    used = {node.name for node in reachable([loss.loss]) if node.op == "symbol"}
    names = [name for name in names if name in used]
    nodes = reachable([loss.loss])
    if not names or len(nodes) > _LARGEST or Plan([loss.loss]).slow:
        return loss, []
    return _Mender(loss, written).run(names)


class _Mender:
    def __init__(self, loss: LossGraph, written: LossGraph) -> None:
        self.loss = loss
        self.graph: Graph = loss.graph
        study = Study.of(written)
        domains = settle(study)
        self.samples = Samples(study, domains)
        self.domains = domains
        self.names = loss.variables
        self._derived: dict[int, list[Node]] = {}
        self.given = self._roots(loss.loss)
        self.work = _WORK
        self.indifferent: set[int] = set()

    def run(self, names: Sequence[str]) -> tuple[LossGraph, list[tuple[Rule, Node]]]:
        """Try every candidate of every symbol."""
        current, done = self.loss.loss, []
        rows = self._rows() if self.samples.shape is not None else []
        if not rows:
            return self.loss, []
        left: list[tuple[str, Node, _Probe]] = []
        # Parameters first: the series around a tie of data is then made of the loss as mended.
        for name in sorted(names, key=lambda name: name in self.loss.predictions):
            for centre in self._centres(name):
                probe = self._probe(name, centre, rows) if self.work > 0 else None
                before = 0 if probe is None else probe.wrong(self._roots(current))
                if probe is None or not before:
                    continue
                change = self._series(name, centre, current, rows)
                after = before if change is None else probe.wrong(self._roots(change))
                if change is not None and after < before:
                    current = change
                    words = f"power series in {_offset(name, centre)} where its last terms are negligible"
                    done.append((_rule(name, centre, words), self.loss.loss))
                if after:
                    left.append((name, centre, probe))
        for name, centre, probe in left:
            if not probe.wrong(self._roots(current)):
                continue
            for nudge in _NUDGES:
                if not probe.wrong(self._roots(current), nudge):
                    current = self._beside(name, centre, current, nudge)
                    done.append((_rule(name, centre, f"limit, evaluated at a distance of {abs(nudge):g}"), self.loss.loss))
                    break
        return replace(self.loss, loss=current), done

    def _centres(self, name: str) -> list[Node]:
        """Return where a symbol may be singular: poles first, 0, and the targets to which it may be equal."""
        centres = [*poles(self.graph, self.loss.loss, name), self.graph.const(0)]
        if name in self.loss.predictions:
            centres += [node for node in reachable([self.loss.loss]) if node.op == "symbol" and node.name in self.loss.targets]
        return list(dict.fromkeys(centres))

    def _roots(self, loss: Node) -> list[Node]:
        """Return value and derivatives, element by element where the loss is elementwise."""
        if loss.index not in self._derived:
            self._derived[loss.index] = self._derive(loss)
        return self._derived[loss.index]

    def _derive(self, loss: Node) -> list[Node]:
        found = gradients(self.graph, loss, self.names)
        picked = found.local if loss.pointwise else found.by_name
        zero = self.graph.const(0)
        return [loss, *(picked[name] or zero for name in self.names)]

    # -- points
    def _rows(self) -> list[dict[str, Array]]:
        """Return sets of values of all symbols at which the loss is finite; of an elementwise loss single numbers."""
        import numpy as np

        found: list[dict[str, Array]] = []
        for turn, sample in enumerate(self.samples.samples()):
            values = {**self.samples.nearby(turn), **sample.data}
            if not self.loss.loss.pointwise:
                found.append(values)
            elif all(np.ndim(x) == 0 or np.shape(x)[-1:] == (1,) for x in values.values()):
                rows = np.flatnonzero(np.reshape(np.broadcast_to(sample.valid, np.shape(sample.valid)), -1))[: _ROWS - 1 + (turn == 0)]
                for row in rows:
                    found.append({name: np.reshape(x, -1)[row] if np.ndim(x) else float(x) for name, x in values.items()})
        if self.loss.loss.pointwise:
            found += [self._spread(row, seed) for seed, row in enumerate(found[:_ROWS])]
        single = [{name: np.asarray(np.asarray(x, "float32"), float) for name, x in row.items()} for row in found]
        return [*single[:_ROWS], *single[-_ROWS:]] if self.loss.loss.pointwise else single[:1]

    def _spread(self, row: dict[str, Array], seed: int) -> dict[str, Array]:
        """Return values with the parameters far from where they start, as far as their bounds allow."""
        import numpy as np

        random = np.random.default_rng(seed)
        moved = {}
        for name, x in row.items():
            span = self.domains.span_of(name)
            further = float(x) * float(10.0 ** random.uniform(-1.0, 1.5))
            moved[name] = further if name in self.loss.parameters and span.low < further < span.high else x
        return moved

    def _probe(self, name: str, centre: Node, rows: list[dict[str, Array]]) -> _Probe | None:
        """Return points around a centre with their truth; ``None`` if it cannot be computed or lies outside the domain."""
        import mpmath
        import numpy as np

        span = self.domains.span_of(name)
        cost = len(reachable(self.given)) * 3
        batches: list[dict[str, Array]] = []
        exact: list[Array] = []
        with mpmath.workdps(_DIGITS):
            for row in rows:
                point = _number(evaluate([centre], _lifted(row))[0])
                if point is None or not (span.low <= point <= span.high):
                    continue
                steps = _AROUND_0 if point == 0 else tuple(step * abs(point) for step in _AROUND)
                moved = np.unique(np.asarray([np.float32(point + step) for step in steps], dtype=float))
                above = moved > span.low if span.low_open else moved >= span.low
                moved = moved[above & (moved < span.high if span.high_open else moved <= span.high)]
                if self.loss.loss.pointwise:
                    batches.append({key: np.full(len(moved), x) for key, x in row.items()} | {name: moved})
                    exact.append(moved == point)
                else:
                    for value in moved:
                        batches.append({**row, name: np.full(np.shape(row[name]), value)})
                        exact.append(np.full(np.shape(row[name]), value == point))
            if self.loss.loss.pointwise and batches:
                batches = [{key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}]
                exact = [np.concatenate(exact)]
            if not batches:
                return None
            truths, units = [], []
            for batch, here in zip(batches, exact, strict=True):
                self.work -= cost * max(np.size(x) for x in batch.values())
                if self.work < 0:
                    return None
                batch |= {key: np.asarray(x, float) for key, x in self.loss.constants.items()}
                truth, unit = self._truth(batch, name, here)
                truths.append(truth)
                units.append(unit)
        full = [self._with_upstream(batch, truth[0]) for batch, truth in zip(batches, truths, strict=True)]
        return _Probe(name, centre, full, truths, units)

    def _with_upstream(self, batch: dict[str, Array], value: Array) -> dict[str, Array]:
        import numpy as np

        return {**batch, UPSTREAM: np.ones(np.shape(value))}

    def _truth(self, batch: dict[str, Array], name: str, here: Array) -> tuple[list[Array], list[Array]]:
        """Return the roots in many digits as floats, NaN where they have no limit, and the unit of error of each."""
        import mpmath
        import numpy as np

        exact = _lifted(batch)
        sides = []
        for sign in (1, -1):
            step = sign * mpmath.mpf(_LIMIT)
            moved = np.where(here, step, mpmath.mpf(0)) + exact[name]
            sides.append(self._evaluated({**exact, name: moved}))
        random = np.random.default_rng(0)
        shaken = {key: x * (1 + mpmath.mpf(_UNIT) * random.choice([-1, 1], np.shape(x))) for key, x in exact.items()}
        other = self._evaluated(shaken)
        truths, units = [], []
        for right, left, moved in zip(*sides, other, strict=True):
            with np.errstate(all="ignore"):
                agree = (np.abs(right - left) <= 1e-10 * np.abs(right) + 1e-25) | ~np.isfinite(left)
                truth = np.where(agree & (np.abs(right) <= _LARGEST_FLOAT), right, np.nan)
                change = np.nan_to_num(np.abs(moved - right), nan=0.0, posinf=0.0)
                units.append(np.maximum(np.maximum(_UNIT * np.abs(right), change), _SMALLEST_NORMAL))
            truths.append(truth)
        return truths, units

    def _evaluated(self, values: dict[str, Array]) -> list[Array]:
        import numpy as np

        (value,) = evaluate(self.given[:1], values)
        values = {**values, UPSTREAM: np.asarray(np.ones(np.shape(value)), dtype=object)}
        found = evaluate(self.given, values)
        shape = np.shape(value)
        with np.errstate(all="ignore"):
            lowered = [np.asarray(np.frompyfunc(float, 1, 1)(np.asarray(x, dtype=object)), dtype=float) for x in found]
        return [np.broadcast_to(x, shape) if self.loss.loss.pointwise else x for x in lowered]

    # -- changes
    def _series(self, name: str, centre: Node, current: Node, rows: list[dict[str, Array]]) -> Node | None:
        """Return the loss by its series wherever that is accurate, and as it is elsewhere; ``None`` if there is no series."""
        graph = self.graph
        expansion = Expansion(graph, name, centre, _vanishing(rows), _MOST_ADDED, frozenset(self.indifferent))
        try:
            coefficients = _coefficients(expansion, current, _TERMS_AT_TIES if centre.op == "symbol" else _TERMS)
            if centre.op == "symbol":
                coefficients = {order: self._without_idle(coefficient, rows) for order, coefficient in coefficients.items()}
        except (NotAnalyticError, RecursionError):
            return None
        if len(coefficients) < 3:
            return None
        symbol = next(node for node in reachable([self.loss.loss]) if node.op == "symbol" and node.name == name)
        offset = graph.simple("sub", symbol, centre)
        powers = [graph.const(1), offset]
        while len(powers) <= max(coefficients):
            powers.append(graph.simple("mul", powers[-1], offset))
        terms = {order: graph.simple("mul", coefficient, powers[order]) for order, coefficient in coefficients.items()}
        # The terms of the derivative are compared: a large constant term says nothing of how fast the others fall.
        sizes = [graph.simple("mul", graph.const(order), graph.simple("abs", term)) for order, term in terms.items() if order]
        tail, scale = _total(graph, sizes[-2:]), _total(graph, sizes[:-2])
        share = _NEGLIGIBLE_AT_TIES if centre.op == "symbol" else _NEGLIGIBLE
        negligible = graph.make("le", tail, graph.simple("mul", graph.const(share), scale))
        # At some values of the other symbols the last terms vanish by chance; the derivatives by those symbols still have them.
        reach = graph.const(_FARTHEST)
        if not centre.constant:
            reach = graph.simple("mul", graph.const(_FARTHEST_FROM_TIE), graph.simple("abs", centre))
        close = graph.make("and", negligible, graph.make("le", graph.simple("abs", offset), reach))
        self.indifferent.add(close.index)
        return graph.make("where", close, _total(graph, list(terms.values())[::-1]), current)

    def _without_idle(self, coefficient: Node, rows: list[dict[str, Array]]) -> Node:
        """Return a coefficient with the parameters that it does not depend on set to a number.

        What cancels in exact arithmetic leaves noise in floating point, and in a derivative that noise may be all there is.
        """
        const, simple = self.graph.const, self.graph.simple
        symbols = [node for node in reachable([coefficient]) if node.op == "symbol" and node.name in self.loss.parameters]
        for node in symbols:
            elsewhere = simple("add", simple("mul", node, const(Fraction(7, 8))), const(Fraction(1, 64)))
            other = rebuilt(self.graph, coefficient, simple, {node.name: elsewhere})
            if node.axes == ax.SCALAR and _vanishing(rows)(simple("sub", coefficient, other)):
                coefficient = rebuilt(self.graph, coefficient, simple, {node.name: const(Fraction(float(self.samples.start(node.name))))})
        return coefficient

    def _beside(self, name: str, centre: Node, current: Node, nudge: float) -> Node:
        """Return the loss with the symbol moved a little where it lies exactly on the centre; its derivative is kept."""
        graph = self.graph
        symbol = next(node for node in reachable([self.loss.loss]) if node.op == "symbol" and node.name == name)
        step = graph.const(Fraction(nudge)) if centre.is_number(0) else graph.simple("mul", centre, graph.const(Fraction(nudge)))
        moved = graph.simple("add", symbol, graph.make("where", graph.make("eq", symbol, centre), step, graph.const(0)))
        return rebuilt(graph, current, graph.make, {name: moved})


def _coefficients(expansion: Expansion, loss: Node, count: int) -> dict[int, Node]:
    """Return the first coefficients other than 0, by order; none if the loss is infinite at the centre."""
    low = expansion.lowest(loss)
    found = {}
    for order in range(min(low, 0), _HIGHEST_ORDER + 1):
        coefficient = expansion.coefficient(loss, order)
        if coefficient is not None and order < 0:
            return {}
        if coefficient is not None:
            found[order] = coefficient
        if len(found) == count:
            break
    return found


def _total(graph: Graph, terms: Sequence[Node]) -> Node:
    total = terms[0]
    for term in terms[1:]:
        total = graph.simple("add", total, term)
    return total


def _vanishing(rows: list[dict[str, Array]]) -> Callable[[Node], bool]:
    """Return a test for identities: whether an expression is 0 in many digits for all sampled values."""
    import mpmath
    import numpy as np

    with mpmath.workdps(_DIGITS):
        lifted = [_lifted(row) for row in rows[:2]]
    done: list[dict[int, Any]] = [{} for _ in lifted]

    def vanishes(node: Node) -> bool:
        from losscompiler.graph.precise import Arithmetic, apply

        with mpmath.workdps(_DIGITS):
            arithmetic = Arithmetic()
            for known, values in zip(done, lifted, strict=True):
                stack = [node]
                while stack:
                    top = stack[-1]
                    missing = [arg for arg in top.args if arg.index not in known]
                    if top.index in known or missing:
                        stack.extend(missing)
                        if not missing:
                            stack.pop()
                        continue
                    if top.op == "const":
                        known[top.index] = arithmetic.number(top.value)
                    elif top.op == "symbol":
                        known[top.index] = values[top.name]
                    else:
                        known[top.index] = apply(arithmetic, top, [known[arg.index] for arg in top.args])
                    stack.pop()
                largest = np.max(np.abs(np.asarray(known[node.index], dtype=object)))
                if not largest <= mpmath.mpf("1e-60"):
                    return False
        return True

    return vanishes


def _lifted(values: Mapping[str, Array]) -> dict[str, Any]:
    """Return floats as exact numbers of mpmath at its present precision."""
    import mpmath
    import numpy as np

    number = np.frompyfunc(lambda x: mpmath.mpf(float(x)), 1, 1)
    return {name: mpmath.mpf(float(x)) if np.ndim(x) == 0 else np.asarray(number(x), dtype=object) for name, x in values.items()}


def _number(value: Any) -> float | None:
    import numpy as np

    if np.ndim(value):
        return None
    found = float(value)
    return found if abs(found) < _LARGEST_FLOAT else None


def _offset(name: str, centre: Node) -> str:
    return name if centre.is_number(0) else f"{name} - {node_text(centre)}"


def _rule(name: str, centre: Node, words: str) -> Rule:
    at = f"{name} = {node_text(centre)}"
    return Rule("removable singularity", f"the loss at {at}", words, 0, 0, "Griewank & Walther 2008, chapter 13")
