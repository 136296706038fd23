"""Convexity: claimed where it holds, checked at random points on chords; not claimed where it does not hold."""

from __future__ import annotations

import numpy as np
import pytest
from probing import found

from losscompiler.analysis.floats import Plan
from losscompiler.graph.build import build
from losscompiler.syntax import parse

CONVEX = {
    "(y - p)**2": (-3, 3),
    "abs(y - p)": (-3, 3),
    "max(0, 1 - y*p)": (-3, 3),
    "max(0, 1 - y*p)**2": (-3, 3),
    "softplus(p) - y*p": (-3, 3),
    "exp(p) - y*p": (-3, 3),
    "-log(p) + y**2*p": (0.01, 3),
    "1/p - log(p)": (0.01, 3),
    "p**1.5": (0, 3),
    "logsumexp(p) - p[0]": (-3, 3),
    "-sum(abs(y)*log_softmax(p))": (-3, 3),
    "norm(y - p)": (-3, 3),
    "max(p) - mean(p)": (-3, 3),
    "cosh(y - p)": (-3, 3),
    "hypot(y - p, 1)": (-3, 3),
    "where(y > 0, p**2, abs(p))": (-3, 3),
    "sqrt(1 + p)*-1": (-0.9, 3),
    "lgamma(p)": (0.1, 5),
    "sum((y - p)**2, axis=all)": (-3, 3),
    "p*p - log_sigmoid(p)": (-3, 3),
    "sigmoid(p) - sigmoid(-p)*-1 + exp(p)": (-3, 3),
}


@pytest.mark.parametrize("formula", CONVEX)
def test_convex_and_truly_so(formula: str) -> None:
    (finding,) = found(formula, "convex")
    assert finding.symbol == "p"
    low, high = CONVEX[formula]
    loss = Plan([build(parse(formula)).loss])
    random = np.random.default_rng(0)
    for _ in range(200):
        y = random.normal(size=(4, 3))
        a, b = random.uniform(low, high, (2, 4, 3))
        share = random.uniform()
        (left,), (right,), (between,) = (loss.values({"y": y, "p": p}) for p in (a, b, share * a + (1 - share) * b))
        assert (between <= share * left + (1 - share) * right + 1e-9).all()


@pytest.mark.parametrize(
    "formula",
    [
        "log(1 + (y - p)**2)", "sin(p)", "-(y - p)**2", "abs(abs(p) - 1)", "p**3", "y*abs(p)", "sqrt(abs(p))", "1 - exp(-(y - p)**2)",
        "where(p > 0, p**2, -p**2)", "-abs(p)", "clip(p, 0, 1)", "sigmoid(p)", "exp(-p)*y", "softmax(p)[0]", "(log(y) - log(p))**2", "p*y",
    ],
)  # fmt: skip
def test_not_claimed(formula: str) -> None:
    assert not found(formula, "convex")


def test_the_domain_is_said() -> None:
    (finding,) = found("-log(p)", "convex")
    assert "where p > 0" in finding.message
