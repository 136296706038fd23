"""Absolute values beside signs: sign(x)*log(1 + abs(x)) has a derivative at 0, which the conventions of its parts do not find.

The derivative of abs(x) at 0 is 0 by convention, and so is sign(0). In the derivative of sign(x)*f(abs(x)) they stand beside each
other, as sign(x) and the slope of abs(x); where the function has a derivative at all, their product is 1 there as elsewhere.
"""

from __future__ import annotations

from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import atom
from losscompiler.stable.factors import MOST_FACTORS, factors_of, quotient_of
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, power_product, product_of
from losscompiler.stable.zeros import ZERO_AT_0

SIGNED = Rule("sign times absolute value", "sign(x)*3/abs(y)*abs(x)", "x*3/abs(y)", -1e9, 1e9, "one function without a kink", (0.1, 9))
SLOPES = Rule(
    "sign times the slope of an absolute value", "sign(x)*exp(x)*abs_slope(x)", "exp(x)", 1e-9, 80,
    "the limit at 0, where the derivative of sign(x)*f(abs(x)) exists",
)  # fmt: skip
POWERS_AT_KINKS = Rule(
    "slope of a power of an absolute value", "sign(x)*abs(x)**(y - 1)", "sign(x)*weighted_power(abs(x), y - 1, sign(x))", -1e9, 1e9,
    "the subgradient 0 at the kink, as that of abs(x); other derivatives of the power are 0 there for every y > 0", (0.1, 9),
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


def power_at_kink(graph: Graph, node: Node) -> Node | None:
    """Return a product in which negative powers of what vanishes with x, beside sign(x) or x, are 0 where x is: 0 times infinity."""
    if node.op not in ("mul", "div"):
        return None
    above, below, negative = factors_of(node)
    if len(above) + len(below) > MOST_FACTORS:
        return None
    for position, factor in enumerate(above):
        exponent = factor.args[1] if factor.op in ("pow", "weighted_power") else None
        if exponent is None or not _slope_of_finite(exponent, -1):
            continue
        weight = _vanishing_with(graph, factor.args[0], [other for other in above if other is not factor])
        if weight is not None and (factor.op == "pow" or not _has(factor.args[2], weight)):
            weight = weight if factor.op == "pow" else graph.simple("mul", factor.args[2], weight)
            above[position] = graph.make("weighted_power", factor.args[0], exponent, weight)
            return quotient_of(graph, above, below, negative)
    for factor in below:
        if factor.op == "sqrt" or (factor.op == "pow" and _slope_of_finite(factor.args[1], 1)):
            weight = _vanishing_with(graph, factor.args[0], above)
            if weight is not None:
                below.remove(factor)
                return quotient_of(graph, [*above, graph.make("weighted_reciprocal", factor, weight)], below, negative)
    return None


def _slope_of_finite(exponent: Node, side: int) -> bool:
    """Tell whether an exponent, above (-1) or below the line (1), may be that of the slope of a power which is 0 at 0."""
    if exponent.op != "const":
        return not exponent.constant
    return isinstance(exponent.value, Fraction) and 0 < exponent.value * side < 1


def _vanishing_with(graph: Graph, base: Node, factors: list[Node]) -> Node | None:
    """Return a factor that is 0 where abs(x) makes a base 0."""
    for part, exponent in product_of(graph, base).powers:
        if exponent > 0 and part.op == "abs":
            for factor in factors:
                if any(power > 0 and _is_0_with(part.args[0], other) for other, power in product_of(graph, factor).powers):
                    return factor
        elif exponent > 0 and part.op in ZERO_AT_0:
            return _vanishing_with(graph, part.args[0], factors)
    return None


def _is_0_with(x: Node, factor: Node) -> bool:
    inside = factor.args[0] if factor.op in ("sign", "abs_slope", "abs") else factor
    return inside is x or (inside.op == x.op == "sub" and inside.args == x.args[::-1])


def _has(weight: Node, other: Node) -> bool:
    return other in factors_of(weight)[0]
