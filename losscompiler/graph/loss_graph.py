"""`LossGraph`: a loss as a graph, with what each of its names means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from losscompiler.graph.node import Graph, Node
from losscompiler.graph.parameter import Parameter
from losscompiler.source import Source, Span


@dataclass(frozen=True)
class Hazard:
    """A name that may not mean what its author thinks: what was seen, where, and what to do."""

    code: str
    name: str
    message: str
    hint: str
    span: Span


@dataclass(frozen=True)
class LossGraph:
    """A loss after its names are resolved.

    Attributes:
        source: the text.
        graph: maker and owner of all nodes.
        loss: the loss itself; reduced axes still have length 1.
        targets, predictions, inputs: names of data, in the order in which programs take them.
        parameters: what is learned, by name.
        constants: arrays that the user fixed, by name.
        definitions: named subexpressions in the order of the text.
        implicit: parameters that were not declared, with the place of their first use.
        hazards: names to point out.
        places: where each name is declared, defined or first used.
    """

    source: Source
    graph: Graph
    loss: Node
    targets: tuple[str, ...]
    predictions: tuple[str, ...]
    inputs: tuple[str, ...]
    parameters: dict[str, Parameter]
    constants: dict[str, Any]
    definitions: dict[str, Node]
    unused_definitions: tuple[str, ...]
    implicit: tuple[str, ...]
    hazards: tuple[Hazard, ...]
    places: dict[str, Span] = field(default_factory=dict)

    @property
    def data(self) -> tuple[str, ...]:
        """Targets, predictions and inputs, in the order in which programs take them."""
        return (*self.targets, *self.predictions, *self.inputs)

    @property
    def variables(self) -> tuple[str, ...]:
        """What gradients are taken by: predictions, then parameters."""
        return (*self.predictions, *self.parameters)
