"""Which programs are computed in float64, that this mends them, and that what comes out has the dtype that went in."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

import losscompiler as lc
from losscompiler.stable.worst_points import WorstPoints


def wide(formula):
    return lc.compile_loss(formula, findings="ignore").stages.program.wide


@pytest.mark.parametrize(
    "formula",
    ["(y - p)**2", "mean((y - p)**2)", "abs(y - p)", "relu(1 - y*p)", "softplus(p) - y*p", "exp(p) - y*p", "log_cosh(p - y)", "sum(y*p)"],
)
def test_what_is_accurate_in_float32_stays_in_float32(formula):
    assert not wide(formula)


@pytest.mark.parametrize(
    "formula",
    [
        "sqrt((y - p)**2 + 1) - 1 + log(p) - log(y)",
        "1 - sum(y*p)/(sqrt(sum(y**2))*sqrt(sum(p**2)))",
        "param a > 0\n(exp(a*p) - exp(-a*p))/a**3 - 2*p/a**2",
        "cos(p) - cos(y)",
    ],
)
def test_what_loses_digits_is_computed_in_float64(formula):
    assert wide(formula)


def test_digits_lost_only_where_several_symbols_agree():
    """At the mode of a narrow beta distribution a density of a thousand units of logarithm has a value of three."""
    loss = lc.compile_loss(
        "prediction y, a, b\nlgamma(a) + lgamma(b) - lgamma(a + b) - (a - 1)*log(y) - (b - 1)*log(1 - y)", findings="ignore"
    )
    y, a = np.array([0.5, 0.25]), np.array([1000.0, 500.0])
    b = a * (1 - y) / y
    found = loss.value_and_gradients({name: x.astype("float32") for name, x in zip("yab", (y, a, b), strict=True)}).value
    np.testing.assert_allclose(found, -scipy.stats.beta(a, b).logpdf(y), rtol=1e-6)


def test_a_search_comes_to_points_far_from_where_it_started():
    """The error of a made-up program is large along a ridge and grows towards (3, 40)."""

    def errors(points):
        x, y = points["x"], points["y"]
        return 100 / (1 + 50 * np.abs(np.log(y / 40)) + 50 * np.abs(x - 3))

    start = {"x": np.array([[1.0, 2.0], [0.0, 8.0]]), "y": np.array([1.0, 5.0])}
    search = WorstPoints(lambda name, x, random: x, lambda name: False)
    search.add(start, errors(start))
    assert search.units[0] < 1
    assert search.exceed(60, errors)
    assert abs(search.points["x"][0] - 3) < 0.02
    fixed = WorstPoints(lambda name, x, random: x, lambda name: True)
    fixed.add(start, errors(start))
    assert not fixed.exceed(60, errors)


def test_a_variance_of_nearly_equal_numbers():
    """NumPy's in float64; in float32 the two means as they are written agree in all their digits."""
    p = (1000 + np.array([[0.0, 0.125, 0.25, 0.5]])).astype("float32")
    found = lc.compile_loss("mean(p**2) - mean(p)**2", findings="ignore").value_and_gradients({"p": p})
    np.testing.assert_allclose(found.value, np.var(p.astype("float64")), rtol=1e-6)
    assert found.gradients["p"].dtype == np.float32


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_values_and_gradients_keep_their_dtype(dtype):
    import keras
    from keras import ops

    module = lc.compile_loss("cos(p) - cos(y)", findings="ignore").module
    y, p = (ops.convert_to_tensor(np.ones((2, 3)), dtype) for _ in range(2))
    value, pullback = module.value_and_pullback(y, p)
    assert keras.backend.standardize_dtype(value.dtype) == dtype
    assert keras.backend.standardize_dtype(pullback(ops.ones_like(value))[0].dtype) == dtype


def test_a_graph_and_xla_compute_in_float64_too():
    tf = pytest.importorskip("tensorflow")
    module = lc.compile_loss("cos(p) - cos(y)", findings="ignore").module
    y = np.linspace(0.5, 1, 8).astype("float32")
    p = (y * np.float32(1 + 1e-6)).astype("float32")
    truth = -2 * np.sin((p.astype("float64") + y) / 2) * np.sin((p.astype("float64") - y) / 2)
    for options in ({}, {"jit_compile": True}):
        value = tf.function(lambda y, p: module.value_and_pullback(y, p)[0], **options)(tf.constant(y), tf.constant(p))
        assert value.dtype == tf.float32
        np.testing.assert_allclose(value.numpy(), truth, rtol=1e-6)


def test_the_emitted_module_says_so():
    assert "@double_inside" in lc.compile_loss("cos(p) - cos(y)", findings="ignore").source()
    assert "double_inside" not in lc.compile_loss("(y - p)**2", findings="ignore").source()
