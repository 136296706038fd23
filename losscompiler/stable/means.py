"""What a loss averages or adds up over samples, and what it does with the total."""

from __future__ import annotations

from collections.abc import Sequence

from losscompiler.graph.node import Graph, Node


def inside_means(node: Node) -> tuple[Node, list[Node]]:
    """Return what a loss averages or adds up over samples, times constants, and the operations around it, outermost first."""
    around: list[Node] = []
    while True:
        varying = [arg for arg in node.args if not arg.constant]
        scaled = node.op in ("mul", "neg") or (node.op == "div" and node.args[1].constant)
        if len(varying) != 1 or not (scaled or (node.op in ("mean", "sum") and len(node.args) == 1)):
            break
        around.append(node)
        node = varying[0]
    while around and around[-1].op not in ("mean", "sum"):
        node = around.pop()
    return node, around


def averaged(graph: Graph, node: Node, around: Sequence[Node]) -> Node:
    """Return a loss of samples averaged or added up as another one was; constants of that one must be of the same graph."""
    for outer in reversed(around):
        place = next(i for i, arg in enumerate(outer.args) if not arg.constant)
        node = graph.make(outer.op, *outer.args[:place], node, *outer.args[place + 1 :], span=outer.span, **outer.attributes)
    return node
