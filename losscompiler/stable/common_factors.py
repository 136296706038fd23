"""Sums with a common factor: what cancels between x*(a - b) and x*(b + c) is taken out before anything is computed.

By the chain rule two operands that move together send the same factor back, each with terms that the other takes away.
"""

from __future__ import annotations

from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import added, atom, products_of, ratio
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, coefficients, power_product, sum_of, total

COMMON_FACTORS = Rule(
    "terms that cancel behind a common factor", "x*(exp(x) - tanh(x)) + x*(tanh(x) - 1)", "x*(exp(x) - 1)", -80, 80,
    "Hearn 1985: like terms of a sum, by their factors",
)  # fmt: skip
_MOST_TERMS = 8


def common_factor(graph: Graph, node: Node) -> Node | None:
    """Return a sum in which two sums that have the same factor are one, if terms cancel between them."""
    if node.op not in ("add", "sub"):
        return None
    found = products_of(graph, node)
    if len(found) > _MOST_TERMS:
        return None
    for j, second in enumerate(found):
        for i, first in enumerate(found[:j]):
            value = _joined(graph, first, second)
            if value is not None:
                return added(graph, [*(power_product(graph, term) for k, term in enumerate(found) if k not in (i, j)), value])
    return None


def _joined(graph: Graph, first: Product, second: Product) -> Node | None:
    """Return two products as one, if they differ in a sum alone, and terms of these sums cancel."""
    for one in _sums(first):
        rest = first.times(atom(one), -1)
        for other in _sums(second):
            share = ratio(second.times(atom(other), -1), rest)
            inside = None if share is None else _without_cancelled(graph, one, other, share)
            if inside is not None:
                return power_product(graph, rest.times(atom(inside)))
    return None


def _sums(product: Product) -> list[Node]:
    return [base for base, exponent in product.powers if exponent == 1 and base.op in ("add", "sub")]


def _without_cancelled(graph: Graph, one: Node, other: Node, share: Fraction) -> Node | None:
    """Return one sum and a share of another, if terms of the two cancel and something is left."""
    left, right = sum_of(graph, one), sum_of(graph, other)
    first, second = coefficients(left.terms), coefficients(right.terms)
    gone = {key for key, number in first.items() if key in second and number + share * second[key] == 0}
    if not gone or {*first, *second} == gone:
        return None
    kept = [(term.scale, term.node) for term in left.terms if term.key not in gone]
    kept += [(share * term.scale, term.node) for term in right.terms if term.key not in gone]
    result = total(graph, left.constant + share * right.constant, kept)
    return result if one.axes <= result.axes and other.axes <= result.axes else None
