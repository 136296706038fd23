"""Which values each node of a graph can take, given those of its symbols: interval analysis, operands before users."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from math import inf, isfinite, isnan, log, pi

from losscompiler.analysis.interval import EVERYTHING, POSITIVE, UNIT, Interval
from losscompiler.functions import FUNCTIONS, Function
from losscompiler.graph.node import Node
from losscompiler.graph.precise import Arithmetic, apply

# Monotone functions that reach the ends of their range; the others come close to theirs at infinity only.
_REACHES_ITS_ENDS = ("sqrt", "asin", "acos", "acosh")
_EVEN = {"cosh": 1, "i0": 1, "log_i0": 1, "i0e": -1}
_SAME = ("stop_gradient", "mean", "max", "min", "sort", "flip", "select", "range", "gather", "transpose", "diag", "broadcast_to")
_TOTALS = ("sum", "cumsum", "sum_to")
_NONNEGATIVE = Interval(0.0, inf)
_COMPARISONS = {"lt": (-1, True), "le": (-1, False), "gt": (1, True), "ge": (1, False)}


def ranges(nodes: Iterable[Node], known: Mapping[str, Interval], fixed: Mapping[int, Interval] | None = None) -> dict[int, Interval]:
    """Return the interval of every node.

    Args:
        nodes: the nodes, operands before users.
        known: intervals of symbols; others may have any value.
        fixed: intervals that hold for nodes in the context of interest, by index.
    """
    import mpmath

    found: dict[int, Interval] = {}
    with mpmath.workprec(53):
        ends = _Ends()
        for node in nodes:
            if node.op == "const":
                value = _of_constant(node)
            elif node.op == "symbol":
                value = known.get(node.name, EVERYTHING)
            else:
                value = _of_operation(ends, node, [found[arg.index] for arg in node.args], found)
            if fixed and node.index in fixed:
                value = value.meet(fixed[node.index])
            found[node.index] = value
    return found


class _Ends:
    """Values of functions at ends of intervals, each found once."""

    def __init__(self) -> None:
        self._arithmetic = Arithmetic()
        self._known: dict[tuple[str, tuple[float, ...]], float] = {}

    def at(self, node: Node, *values: float) -> float:
        """Return a function's value; NaN where it has none."""
        key = node.op, values
        if key not in self._known:
            self._known[key] = float(apply(self._arithmetic, node, [self._arithmetic.number(value) for value in values]))
        return self._known[key]


def implied(condition: Node, holds: bool, found: Mapping[int, Interval]) -> dict[int, Interval]:
    """Return the intervals of nodes that follow from a condition that holds, or does not."""
    result: dict[int, Interval] = {}
    stack = [(condition, holds)]
    while stack:
        node, truth = stack.pop()
        if node.op == "not":
            stack.append((node.args[0], not truth))
        elif (node.op == "and" and truth) or (node.op == "or" and not truth):
            stack.extend((arg, truth) for arg in node.args)
        elif node.op in _COMPARISONS:
            direction, strict = _COMPARISONS[node.op]
            x, y = node.args
            if not truth:
                direction, strict = -direction, not strict
            for one, other, way in ((x, y, direction), (y, x, -direction)):
                bound = found.get(other.index, EVERYTHING)
                if way > 0:
                    limit = Interval(bound.low, inf, (strict or bound.low_open) and isfinite(bound.low))
                else:
                    limit = Interval(-inf, bound.high, False, (strict or bound.high_open) and isfinite(bound.high))
                result[one.index] = result.get(one.index, EVERYTHING).meet(limit)
        elif node.op == "eq" and truth:
            x, y = node.args
            both = found.get(x.index, EVERYTHING).meet(found.get(y.index, EVERYTHING))
            result[x.index] = result[y.index] = both
    return result


def _of_constant(node: Node) -> Interval:
    value = node.value
    if not isinstance(value, Fraction):
        number = pi if value == "pi" else inf
    else:
        try:
            number = float(value)
        except OverflowError:
            number = inf if value > 0 else -inf
    return Interval(number, number)


def _of_operation(ends: _Ends, node: Node, args: list[Interval], found: Mapping[int, Interval]) -> Interval:
    row = FUNCTIONS[node.op]
    if row.boolean or node.op in ("number", "eye_like", "one_hot"):
        return UNIT
    rule = _RULES.get(node.op)
    if rule is not None:
        return rule(ends, node, args)
    if node.op == "where":
        return _where(node, args, found)
    if node.op in _SAME:
        return args[0]
    if node.op in _TOTALS:
        return _total(args[0])
    if row.monotone and len(args) == 1:
        return _monotone(ends, node, row, args[0])
    if node.op in _EVEN:
        return _even(ends, node, args[0], _EVEN[node.op])
    if node.op in ("vector", "concat") and args:
        joined = args[0]
        for other in args[1:]:
            joined = joined.join(other)
        return joined
    return Interval(*row.range)


def _reach(row: Function) -> Interval:
    low, high = row.range
    reached = row.name in _REACHES_ITS_ENDS
    return Interval(low, high, not reached and isfinite(low), not reached and isfinite(high))


def _monotone(ends: _Ends, node: Node, row: Function, x: Interval) -> Interval:
    reach = _reach(row)
    if x.apart(domain(row)):
        return reach
    x = x.meet(domain(row))
    at_low, at_high = ends.at(node, x.low), ends.at(node, x.high)
    # At an infinite end a finite limit is only approached.
    low = (reach.low, False) if isnan(at_low) else (at_low, x.low_open or x.low == -inf)
    high = (reach.high, False) if isnan(at_high) else (at_high, x.high_open or x.high == inf)
    if row.monotone < 0:
        low = (reach.low, False) if isnan(at_high) else (at_high, x.high_open or x.high == inf)
        high = (reach.high, False) if isnan(at_low) else (at_low, x.low_open or x.low == -inf)
    return Interval(low[0], high[0], low[1] and isfinite(low[0]), high[1] and isfinite(high[0])).meet(reach)


_BOUND_OF_X = re.compile(r"x (>=?|<=?) (-?[\d.]+)")
"""A condition that bounds x by a number; others speak of several arguments, or leave out a point."""


def domain(row: Function) -> Interval:
    """Return the interval of the argument x that a row's conditions allow."""
    result = EVERYTHING
    for condition in row.domain:
        simple = _BOUND_OF_X.fullmatch(condition)
        if simple is None:
            continue
        symbol, number = simple[1], float(simple[2])
        side = Interval(number, inf, symbol == ">") if symbol[0] == ">" else Interval(-inf, number, False, symbol == "<")
        result = result.meet(side)
    return result


def _even(ends: _Ends, node: Node, x: Interval, direction: int) -> Interval:
    size = x.magnitude()
    near, far = ends.at(node, size.low), ends.at(node, size.high)
    if direction < 0:
        return Interval(0.0 if isnan(far) else far, near, isnan(far) or far == 0)
    return Interval(near, inf if isnan(far) else far)


def _total(x: Interval) -> Interval:
    """Return the interval of a sum of one or more values."""
    return Interval(x.low if x.low >= 0 else -inf, x.high if x.high <= 0 else inf, x.low_open and x.low >= 0, x.high_open and x.high <= 0)


def _where(node: Node, args: list[Interval], found: Mapping[int, Interval]) -> Interval:
    condition, yes, no = node.args
    held = args[1].meet(implied(condition, True, found).get(yes.index, EVERYTHING))
    failed = args[2].meet(implied(condition, False, found).get(no.index, EVERYTHING))
    return held.join(failed)


def _mul(ends: _Ends, node: Node, args: list[Interval]) -> Interval:
    x, y = args
    if node.args[0] is node.args[1]:
        size = x.magnitude()
        return size * size
    return x * y


def _div(ends: _Ends, node: Node, args: list[Interval]) -> Interval:
    return Interval(1.0, 1.0) if node.args[0] is node.args[1] else args[0] * args[1].inverse()


def _sub(ends: _Ends, node: Node, args: list[Interval]) -> Interval:
    return Interval(0.0, 0.0) if node.args[0] is node.args[1] else args[0] - args[1]


def _pow(ends: _Ends, node: Node, args: list[Interval]) -> Interval:
    base, exponent = args
    if exponent.low == exponent.high and isfinite(exponent.low):
        power = exponent.low
        if power == int(power) and int(power) % 2 == 0:
            base = base.magnitude()
        if power < 0:
            return _raised(base, -power).inverse()
        return _raised(base, power)
    if base.low < 0:
        return EVERYTHING
    low = 1.0 if base.low >= 1 and exponent.low >= 0 else 0.0
    high = 1.0 if base.high <= 1 and exponent.low >= 0 else inf
    return Interval(low, high, low == 0 and base.positive)


def _raised(base: Interval, power: float) -> Interval:
    """Return base**power for a power >= 0 that is whole where the base may be negative."""
    if base.low < 0 and power != int(power):
        return EVERYTHING

    def end(value: float) -> float:
        try:
            return float(value**power)
        except OverflowError:
            return inf if value > 0 or int(power) % 2 == 0 else -inf

    low, high = end(base.low), end(base.high)
    return Interval(low, high, base.low_open and isfinite(low), base.high_open and isfinite(high))


def _both_rising(ends: _Ends, node: Node, args: list[Interval]) -> Interval:
    """Return the interval of a function that rises with each of its two arguments."""
    x, y = (arg.magnitude() for arg in args) if node.op == "hypot" else args
    low, high = ends.at(node, x.low, y.low), ends.at(node, x.high, y.high)
    low = -inf if isnan(low) else low
    # The larger of two values stays above an open end only if its owner does.
    opened = {"maximum": x.low_open if x.low > y.low else y.low_open if y.low > x.low else x.low_open or y.low_open}
    opened_high = {"minimum": x.high_open if x.high < y.high else y.high_open if y.high < x.high else x.high_open or y.high_open}
    return Interval(low, inf if isnan(high) else high, opened.get(node.op, False), opened_high.get(node.op, False))


def _clip(ends: _Ends, node: Node, args: list[Interval]) -> Interval:
    x, low, high = args
    return Interval(min(max(x.low, low.low), high.low), min(max(x.high, low.high), high.high))


def _sign(ends: _Ends, node: Node, args: list[Interval]) -> Interval:
    (x,) = args
    return Interval(1.0 if x.positive else 0.0 if x.low >= 0 else -1.0, -1.0 if x.negative else 0.0 if x.high <= 0 else 1.0)


def _sized(low: float, high: float) -> Callable[[_Ends, Node, list[Interval]], Interval]:
    return lambda ends, node, args: Interval(low, high)


_RULES: dict[str, Callable[[_Ends, Node, list[Interval]], Interval]] = {
    "add": lambda ends, node, args: args[0] + args[1], "sub": _sub, "mul": _mul, "div": _div, "pow": _pow,
    "neg": lambda ends, node, args: -args[0], "abs": lambda ends, node, args: args[0].magnitude(),
    "relu": lambda ends, node, args: Interval(max(args[0].low, 0.0), max(args[0].high, 0.0)),
    "sign": _sign, "abs_slope": _sign,
    "maximum": _both_rising, "minimum": _both_rising, "logaddexp": _both_rising, "hypot": _both_rising, "clip": _clip,
    "xlogy": lambda ends, node, args: Interval(0.0, 0.0).join(args[0] * Interval(*_log_ends(args[1]))),
    # The smallest value of lgamma on x > 0 is -0.12149 at 1.46163; Abramowitz & Stegun 6.1.
    "lgamma": _sized(-0.1214863, inf),
    "polygamma": lambda ends, node, args: _of_polygamma(args[0]),
    "count": _sized(1.0, inf), "softmax": lambda ends, node, args: Interval(0.0, 1.0, True),
    "log_softmax": _sized(-inf, 0.0), "logsumexp": lambda ends, node, args: Interval(args[0].low, inf),
    "prod": lambda ends, node, args: _NONNEGATIVE if args[0].low >= 0 else EVERYTHING,
    "norm": lambda ends, node, args: Interval(args[0].magnitude().low, inf, args[0].magnitude().positive),
    "matmul": lambda ends, node, args: _total(args[0] * args[1]),
    "triu": lambda ends, node, args: args[0].join(Interval(0.0, 0.0)),
    "tril": lambda ends, node, args: args[0].join(Interval(0.0, 0.0)),
    "unselect": lambda ends, node, args: args[0].join(Interval(0.0, 0.0)),
    "gather_adjoint": lambda ends, node, args: _total(args[0]).join(Interval(0.0, 0.0)),
}  # fmt: skip


def _of_polygamma(order: Interval) -> Interval:
    """Return the interval of a derivative of digamma, whose sign alternates with the order."""
    if order.low != order.high or order.low == 0:
        return EVERYTHING
    return POSITIVE if order.low % 2 == 1 else -POSITIVE


def _log_ends(x: Interval) -> tuple[float, float]:
    low = log(x.low) if x.low > 0 else -inf
    return low, log(x.high) if 0 < x.high < inf else inf
