"""Texts of rules as patterns, and where they match."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from losscompiler.graph.axes import leaf
from losscompiler.graph.expressions import ExpressionBuilder, Keywords
from losscompiler.graph.node import Graph, Node
from losscompiler.source import Source, Span

VARIABLES = ("x", "y")
"""What stands for any subexpression in the text of a rule."""
_COMMUTATIVE = ("add", "mul", "logaddexp")


@dataclass(frozen=True)
class Match:
    """What the variables of a pattern stand for, and the axis of its reductions; ``None`` where it has none."""

    found: dict[str, Node]
    axis: object = None


@cache
def pattern(text: str) -> Node:
    """Return the text of a rule as a graph over its variables."""
    graph = Graph()
    # Arrays: of a single number a reduction is that number, and a pattern would lose it.
    symbols = {name: graph.symbol(name, leaf(name)) for name in VARIABLES}
    builder = ExpressionBuilder(graph, Source(text), _no_name, graph.make, internal=True)
    return builder.expand(text, symbols, Keywords(), None)


@cache
def tops(text: str) -> dict[str, frozenset[str]]:
    """Return the operations that an instance can have at its top, each with those that its operands then surely have."""
    root = pattern(text)
    fixed = frozenset(arg.op for arg in root.args if arg.op != "symbol")
    # a - b is also written a + (-b).
    return {"sub": fixed, "add": frozenset({"neg"})} if root.op == "sub" else {root.op: fixed}


def match(text: str, node: Node) -> Match | None:
    """Return how a node is an instance of a pattern, or ``None``.

    Terms and factors stand in any order, and a + (-b) is a - b.
    """
    return next(_matches(pattern(text), node, Match({})), None)


def match_operands(parts: Sequence[Node], nodes: Sequence[Node]) -> Match | None:
    """Return how nodes are instances of parts of one pattern, or ``None``."""
    return next(_all(parts, nodes, Match({})), None)


def instance(graph: Graph, text: str, matched: Match, span: Span | None = None) -> Node:
    """Return the node of a rule's text for what its variables stand for."""
    builder = ExpressionBuilder(graph, Source(text), _no_name, graph.simple, internal=True)
    keywords = Keywords(axis=-1 if matched.axis is None else matched.axis)  # type: ignore[arg-type]  # an axis attribute is an axis
    return builder.expand(text, matched.found, keywords, span)


def _matches(part: Node, node: Node, so_far: Match) -> Iterator[Match]:
    if part.op == "symbol":
        known = so_far.found.get(part.name)
        if known is None:
            yield Match({**so_far.found, part.name: node}, so_far.axis)
        elif known is node:
            yield so_far
        return
    if part.op == "sub" and node.op == "add":
        for kept, other in (node.args, node.args[::-1]):
            if other.op == "neg":
                yield from _all(part.args, (kept, other.args[0]), so_far)
        return
    if part.op != node.op or len(part.args) != len(node.args):
        return
    if part.op == "const":
        if part.value == node.value:
            yield so_far
        return
    axis = dict(node.attrs).get("axis")
    if axis is not None:
        if so_far.axis not in (None, axis):
            return
        so_far = Match(so_far.found, axis)
    yield from _all(part.args, node.args, so_far)
    if part.op in _COMMUTATIVE:
        yield from _all(part.args, node.args[::-1], so_far)


def _all(parts: Sequence[Node], nodes: Sequence[Node], so_far: Match) -> Iterator[Match]:
    if not parts:
        yield so_far
        return
    for first in _matches(parts[0], nodes[0], so_far):
        yield from _all(parts[1:], nodes[1:], first)


def _no_name(name: object) -> Node:
    raise AssertionError(f"{name} is bound by the caller")
