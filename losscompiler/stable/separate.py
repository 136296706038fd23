"""Sums of separate losses: m**2/2 + s**2/2 - log(s) - 1/2 is (s**2/2 - log(s) - 1/2) + m**2/2.

A constant belongs to the terms that it balances. Added from left to right it meets others first, which lose their digits where
they are small.
"""

from __future__ import annotations

from collections.abc import Sequence

from losscompiler.analysis.floats import Plan
from losscompiler.graph.node import Graph, Node, reachable
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Term, sum_of, total

SEPARATED = Rule(
    "sum of separate terms", "x**2 + y**2 - 1 - 2*log(y)", "(y**2 - 2*log(y) - 1) + x**2", 1e-3, 1e3,
    "Kingma & Welling 2014, the divergence from a standard normal distribution; a small x**2 is lost beside 1", (0.01, 9),
)  # fmt: skip
_STEP, _NOTHING = 1e-3, 1e-9


def separated(graph: Graph, node: Node) -> Node | None:
    """Return a sum in which a constant stands with the terms that it balances where all their symbols are 1."""
    if node.op not in ("add", "sub"):
        return None
    parts = sum_of(graph, node)
    if parts.constant == 0 or len(parts.terms) < 3:
        return None
    groups = _groups(parts.terms)
    for positions in groups if len(groups) > 1 else ():
        if len(positions) < 2:
            continue
        balanced = total(graph, parts.constant, [(parts.terms[i].scale, parts.terms[i].node) for i in positions])
        if _vanishes(balanced):
            return graph.simple("add", balanced, total(graph, parts.constant * 0, parts.without(set(positions)).parts))
    return None


def _groups(terms: Sequence[Term]) -> list[list[int]]:
    """Return positions of terms by the symbols that connect them."""
    groups: list[tuple[set[str], list[int]]] = []
    for position, term in enumerate(terms):
        names, members = {node.name for node in reachable([term.node]) if node.op == "symbol"}, [position]
        for group in [group for group in groups if group[0] & names]:
            groups.remove(group)
            names, members = names | group[0], sorted([*group[1], *members])
        groups.append((names, members))
    return [members for _, members in groups]


def _vanishes(node: Node) -> bool:
    """Tell whether an expression is 0 where all symbols are 1, and its slope too."""
    plan = Plan([node])
    names = [symbol.name for symbol in plan.nodes if symbol.op == "symbol"]
    if plan.slow:
        return False
    try:
        at, beside = (float(plan.values(dict.fromkeys(names, 1.0 + step))[0]) for step in (0.0, _STEP))
    except (TypeError, ValueError, IndexError, OverflowError):
        return False
    return abs(at) <= _NOTHING and abs(beside) <= 100 * _STEP**2
