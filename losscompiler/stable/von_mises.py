"""Von Mises likelihoods: log(i0(k)) - k*cos(x), whose two terms are k for a large concentration k."""

from __future__ import annotations

from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import added, atom, products_of, ratio
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, power_product, product_of

VON_MISES = Rule(
    "log of i0 less a cosine", "log_i0(x) - x*cos(y)", "log_i0e(x) + 2*x*sin(y/2)**2", 1e-9, 1e9,
    "Mardia & Jupp 2000, 3.5; what both terms lack to x is left where they cancel", (0.01, 3),
)  # fmt: skip


def von_mises(graph: Graph, node: Node) -> Node | None:
    """Return a sum with log_i0(k) - k*cos(x) by what both terms lack to k."""
    if node.op not in ("add", "sub"):
        return None
    found = products_of(graph, node)
    for i, first in enumerate(found):
        k = next((base.args[0] for base, exponent in first.powers if base.op == "log_i0" and exponent == 1), None)
        if k is None:
            continue
        common = first.times(atom(graph.make("log_i0", k)), -1)
        for j, second in enumerate(found):
            angle = next((base.args[0] for base, exponent in second.powers if base.op == "cos" and exponent == 1), None)
            if angle is None or ratio(second.times(atom(graph.make("cos", angle)), -1), common.times(product_of(graph, k))) != -1:
                continue
            half = graph.simple("sin", graph.simple("div", angle, graph.const(2)))
            chord = common.times(Product(Fraction(2), ())).times(product_of(graph, k)).times(atom(half, 2))
            rest = [term for position, term in enumerate(found) if position not in (i, j)]
            terms = [*rest, common.times(atom(graph.make("log_i0e", k))), chord]
            return added(graph, [power_product(graph, term) for term in terms])
    return None
