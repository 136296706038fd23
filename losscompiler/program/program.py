"""`Program`: what is computed, in order, by what names."""

from __future__ import annotations

from dataclasses import dataclass

from losscompiler.graph.axes import AxisArgument
from losscompiler.graph.node import Node, operations


@dataclass(frozen=True, slots=True)
class Assignment:
    """One line: a name for a subexpression that is used more than once."""

    name: str
    node: Node


@dataclass(frozen=True)
class Program:
    """Value and all gradients as one straight-line program.

    Attributes:
        forward: assignments that the value needs; gradients may read them.
        value: the loss, with reduced axes still of length 1.
        dropped: axes to drop from the value at the end.
        backward: assignments that only gradients need.
        upstream: symbol of the gradient that flows in.
        gradients: by variable; ``None`` where the loss does not depend on it.
        names: identifier of every symbol.
        wide: whether it loses digits in float32, so that it is computed in float64 and rounded at the end.
    """

    forward: tuple[Assignment, ...]
    value: Node
    dropped: AxisArgument
    backward: tuple[Assignment, ...]
    upstream: Node
    gradients: dict[str, Node | None]
    names: dict[str, str]
    wide: bool = False

    @property
    def value_operations(self) -> int:
        """Operations of the value alone."""
        return operations([self.value])

    @property
    def total_operations(self) -> int:
        """Operations of the value and all gradients, shared ones counted once."""
        return operations([self.value, *(node for node in self.gradients.values() if node is not None)])


@dataclass(frozen=True)
class RowProgram:
    """A second program, for data that turn out to have length 1 along the last axis.

    Attributes:
        names: these data; all of them must.
        program: what then is computed.
    """

    names: tuple[str, ...]
    program: Program
