"""Findings about names and about what a loss does not use."""

from __future__ import annotations

from probing import found, symbols


def test_an_undeclared_name_is_a_parameter_and_told_so() -> None:
    (finding,) = found("(y - a*p)**2", "implicit-parameter")
    assert (finding.symbol, finding.severity) == ("a", "warning")
    assert "learnable scalar that starts at 1" in finding.message
    assert "param a = 1" in finding.hint
    assert not found("param a\n(y - a*p)**2", "implicit-parameter")


def test_a_name_to_point_out_is_told_once() -> None:
    assert [one.symbol for one in found("(y - e*p)**2", "name-hazard")] == ["e"]
    assert not found("(y - e*p)**2", "implicit-parameter")


def test_a_cyrillic_twin_of_the_prediction() -> None:
    findings = found("(y - р)**2")
    assert {"name-hazard", "no-prediction"} <= {one.code for one in findings}
    assert any("CYRILLIC" in one.message for one in findings)


def test_many_undeclared_names_are_summed_up() -> None:
    findings = found(" + ".join(f"(a{i} - p)**2" for i in range(100)), "implicit-parameter")
    assert len(findings) == 21
    assert "80 more names" in findings[-1].message


def test_an_unused_definition() -> None:
    (finding,) = found("r = y - p\n(y - p)**2", "unused-definition")
    assert (finding.symbol, finding.lineno, finding.offset) == ("r", 1, 1)
    assert not found("r = y - p\nr**2", "unused-definition")


def test_a_parameter_that_is_not_used() -> None:
    (finding,) = found("param tau > 0 = 1\n(y - p)**2", "no-effect")
    assert (finding.symbol, finding.lineno) == ("tau", 1)


def test_a_parameter_that_no_gradient_reaches() -> None:
    for formula, stop in [("floor(a)*p", "floor(a)"), ("stop_gradient(a)*p", "stop_gradient(a)"), ("where(a > p, p, y)", "a > p")]:
        (finding,) = found(formula, "no-effect")
        assert stop in finding.message
    assert not found("a*p + floor(a)", "no-effect")


def test_unused_data() -> None:
    findings = found("target y, z\nprediction p, q\ninput w\n(y - p)**2", "unused-data")
    assert {one.symbol for one in findings} == {"z", "q", "w"}
    assert {one.severity for one in findings} == {"warning"}


def test_a_prediction_that_only_gives_a_length_is_used() -> None:
    assert symbols("target y\nprediction p, q\nparam w[q] = 1\nsum(w)*(y - p)**2", "unused-data") == set()


def test_a_prediction_without_gradient() -> None:
    (finding,) = found("prediction p, q\n(stop_gradient(q) - p)**2", "unused-data")
    assert (finding.symbol, finding.severity) == ("q", "note")


def test_nothing_to_learn() -> None:
    assert symbols("floor(p) + y", "no-prediction") == {"p"}
    assert symbols("y + 1", "no-prediction") == {""}
    assert not found("p*y", "no-prediction")
