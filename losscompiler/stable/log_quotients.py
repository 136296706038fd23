"""Logarithms of quotients whose two sides have a term in common: log((y + r)/(p + r)) is log1p((y - p)/(p + r)).

For a large r both sides are almost equal, and their quotient is 1 with what is left of the digits. Differentiated by r as it is
written, two reciprocals cancel.
"""

from __future__ import annotations

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import added, atom, products_of, ratio
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, power_product, product_of, sum_of, total

LOG_QUOTIENTS = Rule(
    "log of a quotient of neighbours", "log((x + y)/(3 + y))", "log_of_quotient(x, 3, y, 1)", 0.1, 1e9,
    "Kahan 1987: log1p keeps the digits that 1 + x loses; by y the derivative is that of log1p", (0.1, 9),
)  # fmt: skip
BALANCED_LOGS = Rule(
    "log of x over 1 - exp", "log(x) - log1mexp(-2*x)", "-(log(2) + log_exp_mean(-2*x))", 1e-9, 80,
    "the derivative of the left side is a difference of 1/x and almost 1/x for small x",
)  # fmt: skip
_MOST_LOGS = 6
_LOGS = ("log", "weighted_log", "log1p", "weighted_log1p")


def log_of_quotient(graph: Graph, node: Node) -> Node | None:
    """Return the logarithm of a quotient of two sums, or the difference of their logarithms, by the difference of the sums."""
    if node.op in ("log", "weighted_log") and node.args[0].op == "share":
        x, y = node.args[0].args
        return graph.simple("log_of_quotient", graph.const(0), y, x, *(node.args[1:] or (graph.const(1),)))
    if node.op in ("log", "weighted_log") and node.args[0].op == "div":
        above, below = node.args[0].args
        return _joined(graph, above, below, node.args[1] if len(node.args) > 1 else graph.const(1))
    return _difference_of_logs(graph, node) if node.op in ("add", "sub") else None


def _difference_of_logs(graph: Graph, node: Node) -> Node | None:
    parts = sum_of(graph, node)
    logs = [(i, term) for i, term in enumerate(parts.terms) if term.node.op in _LOGS]
    for i, first in logs:
        for j, second in logs:
            if first.scale > 0 and first.scale == -second.scale:
                weights = [term.node.args[1:] or (graph.const(1),) for term in (first, second)]
                alike = weights[1][0] in (weights[0][0], graph.const(1))
                joined = _joined(graph, _inside(graph, first.node), _inside(graph, second.node), weights[0][0]) if alike else None
                if joined is not None:
                    return total(graph, parts.constant, [*parts.without({i, j}).parts, (first.scale, joined)])
    return _difference_in_part(graph, products_of(graph, node))


def _difference_in_part(graph: Graph, terms: list[Product]) -> Node | None:
    """Return (r + y)*log(r + p) - r*log(r) with what the two coefficients share as the coefficient of one logarithm."""
    logs = [(i, base) for i, term in enumerate(terms) for base, exponent in term.powers if base.op in _LOGS and exponent == 1]
    if not 1 < len(logs) <= _MOST_LOGS:
        return None
    for i, first in logs:
        outside = terms[i].times(atom(first), -1)
        for whole in [base for base, exponent in outside.powers if exponent == 1 and base.op in ("add", "sub")]:
            rest, shares = outside.times(atom(whole), -1), products_of(graph, whole)
            for j, second in logs:
                for k, share in enumerate(shares):
                    if i == j or ratio(rest.times(share), terms[j].times(atom(second), -1)) != -1:
                        continue
                    joined = _joined(graph, _inside(graph, first), _inside(graph, second), power_product(graph, share))
                    if joined is None:
                        continue
                    left = added(graph, [power_product(graph, part) for position, part in enumerate(shares) if position != k])
                    log = graph.make(first.op, first.args[0], left) if first.op.startswith("weighted") else first
                    kept = [term for position, term in enumerate(terms) if position not in (i, j)]
                    kept += [rest.times(share).times(atom(joined)), rest.times(product_of(graph, left)).times(atom(log))]
                    return added(graph, [power_product(graph, term) for term in kept])
    return None


def balanced_logs(graph: Graph, node: Node) -> Node | None:
    """Return log(x) - log(1 - exp(-c*x)) for a positive number c as the logarithm of a mean of exponentials."""
    if node.op not in ("add", "sub"):
        return None
    parts = sum_of(graph, node)
    for i, first in enumerate(parts.terms):
        for j, second in enumerate(parts.terms):
            if first.node.op == "log" and second.node.op == "log1mexp" and first.scale == -second.scale:
                number = ratio(product_of(graph, second.node.args[0]), product_of(graph, first.node.args[0]))
                if number is not None and number < 0:
                    mean = graph.simple("log_exp_mean", second.node.args[0])
                    joined = graph.simple("add", graph.simple("log", graph.const(-number)), mean) if number != -1 else mean
                    return total(graph, parts.constant, [*parts.without({i, j}).parts, (second.scale, joined)])
    return None


def _inside(graph: Graph, log: Node) -> Node:
    """Return what a logarithm is of."""
    return graph.simple("add", graph.const(1), log.args[0]) if log.op in ("log1p", "weighted_log1p") else log.args[0]


def _joined(graph: Graph, above: Node, below: Node, weight: Node) -> Node | None:
    """Return log(above/below), or ``None`` if they have no varying term in common, or nothing is left of one of them."""
    if above.constant or below.constant:
        return None
    terms, others = products_of(graph, above), products_of(graph, below)
    common = [term for term in terms if any(ratio(term, other) == 1 for other in others)]
    if not common or len(common) == len(terms) == len(others):
        return None
    left = [term for term in terms if term not in common]
    right = [term for term in others if not any(ratio(term, shared) == 1 for shared in common)]
    x, y, t = (added(graph, [power_product(graph, term) for term in part]) for part in (left, right, common))
    return graph.simple("log_of_quotient", x, y, t, weight)
