"""Roots that vanish below the line together with a factor above it.

A factor over the root of a product that holds it: x/sqrt(x*y) is 0/0 at x = 0, where the derivative of sqrt(x*y) by y is 0.

It is sign(x)*sqrt(x/y), which divides by y alone.
"""

from __future__ import annotations

from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.factors import MOST_FACTORS, factors_of, quotient_of
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, power_product, product_of, single

SHARE_OF_ROOT = Rule(
    "factor over the root of its product", "x/sqrt(x*exp(x))", "sign(x)*sqrt(x/exp(x))", 1e-9, 80, "x**2/(x*y) is x/y; the left side is 0/0"
)
SQUARE_UNDER_ROOT = Rule(
    "square under a root", "sqrt(x**2*exp(x))", "abs(x)*sqrt(exp(x))", -80, 80, "the derivative of the left side is 0/0 at x = 0"
)
SLOPES_OF_ARCS = Rule(
    "slope of a squared arc", "3*acos(x)/sqrt(1 - x**2)", "3*arc_ratio(x)", -0.99, 0.99, "an angle over its sine; 0/0 at x = 1"
)
SINES_OVER_COSINES = Rule(
    "slope of the sine of two angles", "sin(y)*x/sqrt(1 - x**2)", "sin(y)*x*weighted_reciprocal(sqrt(1 - x**2), sin(y))", -0.99, 0.99,
    "x*cos(y) + sqrt(1 - x**2)*sin(y) is x for y = 0, also at x = 1, where the left side is 0/0", (-9, 9),
)  # fmt: skip
_HALF = Fraction(1, 2)


def square_under_root(graph: Graph, node: Node) -> Node | None:
    """Return sqrt(x**2*y) as abs(x)*sqrt(y), or ``None`` where no factor is an even power."""
    if node.op != "sqrt" or node.args[0].op not in ("mul", "div"):
        return None
    inside = product_of(graph, node.args[0])
    squares = [(base, exponent) for base, exponent in inside.powers if exponent % 2 == 0 and not base.constant]
    if not squares:
        return None
    taken = Product(Fraction(1), tuple((graph.simple("abs", base), exponent / 2) for base, exponent in squares))
    rest = inside.times(Product(Fraction(1), tuple(squares)), sign=-1)
    root = graph.simple("sqrt", power_product(graph, rest)) if rest.powers or rest.coefficient != 1 else graph.const(1)
    return graph.simple("mul", power_product(graph, taken), root)


def share_of_root(graph: Graph, node: Node) -> Node | None:
    """Return x/sqrt(x*y) as sign(x)*sqrt(x/y), or ``None`` where a product has no such factors."""
    if node.op not in ("mul", "div"):
        return None
    whole = product_of(graph, node)
    for root, exponent in whole.powers:
        if exponent != -_HALF or root.op not in ("mul", "div"):
            continue
        inside = product_of(graph, root)
        for factor, power in whole.powers:
            if power < 1 or factor.constant or inside.exponent(factor) != 1:
                continue
            others = inside.times(single(factor), sign=-1)
            share = graph.simple("sqrt", power_product(graph, single(factor).times(others, sign=-1)))
            signed = graph.simple("mul", graph.simple("sign", factor), share)
            powers = dict(whole.powers) | {factor: power - 1}
            left = tuple((base, exponent) for base, exponent in powers.items() if base is not root and exponent)
            return graph.simple("mul", power_product(graph, Product(whole.coefficient, left)), signed)
    return None


def slope_of_arc(graph: Graph, node: Node) -> Node | None:
    """Return acos(x)/sqrt(1 - x**2), and acosh(x)/sqrt(x**2 - 1), as the one function that both are, with other factors."""
    if node.op not in ("mul", "div"):
        return None
    whole = product_of(graph, node)
    for base, exponent in whole.powers:
        if base.op not in ("acos", "acosh") or exponent < 1:
            continue
        square, one = graph.simple("pow", base.args[0], graph.const(2)), graph.const(1)
        sine = graph.simple("sub", one, square) if base.op == "acos" else graph.simple("sub", square, one)
        if whole.exponent(sine) == -_HALF:
            gone = Product(Fraction(1), ((base, Fraction(1)), (sine, -_HALF)))
            return power_product(graph, whole.times(gone, -1).times(single(graph.simple("arc_ratio", base.args[0]))))
    return None


def sine_over_cosine(graph: Graph, node: Node) -> Node | None:
    """Return sin(y)/sqrt(1 - x**2) with a reciprocal that is 0 where sin(y) and the root are both 0."""
    if node.op not in ("mul", "div"):
        return None
    above, below, negative = factors_of(node)
    sine = next((factor for factor in above if factor.op == "sin" and not factor.constant), None)
    root = next((factor for factor in below if factor.op == "sqrt" and not factor.args[0].constant), None)
    if sine is None or root is None or len(above) + len(below) > MOST_FACTORS:
        return None
    below.remove(root)
    return quotient_of(graph, [*above, graph.make("weighted_reciprocal", root, sine)], below, negative)
