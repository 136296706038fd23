"""What is said about domains: which output activation, bound or data each function's argument asks for."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, isfinite
from typing import Any

from losscompiler.analysis.conditions import Condition
from losscompiler.analysis.domains import Domains, Wish
from losscompiler.analysis.finding import Finding
from losscompiler.analysis.floats import Plan
from losscompiler.analysis.interval import Interval
from losscompiler.analysis.samples import KINDS, REAL_PREDICTIONS, Samples
from losscompiler.analysis.study import Study
from losscompiler.graph.node import Node
from losscompiler.graph.printing import node_text

_TEXT = 20
_MOST = 20
"""Names, and conditions on expressions, that are told of one by one."""

_SHIFT = 1e-3
"""Bounds closer to 0 than this are taken for 0 when an activation is named: log(p + 1e-7) means p >= 0."""


def find_domains(study: Study, domains: Domains, samples: Samples | None) -> Iterator[Finding]:
    """Yield what the loss asks of its symbols and cannot be sure of."""
    wishes = list(domains.wishes.values())
    for wish in wishes[:_MOST]:
        yield _of_symbol(study, wish)
    if len(wishes) > _MOST:
        rest = f"{len(wishes) - _MOST} more names, '{wishes[_MOST].name}' the first of them, must stay in the domains of their functions"
        yield study.found("domain", "warning", rest, "Declare bounds, choose output activations, and check the data.", wishes[_MOST].name)
    told: set[tuple[int, Interval | None]] = set()
    for position, condition in enumerate(several := (*domains.open, *domains.zeros)):
        key = condition.operand.index, condition.allowed
        if key in told:
            continue
        if len(told) == _MOST:
            more = len(several) - position
            yield study.found("domain", "note", f"up to {more} more arguments may leave their domains", "", "", condition.node.span)
            return
        told.add(key)
        if condition.allowed is None:
            yield _of_division(study, condition)
            continue
        broken = _broken(condition, samples) if samples is not None and samples.shape is not None else "unknown"
        if broken != "never":
            yield _of_expression(study, condition, broken)


def number(value: float) -> str:
    """Return a number as a person writes it: 1e-7, not 1e-07."""
    mantissa, _, exponent = f"{value:.8g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def describe(text: str, interval: Interval) -> str:
    """Return an interval as a condition on something, such as ``p > 0`` or ``0 < p < 1``."""
    below, above = ("<" if interval.low_open else "<="), ("<" if interval.high_open else "<=")
    if isfinite(interval.low) and isfinite(interval.high):
        return f"{number(interval.low)} {below} {text} {above} {number(interval.high)}"
    if isfinite(interval.low):
        return f"{text} {below.replace('<', '>')} {number(interval.low)}"
    return f"{text} {above} {number(interval.high)}"


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
        return f"{number(low)} + softplus(...)"
    if low == -inf:
        return f"{number(high)} - softplus(...)" if high else "-softplus(...)"
    shift = f"{number(low)} + " if low else ""
    return f"{shift}{number(high - low)}*sigmoid(...)"


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
        keeps = activation(wish.interval)
        hint = f"Give the model's output the activation {keeps}, or apply that in the loss; or limit {text} with max, min or clip."
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
        return f"{name} in ({number(interval.low)}, {number(interval.high)})"
    return f"{name} > {number(interval.low)}" if isfinite(interval.low) else f"{name} < {number(interval.high)}"


def _subject(study: Study, node: Node) -> str:
    """Return the symbol that an expression is first of all about: a prediction, else a parameter, else data."""
    below = study.names_below(node)
    for names in (study.given.predictions, tuple(study.parameters), study.given.targets, study.given.inputs):
        for name in names:
            if name in below:
                return name
    return min(below, default="")


_BROKEN = {
    "always": "which ordinary values break",
    "by data": "which not all data fulfil",
    "unknown": "which nothing in the loss makes sure of",
}


def _of_expression(study: Study, condition: Condition, broken: str) -> Finding:
    assert condition.allowed is not None
    text = node_text(condition.operand, _TEXT)
    return study.found(
        "domain", "warning" if broken == "always" and not condition.mild else "note",
        f"{node_text(condition.node, _TEXT)} needs {describe(text, condition.allowed)}, {_BROKEN[broken]}",
        f"Limit the argument, as in {_limited(condition.allowed)}, or choose activations, bounds and data that keep it there.",
        _subject(study, condition.operand), condition.node.span,
    )  # fmt: skip


def _limited(allowed: Interval) -> str:
    low = allowed.low + (1e-7 if allowed.low_open else 0)
    high = allowed.high - (1e-7 if allowed.high_open else 0)
    if isfinite(low) and isfinite(high):
        return f"clip(..., {number(low)}, {number(high)})"
    return f"max(..., {number(low)})" if isfinite(low) else f"min(..., {number(high)})"


def _of_division(study: Study, condition: Condition) -> Finding:
    subject = _subject(study, condition.operand)
    return study.found(
        "domain", "note", f"the formula divides by {node_text(condition.operand, _TEXT)}, which may be 0",
        "Keep it from 0: by bounds or an activation that settle its sign, by a small term such as + 1e-7 if it is never negative, or with "
        "'if ... else'.", subject, condition.node.span,
    )  # fmt: skip


def _broken(condition: Condition, samples: Samples) -> str:
    """Say whether ordinary values break a condition where it counts: "always", "by data" or "never".

    "always" means: whatever the kind of targets, where predictions are any real numbers, and not by the data alone.
    """
    import numpy as np

    guards = sorted(condition.guards, key=lambda guard: guard[0].index)
    plan = Plan([condition.operand, *(guard for guard, _ in guards)])
    breaks: list[bool] = []
    by_prediction = False
    for kind in KINDS:
        if not samples.spend(2 * plan.cost):
            break
        data = samples.data(kind, 0)
        wide = {name: value for name, value in samples.data("wide", 0).items() if name in samples.study.given.predictions}
        narrow, far = (_pattern(condition, plan, guards, samples, data | again, seed) for seed, again in enumerate(({}, wide)))
        if narrow is None or far is None:
            continue
        if kind in REAL_PREDICTIONS:
            breaks.append(bool(np.any(narrow | far)))
            by_prediction |= bool(np.any(far & ~narrow))
        elif np.any(narrow):
            breaks.append(True)
    if not any(breaks):
        return "never"
    return "always" if all(breaks) and by_prediction else "by data"


def _pattern(condition: Condition, plan: Plan, guards: list[tuple[Node, bool]], samples: Samples, data: dict[str, Any], seed: int) -> Any:
    """Return where a condition is broken; ``None`` if it cannot be evaluated."""
    assert condition.allowed is not None
    try:
        value, *held = plan.values(samples.values(data, samples.nearby(seed)))
    except (ValueError, IndexError, OverflowError):
        return None
    # A bound that is met exactly, as log(abs(x)) meets 0, is no ordinary value; a bound passed is.
    broken = (value < condition.allowed.low) | (value > condition.allowed.high)
    for (_, holds), truth in zip(guards, held, strict=True):
        broken = broken & ((truth != 0) == holds)
    return broken
