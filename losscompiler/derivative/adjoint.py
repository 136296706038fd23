"""Adjoints on their way through the reverse sweep, and how several of them join.

The derivative of ``where(c, f, 0)`` must be 0 where c does not hold even if f' is NaN or infinite there, and 0*inf is
NaN. So a condition is not multiplied into an adjoint: it stays beside it as a path of (condition, holds) until the
adjoint arrives, and selects last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from losscompiler.graph import axes as ax
from losscompiler.graph.node import Graph, Node

Path: TypeAlias = tuple[tuple[Node, bool], ...]
_LONGEST_PATH = 16


@dataclass(frozen=True, slots=True)
class Adjoint:
    """The derivative of the loss by a node, valid where every condition of ``path`` is as stated, 0 elsewhere.

    ``axes`` is what is known of the value's shape; it may exceed the node's, and is then summed when the adjoint arrives.
    """

    value: Node
    path: Path
    axes: ax.Axes

    def times(self, graph: Graph, factor: Node) -> Adjoint:
        """Multiply by a partial derivative; one that is itself conditional and 0 elsewhere lengthens the path."""
        if factor.op == "where" and factor.args[2].is_number(0):
            return self.on(graph, factor.args[0], True).times(graph, factor.args[1])
        if factor.op == "where" and factor.args[1].is_number(0):
            return self.on(graph, factor.args[0], False).times(graph, factor.args[2])
        return Adjoint(graph.simple("mul", self.value, factor), self.path, ax.broadcast(self.axes, factor.axes))

    def on(self, graph: Graph, condition: Node, holds: bool) -> Adjoint:
        """Restrict to where a condition holds, or does not; a long path becomes one condition."""
        if (condition, holds) in self.path:
            return self
        path = self.path if len(self.path) < _LONGEST_PATH else ((either(graph, [self.path]), True),)
        return Adjoint(self.value, (*path, (condition, holds)), ax.broadcast(self.axes, condition.axes))

    def materialised(self, graph: Graph) -> Node:
        """Return the adjoint as one node, 0 where it is not active."""
        value, zero = self.value, graph.const(0)
        for condition, holds in reversed(self.path):
            value = graph.simple("where", condition, value, zero) if holds else graph.simple("where", condition, zero, value)
        return value


def join(graph: Graph, parts: Sequence[Adjoint]) -> Adjoint:
    """Add adjoints of one node; what is active under a condition and under its opposite becomes one choice."""
    if len(parts) == 1:
        return parts[0]
    axes = ax.broadcast(*(part.axes for part in parts))
    always = [part for part in parts if not part.path]
    groups: dict[int, list[Adjoint]] = {}
    for part in parts:
        if part.path:
            groups.setdefault(part.path[0][0].index, []).append(part)
    joined = [_join_group(graph, group) for group in groups.values()]
    if len(joined) == 1 and not always:
        return Adjoint(joined[0].value, joined[0].path, axes)
    value = _total(graph, [*(part.value for part in always), *(part.materialised(graph) for part in joined)])
    # Where no part is active the sum is 0 and must stay 0 whatever it is multiplied by.
    anywhere = bool(always) or any(not part.path for part in joined)
    path: Path = () if anywhere else ((either(graph, [part.path for part in joined]), True),)
    return Adjoint(value, path, axes)


def _total(graph: Graph, values: list[Node]) -> Node:
    total = values[0]
    for value in values[1:]:
        total = graph.simple("add", total, value)
    return total


def _join_group(graph: Graph, group: list[Adjoint]) -> Adjoint:
    """Join adjoints whose paths begin with the same condition."""
    condition = group[0].path[0][0]
    sides = []
    for holds in (True, False):
        side = [Adjoint(part.value, part.path[1:], part.axes) for part in group if part.path[0][1] is holds]
        sides.append(join(graph, side) if side else None)
    yes, no = sides
    axes = ax.broadcast(*(part.axes for part in group))
    if yes is not None and no is not None:
        value = graph.simple("where", condition, yes.materialised(graph), no.materialised(graph))
        if not yes.path and not no.path:
            return Adjoint(value, (), axes)
        # One side is active only in part; elsewhere the choice is 0 and must stay 0 whatever it is multiplied by.
        # c or (not c and d) is c or d, so a side that is active throughout needs no opposite in the other.
        yes_path = (*(((condition, True),) if no.path or not yes.path else ()), *yes.path)
        no_path = (*(((condition, False),) if yes.path or not no.path else ()), *no.path)
        active = either(graph, [yes_path, no_path])
        return Adjoint(value, ((active, True),), axes)
    only = yes or no
    assert only is not None
    return Adjoint(only.value, ((condition, yes is not None), *only.path), axes)


def either(graph: Graph, paths: list[Path]) -> Node:
    """Return the condition that any of some paths is active."""
    result: Node | None = None
    for path in paths:
        every: Node | None = None
        for condition, holds in path:
            link = condition if holds else graph.simple("not", condition)
            every = link if every is None else graph.simple("and", every, link)
        assert every is not None
        result = every if result is None else graph.simple("or", result, every)
    assert result is not None
    return result
