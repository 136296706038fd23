"""Log gamma functions brought together: the form, its equality with what was written, and large arguments in float32."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import scipy.special

import losscompiler as lc
from losscompiler.graph.precise import evaluate
from losscompiler.graph.printing import node_text

FORMS = {
    "student_t": ("param nu > 0\nlgamma(nu/2) - lgamma((nu + 1)/2) + p", "p - lgamma_difference(nu/2, 0.5)"),
    "negative_binomial": ("param r > 0\nlgamma(y + r) - lgamma(r) - lgamma(y + 1) + p", "lgamma_difference(r, y) - lgamma(y + 1) + p"),
    "order_does_not_matter": ("param r > 0\np - lgamma(r) + y*p + lgamma(r + y)", "p + lgamma_difference(r, y) + y*p"),
    "common_factors": ("param r > 0\n2*p*lgamma(y + r) - 2*p*lgamma(r)", "2*p*lgamma_difference(r, y)"),
    "beta_function": ("prediction a, b\nlgamma(a) + lgamma(b) - lgamma(a + b)", "lbeta(a, b)"),
    "beta_likelihood": ("param k > 0\nlgamma(p*k) + lgamma((1 - p)*k) - lgamma(k)", "lbeta(p*k, (1 - p)*k)"),
    "beta_binomial": (
        "prediction a, b\nlgamma(y + a) + lgamma(10 - y + b) - lgamma(10 + a + b) - lgamma(a) - lgamma(b) + lgamma(a + b)",
        "lbeta(y + a, 10 - y + b) - lbeta(a, b)",
    ),
    "binomial_coefficient": ("lgamma(p + 1) - lgamma(y + 1) - lgamma(p - y + 1)", "-lgamma_difference(p + 1, -y) - lgamma(y + 1)"),
    "nothing_in_common": ("lgamma(p) - lgamma(y)", "lgamma(p) - lgamma(y)"),
    "same_sign": ("lgamma(p + y) + lgamma(p)", "lgamma(p + y) + lgamma(p)"),
    "other_factors": ("y*lgamma(p + y) - lgamma(p)", "y*lgamma(p + y) - lgamma(p)"),
}


def compiled(text):
    return lc.compile_loss(text, findings="ignore")


@pytest.mark.parametrize("name", FORMS)
def test_the_form(name):
    text, form = FORMS[name]
    assert node_text(compiled(text).stages.stable.loss) == form


@pytest.mark.parametrize("name", FORMS)
def test_both_forms_are_equal_in_50_digits(name):
    loss = compiled(FORMS[name][0])
    random = np.random.default_rng(3)
    with mpmath.workdps(120):
        for scale in (1.0, 30.0, 1e6):
            point = {symbol: mpmath.mpf(random.uniform(0.1, 0.9) * scale) for symbol in (*loss.graph.data, *loss.parameters)}
            point |= {"y": mpmath.mpf("0.05")} if "y" in point else {}
            expected, found = evaluate([loss.graph.loss, loss.stages.stable.loss], point)
            assert abs(found - expected) <= mpmath.mpf("1e-50") * (1 + abs(expected))


@pytest.mark.parametrize("size", [1e3, 1e6, 1e8])
@pytest.mark.parametrize(
    ("text", "name"),
    [(FORMS["student_t"][0], "nu"), (FORMS["negative_binomial"][0], "r"), ("prediction a, b\nlbeta(y + a, b) - lbeta(a, b)", "a")],
)
def test_large_arguments_in_float32(text, name, size):
    """Where the terms are a billion times their difference, value and derivative are those of 60 digits."""
    loss = compiled(text)
    point = {"y": 3.0, "p": 0.0, "a": size, "b": size, "nu": size, "r": size}
    rows = {symbol: np.array([point[symbol]]) for symbol in loss.graph.data}
    found = loss.value_and_gradients(rows, {symbol: point[symbol] for symbol in loss.parameters})
    with mpmath.workdps(60):
        h = mpmath.mpf("1e-20")
        exact = {symbol: mpmath.mpf(np.float32(value).item()) for symbol, value in point.items()}
        here, ahead = (evaluate([loss.graph.loss], exact | {name: exact[name] + step})[0] for step in (0, h))
    np.testing.assert_allclose(found.value[0], float(here), rtol=3e-6)
    np.testing.assert_allclose(np.ravel(found.gradients[name])[0], float((ahead - here) / h), rtol=3e-6)


@pytest.mark.parametrize("size", [0.3, 12.0])
def test_below_zero_it_is_what_is_written(size):
    """Between its poles lgamma is defined for negative numbers, so its differences are: SciPy's gammaln and digamma."""
    loss = compiled("param r > 0\nlgamma(y + r) - lgamma(r)")
    y = np.array([-0.5, -1.2, -20.7]) - size
    found = loss.value_and_gradients({"y": y}, {"r": size}, dtype="float64")
    np.testing.assert_allclose(found.value, scipy.special.gammaln(y + size) - scipy.special.gammaln(size), rtol=1e-12)
    np.testing.assert_allclose(found.gradients["r"], np.sum(scipy.special.digamma(y + size) - scipy.special.digamma(size)), rtol=1e-11)
