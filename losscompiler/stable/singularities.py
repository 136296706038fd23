"""Removable singularities that no rule knows: points where a loss as written is 0/0, or loses all digits around it.

Candidates are the zeros of denominators, 0 itself, around which floating-point numbers are dense, 1, where logarithms vanish,
and predictions that are equal to their target. Each is probed: the program in float64 against the same in arithmetic of many
digits, at the point and at several distances from it. Where that fails, the loss is replaced by its power series in the
symbol, wherever the last terms of the series are negligible; that condition is evaluated with the data, so that it finds the
right distance for every sample, and wherever the branches of choices are those of the series. Where two symbols are exactly equal
and something that vanishes leaves noise, the first terms alone stand. A loss that has a limit but no series is evaluated a little
beside the point. A change that does not mend what was probed is dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from fractions import Fraction

from losscompiler.analysis.floats import Plan
from losscompiler.analysis.study import rebuilt
from losscompiler.derivative.reverse import gradients
from losscompiler.graph import axes as ax
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Graph, Node, reachable
from losscompiler.graph.printing import node_text
from losscompiler.stable.close_conditions import NotAnalyticError
from losscompiler.stable.guards import Guard, as_good, without_guards
from losscompiler.stable.means import averaged, inside_means
from losscompiler.stable.probes import Probe, Prober
from losscompiler.stable.rewrite import economise, guard
from losscompiler.stable.rules import Rule
from losscompiler.stable.series import Expansion
from losscompiler.stable.sides import positive_side
from losscompiler.stable.zeros import poles

_TERMS, _TERMS_AT_TIES, _FEWEST_TERMS, _HIGHEST_ORDER = 5, 4, 3, 9
"""Terms of a series beside the constant that are not 0, how many there must be unless it is a polynomial, and the highest order
up to which they are looked for."""

_NEGLIGIBLE, _NEGLIGIBLE_AT_TIES = Fraction(3, 10**7), Fraction(1, 10**8)
"""The share that the last two terms may have. With five terms, those left out are then below 1e-10, and 1e-8 in a derivative;
farther from the point, float64 carries a triple pole to 1e-9."""

_LARGEST_EXPONENT = Fraction(1, 5)
"""How far the exponent of an exponential may move: the first term that is left out is then below 1e-7."""

_NOISE = Fraction(1, 10**9)
"""The share of the constant term below which all others together are noise, as where every coefficient but the first is 0."""

_FARTHEST, _FARTHEST_FROM_TIE, _FARTHEST_AMONG_ZEROS = Fraction(1, 4), Fraction(1, 1000), Fraction(1, 10**5)
"""How far from a number a series may be used, how far relative to a tie, and how far where all terms or both symbols are 0."""
_FARTHEST_OF_POLYNOMIALS = Fraction(1, 100)
"""How far a series may be used of which all terms but two are 0 up to the highest order; one beyond it is then below 1e-20."""
_MOST_TIED, _MOST_TIED_OF_BOTH_KINDS = 5, 3
"""Variables of the largest loss in which any two predictions or two parameters may be equal, and a prediction and a parameter."""

_NUDGES = (1e-12, -1e-12, 1e-9, -1e-9, 1e-14, -1e-14, 1e-30, -1e-30)
_LARGEST, _MOST_ADDED = 260, 6000


def mend(loss: LossGraph, written: LossGraph) -> tuple[LossGraph, list[tuple[Rule, Node]]]:
    """Return the loss with its removable singularities mended, and what was done.

    Args:
        loss: the loss in accurate forms.
        written: the loss as written, for the domains of its symbols.
    """
    inside, around = inside_means(loss.loss)
    if around and inside.pointwise:
        # Of the mean of a loss of samples, the loss of a sample is mended; in a graph of its own, since its adjoint has other axes.
        own = Graph(loss.graph.source)
        own.vectors = loss.graph.vectors
        alone = replace(loss, graph=own, loss=rebuilt(own, inside, own.make), definitions={})
        inner, done = mend(alone, replace(written, loss=inside_means(written.loss)[0]))
        result = rebuilt(loss.graph, inner.loss, loss.graph.make)
        return (replace(loss, loss=averaged(loss.graph, result, around)), done) if done else (loss, [])
    names = [name for name in loss.variables if name not in loss.predictions or loss.loss.pointwise]
    used = {node.name for node in reachable([loss.loss]) if node.op == "symbol"}
    names = [name for name in names if name in used]
    if not names or len(reachable([loss.loss])) > _LARGEST or Plan([loss.loss]).slow:
        return loss, []
    mended, done = _mended(loss, written, names)
    side = positive_side(loss)
    if side is not None:
        condition, opened = side
        alike = positive_side(written)
        positive, changes = _mended(opened, written if alike is None else alike[1], names)
        if changes:
            mended = replace(loss, loss=loss.graph.make("where", condition, positive.loss, mended.loss))
            known = {rule for rule, _ in done}
            done += [(rule, node) for rule, node in changes if rule not in known]
    return mended, done


def _mended(loss: LossGraph, written: LossGraph, names: Sequence[str]) -> tuple[LossGraph, list[tuple[Rule, Node]]]:
    """Return a loss of samples mended in some symbols; its guards are opened if it is then as good."""
    opened, guards = without_guards(loss, written, names)
    if guards:
        mender = _Mender(opened, written, guards)
        mended, done = mender.run(names)
        if as_good(mender.roots(mended.loss), loss.loss, mender.prober, guards):
            return mended, [*((guard.rule, guard.node) for guard in guards), *done]
    return _Mender(loss, written).run(names)


class _Mender:
    def __init__(self, loss: LossGraph, written: LossGraph, guards: Sequence[Guard] = ()) -> None:
        self.loss = loss
        self.guards = guards
        self.graph: Graph = loss.graph
        self._derived: dict[int, list[Node]] = {}
        self._unguarded: list[Node] = []
        roots = self.roots(loss.loss)
        self.prober = Prober(written, roots, self._unguarded)
        self.indifferent: set[int] = set()

    def run(self, names: Sequence[str]) -> tuple[LossGraph, list[tuple[Rule, Node]]]:
        """Try every candidate of every symbol."""
        current, done = self.loss.loss, []
        left: list[tuple[str, Node, Probe]] = []
        # Parameters and poles first: the series around a tie of data is then made of the loss as mended.
        last = [name for name in names if name in self.loss.predictions and not poles(self.graph, self.loss.loss, name)]
        for name in [*(name for name in names if name not in last), *last]:
            for centre in self._centres(name):
                probe = self.prober.probe(name, centre)
                before = 0 if probe is None else probe.wrong(self.roots(current))
                if probe is None or not before:
                    continue
                change = self._series(name, centre, current)
                after = before if change is None else probe.wrong(self.roots(change))
                if change is not None and after < before:
                    current = change
                    words = f"power series in {_offset(name, centre)} where its last terms are negligible"
                    done.append((_rule(name, centre, words), self.loss.loss))
                noisy = after and centre.op == "symbol" and self.prober.noisy_tie(probe, self.roots(current))
                tied = self._at_tie(name, centre, current) if noisy else None
                if tied is not None and probe.wrong(self.roots(tied)) < after:
                    current, after = tied, probe.wrong(self.roots(tied))
                    done.append((_rule(name, centre, "what it is there, by its slopes"), self.loss.loss))
                if after:
                    left.append((name, centre, probe))
        for name, centre, probe in left:
            if not probe.wrong(self.roots(current)):
                continue
            for nudge in _NUDGES:
                if not probe.wrong(self.roots(current), nudge):
                    current = self._beside(name, centre, current, nudge)
                    done.append((_rule(name, centre, f"limit, evaluated at a distance of {abs(nudge):g}"), self.loss.loss))
                    break
        return replace(self.loss, loss=current), done

    def _centres(self, name: str) -> list[Node]:
        """Return where a symbol may be singular: poles first, the symbols to which it may be equal, 0, and 1, where logarithms vanish."""
        guarded = [guard.centre for guard in self.guards if guard.name == name]
        centres, ties = [*poles(self.graph, self.loss.loss, name), *guarded], list[Node]()
        if self.loss.loss.pointwise:
            symbols = {node.name: node for node in reachable([self.loss.loss]) if node.op == "symbol"}
            variables = [other for other in self.loss.variables if other in symbols]
            # Of two variables the one that is declared later is moved.
            before = variables[: variables.index(name)] if len(variables) <= _MOST_TIED else []
            if len(variables) > _MOST_TIED_OF_BOTH_KINDS:
                before = [other for other in before if (other in self.loss.parameters) == (name in self.loss.parameters)]
            targets = [other for other in self.loss.targets if other in symbols and name in self.loss.predictions]
            ties = [symbols[other] for other in (*targets, *before)]
        found = dict.fromkeys([*centres, *ties, self.graph.const(0), self.graph.const(1)])
        return [centre for centre in found if not self._singled_out(name, centre)]

    def _singled_out(self, name: str, centre: Node) -> bool:
        """Tell whether the loss says itself what it is at a point, as in ``-log(w) if y == 0 else p - y*log(p)``."""
        for node in reachable([self.loss.loss]):
            if node.op in ("eq", "ne"):
                difference = self.graph.simple("sub", *node.args)
                there = rebuilt(self.graph, difference, self.graph.simple, {name: centre})
                if there is not difference and self.prober.vanishing()(there):
                    return True
        return False

    def roots(self, loss: Node) -> list[Node]:
        """Return value and derivatives, element by element where the loss is elementwise."""
        if loss.index not in self._derived:
            found = gradients(self.graph, loss, self.loss.variables)
            picked = found.local if loss.pointwise else found.by_name
            wanted = [loss, *(picked[name] or self.graph.const(0) for name in self.loss.variables)]
            if loss is self.loss.loss:
                # As programs compute them: much that is 0/0 in a derivative as it is derived cancels.
                place = economise(self.graph, wanted)
                self._unguarded = [place[node.index] for node in wanted]
                guarded = guard(self.loss, self._unguarded)
                wanted = [guarded[node.index] for node in self._unguarded]
            self._derived[loss.index] = wanted
        return self._derived[loss.index]

    def _series(self, name: str, centre: Node, current: Node) -> Node | None:
        """Return the loss by its series wherever that is accurate, and as it is elsewhere; ``None`` if there is no series."""
        graph = self.graph
        expansion = Expansion(graph, name, centre, self.prober.vanishing(), _MOST_ADDED, frozenset(self.indifferent))
        try:
            coefficients = _coefficients(expansion, current, _TERMS_AT_TIES if centre.op == "symbol" else _TERMS)
            if centre.op == "symbol":
                coefficients = {order: self._without_idle(coefficient) for order, coefficient in coefficients.items()}
        except (NotAnalyticError, RecursionError):
            return None
        polynomial = 0 < max(coefficients, default=0) < _HIGHEST_ORDER // 2 and centre.op != "symbol"
        if len(coefficients) < _FEWEST_TERMS and not polynomial:
            return None
        if centre.op == "symbol" and 0 in coefficients and centre not in poles(graph, self.loss.loss, name):
            # Digits that vanish are missed where everything vanishes, as in a divergence of two equal things.
            return None
        symbol = next(node for node in reachable([self.loss.loss]) if node.op == "symbol" and node.name == name)
        offset = graph.simple("sub", symbol, centre)
        powers = [graph.const(1), offset]
        while len(powers) <= max(coefficients):
            powers.append(graph.simple("mul", powers[-1], offset))
        terms = {order: graph.simple("mul", coefficient, powers[order]) for order, coefficient in coefficients.items()}
        close = self._close(terms, offset, centre)
        for condition in expansion.unchanged():
            if not condition.axes <= current.axes:
                return None
            close = graph.make("and", close, condition)
        for exponent in expansion.exponents(self.loss.loss):
            # A power that is negligible in the loss need not be so in its derivative by the base.
            size = graph.simple("abs", graph.simple("mul", exponent, offset))
            if size.axes <= current.axes:
                close = graph.make("and", close, graph.make("le", size, graph.const(_LARGEST_EXPONENT)))
        self.indifferent.add(close.index)
        return graph.make("where", close, _total(graph, list(terms.values())[::-1]), current)

    def _at_tie(self, name: str, centre: Node, current: Node) -> Node | None:
        """Return the loss by its first coefficients where two symbols are exactly equal.

        What vanishes there leaves noise, as in the slope of log(mean(x**a))/a by a.
        """
        graph = self.graph
        expansion = Expansion(graph, name, centre, self.prober.vanishing(), _MOST_ADDED, frozenset(self.indifferent))
        try:
            if expansion.lowest(current) < 0:
                return None
            coefficients = [expansion.coefficient(current, order) for order in range(3)]
        except (NotAnalyticError, RecursionError):
            return None
        symbol = next(node for node in reachable([self.loss.loss]) if node.op == "symbol" and node.name == name)
        offset, total = graph.simple("sub", symbol, centre), graph.const(0)
        for coefficient in coefficients[::-1]:
            total = graph.simple("mul", total, offset)
            if coefficient is not None:
                total = graph.simple("add", total, self._without_idle(coefficient, self.loss.variables))
        return graph.make("where", graph.make("eq", symbol, centre), total, current)

    def _close(self, terms: dict[int, Node], offset: Node, centre: Node) -> Node:
        """Return the condition under which the last terms of a series are negligible."""
        graph = self.graph
        distance = graph.simple("abs", offset)
        if len(terms) < _FEWEST_TERMS:
            return graph.make("le", distance, graph.const(_FARTHEST_OF_POLYNOMIALS))
        # The terms of the derivative are compared: a large constant term says nothing of how fast the others fall.
        sizes = [graph.simple("mul", graph.const(order), graph.simple("abs", term)) for order, term in terms.items() if order]
        constant = [graph.simple("mul", graph.const(_NOISE), graph.simple("abs", terms[0]))] if 0 in terms else []
        tail, scale = _total(graph, sizes[-2:]), _total(graph, [*sizes[:-2], *constant])
        share = _NEGLIGIBLE_AT_TIES if centre.op == "symbol" else _NEGLIGIBLE
        negligible = graph.make("le", tail, graph.simple("mul", graph.const(share), scale))
        # At some values of the other symbols the last terms vanish by chance; the derivatives by those symbols still have them.
        reach, small = graph.const(_FARTHEST), graph.const(_FARTHEST_AMONG_ZEROS)
        if not centre.constant:
            reach = graph.simple("mul", graph.const(_FARTHEST_FROM_TIE), graph.simple("abs", centre))
            if self._finite_at_0(terms, centre):
                reach = graph.simple("add", reach, small)
            small = graph.const(0)
        any_left = graph.make("gt", scale, graph.const(0))
        negligible = graph.make("and", negligible, graph.make("or", any_left, graph.make("le", distance, small)))
        # Infinite terms compare as negligible beside infinite ones.
        finite = graph.make("lt", graph.simple("add", tail, scale), graph.const("inf"))
        return graph.make("and", graph.make("and", negligible, finite), graph.make("le", distance, reach))

    def _finite_at_0(self, terms: dict[int, Node], centre: Node) -> bool:
        """Tell whether a series around a symbol is one also where that is 0: then its terms fall at distances that are not relative."""
        import numpy as np

        plan, name = Plan(list(terms.values())), centre.name or ""
        found = (plan.values({**row, name: row[name] * 0}) for row in self.prober.rows)
        return any(all(bool(np.all(np.isfinite(term))) for term in values) for values in found)

    def _without_idle(self, coefficient: Node, names: Collection[str] = ()) -> Node:
        """Return a coefficient with the parameters, and the symbols named, that it does not depend on set to a number.

        What cancels in exact arithmetic leaves noise in floating point, and in a derivative that noise may be all there is.
        """
        const, simple = self.graph.const, self.graph.simple
        symbols = [node for node in reachable([coefficient]) if node.op == "symbol"]
        for node in [node for node in symbols if node.name in names or (node.name in self.loss.parameters and node.axes == ax.SCALAR)]:
            elsewhere = simple("add", simple("mul", node, const(Fraction(7, 8))), const(Fraction(1, 64)))
            other = rebuilt(self.graph, coefficient, simple, {node.name: elsewhere})
            if self.prober.vanishing()(simple("sub", coefficient, other)):
                usual = const(Fraction(self._usual(node.name or "")))
                coefficient = rebuilt(self.graph, coefficient, simple, {node.name: usual})
        return coefficient

    def _usual(self, name: str) -> float:
        """Return the value at which a parameter starts, or one that data may have."""
        if name in self.loss.parameters:
            return float(self.prober.points.samples.start(name))
        return float(self.prober.rows[0][name])

    def _beside(self, name: str, centre: Node, current: Node, nudge: float) -> Node:
        """Return the loss with the symbol moved a little where it lies exactly on the centre; its derivative is kept."""
        graph = self.graph
        symbol = next(node for node in reachable([self.loss.loss]) if node.op == "symbol" and node.name == name)
        step = graph.const(Fraction(nudge)) if centre.is_number(0) else graph.simple("mul", centre, graph.const(Fraction(nudge)))
        moved = graph.simple("add", symbol, graph.make("where", graph.make("eq", symbol, centre), step, graph.const(0)))
        return rebuilt(graph, current, graph.make, {name: moved})


def _coefficients(expansion: Expansion, loss: Node, count: int) -> dict[int, Node]:
    """Return the constant and the first other coefficients that are not 0, by order; none if the loss is infinite at the centre."""
    low = expansion.lowest(loss)
    found = {}
    for order in range(min(low, 0), _HIGHEST_ORDER + 1):
        coefficient = expansion.coefficient(loss, order)
        if coefficient is not None and order < 0:
            return {}
        if coefficient is not None:
            found[order] = coefficient
        # The constant term has no part in the derivative, by which the series is judged.
        if len(found) - (0 in found) == count:
            break
    return found


def _total(graph: Graph, terms: Sequence[Node]) -> Node:
    total = terms[0]
    for term in terms[1:]:
        total = graph.simple("add", total, term)
    return total


def _offset(name: str, centre: Node) -> str:
    return name if centre.is_number(0) else f"{name} - {node_text(centre)}"


def _rule(name: str, centre: Node, words: str) -> Rule:
    at = f"{name} = {node_text(centre)}"
    return Rule("removable singularity", f"the loss at {at}", words, 0, 0, "Griewank & Walther 2008, chapter 13")
