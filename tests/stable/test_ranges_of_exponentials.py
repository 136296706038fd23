"""Exponentials that overflow beside what vanishes, sums over sums of them, and signs beside absolute values, in float32."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import losscompiler as lc


def found(text, data, params=None):
    loss = lc.compile_loss(text, findings="ignore")
    return loss.value_and_gradients({name: np.array(x, "float32") for name, x in data.items()}, params or {}, reduction="none")


# ------------------------------------------------------------------------------------------------------ 0 times infinity
@pytest.mark.parametrize("text", ["param s\nexp(-s)*abs(y - p) + s", "param s\nabs(y - p)/exp(s) + s"])
def test_an_exact_prediction_under_a_tiny_scale(text):
    """exp(100) is infinite in float32; times an error of 0 it is 0."""
    result = found(text, {"y": [1.0], "p": [1.0]}, {"s": -100.0})
    assert result.value.tolist() == [-100.0]
    assert float(np.ravel(result.gradients["s"])[0]) == 1.0


def test_what_overflows_is_still_infinite():
    assert np.isinf(found("param s\nexp(-s)*abs(y - p)", {"y": [1.0], "p": [2.0]}, {"s": -100.0}).value).all()


def test_a_small_factor_brings_it_back():
    result = found("param s\nexp(-s)*abs(y - p)", {"y": [0.0], "p": [1e-10]}, {"s": -100.0})
    np.testing.assert_allclose(result.value, np.float64(np.float32(1e-10)) * np.exp(100.0), rtol=1e-5)


# ------------------------------------------------------------------------------------------------------- sums over sums
@pytest.mark.parametrize("t", [-50.0, 0.5, 100.0])
def test_a_mean_under_boltzmann_weights(t):
    """Against SciPy's softmax: value, and d/dt, the variance under the weights."""
    p = np.array([[1.0, 30.0, 29.5], [-4.0, 80.0, 3.0]])
    weights = scipy.special.softmax(t * p, axis=-1)
    mean = (weights * p).sum(axis=-1, keepdims=True)
    result = found("param t\nsum(p*exp(t*p))/sum(exp(t*p))", {"p": p}, {"t": t})
    np.testing.assert_allclose(np.ravel(result.value), mean[:, 0], rtol=1e-5)
    variance = (weights * (p - mean) ** 2).sum()
    np.testing.assert_allclose(np.sum(result.gradients["t"]), variance, rtol=1e-4, atol=1e-12)


def test_of_two_predictions():
    result = found("prediction a, b\n(a*exp(9*a) + b*exp(9*b))/(exp(9*a) + exp(9*b))", {"a": [1000.0, 1.0], "b": [1.0, 1.0]})
    np.testing.assert_allclose(np.ravel(result.value), [1000.0, 1.0], rtol=1e-6)
    np.testing.assert_allclose(np.ravel(result.gradients["a"]), [1.0, 0.5], rtol=1e-6)


# ------------------------------------------------------------------------------------------------- weights of any sign
def test_a_mixture_whose_scales_are_predictions():
    """Far from both centres, where each density underflows; the logarithm against SciPy's logsumexp."""
    text = "prediction a, s, b, t\nparam w in (0, 1)\n-log(w/s*exp(-((y - a)/s)**2/2) + (1 - w)/t*exp(-((y - b)/t)**2/2))"
    data = {"y": 0.0, "a": 1.0, "s": 0.01, "b": 100.0, "t": 1.0}
    result = found(text, {name: [value] for name, value in data.items()}, {"w": 0.5})
    s = float(np.float32(0.01))
    terms = np.array([np.log(0.5 / s) - 0.5 / s**2, np.log(0.5) - 5000.0])
    np.testing.assert_allclose(np.ravel(result.value), -scipy.special.logsumexp(terms), rtol=1e-5)
    assert all(np.isfinite(gradient).all() for gradient in result.gradients.values())


def test_a_difference_of_exponentials_with_weights():
    result = found("prediction a, b\nlog(a*exp(200*a) - b*exp(100*b))", {"a": [2.0], "b": [-3.0]})
    np.testing.assert_allclose(np.ravel(result.value), np.log(2.0) + 400, rtol=1e-6)


# -------------------------------------------------------------------------------------------------------- (exp(x) - 1)/x
@pytest.mark.parametrize("p", [-1e4, -3.0, -1e-6, 0.0, 1e-6, 3.0, 1e4])
def test_mean_of_exp_its_logarithm_and_reciprocal(p):
    x = float(np.float32(p))
    near = scipy.special.hyp1f1(2, 3, np.clip(x, -50, 50)) / 2 / scipy.special.exprel(np.clip(x, -50, 50))
    slope = 1 - 1 / x if x > 50 else -1 / x if x < -50 else float(near)
    logarithm = x - np.log(x) if x > 50 else np.log(scipy.special.exprel(x))
    result = found("prediction p\nlog((exp(p) - 1)/p)", {"p": [p]})
    np.testing.assert_allclose(np.ravel(result.value), [logarithm], rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(np.ravel(result.gradients["p"]), [slope], rtol=1e-5)
    reciprocal = found("prediction p\np/(exp(p) - 1)", {"p": [p]})
    value = 0.0 if x > 500 else 1 / scipy.special.exprel(x)
    np.testing.assert_allclose(np.ravel(reciprocal.value), [value], rtol=1e-5, atol=1e-37)
    np.testing.assert_allclose(np.ravel(reciprocal.gradients["p"]), [-value * slope], rtol=1e-5, atol=1e-37)


# ------------------------------------------------------------------------------------------------ signs and their slopes
@pytest.mark.parametrize(
    ("text", "slope"),
    [
        ("sign(p)*log(1 + abs(p))", 1.0), ("sign(p)*abs(p)*3", 3.0), ("sign(p)*((abs(p) + 1)**2.5 - 1)/2.5", 1.0),
        ("sign(p)*asinh(abs(p))", 1.0),
    ],
)  # fmt: skip
def test_a_signed_function_has_its_slope_at_0(text, slope):
    result = found("prediction p\n" + text, {"p": [0.0]})
    np.testing.assert_allclose(np.ravel(result.gradients["p"]), [slope], rtol=1e-6)


def test_the_slope_of_an_absolute_value_alone_is_0_at_0():
    assert found("prediction p\nabs(p)", {"p": [0.0]}).gradients["p"].tolist() == [0.0]


def test_a_sign_that_is_written_squared_stays():
    """sign(0)**2 is 0, and so is the derivative by a factor."""
    assert found("param a\na*sign(p)**2", {"p": [0.0]}, {"a": 2.0}).gradients["a"] == 0.0
