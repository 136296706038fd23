"""Where training starts: on a bound, without a value, without a slope."""

from __future__ import annotations

import pytest
from probing import found, symbols

from losscompiler.graph.parameter import Parameter

BARRON = "b = abs(alpha - 2)\nb/alpha*(((p - y)**2/b + 1)**(alpha/2) - 1)"


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        ("param a = 0\n(y - a**2*p)**2", "a"),
        ("param a = 0\n(y - p)**2 + abs(a)", "a"),
        ("param b = 2\nmean((y - (b - 2)**2*p)**2)", "b"),
        ("param a = pi/2\n(y - sin(a)*p)**2", "a"),
    ],
)
def test_no_slope_at_the_start(formula: str, name: str) -> None:
    (finding,) = found(formula, "vanishing-gradient")
    assert finding.symbol == name
    assert "Start elsewhere" in finding.hint


@pytest.mark.parametrize(
    "formula",
    [
        "param a = 0\n(y - a*p)**2",
        "(y - a**2*p)**2",
        "param d > 0 = 50\nr = abs(y - p)\nr**2/2 if r <= d else d*(r - d/2)",
        "param a = 0\nfloor(a)*p",
    ],
)
def test_a_slope_at_the_start(formula: str) -> None:
    assert not found(formula, "vanishing-gradient")


@pytest.mark.parametrize("alpha", [2, 0])
def test_the_general_robust_loss_has_no_value_at_its_removable_singularities(alpha: int) -> None:
    (finding,) = found(f"param alpha = {alpha}\n{BARRON}", "undefined-start")
    assert finding.symbol == "alpha"
    assert f"alpha = {alpha}" in finding.message


def test_a_gradient_without_a_value() -> None:
    (finding,) = found("param a = 0\n(y - p)**2 + cbrt(a)*p", "undefined-start")
    assert "the gradient by 'a'" in finding.message


def test_a_loss_without_any_value() -> None:
    (finding,) = found("log(-1 - p**2)", "undefined-start")
    assert "no finite value for any data" in finding.message


@pytest.mark.parametrize(
    "formula",
    [
        f"param alpha = 1\n{BARRON}",
        "param a = 1000\nlog(1 + exp(a*p))",
        "y/p",
        "log(p)",
        "param a >= 0 = 0\n(y - p)**2 + sqrt(a)",
        "log(exp(800 + p**2))",
    ],
)
def test_a_value_at_the_start(formula: str) -> None:
    assert not found(formula, "undefined-start")


def test_starting_on_a_closed_bound() -> None:
    (finding,) = found("param a in [0, 2] = 2\n(y - a*p)**2", "initial-on-bound")
    assert (finding.symbol, finding.severity) == ("a", "note")
    assert "its bound 2" in finding.message
    assert not found("param a in [0, 2] = 1.9\n(y - a*p)**2", "initial-on-bound")
    assert symbols("(y - a*p)**2", "initial-on-bound", params={"a": Parameter(0.0, bounds=(0, 1))}) == {"a"}
    assert not symbols("(y - a*p)**2", "initial-on-bound", params={"a": Parameter(0.0, bounds=(0, 1), trainable=False)})
