"""Mixtures w*a + (1 - w)*b: what they lack to 1 is the mixture of what both sides lack."""

from __future__ import annotations

from collections.abc import Iterator

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import atom
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, coefficients, power_product, product_of, scaled, sum_of, total

COMPLEMENTS_OF_MIXTURES = Rule(
    "complement of a mixture", "1 - (y*sigmoid(x) + (1 - y)*sigmoid(-x))", "y*sigmoid(-x) + (1 - y)*sigmoid(x)", -80, 80,
    "the probability of the other class, whose digits are lost beside 1", (0.01, 0.99),
)  # fmt: skip


def complement_of_mixture(graph: Graph, node: Node) -> Node | None:
    """Return c - c*(w*a + v*b), where w + v is 1, as c*(w*(1 - a) + v*(1 - b)), if that of a or b is known.

    Of sigmoids whose weights are numbers there may be any number.
    """
    if node.op not in ("add", "sub"):
        return None
    parts = sum_of(graph, node)
    means = [i for i, term in enumerate(parts.terms) if term.node.op == "sigmoid"]
    if parts.constant and len(means) > 1 and sum(parts.terms[i].scale for i in means) == -parts.constant:
        lacks = [(-parts.terms[i].scale, _of_sigmoid(graph, parts.terms[i].node)) for i in means]
        return total(graph, parts.constant * 0, lacks + parts.without(means).parts)
    mixed = [(i, product_of(graph, term.node)) for i, term in enumerate(parts.terms) if term.scale == -parts.constant]
    for position, (j, second) in enumerate(mixed):
        for i, first in mixed[:position]:
            for (w, a), (v, b) in _pairs(graph, first, second):
                lacking = [_complement(graph, side) for side in (a, b)]
                if add_up_to_1(graph, w, v) and None not in lacking:
                    terms = [graph.simple("mul", weight, side) for weight, side in zip((w, v), lacking, strict=True) if side is not None]
                    value = scaled(graph, graph.simple("add", *terms), parts.constant)
                    rest = parts.without({i, j}).parts
                    return graph.simple("add", total(graph, parts.constant * 0, rest), value) if rest else value
    return None


def _pairs(graph: Graph, first: Product, second: Product) -> Iterator[tuple[tuple[Node, Node], tuple[Node, Node]]]:
    """Yield each two factors of two products, with what is left of these."""
    for w, a in _split(graph, first):
        for v, b in _split(graph, second):
            yield (w, a), (v, b)


def _split(graph: Graph, product: Product) -> Iterator[tuple[Node, Node]]:
    """Yield each factor with what is left; 1 - x and x - 1 are one factor in a product."""
    for base, exponent in product.powers:
        rest = product.times(atom(base), -1)
        if exponent == 1 and rest.powers:
            yield base, power_product(graph, rest)
            if base.op == "sub":
                yield graph.simple("neg", base), power_product(graph, Product(-rest.coefficient, rest.powers))


def add_up_to_1(graph: Graph, w: Node, v: Node) -> bool:
    """Tell whether two values add up to 1 whatever the data are."""
    if w.op == v.op == "sigmoid":
        w, v = graph.simple("add", graph.const(1), w.args[0]), v.args[0]
    one, other = sum_of(graph, w), sum_of(graph, v)
    left, right = coefficients(one.terms), coefficients(other.terms)
    return one.constant + other.constant == 1 and {*left, *right} != set() and all(
        left.get(key, 0) + right.get(key, 0) == 0 for key in {*left, *right}
    )  # fmt: skip


def _complement(graph: Graph, node: Node) -> Node | None:
    """Return 1 - x for a sigmoid, or for a probability or its complement."""
    if node.op == "sigmoid":
        return _of_sigmoid(graph, node)
    if node.op == "symbol":
        return graph.simple("sub", graph.const(1), node)
    return node.args[1] if node.op == "sub" and node.args[0].is_number(1) else None


def _of_sigmoid(graph: Graph, node: Node) -> Node:
    return graph.simple("sigmoid", graph.simple("neg", node.args[0]))
