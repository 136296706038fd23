"""`Study`: a loss on a graph of its own, with what several findings ask about it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from losscompiler.analysis.finding import Finding, Severity, finding
from losscompiler.derivative import Gradients, gradients
from losscompiler.derivative.reverse import UPSTREAM
from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Graph, Node, reachable
from losscompiler.graph.parameter import Parameter
from losscompiler.source import Span

LARGEST_PROBED = 400
"""Nodes of the largest loss that is differentiated and evaluated; of larger ones only the text's structure is studied."""

MOST_PROBED_PARAMETERS = 20
LARGEST_ARRAYS = 4096
"""Elements of all parameters and constants together, beyond which nothing is evaluated."""


@dataclass(frozen=True)
class Study:
    """A copy of a loss, so that derivatives made here leave no trace in the graph that programs come from.

    Attributes:
        given: the loss as the rest of the package knows it.
        graph: the copy's graph.
        loss: the copy's root.
        nodes: everything below the root, operands before users.
    """

    given: LossGraph
    graph: Graph
    loss: Node
    nodes: tuple[Node, ...]

    @classmethod
    def of(cls, given: LossGraph) -> Study:
        """Copy a loss."""
        graph = Graph()
        graph.vectors = given.graph.vectors
        loss = rebuilt(graph, given.loss, graph.make)
        return cls(given, graph, loss, tuple(reachable([loss])))

    # -- names
    @property
    def parameters(self) -> dict[str, Parameter]:
        """Parameters by name."""
        return self.given.parameters

    @cached_property
    def symbols(self) -> dict[str, Node]:
        """The symbols that the loss uses, by name."""
        return {node.name: node for node in self.nodes if node.op == "symbol"}

    @cached_property
    def trained(self) -> tuple[str, ...]:
        """Trainable parameters that get a gradient."""
        return tuple(name for name, parameter in self.parameters.items() if parameter.trainable and name in self.reached)

    @cached_property
    def learning(self) -> tuple[str, ...]:
        """Predictions that get a gradient."""
        return tuple(name for name in self.given.predictions if name in self.reached)

    def names_below(self, *roots: Node) -> frozenset[str]:
        """Return the symbols below nodes of this graph."""
        return frozenset(node.name for node in reachable(roots) if node.op == "symbol")

    # -- derivatives
    @cached_property
    def reached(self) -> frozenset[str]:
        """Symbols that a gradient reaches: through a chain of functions that each have a derivative."""
        live = {self.loss.index}
        for node in reversed(self.nodes):
            if node.index in live and node.args:
                live.update(arg.index for arg, passes in zip(node.args, differentiable(node), strict=True) if passes)
        return frozenset(node.name for node in self.nodes if node.op == "symbol" and node.index in live)

    @cached_property
    def probed(self) -> bool:
        """Whether the loss is small enough to be differentiated and evaluated within the time that findings may take."""
        sizes = [math.prod(length for length in parameter.shape if isinstance(length, int)) for parameter in self.parameters.values()]
        sizes += [int(getattr(value, "size", 1)) for value in self.given.constants.values()]
        small = len(self.nodes) <= LARGEST_PROBED and sum(sizes) <= LARGEST_ARRAYS
        return small and len(self.trained) <= MOST_PROBED_PARAMETERS

    @cached_property
    def gradients(self) -> Gradients:
        """The derivatives of the copy by every prediction and parameter."""
        return gradients(self.graph, self.loss, self.given.variables)

    def slope(self, name: str) -> Node | None:
        """Return the derivative of the sum of the loss by a name, element by element where the loss is elementwise."""
        local = self.gradients.local[name]
        if local is None or self.loss.pointwise:
            return local
        return rebuilt(self.graph, local, self.graph.simple, {UPSTREAM: self.graph.const(1)})

    # -- reporting
    def place(self, name: str) -> Span:
        """Return where a name is declared or first used; the start of the text if it is not in the text."""
        return self.given.places.get(name) or Span(0, 0)

    def found(self, code: str, severity: Severity, message: str, hint: str, symbol: str, span: Span | None = None) -> Finding:
        """Return a finding about this loss, by default at the place of its symbol."""
        return finding(code, severity, message, hint, symbol, self.given.source, span or self.place(symbol))


def differentiable(node: Node) -> tuple[bool, ...]:
    """Tell for each operand whether a gradient passes from the node to it."""
    row = FUNCTIONS[node.op]
    texts = row.partials if row.kind is Kind.ELEMENTWISE else row.adjoints
    return tuple(text != "0" for text in texts) if texts else (True,) * len(node.args)


def rebuilt(graph: Graph, root: Node, make: Callable[..., Node], replaced: dict[str, Node] | None = None) -> Node:
    """Return a node's copy in a graph, with symbols replaced."""
    done: dict[int, Node] = {}
    for node in reachable([root]):
        if node.op == "const":
            done[node.index] = graph.const(node.value, node.span)  # type: ignore[arg-type]  # a constant's value is one of these
        elif node.op == "symbol":
            done[node.index] = (replaced or {}).get(node.name) or graph.symbol(node.name, node.axes, node.span)
        else:
            done[node.index] = make(node.op, *(done[arg.index] for arg in node.args), span=node.span, **dict(node.attrs))
    return done[root.index]
