"""Exponentials and logarithms less the first terms of their series: exp(u) - 1 - u, log(1 + u) - u."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import Presence, added, atom, multiplied_out, products_of, ratio
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, power_product

REMAINDERS = Rule(
    "exponential less its first terms", "3*exp(x/2) - 3 - 3*x/2", "3*expm1mx(x/2)", -80, 80, "Kahan 1987; the terms cancel near 0"
)
LOG_COSH = Rule(
    "softplus less its tangent", "3*x + 3*softplus(-2*x) - 3*log(2)", "3*log_cosh(x)", -80, 80, "the terms cancel near 0, to second order"
)
_MINUS = Product(Fraction(-1), ())


class Remainders:
    """Brings such terms together in the sums of one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.functions = Presence(("exp", "expm1", "log1p"))

    def apply(self, node: Node) -> Node | None:
        """Return a sum in which such terms are one function, or ``None`` if it has none."""
        if node.op not in ("add", "sub") or not self.functions.within(node):
            return None
        found = products_of(self.graph, node)
        return self._in_terms(found) or self._in_terms(multiplied_out(self.graph, found, ("exp",)))

    def _in_terms(self, found: Sequence[Product]) -> Node | None:
        for position, term in enumerate(found):
            for base, exponent in term.powers:
                if exponent != 1 or base.op not in self.functions.operations:
                    continue
                common = term.times(atom(base), -1)
                wanted = [part.times(common).times(_MINUS) for part in products_of(self.graph, base.args[0])]
                if base.op == "exp":
                    wanted.append(common.times(_MINUS))
                left = _without([other for i, other in enumerate(found) if i != position], wanted)
                if left is not None:
                    function = self.graph.simple("log1pmx" if base.op == "log1p" else "expm1mx", base.args[0])
                    terms = [common.times(atom(function)), *left]
                    return added(self.graph, [power_product(self.graph, each) for each in terms])
        return None

    def log_cosh(self, node: Node) -> Node | None:
        """Return softplus(x) - x/2 - log(2), times a factor, as log(cosh(x/2))."""
        if node.op not in ("add", "sub"):
            return None
        found = products_of(self.graph, node)
        for position, term in enumerate(found):
            base = next((base for base, exponent in term.powers if base.op == "softplus" and exponent == 1), None)
            if base is None:
                continue
            common = term.times(atom(base), -1)
            half = [part.times(Product(Fraction(1, 2), ())) for part in products_of(self.graph, base.args[0])]
            number = atom(self.graph.simple("log", self.graph.const(2)))
            wanted = [part.times(common).times(_MINUS) for part in (*half, number)]
            left = _without([other for i, other in enumerate(found) if i != position], wanted)
            if left is not None:
                inside = added(self.graph, [power_product(self.graph, part) for part in half])
                terms = [common.times(atom(self.graph.simple("log_cosh", inside))), *left]
                return added(self.graph, [power_product(self.graph, each) for each in terms])
        return None


def _without(found: Sequence[Product], wanted: Sequence[Product]) -> list[Product] | None:
    """Return terms without some others, or ``None`` if they do not hold them all."""
    left = list(found)
    for term in wanted:
        match = next((other for other in left if ratio(other, term) == 1), None)
        if match is None:
            return None
        left.remove(match)
    return left
