"""Derivatives by a scale: that of c**2*f(x/c) by c is c*(2*f(u) - u*f'(u)), whose terms cancel where u is small.

For the losses whose first term is a square, both are u**2 to second order, and what is left is of fourth order.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import atom, ratio
from losscompiler.stable.common_factors import with_two_joined
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, power_product, product_of

LESS_SLOPE = Rule(
    "inverse tangent less its argument times its slope", "y*atan(x) - y*x/(1 + x**2)", "y*atan_remainder(x)", 1e-3, 1e9,
    "the derivative of c*atan(x/c) by c; both terms are x to first order", (0.1, 9),
)  # fmt: skip
LESS_SLOPE_OF_SINE = Rule(
    "sine less its argument times its slope", "y*sin(x)**2 - y*x*sin(x)*cos(x)", "y*sin(x)*sine_remainder(x)", -80, 80,
    "the derivative of c**2*sin(x/c)**2 by c; both terms are x**2 to second order", (0.1, 9),
)  # fmt: skip
LESS_SLOPE_OF_LOG_COSH = Rule(
    "log cosh less its argument times its slope", "2*y*log_cosh(x) - y*x*tanh(x)", "y*log_cosh_remainder(x)", -80, 80,
    "the derivative of c**2*log_cosh(x/c) by c; both terms are x**2 to second order", (0.1, 9),
)  # fmt: skip
_Names: TypeAlias = tuple[str, int, Fraction, str]
"""A function, its power, the share of its slope, and the function of what is left."""


def less_slope(graph: Graph, node: Node) -> Node | None:
    """Return a sum in which a*atan(x) - a*x/(1 + x**2) has become a*atan_remainder(x)."""
    return with_two_joined(graph, node, _atan, ("atan",))


def less_slope_of_sine(graph: Graph, node: Node) -> Node | None:
    """Return a sum in which a*sin(x)**2 - a*x*sin(x)*cos(x) has become a*sin(x)*sine_remainder(x)."""
    return with_two_joined(graph, node, _sine, ("sin",))


def less_slope_of_log_cosh(graph: Graph, node: Node) -> Node | None:
    """Return a sum in which 2*a*log_cosh(x) - a*x*tanh(x) has become a*log_cosh_remainder(x)."""
    return with_two_joined(graph, node, _log_cosh, ("log_cosh",))


def _atan(graph: Graph, first: Product, second: Product) -> Node | None:
    def slope(x: Node) -> Node:
        return graph.simple("div", graph.const(1), graph.simple("add", graph.const(1), graph.simple("pow", x, graph.const(2))))

    return _remainder(graph, first, second, ("atan", 1, Fraction(1), "atan_remainder"), slope)


def _sine(graph: Graph, first: Product, second: Product) -> Node | None:
    return _remainder(graph, first, second, ("sin", 2, Fraction(1), "sine_remainder"), lambda x: graph.simple("cos", x))


def _log_cosh(graph: Graph, first: Product, second: Product) -> Node | None:
    return _remainder(graph, first, second, ("log_cosh", 1, Fraction(1, 2), "log_cosh_remainder"), lambda x: graph.simple("tanh", x))


def _remainder(graph: Graph, first: Product, second: Product, names: _Names, slope: Callable[[Node], Node]) -> Node | None:
    """Return r*f(x)**n - s*r*x*f'(x)*f(x)**(n - 1), in either order, as s*r*f(x)**(n - 1) times the remainder of f."""
    function, power, share, remainder = names
    for one, other in ((first, second), (second, first)):
        for base, exponent in one.powers:
            if base.op == function and exponent == power:
                (x,) = base.args
                rest = one.times(atom(base), -1)
                if ratio(other, rest.times(product_of(graph, x)).times(product_of(graph, slope(x)))) == -share:
                    return power_product(graph, rest.times(Product(share, ())).times(atom(graph.simple(remainder, x))))
    return None
