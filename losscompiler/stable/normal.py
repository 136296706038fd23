"""The integral of the normal distribution function, recognised however it is written."""

from __future__ import annotations

from fractions import Fraction

from losscompiler.graph.constants import constant_values
from losscompiler.graph.node import Graph, Node
from losscompiler.source import Source
from losscompiler.stable.terms import Product, Sum, power_product, product_of


def normal_integral(graph: Graph, parts: Sum) -> tuple[Node, Node] | None:
    """Return (a, z) of a sum a*(z*ndtr(z) + exp(-z**2/2)/sqrt(2*pi)), the expected improvement, or ``None``.

    Either part may have taken in ``a``, as in (m - y)*ndtr((m - y)/s) + s*exp(-((m - y)/s)**2/2)/sqrt(2*pi).
    """
    if len(parts.terms) != 2 or parts.constant != 0:
        return None
    products = [product_of(graph, term.node).times(Product(term.scale, ())) for term in parts.terms]
    for tail, density in (products, products[::-1]):
        found = _scale_and_argument(graph, tail, density)
        if found is not None:
            return found
    return None


def _scale_and_argument(graph: Graph, tail: Product, density: Product) -> tuple[Node, Node] | None:
    probability = next((base for base, exponent in tail.powers if base.op in ("ndtr", "erfc") and exponent == 1), None)
    exponential = next((base for base, exponent in density.powers if base.op == "exp" and exponent == 1), None)
    if probability is None or exponential is None:
        return None
    z = product_of(graph, probability.args[0])
    weight = tail.times(Product(Fraction(1), ((probability, Fraction(1)),)), -1)
    if probability.op == "erfc":
        # erfc(u) is 2*ndtr(-sqrt(2)*u).
        z = z.times(Product(Fraction(-1), ((graph.const(2), Fraction(1, 2)),)))
        weight = Product(2 * weight.coefficient, weight.powers)
    square = product_of(graph, exponential.args[0]).times(z, -1).times(z, -1)
    if square.powers or square.coefficient != Fraction(-1, 2):
        return None
    rest = density.times(Product(Fraction(1), ((exponential, Fraction(1)),)), -1)
    if not _is_root_of_two_pi(graph, weight.times(rest, -1).times(z, -1)):
        return None
    return power_product(graph, weight.times(z, -1)), power_product(graph, z)


def _is_root_of_two_pi(graph: Graph, product: Product) -> bool:
    import mpmath

    if any(not base.constant for base, _ in product.powers):
        return False
    node = power_product(graph, product)
    with mpmath.workdps(50):
        value = constant_values([node], Source(""), check=False).get(node.index)
        return value is not None and abs(value - mpmath.sqrt(2 * mpmath.pi)) < 1e-40
