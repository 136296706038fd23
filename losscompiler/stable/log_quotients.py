"""Logarithms of quotients whose two sides have a term in common: log((y + r)/(p + r)) is log1p((y - p)/(p + r)).

For a large r both sides are almost equal, and their quotient is 1 with what is left of the digits. Differentiated by r as it is
written, two reciprocals cancel.
"""

from __future__ import annotations

from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import added, atom, products_of, ratio
from losscompiler.stable.rules import Rule
from losscompiler.stable.signs import Signs
from losscompiler.stable.terms import Product, power_product, product_of, sum_of, total

LOG_QUOTIENTS = Rule(
    "log of a quotient of neighbours", "log((x + y)/(3 + y))", "log_of_quotient(x, 3, y, 1)", 0.1, 1e9,
    "Kahan 1987: log1p keeps the digits that 1 + x loses; by y the derivative is that of log1p", (0.1, 9),
)  # fmt: skip
ENTROPIES_OF_QUOTIENTS = Rule(
    "log of a quotient times its numerator", "(2 + x + y)*log_of_quotient(x, 3, y, 1)",
    "entropy_of_quotient(x, 3, y) + 2*log_of_quotient(x, 3, y, 2)", 0.1, 9,
    "by y the derivative of (x + y)*log((x + y)/(z + y)) is log1p(u) - u for the relative difference u of the two", (0.1, 9),
)  # fmt: skip
POWERS_OF_SHARES = Rule(
    "power of a share by its numerator", "share(x, 3)**(x*y)", "exp(y*entropy_of_quotient(0, 3, x))", 1e-9, 9,
    "the limit for large x is exp(-3*y), where the share is 1 with what is left of the digits", (0.1, 9),
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
    terms = products_of(graph, node)
    return _difference_of_multiples(graph, terms) or _difference_in_part(graph, terms)


def _logs_of(terms: list[Product]) -> list[tuple[int, Node]]:
    """Return the logarithms among the factors of terms with their positions, none if there are too many or only one."""
    logs = [(i, base) for i, term in enumerate(terms) for base, exponent in term.powers if base.op in _LOGS and exponent == 1]
    return logs if 1 < len(logs) <= _MOST_LOGS else []


def _difference_of_multiples(graph: Graph, terms: list[Product]) -> Node | None:
    """Return y*log(r + p) - y*log(p) as y times one logarithm."""
    logs = [(i, log, terms[i].times(atom(log), -1)) for i, log in _logs_of(terms)]
    for i, first, outside in logs:
        for j, second, other in logs:
            if i < j and ratio(outside, other) == -1:
                weight = first.args[1] if first.op.startswith("weighted") else power_product(graph, outside)
                joined = _joined(graph, _inside(graph, first), _inside(graph, second), weight)
                if joined is not None:
                    kept = [term for position, term in enumerate(terms) if position not in (i, j)]
                    return added(graph, [power_product(graph, term) for term in (*kept, outside.times(atom(joined)))])
    return None


def _difference_in_part(graph: Graph, terms: list[Product]) -> Node | None:
    """Return (r + y)*log(r + p) - r*log(r) with what the two coefficients share as the coefficient of one logarithm."""
    logs = _logs_of(terms)
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


def entropy_of_quotient(graph: Graph, node: Node) -> Node | None:
    """Return c*log((x + t)/(y + t)) by a function of its own as far as c is a multiple of x + t, or of y + t."""
    if node.op not in ("mul", "div"):
        return None
    whole = product_of(graph, node)
    for base, exponent in whole.powers:
        if exponent == 1:
            rest = whole.times(atom(base), -1)
            result = _entropy(graph, rest, base)
            if result is None and base.op == "where":
                branches = [_entropy(graph, rest, branch) for branch in base.args[1:]]
                if any(branches):
                    others = [power_product(graph, rest.times(product_of(graph, branch))) for branch in base.args[1:]]
                    result = graph.simple("where", base.args[0], *(new or old for new, old in zip(branches, others, strict=True)))
            if result is not None:
                return result
    return None


def _entropy(graph: Graph, rest: Product, log: Node) -> Node | None:
    """Return a product with a logarithm by `entropy_of_quotient`, or ``None`` where it is none of that kind."""
    for (x, y, t), sign in _quotients_of(graph, log):
        if t.constant:
            continue
        function = atom(graph.simple("entropy_of_quotient", x, y, t)).times(Product(Fraction(sign), ()))
        result = _by_numerator(graph, rest, log, products_of(graph, graph.simple("add", x, t)), function)
        if result is not None:
            return result
    return None


class PowersOfShares:
    """Takes powers of shares by their numerator as exponentials."""

    def __init__(self, graph: Graph, signs: Signs) -> None:
        self.graph = graph
        self.signs = signs
        self.kept: set[int] = set()

    def apply(self, node: Node) -> Node | None:
        """Return (x/(x + y))**x, where the share is positive, as an exponential; x may be a factor of the exponent."""
        if node.op != "pow" or node.args[0].op != "share" or node.args[1].constant or node.index in self.kept:
            return None
        graph, (base, exponent) = self.graph, node.args
        (x, y, t), sign = _quotients_of(graph, graph.simple("log", base))[0]
        function = atom(graph.simple("entropy_of_quotient", x, y, t)).times(Product(Fraction(sign), ()))
        found = _by_numerator(graph, product_of(graph, exponent), base, products_of(graph, t), function, whole=True)
        if found is None:
            return None
        result = graph.simple("exp", found)
        if self.signs.positive(base):
            return result
        # Whole powers of a negative share have a value too.
        self.kept.add(node.index)
        return graph.simple("where", graph.make("lt", base, graph.const(0)), node, result)


def _quotients_of(graph: Graph, log: Node) -> list[tuple[tuple[Node, Node, Node], int]]:
    """Return the ways in which a logarithm, up to its sign, is that of (x + t)/(y + t)."""
    zero = graph.const(0)
    match log.op:
        case "log_of_quotient":
            x, y, t, _ = log.args
            return [((x, y, t), 1), ((y, x, t), -1)]
        case "log" | "weighted_log" if log.args[0].op == "share":
            x, y = log.args[0].args
            return [((zero, y, x), 1)]
        case "log1p" | "weighted_log1p":
            inside = product_of(graph, log.args[0])
            below = Product(Fraction(1), tuple((base, -power) for base, power in inside.powers if power < 0))
            return [((zero, power_product(graph, inside.times(below)), power_product(graph, below)), -1)] if below.powers else []
    return []


def _by_numerator(
    graph: Graph, rest: Product, log: Node, numerator: list[Product], function: Product, *, whole: bool = False
) -> Node | None:
    """Return a product with a logarithm, the other factors of which hold a numerator as a factor, or as part of a sum unless ``whole``."""
    if len(numerator) == 1 and numerator[0].powers and all(rest.exponent(factor) >= power > 0 for factor, power in numerator[0].powers):
        return power_product(graph, rest.times(numerator[0], -1).times(function))
    for factor in [factor for factor, power in rest.powers if power == 1 and factor.op in ("add", "sub") and not whole]:
        found = _multiple(products_of(graph, factor), numerator)
        if found is not None:
            share, others = found
            outside = rest.times(atom(factor), -1)
            parts = [power_product(graph, outside.times(Product(share, ())).times(function))]
            if others:
                left = added(graph, [power_product(graph, term) for term in others])
                weighted = graph.simple(log.op, *log.args[:-1], left) if log.op.startswith(("weighted", "log_of")) else log
                parts.append(power_product(graph, outside.times(product_of(graph, left)).times(atom(weighted))))
            return added(graph, parts)
    return None


def _multiple(terms: list[Product], parts: list[Product]) -> tuple[Fraction, list[Product]] | None:
    """Return by which number all of some parts occur among terms, and the other terms; ``None`` if they do not."""
    for first in terms:
        share = ratio(first, parts[0])
        if share is not None:
            wanted = [part.times(Product(share, ())) for part in parts]
            if all(any(ratio(term, part) == 1 for term in terms) for part in wanted):
                return share, [term for term in terms if not any(ratio(term, part) == 1 for part in wanted)]
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
