"""Parameters that training would drive away, and proper likelihoods, in which none is."""

from __future__ import annotations

import numpy as np
import pytest
from probing import found, symbols, warned

from losscompiler.analysis.trends import falls_endlessly, falls_everywhere
from losscompiler.graph.parameter import Parameter


def only(formula: str, code: str, **options):
    (finding,) = found(formula, code, **options)
    return finding


# -- unbounded below
def test_the_loss_that_people_start_from() -> None:
    finding = only("(log(y) - log(p))**2 + a*p", "unbounded-below")
    assert finding.symbol == "a"
    assert finding.severity == "warning"
    assert "a -> -inf" in finding.message
    assert "dL/da = p never changes sign (p > 0 because of log(p))" in finding.message
    for remedy in ("bounds", "normaliser", "regulariser"):
        assert remedy in finding.hint


def test_a_free_weight() -> None:
    finding = only("alpha*(y - p)**2", "unbounded-below")
    assert "alpha -> -inf" in finding.message
    assert "dL/dalpha = (y - p)**2 never changes sign" in finding.message


@pytest.mark.parametrize(
    ("formula", "ways"),
    [
        ("a*(y - p)", "a -> -inf or a -> inf, depending on the data"),
        ("lambda*(y - p)**2 + (1 - lambda)*abs(y - p)", "lambda -> -inf or lambda -> inf, depending on the data"),
        ("(y - p)**2 - log(1 + a**2)", "a -> -inf or a -> inf"),
        ("param a > 0\n(y - p)**2 - log(a)", "a -> inf"),
        ("param s > 0\nlog(s) + (y - p)**2", "s -> 0"),
        ("param s > 2\nlog(s - 2) + (y - p)**2", "s -> 2"),
        ("-exp(a)*p**2", "a -> inf"),
        ("sum(w*(y - p)**2, axis=all)", "w -> -inf"),
        ("param w[3]\nsum(w*(y - p)**2)", "w -> -inf"),
        ("param w[p]\nmean(w*(y - p)**2)", "w -> -inf"),
        ("-y*log(softplus(p)) + a*softplus(p)", "a -> -inf"),
        ("param c = 2\nc*softplus(p) - y*p", "c -> -inf"),
    ],
)  # fmt: skip
def test_falls_without_bound(formula: str, ways: str) -> None:
    assert ways in only(formula, "unbounded-below").message


@pytest.mark.parametrize(
    "formula",
    [
        "(y - a*p)**2",
        "log(1 + exp(a)) - a + (y - p)**2",  # falls to 0 as a grows
        "sqrt(a**2 + 1) - a + (y - p)**2",  # likewise
        "1/log(a**2 + 3) + (y - p)**2",  # falls for ever more slowly, to 0
        "atan(a)*(y - p)**2",
        "param a in (0, 1) = 0.5\n(log(y) - log(p))**2 + a*p",
        "param a >= 0\na*(y - p)**2",
        "param w[3]\nsum(softmax(w)*(y - p)**2)",
        "(a + p)**2 - a**2 - 2*a*p",  # does not depend on a; float64 says so only nearly
        "cos(a) + (y - p)**2",
        "param c > 0\n0.5*c**2*(2*(sqrt(1 + ((y - p)/c)**2) - 1))",  # cancels in float64 at large c
    ],
)
def test_has_a_lower_bound(formula: str) -> None:
    assert not found(formula, "unbounded-below")


# Negative logarithms of densities, as SciPy's and TensorFlow Probability's documentation writes them; the normaliser keeps the parameters.
LIKELIHOODS = {
    "gaussian": "param s > 0\n((y - p)/s)**2/2 + log(s)",
    "gaussian, log scale": "exp(-2*s)*(y - p)**2/2 + s",
    "laplace": "param b > 0\nabs(y - p)/b + log(b)",
    "gumbel": "param b > 0\nz = (y - p)/b\nz + exp(-z) + log(b)",
    "student t": "param nu > 0 = 5\nparam s > 0\nz = (y - p)/s\n"
    "log(s) + lgamma(nu/2) - lgamma((nu + 1)/2) + log(nu*pi)/2 + (nu + 1)/2*log1p(z**2/nu)",
    "gamma": "param a > 0 = 2\nlgamma(a) - a*p + (a + 1)*log(y) + exp(p)/y",
    "burr XII": "param c > 0\nparam d > 0\nx = y*exp(-p)\n-log(c) - log(d) + p - (c - 1)*log(x) + (d + 1)*log1p(x**c)",
    "von Mises": "param kappa > 0\nlog(2*pi) + log_i0(kappa) - kappa*cos(y - p)",
    "negative binomial": "param r > 0\n-(lgamma(r + y) - lgamma(y + 1) - lgamma(r)) - y*log_sigmoid(p) - r*log_sigmoid(-p)",
    "generalised gamma": "param a > 0\nparam c > 0\nx = y*exp(-p)\nlgamma(a) - log(c) + p - (a*c - 1)*log(x) + x**c",
    "zero-inflated": "param gate in (0, 1) = 0.3\n-where(y == 0, log(gate), log1p(-gate) + y*p - exp(p) - lgamma(y + 1))",
    "weibull": "param k > 0\nx = y*exp(-p)\n-log(k) + p - (k - 1)*log(x) + x**k",
    "mixture": "target y\nprediction w, m\nparam s > 0\n-log(sum(softmax(w)*exp(-((y - m)/s)**2/2)/(s*sqrt(2*pi))))",
    "two tasks": "prediction a, b\nparam s\nparam t\nexp(-s)*(y - a)**2 + s + exp(-t)*(y - b)**2 + t",
    "logistic with a slope": "param k > 0\nsoftplus(k*p) - y*k*p",
}  # fmt: skip


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_proper_likelihood_is_not_accused(name: str) -> None:
    drifts = {"unbounded-below", "collapses", "runs-to-bound", "redundant", "vanishing-gradient", "undefined-start", "no-effect"}
    assert not drifts & {finding.code for finding in found(LIKELIHOODS[name])}


def test_a_regulariser_counts_as_a_hold() -> None:
    assert not found("a*(y - p)**2", "unbounded-below", params={"a": Parameter(1.0, regularizer="l2")})
    assert found("a*(y - p)**2", "unbounded-below", params={"a": Parameter(1.0)})


def test_what_is_not_trained_does_not_drift() -> None:
    assert not found("a*(y - p)**2", params={"a": Parameter(1.0, trainable=False)}, code="unbounded-below")


# -- collapse
@pytest.mark.parametrize(
    ("formula", "end", "term"),
    [
        ("param a > 0\na*(y - p)**2", "a -> 0", "- log(a)"),
        ("exp(-s)*(y - p)**2", "s -> inf", "+ s"),
        ("exp(s)*(y - p)**2", "s -> -inf", "- s"),
        ("param s > 0\n((y - p)/s)**2/2", "s -> inf", "+ log(s)"),
        ("param a > 1 = 2\n(a - 1)*(y - p)**2", "a -> 1", "- log(a - 1)"),
        ("param a in (0, 3)\n(3 - a)*(y - p)**2", "a -> 3", "- log(3 - a)"),
        ("param g > 0\nsigmoid(p)**g*softplus(p)", "g -> inf", "+ 0.1*g"),
        ("param d > 0\nr = abs(y - p)\nr**2/2 if r <= d else d*(r - d/2)", "d -> 0", "- log(d)"),
        ("param a > 0\nmean(a*(y - p)**2, axis=all)", "a -> 0", "- log(a)"),
    ],
)  # fmt: skip
def test_collapse(formula: str, end: str, term: str) -> None:
    finding = only(formula, "collapses")
    assert end in finding.message
    assert term in finding.hint
    assert not found(formula, "unbounded-below")


def test_weights_collapse_together() -> None:
    finding = only("param a > 0\nparam b > 0\na*(y - p)**2 + b*abs(y - p)", "collapses")
    assert "a -> 0, b -> 0 together" in finding.message


@pytest.mark.parametrize(
    "formula",
    [
        "exp(-s)*(y - p)**2 + s",
        "param a > 0\na*(y - p)**2 - log(a)",
        "param s > 0\n((y - p)/s)**2/2 + log(s)",
        "(y - a*p)**2",
        "(y - p)**2 + a**2*p**2",
    ],
)
def test_no_collapse(formula: str) -> None:
    assert not found(formula, "collapses")


# -- one end of the range
def test_a_margin_runs_to_its_bound() -> None:
    finding = only("param margin > 0\np if y == 1 else max(0, margin - p)", "runs-to-bound")
    assert "margin -> 0" in finding.message
    assert finding.severity == "note"


def test_what_the_data_pull_both_ways_stays() -> None:
    assert not found("param tau in (0, 1)\nabs(tau - (y < p))*(y - p)**2", "runs-to-bound")
    assert not found("param beta > 0\n-log_sigmoid(beta*p)", "runs-to-bound")


# -- the pieces
def test_endless_falls_are_told_from_slow_ones() -> None:
    decades = 10.0 ** np.arange(9)
    assert falls_endlessly(list(-decades))
    assert falls_endlessly(list(-np.log(decades + 1)))
    assert falls_endlessly(list(-np.sqrt(decades)))
    assert falls_endlessly([0.0, -1.0, -10.0, -1e4, -np.inf, -np.inf])
    assert not falls_endlessly(list(1 / decades))
    assert not falls_endlessly(list(1 / np.log(decades + 1)))
    assert not falls_endlessly(list(decades))
    assert not falls_endlessly([1.0] * 9)
    assert not falls_endlessly([0.0, -1.0, -2.0, np.inf])
    assert not falls_endlessly([0.0, np.nan, np.nan, np.nan])


def test_falls_everywhere_asks_every_element() -> None:
    down, up, flat = np.array([3.0, 2.0]), np.array([2.0, 1.0]), np.array([3.0, 2.0])
    assert falls_everywhere([down, up]) is True
    assert falls_everywhere([down, flat]) is False
    assert falls_everywhere([down, np.array([2.0, 2.5])]) is None


def test_the_traps() -> None:
    assert {"unbounded-below"} <= warned("alpha*(y - p)**2")
    assert symbols("(y - gain*slope*p)**2", "redundant") == {"slope"}
    assert symbols("param tau > 0 = 1\n(y - p)**2", "no-effect") == {"tau"}
    assert not {"name-hazard", "collapses", "redundant"} & warned("lambda*(y - p)**2 + (1 - lambda)*abs(y - p)")
