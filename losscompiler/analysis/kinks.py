"""Kinks: where a derivative jumps in a prediction or parameter, and which value is used there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from losscompiler.analysis.domains import Domains
from losscompiler.analysis.finding import Finding
from losscompiler.analysis.floats import Plan
from losscompiler.analysis.interval import Interval
from losscompiler.analysis.ranges import ranges
from losscompiler.analysis.samples import Sample, Samples
from losscompiler.analysis.study import Study, differentiable
from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.graph.node import Node
from losscompiler.graph.printing import node_text

_MOST, _MOST_CONSIDERED = 6, 60
_TEXT = 16
_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
_REACHES, _HALVINGS, _STEP = (6.0, 1e4), 45, 1e-5
_JUMP = 1e-3
_ZERO = Interval(0.0, 0.0)


@dataclass(frozen=True)
class Kink:
    """A place where a function's derivative may jump.

    Attributes:
        node: the function: one with a kink, a choice, or a comparison in arithmetic.
        operands: what meets at the kink.
        gap: what passes 0 there; ``None`` for ties.
        where: the place in words.
    """

    node: Node
    operands: tuple[Node, ...]
    gap: Node | None
    where: str


def find_kinks(study: Study, domains: Domains, samples: Samples | None) -> Iterator[Finding]:
    """Yield the first kinks in the order of the text, and how many more there are."""
    found = ranges(study.nodes, {name: domains.span_of(name) for name in study.symbols}, domains.facts)
    smooth = _smooth(study)
    possible = (
        kink for node in study.nodes for kink in _candidates(study, node)
        if any(operand.index in smooth for operand in kink.operands) and _may_meet(kink, found)
    )  # fmt: skip
    kinks = list(islice(possible, _MOST_CONSIDERED))
    shown = 0
    for position, kink in enumerate(kinks):
        if shown == _MOST:
            more = len(kinks) - position
            count = f"{more} more kink{'s' if more > 1 else ''}" if len(kinks) < _MOST_CONSIDERED else "many more kinks"
            yield study.found("kink", "note", f"there may be {count}", "", "", kink.node.span)
            return
        jump = _jump(study, samples, kink)
        if jump:
            shown += 1
            yield _said(study, kink, jump)


def _smooth(study: Study) -> set[int]:
    """Return the nodes that move with a prediction or a trained parameter, through functions with derivatives."""
    learned = {*study.given.predictions, *(name for name, parameter in study.parameters.items() if parameter.trainable)}
    smooth: set[int] = set()
    for node in study.nodes:
        passes = zip(node.args, differentiable(node), strict=True) if node.args else ()
        if (node.op == "symbol" and node.name in learned) or any(passing and arg.index in smooth for arg, passing in passes):
            smooth.add(node.index)
    return smooth


def _may_meet(kink: Kink, found: dict[int, Interval]) -> bool:
    """Tell whether the ranges of what meets at a kink have a value in common."""
    if len(kink.operands) != 2:
        return True
    one, other = (found.get(operand.index, _ZERO) for operand in kink.operands)
    return not one.apart(other)


def _candidates(study: Study, node: Node) -> Iterator[Kink]:
    row = FUNCTIONS.get(node.op)
    if row is None or node.constant:
        return
    if node.op in ("number", "where"):
        for comparison in _comparisons(node.args[0]):
            yield _meeting(study, node, comparison)
    elif row.kink == "ties":
        yield Kink(node, node.args[:1], None, "elements tie")
    elif node.op in ("floor", "ceil", "round"):
        yield Kink(node, node.args, None, f"{node_text(node.args[0], _TEXT)} passes a {'half' if node.op == 'round' else 'whole number'}")
    elif node.op == "clip":
        for end in node.args[1:]:
            yield Kink(node, (node.args[0], end), study.graph.simple("sub", node.args[0], end), _equation(node.args[0], end))
    elif row.name in ("maximum", "minimum"):
        yield Kink(node, node.args, study.graph.simple("sub", *node.args), _equation(*node.args))
    elif row.name == "hypot" and not any(arg.is_number(0) for arg in node.args):
        yield Kink(node, (node,), None, f"{_equation(node.args[0], None)} and {_equation(node.args[1], None)}")
    elif row.kink and not row.boolean:
        x = next(arg for arg in node.args if not arg.is_number(0))
        yield Kink(node, (x, study.graph.const(0)) if row.kind is Kind.ELEMENTWISE else (x,), x, _equation(x, None))


def _meeting(study: Study, node: Node, comparison: Node) -> Kink:
    x, y = comparison.args
    return Kink(node, (x, y), study.graph.simple("sub", x, y), _equation(x, y))


def _equation(x: Node, y: Node | None) -> str:
    """Return that two values are equal, or one is 0, as a person writes it: y == p, not y - p == 0."""
    if x.is_number(0) and y is not None:
        x, y = y, None
    if y is None or y.is_number(0):
        if x.op != "sub":
            return f"{node_text(x, _TEXT)} == 0"
        x, y = x.args
    return f"{node_text(x, _TEXT)} == {node_text(y, _TEXT)}"


def _comparisons(condition: Node) -> Iterator[Node]:
    stack = [condition]
    while stack:
        node = stack.pop()
        if node.op in _COMPARISONS:
            yield node
        elif node.op in ("and", "or", "not"):
            stack.extend(reversed(node.args))


def _jump(study: Study, samples: Samples | None, kink: Kink) -> str:
    """Say what jumps at a kink: "value", "derivative" or nothing; found by crossing it where that can be done.

    A kink that cannot be crossed counts as one if its function has it by nature, and not if it is a choice, which may
    well be smooth.
    """
    by_nature = "" if kink.node.op == "where" else "value" if kink.node.op in ("number", "floor", "ceil", "round", "sign") else "derivative"
    if samples is None or kink.gap is None or not study.loss.pointwise or not samples.usual:
        return by_nature
    seen = [_crossing(study, samples, kink.gap, name) for name in sorted(study.names_below(kink.gap) & {*study.learning, *study.trained})]
    tested = [one for one in seen if one is not None]
    return by_nature if not tested else "value" if "value" in tested else max(tested)


def _crossing(study: Study, samples: Samples, gap: Node, name: str) -> str | None:
    """Move one symbol through a kink and compare both sides: "value" or "derivative" jump, or neither; ``None`` if untried."""
    import numpy as np

    slope = study.gradients.local[name]
    watch, both = Plan([gap]), Plan([study.loss, *([slope] if slope is not None else [])])
    sample = samples.usual[0]
    start = {key: samples.start(key) for key in study.parameters}
    shape = sample.valid.shape
    if np.ndim(start.get(name, 0.0)) or not samples.spend(2 * _HALVINGS * watch.cost + 4 * both.cost):
        return None
    middle = np.broadcast_to(sample.data[name] if name in sample.data else start[name], shape)
    span = samples.span(name)

    def at(plan: Plan, values: Any) -> list[Any]:
        # A parameter takes a value of its own in each row here, so that one pass serves all rows.
        found = samples.evaluated(plan, Sample(sample.kind, dict(sample.data) | {name: values}, sample.valid), dict(start) | {name: values})
        return [np.broadcast_to(value, shape) for value in found]

    for reach in _REACHES:
        low, high = np.maximum(middle - reach, span.low + 1e-9), np.minimum(middle + reach, span.high - 1e-9)
        sign_low = np.sign(at(watch, low)[0])
        across = (sign_low * np.sign(at(watch, high)[0]) < 0) & sample.valid
        if np.any(across):
            break
    else:
        return ""
    for _ in range(_HALVINGS):
        centre = (low + high) / 2
        same = np.sign(at(watch, centre)[0]) == sign_low
        low, high = np.where(same, centre, low), np.where(same, high, centre)
    # Twice as far apart the two sides of a continuous function differ twice as much; those of a jump as much as before.
    near, far = ([np.stack([one[across] for one in at(both, side)]) for side in (low - step, high + step)] for step in (_STEP, 2 * _STEP))
    change, change_far, size = np.abs(near[1] - near[0]), np.abs(far[1] - far[0]), np.abs(near[1]) + np.abs(near[0])
    jumps = np.any((change > _JUMP * size) & (change > 0.75 * change_far), axis=1)
    return "value" if jumps[0] else "derivative" if np.any(jumps) else ""


def _said(study: Study, kink: Kink, jump: str) -> Finding:
    row = FUNCTIONS[kink.node.op]
    below = study.names_below(*kink.operands)
    learned = next((name for name in (*study.given.predictions, *study.parameters) if name in below), "")
    text = node_text(kink.node, _TEXT)
    what = f"{text} jumps" if jump == "value" else f"the derivative of {text} jumps"
    if kink.node.op == "number":
        convention = "a comparison passes no gradient"
    elif kink.node.op == "where":
        convention = "the branch that the condition chooses gives the derivative"
    else:
        convention = re.sub(r"\bx\b", lambda match: node_text(kink.node.args[0], _TEXT), row.convention)
    return study.found("kink", "note", f"{what} where {kink.where}", f"Convention: {convention}.", learned, kink.node.span)
