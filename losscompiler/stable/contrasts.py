"""Differences relative to sums: (x - y)/(x + y), the part of chi-squared distances, of sMAPE and of Canberra's distance."""

from __future__ import annotations

from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import raised
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, power_product, product_of

CONTRASTS = Rule(
    "difference relative to a sum", "(x - 3)**2/(x + 3)", "(x - 3)*contrast(x, 3)", 0.1, 1e9,
    "the derivative of (x - y)/(x + y) is 2*y/(x + y)**2, which 1/(x + y) - (x - y)/(x + y)**2 loses for small y",
)  # fmt: skip


def contrast(graph: Graph, node: Node) -> Node | None:
    """Return powers of x - y and 1/(x + y), or of 1/(abs(x) + abs(y)), among the factors of a product as powers of `contrast`."""
    if node.op not in ("mul", "div"):
        return None
    whole = product_of(graph, node)
    powers = [(base, exponent) for base, exponent in whole.powers if exponent.denominator == 1 and not base.constant]
    for whole_sum, below in powers:
        for difference, above in powers:
            if whole_sum.op == "add" and below < 0 < above and difference.op in ("sub", "abs"):
                found = _contrast(graph, difference, whole_sum)
                if found is not None:
                    power = min(above, -below)
                    rest = whole.times(Product(Fraction(1), ((difference, power), (whole_sum, -power))), -1)
                    return power_product(graph, rest.times(raised(product_of(graph, found), int(power))))
    return None


def _contrast(graph: Graph, difference: Node, whole: Node) -> Node | None:
    """Return the quotient of a difference, or of its size, and a sum of the same two, or of their sizes; ``None`` if it is no such."""
    size, inside = difference.op == "abs", difference.args[0] if difference.op == "abs" else difference
    if inside.op != "sub":
        return None
    x, y = inside.args
    simple = graph.simple
    if {x.index, y.index} == {side.index for side in whole.args}:
        value = simple("contrast", x, y)
        return simple("mul", simple("abs", value), simple("sign", whole)) if size else value
    if {x.index, y.index} != {side.args[0].index for side in whole.args if side.op == "abs"}:
        return None
    alike = graph.make("gt", simple("mul", simple("sign", x), simple("sign", y)), graph.const(0))
    value, other = simple("contrast", x, y), simple("sign", inside)
    if size:
        return graph.make("where", alike, simple("abs", value), simple("abs", other))
    return graph.make("where", alike, simple("mul", simple("sign", x), value), other)
