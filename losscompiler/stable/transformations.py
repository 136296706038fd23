"""Rewrite rules that no single pattern can state, in the order in which they are tried at a node, after the patterns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from losscompiler.graph.node import Graph, Node
from losscompiler.graph.parameter import Parameter
from losscompiler.stable.cancellation import CANCELLATION, Cancellation
from losscompiler.stable.log_domain import LOG_DOMAIN, LogDomain
from losscompiler.stable.powers import MERGED_POWERS, merge_powers
from losscompiler.stable.rules import Rule

Step: TypeAlias = Callable[[Node], Node | None]
"""Returns another form of a node, or ``None`` where the rule does not apply."""


@dataclass(frozen=True, slots=True)
class Transformation:
    """A rule with the code that carries it out.

    Attributes:
        rule: the identity: an example of it in the loss language, its range and source. Tests prove the example.
        begin: makes the step for one graph, whose symbols in the mapping are parameters with bounds.
    """

    rule: Rule
    begin: Callable[[Graph, Mapping[str, Parameter]], Step]


TRANSFORMATIONS: tuple[Transformation, ...] = (
    Transformation(LOG_DOMAIN, lambda graph, parameters: LogDomain(graph, parameters).apply),
)
"""Applied to the loss as written, before it is differentiated."""

MERGING: tuple[Transformation, ...] = (
    Transformation(CANCELLATION, lambda graph, parameters: Cancellation(graph).apply),
    Transformation(MERGED_POWERS, lambda graph, parameters: lambda node: merge_powers(graph, node)),
)
"""Applied to value and gradients after derivation, while powers are still powers."""
