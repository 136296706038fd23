"""Quotients that are 0/0 at a point, written so that what vanishes is taken out: (p**l - 1)/l is log(p)*exp_moment(0, l*log(p)).

A function that vanishes with its argument u is u times a smooth function of u, for which there is an accurate one in the
table. Where a product holds such a function and divides by a factor of u, that factor cancels, and with it the singular
point; nothing has to be decided when the loss runs. Differentiated in this form, the gradient has no such point either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from losscompiler.graph.expressions import ExpressionBuilder, Keywords
from losscompiler.graph.node import Graph, Node
from losscompiler.graph.parameter import Parameter
from losscompiler.source import Source
from losscompiler.stable.cancelling import ONE, added, atom, cancels, debt, products_of, raised, ratio
from losscompiler.stable.rules import Rule
from losscompiler.stable.signs import Signs
from losscompiler.stable.terms import Product, power_product, product_of

QUOTIENTS = Rule(
    "quotient that is 0/0 at a point", "(exp(-x/3) - 1)*2/x", "-2/3*exp_moment(0, -x/3)", 1e-9, 80,
    "Higham & Al-Mohy 2010, Computing matrix functions, on the phi functions; exp(x) - 1 is x times the mean of exp from 0 to x",
)  # fmt: skip
_MINUS = Product(Fraction(-1), ())

_Member: TypeAlias = tuple[Fraction, Node | None]
"""A number times a power or an exponential, or the number alone."""

_SMOOTH = {
    "expm1": (1, "exp_moment(0, u)"),
    "log1p": (1, "log1p_moment(0, u)"),
    "expm1mx": (2, "exp_moment(0, u) - exp_moment(1, u)"),
    "log1pmx": (2, "log1p_moment(1, u) - 1/(1 + u)"),
    "sinh": (1, "exp(log_sinhc(u))"),
    "asinh": (1, "asinh_moment(0, u)"),
    "atanh": (1, "(log1p_moment(0, u) + log1p_moment(0, -u))/2"),
}
"""Functions that vanish at u = 0: the order of the zero, and what is left when that power of u is taken out."""


@dataclass(frozen=True)
class _Vanishing:
    """A sum of terms that vanish: what is left of each is ``number * smooth * taken``.

    Attributes:
        parts: number, smooth function and what is taken out of each term.
        bases: what has to be positive for this form.
    """

    parts: tuple[tuple[Fraction, Node, Product], ...]
    bases: tuple[Node, ...] = ()


class Removable:
    """Takes out what vanishes in quotients, powers and sums of one graph."""

    def __init__(self, graph: Graph, parameters: Mapping[str, Parameter]) -> None:
        self.graph = graph
        self.signs = Signs(parameters)
        self.kept: set[int] = set()

    def apply(self, node: Node) -> Node | None:
        """Return another form of a node, or ``None`` where nothing cancels."""
        if node.index in self.kept:
            return None
        match node.op:
            case "mul" | "div":
                return self._product(node)
            case "add" | "sub":
                return self._sum(node)
            case "pow":
                return self._power(node)
            case "log":
                return self._log_of_choice(node) if node.args[0].op == "where" else self._log_of_share(node)
        return None

    # -- products
    def _product(self, node: Node) -> Node | None:
        """Cancel a factor that vanishes against one below the line."""
        whole = product_of(self.graph, node)
        for base, exponent in whole.powers:
            if exponent <= 0 or exponent.denominator != 1 or base.constant:
                continue
            vanishing, common = self._smooth(base)
            if vanishing is None:
                continue
            rest = whole.times(atom(base, exponent), -1).times(raised(common, int(exponent)))
            result = self._cancelled(vanishing, rest, int(exponent))
            if result is not None:
                return self._where_positive(vanishing.bases, result, node)
        return None

    def _smooth(self, base: Node) -> tuple[_Vanishing | None, Product]:
        """Return a factor as something that vanishes times a product."""
        if base.op in _SMOOTH:
            order, text = _SMOOTH[base.op]
            taken = raised(product_of(self.graph, base.args[0]), order)
            return _Vanishing(((Fraction(1), self._expand(text, base.args[0]), taken),)), ONE
        if base.op in ("add", "sub"):
            groups = self._groups(products_of(self.graph, base))
            if len(groups) == 1:
                return self._powers(groups[0][1]), groups[0][0]
        return None, ONE

    def _cancelled(self, vanishing: _Vanishing, rest: Product, exponent: int) -> Node | None:
        """Return a product with a power of something that vanishes, if every term of it cancels against the rest."""
        if exponent > 1 and len(vanishing.parts) > 1:
            return None
        parts = []
        for number, smooth, taken in vanishing.parts:
            outside = self._multiplied(raised(taken, exponent), rest)
            if outside is None:
                return None
            smooth = self.graph.simple("pow", smooth, self.graph.const(exponent))
            parts.append(self.graph.simple("mul", self.graph.const(number**exponent), self.graph.simple("mul", outside, smooth)))
        return added(self.graph, parts)

    def _multiplied(self, taken: Product, rest: Product) -> Node | None:
        """Return a product if it has fewer factors below the line than what is multiplied; a sum among them is multiplied out."""
        if cancels(taken, rest):
            return power_product(self.graph, taken.times(rest))
        for base, exponent in rest.powers:
            summands = products_of(self.graph, base) if exponent == 1 and base.op in ("add", "sub") else []
            if any(debt(term) and cancels(taken, term) for term in summands):
                inner = added(self.graph, [power_product(self.graph, taken.times(term)) for term in summands])
                return self.graph.simple("mul", power_product(self.graph, rest.times(atom(base), -1)), inner)
        return None

    # -- sums of powers and exponentials
    def _groups(self, found: Sequence[Product]) -> list[tuple[Product, list[_Member]]]:
        """Return terms as multiples of powers, exponentials and 1, by the product that they have in common."""
        groups: list[tuple[Product, list[_Member]]] = []
        for term in found:
            powers = [base for base, exponent in term.powers if exponent == 1 and _is_power(base)]
            power = powers[0] if len(powers) == 1 else None
            rest = term if power is None else term.times(atom(power), -1)
            for common, members in groups:
                share = ratio(rest, common)
                if share is not None:
                    members.append((share, power))
                    break
            else:
                groups.append((rest, [(Fraction(1), power)]))
        return groups

    def _powers(self, members: Sequence[_Member]) -> _Vanishing | None:
        """Return a sum of multiples of powers whose numbers add up to 0, each less 1: it vanishes with the exponents."""
        if sum(number for number, _ in members) != 0:
            return None
        parts, bases = [], []
        for number, power in members:
            if power is None:
                continue
            if power.op == "exp":
                taken = product_of(self.graph, power.args[0])
            else:
                taken = product_of(self.graph, power.args[1]).times(atom(self._log(power.args[0])))
                bases.append(power.args[0])
            parts.append((number, self._expand("exp_moment(0, u)", power_product(self.graph, taken)), taken))
        return _Vanishing(tuple(parts), tuple(bases)) if parts else None

    def _sum(self, node: Node) -> Node | None:
        found = products_of(self.graph, node)
        return self._remainder(found) or self._pulled_apart(found)

    def _pulled_apart(self, found: Sequence[Product]) -> Node | None:
        """Bring together what was divided term by term: p**l/l - 1/l."""
        groups = self._groups(found)
        for position, (common, members) in enumerate(groups):
            vanishing = self._powers(members) if debt(common) and len(members) > 1 else None
            result = None if vanishing is None else self._cancelled(vanishing, common, 1)
            if vanishing is not None and result is not None:
                others = [self._again(other, rest) for i, (other, rest) in enumerate(groups) if i != position]
                before = self._again(common, members)
                return added(self.graph, [self._where_positive(vanishing.bases, result, before), *others])
        return None

    def _again(self, common: Product, members: Sequence[_Member]) -> Node:
        """Return the terms of a group as they were."""
        terms = (common.times(Product(number, ())).times(ONE if power is None else atom(power)) for number, power in members)
        return added(self.graph, [power_product(self.graph, term) for term in terms])

    def _remainder(self, found: Sequence[Product]) -> Node | None:
        """Return a sum with exp(u) - 1 - u or log1p(u) - u as one function."""
        for position, term in enumerate(found):
            for base, exponent in term.powers:
                if exponent != 1 or base.op not in ("exp", "expm1", "log1p"):
                    continue
                common = term.times(atom(base), -1)
                wanted = [part.times(common).times(_MINUS) for part in products_of(self.graph, base.args[0])]
                if base.op == "exp":
                    wanted.append(common.times(_MINUS))
                left = _without([other for i, other in enumerate(found) if i != position], wanted)
                if left is None:
                    continue
                function = self.graph.simple("log1pmx" if base.op == "log1p" else "expm1mx", base.args[0])
                whole = power_product(self.graph, common.times(atom(function)))
                return added(self.graph, [whole, *(power_product(self.graph, other) for other in left)])
        return None

    # -- powers
    def _power(self, node: Node) -> Node | None:
        """Return (1 + u)**e as exp(e*log1p(u)) where a factor of u cancels in e*u."""
        base, exponent = node.args
        if exponent.constant or base.op not in ("add", "sub"):
            return None
        inner = self._less_1(base)
        if inner is None:
            return None
        taken, exponents = product_of(self.graph, inner), products_of(self.graph, exponent)
        if not any(cancels(taken, term) for term in exponents):
            return None
        outside = added(self.graph, [power_product(self.graph, taken.times(term)) for term in exponents])
        result = self.graph.simple("exp", self.graph.simple("mul", outside, self._expand("log1p_moment(0, u)", inner)))
        return self._where_positive((base,), result, node)

    def _less_1(self, base: Node) -> Node | None:
        """Return u of a sum 1 + u, or ``None`` for one that holds no 1."""
        found = products_of(self.graph, base)
        varying = [term for term in found if term.powers]
        if not varying or [term.coefficient for term in found if not term.powers] != [1]:
            return None
        return added(self.graph, [power_product(self.graph, term) for term in varying])

    # -- logarithms
    def _log_of_choice(self, node: Node) -> Node | None:
        """Return the logarithm of an exponential under a condition without it."""
        condition, yes, _ = node.args[0].args
        if yes.op != "exp":
            return None
        self.kept.add(node.index)
        return self.graph.simple("where", condition, yes.args[0], node)

    def _log_of_share(self, node: Node) -> Node | None:
        """Return log(x/(x + z)) as -log1p(z/x), which keeps what a large x loses, for a positive x."""
        share = node.args[0]
        if share.op != "share" or not self.signs.positive(share.args[0]):
            return None
        below = product_of(self.graph, share.args[0])
        parts = [power_product(self.graph, term.times(below, -1)) for term in products_of(self.graph, share.args[1])]
        return self.graph.simple("neg", self.graph.simple("log1p", added(self.graph, parts)))

    def _log(self, base: Node) -> Node:
        """Return the logarithm of a base that is positive wherever it is used, so that no other rule has to take care of 0."""
        if self.signs.positive(base):
            return self.graph.simple("log", base)
        inner = self._less_1(base) if base.op in ("add", "sub") else None
        op = "weighted_log" if inner is None else "weighted_log1p"
        return self.graph.make(op, base if inner is None else inner, self.graph.const(1))

    # -- nodes
    def _where_positive(self, bases: Sequence[Node], result: Node, otherwise: Node) -> Node:
        """Return a form that holds for positive bases; a negative base may have a whole exponent, and 0 a positive one."""
        condition: Node | None = None
        for base in dict.fromkeys(bases):
            if self.signs.positive(base):
                continue
            link = self.graph.make("gt", base, self.graph.const(0))
            condition = link if condition is None else self.graph.make("and", condition, link)
        if condition is None:
            return result
        self.kept.add(otherwise.index)
        return self.graph.simple("where", condition, result, otherwise)

    def _expand(self, text: str, u: Node) -> Node:
        builder = ExpressionBuilder(self.graph, Source(text), _no_name, self.graph.simple, internal=True)
        return builder.expand(text, {"u": u}, Keywords(), u.span)


def _is_power(node: Node) -> bool:
    return (node.op == "pow" and not node.args[1].constant) or node.op == "exp"


def _without(found: Sequence[Product], wanted: Sequence[Product]) -> list[Product] | None:
    """Return terms without some others, or ``None`` if they do not hold them all."""
    left = list(found)
    for term in wanted:
        match = next((other for other in left if ratio(other, term) == 1), None)
        if match is None:
            return None
        left.remove(match)
    return left


def _no_name(name: object) -> Node:
    raise AssertionError(f"{name} is bound by the caller")
