"""How far a loss is from each of its kinks, by what the table of functions says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np

from losscompiler.functions import FUNCTIONS, Function, Kind
from losscompiler.graph.expressions import ExpressionBuilder, Keywords
from losscompiler.graph.node import Graph, Node, reachable
from losscompiler.graph.precise import Arithmetic, evaluate
from losscompiler.source import Source

_TIES = "ties"


@cache
def _equations(op: str) -> tuple[Node, ...]:
    """Return what vanishes at the kinks of an elementwise function: x - 0 of "x == 0", the larger of both of an "and".

    A row without kinks but with a convention, as xlogy, takes another derivative where the conditions in its partials hold.
    """
    row = FUNCTIONS[op]
    graph = Graph()
    builder = ExpressionBuilder(graph, Source(""), lambda name: graph.const(name.name), graph.make, internal=True)
    names = {name: graph.symbol(name, frozenset()) for name in (*row.arguments, "f")}
    if row.kink:
        condition = builder.expand(row.kink, names, Keywords(), None)
        return tuple(_distances(graph, condition.args[0] if condition.op == "number" else condition))
    partials = [builder.expand(text, names, Keywords(), None) for text in row.partials]
    return tuple(distance for node in reachable(partials) if node.op == "eq" for distance in _distances(graph, node))


def _distances(graph: Graph, condition: Node) -> list[Node]:
    if condition.op == "or":
        return [distance for part in condition.args for distance in _distances(graph, part)]
    if condition.op == "and":
        (left,), (right,) = (_distances(graph, part) for part in condition.args)
        return [graph.make("maximum", graph.make("abs", left), graph.make("abs", right))]
    assert condition.op == "eq", f"a kink is made of ==, and, or; not {condition.op}"
    return [graph.make("sub", *condition.args)]


def margins(arithmetic: Arithmetic, nodes: Iterable[Node], values: Mapping[int, Any]) -> list[tuple[Node, Any]]:
    """Return for every kink below some nodes a number, or an array of them, that is 0 on the kink and small beside it."""
    found: list[tuple[Node, Any]] = []
    for node in nodes:
        row = FUNCTIONS.get(node.op)
        if row is None or not (row.kink or row.convention):
            continue
        operands = [values[arg.index] for arg in node.args]
        found += [(node, margin) for margin in _of(arithmetic, row, node, operands, values[node.index])]
    return found


def _of(arithmetic: Arithmetic, row: Function, node: Node, operands: list[Any], value: Any) -> list[Any]:
    if row.kind is Kind.ELEMENTWISE:
        names = {**dict(zip(row.arguments, operands, strict=True)), "f": value}
        return evaluate(_equations(row.name), names, arithmetic)
    if row.kink != _TIES:
        # A norm's kink is where the whole row vanishes, and so where its value does.
        return [value]
    x = np.asarray(operands[0], dtype=object)
    axis = node.attr("axis")
    flat = x.reshape(-1) if not isinstance(axis, int) or x.ndim == 0 else np.moveaxis(x, axis, -1)
    ordered = np.sort(flat, axis=-1, kind="stable")
    return [np.asarray(ordered[..., 1:] - ordered[..., :-1], dtype=object)] if ordered.shape[-1] > 1 else []
