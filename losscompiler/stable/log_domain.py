"""Logarithms of products and sums that contain exponentials, taken inside: log(w*exp(x)) is log(w) + x.

Densities, mixtures and likelihoods are written as logarithms of products of exponentials; computed as written, the
exponentials underflow to 0 long before their logarithm leaves the range of a float.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.graph.parameter import Parameter
from losscompiler.stable.rules import Rule

LOG_DOMAIN = Rule(
    "log of products and sums of exponentials", "log(2*exp(x) + exp(3*x))", "logaddexp(log(2) + x, 3*x)", -80, 80,
    "Blanchard, Higham & Higham 2021, Accurately computing the log-sum-exp and softmax functions",
)  # fmt: skip
_SELECTIONS = ("gather", "select", "range")
"""What only picks elements: the logarithm may be taken before, as in log(softmax(p)[y])."""
_LOGARITHM_OF = {"exp": "", "sigmoid": "log_sigmoid", "softmax": "log_softmax", "ndtr": "log_ndtr"}


class LogDomain:
    """Takes logarithms inside, where signs allow it.

    A factor whose sign is not known may stand in a product once: the product is positive exactly where it is, so that
    log(y*exp(p)) and log(y) + p are defined at the same points.
    """

    def __init__(self, graph: Graph, parameters: Mapping[str, Parameter]) -> None:
        self.graph = graph
        self.parameters = parameters

    def apply(self, node: Node) -> Node | None:
        """Return another form of a logarithm, or ``None`` where nothing is gained."""
        if node.op != "log" or node.args[0].op not in ("mul", "div", "sum", "add", "pow", "sqrt", *_SELECTIONS):
            return None
        if not _holds_exponential(node.args[0]):
            return None
        return self._log(node.args[0], unknown=True)

    def _log(self, node: Node, *, unknown: bool) -> Node | None:
        """Return log(node); ``unknown`` allows one factor of unknown sign."""
        make, op = self.graph.simple, node.op
        if op in _LOGARITHM_OF:
            return make(_LOGARITHM_OF[op], *node.args, span=None, **node.attributes) if _LOGARITHM_OF[op] else node.args[0]
        if op in ("mul", "div"):
            return self._log_of_product(node, unknown=unknown)
        if op in _SELECTIONS:
            inner = self._log(node.args[0], unknown=unknown)
            return None if inner is None else make(op, inner, *node.args[1:], span=None, **node.attributes)
        if op == "sqrt":
            inner = self._log(node.args[0], unknown=unknown)
            return None if inner is None else make("div", inner, self.graph.const(2))
        if op == "pow" and node.args[1].op == "const" and self._positive(node.args[0]):
            inner = self._log(node.args[0], unknown=False)
            return None if inner is None else make("mul", node.args[1], inner)
        if op == "sum" and _holds_exponential(node):
            inner = self._log(node.args[0], unknown=False)
            return None if inner is None else make("logsumexp", inner, span=None, **node.attributes)
        if op == "add" and all(_holds_exponential(arg) for arg in node.args):
            left, right = (self._log(arg, unknown=False) for arg in node.args)
            return None if left is None or right is None else make("logaddexp", left, right)
        return make("log", node) if unknown or self._positive(node) else None

    def _log_of_product(self, node: Node, *, unknown: bool) -> Node | None:
        """Take the logarithm of a chain of factors; those without exponentials stay together."""
        inside: list[tuple[Node, int]] = []
        rest: Node | None = None
        stack: list[tuple[Node, int]] = [(node, 1)]
        while stack:
            factor, sign = stack.pop()
            if factor.op in ("mul", "div") and _holds_exponential(factor):
                stack += [(factor.args[1], sign if factor.op == "mul" else -sign), (factor.args[0], sign)]
            elif _holds_exponential(factor):
                inside.append((factor, sign))
            elif sign > 0:
                rest = factor if rest is None else self.graph.simple("mul", rest, factor)
            else:
                rest = self.graph.simple("div", self.graph.const(1) if rest is None else rest, factor)
        total = None
        if rest is not None:
            if not (unknown or self._positive(rest)):
                return None
            total = self.graph.simple("log", rest)
        for factor, sign in inside:
            part = self._log(factor, unknown=False)
            if part is None:
                return None
            if total is None:
                total = part if sign > 0 else self.graph.simple("neg", part)
            else:
                total = self.graph.simple("add" if sign > 0 else "sub", total, part)
        return total

    def _positive(self, node: Node) -> bool:
        """Tell whether a value is surely positive, from the bounds of parameters and the signs of operations."""
        match node.op:
            case "const":
                return not isinstance(node.value, Fraction) or node.value > 0
            case "symbol":
                parameter = self.parameters.get(node.name)
                return parameter is not None and parameter.bounds[0] is not None and parameter.bounds[0] >= 0
            case "exp" | "sigmoid" | "softplus" | "softmax" | "ndtr" | "cosh" | "erfcx" | "count":
                return True
            case "mul" | "div" | "add" | "sqrt" | "maximum" | "logaddexp" | "vector":
                return all(self._positive(arg) for arg in node.args)
            case "pow" | "sum" | "gather" | "select" | "range":
                return self._positive(node.args[0])
            case "sub":
                upper = (
                    self.parameters[node.args[1].name].bounds[1]
                    if node.args[1].op == "symbol" and node.args[1].name in self.parameters
                    else None
                )
                value = node.args[0].value if node.args[0].op == "const" else None
                return upper is not None and isinstance(value, Fraction) and upper <= value
        return False


def _holds_exponential(node: Node) -> bool:
    """Tell whether a product or sum has an exponential among its factors or in all its terms."""
    stack = [node]
    while stack:
        part = stack.pop()
        if part.op in _LOGARITHM_OF:
            return True
        if part.op in ("mul", "div"):
            stack.extend(part.args)
        elif part.op == "add":
            if all(_holds_exponential(arg) for arg in part.args):
                return True
        elif part.op in ("sum", "sqrt", "pow", *_SELECTIONS):
            stack.append(part.args[0])
    return False
