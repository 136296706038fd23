"""Interval analysis: every value that a function takes lies in the interval that is claimed for it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from losscompiler.analysis.interval import EVERYTHING, POSITIVE, Interval
from losscompiler.analysis.ranges import domain, ranges
from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.graph.axes import leaf
from losscompiler.graph.build import build
from losscompiler.graph.node import Graph, reachable
from losscompiler.graph.precise import evaluate
from losscompiler.syntax import parse

INF = math.inf


def range_of(formula: str, **known: Interval) -> Interval:
    loss = build(parse(formula)).loss
    return ranges(reachable([loss]), known)[loss.index]


@pytest.mark.parametrize(
    ("formula", "known", "expected"),
    [
        ("exp(-p**2)", {}, Interval(0.0, 1.0, True, False)),
        ("1/(1 + p**2)", {}, Interval(0.0, 1.0, True, False)),
        ("tanh(exp(p))", {}, Interval(0.0, 1.0, True, True)),
        ("max(p, 1e-7)", {}, Interval(1e-7, INF)),
        ("clip(p, 1e-7, 1)", {}, Interval(1e-7, 1.0)),
        ("abs(p) + 1", {}, Interval(1.0, INF)),
        ("p*p", {}, Interval(0.0, INF)),
        ("p - p", {}, Interval(0.0, 0.0)),
        ("where(p > 0, p, 0)", {}, Interval(0.0, INF)),
        ("1 - p", {"p": Interval(0.0, 1.0, True, True)}, Interval(0.0, 1.0, True, True)),
        ("1/p", {"p": POSITIVE}, Interval(0.0, INF, True)),
        ("1/p", {}, EVERYTHING),
        ("sum(exp(p))", {}, Interval(0.0, INF, True)),
        ("mean(sigmoid(p))", {}, Interval(0.0, 1.0, True, True)),
        ("p**0.5", {"p": POSITIVE}, Interval(0.0, INF, True)),
        ("p**-2", {}, Interval(0.0, INF, True)),
        ("polygamma(1, p)", {"p": POSITIVE}, POSITIVE),
    ],
)  # fmt: skip
def test_ranges_by_hand(formula: str, known: dict[str, Interval], expected: Interval) -> None:
    assert range_of(formula, **known) == expected


ELEMENTWISE = [row for row in FUNCTIONS.values() if row.kind is Kind.ELEMENTWISE and not row.inline and row.arguments]
VALUES = (-40.0, -3.0, -1.0, -0.5, 0.0, 0.25, 0.75, 1.0, 2.0, 7.5, 40.0)
SPANS = [
    EVERYTHING,
    POSITIVE,
    Interval(0.0, 1.0),
    Interval(-1.0, 1.0, True, True),
    Interval(1.0, INF),
    Interval(-INF, -0.5),
    Interval(0.25, 7.5),
]


@pytest.mark.parametrize("row", ELEMENTWISE, ids=lambda row: row.name)
def test_no_function_leaves_its_range(row) -> None:
    import mpmath

    graph = Graph()
    node = graph.make(row.name, *(graph.symbol(name, leaf("x")) for name in row.arguments))
    picks = [(value,) * len(row.arguments) for value in VALUES] + [(a, b, 7.5, 2.0)[: len(row.arguments)] for a in VALUES for b in VALUES]
    for span in SPANS:
        known = dict.fromkeys(row.arguments, span) | ({row.whole: Interval(1.0, 1.0)} if row.whole else {})
        claimed = ranges(reachable([node]), known)[node.index]
        for pick in picks:
            if row.whole:
                pick = (1.0, *pick[1:])
            # Ranges speak of arguments in the domain only.
            if not all(known[name].holds(value) for name, value in zip(row.arguments, pick, strict=True)) or not domain(row).holds(
                pick[-1]
            ):
                continue
            (value,) = evaluate([node], {name: mpmath.mpf(x) for name, x in zip(row.arguments, pick, strict=True)})
            number = float(value)
            # A strict end may be met by rounding, as tanh(40) is 1 in any float.
            assert math.isnan(number) or claimed.low - 1e-12 <= number <= claimed.high + 1e-12, (span, pick, number, claimed)


ENDS = st.floats(-5, 5).map(lambda x: round(x, 2))


@settings(max_examples=300, deadline=None)
@given(ENDS, ENDS, ENDS, ENDS, st.floats(0, 1), st.floats(0, 1))
def test_arithmetic_holds_every_result(a: float, b: float, c: float, d: float, s: float, t: float) -> None:
    x, y = Interval(min(a, b), max(a, b)), Interval(min(c, d), max(c, d))
    u, v = x.low + s * (x.high - x.low), y.low + t * (y.high - y.low)

    def holds(interval: Interval, value: float) -> bool:
        return interval.low - 1e-9 <= value <= interval.high + 1e-9

    assert holds(x + y, u + v)
    assert holds(x - y, u - v)
    assert holds(x * y, u * v)
    assert holds(-x, -u)
    assert holds(x.magnitude(), abs(u))
    assert holds(x.join(y), u)
    assert holds(x.join(y), v)
    assert v == 0 or holds(y.inverse(), 1 / v)
    assert not y.holds(u) or x.meet(y).holds(u)
    assert x.apart(y) == (x.high < y.low or y.high < x.low)


def test_open_ends_are_kept_apart_from_closed_ones() -> None:
    assert POSITIVE.positive
    assert not Interval(0.0, INF).positive
    assert POSITIVE.inside(Interval(0.0, INF))
    assert not Interval(0.0, INF).inside(POSITIVE)
    assert POSITIVE.apart(Interval(-1.0, 0.0))
    assert not Interval(0.0, 1.0).apart(Interval(-1.0, 0.0))
    assert (POSITIVE * POSITIVE).positive
    assert not (POSITIVE * Interval(0.0, 1.0)).positive


def test_formulas_stay_in_their_ranges() -> None:
    random = np.random.default_rng(3)
    for formula in (
        "sum(softmax(p)*abs(y))",
        "norm(p) + max(y)",
        "mean((p - y)**2) - 1",
        "logsumexp(p) - max(p)",
        "cumsum(exp(p))",
        "prod(abs(p))",
    ):
        loss = build(parse(formula)).loss
        claimed = ranges(reachable([loss]), {})[loss.index]
        values = {name: random.normal(size=(5, 3)).astype(object) for name in ("p", "y")}
        got = np.asarray(evaluate([loss], values)[0], dtype=float)
        assert (got >= claimed.low).all()
        assert (got <= claimed.high).all()
