"""Likelihoods of counts by their dispersion: lgamma(y + 1/a) - lgamma(1/a) + y*log(a) is the sum of log(1 + k*a) for k below y.

Written with 1/a the terms are infinite for a = 0, where the negative binomial distribution is Poisson's, and cancel around it.
By Stirling's formula all but small terms cancel in symbols, the logarithm of a among them.
"""

from __future__ import annotations

from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import added, atom, products_of, ratio
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, power_product, product_of

DISPERSIONS = Rule(
    "difference of log gamma functions of a reciprocal", "lgamma_difference(1/x, y) + y*log(x/3)",
    "y*(log1p_moment(0, x*y) - 1) + (y - 1/2)*log1p(x*y) + inverse_binet(0, x/(1 + x*y)) - inverse_binet(0, x) + y*log(1/3)", 1e-6, 1e3,
    "DLMF 5.11.1; the logarithm of x cancels in symbols", (0.1, 9),
)  # fmt: skip


def of_dispersion(graph: Graph, node: Node) -> Node | None:
    """Return a sum with lgamma_difference(c/a, d) without the logarithm of a in it, if another term takes that away."""
    if node.op not in ("add", "sub"):
        return None
    found = products_of(graph, node)
    for i, term in enumerate(found):
        for base, exponent in term.powers:
            inverse = product_of(graph, base.args[0]) if base.op == "lgamma_difference" and exponent == 1 else None
            if inverse is None or len(inverse.powers) != 1 or inverse.powers[0][1] != -1 or inverse.coefficient <= 0:
                continue
            (dispersion, _), rest, step = inverse.powers[0], term.times(atom(base), -1), base.args[1]
            balance = rest.times(product_of(graph, step))
            for j, other in enumerate(found):
                left = _without_log(graph, other, dispersion, balance) if i != j else None
                if left is None:
                    continue
                scaled = graph.simple("div", dispersion, graph.const(inverse.coefficient))
                parts = [power_product(graph, part) for position, part in enumerate(found) if position not in (i, j)]
                parts += [power_product(graph, rest.times(product_of(graph, _regular(graph, scaled, step)))), left]
                if inverse.coefficient != 1:
                    parts.append(power_product(graph, balance.times(atom(graph.simple("log", graph.const(inverse.coefficient))))))
                return added(graph, parts)
    return None


def _without_log(graph: Graph, term: Product, dispersion: Node, balance: Product) -> Node | None:
    """Return s*log(q*a) without s*log(a), if that is what balances the logarithm of a, and s*log(q/a) likewise."""
    for log, exponent in term.powers:
        if log.op not in ("log", "weighted_log") or exponent != 1:
            continue
        inside = product_of(graph, log.args[0])
        for base, power in inside.powers:
            if base.op == "share" and power == 1:
                share = product_of(graph, base.args[0]).times(atom(graph.simple("add", *base.args)), -1)
                inside = inside.times(atom(base), -1).times(share)
        power = inside.exponent(dispersion)
        outside = term.times(atom(log), -1)
        if abs(power) == 1 and ratio(outside, balance) == power:
            argument = power_product(graph, inside.times(atom(dispersion, power), -1))
            return power_product(graph, outside.times(atom(graph.simple(log.op, argument, *log.args[1:]))))
    return None


def _regular(graph: Graph, dispersion: Node, step: Node) -> Node:
    """Return lgamma(d + 1/a) - lgamma(1/a) + d*log(a)."""
    make, one, zero = graph.simple, graph.const(1), graph.const(0)
    u = make("mul", dispersion, step)
    grown = make("div", dispersion, make("add", one, u))
    moment = make("mul", step, make("sub", make("log1p_moment", zero, u), one))
    logarithm = make("mul", make("sub", step, graph.const(Fraction(1, 2))), make("log1p", u))
    correction = make("sub", make("inverse_binet", zero, grown), make("inverse_binet", zero, dispersion))
    return make("add", make("add", moment, logarithm), correction)
