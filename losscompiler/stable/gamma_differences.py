"""Differences of logarithms of gamma functions: lgamma(y + r) - lgamma(r) is about y*log(r) where both terms are r*log(r).

Likelihoods of counts and of heavy tails hold such differences. Written as one function, and beta functions as another, they
keep their digits however large the arguments are, and so do their derivatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import Presence, added, atom, products_of, ratio
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Key, Product, power_product

GAMMA_DIFFERENCES = Rule(
    "difference of log gamma functions", "lgamma(x/2 + 1/2) - lgamma(x/2)", "lgamma_difference(x/2, 1/2)", 1e-3, 1e9,
    "DLMF 5.11.13, ratios of gamma functions; both terms are large where their difference is small",
)  # fmt: skip
_MOST_ARGUMENT_TERMS = 6
_FAMILY = ("lgamma", "lgamma_difference", "lbeta")

Argument: TypeAlias = dict[Key, Product]
"""An argument multiplied out: its terms by the factors that vary."""


@dataclass(frozen=True)
class _Gamma:
    """One lgamma of a sum, with the number of times that it is added, and the argument as it is written, if it is."""

    number: Fraction
    argument: Argument
    written: Node | None = None


class GammaDifferences:
    """Brings log gamma functions of one graph together."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.gammas = Presence(_FAMILY)

    def apply(self, node: Node) -> Node | None:
        """Return a sum with its log gamma functions in differences, or ``None`` where there are none to bring together."""
        if node.op not in ("add", "sub") or not self.gammas.within(node):
            return None
        found = products_of(self.graph, node)
        groups: list[tuple[Product, list[_Gamma]]] = []
        others: list[Node] = []
        first = count = 0
        for term in found:
            base = next((base for base, exponent in term.powers if exponent == 1 and base.op in _FAMILY), None)
            gammas = None if base is None else self._gammas(base)
            if base is None or gammas is None:
                others.append(power_product(self.graph, term))
                continue
            first = first if count else len(others)
            count += 1
            common = term.times(atom(base), -1)
            group = next(((other, members) for other, members in groups if ratio(common, other) is not None), None)
            if group is None:
                group = common, []
                groups.append(group)
            share = ratio(common, group[0]) or Fraction(1)
            group[1].extend(_Gamma(share * gamma.number, gamma.argument, gamma.written) for gamma in gammas)
        parts = [part for common, members in groups for part in self._joined(common, members)] if count > 1 else []
        return added(self.graph, [*others[:first], *parts, *others[first:]]) if 0 < len(parts) < count else None

    def _gammas(self, node: Node) -> list[_Gamma] | None:
        """Return a function of the family as a sum of log gamma functions."""
        arguments = [self._sum(arg) for arg in node.args]
        if any(argument is None for argument in arguments):
            return None
        first, *rest = (argument for argument in arguments if argument is not None)
        one = Fraction(1)
        if node.op == "lgamma":
            return [_Gamma(one, first, node.args[0])]
        both = _plus(first, rest[0], 1)
        if node.op == "lbeta":
            return [_Gamma(one, first, node.args[0]), _Gamma(one, rest[0], node.args[1]), _Gamma(-one, both)]
        return [_Gamma(one, both), _Gamma(-one, first, node.args[0])]

    def _joined(self, common: Product, members: Sequence[_Gamma]) -> list[Node]:
        """Return the terms of a group: beta functions first, then differences, then what is left."""
        left = _merged(members)
        parts: list[tuple[Fraction, Node]] = []
        while (triple := _beta(left)) is not None:
            first, second, both = triple
            parts.append((first.number, self.graph.make("lbeta", self._argument(first), self._argument(second))))
            left = [gamma for gamma in left if gamma not in (first, second, both)]
        while (pair := _difference(left)) is not None:
            start, end = pair
            step = self._node(_plus(end.argument, start.argument, -1))
            parts.append((end.number, self.graph.make("lgamma_difference", self._argument(start), step)))
            left = [gamma for gamma in left if gamma not in (start, end)]
        parts += [(gamma.number, self.graph.make("lgamma", self._argument(gamma))) for gamma in left]
        return [power_product(self.graph, common.times(Product(number, ())).times(atom(node))) for number, node in parts]

    # -- arguments
    def _sum(self, node: Node) -> Argument | None:
        """Return an argument multiplied out, unless it is long."""
        result: Argument = {}
        for term in products_of(self.graph, node):
            for part in self._multiplied_out(term):
                result = _plus(result, {part.key: part}, 1)
        return result if len(result) <= _MOST_ARGUMENT_TERMS else None

    def _multiplied_out(self, term: Product) -> list[Product]:
        """Return (1 - p)*k as k and -p*k."""
        for base, exponent in term.powers:
            if exponent == 1 and base.op in ("add", "sub"):
                return [part.times(term.times(atom(base), -1)) for part in products_of(self.graph, base)]
        return [term]

    def _argument(self, gamma: _Gamma) -> Node:
        return gamma.written or self._node(gamma.argument)

    def _node(self, argument: Argument) -> Node:
        ordered = sorted(argument.values(), key=lambda term: (not term.powers, term.key))
        return added(self.graph, [power_product(self.graph, term) for term in ordered])


def _plus(one: Argument, other: Argument, sign: int) -> Argument:
    result = dict(one)
    for key, term in other.items():
        known = result[key].coefficient if key in result else Fraction(0)
        result[key] = Product(known + sign * term.coefficient, term.powers)
    return {key: term for key, term in result.items() if term.coefficient}


def _equal(one: Argument, other: Argument) -> bool:
    return not _plus(one, other, -1)


def _merged(members: Sequence[_Gamma]) -> list[_Gamma]:
    """Return log gamma functions with those of equal arguments added up."""
    result: list[_Gamma] = []
    for gamma in members:
        same = next((i for i, other in enumerate(result) if _equal(other.argument, gamma.argument)), None)
        if same is None:
            result.append(gamma)
        else:
            result[same] = _Gamma(result[same].number + gamma.number, gamma.argument, result[same].written or gamma.written)
    return [gamma for gamma in result if gamma.number]


def _beta(left: Sequence[_Gamma]) -> tuple[_Gamma, _Gamma, _Gamma] | None:
    """Return lgamma(a), lgamma(b) and lgamma(a + b) with the opposite sign, if all are there."""
    for both in left:
        same = [gamma for gamma in left if gamma.number == -both.number]
        for position, first in enumerate(same):
            for second in same[position:]:
                if first is not second and _equal(_plus(first.argument, second.argument, 1), both.argument):
                    return first, second, both
    return None


def _difference(left: Sequence[_Gamma]) -> tuple[_Gamma, _Gamma] | None:
    """Return two log gamma functions of opposite sign whose arguments are closest; the first has the simpler argument."""
    best: tuple[int, _Gamma, _Gamma] | None = None
    for start in left:
        for end in left:
            if start.number != -end.number or len(start.argument) > len(end.argument):
                continue
            step = _plus(end.argument, start.argument, -1)
            shared = any(key and key not in step for key in start.argument)
            if shared and (best is None or len(step) < best[0]):
                best = len(step), start, end
    return None if best is None else best[1:]

