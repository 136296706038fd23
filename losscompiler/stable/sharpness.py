"""Softplus with a sharpness, softplus(k*x)/k: its derivative by k is the difference of two numbers that become equal.

For k*x > 0 it is x + softplus(-k*x)/k, of which only the small second term depends on k.
"""

from __future__ import annotations

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import atom
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
        """Return another form of softplus(u)/v where v is a factor of u, or ``None``."""
        if node.op not in ("mul", "div") or node.index in self.kept:
            return None
        whole = product_of(self.graph, node)
        functions = [base for base, exponent in whole.powers if base.op == "softplus" and exponent == 1]
        if len(functions) != 1:
            return None
        (argument,) = functions[0].args
        inner, rest = product_of(self.graph, argument), whole.times(atom(functions[0]), -1)
        if not self._shares(inner, rest):
            return None
        graph = self.graph
        opposite = graph.simple("mul", graph.simple("softplus", graph.simple("neg", argument)), power_product(graph, rest))
        plain = graph.simple("mul", functions[0], power_product(graph, rest))
        self.kept |= {opposite.index, plain.index}
        grown = graph.simple("add", power_product(graph, inner.times(rest)), opposite)
        return graph.make("where", graph.make("gt", argument, graph.const(0)), grown, plain)

    @staticmethod
    def _shares(inner: Product, rest: Product) -> bool:
        """Tell whether something that varies stands below the line and is a factor of the argument."""
        return any(exponent < 0 and not base.constant and inner.exponent(base) > 0 for base, exponent in rest.powers)
