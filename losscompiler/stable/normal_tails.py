"""Tails of the normal distribution beside the square that they cancel with: log(ndtr(u - s)) - u*s + s**2/2 for a large s.

The exponentially modified normal distribution is written so. In the lower tail log(ndtr(z)) is -z**2/2 and a logarithm, and all
but u**2/2 of the square cancels with the other terms in symbols.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import added, atom, products_of, ratio
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, power_product

NORMAL_TAILS = Rule(
    "normal tail beside its square", "log_ndtr(y - x) - y*x + x**2/2", "log_ndtr_and_square(y - x, y, x**2/2 - y*x)", 0.1, 9,
    "Grushka 1972, the exponentially modified Gaussian; the terms of the left side cancel for large x", (-9, 9),
)  # fmt: skip
_MOST_TERMS, _MOST_INSIDE = 12, 4
_HALF = Fraction(1, 2)


class NormalTails:
    """Takes the square out of tails of the normal distribution in the sums of one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def apply(self, node: Node) -> Node | None:
        """Return a sum in which c*log_ndtr(u + v) and c*(u*v + v**2/2) are one function, or ``None`` if it has no such terms."""
        if node.op not in ("add", "sub"):
            return None
        found = products_of(self.graph, node)
        for position, term in enumerate(found):
            for base, exponent in term.powers:
                if base.op != "log_ndtr" or exponent != 1:
                    continue
                outside = term.times(atom(base), -1)
                inside, others = self._expanded([base.args[0]]), [each for i, each in enumerate(found) if i != position]
                if not 2 <= len(inside) <= _MOST_INSIDE:
                    continue
                for apart in self._parts(inside):
                    rest = [part for part in inside if part not in apart]
                    square = [v.times(u) for v in apart for u in rest]
                    square += [v.times(w).times(Product(_HALF, ())) for v in apart for w in apart]
                    left = self._without(others, [outside.times(part) for part in square])
                    if left is not None:
                        whole = added(self.graph, [power_product(self.graph, part) for part in self._collected(square)])
                        function = self.graph.simple("log_ndtr_and_square", base.args[0], self._together(rest), whole)
                        return added(self.graph, [power_product(self.graph, each) for each in (*left, outside.times(atom(function)))])
        return None

    def _parts(self, inside: list[Product]) -> list[list[Product]]:
        """Return the parts of a sum that are smaller than it, small ones first."""
        return [list(part) for size in range(1, len(inside)) for part in combinations(inside, size)]

    def _without(self, others: list[Product], wanted: list[Product]) -> list[Product] | None:
        """Return what is left of terms, multiplied out, without some; ``None`` if they do not hold these."""
        expanded = self._expanded([power_product(self.graph, other) for other in others])
        for want in self._collected(wanted):
            match = next((i for i, each in enumerate(expanded) if ratio(each, want) == 1), None)
            if match is None:
                return None
            del expanded[match]
        return expanded

    def _expanded(self, nodes: list[Node]) -> list[Product]:
        """Return a sum of nodes multiplied out, like terms together; empty if there are very many."""
        done: list[Product] = []
        stack = [product for node in nodes for product in products_of(self.graph, node)]
        while stack:
            product = stack.pop()
            bracket = next((base for base, exponent in product.powers if exponent == 1 and base.op in ("add", "sub")), None)
            if bracket is None:
                done.append(product)
            else:
                outside = product.times(atom(bracket), -1)
                stack += [part.times(outside) for part in products_of(self.graph, bracket)]
            if len(done) + len(stack) > _MOST_TERMS:
                return []
        return self._collected(done)

    def _collected(self, products: list[Product]) -> list[Product]:
        found: list[Product] = []
        for product in products:
            for i, other in enumerate(found):
                share = ratio(product, other)
                if share is not None:
                    found[i] = Product(other.coefficient * (1 + share), other.powers)
                    break
            else:
                found.append(product)
        return [product for product in found if product.coefficient]

    def _together(self, products: list[Product]) -> Node:
        """Return a sum with the factors that all terms have in common outside."""
        first = products[0]
        shared = Product(Fraction(1), tuple(
            (base, exponent) for base, exponent in first.powers if all(other.exponent(base) == exponent for other in products)
        ))  # fmt: skip
        inner = added(self.graph, [power_product(self.graph, product.times(shared, -1)) for product in products])
        return power_product(self.graph, shared.times(atom(inner)))
