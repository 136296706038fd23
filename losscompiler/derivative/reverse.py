"""The reverse sweep: every gradient of a loss at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from losscompiler.derivative.adjoint import Adjoint, Path, either, join
from losscompiler.errors import ArgumentError
from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.graph import axes as ax
from losscompiler.graph.expressions import ExpressionBuilder, Keywords
from losscompiler.graph.node import Graph, Node, reachable
from losscompiler.source import Source

UPSTREAM = "#upstream"
"""Name of the symbol for the gradient that flows into the loss; '#' begins a comment, so no user's name collides."""


_PICKS = frozenset({"select", "range", "gather", "concat", "transpose"})
"""Structural functions whose adjoint moves elements and adds them up, so that a share of 0 or 1 stays one."""


@dataclass(frozen=True)
class Gradients:
    """The gradients of one value.

    Attributes:
        value: what was differentiated.
        upstream: symbol of the adjoint of ``value``, with its shape.
        by_name: for each variable the adjoint at its shape; ``None`` where the value does not depend on it.
        local: for each variable the derivative before it is summed over broadcast axes; of an elementwise value the
            derivative of each of its elements, free of ``upstream``.
    """

    value: Node
    upstream: Node
    by_name: dict[str, Node | None]
    local: dict[str, Node | None]


def gradients(graph: Graph, value: Node, names: Sequence[str]) -> Gradients:
    """Differentiate a value with respect to symbols in one reverse sweep.

    After this pass each shared subexpression still stands once in the graph, and every adjoint has the shape of its
    variable: what was broadcast is summed. Kinks take the subgradient of the table's row, branches that are not taken
    contribute exactly 0. The operations added are a small multiple of those of the value, however deep it is.
    An elementwise value is differentiated element by element and meets the upstream gradient last, so that each gradient
    is one product; a value with reductions takes it along.
    Source: Griewank & Walther, Evaluating Derivatives, 2nd ed. 2008, chapter 3.
    """
    upstream = graph.symbol(UPSTREAM, value.axes)
    sweep = _Sweep(graph, value, upstream, frozenset(names))
    return Gradients(value, upstream, {name: sweep.result.get(name) for name in names}, {name: sweep.local.get(name) for name in names})


class _Sweep:
    def __init__(self, graph: Graph, value: Node, upstream: Node, names: frozenset[str]) -> None:
        self.graph = graph
        self.upstream = upstream
        self.pointwise = value.pointwise
        seed = graph.const(1) if value.pointwise else upstream
        self.parts: dict[int, list[Adjoint]] = {value.index: [Adjoint(seed, (), value.axes)]}
        self.local: dict[str, Node] = {}
        self.result: dict[str, Node] = {}
        self.builder = ExpressionBuilder(graph, Source(""), _no_name, graph.simple, internal=True)
        nodes = reachable([value])
        self.depends = _depending(nodes, names)
        for node in reversed(nodes):
            if node.index in self.depends and node.index in self.parts:
                self._visit(node, self.parts.pop(node.index))

    def _visit(self, node: Node, parts: list[Adjoint]) -> None:
        adjoint = self._joined(node, parts)
        if node.op == "symbol":
            self._arrive(node, adjoint)
        elif node.op == "vector":
            self._vector(node, adjoint)
        elif FUNCTIONS[node.op].kind is Kind.ELEMENTWISE:
            self._elementwise(node, adjoint)
        else:
            self._structural(node, adjoint)

    def _arrive(self, node: Node, adjoint: Adjoint) -> None:
        """Record the derivative by a symbol."""
        self.local[node.name] = value = adjoint.materialised(self.graph)
        if self.pointwise:
            simple = value.op in ("const", "neg")
            value = self.graph.simple("mul", self.upstream, value) if simple else self.graph.make("mul", self.upstream, value)
        self.result[node.name] = self._at_shape_of(node, Adjoint(value, (), adjoint.axes))

    def _joined(self, node: Node, parts: list[Adjoint]) -> Adjoint:
        if any(part.axes != parts[0].axes for part in parts):
            # Adding adjoints of different shapes would broadcast one of them and count it several times.
            parts = [self._settled(node, part) for part in parts]
        return join(self.graph, parts)

    def _settled(self, node: Node, part: Adjoint) -> Adjoint:
        if part.axes == node.axes:
            return part
        active = self._active(node, part)
        return Adjoint(self._at_shape_of(node, part), () if active is None else ((active, True),), node.axes)

    def _active(self, node: Node, adjoint: Adjoint) -> Node | None:
        """Return where, in the shape of a node, anything of an adjoint's path is active; ``None`` for everywhere.

        What is summed or picked from a branch that is not taken is exactly 0, but the next partial derivative may be
        infinite there, and 0*inf is NaN: the path has to go on.
        """
        if not adjoint.path or node.op == "symbol":
            return None
        active = either(self.graph, [adjoint.path])
        if ax.covers(node.axes, active.axes):
            return active
        share = self.graph.make("number", active)
        if not ax.covers(active.axes, node.axes):
            share = self.graph.make("broadcast_to", share, self.graph.make("mul", share, node))
        return self.graph.make("gt", self.graph.make("sum_to", share, node), self.graph.const(0))

    def _active_below(self, node: Node, adjoint: Adjoint, text: str, expand: Callable[[str, Node], Node]) -> Path:
        """Return the path of what a structural node sends to an operand: where it can be other than 0."""
        active = self._active(node, adjoint)
        row = FUNCTIONS[node.op]
        if active is None or (row.kind is Kind.STRUCTURAL and node.op not in _PICKS):
            return ()
        if row.kind is Kind.REDUCTION:
            return ((active, True),)
        if row.kind is Kind.ALONG_AXIS:
            axis = dict(node.attrs)["axis"]
            mixed = not ax.covers(ax.reduced(node.axes, axis, self.graph.vectors), active.axes)  # type: ignore[arg-type]  # an axis attribute is an axis
            return ((self.graph.make("any", active, axis=axis) if mixed else active, True),)
        share = self.graph.make("broadcast_to", self.graph.make("number", active), node)
        return ((self.graph.make("gt", expand(text, share), self.graph.const(0)), True),)

    def _at_shape_of(self, node: Node, adjoint: Adjoint) -> Node:
        """Return an adjoint as one node of exactly the shape of what it belongs to."""
        value = adjoint.materialised(self.graph)
        if adjoint.axes == node.axes:
            return value
        if not ax.covers(adjoint.axes, node.axes):
            value = self.graph.make("broadcast_to", value, node)
        if ax.covers(node.axes, adjoint.axes):
            return value
        return self.graph.make("sum_to", value, node)

    def _send(self, arg: Node, adjoint: Adjoint) -> None:
        self.parts.setdefault(arg.index, []).append(adjoint)

    # -- rules
    def _elementwise(self, node: Node, adjoint: Adjoint) -> None:
        row = FUNCTIONS[node.op]
        names = dict(zip(row.arguments, node.args, strict=True)) | {"f": node}
        for arg, text in zip(node.args, row.partials, strict=True):
            if text == "0" or arg.index not in self.depends or (node.op == "pow" and node.args[1].is_number(0)):
                # x**0 is 1 for every x, but the rule y*x**(y - 1) would be 0/0 at x = 0.
                continue
            part = adjoint
            if arg.axes != node.axes and not ax.covers(part.axes, node.axes):
                # The operand will be summed over what it was broadcast to, so the adjoint must be there in full.
                part = Adjoint(self.graph.make("broadcast_to", part.value, node), part.path, ax.broadcast(part.axes, node.axes))
            self._send(arg, part.times(self.graph, self.builder.expand(text, names, Keywords(), node.span)))

    def _structural(self, node: Node, adjoint: Adjoint) -> None:
        row = FUNCTIONS[node.op]
        if not row.adjoints:
            raise ArgumentError(
                f"no closed form is known for a second derivative through {node.op}; differentiate the emitted code instead."
            )
        u = self._at_shape_of(node, adjoint)
        if row.kind is Kind.ALONG_AXIS and not ax.covers(adjoint.axes, node.axes):
            u = self.graph.make("broadcast_to", u, node)
        names = dict(zip(row.arguments, node.args, strict=True)) | {"f": node, "u": u}
        attrs = dict(node.attrs)
        keywords = Keywords(axis=attrs.pop("axis", -1))  # type: ignore[arg-type]  # an axis attribute is an axis
        for arg, text in zip(node.args, row.adjoints, strict=True):
            if text == "0" or arg.index not in self.depends:
                continue

            def expand(text: str, upstream: Node) -> Node:
                return self.builder.expand(text, names | {"u": upstream}, keywords, node.span, attrs)

            value = expand(text, u)
            exact = row.kind is Kind.STRUCTURAL and node.op != "matmul"
            axes = arg.axes if exact else ax.broadcast(u.axes, arg.axes) if node.op == "matmul" else value.axes
            path = self._active_below(node, adjoint, text, expand) if arg.op != "symbol" else ()
            self._send(arg, Adjoint(value, path, ax.broadcast(axes, *(condition.axes for condition, _ in path))))

    def _vector(self, node: Node, adjoint: Adjoint) -> None:
        u = self._at_shape_of(node, adjoint)
        for position, arg in enumerate(node.args):
            if arg.index in self.depends:
                picked = self.graph.make("select", u, index=position)
                self._send(arg, Adjoint(picked, (), ax.broadcast(picked.axes, arg.axes)))


def _depending(nodes: Sequence[Node], names: frozenset[str]) -> set[int]:
    """Return the nodes whose value moves with one of the symbols through a function that has a derivative."""
    found: set[int] = set()
    for node in nodes:
        if node.op == "symbol":
            if node.name in names:
                found.add(node.index)
            continue
        row = FUNCTIONS.get(node.op)
        if row is None:
            continue
        texts = row.partials if row.kind is Kind.ELEMENTWISE else row.adjoints or ("u",) * len(node.args)
        if any(text != "0" and arg.index in found for arg, text in zip(node.args, texts, strict=True)):
            found.add(node.index)
    return found


def _no_name(name: object) -> Node:
    raise AssertionError(f"{name} is bound by the caller")
