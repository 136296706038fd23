"""Kinks in predictions and parameters, and functions that pass over theirs smoothly."""

from __future__ import annotations

import pytest
from probing import found


@pytest.mark.parametrize(
    ("formula", "where", "convention"),
    [
        ("abs(y - p)", "the derivative of abs(y - p) jumps where y == p", "the derivative at 0 is 0"),
        ("max(0, 1 - y*p)", "jumps where 1 == y*p", "the gradient goes to 0"),
        ("relu(p)", "jumps where p == 0", "the derivative at 0 is 0"),
        ("min(p, y)", "jumps where p == y", "the gradient goes to p"),
        ("clip(p, 0, 1)**2", "jumps where p == 1", "the gradient goes to p"),
        ("0 if p*y > 1 else 1 - p*y", "jumps where p*y == 1", "the branch that the condition chooses"),
        ("p + 1 if p > 0 else p", "p + 1 if p > 0 else p jumps where p == 0", "the branch that the condition chooses"),
        ("(p > 0)*(p + 1)", "p > 0 jumps where p == 0", "a comparison passes no gradient"),
        ("floor(p)*p", "floor(p) jumps where p passes a whole number", "no gradient passes"),
        ("max(p)", "jumps where elements tie", "ties share the gradient"),
        ("norm(y - p)", "jumps where y == p", "the derivative at 0 is 0"),
        ("hypot(p, y)", "jumps where p == 0 and y == 0", "(0, 0)"),
        ("max(p, 100)", "jumps where p == 100", "the gradient goes to p"),
        ("(y - p)**2 + abs(a - 2)", "jumps where a == 2", "the derivative at 0 is 0"),
        ("param q in (0, 1)\nu = y - p\nmax(q*u, (q - 1)*u)", "jumps where", "goes to q*(y - p)"),
    ],
)
def test_kink(formula: str, where: str, convention: str) -> None:
    (finding,) = found(formula, "kink")
    assert where in finding.message
    assert convention in finding.hint
    assert finding.severity == "note"


@pytest.mark.parametrize(
    "formula",
    [
        "(y - p)**2",
        "abs(y - p)**2",  # the square is smooth
        "max(0, 1 - y*p)**2",
        "abs(exp(p))",  # never at the kink
        "relu(exp(p))",
        "max(p**2 + 1, 0)",
        "r = abs(y - p)\nr**2/2 if r < 1 else r - 1/2",  # Huber's pieces meet smoothly
        "param tau in (0, 1)\nabs(tau - (y - p < 0))*(y - p)**2",  # expectiles
        "abs(y)*p",  # a kink of data alone
        "where(y > 0, p, p**2)",
        "hypot(y - p, 0)**2",
        "abs(stop_gradient(p))*p**2",
    ],
)
def test_no_kink(formula: str) -> None:
    assert not found(formula, "kink")


def test_many_kinks_are_counted() -> None:
    findings = found(" + ".join(f"abs(p - {i})" for i in range(10)), "kink")
    assert len(findings) == 7
    assert sum("there may be 4 more kinks" in one.message for one in findings) == 1
