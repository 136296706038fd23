"""Which array is which: by name, by position, and what is said if neither works."""

from __future__ import annotations

import pytest

import losscompiler as lc
from losscompiler.errors import ArgumentError
from losscompiler.training.matching import bare, match_data, without_inputs


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
        (graph(1, 1, 1), "x", "y", "out", "data for the loss's input 'w0' are missing"),
    ],
)
def test_what_does_not_fit_is_said(loss, x, y, out, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        match_data(loss, x, y, out)


def test_the_net_does_not_see_the_losss_inputs() -> None:
    assert without_inputs(graph(1, 1, 1), {"x": 1, "w0": 2}) == {"x": 1}
    assert without_inputs(graph(1, 1, 1), {"x": 1, "w0": 2}, ["w0"]) == {"x": 1, "w0": 2}
    assert without_inputs(graph(1, 1, 1), "x") == "x"
    assert bare({"x": 1}) == bare([1]) == bare((1,)) == bare(1) == 1
