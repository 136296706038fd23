"""Quotients that are 0/0 at a point, written so that what vanishes is taken out: (p**l - 1)/l is log(p)*exp_moment(0, l*log(p)).

A function that vanishes with its argument u is u times a smooth function of u, for which there is an accurate one in the
table. Where a product holds such a function and divides by a factor of u, that factor cancels, and with it the singular
point; nothing has to be decided when the loss runs. Differentiated in this form, the gradient has no such point either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import TypeAlias

from losscompiler.graph.expressions import ExpressionBuilder, Keywords
from losscompiler.graph.node import Graph, Node
from losscompiler.graph.parameter import Parameter
from losscompiler.source import Source
from losscompiler.stable.cancelling import ONE, Presence, added, atom, cancels, debt, products_of, raised, ratio
from losscompiler.stable.rules import Rule
from losscompiler.stable.signs import Signs
from losscompiler.stable.terms import Product, power_product, product_of

QUOTIENTS = Rule(
    "quotient that is 0/0 at a point", "(exp(-x/3) - 1)*2/x", "-2/3*exp_moment(0, -x/3)", 1e-9, 80,
    "Higham & Al-Mohy 2010, Computing matrix functions, on the phi functions; exp(x) - 1 is x times the mean of exp from 0 to x",
)  # fmt: skip
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


_Factor: TypeAlias = tuple[Product, int, _Vanishing, Product]
"""A power of a base, its exponent, and the base as something that vanishes times a product."""


class Removable:
    """Takes out what vanishes in quotients, powers and sums of one graph."""

    def __init__(self, graph: Graph, parameters: Mapping[str, Parameter]) -> None:
        self.graph = graph
        self.signs = Signs(parameters)
        self.kept: set[int] = set()
        self.vanishing, self.powers = Presence((*_SMOOTH, "exp", "pow", "log", "weighted_log")), Presence(("exp", "pow"))

    def apply(self, node: Node) -> Node | None:
        """Return another form of a node, or ``None`` where nothing cancels."""
        if node.index in self.kept:
            return None
        match node.op:
            case "mul" | "div":
                return self._product(node) if self.vanishing.within(node) else None
            case "add" | "sub":
                return self._sum(node) if self.powers.within(node) else None
            case "pow":
                return self._power(node)
            case "log":
                return self._log_of_share(node)
        return None

    # -- products
    def _product(self, node: Node) -> Node | None:
        """Cancel a factor that vanishes against what stands on the other side of the line, or two such factors against each other."""
        whole = product_of(self.graph, node)
        found = [
            (atom(base, exponent), int(exponent), vanishing, common)
            for base, exponent in whole.powers
            if exponent.denominator == 1 and not base.constant
            for vanishing, common in self._smooth(base)
        ]
        for factor, exponent, vanishing, common in found:
            rest = whole.times(factor, -1).times(raised(common, exponent))
            result = self._cancelled(vanishing, rest, exponent)
            if result is not None:
                result = self._where_positive(vanishing.bases, result, node)
                return self._unless_small(vanishing, whole, result, node)
        for choice in [base for base, exponent in whole.powers if base.op == "where" and exponent == 1]:
            if any(branch.index in self.kept for branch in choice.args[1:]):
                # It was made here.
                continue
            rest = whole.times(atom(choice), -1)
            branches = [power_product(self.graph, rest.times(product_of(self.graph, branch))) for branch in choice.args[1:]]
            mended = [self._signed(branch) for branch in branches]
            if any(mended):
                return self.graph.simple("where", choice.args[0], *(new or old for new, old in zip(mended, branches, strict=True)))
        for above, below in combinations(found, 2):
            result = self._cancelled_pair(whole, above, below)
            if result is not None:
                return self._where_positive((*above[2].bases, *below[2].bases), result, node)
        return None

    def _signed(self, node: Node) -> Node | None:
        """Cancel a factor in a product or in the opposite of one."""
        inside = node.args[0] if node.op == "neg" else node
        found = self._product(inside) if inside.op in ("mul", "div") else None
        return self.graph.simple("neg", found) if found is not None and inside is not node else found

    def _unless_small(self, vanishing: _Vanishing, whole: Product, result: Node, otherwise: Node) -> Node:
        """Return a form that is used unless the powers are small of which it takes 1.

        Of x**e - y**e the ones cancel where both powers are small. And x may be taken out of log1p(x) in (1 + x)**e - 1 as well.

        Differentiated by x, z*log1p_moment(0, x)*exp_moment(0, e*log1p(x)) with x = z/s is left of four integrals that cancel
        where (1 + x)**e, which their sum is, is small. Nothing is 0/0 there, so that the power may stay.
        """
        exponents = [smooth.args[-1] for _, smooth, _ in vanishing.parts if smooth.op == "exp_moment"]
        if len(exponents) == len(vanishing.parts) == 2 and not any(map(self.signs.nonnegative, exponents)):
            self.kept.add(otherwise.index)
            small = [self.graph.make("lt", exponent, self.graph.const(-1)) for exponent in exponents]
            return self.graph.simple("where", self.graph.make("and", *small), otherwise, result)
        for _, smooth, _ in vanishing.parts:
            exponent = smooth.args[-1] if smooth.op == "exp_moment" else smooth
            if self.signs.nonnegative(exponent):
                continue
            for base, power in product_of(self.graph, exponent).powers:
                inner = base.args[0] if base.op in ("log1p", "weighted_log1p") else self._less_1(base.args[0]) if base.op == "log" else None
                if power == 1 and inner is not None and cancels(product_of(self.graph, inner), whole):
                    self.kept.add(otherwise.index)
                    return self.graph.simple("where", self.graph.make("lt", exponent, self.graph.const(-1)), otherwise, result)
        return result

    def _smooth(self, base: Node) -> list[tuple[_Vanishing, Product]]:
        """Return the ways in which a factor is something that vanishes times a product."""
        if base.op in _SMOOTH:
            order, text = _SMOOTH[base.op]
            taken = raised(product_of(self.graph, base.args[0]), order)
            return [(_Vanishing(((Fraction(1), self._expand(text, base.args[0]), taken),)), ONE)]
        if base.op in ("log", "weighted_log") and base.args[0].op == "div":
            return self._log_of_quotient(*base.args[0].args)
        groups = self._groups(products_of(self.graph, base)) if base.op in ("add", "sub") else []
        if len(groups) != 1:
            return []
        common, members = groups[0]
        return [(vanishing, common) for deep in (False, True) if (vanishing := self._powers(members, deep)) is not None]

    def _log_of_quotient(self, above: Node, below: Node) -> list[tuple[_Vanishing, Product]]:
        """Return log((t + u)/(t + v)) as what vanishes with u/t and v/t, for each term t that both sums have."""
        sums = [products_of(self.graph, side) if side.op in ("add", "sub") else [] for side in (above, below)]
        found = []
        for common in sums[0]:
            if not any(ratio(common, other) == 1 for other in sums[1]):
                continue
            rests = [[term.times(common, -1) for term in terms if ratio(term, common) != 1] for terms in sums]
            if not all(rests):
                continue
            inner = [added(self.graph, [power_product(self.graph, term) for term in terms]) for terms in rests]
            smooth = [self._expand("log1p_moment(0, u)", u) for u in inner]
            parts = tuple((Fraction(1 - 2 * i), smooth[i], product_of(self.graph, u)) for i, u in enumerate(inner))
            found.append((_Vanishing(parts, tuple(self.graph.simple("add", self.graph.const(1), u) for u in inner)), ONE))
        return found

    def _cancelled_pair(self, whole: Product, above: _Factor, below: _Factor) -> Node | None:
        """Return a product in which what two vanishing factors have in common cancels: expm1(a*x)/expm1(a)."""
        parts = []
        for factor, exponent, vanishing, common in (above, below):
            if len(vanishing.parts) > 1:
                return None
            ((number, smooth, taken),) = vanishing.parts
            whole = whole.times(factor, -1).times(raised(common, exponent)).times(Product(number**exponent, ()))
            parts.append((smooth, raised(taken, exponent)))
        (first, one), (second, other) = parts
        if above[0] is below[0] or not cancels(one, other) or cancels(one, whole) or cancels(other, whole):
            return None
        outside = power_product(self.graph, whole.times(one).times(other))
        return self._times_power(self._times_power(outside, first, above[1]), second, below[1])

    def _cancelled(self, vanishing: _Vanishing, rest: Product, exponent: int) -> Node | None:
        """Return a product with a power of something that vanishes, if every term of it cancels against the rest."""
        if exponent != 1 and len(vanishing.parts) > 1:
            return None
        parts = []
        for number, smooth, taken in vanishing.parts:
            outside = self._multiplied(raised(taken, exponent), rest)
            if outside is None:
                return None
            value = self._times_power(outside, smooth, exponent)
            parts.append(self.graph.simple("mul", self.graph.const(number**exponent), value))
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

    def _powers(self, members: Sequence[_Member], deep: bool = False) -> _Vanishing | None:
        """Return a sum of multiples of powers whose numbers add up to 0, each less 1: it vanishes with the exponents.

        With ``deep``, what vanishes inside a base 1 + u is taken out too.
        """
        if sum(number for number, _ in members) != 0:
            return None
        parts: list[tuple[Fraction, Node, Product]] = []
        bases: list[Node] = []
        for number, power in members:
            if power is None:
                continue
            inner = self._less_1(power.args[0]) if deep and power.op == "pow" else None
            if deep and inner is None:
                return None
            if power.op == "exp":
                taken = product_of(self.graph, power.args[0])
            else:
                taken = product_of(self.graph, power.args[1]).times(atom(self._log(power.args[0])))
                bases.append(power.args[0])
            smooth = self._expand("exp_moment(0, u)", power_product(self.graph, taken))
            if inner is not None:
                taken = product_of(self.graph, power.args[1]).times(product_of(self.graph, inner))
                smooth = self.graph.simple("mul", self._expand("log1p_moment(0, u)", inner), smooth)
            parts.append((number, smooth, taken))
        return _Vanishing(tuple(parts), tuple(bases)) if parts else None

    def _sum(self, node: Node) -> Node | None:
        """Bring together what was divided term by term: p**l/l - 1/l."""
        groups = self._groups(products_of(self.graph, node))
        for position, (common, members) in enumerate(groups):
            vanishing = self._powers(members) if debt(common) and len(members) > 1 else None
            result = None if vanishing is None else self._cancelled(vanishing, common, 1)
            if vanishing is not None and result is not None:
                others = [self._again(other, rest) for i, (other, rest) in enumerate(groups) if i != position]
                before = self._again(common, members)
                result = self._unless_small(vanishing, common, self._where_positive(vanishing.bases, result, before), before)
                return added(self.graph, [result, *others])
        return None

    def _again(self, common: Product, members: Sequence[_Member]) -> Node:
        """Return the terms of a group as they were."""
        terms = (common.times(Product(number, ())).times(ONE if power is None else atom(power)) for number, power in members)
        return added(self.graph, [power_product(self.graph, term) for term in terms])

    # -- powers
    def _power(self, node: Node) -> Node | None:
        """Return (1 + u)**e as exp(e*log1p(u)) where a factor of u cancels in e*u."""
        base, exponent = node.args
        if base.op == "maximum" and any(arg.is_number(0) for arg in base.args):
            base = next((arg for arg in base.args if not arg.is_number(0)), base)
        elif base.op == "relu":
            base = base.args[0]
        inner = None if exponent.constant else self._less_1(base)
        if inner is None:
            return None
        taken, exponents = product_of(self.graph, inner), products_of(self.graph, exponent)
        if not any(cancels(taken, term) for term in exponents):
            return None
        outside = added(self.graph, [power_product(self.graph, taken.times(term)) for term in exponents])
        result = self.graph.simple("exp", self.graph.simple("mul", outside, self._expand("log1p_moment(0, u)", inner)))
        return self._where_positive((base,), result, node)

    def _less_1(self, base: Node) -> Node | None:
        """Return u of a sum 1 + u, or ``None`` for what is no such sum."""
        if base.op not in ("add", "sub"):
            return None
        found = products_of(self.graph, base)
        varying = [term for term in found if term.powers]
        if not varying or [term.coefficient for term in found if not term.powers] != [1]:
            return None
        return added(self.graph, [power_product(self.graph, term) for term in varying])

    # -- logarithms
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
        inner = self._less_1(base)
        op = "weighted_log" if inner is None else "weighted_log1p"
        return self.graph.make(op, base if inner is None else inner, self.graph.const(1))

    # -- nodes
    def _times_power(self, node: Node, base: Node, exponent: int) -> Node:
        power = self.graph.simple("pow", base, self.graph.const(abs(exponent)))
        return self.graph.simple("mul" if exponent > 0 else "div", node, power)

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


def _no_name(name: object) -> Node:
    raise AssertionError(f"{name} is bound by the caller")
