"""Logarithms of sums of exponentials: logaddexp where all terms are positive, and what is left where one is subtracted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.normal import normal_integral
from losscompiler.stable.signs import Signs
from losscompiler.stable.terms import Sum, chained, scaled, sum_of


class LogOfSums(ABC):
    """Takes logarithms of sums; those of their terms are taken by what derives from it."""

    graph: Graph
    signs: Signs

    @abstractmethod
    def log(self, node: Node) -> Node | None:
        """Return the logarithm of a value that is surely positive, or ``None`` where it cannot be taken inside."""

    @abstractmethod
    def _log(self, node: Node, *, unknown: bool) -> Node | None:
        """Return log(node); ``unknown`` allows one factor of unknown sign."""

    @abstractmethod
    def _weighted(self, node: Node) -> tuple[Node, Node] | None:
        """Return the logarithm of the exponentials in a product and the other factors, whose signs are not known."""

    def _log_of_sum(self, node: Node, *, unknown: bool) -> Node | None:
        parts = sum_of(self.graph, node)
        found = self._log_of_known_sum(node, parts, unknown=unknown) or self._log_of_positive_terms(parts)
        if found is None and unknown:
            found = self._log_of_difference(parts) or self._log_of_weighted_terms(parts)
        if found is not None:
            return found
        if unknown or self.signs.positive(node):
            return self.graph.simple("log", node)
        return None

    def _log_of_known_sum(self, node: Node, parts: Sum, *, unknown: bool) -> Node | None:
        integral = normal_integral(self.graph, parts)
        if integral is not None:
            scale, z = integral
            if unknown or self.signs.positive(scale):
                return self.graph.simple("log_expected_improvement", self.graph.simple("mul", z, scale), scale)
        if node.op == "add":
            for weight, other in (node.args, node.args[::-1]):
                found = self._log_zero_inflated(weight, other, unknown=unknown or self.signs.positive(node))
                if found is not None:
                    return found
        return None

    def _log_zero_inflated(self, weight: Node, other: Node, *, unknown: bool) -> Node | None:
        """Return log(w + (1 - w)*A) for an exponential A."""
        if other.op != "mul" or not unknown:
            return None
        make = self.graph.simple
        for rest, inside in (other.args, other.args[::-1]):
            log = self.log(inside) if self.signs.exponential(inside) else None
            if log is None:
                continue
            if not self.signs.reach(inside)[0] and weight.op == rest.op == "sigmoid" and self._opposite(weight.args[0], rest.args[0]):
                return make("log_logit_inflated", weight.args[0], log)
            if _is_complement(weight, rest) or _is_complement(rest, weight):
                return make("log_zero_inflated", rest, log, weight)
        return None

    def _opposite(self, one: Node, other: Node) -> bool:
        return self.graph.simple("neg", one) is other or self.graph.simple("neg", other) is one

    def _log_of_positive_terms(self, parts: Sum) -> Node | None:
        """Return the logarithm of a sum whose terms are all positive, if one may overflow or all may underflow."""
        nodes = [scaled(self.graph, term.node, term.scale) for term in parts.terms if term.scale > 0]
        if len(nodes) < len(parts.terms) or parts.constant < 0 or len(nodes) + (parts.constant > 0) < 2:
            return None
        exponential = [self.signs.exponential(node) for node in nodes]
        if not (any(self.signs.reach(node)[0] for node in nodes) or (all(exponential) and parts.constant == 0)):
            return None
        if not all(self.signs.positive(node, closed=False) for node in nodes):
            # A weight may lie on its bound 0, where the derivative of its logarithm is infinite.
            weighted = self._log_of_weighted_terms(parts)
            if weighted is not None:
                return weighted
            if len(nodes) == 1 and parts.constant == 1:
                return self.graph.simple("log1p", nodes[0])
        result: Node | None = None
        for node, fast in zip(nodes, exponential, strict=True):
            inner = self._log(node, unknown=False) if fast or self.signs.positive(node, closed=False) else None
            if inner is None:
                return None
            result = inner if result is None else self.graph.simple("logaddexp", result, inner)
        if result is None or parts.constant == 0:
            return result
        if parts.constant == 1:
            return self.graph.simple("softplus", result)
        return self.graph.simple("logaddexp", self.graph.simple("log", self.graph.const(parts.constant)), result)

    def _log_of_difference(self, parts: Sum) -> Node | None:
        """Return log(A - B), for an A that may overflow, or two that may underflow."""
        above = [scaled(self.graph, term.node, term.scale) for term in parts.terms if term.scale > 0]
        below = [scaled(self.graph, term.node, -term.scale) for term in parts.terms if term.scale < 0]
        if parts.constant < 0:
            below.append(self.graph.const(-parts.constant))
        if not above or len(below) != 1 or parts.constant > 0:
            return None
        (second,) = below
        fast = [self.signs.exponential(first) for first in above]
        if not (any(self.signs.reach(first)[0] for first in above) or (all(fast) and self.signs.exponential(second))):
            return None
        logs, right = [self.log(first) for first in above], self.log(second)
        found = [log for log in logs if log is not None]
        if len(found) < len(logs) or right is None:
            return None
        make = self.graph.simple
        left = chained(self.graph, "logaddexp", found)
        return make("add", left, make("log1mexp", make("sub", right, left)))

    def _log_of_weighted_terms(self, parts: Sum) -> Node | None:
        """Return the logarithm of two exponentials with factors of unknown sign, one beside positive ones, or one and what may be 0."""
        terms = [scaled(self.graph, term.node, term.scale) for term in parts.terms]
        if len(parts.terms) != 2 or parts.constant:
            return self._log_with_one_weight(terms, parts.constant)
        others = [term for term in terms if not self.signs.exponential(term)]
        if len(others) == 1 and not others[0].constant and not self.signs.positive(others[0], closed=False):
            (other,), (term,) = others, [term for term in terms if term not in others]
            weighted = self._weighted(term)
            return weighted and self.graph.simple("weighted_logaddexp", weighted[0], self.graph.const(0), weighted[1], other)
        if others:
            return None
        pairs = [self._weighted(term) for term in terms]
        if pairs[0] is None or pairs[1] is None:
            return None
        (x, v), (y, w) = pairs[0], pairs[1]
        return self.graph.simple("weighted_logaddexp", x, y, v, w)

    def _log_with_one_weight(self, terms: list[Node], constant: Fraction) -> Node | None:
        """Return the logarithm of positive exponentials and one with a factor of unknown sign."""
        logs = [self.log(term) if self.signs.exponential(term) else None for term in terms]
        unknown = [term for term, log in zip(terms, logs, strict=True) if log is None]
        known = [log for log in logs if log is not None]
        if not known:
            return None
        if constant > 0:
            known.append(self.graph.simple("log", self.graph.const(constant)))
        if len(unknown) != 1 or constant < 0 or not self.signs.exponential(unknown[0]):
            return None
        weighted, left = self._weighted(unknown[0]), chained(self.graph, "logaddexp", known)
        return weighted and self.graph.simple("weighted_logaddexp", left, weighted[0], self.graph.const(1), weighted[1])


def _is_complement(one: Node, other: Node) -> bool:
    """Tell whether a node is 1 less another."""
    return one.op == "sub" and one.args[0].is_number(1) and one.args[1] is other
