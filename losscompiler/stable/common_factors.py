"""Sums with a common factor: what cancels between x*(a - b) and x*(b + c), or in x*log_sigmoid(a) - x*log_sigmoid(-a).

By the chain rule two operands that move together send the same factor back, each with terms that the other takes away. So do
the two sides of a probability: what their logarithms differ by is the logit itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import added, atom, products_of, ratio
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, coefficients, power_product, product_of, sum_of, total

COMMON_FACTORS = Rule(
    "terms that cancel behind a common factor", "x*(exp(x) - tanh(x)) + x*(tanh(x) - 1)", "x*(exp(x) - 1)", -80, 80,
    "Hearn 1985: like terms of a sum, by their factors",
)  # fmt: skip
OPPOSITES = Rule(
    "logarithms of both sides of a probability", "log_sigmoid(x)*exp(x) - log_sigmoid(-x)*exp(x)", "x*exp(x)", -80, 80,
    "the difference cancels where the logit is small",
)  # fmt: skip
LESS_EXPONENTIAL = Rule(
    "exponential less 1 behind a common factor", "x/3 - x/3*exp(x)", "-x/3*expm1(x)", -80, 80,
    "the difference cancels where the exponent is small",
)  # fmt: skip
LESS_HALF = Rule(
    "probability less 1/2 behind a common factor", "y - 2*y*sigmoid(x)", "-y*tanh(x/2)", -80, 80,
    "the difference cancels where both sides are as probable; the normal distribution has erf in the place of tanh", (0.1, 9),
)  # fmt: skip
LESS_SHARE = Rule(
    "what a share lacks to 1 behind a common factor", "y - y*x/(x + 3)", "y*share(3, x)", 1e-9, 1e9,
    "the difference cancels where x is large; the slope of x**2/(x**2 + c**2)", (0.1, 9),
)  # fmt: skip
BINARY_ENTROPY = Rule(
    "entropy of a logit", "sigmoid(x)*log_sigmoid(x) + sigmoid(-x)*log_sigmoid(-x)", "-logistic_entropy(x)", -80, 80,
    "of both terms one underflows before the sum does",
)  # fmt: skip
_MOST_TERMS = 8
Join: TypeAlias = Callable[[Graph, Product, Product], Node | None]
"""Returns two terms as one, or ``None`` where they are no such pair."""
_LOGS_OF_PROBABILITIES = frozenset({"log", "log1p", "log_sigmoid", "softplus", "weighted_log", "weighted_log1p", "logaddexp"})


def common_factor(graph: Graph, node: Node) -> Node | None:
    """Return a sum in which two sums that have the same factor are one, if terms cancel between them."""
    return with_two_joined(graph, node, _joined, ("add", "sub"))


def opposites(graph: Graph, node: Node) -> Node | None:
    """Return a sum in which x*log_sigmoid(a) - x*log_sigmoid(-a), or the same of softplus, has become x*a."""
    return with_two_joined(graph, node, _logit, ("log_sigmoid", "softplus"))


def less_exponential(graph: Graph, node: Node) -> Node | None:
    """Return a sum in which x - x*exp(a) has become -x*expm1(a)."""
    return with_two_joined(graph, node, _expm1, ("exp",))


def less_half(graph: Graph, node: Node) -> Node | None:
    """Return a sum in which 2*a*sigmoid(x) - a has become a*tanh(x/2), or 2*a*ndtr(x) - a has become a*erf(x/sqrt(2)).

    What a*sigmoid(x) - a*sigmoid(-x) is as well.
    """
    return with_two_joined(graph, node, _centred, ("sigmoid", "ndtr"))


def less_share(graph: Graph, node: Node) -> Node | None:
    """Return a sum in which a - a*x/(x + y) has become a*share(y, x)."""
    return with_two_joined(graph, node, _share, ("add", "sub"))


def binary_entropy(graph: Graph, node: Node) -> Node | None:
    """Return a sum in which a*sigmoid(x)*log_sigmoid(x) + a*sigmoid(-x)*log_sigmoid(-x) has become -a*logistic_entropy(x).

    Not beside other logarithms of probabilities, with which these may cancel, as in a divergence.
    """
    logs = [base for term in products_of(graph, node) for base, _ in term.powers if base.op in _LOGS_OF_PROBABILITIES]
    return with_two_joined(graph, node, _entropy, ("log_sigmoid",)) if len(logs) == 2 else None


def with_two_joined(graph: Graph, node: Node, join: Join, operations: Sequence[str]) -> Node | None:
    """Return a sum of which two terms have become one, in the branches of choices by the same condition if need be.

    One of some operations is a factor of one of the terms.
    """
    if node.op not in ("add", "sub"):
        return None
    found = products_of(graph, node)
    present = {base.op for term in found for base, _ in term.powers}
    choices = "where" in present
    if len(found) > _MOST_TERMS or not (choices or present.intersection(operations)):
        return None
    for j, second in enumerate(found):
        for i, first in enumerate(found[:j]):
            value = join(graph, first, second) or (_joined_in_branches(graph, first, second, join) if choices else None)
            if value is not None:
                return added(graph, [*(power_product(graph, term) for k, term in enumerate(found) if k not in (i, j)), value])
    return None


def _joined_in_branches(graph: Graph, first: Product, second: Product, join: Join) -> Node | None:
    for one in [base for base, exponent in first.powers if base.op == "where" and exponent == 1]:
        for other in [base for base, exponent in second.powers if base.op == "where" and exponent == 1 and base.args[0] is one.args[0]]:
            outside = first.times(atom(one), -1), second.times(atom(other), -1)
            pairs = [[rest.times(product_of(graph, branch)) for rest, branch in zip(outside, sides, strict=True)] for sides in (
                (one.args[1], other.args[1]), (one.args[2], other.args[2]),
            )]  # fmt: skip
            joined = [join(graph, *pair) for pair in pairs]
            if any(value is not None for value in joined):
                apart = [added(graph, [power_product(graph, term) for term in pair if term.coefficient]) for pair in pairs]
                branches = [old if new is None else new for new, old in zip(joined, apart, strict=True)]
                return graph.simple("where", one.args[0], *branches)
    return None


def _logit(graph: Graph, first: Product, second: Product) -> Node | None:
    for one, exponent in first.powers:
        if exponent == 1 and one.op in ("log_sigmoid", "softplus"):
            other = graph.simple(one.op, graph.simple("neg", one.args[0]))
            rest = first.times(atom(one), -1)
            if second.exponent(other) == 1 and ratio(second.times(atom(other), -1), rest) == -1:
                return power_product(graph, rest.times(atom(one.args[0])))
    return None


def _expm1(graph: Graph, first: Product, second: Product) -> Node | None:
    for plain, grown in ((first, second), (second, first)):
        for base, exponent in grown.powers:
            if exponent == 1 and base.op == "exp" and ratio(grown.times(atom(base), -1), plain) == -1:
                return power_product(graph, plain.times(atom(graph.simple("neg", graph.simple("expm1", base.args[0])))))
    return None


def _centred(graph: Graph, first: Product, second: Product) -> Node | None:
    for plain, whole in ((first, second), (second, first)):
        for base, exponent in whole.powers:
            if exponent == 1 and base.op in ("sigmoid", "ndtr") and ratio(whole.times(atom(base), -1), plain) == -2:
                two = graph.const(2)
                if base.op == "sigmoid":
                    odd = graph.simple("tanh", graph.simple("div", base.args[0], two))
                else:
                    odd = graph.simple("erf", graph.simple("div", base.args[0], graph.simple("sqrt", two)))
                return power_product(graph, plain.times(atom(graph.simple("neg", odd))))
    for one, exponent in first.powers:
        for other, power in second.powers:
            if one.op == other.op == "sigmoid" and exponent == power == 1 and _opposite(graph, one.args[0], other.args[0]):
                rest = first.times(atom(one), -1)
                if ratio(second.times(atom(other), -1), rest) == -1:
                    return power_product(graph, rest.times(atom(graph.simple("tanh", graph.simple("div", one.args[0], graph.const(2))))))
    return None


def _share(graph: Graph, first: Product, second: Product) -> Node | None:
    for plain, other in ((first, second), (second, first)):
        for base, exponent in other.powers:
            if exponent >= 0 or base.op != "add" or exponent - plain.exponent(base) != -1:
                continue
            part = other.times(plain, -1).times(atom(base))
            for x, y in (base.args, base.args[::-1]):
                if ratio(part, product_of(graph, x)) == -1:
                    return power_product(graph, plain.times(atom(graph.simple("share", y, x))))
    return None


def _entropy(graph: Graph, first: Product, second: Product) -> Node | None:
    for base, exponent in first.powers:
        if exponent == 1 and base.op == "log_sigmoid":
            (x,) = base.args
            opposite = graph.simple("neg", x)
            sides = [atom(graph.simple("sigmoid", u)).times(atom(graph.simple("log_sigmoid", u))) for u in (x, opposite)]
            rest = first.times(sides[0], -1)
            if first.exponent(graph.simple("sigmoid", x)) == 1 and ratio(second.times(sides[1], -1), rest) == 1:
                return power_product(graph, rest.times(atom(graph.simple("neg", graph.simple("logistic_entropy", x)))))
    return None


def _opposite(graph: Graph, one: Node, other: Node) -> bool:
    """Tell whether two nodes add up to 0, up to the order and the number of the terms of a sum that is a factor of both."""
    left, right = product_of(graph, one), product_of(graph, other)
    if ratio(left, right) == -1:
        return True
    for first in _sums(left):
        for second in _sums(right):
            share = ratio(left.times(atom(first), -1), right.times(atom(second), -1))
            if share is not None:
                mine, its = sum_of(graph, first), sum_of(graph, second)
                numbers = [{key: share * number for key, number in coefficients(mine.terms).items()}, dict(coefficients(its.terms))]
                if share * mine.constant == -its.constant and numbers[0] == {key: -number for key, number in numbers[1].items()}:
                    return True
    return False


def _joined(graph: Graph, first: Product, second: Product) -> Node | None:
    """Return two products as one, if they differ in a sum alone, and terms of these sums cancel."""
    for one in _sums(first):
        rest = first.times(atom(one), -1)
        for other in _sums(second):
            share = ratio(second.times(atom(other), -1), rest)
            inside = None if share is None else _without_cancelled(graph, one, other, share)
            if inside is not None:
                return power_product(graph, rest.times(atom(inside)))
    return None


def _sums(product: Product) -> list[Node]:
    return [base for base, exponent in product.powers if exponent == 1 and base.op in ("add", "sub")]


def _without_cancelled(graph: Graph, one: Node, other: Node, share: Fraction) -> Node | None:
    """Return one sum and a share of another, if terms of the two cancel and something is left."""
    left, right = sum_of(graph, one), sum_of(graph, other)
    first, second = coefficients(left.terms), coefficients(right.terms)
    gone = {key for key, number in first.items() if key in second and number + share * second[key] == 0}
    if not gone or {*first, *second} == gone:
        return None
    kept = [(term.scale, term.node) for term in left.terms if term.key not in gone]
    kept += [(share * term.scale, term.node) for term in right.terms if term.key not in gone]
    result = total(graph, left.constant + share * right.constant, kept)
    return result if one.axes <= result.axes and other.axes <= result.axes else None
