"""Domains: what is asked of predictions, parameters and data, and what choices and clips make sure of."""

from __future__ import annotations

import pytest
from probing import found

from losscompiler.graph.parameter import Parameter


@pytest.mark.parametrize(
    ("formula", "needs", "activation"),
    [
        ("log(p)", "log(p) needs p > 0", "softplus or exp"),
        ("log(p + 1e-7)", "p > -1e-7", "softplus, exp or relu"),
        ("sqrt(p)", "p >= 0", "softplus, exp or relu"),
        ("-(y*log(p) + (1 - y)*log(1 - p))", "log(p) and log(1 - p) need 0 < p < 1", "sigmoid"),
        ("xlogy(y, p)", "p > 0", "softplus or exp"),
        ("atanh(p)", "-1 < p < 1", "tanh"),
        ("sqrt(1 - p**2)", "-1 <= p <= 1", "tanh"),
        ("acosh(p)", "p >= 1", "1 + softplus(...)"),
        ("log(3 - p)", "p < 3", "3 - softplus(...)"),
        ("log(p - 2) + log(5 - p)", "2 < p < 5", "2 + 3*sigmoid(...)"),
        ("log(1 - exp(p))", "p < 0", "-softplus(...)"),
        ("log(2*p + 4)", "p > -2", "-2 + softplus(...)"),
        ("lgamma(p)", "p > 0", "softplus or exp"),
        ("log(p[0]) + p[1]", "log(p[0]) needs p[0] > 0", "softplus or exp"),
        ("where(y > 0, y*log(y/p), 0)", "log(y/p) needs p > 0", "softplus or exp"),
    ],
)  # fmt: skip
def test_a_prediction_may_leave_the_domain(formula: str, needs: str, activation: str) -> None:
    (finding,) = [one for one in found(formula, "domain") if one.severity == "warning"]
    assert finding.symbol == "p"
    assert needs in finding.message
    assert f"activation {activation}" in finding.hint


@pytest.mark.parametrize(
    "formula",
    [
        "log(softplus(p))", "log(1 + exp(p))", "log(max(p, 1e-7))", "log(clip(p, 1e-7, 1 - 1e-7)) + log(1 - clip(p, 1e-7, 1 - 1e-7))",
        "log(softmax(p))", "log(sigmoid(p)) + log(1 - sigmoid(p))", "where(p > 0, log(p), 0)", "log(p) if p > 0 else p",
        "sqrt((y - p)**2 + 1)",
        "0 if abs(p - y) >= 1 else log(1 - abs(p - y))", "log(cosh(p))", "sqrt(sum((y - p)**2))", "log(p**2 + 1)", "p**2", "exp(p)**0.5",
        "log(tanh(exp(p)))", "where(p > 0 and y > 0, log(p/y), 0)", "log(abs(p) + y**2 + 1e-7)", "1/(1 + p**2)",
        "m = stop_gradient(max(p))\ne = exp(p - m)\nlog(sum(e) - cumsum(e) + e)", "p/max(norm(p), 1e-12)",
    ],
)  # fmt: skip
def test_what_is_certain_is_not_mentioned(formula: str) -> None:
    assert not found(formula, "domain")


def test_one_finding_a_symbol_and_condition() -> None:
    assert len(found("log(p) + p*log(p) + log(p)**2", "domain")) == 1


def test_demands_on_data_are_notes() -> None:
    (finding,) = found("(log(y) - p)**2", "domain")
    assert (finding.symbol, finding.severity) == ("y", "note")
    assert "log(y) needs y > 0" in finding.message


def test_a_free_parameter_is_told_its_bounds() -> None:
    (finding,) = [one for one in found("log(a) + (y - a*p)**2", "domain") if one.symbol == "a"]
    assert finding.severity == "warning"
    assert "param a > 0" in finding.hint


@pytest.mark.parametrize("bounds", [(0, None), (0, 1), (2, 3)])
def test_bounds_prove_a_condition(bounds) -> None:
    assert not found("log(a)*p + 1/a", "domain", params={"a": Parameter(bounds=bounds)})


@pytest.mark.parametrize(
    ("formula", "what"),
    [
        ("y/p", "divides by p"),
        ("p**-2", "divides by p"),
        ("p/sum(p)", "divides by sum(p)"),
        ("p**0.5", "p**0.5 needs p >= 0"),
        ("p**g", "p**g needs p > 0"),
    ],
)
def test_division_and_powers_are_notes(formula: str, what: str) -> None:
    findings = [one for one in found(formula, "domain") if what in one.message]
    assert [one.severity for one in findings] == ["note"]


def test_a_condition_on_an_expression_needs_a_witness() -> None:
    (finding,) = found("param xi > 0 = 0.5\nlog1p(xi*(y - p))", "domain")
    assert finding.severity == "warning"
    assert "xi*(y - p) > -1" in finding.message
    # Here every value of e above 0 and every y fulfils it, which intervals alone cannot see.
    assert not found("e = exp(p)\nlog((1 + e)/(2 + e) - 1/4)", "domain")


def test_demands_that_the_data_alone_decide_are_notes() -> None:
    (finding,) = found("target lo, hi\nlog(ndtr(hi - p) - ndtr(lo - p))", "domain")
    assert finding.severity == "note"


def test_the_place_is_the_function() -> None:
    (finding,) = found("r = y - 1\nr**2 + log(p)", "domain")
    assert (finding.lineno, finding.offset) == (2, 8)
    assert "^^^^^^" in finding.excerpt
