"""Affinities of two Bernoulli distributions: sqrt(y*p) + sqrt((1 - y)*(1 - p)), which is 1 where they are equal.

What the affinity lacks to 1 is half the sum of two squared differences of roots. Their digits do not cancel, so that Hellinger's
distance and the logarithm of Bhattacharyya's coefficient are accurate close to 0 and exactly 0 for equal distributions.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.mixtures import add_up_to_1
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, product_of, scaled, sum_of, total

AFFINITIES = Rule(
    "what an affinity lacks to 1", "1 - sqrt(x*y) - sqrt((1 - x)*(1 - y))",
    "(squared_root_difference(x, y, x - y) + squared_root_difference(1 - x, 1 - y, y - x))/2", 1e-9, 0.999,
    "Hellinger 1909; Bhattacharyya 1943: y + (1 - y) is 1, and twice the products of roots complete the squares", (0.01, 0.99),
)  # fmt: skip
LOGS_OF_AFFINITIES = Rule(
    "log of an affinity", "log(sqrt(x*y) + sqrt((1 - x)*(1 - y)))",
    "log1p(-(squared_root_difference(x, y, x - y) + squared_root_difference(1 - x, 1 - y, y - x))/2)", 0.1, 0.9,
    "Bhattacharyya 1943; what is left of the digits of a logarithm near 1", (0.1, 0.9),
)  # fmt: skip


class Affinities:
    """Writes what affinities lack to 1 by differences of roots; the logarithm of a small one stays."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.kept: set[int] = set()

    def complement(self, node: Node) -> Node | None:
        """Return c - c*(sqrt(y*p) + sqrt((1 - y)*(1 - p))), or ``None`` where a sum has no such terms."""
        parts = sum_of(self.graph, node) if node.op in ("add", "sub") else None
        if parts is None or not parts.constant:
            return None
        terms = [(i, term.node) for i, term in enumerate(parts.terms) if term.scale == -parts.constant]
        for position, (j, second) in enumerate(terms):
            for i, first in terms[:position]:
                lack = self._lack(first, second)
                if lack is not None:
                    return total(self.graph, Fraction(0), [*parts.without({i, j}).parts, (parts.constant, lack)])
        return None

    def logarithm(self, node: Node) -> Node | None:
        """Return the logarithm of an affinity by what that lacks to 1, if it is close to 1."""
        if node.op != "log" or node.args[0].op != "add" or node.index in self.kept:
            return None
        lack = self._lack(*node.args[0].args)
        if lack is None:
            return None
        self.kept.add(node.index)
        close = self.graph.make("lt", lack, self.graph.const(Fraction(1, 2)))
        return self.graph.make("where", close, self.graph.simple("log1p", self.graph.simple("neg", lack)), node)

    def _lack(self, first: Node, second: Node) -> Node | None:
        """Return what two roots lack to 1, if they are those of two products whose factors add up to 1."""
        for x, y in self._under(first):
            for v, w in self._under(second):
                for other, another in ((v, w), (w, v)):
                    if add_up_to_1(self.graph, x, other) and add_up_to_1(self.graph, y, another):
                        difference = self._difference(x, y, other, another)
                        opposite = self.graph.simple("neg", difference)
                        squares = [(x, y, difference), (other, another, opposite)]
                        roots = (self.graph.simple("squared_root_difference", *each) for each in squares)
                        return scaled(self.graph, self.graph.simple("add", *roots), Fraction(1, 2))
        return None

    def _difference(self, x: Node, y: Node, other: Node, another: Node) -> Node:
        """Return x - y, or another - other, which is the same and whose digits are not lost beside 1."""
        plain = [not sum_of(self.graph, node).constant for node in (x, y, other, another)]
        left, right = (x, y) if all(plain[:2]) or not all(plain[2:]) else (another, other)
        return self.graph.simple("sub", left, right)

    def _under(self, root: Node) -> Iterator[tuple[Node, Node]]:
        """Yield the two factors of which a node is the root of the product, and their opposites."""
        whole = product_of(self.graph, root)
        inside = Product(whole.coefficient**2, ())
        for base, exponent in whole.powers:
            if exponent != Fraction(1, 2):
                return
            inside = inside.times(product_of(self.graph, base))
        if whole.coefficient > 0 and abs(inside.coefficient) == 1 and len(inside.powers) == 2:
            (x, one), (y, other) = inside.powers
            if one == other == 1:
                negative = tuple(self.graph.simple("neg", side) for side in (x, y))
                if inside.coefficient == 1:
                    yield x, y
                    yield negative[0], negative[1]
                else:
                    yield negative[0], y
                    yield x, negative[1]
