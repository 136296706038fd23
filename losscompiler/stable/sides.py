"""Data cut off at 0: max(y, 0)**(2 - q).

A loss that is 0/0 at a point for data of one sign need not be so for the other, and then it has no series for both. Where the
data are not negative, max(y, 0) is y: on that side the loss is mended alone.
"""

from __future__ import annotations

from dataclasses import replace

from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Node, reachable


def positive_side(loss: LossGraph) -> tuple[Node, LossGraph] | None:
    """Return a condition on the data and what the loss is there, or ``None`` if no data are cut off at 0."""
    variables, varying = frozenset(loss.variables), set[int]()
    for node in reachable([loss.loss]):
        if (node.op == "symbol" and node.name in variables) or any(arg.index in varying for arg in node.args):
            varying.add(node.index)
    for node in reachable([loss.loss]):
        inside = _cut_off(node)
        if inside is not None and inside.index not in varying:
            opened = _with(loss, node, inside)
            if inside.axes <= loss.loss.axes and opened.loss.axes == loss.loss.axes:
                return loss.graph.make("ge", inside, loss.graph.const(0)), opened
    return None


def _cut_off(node: Node) -> Node | None:
    if node.op == "relu":
        return node.args[0]
    if node.op == "maximum" and any(arg.is_number(0) for arg in node.args):
        return next((arg for arg in node.args if not arg.constant), None)
    return None


def _with(loss: LossGraph, old: Node, new: Node) -> LossGraph:
    """Return a loss with one node in place of another."""
    done: dict[int, Node] = {old.index: new}
    for node in reachable([loss.loss]):
        done.setdefault(node.index, loss.graph.over(node, [done[arg.index] for arg in node.args]))
    return replace(loss, loss=done[loss.loss.index])
