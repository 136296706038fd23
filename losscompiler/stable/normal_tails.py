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
    "normal tail beside its square", "log_ndtr(y - x) - y*x + x**2/2",
    "where(y - x < 0, log_scaled_ndtr(y - x) - y**2/2, log_ndtr(y - x) - y*x + x**2/2)", 0.1, 9,
    "Grushka 1972, the exponentially modified Gaussian; the terms of the left side cancel for large x", (-9, 9),
)  # fmt: skip
_MOST_TERMS, _MOST_INSIDE = 12, 4
_HALF = Fraction(1, 2)


class NormalTails:
    """Takes the square out of tails of the normal distribution in the sums of one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.kept: set[int] = set()

    def apply(self, node: Node) -> Node | None:
        """Return a sum with c*log_ndtr(u + v) and c*(u*v + v**2/2) by -c*u**2/2 in the lower tail, or ``None`` if it has no such terms."""
        if node.op not in ("add", "sub") or node.index in self.kept:
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
                    left = self._without_products(others, outside, apart, inside)
                    if left is None:
                        continue
                    u = self._together([part for part in inside if part not in apart])
                    scaled = outside.times(atom(self.graph.simple("log_scaled_ndtr", base.args[0])))
                    square = outside.times(Product(-_HALF, ((u, Fraction(2)),)))
                    self.kept.add(node.index)
                    lower = added(self.graph, [power_product(self.graph, each) for each in (*left, scaled, square)])
                    return self.graph.simple("where", self.graph.make("lt", base.args[0], self.graph.const(0)), lower, node)
        return None

    def _parts(self, inside: list[Product]) -> list[list[Product]]:
        """Return the parts of a sum that are smaller than it, small ones first."""
        return [list(part) for size in range(1, len(inside)) for part in combinations(inside, size)]

    def _without_products(self, others: list[Product], outside: Product, apart: list[Product], inside: list[Product]) -> list[Product] | None:
        """Return what is left of terms without c*(u*v + v**2/2), multiplied out; ``None`` if they do not hold it."""
        expanded = self._expanded([power_product(self.graph, other) for other in others])
        rest = [part for part in inside if part not in apart]
        wanted = [outside.times(v).times(u) for v in apart for u in rest]
        wanted += [outside.times(v).times(w).times(Product(_HALF, ())) for v in apart for w in apart]
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
