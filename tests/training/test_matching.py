"""Which array is which: by name, by position, and what is said if neither works."""

from __future__ import annotations

import pytest

import losscompiler as lc
from losscompiler.errors import ArgumentError
from losscompiler.training.matching import inputs_beside_y, match_data, metric_targets, split_x


def graph(targets: int = 1, predictions: int = 1, inputs: int = 0):
    names = [f"{role}{i}" for role, n in (("t", targets), ("p", predictions), ("w", inputs)) for i in range(n)]
    roles = [[name for name in names if name[0] == role] for role in "tpw"]
    loss = lc.compile_loss(" + ".join(names), targets=roles[0], predictions=roles[1], inputs=roles[2], findings="ignore")
    return loss.graph


def test_one_of_each() -> None:
    assert match_data(graph(), "x", "y", "out") == {"t0": "y", "p0": "out"}
    assert match_data(graph(), "x", ["y"], ["out"]) == {"t0": "y", "p0": "out"}
    assert match_data(graph(), "x", {"t0": "y", "other": "z"}, {"any": "out"}) == {"t0": "y", "p0": "out"}


def test_several_by_position() -> None:
    assert match_data(graph(2, 2), "x", ("a", "b"), ["c", "d"]) == {"t0": "a", "t1": "b", "p0": "c", "p1": "d"}


def test_several_by_name() -> None:
    found = match_data(graph(2, 2), "x", {"t1": "b", "t0": "a"}, {"p1": "d", "p0": "c", "p2": "e"})
    assert found == {"t0": "a", "t1": "b", "p0": "c", "p1": "d"}


def test_outputs_by_their_names_if_all_are_known() -> None:
    assert match_data(graph(0, 2), "x", None, ["c", "d"], ["p1", "p0"]) == {"p0": "d", "p1": "c"}
    assert match_data(graph(0, 2), "x", None, ["c", "d"], ["p1", "dense"]) == {"p0": "c", "p1": "d"}


def test_inputs_come_from_x_or_y() -> None:
    assert match_data(graph(1, 1, 1), {"x": "x", "w0": "w"}, "y", "out")["w0"] == "w"
    assert match_data(graph(1, 1, 1), "x", {"t0": "y", "w0": "w"}, "out")["w0"] == "w"


@pytest.mark.parametrize(
    ("loss", "x", "y", "out", "message"),
    [
        (graph(), "x", None, "out", "the loss has the target t0, but there is no y"),
        (graph(2), "x", "y", "out", "y is one array. Pass a tuple"),
        (graph(2), "x", ("y",), "out", "has 2 targets .t0, t1., but y has 1 arrays"),
        (graph(), "x", {"z": "y"}, "out", "no entry for the target 't0'; it has z"),
        (graph(1, 2), "x", "y", "out", "the net has one output. Let the net return a dictionary"),
        (graph(1, 2), "x", "y", ["a", "b", "c"], "the net has 3 outputs"),
        (graph(1, 2), "x", "y", {"p0": "a", "q": "b"}, "the net has no output 'p1'; it has p0, q"),
        (graph(1, 1, 1), "x", "y", "out", "data for the loss's input 'w0' are missing. Pass"),
        (graph(1, 1, 1), {"x": "x", "w": "w"}, {"t0": "y"}, "out", "input 'w0' are missing: x has x, w and y has t0. Pass"),
    ],
)
def test_what_does_not_fit_is_said(loss, x, y, out, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        match_data(loss, x, y, out)


@pytest.mark.parametrize(
    ("x", "net_inputs", "expected"),
    [
        ("x", None, ("x", {})),
        ({"x": 1, "w0": 2}, ["x"], (1, {"w0": 2})),
        ({"x": 1, "w0": 2}, None, (1, {"w0": 2})),
        ({"x": 1, "z": 3, "w0": 2}, None, ({"x": 1, "z": 3}, {"w0": 2})),
        ({"x": 1, "w0": 2}, ["x", "w0"], ({"x": 1, "w0": 2}, {"w0": 2})),
        ((1, 2), ["x"], (1, {"w0": 2})),
        ((1, 2), None, (1, {"w0": 2})),
        ((1, 3, 2), None, ((1, 3), {"w0": 2})),
        ((1, 2), ["x", "z"], ((1, 2), {})),
        ((1,), None, ((1,), {})),
    ],
)
def test_the_net_does_not_see_the_losss_inputs(x, net_inputs, expected) -> None:
    assert split_x(graph(1, 1, 1), x, net_inputs) == expected
    assert split_x(graph(), x, net_inputs) == (x, {})


def test_inputs_of_a_tuple_are_named_beside_y() -> None:
    loss = graph(1, 1, 2)
    assert inputs_beside_y(loss, ("x", "a", "b"), "y", None) == ("x", {"t0": "y", "w0": "a", "w1": "b"})
    assert inputs_beside_y(loss, ("x", "z"), {"t0": "y", "w0": "a", "w1": "b"}, None) == (("x", "z"), {"t0": "y", "w0": "a", "w1": "b"})
    assert inputs_beside_y(graph(0, 1, 1), ("x", "a"), None, None) == ("x", {"w0": "a"})


@pytest.mark.parametrize(
    ("loss", "y", "out", "names", "expected"),
    [
        (graph(), "y", "out", [], "y"),
        (graph(), {"t0": "y", "w0": "w"}, "out", [], "y"),
        (graph(), {"t0": "y", "head": "z"}, "out", ["head"], "z"),
        (graph(2), ("a", "b"), "out", [], "a"),
        (graph(2), {"t1": "b", "t0": "a"}, "out", [], "a"),
        (graph(1, 2), "y", ["c", "d"], [], ["y", "y"]),
        (graph(1, 2), {"t0": "y"}, {"p1": "d", "p0": "c"}, [], {"p1": "y", "p0": "y"}),
        (graph(2, 2), {"t1": "b", "t0": "a"}, {"p1": "d", "p0": "c", "q": "e"}, [], {"p1": "b", "p0": "a", "q": None}),
        (graph(2, 2), ("a", "b"), ["d", "c"], ["p1", "p0"], ["b", "a"]),
        (graph(2, 3), {"t0": "a", "t1": "b", "p2": "z"}, ["c", "d", "e"], ["p0", "p1", "p2"], [None, None, "z"]),
        (graph(0, 1, 1), {"w0": "w"}, "out", [], None),
        (graph(0, 1, 1), {"w0": "w", "y": "y"}, "out", [], {"y": "y"}),
    ],
)
def test_what_metrics_compare(loss, y, out, names, expected) -> None:
    assert metric_targets(loss, y, out, names) == expected


def test_metrics_that_could_compare_anything_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"metrics of 3 predictions \(p0, p1, p2\) and 2 targets \(t0, t1\): which belong"):
        metric_targets(graph(2, 3), ("a", "b"), ["c", "d", "e"])
