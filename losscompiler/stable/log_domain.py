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
from losscompiler.stable.log_factors import Chain, less
from losscompiler.stable.log_of_sums import LogOfSums
from losscompiler.stable.patterns import Match, instance, match_operands, pattern
from losscompiler.stable.rules import RULES, Rule
from losscompiler.stable.signs import PICKS, Signs
from losscompiler.stable.terms import chained, product_of, scaled, sum_of, total

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


class LogDomain(LogOfSums):
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
        if op == "share" and node.args[0].is_number(1) and not self.signs.positive(node.args[1], closed=False):
            # A weight may lie on its bound 0.
            return make("neg", make("log1p", node.args[1]))
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
        chain = Chain(self.graph)
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

    # -- products
    def _log_of_product(self, node: Node, *, unknown: bool) -> Node | None:
        """Take the logarithm of a chain of factors; those without exponentials stay together."""
        chain = Chain(self.graph)
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
        return x, self.graph.simple("neg", self.graph.simple("expm1", less(self.graph, y, x)))

    def _with_log_of(self, rest: Node, logs: list[tuple[Fraction, Node]]) -> list[tuple[Fraction, Node]]:
        """Return logarithms of factors with that of the other factors, which an expected improvement takes in as its scale."""
        for position, (sign, log) in enumerate(logs):
            if sign == 1 and log.op == "log_expected_improvement" and log.args[1].is_number(1):
                whole = self.graph.simple("log_expected_improvement", self.graph.simple("mul", rest, log.args[0]), rest)
                return [*logs[:position], (sign, whole), *logs[position + 1 :]]
        return [(Fraction(1), self.graph.simple("log", rest)), *logs]
