"""Derivatives as people write them: the nodes of the reverse sweep with the upstream gradient taken as 1."""

from __future__ import annotations

from fractions import Fraction

from losscompiler.algebra.collect import collected
from losscompiler.derivative import Gradients, gradients
from losscompiler.derivative.reverse import UPSTREAM
from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.graph import axes as ax
from losscompiler.graph.axes import AxisArgument
from losscompiler.graph.expressions import ExpressionBuilder, Keywords
from losscompiler.graph.node import Graph, Node, reachable
from losscompiler.source import Source
from losscompiler.stable.moment_sums import MomentSums
from losscompiler.stable.powers import merge_powers

_LINEAR = ("sum", "mean")
_ARITHMETIC = ("add", "sub", "mul", "div", "neg")
_LARGEST_COLLECTED = 600
_SHOWN_AS_SHARES = frozenset({"exp_difference"})


def derivative_node(graph: Graph, value: Node, name: str, known: Gradients | None = None) -> Node:
    """Return the derivative of a value by one symbol, ready to be shown; ``known`` holds it if it is derived already.

    Of an elementwise value it is the derivative of each element; of a value with reductions it is that of the sum of its
    elements, for a parameter of each element's sum over the axes that were reduced.
    """
    found = (known or gradients(graph, value, [name])).local[name]
    if found is None:
        return graph.const(0)
    shown = without_upstream(graph, found)
    if not value.pointwise:
        shown = _summed_as_value(graph, value, shown, name)
    return shown


def _summed_as_value(graph: Graph, value: Node, shown: Node, name: str) -> Node:
    """Sum a scalar parameter's derivative over the axes that the value has lost."""
    symbol = next(node for node in reachable([value]) if node.op == "symbol" and node.name == name)
    if symbol.axes or not shown.axes:
        return shown
    lost = _reduced_only_in(value.axes, shown.axes)
    if not lost:
        return shown
    return _linear(graph, "sum", shown, _axis_of(lost))


def _reduced_only_in(value: ax.Axes, shown: ax.Axes) -> frozenset[ax.Axis]:
    """Return the axes that a value has reduced and its derivative has not."""
    lost: frozenset[ax.Axis] = frozenset()
    for name in {atom[0] for atom in shown}:
        in_value = [cut for leaf, cut in value if leaf == name]
        in_shown = [cut for leaf, cut in shown if leaf == name]
        if in_value and in_shown:
            missing = frozenset.intersection(*in_value) - frozenset.intersection(*in_shown)
            lost |= frozenset() if "all" in frozenset.intersection(*in_shown) else missing
    return lost


def without_upstream(graph: Graph, root: Node) -> Node:
    """Return a node with the upstream gradient set to 1, the bookkeeping of broadcasting removed, and terms collected."""
    done: dict[int, Node] = {}
    root = _spelled_out(graph, root)
    nodes = reachable([root])
    collect, sums = len(nodes) <= _LARGEST_COLLECTED, MomentSums(graph)
    for node in nodes:
        args = [done[arg.index] for arg in node.args]
        rebuilt = _summed(graph, node, args[0], nodes) if node.op == "sum_to" else _rebuilt(graph, node, args)
        rebuilt = collected(graph, rebuilt) if collect else rebuilt
        done[node.index] = sums.apply(rebuilt) or merge_powers(graph, rebuilt) or rebuilt
    return done[root.index]


def _spelled_out(graph: Graph, root: Node) -> Node:
    """Return a node with the compiler's own functions written as their definitions: accurate forms are for numbers."""
    done: dict[int, Node] = {}
    for node in reachable([root]):
        args = [done[arg.index] for arg in node.args]
        row = FUNCTIONS.get(node.op)
        if row is not None and row.internal and row.definition and node.op not in _SHOWN_AS_SHARES:
            builder = ExpressionBuilder(graph, Source(row.definition), lambda name: graph.const(name.name), graph.simple, internal=True)
            keywords = Keywords(node.attr("axis") if row.keywords else -1)  # type: ignore[arg-type]  # an axis attribute is an axis
            done[node.index] = builder.expand(row.definition, dict(zip(row.arguments, args, strict=True)), keywords, node.span)
        elif all(arg is old for arg, old in zip(args, node.args, strict=True)):
            done[node.index] = node
        else:
            done[node.index] = graph.simple(node.op, *args, span=node.span, **dict(node.attrs))
    return done[root.index]


def _summed(graph: Graph, node: Node, x: Node, nodes: list[Node]) -> Node:
    """Return the sum over the axes along which an operand was broadcast, where the text shows which they are."""
    lost = _reduced_only_in(node.args[1].axes, node.args[0].axes)
    if not lost:
        return x
    if x.constant:
        # A sum of ones counts elements: those of any value of the full shape.
        same = (other for other in nodes if other.op != "sum_to" and other.axes == node.args[0].axes)
        full = next((other for other in same if not _reads_upstream(other)), None)
        if full is None:
            return x
        x = graph.make("broadcast_to", x, full)
    return _linear(graph, "sum", x, _axis_of(lost))


def _axis_of(lost: frozenset[ax.Axis]) -> AxisArgument:
    axes = tuple(sorted(axis for axis in lost if isinstance(axis, int)))
    return "all" if "all" in lost else axes[0] if len(axes) == 1 else axes


def _reads_upstream(root: Node) -> bool:
    return any(node.op == "symbol" and node.name == UPSTREAM for node in reachable([root]))


def _rebuilt(graph: Graph, node: Node, args: list[Node]) -> Node:
    if node.op == "symbol":
        return graph.const(1) if node.name == UPSTREAM else node
    if not node.args:
        return node
    if node.op == "broadcast_to":
        return graph.make("broadcast_to", *args) if args[0].constant else args[0]
    if node.op == "exp_difference" and args[1].op == "logsumexp" and args[1].args[0] is args[0]:
        return graph.make("softmax", args[0], span=None, **args[1].attributes)
    if node.op == "gather_adjoint":
        return _at(graph, args[0], args[1], args[2])
    if node.op == "unselect" and "index" in dict(node.attrs):
        return _at(graph, args[0], args[1], graph.const(Fraction(str(node.attr("index")))))
    if node.op in _LINEAR:
        return _linear(graph, node.op, args[0], node.attr("axis"))
    if node.op in _ARITHMETIC:
        # A constant that was broadcast for the sake of its shape meets an operand that has the shape anyway.
        args = [arg.args[0] if arg.op == "broadcast_to" and arg.args[0].constant else arg for arg in args]
    return graph.simple(node.op, *args, span=node.span, **dict(node.attrs))


def _at(graph: Graph, u: Node, x: Node, position: Node) -> Node:
    """Return an adjoint at a position of the last axis as a product with an indicator."""
    return graph.simple("mul", u, graph.make("one_hot", position, graph.make("count", _of_same_shape(x), axis=-1)))


def _of_same_shape(x: Node) -> Node:
    """Return the innermost operand that a value surely has the shape of."""
    while x.args:
        varying = [arg for arg in x.args if not arg.constant]
        if len(varying) != 1 or FUNCTIONS[x.op].kind not in (Kind.ELEMENTWISE, Kind.ALONG_AXIS):
            break
        x = varying[0]
    return x


def _linear(graph: Graph, op: str, x: Node, axis: object) -> Node:
    """Return a sum or mean with signs and rational factors pulled out."""
    if op == "sum" and x.op == "one_hot" and axis == -1:
        return graph.const(1)
    if x.op == "neg":
        return graph.simple("neg", _linear(graph, op, x.args[0], axis))
    if x.op == "mul" and x.args[0].op == "const" and isinstance(x.args[0].value, Fraction):
        return graph.simple("mul", x.args[0], _linear(graph, op, x.args[1], axis))
    if x.op == "broadcast_to" and x.args[0].constant:
        if op == "mean":
            return x.args[0]
        return graph.simple("mul", x.args[0], graph.make("count", x.args[1], axis=axis))  # type: ignore[arg-type]  # an axis attribute is an axis
    return graph.make(op, x, axis=axis)  # type: ignore[arg-type]  # an axis attribute is an axis
