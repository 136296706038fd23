"""Softplus with a sharpness, softplus(k*x)/k: its derivative by k is the difference of two numbers that become equal.

For k*x > 0 it is x + softplus(-k*x)/k, of which only the small second term depends on k.
"""

from __future__ import annotations

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import added, atom, products_of, ratio
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import Product, power_product, product_of

SHARPNESS = Rule(
    "softplus over a factor of its argument", "softplus(3*x)/x", "where(3*x > 0, 3 + softplus(-3*x)/x, softplus(3*x)/x)", 1e-6, 80,
    "softplus(u) = u + softplus(-u); d/dk of softplus(k*x)/k cancels where k*x is large",
)  # fmt: skip


class Sharpness:
    """Separates what grows with the argument from what the sharpness changes."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.kept: set[int] = set()

    def apply(self, node: Node) -> Node | None:
        """Return another form of softplus(u)/v where v is a factor of u or of one of its terms, or ``None``."""
        if node.op not in ("mul", "div") or node.index in self.kept:
            return None
        whole = product_of(self.graph, node)
        for base, exponent in whole.powers:
            parts = self._parts(base) if exponent == 1 else []
            rest = whole.times(atom(base), -1)
            if parts and all(self._shares(part.args[0], rest) for part in parts):
                # Each by itself, since a rule knows one over a factor of its argument.
                return added(self.graph, [power_product(self.graph, rest.times(atom(part))) for part in parts])
        functions = [base for base, exponent in whole.powers if base.op in ("softplus", "log_sigmoid") and exponent == 1]
        if len(functions) != 1:
            return None
        (function,), (argument,) = functions, functions[0].args
        rest = whole.times(atom(function), -1)
        if not self._shares(argument, rest):
            return None
        graph = self.graph
        # What grows does so for positive arguments of softplus, and for negative ones of log_sigmoid.
        comparison = "gt" if function.op == "softplus" else "lt"
        opposite = graph.simple("mul", graph.simple(function.op, graph.simple("neg", argument)), power_product(graph, rest))
        plain = graph.simple("mul", function, power_product(graph, rest))
        self.kept |= {opposite.index, plain.index}
        grown = graph.simple("add", self._times(argument, rest), opposite)
        return graph.make("where", graph.make(comparison, argument, graph.const(0)), grown, plain)

    def _parts(self, base: Node) -> list[Node]:
        """Return log(2*cosh(u)), or softplus(u) + softplus(-u), which is 2*log(2*cosh(u/2)), as functions over which a rule divides."""
        graph = self.graph
        if base.op != "add":
            return []
        one, other = base.args
        if other.op == "log_cosh" and one is graph.simple("log", graph.const(2)):
            (u,) = other.args
            return [graph.make("logaddexp", u, graph.simple("neg", u))]
        if one.op == other.op == "softplus" and ratio(product_of(graph, one.args[0]), product_of(graph, other.args[0])) == -1:
            half = graph.simple("div", one.args[0], graph.const(2))
            return [graph.make("logaddexp", half, graph.simple("neg", half))] * 2
        return []

    def _times(self, node: Node, rest: Product) -> Node:
        """Return a sum times a product, term by term."""
        return added(self.graph, [power_product(self.graph, term.times(rest)) for term in products_of(self.graph, node)])

    def _shares(self, argument: Node, rest: Product) -> bool:
        """Tell whether something that varies stands below the line and is a factor of the argument, or of a term of it."""
        below = [base for base, exponent in rest.powers if exponent < 0 and not base.constant]
        return any(term.exponent(base) > 0 for term in products_of(self.graph, argument) for base in below)
