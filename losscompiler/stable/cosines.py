"""Cosine distances: what the cosine of an angle lacks to 1, which is of second order where two vectors are almost parallel."""

from __future__ import annotations

from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import products_of, ratio
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, product_of, sum_of, total

COSINE_DISTANCES = Rule(
    "what a cosine lacks to 1", "1 - (x*3 + y*4)/(hypot(x, y)*hypot(3, 4))", "cosine_distance(x, y, 3, 4)", 0.1, 9,
    "half the squared distance of the unit vectors; of two components Lagrange's identity", (0.1, 9),
)  # fmt: skip


def cosine_distance(graph: Graph, node: Node) -> Node | None:
    """Return c - c*sum(x*y)/(norm(x)*norm(y)) as half the squared distance of the two unit vectors, of two numbers as a function."""
    if node.op not in ("add", "sub"):
        return None
    parts = sum_of(graph, node)
    if not parts.constant:
        return None
    for i, term in enumerate(parts.terms):
        whole = product_of(graph, term.node).times(Product(term.scale, ()))
        if whole.coefficient != -parts.constant:
            continue
        lengths = [base for base, exponent in whole.powers if exponent == -1 and base.op in ("norm", "hypot")]
        inner = [base for base, exponent in whole.powers if exponent == 1]
        if len(lengths) != 2 or len(whole.powers) != 3 or len(inner) != 1 or lengths[0].op != lengths[1].op:
            continue
        found = (_of_pairs if lengths[0].op == "hypot" else _of_vectors)(graph, inner[0], lengths[0], lengths[1])
        if found is not None:
            rest = parts.without({i})
            return total(graph, Fraction(0), [*rest.parts, (parts.constant, found)])
    return None


def _of_vectors(graph: Graph, inner: Node, one: Node, other: Node) -> Node | None:
    """Return half the squared distance of unit vectors, if a sum is the inner product of those with the lengths given."""
    if inner.op != "sum" or any(len(node.args) != 1 or node.attrs != inner.attrs for node in (inner, one, other)):
        return None
    (x,), (y,) = one.args, other.args
    if ratio(product_of(graph, inner.args[0]), product_of(graph, x).times(product_of(graph, y))) != 1:
        return None
    units = [graph.make("unit_vector", vector, span=None, **inner.attributes) for vector in (x, y)]
    difference = graph.simple("sub", *units)
    square = graph.make("sum", graph.simple("pow", difference, graph.const(2)), span=None, **inner.attributes)
    return graph.simple("div", square, graph.const(2)) if inner.axes <= square.axes else None


def _of_pairs(graph: Graph, inner: Node, one: Node, other: Node) -> Node | None:
    """Return the function of two vectors with two components each, if a sum is their inner product."""
    terms = products_of(graph, inner)
    (a, b), (c, d) = one.args, other.args
    for first, second in ((c, d), (d, c)):
        wanted = [product_of(graph, x).times(product_of(graph, y)) for x, y in ((a, first), (b, second))]
        if len(terms) == 2 and any(all(ratio(t, w) == 1 for t, w in zip(terms, order, strict=True)) for order in (wanted, wanted[::-1])):
            return graph.simple("cosine_distance", a, b, first, second)
    return None
