"""Factors of what a logarithm is taken of: those whose logarithm is taken, and the others."""

from __future__ import annotations

from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.terms import Product, power_product, product_of, scaled


class Chain:
    """Factors above and below a line: those whose logarithm is taken, and the others."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.coefficient = Fraction(1)
        self.inside: list[tuple[Node, int]] = []
        self.others: list[tuple[Node, int]] = []

    def outside(self, factor: Node, sign: int) -> None:
        """Add a factor that has no exponential."""
        value = factor.value if factor.op == "const" else None
        if isinstance(value, Fraction) and value != 0:
            self.coefficient *= value**sign
        else:
            self.others.append((factor, sign))

    def log_sinhc(self, factor: Node, sign: int) -> Node | None:
        """Return log(sinh(x)/x), and take 1/x from the other factors, where both stand in the product."""
        if factor.op != "sinh" or (factor.args[0], -sign) not in self.others:
            return None
        self.others.remove((factor.args[0], -sign))
        return self.graph.simple("log_sinhc", factor.args[0])

    def rest(self) -> Node | None:
        """Return the product of the factors that have no exponential."""
        result: Node | None = None
        for factor, sign in self.others:
            if sign > 0:
                result = factor if result is None else self.graph.simple("mul", result, factor)
            else:
                result = self.graph.simple("div", self.graph.const(1) if result is None else result, factor)
        if self.coefficient == 1:
            return result
        if result is None:
            return self.graph.const(self.coefficient)
        return scaled(self.graph, result, self.coefficient)


def less(graph: Graph, y: Node, x: Node) -> Node:
    """Return y - x with the factors that both have in common as factors of the difference."""
    one, other = product_of(graph, y), product_of(graph, x)
    shared = Product(Fraction(1), tuple((base, exponent) for base, exponent in one.powers if other.exponent(base) == exponent))
    if not shared.powers:
        return graph.simple("sub", y, x)
    left, right = (power_product(graph, side.times(shared, -1)) for side in (one, other))
    return graph.simple("mul", power_product(graph, shared), graph.simple("sub", left, right))
