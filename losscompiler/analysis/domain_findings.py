"""What is said about domains: which output activation, bound or data each function's argument asks for."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, isfinite

from losscompiler.analysis.conditions import Condition
from losscompiler.analysis.domains import Domains, Wish
from losscompiler.analysis.finding import Finding
from losscompiler.analysis.floats import Plan
from losscompiler.analysis.interval import Interval
from losscompiler.analysis.samples import KINDS, Samples
from losscompiler.analysis.study import Study
from losscompiler.graph.node import Node
from losscompiler.graph.printing import node_text

_TEXT = 20
_SHIFT = 1e-3
"""Bounds closer to 0 than this are taken for 0 when an activation is named: log(p + 1e-7) means p >= 0."""


def find_domains(study: Study, domains: Domains, samples: Samples | None) -> Iterator[Finding]:
    """Yield what the loss asks of its symbols and cannot be sure of."""
    for wish in domains.wishes.values():
        yield _of_symbol(study, wish)
    told: set[tuple[int, int]] = set()
    for condition in domains.open:
        key = condition.operand.index, hash(condition.allowed)
        if key not in told and (samples is None or samples.shape is None or _broken(condition, samples)):
            told.add(key)
            yield _of_expression(study, condition, certain=samples is not None and samples.shape is not None)
    for condition in domains.zeros:
        if (condition.operand.index, 0) not in told:
            told.add((condition.operand.index, 0))
            yield _of_division(study, condition)


def describe(text: str, interval: Interval) -> str:
    """Return an interval as a condition on something, such as ``p > 0`` or ``0 < p < 1``."""
    below, above = ("<" if interval.low_open else "<="), ("<" if interval.high_open else "<=")
    if isfinite(interval.low) and isfinite(interval.high):
        return f"{interval.low:g} {below} {text} {above} {interval.high:g}"
    if isfinite(interval.low):
        return f"{text} {below.replace('<', '>')} {interval.low:g}"
    return f"{text} {above} {interval.high:g}"


def activation(interval: Interval) -> str:
    """Return the output activation that keeps a prediction in an interval."""
    low, high = (0.0 if abs(end) < _SHIFT else end for end in (interval.low, interval.high))
    if low == 0 and high == inf:
        return "softplus or exp" if interval.positive else "softplus, exp or relu"
    if (low, high) == (0, 1):
        return "sigmoid (or softmax over classes)"
    if (low, high) == (-1, 1):
        return "tanh"
    if high == inf:
        return f"{low:g} + softplus(...)"
    if low == -inf:
        return f"{high:g} - softplus(...)" if high else "-softplus(...)"
    shift = f"{low:g} + " if low else ""
    return f"{shift}{high - low:g}*sigmoid(...)"


def _askers(nodes: list[Node]) -> str:
    texts = list(dict.fromkeys(node_text(node, _TEXT) for node in nodes))
    shown = texts[:3]
    more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
    return (f"{', '.join(shown[:-1])} and {shown[-1]} need" if len(shown) > 1 and not more else f"{', '.join(shown)}{more} need") + (
        "s" if len(texts) == 1 else ""
    )


def _of_symbol(study: Study, wish: Wish) -> Finding:
    given, name, text = study.given, wish.name, node_text(wish.place)
    needed = f"{_askers(wish.askers)} {describe(text, wish.interval)}"
    span = wish.askers[0].span
    if name in given.predictions:
        severity, message = "note" if wish.mild else "warning", f"{needed}, and a prediction may leave that range"
        hint = f"Give the model's output the activation {activation(wish.interval)}, or apply it in the loss; or limit {text} with max, min or clip."
    elif name in given.parameters:
        severity, message = "note" if wish.mild else "warning", f"{needed}, and training may drive '{name}' out of that range"
        hint = f"Declare the bounds: 'param {_bounds(name, wish.interval)}', or Parameter(..., bounds=...)."
    else:
        role = "target" if name in given.targets else "input"
        severity, message = "note", f"{needed}, which the data of the {role} '{name}' must fulfil"
        hint = f"Check the data, or limit {text} with max, min or clip."
    return study.found("domain", severity, message, hint, name, span)  # type: ignore[arg-type]


def _bounds(name: str, interval: Interval) -> str:
    if isfinite(interval.low) and isfinite(interval.high):
        return f"{name} in ({interval.low:g}, {interval.high:g})"
    return f"{name} > {interval.low:g}" if isfinite(interval.low) else f"{name} < {interval.high:g}"


def _subject(study: Study, node: Node) -> str:
    """Return the symbol that an expression is first of all about: a prediction, else a parameter, else data."""
    below = study.names_below(node)
    for names in (study.given.predictions, tuple(study.parameters), study.given.targets, study.given.inputs):
        for name in names:
            if name in below:
                return name
    return min(below, default="")


def _of_expression(study: Study, condition: Condition, *, certain: bool) -> Finding:
    assert condition.allowed is not None
    subject = _subject(study, condition.operand)
    learned = subject in study.given.predictions or subject in study.parameters
    text = node_text(condition.operand, _TEXT)
    seen = "which ordinary values break" if certain else "which nothing in the loss makes sure of"
    return study.found(
        "domain", "warning" if learned and certain and not condition.mild else "note",
        f"{node_text(condition.node, _TEXT)} needs {describe(text, condition.allowed)}, {seen}",
        f"Limit it where it stands, as in {_limited(text, condition.allowed)}, or choose activations and bounds that keep it there.", subject,
        condition.node.span,
    )  # fmt: skip


def _limited(text: str, allowed: Interval) -> str:
    low = f"{allowed.low + 1e-7 * (allowed.low_open or 0):g}" if allowed.low else "1e-7" if allowed.low_open else "0"
    high = f"{allowed.high - 1e-7 * (allowed.high_open or 0):.8g}" if isfinite(allowed.high) else ""
    if isfinite(allowed.low) and high:
        return f"clip({text}, {low}, {high})"
    return f"max({text}, {low})" if isfinite(allowed.low) else f"min({text}, {high})"


def _of_division(study: Study, condition: Condition) -> Finding:
    subject = _subject(study, condition.operand)
    text = node_text(condition.operand, _TEXT)
    return study.found(
        "domain", "note", f"{node_text(condition.node, _TEXT)} divides by {text}, which may be 0",
        f"Keep it away from 0, as in {text} + 1e-7 where it cannot be negative, or choose with 'if'." if subject else "", subject,
        condition.node.span,
    )  # fmt: skip


def _broken(condition: Condition, samples: Samples) -> bool:
    """Tell whether some ordinary data and parameters break a condition where it counts."""
    import numpy as np

    assert condition.allowed is not None
    allowed = condition.allowed
    guards = sorted(condition.guards, key=lambda guard: guard[0].index)
    plan = Plan([condition.operand, *(guard for guard, _ in guards)])
    for seed, kind in enumerate(KINDS):
        if not samples.spend(plan.cost):
            return False
        values = samples.values(samples.data(kind, 0), samples.nearby(seed))
        try:
            value, *held = plan.values(values)
            counts = np.ones(value.shape, dtype=bool)
            for (_, holds), truth in zip(guards, held, strict=True):
                counts = counts & ((truth != 0) == holds)
        except (ValueError, IndexError, OverflowError):
            continue
        low = value <= allowed.low if allowed.low_open else value < allowed.low
        high = value >= allowed.high if allowed.high_open else value > allowed.high
        # A bound that is met exactly, as log(abs(x)) meets 0, is no ordinary value; a bound passed is.
        passed = (low & (value != allowed.low)) | (high & (value != allowed.high))
        if np.any(passed & counts):
            return True
    return False
