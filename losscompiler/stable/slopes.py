"""Absolute values beside signs: sign(x)*log(1 + abs(x)) has a derivative at 0, which the conventions of its parts do not find.

The derivative of abs(x) at 0 is 0 by convention, and so is sign(0). In the derivative of sign(x)*f(abs(x)) they stand beside each
other, as sign(x) and the slope of abs(x); where the function has a derivative at all, their product is 1 there as elsewhere.
"""

from __future__ import annotations

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import atom
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, power_product, product_of

SIGNED = Rule("sign times absolute value", "sign(x)*3/abs(y)*abs(x)", "x*3/abs(y)", -1e9, 1e9, "one function without a kink", (0.1, 9))
SLOPES = Rule(
    "sign times the slope of an absolute value", "sign(x)*exp(x)*abs_slope(x)", "exp(x)", 1e-9, 80,
    "the limit at 0, where the derivative of sign(x)*f(abs(x)) exists",
)  # fmt: skip


def signed(graph: Graph, node: Node) -> Node | None:
    """Return a product in which sign(x) and abs(x) are factors with x in their place, or ``None``."""
    pair = _pair(graph, node, "abs")
    if pair is None:
        return None
    whole, inside = pair
    return power_product(graph, whole.times(atom(inside)))


def slopes(graph: Graph, node: Node) -> Node | None:
    """Return a product of a derivative in which sign(x) and the slope of abs(x) are factors without the two, or ``None``."""
    pair = _pair(graph, node, "abs_slope")
    return None if pair is None else power_product(graph, pair[0])


def _pair(graph: Graph, node: Node, function: str) -> tuple[Product, Node] | None:
    """Return a product without sign(x) and a function of the same x, and x, if both are among its factors."""
    if node.op not in ("mul", "div"):
        return None
    whole = product_of(graph, node)
    found = {kind: [base for base, exponent in whole.powers if base.op == kind and exponent == 1] for kind in ("sign", function)}
    for sign in found["sign"]:
        for other in found[function]:
            if sign.args[0] is other.args[0]:
                return whole.times(atom(sign), -1).times(atom(other), -1), sign.args[0]
    return None
