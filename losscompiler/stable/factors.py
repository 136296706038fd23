"""Products as they stand: their factors above and below the line, none brought together with another."""

from __future__ import annotations

from collections.abc import Sequence

from losscompiler.graph.node import Graph, Node

MOST_FACTORS = 16


def factors_of(root: Node, whole: frozenset[int] = frozenset()) -> tuple[list[Node], list[Node], bool]:
    """Return the factors above and below the line, and whether the product has a minus; nodes in ``whole`` are not taken apart.

    Of a product with more than `MOST_FACTORS` some are left out.
    """
    above: list[Node] = []
    below: list[Node] = []
    negative = False
    stack = [(root, True)]
    while stack and len(above) + len(below) <= MOST_FACTORS:
        node, up = stack.pop()
        if node.index in whole:
            (above if up else below).append(node)
        elif node.op in ("mul", "div"):
            stack += [(node.args[1], up if node.op == "mul" else not up), (node.args[0], up)]
        elif node.op == "neg":
            negative = not negative
            stack.append((node.args[0], up))
        else:
            (above if up else below).append(node)
    return above, below, negative


def quotient_of(graph: Graph, above: Sequence[Node], below: Sequence[Node], negative: bool) -> Node:
    """Return what `factors_of` takes apart."""
    result = _product(graph, above)
    if below:
        result = graph.simple("div", result, _product(graph, below))
    return graph.simple("neg", result) if negative else result


def _product(graph: Graph, factors: Sequence[Node]) -> Node:
    result = factors[0] if factors else graph.const(1)
    for factor in factors[1:]:
        result = graph.simple("mul", result, factor)
    return result
