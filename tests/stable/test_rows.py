"""Data with one number a row, such as a temperature predicted for every sample, get a program of their own."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import losscompiler as lc

TEMPERATURE = "prediction p, T\nlogsumexp(p/T) - p[0]/T"
P = np.array([[90.0, 20.0, 30.0], [2.0, 1.0, 2.5], [1.0, -5.0, 30.0]])
T = np.array([[1.0], [0.5], [2.0]])


def of_temperature(p: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return value and derivatives of the cross-entropy with temperature, from its differences of logits, by hand."""
    others = (p[:, 1:] - p[:, :1]) / t
    weights = np.exp(others)
    total = 1 + weights.sum(-1, keepdims=True)
    shares = weights / total
    d_p = np.concatenate([-shares.sum(-1, keepdims=True), shares], -1) / t
    return np.log1p(weights.sum(-1, keepdims=True)), d_p, -(shares * others).sum(-1, keepdims=True) / t


@pytest.mark.parametrize("target", ["keras", "numpy"])
def test_a_temperature_of_each_sample_keeps_the_digits(target: str) -> None:
    """The loss of the first row is 1e-31: beside p[0]/T it has no digit left."""
    loss = lc.compile_loss(TEMPERATURE, findings="ignore")
    module = loss.stages.numpy_module if target == "numpy" else loss.module
    arrays = [np.asarray(x, "float32") for x in (P, T)]
    value = keras.ops.convert_to_numpy(module.value(*arrays)) if target == "keras" else module.value(*arrays)
    found = [value, *(keras.ops.convert_to_numpy(x) if target == "keras" else x for x in module.gradients(*arrays))]
    for one, other in zip(found, of_temperature(P, T), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-6)


def test_data_with_several_numbers_a_row_take_the_general_program() -> None:
    loss = lc.compile_loss(TEMPERATURE, findings="ignore")
    several = np.array([[1.0, 2.0, 0.5], [0.5, 0.5, 0.5], [2.0, 3.0, 1.0]])
    found = loss.value_and_gradients({"p": P / 10, "T": several})
    x = P / 10 / several
    np.testing.assert_allclose(found.value, np.log(np.exp(x).sum(-1, keepdims=True)) - P[:, :1] / 10 / several, rtol=1e-5)
    report = loss.check_gradients({"p": P / 10, "T": several})
    assert report.ok, report


@pytest.mark.parametrize("columns", [1, 3])
def test_the_shape_is_what_the_text_says(columns: int) -> None:
    loss = lc.compile_loss(TEMPERATURE, findings="ignore")
    value = loss.value_and_gradients({"p": P, "T": np.full((3, columns), 2.0)}).value
    assert np.shape(value) == (3, columns)


@pytest.mark.parametrize(
    "formula",
    [
        "prediction p\ninput T\nmean(logsumexp(p/T) - p[0]/T, axis=all)",
        "prediction p, T\n-mean(p[0]/T - logsumexp(p/T), axis=all)/2",
        "prediction p, T\nmean(T*(logsumexp(p/T) - p[0]/T)**2, axis=all)",
    ],
)
def test_losses_that_average_samples(formula: str) -> None:
    loss = lc.compile_loss(formula, findings="ignore")
    assert "value_and_pullback_of_rows" in loss.source()
    value, d_p, d_t = of_temperature(P, T)
    found = loss.value_and_gradients({"p": P.astype("float32"), "T": np.squeeze(T, -1) if "input" in formula else T.astype("float32")})
    if "**2" in formula:
        d_p, d_t, value = 2 * T * value * d_p, value**2 + 2 * T * value * d_t, T * value**2
    share = len(P) * (2 if formula.endswith("/2") else 1)
    np.testing.assert_allclose(found.value, value.sum() / share, rtol=1e-5)
    np.testing.assert_allclose(found.gradients["p"], d_p / share, rtol=1e-5, atol=1e-37)
    if "input" not in formula:
        np.testing.assert_allclose(found.gradients["T"], d_t / share, rtol=1e-5, atol=1e-37)


def test_a_singularity_in_a_number_of_each_row_is_mended() -> None:
    """The power mean is the geometric mean at exponent 0."""
    loss = lc.compile_loss("prediction p, q\nmean(p**q)**(1/q)", findings="ignore")
    p = np.array([[2.0, 8.0], [1.0, 3.0], [2.0, 8.0]])
    found = loss.value_and_gradients({"p": p, "q": np.array([[0.0], [1.0], [1e-6]])})
    np.testing.assert_allclose(np.ravel(found.value), [4.0, 2.0, 4.0], rtol=1e-5)
    # d/dq of log(mean(exp(q*x)))/q at 0 is half the variance of x.
    np.testing.assert_allclose(found.gradients["q"][[0, 2], 0], 4 * np.var(np.log(p[0])) / 2, rtol=1e-4)


@pytest.mark.parametrize(
    "formula",
    [
        "prediction p\nlogsumexp(p) - p[0]",
        "prediction p\nparam T\nlogsumexp(p/T) - p[0]/T",
        "prediction p, T\nmean(p*T, axis=0)/T",
        "prediction p, T\nsum(p*T)*count(p)",
        "prediction p, T\nsum(T[0]*exp(p*T))/T",
        "a = relu(p) + 1\ns = sum(a)\nsum((y - a/s)**2 + a*(s - a)/(s**2*(s + 1)))",
    ],
)
def test_no_second_program_where_it_is_not_known_to_hold(formula: str) -> None:
    assert lc.compile_loss(formula, findings="ignore").stages.row_program is None


def test_it_is_explained() -> None:
    text = lc.compile_loss(TEMPERATURE, findings="ignore").explain()
    assert "log of softmax as a difference" in text
    assert "where T has length 1 along the last axis" in text
