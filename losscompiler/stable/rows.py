"""Data that may hold one number for each row of other data, such as a temperature predicted for every sample.

Which lengths data have is known only when they come, and a rule that takes a factor out of a sum along rows holds only for a
factor that is one number a row. As a rule it is: what meets a row's sum, as T does in ``logsumexp(p/T) - p[0]/T``, seldom has
several numbers in the row. So such a loss gets a second program, which runs when these data have length 1 along the last
axis. It is made as that of a single row, in which they are numbers.
"""

from __future__ import annotations

from dataclasses import replace

from losscompiler.analysis.study import rebuilt
from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.graph import axes as ax
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Graph, Node, reachable
from losscompiler.graph.parameter import Parameter
from losscompiler.stable.means import averaged, inside_means

_ROWWISE = frozenset({"select", "range", "gather"})
"""Structural functions whose value at a row is that of the row."""

_CUT: frozenset[ax.Axis] = frozenset({-1})


def one_a_row(loss: LossGraph) -> tuple[str, ...]:
    """Return the data that meet what a row has been reduced to, and stand with other data in what is reduced, never alone.

    None if the loss is not one of rows: one that also reduces other axes before its samples are averaged.
    """
    root, _ = inside_means(loss.loss)
    nodes = reachable([root])
    if not all(_is_rowwise(node) for node in nodes):
        return ()
    met: set[str] = set()
    beside: set[str] = set()
    alone: set[str] = set()
    for node in nodes:
        if FUNCTIONS.get(node.op) is None:
            continue
        if _along(node):
            names = {name for arg in node.args for name, _ in arg.axes}
            (beside if len(names) > 1 else alone).update(names)
        elif FUNCTIONS[node.op].kind is Kind.ELEMENTWISE and any(_is_reduced(arg) for arg in node.args):
            whole = [{name for name, cut in arg.axes if not cut} for arg in node.args if not _is_reduced(arg)]
            met |= {name for names in whole if len(names) == 1 for name in names}
    looked_into = {arg.name for node in nodes if node.op in _ROWWISE for arg in node.args if arg.op == "symbol"}
    return tuple(name for name in loss.data if name in (met & beside) - alone - looked_into)


def of_one_row(loss: LossGraph, names: tuple[str, ...]) -> LossGraph:
    """Return the loss of a sample, in a graph of its own, in which some data are numbers, as parameters are."""
    graph = _like(loss)
    root, _ = inside_means(loss.loss)
    numbers = {name: graph.symbol(name, ax.SCALAR) for name in names}
    return replace(
        loss, graph=graph, loss=rebuilt(graph, root, graph.make, numbers), definitions={},
        predictions=_without(loss.predictions, names), targets=_without(loss.targets, names), inputs=_without(loss.inputs, names),
        parameters={**loss.parameters, **{name: Parameter() for name in names}},
    )  # fmt: skip


def of_rows(row: LossGraph, names: tuple[str, ...], written: LossGraph) -> LossGraph:
    """Return what was made of the loss of one row for data with one number in each row, averaged and named as it was written."""
    graph = _like(written)
    columns = {name: graph.symbol(name, frozenset({(name, _CUT)})) for name in names}
    _, around = inside_means(written.loss)
    same = [graph.over(node, [rebuilt(graph, arg, graph.make, columns) for arg in node.args]) for node in around]
    return replace(written, graph=graph, loss=averaged(graph, rebuilt(graph, row.loss, graph.make, columns), same), definitions={})


def _like(loss: LossGraph) -> Graph:
    graph = Graph(loss.graph.source)
    graph.vectors = loss.graph.vectors
    return graph


def _without(names: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in others)


def _along(node: Node) -> bool:
    return FUNCTIONS[node.op].kind in (Kind.REDUCTION, Kind.ALONG_AXIS)


def _is_rowwise(node: Node) -> bool:
    """Tell whether an operation's value at a row depends on that row alone."""
    row = FUNCTIONS.get(node.op)
    if row is None or row.kind is Kind.ELEMENTWISE or node.op in _ROWWISE:
        return True
    return _along(node) and node.attributes.get("axis") == -1


def _is_reduced(node: Node) -> bool:
    """Tell whether a value has one number a row, whatever the data."""
    return bool(node.axes) and all(cut & {-1, "all"} for _, cut in node.axes)
