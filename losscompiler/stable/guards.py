"""Guards of removable singularities: ``log(p) if l == 0 else (p**l - 1)/l``.

Who writes this knows the limit, and keeps the value from being 0/0. But at the very point the branch that is taken does not hold
the parameter, so that its derivative there is 0, and a parameter that starts there never learns; around it the other branch
cancels. Where the one branch continues the other, the loss is the other one alone, and is mended as any other.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from losscompiler.analysis.floats import Plan
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Node, reachable
from losscompiler.graph.printing import node_text
from losscompiler.stable.probe_points import UNFIT
from losscompiler.stable.probes import Prober
from losscompiler.stable.rules import Rule


@dataclass(frozen=True)
class Guard:
    """A choice by whether a symbol is equal to a number, whose branches continue each other.

    Attributes:
        name: the symbol.
        centre: the number.
        node: the choice.
    """

    name: str
    centre: Node
    node: Node

    @property
    def rule(self) -> Rule:
        """What ``explain`` says of it."""
        choice = f"the choice at {self.name} = {node_text(self.centre)}"
        return Rule("guarded singularity", choice, "the other branch, which it continues", 0, 0, "limits, probed in 90 digits")


def without_guards(loss: LossGraph, written: LossGraph, names: Collection[str]) -> tuple[LossGraph, list[Guard]]:
    """Return the loss without its guards, and the guards.

    Args:
        loss: the loss in accurate forms.
        written: the loss as written, for the domains of its symbols.
        names: the symbols whose guards may go.
    """
    nodes = reachable([loss.loss])
    if not any(_parts(node, names) for node in nodes):
        return loss, []
    prober = Prober(written, [loss.loss])
    done: dict[int, Node] = {}
    guards: list[Guard] = []
    for node in nodes:
        new = loss.graph.over(node, [done[arg.index] for arg in node.args])
        parts = _parts(new, names)
        if parts is not None:
            name, centre, special, general = parts
            if general.axes == new.axes and prober.continues(general, special, name, centre):
                guards.append(Guard(name, centre, node))
                new = general
        done[node.index] = new
    return (replace(loss, loss=done[loss.loss.index]), guards) if guards else (loss, [])


def _parts(node: Node, names: Collection[str]) -> tuple[str, Node, Node, Node] | None:
    """Return symbol, number, the branch at the number and the other one, if a node is such a choice."""
    if node.op != "where" or node.args[0].op not in ("eq", "ne"):
        return None
    condition, first, second = node.args
    for symbol, centre in (condition.args, condition.args[::-1]):
        if symbol.op == "symbol" and symbol.name in names and centre.constant:
            return (symbol.name, centre, first, second) if condition.op == "eq" else (symbol.name, centre, second, first)
    return None


def as_good(mended: list[Node], guarded: Node, prober: Prober, guards: list[Guard]) -> bool:
    """Tell whether value and derivatives without guards are finite at the guarded points, and the value is the same.

    Args:
        mended: value and derivatives without guards.
        guarded: the value with them.
        prober: gives the samples.
        guards: the points.
    """
    import numpy as np

    with_guards, without = Plan([guarded]), Plan(mended)
    for guard in guards:
        for row in prober.rows:
            try:
                batch: dict[str, Any] = prober.points.batch(row)
                (point,) = Plan([guard.centre]).values(batch)
                batch[guard.name] = batch[guard.name] * 0 + point
                (expected,), found = with_guards.values(batch), without.values(batch)
            except UNFIT:
                return False
            fine = np.isfinite(expected)
            near = np.abs(found[0] - expected) <= 1e-7 * (1 + np.abs(expected))
            if not np.all(near | ~fine) or not all(np.all(np.isfinite(x) | ~fine) for x in found[1:] if np.shape(x) == np.shape(fine)):
                return False
    return True
