"""Differences of logarithms of sums: logaddexp(u, v) - u is softplus(v - u), which keeps its digits where u dominates."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.rules import Rule
from losscompiler.stable.signs import PICKS
from losscompiler.stable.terms import Product, Sum, Term, chained, coefficients, power_product, product_of, single, sum_of, total

LOG_SUMS = Rule(
    "log of a sum less one of its terms", "logaddexp(x, 2*x) - x", "softplus(x)", -80, 80,
    "Blanchard, Higham & Higham 2021, Accurately computing the log-sum-exp and softmax functions",
)  # fmt: skip
LOG_SHARES = Rule(
    "log of softmax as a difference", "x - logsumexp(x)", "log_softmax(x)", -80, 80,
    "Blanchard, Higham & Higham 2021, Accurately computing the log-sum-exp and softmax functions",
)  # fmt: skip
SCALED_LOG_SUMS = Rule(
    "log of a sum over a factor of its terms", "logaddexp(3*x, 2*x)/x", "scaled_logaddexp(3, 2, x)", 0.1, 80,
    "the derivative by the factor is an entropy, exponentially small where one term dominates",
)  # fmt: skip
RESIDUALS = Rule(
    "label less a softmax", "y - softmax(x)", "softmax_residual(x, y)", -80, 80, "1 - softmax(x) cancels where one element dominates",
    (0, 1),
)  # fmt: skip
CANCELLED = Rule(
    "logarithms that cancel", "log(x) - x - log(x)", "-x", 1e-3, 1e9, "the digits of what is left are lost beside what cancels"
)  # fmt: skip
_OF_ELEMENTS = ("logaddexp", "softplus", "log_sigmoid")
_MOST_LEAVES = 8

_LABELS = ("symbol", "vector", "one_hot")


def residual(graph: Graph, node: Node) -> Node | None:
    """Return y - softmax(x), or its opposite, for a y that may be a label."""
    if node.op != "sub":
        return None
    for y, other in (node.args, node.args[::-1]):
        if y.op in _LABELS and other.op == "softmax":
            found = graph.make("softmax_residual", other.args[0], y, span=None, **other.attributes)
            return found if y is node.args[0] else graph.simple("neg", found)
    return None


class LogSums:
    """Takes a term out of the logarithm of a sum that it is subtracted from."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def elements(self, node: Node) -> Node | None:
        """Return a sum in which logaddexp(u, v) - u, softplus(v) - v or the like has become one softplus."""
        if node.op not in ("add", "sub"):
            return None
        parts = sum_of(self.graph, node)
        for position, term in enumerate(parts.terms):
            if term.node.op == "weighted_logaddexp":
                found = self._weighted(parts, position)
                if found is not None:
                    return found
            if term.node.op not in _OF_ELEMENTS:
                continue
            scale = -term.scale if term.node.op == "log_sigmoid" else term.scale
            for leaf, others in self._leaves(term.node):
                rest = self._without(parts, position, leaf, scale)
                if rest is not None:
                    return self._sum(rest, scale, self.graph.simple("softplus", self._difference(others, leaf)))
            found = self._less_some(parts, position, scale)
            if found is not None:
                return found
        return None

    def _weighted(self, parts: Sum, position: int) -> Node | None:
        """Return a sum with log(v*exp(x) + w*exp(y)) less x, y or a term of the sum whose logarithm x is, each less that."""
        node, scale = parts.terms[position].node, parts.terms[position].scale
        x, y, v, w = node.args
        leaves = [x, y, *(leaf for leaf, _ in (self._leaves(x) if x.op in _OF_ELEMENTS else ()) if leaf is not None)]
        for leaf in leaves:
            rest = None if leaf.constant else self._without(parts, position, leaf, scale)
            if rest is not None:
                less = [self.graph.simple("sub", side, leaf) for side in (x, y)]
                return self._sum(rest, scale, self.graph.simple("weighted_logaddexp", *less, v, w))
        return None

    def _less_some(self, parts: Sum, position: int, scale: Fraction) -> Node | None:
        """Return a sum in which the logarithm of a sum less that of some of its summands has become one softplus."""
        whole = self._summands(parts.terms[position].node)
        for other, term in enumerate(parts.terms):
            if other == position or term.node.op not in _OF_ELEMENTS or term.scale != (scale if term.node.op == "log_sigmoid" else -scale):
                continue
            rest = list(whole)
            some = self._summands(term.node)
            if len(some) < len(whole) and all(self._removed(rest, summand) for summand in some):
                value = self.graph.simple("softplus", self.graph.simple("sub", self._joined(rest), self._joined(some)))
                return self._sum(parts.without({position, other}), scale, value)
        return None

    def _removed(self, summands: list[Node | None], one: Node | None) -> bool:
        if one in summands:
            summands.remove(one)
            return True
        return False

    def _summands(self, node: Node) -> list[Node | None]:
        """Return all summands inside; ``None`` is exp(0)."""
        found: list[Node | None] = []
        stack: list[Node | None] = [inside for inside, _ in self._split(node)]
        while stack:
            inside = stack.pop()
            if inside is not None and inside.op in ("logaddexp", "softplus") and len(found) + len(stack) < _MOST_LEAVES:
                stack += [part for part, _ in self._split(inside)]
            else:
                found.append(inside)
        return found

    def rows(self, node: Node) -> Node | None:
        """Return a sum in which x - logsumexp(x), or x[y] - logsumexp(x), has become log_softmax."""
        if node.op not in ("add", "sub"):
            return None
        parts = sum_of(self.graph, node)
        for position, term in enumerate(parts.terms):
            if term.node.op != "logsumexp":
                continue
            x, attributes = term.node.args[0], term.node.attributes
            log_softmax = self.graph.simple("log_softmax", x, span=None, **attributes)
            rest = self._without(parts, position, x, term.scale)
            if rest is not None:
                return self._sum(rest, -term.scale, log_softmax)
            if attributes["axis"] != -1:
                continue
            for other, picked in enumerate(parts.terms):
                pick = self._pick(picked, x, -term.scale)
                if pick is not None:
                    value = self.graph.simple(pick.op, log_softmax, *pick.args[1:], span=None, **pick.attributes)
                    return self._sum(parts.without({position, other}), -term.scale, value)
        return None

    def _pick(self, term: Term, x: Node, scale: Fraction) -> Node | None:
        """Return the selection in a term that is scale*x[y], however a number by which x is multiplied stands in both."""
        if term.node.op in PICKS and term.node.args[0] is x:
            return term.node if term.scale == scale else None
        whole, part = product_of(self.graph, x), product_of(self.graph, term.node)
        for pick, power in part.powers:
            if pick.op in PICKS and power == 1 and whole.exponent(pick.args[0]) == 1:
                factor = whole.times(single(pick.args[0]), -1)
                left = part.times(single(pick), -1).times(factor, -1)
                if not left.powers and left.coefficient * term.scale == scale and not any(base.axes for base, _ in factor.powers):
                    return pick
        return None

    def scaled(self, node: Node) -> Node | None:
        """Return logaddexp(k*x, k*y)/k or logsumexp(k*x)/k, however the scale is written, as one function of x, y and k."""
        if node.op not in ("mul", "div"):
            return None
        product = product_of(self.graph, node)
        for base, power in product.powers:
            if power != 1 or base.op not in (*_OF_ELEMENTS, "logsumexp"):
                continue
            inside = self._summands(base) if base.op != "logsumexp" else [base.args[0]]
            sign = Product(Fraction(-1 if base.op == "log_sigmoid" else 1), ())
            for scale, exponent in product.powers:
                k = Product(Fraction(1), ((scale, -exponent),))
                if scale.constant or abs(exponent) != 1 or (base.op == "logsumexp" and scale.axes):
                    continue
                parts = [self.graph.const(0) if part is None else self._divided(part, k) for part in inside]
                if None not in parts:
                    one = self._scaled(base, [part for part in parts if part is not None], power_product(self.graph, k))
                    return power_product(self.graph, product.times(single(base), -1).times(k).times(sign).times(single(one)))
        return None

    def _divided(self, node: Node, k: Product) -> Node | None:
        """Return a node over a scale, if each of its terms has it as a factor."""
        parts = sum_of(self.graph, node)
        terms: list[tuple[Fraction, Node]] = []
        for term in parts.terms:
            product = product_of(self.graph, term.node)
            if any(product.exponent(base) != exponent for base, exponent in k.powers):
                return None
            terms.append((term.scale, power_product(self.graph, product.times(k, -1))))
        return total(self.graph, Fraction(0), terms) if terms and parts.constant == 0 else None

    def _scaled(self, base: Node, parts: list[Node], k: Node) -> Node:
        if base.op == "logsumexp":
            return self.graph.simple("scaled_logsumexp", parts[0], k, span=None, **base.attributes)
        result = parts[0]
        for part in parts[1:]:
            result = self.graph.simple("scaled_logaddexp", result, part, k)
        return result

    def _leaves(self, node: Node) -> Iterator[tuple[Node, list[Node | None]]]:
        """Yield each summand inside a logarithm of a sum, with the others; ``None`` is the summand exp(0)."""
        stack = [(leaf, others) for leaf, others in self._split(node) if leaf is not None]
        for _ in range(_MOST_LEAVES):
            if not stack:
                return
            leaf, others = stack.pop(0)
            yield leaf, others
            if leaf.op in ("logaddexp", "softplus"):
                stack += [(inner, [*others, *more]) for inner, more in self._split(leaf) if inner is not None]

    def _split(self, node: Node) -> list[tuple[Node | None, list[Node | None]]]:
        """Return the two summands inside, each with the other."""
        inside = self.graph.simple("neg", node.args[0]) if node.op == "log_sigmoid" else node.args[0]
        other = node.args[1] if node.op == "logaddexp" else None
        return [(inside, [other]), (other, [inside])]

    def _without(self, parts: Sum, position: int, leaf: Node, scale: Fraction) -> Sum | None:
        """Return a sum without one term and without -scale*leaf, which it must hold as a whole."""
        inner = sum_of(self.graph, leaf)
        wanted = coefficients(inner.terms)
        if not wanted:
            return None
        kept: list[Term] = []
        for i, term in enumerate(parts.terms):
            if i == position:
                continue
            if term.coefficient == -scale * wanted.get(term.key, Fraction(0)) != 0:
                wanted = {key: value for key, value in wanted.items() if key != term.key}
            else:
                kept.append(term)
        constant = parts.constant + scale * inner.constant
        # Without a constant of its own in the sum, taking one out would leave one behind.
        if wanted or (inner.constant != 0 and constant != 0):
            return None
        return Sum(constant, tuple(kept))

    def _difference(self, others: list[Node | None], leaf: Node) -> Node:
        """Return the logarithm of the other summands over one."""
        if others == [None]:
            return self.graph.simple("neg", leaf)
        return self.graph.simple("sub", self._joined(others), leaf)

    def _joined(self, summands: list[Node | None]) -> Node:
        """Return the logarithm of a sum of exponentials."""
        nodes = [summand for summand in summands if summand is not None]
        if not nodes:
            return self.graph.const(0)
        whole = chained(self.graph, "logaddexp", nodes)
        return self.graph.simple("softplus", whole) if len(nodes) < len(summands) else whole

    def _sum(self, rest: Sum, scale: Fraction, value: Node) -> Node:
        return total(self.graph, rest.constant, [*rest.parts, (scale, value)])


def cancelled(graph: Graph, node: Node) -> Node | None:
    """Return a sum without logarithms that stand in it twice, with opposite signs."""
    if node.op not in ("add", "sub"):
        return None
    parts = sum_of(graph, node)
    logs = {term.key for term in parts.terms if term.node.op == "log"}
    seen = coefficients(parts.terms) if logs else {}
    kept = [term for term in parts.terms if not (term.key in logs and seen[term.key] == 0)]
    if len(kept) == len(parts.terms):
        return None
    result = total(graph, parts.constant, [(term.scale, term.node) for term in kept])
    return result if result.axes == node.axes else None
