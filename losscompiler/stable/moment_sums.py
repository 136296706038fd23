"""Sums of neighbouring integrals that are elementary: exp_moment(0, u) + u*exp_moment(1, u) is exp(u).

By the product rule the derivative of u*exp_moment(0, u) holds such a sum; for large negative u its terms cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from losscompiler.graph.expressions import ExpressionBuilder, Keywords
from losscompiler.graph.node import Graph, Node
from losscompiler.source import Source
from losscompiler.stable.cancelling import Presence, added, atom, multiplied_out, products_of, raised, ratio
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, power_product, product_of, sum_of, total

MOMENT_SUMS = Rule(
    "neighbouring integrals", "3*exp_moment(0, x) + 3*x*exp_moment(1, x)", "3*exp(x)", -80, 80,
    "integration by parts; the terms of the left side cancel for large negative x",
)  # fmt: skip
RECIPROCAL_MEANS = Rule(
    "mean of reciprocals", "log1p_moment(0, 2*x - 1)", "reciprocal_mean(2*x)", 1e-9, 9, "the digits of a small x are lost in 2*x - 1",
)  # fmt: skip

_NEIGHBOURS: dict[str, tuple[int, Callable[[int], Fraction], str]] = {
    "exp_moment": (1, lambda k: Fraction(1, k + 1), "exp(u)/(k + 1)"),
    "log1p_moment": (1, lambda k: Fraction(-1), "1/((k + 1)*(1 + u)**(k + 1))"),
    "asinh_moment": (2, lambda k: Fraction(-1), "1/((2*k + 1)*(1 + u**2)**(k + 1/2))"),
}
"""For f(k, u) the power n of u and the number c with which f(k, u) + c*u**n*f(k + 1, u) is the text."""


class MomentSums:
    """Adds up neighbouring integrals in the sums of one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.moments = Presence(_NEIGHBOURS)

    def apply(self, node: Node) -> Node | None:
        """Return a sum with two neighbours added up, or ``None`` if it has none."""
        if node.op not in ("add", "sub") or not self.moments.within(node):
            return None
        found = products_of(self.graph, node)
        return self._in_terms(found) or self._in_terms(multiplied_out(self.graph, found, _NEIGHBOURS))

    def _in_terms(self, found: Sequence[Product]) -> Node | None:
        for i, first in enumerate(found):
            for base, exponent in first.powers:
                if exponent != 1 or base.op not in _NEIGHBOURS:
                    continue
                k = int(str(base.args[0].value))
                neighbour = self.graph.make(base.op, self.graph.const(k + 1), base.args[1])
                for j, second in enumerate(found):
                    value = self._added(k, base, neighbour, first, second) if second.exponent(neighbour) == 1 else None
                    if value is not None:
                        others = [power_product(self.graph, term) for position, term in enumerate(found) if position not in (i, j)]
                        return added(self.graph, [value, *others])
        return None

    def _added(self, k: int, base: Node, neighbour: Node, first: Product, second: Product) -> Node | None:
        power, number, text = _NEIGHBOURS[base.op]
        inner = product_of(self.graph, base.args[1])
        common = first.times(atom(base), -1)
        if ratio(second.times(atom(neighbour), -1), common.times(raised(inner, power))) != number(k):
            return None
        value = self._power(inner) if base.op == "exp_moment" and k == 0 else None
        if value is None:
            builder = ExpressionBuilder(self.graph, Source(text), _no_name, self.graph.simple, internal=True)
            value = builder.expand(text, {"u": base.args[1], "k": self.graph.const(k)}, Keywords(), base.span)
        return power_product(self.graph, common.times(atom(value)))

    def _power(self, inner: Product) -> Node | None:
        """Return the exponential of a product that has a logarithm among its factors as a power."""
        for base, exponent in inner.powers:
            if base.op in ("log", "weighted_log") and exponent == 1:
                return self.graph.simple("pow", base.args[0], power_product(self.graph, inner.times(atom(base), -1)))
        return None


def reciprocal_mean(graph: Graph, node: Node) -> Node | None:
    """Return log1p_moment(0, u), the mean of 1/t between 1 and 1 + u, by 1 + u, if u is a sum with a number in it."""
    if node.op != "log1p_moment" or not node.args[0].is_number(0) or node.args[1].constant:
        return None
    parts = sum_of(graph, node.args[1])
    return graph.simple("reciprocal_mean", total(graph, parts.constant + 1, parts.parts)) if parts.constant else None


def _no_name(name: object) -> Node:
    raise AssertionError(f"{name} is bound by the caller")
