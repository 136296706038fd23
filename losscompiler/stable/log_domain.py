"""Logarithms of products and sums that contain exponentials, taken inside: log(w*exp(x)) is log(w) + x.

Densities, mixtures and likelihoods are written as logarithms of products of exponentials; computed as written, the
exponentials underflow to 0 long before their logarithm leaves the range of a float.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache

from losscompiler.graph.node import Graph, Node
from losscompiler.graph.parameter import Parameter
from losscompiler.stable.normal import normal_integral
from losscompiler.stable.patterns import Match, instance, match_operands, pattern
from losscompiler.stable.rules import RULES, Rule
from losscompiler.stable.signs import PICKS, Signs
from losscompiler.stable.terms import Product, Sum, chained, power_product, product_of, scaled, sum_of, total

LOG_DOMAIN = Rule(
    "log of products and sums of exponentials", "log(2*exp(x) + exp(3*x))", "logaddexp(log(2) + x, 3*x)", -80, 80,
    "Blanchard, Higham & Higham 2021, Accurately computing the log-sum-exp and softmax functions",
)  # fmt: skip
_MOST_FACTORS = 24
_INSIDE = frozenset({"share", "mul", "div", "sum", "mean", "prod", "add", "sub", "pow", "sqrt", "where", "neg", *PICKS})


@cache
def logarithms() -> dict[str, tuple[tuple[Rule, Node], ...]]:
    """Return the rules for logarithms, with the pattern of what the logarithm is of, by its operation."""
    found: dict[str, list[tuple[Rule, Node]]] = {}
    for rule in RULES:
        root = pattern(rule.pattern)
        if root.op == "log" and root.args[0].op not in ("add", "sub", "mul", "div", "sum"):
            found.setdefault(root.args[0].op, []).append((rule, root.args[0]))
    return {op: tuple(rules) for op, rules in found.items()}


class LogDomain:
    """Takes logarithms inside, where signs allow it.

    A factor whose sign is not known may stand in a product once: the product is positive exactly where it is, so that
    log(y*exp(p)) and log(y) + p are defined at the same points.
    """

    def __init__(self, graph: Graph, parameters: Mapping[str, Parameter], signs: Signs | None = None) -> None:
        self.graph = graph
        self.parameters = parameters
        self.signs = signs or Signs(parameters)
        self.kept: set[int] = set()

    def apply(self, node: Node) -> Node | None:
        """Return another form of a logarithm, or ``None`` where nothing is gained."""
        if node.op == "log" and node.args[0].op in _INSIDE:
            found = self._log(node.args[0], unknown=True) if self._gains(node.args[0]) else None
            return found or self._where_bases_are_positive(node)
        if node.op == "log1p" and self.signs.reach(node.args[0])[0] and node.index not in self.kept:
            return self._log1p(node)
        return None

    def _log1p(self, node: Node) -> Node | None:
        """Return log(1 + w*exp(x)) as softplus(log(w) + x), for a w of unknown sign where w*exp(x) is more than 1."""
        (inside,), make = node.args, self.graph.simple
        if self.signs.positive(inside, closed=False):
            inner = self._log(inside, unknown=False)
            return None if inner is None else make("softplus", inner)
        weighted = self._weighted(inside) if inside.op in ("mul", "div") else None
        if weighted is None or weighted[1].constant:
            return None
        self.kept.add(node.index)
        log = make("add", make("log", weighted[1]), weighted[0])
        # Where the product is small its own digits are the better ones; that a weight is positive says so to its logarithm alone.
        positive = self.graph.make("gt", weighted[1], self.graph.const(0))
        large = self.graph.make("and", positive, self.graph.make("gt", inside, self.graph.const(1)))
        return make("where", large, make("softplus", log), node)

    def _where_bases_are_positive(self, node: Node) -> Node | None:
        """Return the logarithm of a product that holds powers with exponents of their own, where their bases are positive."""
        bases = self._bases(node.args[0]) if node.index not in self.kept else []
        if not bases:
            return None
        inner = LogDomain(self.graph, self.parameters, Signs(self.parameters, frozenset(base.index for base in bases)))
        found = inner._log(node.args[0], unknown=True)
        if found is None or found is node:
            return None
        self.kept.add(node.index)
        conditions = [self.graph.make("gt", base, self.graph.const(0)) for base in bases if not self.signs.positive(base, closed=False)]
        if not conditions:
            return found
        return self.graph.simple("where", chained(self.graph, "and", conditions), found, node)

    def _bases(self, root: Node) -> list[Node]:
        """Return the bases of powers with exponents of their own among the factors and terms of a node, and weights of exponentials."""
        found: list[Node] = []
        stack = [root]
        while stack:
            node = stack.pop()
            if node.op in ("add", "sub"):
                found += [weight for term in sum_of(self.graph, node).terms for weight in self._weights(term.node)]
            if node.op == "share":
                found += [weight for arg in node.args for weight in self._weights(arg)]
            if node.op == "pow" and not node.args[1].constant and not node.args[0].constant:
                found.append(node.args[0])
            elif node.op in ("mul", "div", "neg", "sqrt", "pow", "add", "sub", "share") and len(stack) < _MOST_FACTORS:
                stack.extend(node.args[: 1 if node.op == "pow" else None])
        return list(dict.fromkeys(found))

    def _weights(self, term: Node) -> list[Node]:
        """Return the symbols of unknown sign by which exponentials that may overflow are multiplied in a term."""
        factors = [base for base, exponent in product_of(self.graph, term).powers if exponent == 1] if term.op == "mul" else []
        if not any(self.signs.reach(factor)[0] for factor in factors):
            return []
        return [factor for factor in factors if factor.op == "symbol" and not self.signs.positive(factor, closed=False)]

    def log(self, node: Node) -> Node | None:
        """Return the logarithm of a value that is surely positive, or ``None`` where it cannot be taken inside."""
        return self._log(node, unknown=False) if self.signs.positive(node) else None

    def _gains(self, node: Node) -> bool:
        """Tell whether an exponential, or a function that has one inside, stands where its logarithm can be taken."""
        if node.op in ("mul", "div", "share"):
            return any(self._gains(arg) for arg in node.args)
        if node.op in ("add", "sub"):
            return self.signs.exponential(node) or any(self._gains(arg) for arg in node.args)
        if node.op == "pow" and (node.args[0].index in self.signs.assumed or (node.args[1].constant and self._gains(node.args[0]))):
            return True
        return self.signs.exponential(node) or (node.op in logarithms() and node.op not in ("pow", "neg"))

    def _log(self, node: Node, *, unknown: bool) -> Node | None:
        """Return log(node); ``unknown`` allows one factor of unknown sign."""
        make, op = self.graph.simple, node.op
        direct = self._direct(node, unknown=unknown)
        if direct is not None:
            return direct
        if op in ("mul", "div"):
            return self._log_of_product(node, unknown=unknown)
        if op in PICKS or op == "sqrt":
            # A root is positive, or it is not defined.
            inner = self._log(node.args[0], unknown=unknown or op == "sqrt")
            if inner is None:
                return None
            if op == "sqrt":
                return make("div", inner, self.graph.const(2))
            return make(op, inner, *node.args[1:], span=None, **node.attributes)
        if op == "share":
            x, y = (self._log(arg, unknown=False) for arg in node.args)
            return None if x is None or y is None else make("log_sigmoid", make("sub", x, y))
        if op == "pow" and self.signs.positive(node.args[0]):
            inner = self._log(node.args[0], unknown=False)
            return None if inner is None else make("mul", node.args[1], inner)
        if op in ("sum", "mean") and self.signs.exponential(node):
            return self._log_of_reduction(node)
        if op == "prod" and self.signs.positive(node.args[0]):
            inner = self._log(node.args[0], unknown=False)
            return None if inner is None else make("sum", inner, span=None, **node.attributes)
        if op in ("add", "sub"):
            return self._log_of_sum(node, unknown=unknown)
        return make("log", node) if unknown or self.signs.positive(node) else None

    def _direct(self, node: Node, *, unknown: bool) -> Node | None:
        """Return the logarithm of a function for which there is a rule."""
        if unknown or self.signs.positive(node):
            for rule, inside in logarithms().get(node.op, ()):
                found = match_operands((inside,), (node,))
                if found is not None:
                    return instance(self.graph, rule.replacement, found)
        return None

    def _log_of_reduction(self, node: Node) -> Node | None:
        """Return the logarithm of a sum or mean of values that are all positive."""
        inner = self._log(node.args[0], unknown=False)
        if inner is not None:
            found = self.graph.simple("logsumexp", inner, span=None, **node.attributes)
        else:
            weighted = self._weighted(node.args[0])
            if weighted is None:
                return None
            found = self.graph.simple("weighted_logsumexp", *weighted, span=None, **node.attributes)
        if node.op == "sum":
            return found
        count = self.graph.simple("count", node.args[0], span=None, **node.attributes)
        return self.graph.simple("sub", found, self.graph.simple("log", count))

    def _weighted(self, node: Node) -> tuple[Node, Node] | None:
        """Return the logarithm of the exponentials in a product and the other factors, whose signs are not known."""
        logs: list[tuple[Fraction, Node]] = []
        chain = _Chain(self.graph)
        stack: list[tuple[Node, int]] = [(node, 1)]
        while stack:
            factor, sign = stack.pop()
            if factor.op in ("mul", "div"):
                stack += [(factor.args[1], sign if factor.op == "mul" else -sign), (factor.args[0], sign)]
                continue
            if factor.op == "neg":
                chain.coefficient = -chain.coefficient
                stack.append((factor.args[0], sign))
                continue
            log = self.log(factor) if self.signs.exponential(factor) else None
            if log is not None:
                logs.append((Fraction(sign), log))
            else:
                chain.outside(factor, sign)
        weight = chain.rest()
        return None if not logs else (total(self.graph, Fraction(0), logs), self.graph.const(1) if weight is None else weight)

    # -- sums
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

    # -- products
    def _log_of_product(self, node: Node, *, unknown: bool) -> Node | None:
        """Take the logarithm of a chain of factors; those without exponentials stay together."""
        chain = _Chain(self.graph)
        stack: list[tuple[Node, int]] = [(node, 1)]
        while stack:
            factor, sign = stack.pop()
            if factor.op in ("mul", "div"):
                stack += [(factor.args[1], sign if factor.op == "mul" else -sign), (factor.args[0], sign)]
            elif factor.op == "neg" and factor.args[0].op != "expm1":
                chain.coefficient = -chain.coefficient
                stack.append((factor.args[0], sign))
            elif factor.op == "erfc":
                chain.coefficient *= Fraction(2) ** sign
                chain.inside.append((instance(self.graph, "ndtr(-sqrt(2)*x)", Match({"x": factor.args[0]})), sign))
            elif factor.op == "neg" or self._gains(factor):
                chain.inside.append((factor, sign))
            else:
                chain.outside(factor, sign)
        logs: list[tuple[Fraction, Node]] = []
        hidden: list[tuple[Node, int]] = []
        for factor, sign in chain.inside:
            log = chain.log_sinhc(factor, sign) or self._log(factor, unknown=False)
            if log is None:
                hidden.append((factor, sign))
            else:
                logs.append((Fraction(sign), log))
        rest = chain.rest()
        if len(hidden) + (rest is not None and not self.signs.positive(rest)) <= (1 if unknown else 0):
            for factor, sign in hidden:
                log = self._log(factor, unknown=unknown)
                if log is None:
                    return None
                logs.append((Fraction(sign), log))
        elif unknown:
            # Factors of unknown sign stay together; of a difference of two exponentials one is taken out.
            for factor, sign in hidden:
                pair = self._difference_of_exponentials(factor)
                if pair is not None:
                    logs.append((Fraction(sign), pair[0]))
                chain.outside(factor if pair is None else pair[1], sign)
            rest = chain.rest()
            if not logs:
                return None
        else:
            return None
        if rest is not None:
            logs = self._with_log_of(rest, logs)
        return total(self.graph, Fraction(0), logs)

    def _difference_of_exponentials(self, node: Node) -> tuple[Node, Node] | None:
        """Return x and 1 - exp(y - x) for a difference exp(x) - exp(y)."""
        parts = sum_of(self.graph, node)
        if len(parts.terms) != 2 or parts.constant or parts.terms[0].scale * parts.terms[1].scale >= 0:
            return None
        first, second = sorted(parts.terms, key=lambda term: -term.scale)
        logs = [self.log(scaled(self.graph, term.node, abs(term.scale))) for term in (first, second)]
        x, y = logs
        if x is None or y is None or not all(self.signs.exponential(term.node) for term in (first, second)):
            return None
        return x, self.graph.simple("neg", self.graph.simple("expm1", self._less(y, x)))

    def _less(self, y: Node, x: Node) -> Node:
        """Return y - x with the factors that both have in common as factors of the difference."""
        one, other = product_of(self.graph, y), product_of(self.graph, x)
        shared = Product(Fraction(1), tuple((base, exponent) for base, exponent in one.powers if other.exponent(base) == exponent))
        if not shared.powers:
            return self.graph.simple("sub", y, x)
        left, right = (power_product(self.graph, side.times(shared, -1)) for side in (one, other))
        return self.graph.simple("mul", power_product(self.graph, shared), self.graph.simple("sub", left, right))

    def _with_log_of(self, rest: Node, logs: list[tuple[Fraction, Node]]) -> list[tuple[Fraction, Node]]:
        """Return logarithms of factors with that of the other factors, which an expected improvement takes in as its scale."""
        for position, (sign, log) in enumerate(logs):
            if sign == 1 and log.op == "log_expected_improvement" and log.args[1].is_number(1):
                whole = self.graph.simple("log_expected_improvement", self.graph.simple("mul", rest, log.args[0]), rest)
                return [*logs[:position], (sign, whole), *logs[position + 1 :]]
        return [(Fraction(1), self.graph.simple("log", rest)), *logs]


def _is_complement(one: Node, other: Node) -> bool:
    """Tell whether a node is 1 less another."""
    return one.op == "sub" and one.args[0].is_number(1) and one.args[1] is other


class _Chain:
    """Factors above and below a line: those whose logarithm is taken, and the others."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.coefficient = Fraction(1)
        self.inside: list[tuple[Node, int]] = []
        self.others: list[tuple[Node, int]] = []

    def outside(self, factor: Node, sign: int) -> None:
        """Add a factor that has no exponential."""
        value = factor.value if factor.op == "const" else None
        if isinstance(value, Fraction) and value != 0:
            self.coefficient *= value**sign
        else:
            self.others.append((factor, sign))

    def log_sinhc(self, factor: Node, sign: int) -> Node | None:
        """Return log(sinh(x)/x), and take 1/x from the other factors, where both stand in the product."""
        if factor.op != "sinh" or (factor.args[0], -sign) not in self.others:
            return None
        self.others.remove((factor.args[0], -sign))
        return self.graph.simple("log_sinhc", factor.args[0])

    def rest(self) -> Node | None:
        """Return the product of the factors that have no exponential."""
        result: Node | None = None
        for factor, sign in self.others:
            if sign > 0:
                result = factor if result is None else self.graph.simple("mul", result, factor)
            else:
                result = self.graph.simple("div", self.graph.const(1) if result is None else result, factor)
        if self.coefficient == 1:
            return result
        if result is None:
            return self.graph.const(self.coefficient)
        return scaled(self.graph, result, self.coefficient)
