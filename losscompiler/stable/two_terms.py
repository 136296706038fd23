"""Rules for a sum of two terms, found inside longer sums and under common factors: y + 1/2 - sigmoid(x)/2 is y + sigmoid(-x)/2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from losscompiler.graph.node import Graph, Node
from losscompiler.graph.parameter import Parameter
from losscompiler.stable.log_domain import LogDomain
from losscompiler.stable.patterns import instance, match_operands, pattern
from losscompiler.stable.rules import RULES, Rule
from losscompiler.stable.signs import PICKS, Signs
from losscompiler.stable.terms import Sum, coefficients, sum_of, total, whole_exponent

TWO_TERMS = Rule(
    "complement inside a sum", "x + 1/2 - ndtr(x)/2", "x + ndtr(-x)/2", -80, 80, "as the rules for sums of two terms"
)  # fmt: skip
COMPLEMENTS = Rule(
    "complement of a product of shares", "1 - sigmoid(x)**3", "-expm1(3*log_sigmoid(x))", -80, 80,
    "Kahan 1987; the difference cancels where the product is 1",
)  # fmt: skip
EXPONENTIAL_PAIRS = Rule(
    "two exponentials as cosh", "exp(x) + exp(-x)", "2*cosh(x)", -80, 80, "one form, for the rules about cosh and sinh"
)  # fmt: skip
BINOMIALS = Rule(
    "difference of powers", "1 - (1 - x)**3", "x*(1 + (1 - x) + (1 - x)**2)", -9, 9, "geometric sum; the difference cancels near 0"
)  # fmt: skip
_LARGEST_POWER = 8


@dataclass(frozen=True)
class _Pair:
    """One rule as scale*left + constant, or as left + sign*right."""

    rule: Rule
    scale: int
    left: Node
    right: Node | None
    constant: Fraction
    sign: int = 1


@cache
def _pairs() -> dict[str, tuple[_Pair, ...]]:
    """Return the rules for sums of two terms by the operation of the first."""
    found: dict[str, list[_Pair]] = {}
    for rule in RULES:
        root = pattern(rule.pattern)
        if root.op not in ("add", "sub"):
            continue
        left, right = root.args
        sign = 1 if root.op == "add" else -1
        if left.op == "const" and isinstance(left.value, Fraction):
            pair = _Pair(rule, sign, right, None, left.value)
        elif right.op == "const" and isinstance(right.value, Fraction):
            pair = _Pair(rule, 1, left, None, sign * right.value)
        else:
            pair = _Pair(rule, 1, left, right, Fraction(0), sign)
        found.setdefault(pair.left.op, []).append(pair)
    return {op: tuple(pairs) for op, pairs in found.items()}


class TwoTerms:
    """Applies rules for sums of two terms to the terms of any sum."""

    def __init__(self, graph: Graph, parameters: Mapping[str, Parameter]) -> None:
        self.graph = graph
        self.signs = Signs(parameters)
        self.logs = LogDomain(graph, parameters, self.signs)

    def apply(self, node: Node) -> Node | None:
        """Return a sum in which two terms have become one, or ``None``."""
        if node.op not in ("add", "sub"):
            return None
        parts = sum_of(self.graph, node)
        if len(parts.terms) + (parts.constant != 0) < 2:
            return None
        for position, term in enumerate(parts.terms):
            bare, picks = _inside(term.node)
            for pair in _pairs().get(bare.op, ()):
                found = self._replaced(parts, position, bare, picks, pair)
                if found is not None:
                    return found
        return None

    def _replaced(self, parts: Sum, position: int, bare: Node, picks: list[Node], pair: _Pair) -> Node | None:
        term = parts.terms[position]
        factor = term.scale * pair.scale
        if pair.right is None:
            if parts.constant == 0 or parts.constant != factor * pair.constant:
                return None
            matched = match_operands((pair.left,), (bare,))
            if matched is None:
                return None
            value = instance(self.graph, pair.rule.replacement, matched)
            for pick in reversed(picks):
                value = self.graph.simple(pick.op, value, *pick.args[1:], span=None, **pick.attributes)
            return self._sum(parts, {position}, Fraction(0), factor, value)
        if picks:
            return None
        for other, second in enumerate(parts.terms):
            if other != position and second.scale == pair.sign * term.scale:
                matched = match_operands((pair.left, pair.right), (bare, second.node))
                if matched is not None:
                    value = instance(self.graph, pair.rule.replacement, matched)
                    return self._sum(parts, {position, other}, parts.constant, factor, value)
        return None

    def _sum(self, parts: Sum, gone: set[int], constant: Fraction, scale: Fraction, value: Node) -> Node:
        return total(self.graph, constant, [*parts.without(gone).parts, (scale, value)])

    def complement(self, node: Node) -> Node | None:
        """Return c - c*A as -c*expm1(log(A)), for a product or power A of functions that are almost 1 far out."""
        if node.op not in ("add", "sub"):
            return None
        parts = sum_of(self.graph, node)
        for position, term in enumerate(parts.terms):
            product = term.node.op in ("mul", "pow", "prod", *PICKS) and self.signs.reach(term.node) == (False, True)
            if product and parts.constant == -term.scale:
                log = self.logs.log(term.node)
                if log is not None:
                    return self._sum(parts, {position}, Fraction(0), term.scale, self.graph.simple("expm1", log))
        return None

    def exponential_pair(self, node: Node) -> Node | None:
        """Return exp(a) + exp(-a) as 2*cosh(a), and a difference as 2*sinh(a)."""
        if node.op not in ("add", "sub"):
            return None
        parts = sum_of(self.graph, node)
        exponentials = [(i, term) for i, term in enumerate(parts.terms) if term.node.op == "exp"]
        if len(exponentials) < 2:
            return None
        # Pairs within an operand have been found there.
        border = len(parts.terms) - len(sum_of(self.graph, node.args[1]).terms)
        for i, first in exponentials:
            for j, second in exponentials:
                across = i < border <= j and abs(first.scale) == abs(second.scale)
                if across and self._opposite(first.node.args[0], second.node.args[0]):
                    op = "cosh" if first.scale == second.scale else "sinh"
                    value = self.graph.simple(op, first.node.args[0])
                    return self._sum(parts, {i, j}, parts.constant, 2 * first.scale, value)
        return None

    def _opposite(self, left: Node, right: Node) -> bool:
        one, other = sum_of(self.graph, left), sum_of(self.graph, right)
        turned = {key: -value for key, value in coefficients(other.terms).items()}
        return one.constant == -other.constant and coefficients(one.terms) == turned

    def binomial(self, node: Node) -> Node | None:
        """Return 1 - (1 - x)**n as x times a sum of positive terms."""
        if node.op != "sub" or not node.args[0].is_number(1) or node.args[1].op != "pow":
            return None
        base, power = node.args[1].args[0], whole_exponent(node.args[1])
        if power is None or not 2 <= power <= _LARGEST_POWER or base.op != "sub" or not base.args[0].is_number(1):
            return None
        powers = [(Fraction(1), self.graph.simple("pow", base, self.graph.const(k))) for k in range(1, power)]
        return self.graph.simple("mul", base.args[1], total(self.graph, Fraction(1), powers))


def _inside(node: Node) -> tuple[Node, list[Node]]:
    """Return what is picked from, and the selections from the outermost inward."""
    picks: list[Node] = []
    while node.op in PICKS:
        picks.append(node)
        node = node.args[0]
    return node, picks
