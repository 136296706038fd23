"""Redundant parameters, and those that only look alike."""

from __future__ import annotations

import pytest
from probing import found


@pytest.mark.parametrize(
    ("formula", "combination"),
    [
        ("(y - gain*slope*p)**2", "gain*slope"),
        ("(y - a/b*p)**2", "a/b"),
        ("(y - p - a - b)**2", "a + b"),
        ("(y - p - a + b)**2", "a - b"),
        ("(y - 2*a*p - b*p - c)**2", "2*a + b"),
        ("(y - a*b*c*p)**2", "a*b*c"),
        ("(y - a*b**2/c*p)**2", "a*b**2/c"),
        ("mean((y - a*b*p)**2)", "a*b"),
        ("exp(a + b)*p**2", "a + b"),
        ("(y - a*exp(b)*p)**2", ""),
        ("(y - a*(b + c)*p)**2", ""),
    ],
)
def test_redundant(formula: str, combination: str) -> None:
    (finding,) = found(formula, "redundant")
    assert (f"only {combination} is determined" if combination else "only a combination of them is determined") in finding.message
    names = [name for name in ("gain", "slope", "a", "b", "c") if f"'{name}'" in finding.message]
    assert len(names) >= 2


def test_a_parameter_outside_the_group_is_not_named() -> None:
    (finding,) = found("(y - a*b*p - c)**2", "redundant")
    assert "'c'" not in finding.message


def test_two_groups() -> None:
    assert len(found("(y - a*b*p - c - d)**2", "redundant")) == 2


def test_the_shift_of_a_softmax() -> None:
    (finding,) = found("param w[3]\nsum(softmax(w)*(y - p)**2)", "redundant")
    assert "the elements of 'w'" in finding.message


@pytest.mark.parametrize(
    "formula",
    [
        "(y - a*p - b)**2",
        "(y - a*p - b*p**2)**2",
        "param s > 0\nparam a\n((y - a*p)/s)**2/2 + log(s)",
        "+".join(f"a{i}*p**{i}" for i in range(15)),  # ill-conditioned, yet each is determined
        "+".join(f"exp(-(p - {i}/2)**2)*a{i}" for i in range(8)),
        "(y - a*b*p)**2 + a**2",
        "param a > 0\nparam b > 0\na*(y - p)**2 + b*abs(y - p)",
        "a*(y - p)**2",
    ],
)
def test_not_redundant(formula: str) -> None:
    assert not found(formula, "redundant")
