"""Gamma functions whose argument leaves the range of floats: reciprocals, by Stirling's formula, and what may underflow.

lgamma(1/a) + log(a)/a is -1/a + log(2*pi*a)/2 and what vanishes with a.

The generalised gamma distribution is normal for a = 0. Written with 1/a its terms are infinite there, and cancel around it; by
Stirling's formula the logarithms cancel in symbols, and what is left is 1/a, which cancels with an exponential over a.
"""

from __future__ import annotations

from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import added, atom, products_of, raised, ratio
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, power_product, product_of

STIRLING = Rule(
    "log gamma function of a reciprocal", "lgamma(1/x) + log(x)/x", "log(x)/2 + log(2*pi)/2 + inverse_binet(0, x) - 1/x", 1e-3, 9,
    "DLMF 5.11.1; the terms of the left side are infinite at 0",
)  # fmt: skip
UNDERFLOWING_ARGUMENTS = Rule(
    "log gamma function of what may underflow", "lgamma(3*sigmoid(x))", "lgamma(1 + 3*sigmoid(x)) - log_sigmoid(x) - log(3)", -80, 80,
    "DLMF 5.5.1; sigmoid(x) is 0 for x < -104 in float32, where the left side is infinite",
)  # fmt: skip
_HALF = Fraction(1, 2)
_LOGARITHMS = {"sigmoid": "log_sigmoid", "softmax": "log_softmax"}
"""Functions that underflow, with their logarithms, which do not."""


def of_reciprocal(graph: Graph, node: Node) -> Node | None:
    """Return a sum with c*lgamma(x) - c*x*log(x) without the two, if x is the reciprocal of a product."""
    if node.op not in ("add", "sub"):
        return None
    found = products_of(graph, node)
    for i, term in enumerate(found):
        for base, exponent in term.powers:
            x = product_of(graph, base.args[0]) if base.op == "lgamma" and exponent == 1 else None
            if x is None or not x.powers or x.coefficient <= 0 or any(power > 0 for _, power in x.powers):
                continue
            outside = term.times(atom(base), -1)
            for j, other in enumerate(found):
                scale = _scale_in_log(graph, other, x, outside.times(x)) if i != j else None
                if scale is not None:
                    rest = [each for position, each in enumerate(found) if position not in (i, j)]
                    return added(graph, _regular(graph, x, outside, scale, rest))
    return None


def _scale_in_log(graph: Graph, term: Product, x: Product, leading: Product) -> Fraction | None:
    """Return q for a term that is ``-leading*log(q*x)``, or the same with the reciprocal in the logarithm."""
    for log, exponent in term.powers:
        if log.op in ("log", "weighted_log") and exponent == 1:
            for sign in (1, -1):
                scale = ratio(raised(product_of(graph, log.args[0]), sign), x)
                if scale is not None and scale > 0 and ratio(term.times(atom(log), -1), leading) == -sign:
                    return scale
    return None


def _regular(graph: Graph, x: Product, outside: Product, scale: Fraction, rest: list[Product]) -> list[Node]:
    """Return the terms of a sum with c*(lgamma(x) - x*log(q*x)) in them."""
    dispersion, leading = raised(x, -1), outside.times(x)

    def log_of(number: Fraction, times: Product) -> Product:
        return times.times(atom(graph.simple("log", graph.const(number))))

    parts = [*_with_half_log(graph, rest, dispersion, outside)]
    parts += [log_of(number, times.times(Product(factor, ()))) for number, times, factor in (
        (scale, leading, Fraction(-1)), (dispersion.coefficient, outside, _HALF),
    ) if number != 1]  # fmt: skip
    two_pi = graph.simple("mul", graph.const(2), graph.const("pi"))
    parts.append(outside.times(Product(_HALF, ())).times(atom(graph.simple("log", two_pi))))
    parts.append(outside.times(atom(graph.simple("inverse_binet", graph.const(0), power_product(graph, dispersion)))))
    parts.append(leading.times(Product(Fraction(-1), ())))
    return [power_product(graph, part) for part in parts]


def _with_half_log(graph: Graph, parts: list[Product], dispersion: Product, outside: Product) -> list[Product]:
    """Return terms with half the logarithm of a product without its number, in the term with the logarithm of its base if there is one."""
    varying = Product(Fraction(1), dispersion.powers)
    for position, part in enumerate(parts) if len(varying.powers) == 1 else ():
        (base, power), outer = varying.powers[0], [factor for factor, _ in part.powers if factor.op in ("log", "weighted_log")]
        if len(outer) == 1 and outer[0].args[0] in (base, graph.simple("abs", base)):
            known = ratio(part, outside.times(atom(outer[0])))
            if known is not None:
                both = outside.times(atom(outer[0])).times(Product(known + power / 2, ()))
                return [*parts[:position], *([both] if both.coefficient else []), *parts[position + 1 :]]
    return [*parts, outside.times(Product(_HALF, ())).times(atom(graph.simple("log", power_product(graph, varying))))]


def of_underflowing(graph: Graph, node: Node) -> Node | None:
    """Return the log gamma function of a product with an exponential or a probability by that of 1 + x, and the logarithm of x."""
    if node.op != "lgamma":
        return None
    inside = product_of(graph, node.args[0])
    small = [base for base, exponent in inside.powers if exponent == 1 and base.op in ("exp", *_LOGARITHMS) and not base.constant]
    if not small:
        return None
    rest, logs = inside, list[Node]()
    for base in small:
        rest = rest.times(atom(base), -1)
        if base.op == "exp":
            logs.append(base.args[0])
        else:
            logs.append(graph.make(_LOGARITHMS[base.op], *base.args, span=None, **base.attributes))
    if rest.powers or rest.coefficient != 1:
        logs.append(graph.simple("log", power_product(graph, rest)))
    grown = graph.simple("lgamma", graph.simple("add", graph.const(1), node.args[0]))
    return graph.simple("sub", grown, added(graph, logs))
