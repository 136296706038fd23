"""Which subexpressions get a name, and in what order they are computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from losscompiler.derivative import Gradients
from losscompiler.graph import axes as ax
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Node, reachable
from losscompiler.program.names import Namer
from losscompiler.program.program import Assignment, Program

_LONGEST_EXPRESSION = 12
"""Operations in one line; longer expressions are cut by names."""


def schedule(loss: LossGraph, gradients: Gradients, reserved: frozenset[str]) -> Program:
    """Return the program of a loss and its gradients.

    After this pass every subexpression that is used more than once is computed once, before its first use; what the
    value needs comes first, and gradients read it. Nothing is computed that neither needs.
    """
    namer = Namer(reserved)
    names = {name: namer.symbol(name) for name in (*loss.data, *loss.parameters, *loss.constants)}
    wanted = [node for node in gradients.by_name.values() if node is not None]
    defined = {node.index: name for name, node in loss.definitions.items()}
    uses = _uses([gradients.value, *wanted])
    forward_nodes = reachable([gradients.value])
    forward = _assign(forward_nodes, uses, defined, namer, (), {gradients.value.index})
    done = {assignment.node.index for assignment in forward} | {gradients.value.index}
    known = {node.index for node in forward_nodes}
    # A subexpression of the value that stands inside one of its lines is named too if a gradient reads it.
    backward_nodes = [node for node in reachable(wanted) if node.index not in known]
    backward = _assign(backward_nodes, uses, {}, namer, done, {node.index for node in wanted})
    return Program(
        tuple(forward), gradients.value, ax.dropped(gradients.value.axes), tuple(backward), gradients.upstream, gradients.by_name,
        {**names, gradients.upstream.name: "upstream"},
    )  # fmt: skip


def _uses(roots: Iterable[Node]) -> Mapping[int, int]:
    """Count the users of each node below the roots; being a root is no use of its own."""
    counter: Counter[int] = Counter()
    for node in reachable(roots):
        counter.update(arg.index for arg in node.args)
    return counter


def _assign(
    nodes: list[Node], uses: Mapping[int, int], defined: Mapping[int, str], namer: Namer, done: Iterable[int], roots: set[int]
) -> list[Assignment]:
    named = set(done)
    sizes: dict[int, int] = {}
    result = []
    for node in nodes:
        if not node.args or node.constant:
            continue
        size = 1 + sum(0 if arg.index in named else sizes.get(arg.index, 0) for arg in node.args)
        shared = uses.get(node.index, 0) + (node.index in roots) > 1
        long = size > _LONGEST_EXPRESSION and node.index not in roots
        result_alone = node.index in roots and uses.get(node.index, 0) == 0
        if (shared or long or node.index in defined) and not _trivial(node) and not result_alone:
            name = namer.symbol(defined[node.index]) if node.index in defined else namer.temporary(node)
            result.append(Assignment(name, node))
            named.add(node.index)
            size = 0
        sizes[node.index] = size
    return result


def _trivial(node: Node) -> bool:
    """Tell whether naming a node would hide more than it saves: a sign, or a cast of a constant."""
    return node.op == "neg" and not node.args[0].args
