"""Differences of slopes of distances: u/sqrt(u**2 + d) - v/sqrt(v**2 + d), where both are close to 1.

A triplet loss subtracts two distances from one anchor. By the anchor its derivative is the difference of two unit vectors, which
are almost the same where the anchor is far away from both others.
"""

from __future__ import annotations

from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import atom, products_of, ratio
from losscompiler.stable.common_factors import with_two_joined
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, power_product, product_of, sum_of, total

UNIT_SLOPES = Rule(
    "difference of slopes of distances", "3*(x - y)/sqrt((x - y)**2 + 4) - 3*(x - 1)/sqrt((x - 1)**2 + 4)",
    "3*unit_slope_difference(x - y, x - 1, 2, 1 - y)", -1e6, 1e6,
    "the product of the difference and the sum of both is d*(u**2 - v**2)/((u**2 + d)*(v**2 + d))", (-9, 9),
)  # fmt: skip
_HALF = Fraction(1, 2)


def unit_slope_difference(graph: Graph, node: Node) -> Node | None:
    """Return a sum in which a*u/sqrt(u**2 + d) - a*v/sqrt(v**2 + d) has become one function of u, v and d."""
    return with_two_joined(graph, node, _joined, ("hypot", "add"))


def _joined(graph: Graph, first: Product, second: Product) -> Node | None:
    for u, d, rest in _slopes(graph, first):
        for v, other, remaining in _slopes(graph, second):
            share = ratio(remaining, rest)
            if d is not other or u is v or share not in (1, -1):
                continue
            if share == 1:
                # The slope is odd.
                v = graph.simple("neg", v)
            difference = sum_of(graph, graph.simple("sub", u, v))
            apart = total(graph, difference.constant, difference.parts)
            return power_product(graph, rest.times(atom(graph.simple("unit_slope_difference", u, v, d, apart))))
    return None


def _slopes(graph: Graph, product: Product) -> list[tuple[Node, Node, Product]]:
    """Return u, the root of d and the other factors for each u/sqrt(u**2 + d) in a product."""
    found: list[tuple[Node, Node, Product]] = []
    for base, exponent in product.powers:
        if base.op not in ("where", "hypot", "add"):
            continue
        rest = product.times(Product(Fraction(1), ((base, exponent),)), -1)
        if base.op == "where" and exponent == 1 and base.args[2].is_number(0):
            # The slope of hypot, with what it is by convention where both of its sides are 0.
            found += [(u, d, left.times(rest)) for u, d, left in _slopes(graph, product_of(graph, base.args[1]))]
        elif (base.op == "hypot" and exponent == -1) or (base.op == "add" and exponent == -_HALF):
            for u, d in [base.args, base.args[::-1]] if base.op == "hypot" else _under_root(graph, base):
                inside = product_of(graph, u)
                if len(inside.powers) == 1 and rest.exponent(inside.powers[0][0]) >= 1:
                    found.append((u, d, rest.times(inside, -1)))
    return found


def _under_root(graph: Graph, inside: Node) -> list[tuple[Node, ...]]:
    """Return u and the root of d if a sum is u**2 + d for a number d."""
    terms = products_of(graph, inside)
    if len(terms) != 2:
        return []
    pairs: list[tuple[Node, ...]] = []
    for one, other in (terms, terms[::-1]):
        if one.coefficient == 1 and len(one.powers) == 1 and one.powers[0][1] == 2 and not other.powers and other.coefficient > 0:
            pairs.append((one.powers[0][0], graph.simple("sqrt", graph.const(other.coefficient))))
    return pairs
