"""Domains: what a loss asks of its data and parameters, symbol by symbol."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from losscompiler.analysis.conditions import Condition, Guards, Judge, conditions, guards_of, solved
from losscompiler.analysis.interval import EVERYTHING, Interval
from losscompiler.analysis.ranges import ranges
from losscompiler.analysis.study import Study
from losscompiler.graph.node import Node, reachable
from losscompiler.graph.parameter import Parameter, flat


@dataclass
class Wish:
    """An interval that a symbol, or one element of its last axis, must lie in.

    Attributes:
        place: the symbol or selection.
        interval: where it must lie.
        askers: the functions that ask for it.
        always: whether it must hold wherever the loss is evaluated, not under a choice only.
        mild: whether only powers ask for it.
    """

    place: Node
    interval: Interval
    askers: list[Node] = field(default_factory=list)
    always: bool = False
    mild: bool = True

    @property
    def name(self) -> str:
        """The symbol's name."""
        return (self.place if self.place.op == "symbol" else self.place.args[0]).name


@dataclass(frozen=True)
class Domains:
    """What is asked of symbols, and what could not be traced back to one.

    Attributes:
        known: ranges of symbols that are given: bounds of parameters, arrays of constants.
        wishes: what must hold of single symbols, by the index of the place.
        open: conditions on whole expressions that are not certain.
        zeros: divisions whose denominator may be 0.
    """

    known: dict[str, Interval]
    wishes: dict[int, Wish]
    open: tuple[Condition, ...]
    zeros: tuple[Condition, ...]

    @property
    def facts(self) -> dict[int, Interval]:
        """Ranges of places that hold wherever the loss has a value, by index."""
        return {index: wish.interval for index, wish in self.wishes.items() if wish.always}

    def span_of(self, name: str) -> Interval:
        """Return the interval that a symbol is meant to lie in, conditions under choices included."""
        span = self.known.get(name, EVERYTHING)
        for wish in self.wishes.values():
            if wish.name == name:
                span = span.meet(wish.interval)
        return span


def interval_of(parameter: Parameter) -> Interval:
    """Return the values that a parameter takes: strictly inside its bounds in training, its initial ones without."""
    if not parameter.trainable:
        values = flat(parameter.init)
        return Interval(min(values), max(values))
    lower, upper = parameter.bounds
    return Interval(-inf if lower is None else lower, inf if upper is None else upper, lower is not None, upper is not None)


def settle(study: Study) -> Domains:
    """Find what a loss asks of its symbols."""
    known = {name: interval_of(parameter) for name, parameter in study.parameters.items()}
    arrays = {name: value for name, value in study.given.constants.items() if getattr(value, "size", 0)}
    known |= {name: Interval(float(array.min()), float(array.max())) for name, array in arrays.items()}
    judge = Judge(study.nodes, known)
    asked = conditions(study.nodes, guards_of(study.loss, study.nodes), judge.ranges)
    uncertain = [condition for condition in asked if not judge.certain(condition)]
    wishes: dict[int, Wish] = {}
    left: list[Condition] = []
    for condition in uncertain:
        if condition.allowed is None or not _wish(condition, judge, wishes):
            left.append(condition)
    facts = {index: wish.interval for index, wish in wishes.items() if wish.always}
    after = ranges(study.nodes, known, facts)
    left = [condition for condition in left if not _settled(condition, after) and not _guarded(condition)]
    left = [condition for condition in left if condition.allowed is not None or _may_vanish(condition.operand, wishes)]
    return Domains(
        known, wishes, tuple(condition for condition in left if condition.allowed is not None),
        tuple(condition for condition in left if condition.allowed is None),
    )  # fmt: skip


def _settled(condition: Condition, found: dict[int, Interval]) -> bool:
    value = found[condition.operand.index]
    return not value.holds(0.0) if condition.allowed is None else value.inside(condition.allowed)


def _may_vanish(operand: Node, wishes: dict[int, Wish]) -> bool:
    """Tell whether a denominator is worth a word: not if another condition keeps it from 0, nor if it only counts elements."""
    wish = wishes.get(operand.index)
    if wish is not None and not wish.interval.holds(0.0):
        return False
    stack = [operand]
    while stack:
        node = stack.pop()
        if node.op == "symbol":
            return True
        stack.extend(() if node.op == "count" else node.args)
    return False


def _names(*roots: Node) -> set[str]:
    return {node.name for node in reachable(roots) if node.op == "symbol"}


def _guarded(condition: Condition) -> bool:
    """Tell whether a choice around a condition is made by what the condition is about; then it is taken to be met."""
    return bool(condition.guards) and bool(_names(condition.operand) & _names(*(guard for guard, _ in condition.guards)))


def _wish(condition: Condition, judge: Judge, wishes: dict[int, Wish]) -> bool:
    """Record what a condition asks of single symbols; ``False`` if it cannot be said."""
    assert condition.allowed is not None
    around = judge.around(condition)
    if around is None:
        return False
    parts = solved(condition.operand, condition.allowed, around)
    if parts is None:
        return False
    settled_by_guard = judge.implied_by(condition.guards)
    for place, interval in parts:
        if around[place.index].inside(interval):
            continue
        if condition.guards and place.index not in settled_by_guard and _names(place) & _guard_names(condition.guards):
            continue
        wish = wishes.setdefault(place.index, Wish(place, interval))
        wish.interval = wish.interval.meet(interval)
        wish.askers.append(condition.node)
        wish.always |= not condition.guards
        wish.mild &= condition.mild
    return True


def _guard_names(guards: Guards) -> set[str]:
    return _names(*(guard for guard, _ in guards))
