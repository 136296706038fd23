"""What a loss asks of the arguments of its functions, and what of that is certain."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import inf, isfinite

from losscompiler.analysis.interval import POSITIVE, Interval
from losscompiler.analysis.ranges import implied, ranges
from losscompiler.functions import FUNCTIONS
from losscompiler.graph.node import Node, reachable

Guards = frozenset[tuple[Node, bool]]
"""Conditions of the choices around a node, with whether each holds there."""

_NOT_NEGATIVE = Interval(0.0, inf)
_THROUGH = ("sort", "flip", "transpose", "broadcast_to", "stop_gradient", "gather")
_MOST_STEPS = 200_000
"""Nodes that are gone through again because of guards; beyond them a guarded condition counts as met."""


@dataclass(frozen=True)
class Condition:
    """An argument must lie in an interval, or must not be 0.

    Attributes:
        node: the function that asks.
        operand: its argument.
        allowed: where the argument must lie; ``None`` if it must only not be 0.
        guards: the choices around the function.
        mild: whether breaking it is worth a note only (powers whose base may be negative, division).
    """

    node: Node
    operand: Node
    allowed: Interval | None
    guards: Guards
    mild: bool = False


def guards_of(root: Node, nodes: Iterable[Node]) -> dict[int, Guards]:
    """Return for each node the conditions that hold wherever it counts: a branch not taken contributes nothing."""
    found: dict[int, Guards] = {root.index: frozenset()}
    for node in reversed(list(nodes)):
        here = found[node.index]
        for position, arg in enumerate(node.args):
            there = here | {(node.args[0], position == 1)} if node.op == "where" and position > 0 else here
            found[arg.index] = found[arg.index] & there if arg.index in found else there
    return found


def conditions(nodes: Iterable[Node], guards: Mapping[int, Guards], found: Mapping[int, Interval]) -> list[Condition]:
    """Return what every function below asks of its arguments, given the ranges of nodes."""
    asked: list[Condition] = []
    for node in nodes:
        if node.op == "pow" and not node.constant:
            asked += _asked_by_power(node, guards[node.index], found[node.args[1].index])
        elif node.args and not node.constant:
            asked += _asked(node, guards[node.index])
    return asked


def _asked(node: Node, guards: Guards) -> Iterable[Condition]:
    row = FUNCTIONS[node.op]
    for text in row.domain:
        name, symbol, rest = text.split(" ", 2)
        operand = node.args[row.arguments.index(name)]
        if symbol == "!=":
            if " or " not in rest:
                yield Condition(node, operand, None, guards, mild=True)
            continue
        if rest.removeprefix("-") in row.arguments:
            continue  # about two arguments together
        bound = float(rest.split(" ")[0])
        strict = symbol in "<>"
        allowed = Interval(bound, inf, strict) if symbol[0] == ">" else Interval(-inf, bound, False, strict)
        yield Condition(node, operand, allowed, guards)


def _asked_by_power(node: Node, guards: Guards, exponent: Interval) -> Iterable[Condition]:
    base = node.args[0]
    value = node.args[1].value if node.args[1].op == "const" else None
    if isinstance(value, Fraction) and value.denominator == 1:
        if value < 0:
            yield Condition(node, base, None, guards, mild=True)
        return
    yield Condition(node, base, _NOT_NEGATIVE if exponent.positive else POSITIVE, guards, mild=True)


class Judge:
    """Says which conditions are certain, given the ranges of symbols."""

    def __init__(self, nodes: Iterable[Node], known: Mapping[str, Interval]) -> None:
        self.known = known
        self.ranges = ranges(nodes, known)
        self._steps = 0

    def implied_by(self, guards: Guards) -> dict[int, Interval]:
        """Return what guards say about nodes."""
        result: dict[int, Interval] = {}
        for condition, holds in guards:
            for index, interval in implied(condition, holds, self.ranges).items():
                result[index] = result[index].meet(interval) if index in result else interval
        return result

    def around(self, condition: Condition) -> Mapping[int, Interval] | None:
        """Return the ranges of what is below a condition's operand where its guards hold; ``None`` if that is too much work."""
        fixed = self.implied_by(condition.guards) if condition.guards else {}
        if not fixed:
            return self.ranges
        below = reachable([condition.operand])
        self._steps += len(below)
        return None if self._steps > _MOST_STEPS else ranges(below, self.known, fixed)

    def certain(self, condition: Condition) -> bool:
        """Tell whether a condition always holds."""
        here = self.around(condition)
        if here is None:
            return True
        value = here[condition.operand.index]
        return not value.holds(0.0) if condition.allowed is None else value.inside(condition.allowed)


def solved(node: Node, allowed: Interval, found: Mapping[int, Interval]) -> list[tuple[Node, Interval]] | None:
    """Say what must hold of single symbols (or their elements p[0]) so that a node lies in an interval.

    Returns:
        (symbol or selection, interval) pairs that together suffice; ``None`` if there is no such answer. A product of two
        values of unknown sign is taken as one of two positive values, as ``log(y/p)`` is meant.
    """
    result: list[tuple[Node, Interval]] = []
    stack = [(node, allowed)]
    while stack:
        here, wanted = stack.pop()
        if here.constant:
            continue
        if here.op == "symbol" or (here.op in ("select", "range") and here.args[0].op == "symbol"):
            result.append((here, wanted))
            continue
        step = _INVERSES.get(here.op)
        parts = step(here, wanted, found) if step is not None else None
        if parts is None:
            return None
        stack.extend(parts)
    return result


Parts = list[tuple[Node, Interval]] | None


def _fixed(node: Node, found: Mapping[int, Interval]) -> float | None:
    value = found[node.index]
    return value.low if value.low == value.high and isfinite(value.low) else None


def _from_add(node: Node, wanted: Interval, found: Mapping[int, Interval]) -> Parts:
    x, y = node.args
    for one, other in ((x, y), (y, x)):
        shift = _fixed(other, found)
        if shift is not None:
            return [(one, wanted - Interval(shift, shift))]
    return None


def _from_sub(node: Node, wanted: Interval, found: Mapping[int, Interval]) -> Parts:
    x, y = node.args
    shift = _fixed(y, found)
    if shift is not None:
        return [(x, wanted + Interval(shift, shift))]
    shift = _fixed(x, found)
    return None if shift is None else [(y, Interval(shift, shift) - wanted)]


def _sign_wanted(wanted: Interval) -> int:
    """Return +1 or -1 if all that is wanted is a sign (0 may be wanted too), else 0."""
    if wanted.low == 0 and wanted.high == inf:
        return 1
    return -1 if wanted.high == 0 and wanted.low == -inf else 0


def _from_product(node: Node, wanted: Interval, found: Mapping[int, Interval]) -> Parts:
    x, y = node.args
    divides = node.op == "div"
    for one, other in ((x, y), (y, x)):
        factor = _fixed(other, found)
        if factor and not (divides and other is x):
            scale = Interval(factor, factor)
            return [(one, wanted * (scale if divides else scale.inverse()))]
    sign = _sign_wanted(wanted)
    if not sign:
        return None
    for one, other in ((x, y), (y, x)):
        given = found[other.index].sign
        if given:
            return [(one, wanted if given > 0 else -wanted)]
    if sign < 0:
        return None
    opened = wanted.low_open or divides
    return [(x, wanted), (y, Interval(0.0, inf, opened))]


def _from_power(node: Node, wanted: Interval, found: Mapping[int, Interval]) -> Parts:
    base, exponent = node.args
    power = _fixed(exponent, found)
    if power is None or power <= 0:
        return None
    if power % 2 == 0:
        return _from_size(base, wanted, lambda value: value ** (1 / power))
    if _sign_wanted(wanted):
        return [(base, wanted)]
    return None


def _from_size(x: Node, wanted: Interval, inverse: Callable[[float], float]) -> Parts:
    """Solve for x where an even function of x that rises with its size is wanted below a bound."""
    if wanted.low > 0 or (wanted.low == 0 and wanted.low_open) or not 0 < wanted.high < inf:
        return None
    bound = inverse(wanted.high)
    return [(x, Interval(-bound, bound, wanted.high_open, wanted.high_open))]


def _from_rising(inverse: Callable[[float], float], low: float, high: float) -> Callable[[Node, Interval, Mapping[int, Interval]], Parts]:
    """Return the step through a rising function with values between ``low`` and ``high``."""

    def step(node: Node, wanted: Interval, found: Mapping[int, Interval]) -> Parts:
        if wanted.low >= high or wanted.high <= low:
            return None
        try:
            start = -inf if wanted.low <= low else inverse(wanted.low)
            end = inf if wanted.high >= high else inverse(wanted.high)
        except OverflowError:
            return None
        return [(node.args[0], Interval(start, end, wanted.low_open and isfinite(start), wanted.high_open and isfinite(end)))]

    return step


_INVERSES: dict[str, Callable[[Node, Interval, Mapping[int, Interval]], Parts]] = {
    "add": _from_add, "sub": _from_sub, "mul": _from_product, "div": _from_product, "pow": _from_power,
    "neg": lambda node, wanted, found: [(node.args[0], -wanted)],
    "abs": lambda node, wanted, found: _from_size(node.args[0], wanted, float),
    "relu": lambda node, wanted, found: [(node.args[0], wanted)] if wanted.positive else None,
    "exp": _from_rising(math.log, 0.0, inf), "expm1": _from_rising(math.log1p, -1.0, inf), "log": _from_rising(math.exp, -inf, inf),
    "log1p": _from_rising(math.expm1, -inf, inf), "sinh": _from_rising(math.asinh, -inf, inf), "tanh": _from_rising(math.atanh, -1.0, 1.0),
    "sqrt": _from_rising(lambda value: value * value, 0.0, inf), "asinh": _from_rising(math.sinh, -inf, inf),
    "sigmoid": _from_rising(lambda value: math.log(value / (1 - value)), 0.0, 1.0), "cbrt": _from_rising(lambda value: value**3, -inf, inf),
    **{op: lambda node, wanted, found: [(node.args[0], wanted)] for op in _THROUGH},
}  # fmt: skip
