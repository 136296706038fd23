"""Sums of separate losses: m**2/2 + s**2/2 - log(s) - 1/2 is (s**2/2 - log(s) - 1/2) + m**2/2.

A constant belongs to the terms that it balances. Added from left to right it meets others first, which lose their digits where
they are small.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

from losscompiler.analysis.floats import Plan
from losscompiler.graph.node import Graph, Node
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Term, power_product, product_of, single, sum_of, total

SEPARATED = Rule(
    "sum of separate terms", "x**2 + y**2 - 1 - 2*log(y)", "(y**2 - 2*log(y) - 1) + x**2", 1e-3, 1e3,
    "Kingma & Welling 2014, the divergence from a standard normal distribution; a small x**2 is lost beside 1", (0.01, 9),
)  # fmt: skip
_STEP, _NOTHING = 1e-3, 1e-9
_MOST_TERMS = 6


def separated(graph: Graph, node: Node) -> Node | None:
    """Return a sum in which a constant stands with the fewest terms that it balances where all their symbols are 1."""
    if node.op not in ("add", "sub"):
        return None
    parts = sum_of(graph, node)
    if parts.constant == 0:
        return None
    terms = [part for term in parts.terms for part in _spread(graph, term)]
    if not 3 <= len(terms) <= _MOST_TERMS:
        return None
    for size in range(2, len(terms)):
        for chosen in combinations(range(len(terms)), size):
            balanced = total(graph, parts.constant, [terms[i] for i in chosen])
            if _vanishes(balanced):
                others = [term for i, term in enumerate(terms) if i not in chosen]
                return graph.simple("add", balanced, total(graph, parts.constant * 0, others))
    return None


def _spread(graph: Graph, term: Term) -> list[tuple[Fraction, Node]]:
    """Return a term, or the terms of a sum over a denominator."""
    product = product_of(graph, term.node)
    sums = [base for base, exponent in product.powers if exponent == 1 and base.op in ("add", "sub")]
    if len(sums) != 1:
        return [(term.scale, term.node)]
    rest = product.times(single(sums[0]), -1)
    inside = sum_of(graph, sums[0])
    if inside.constant or len(inside.terms) > _MOST_TERMS:
        return [(term.scale, term.node)]
    spread = [product_of(graph, one.node).times(rest) for one in inside.terms]
    return [(term.scale * one.scale, power_product(graph, each)) for one, each in zip(inside.terms, spread, strict=True)]


def _vanishes(node: Node) -> bool:
    """Tell whether an expression is 0 where all symbols are 1, and its slope by each of them too."""
    plan = Plan([node])
    names = [symbol.name for symbol in plan.nodes if symbol.op == "symbol"]
    if plan.slow:
        return False
    ones = dict.fromkeys(names, 1.0)
    try:
        at, *beside = (float(plan.values(ones | {name: 1.0 + _STEP} if name else ones)[0]) for name in (None, *names))
    except (TypeError, ValueError, IndexError, OverflowError):
        return False
    return abs(at) <= _NOTHING and all(abs(value) <= 100 * _STEP**2 for value in beside)
