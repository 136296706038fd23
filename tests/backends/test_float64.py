"""In float64 nothing goes through float32 on the way, on any backend: not a Python number, not a sum, not a sine."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import losscompiler as lc
from losscompiler.verify.reference import Reference, lower

# 0.1 and 0.3 are other numbers in float32, by 1e-8 relative.
NUMBERS = [
    "0.1", "p + 0.1", "p**0.1", "0.1**p", "hypot(p, 0.1)", "max(p, 0.1)", "min(p, 0.3)", "clip(p, 0.1, 0.3)", "logaddexp(p, 0.1)",
    "atan2(0.1, p)", "atan2(p, 0.1)", "xlogy(0.1, p)", "xlogy(p, 0.1)", "lbeta(0.1, p)", "concat([1]*p, 0.1)", "where(p > 0, p, 0.1)",
    "where(p < 0, p, 0.1)", "where(p < 0, 0.3, 0.1)", "heaviside(0*p, 0.1)", "log(0.1)*p", "pi*p", "arange(3)*0.1*p",
]  # fmt: skip
ALONG_AN_AXIS = [
    "sum", "mean", "prod", "max", "min", "logsumexp", "norm", "var", "std", "softmax", "log_softmax", "cumsum", "logcumsumexp", "sort",
    "flip", "normalize",
]  # fmt: skip
ELEMENTWISE = [
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "atanh", "cbrt", "log_cosh", "erfcx", "log_i0", "digamma",
    "sqrt", "exp", "log", "expm1", "log1p", "sigmoid", "softplus", "log_sigmoid", "erf", "erfinv", "lgamma", "ndtr", "log_ndtr",
]  # fmt: skip


def assert_double(formula: str, p: float | list[float], digits: float = 4e-15) -> None:
    """Compare value and gradient with 50 digits."""
    loss = lc.compile_loss(f"prediction p\n{formula}", findings="ignore")
    arrays = {"p": np.atleast_1d(np.asarray(p, "float64"))}
    found = loss.value_and_gradients(arrays, dtype="float64")
    assert found.value.dtype == found.gradients["p"].dtype == "float64"
    reference = Reference(loss.graph, arrays, 50)
    np.testing.assert_allclose(np.squeeze(found.value), np.squeeze(lower(reference.value)), rtol=digits, atol=digits / 10)
    slope = lower(reference.derivative("p", np.ones(np.size(found.value))).truth)
    np.testing.assert_allclose(found.gradients["p"], slope, rtol=20 * digits, atol=digits)


@pytest.mark.parametrize("formula", NUMBERS)
def test_numbers_keep_their_digits(formula: str) -> None:
    assert_double(formula, 0.05)


@pytest.mark.parametrize("name", ALONG_AN_AXIS)
def test_functions_along_an_axis_keep_their_digits(name: str) -> None:
    assert_double(f"{name}([0.1, 0.3, 0.7]*p)", 1.1)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_functions_keep_their_digits(name: str) -> None:
    assert_double(f"{name}(p)", [0.1, 0.7])


@pytest.mark.parametrize("order", [1, 2, 3])
def test_polygamma_keeps_its_digits(order: int) -> None:
    # PyTorch's own is right to 5e-10 only at order 1.
    p = np.array([0.05, 0.7, 3.3, 11.1, 29.9])
    found = lc.compile_loss(f"prediction p\npolygamma({order}, p)", findings="ignore").value_and_gradients({"p": p}, dtype="float64")
    for n, values in ((order, found.value), (order + 1, found.gradients["p"])):
        np.testing.assert_allclose(values, [float(mpmath.polygamma(n, mpmath.mpf(x))) for x in p], rtol=1e-13)


def test_comparisons_are_made_in_float64() -> None:
    # As float32, 0.1 lies above both.
    p = np.array([0.1, np.nextafter(0.1, 1), 0.1 - 1e-12])
    for formula, expected in {"p <= 0.1": [1, 0, 1], "p == 0.1": [1, 0, 0], "p > 0.1": [0, 1, 0], "p != 0.1": [0, 1, 1]}.items():
        found = lc.compile_loss(f"prediction p\nwhere({formula}, 1, 0) + 0*p", findings="ignore")
        np.testing.assert_array_equal(found.value_and_gradients({"p": p}, dtype="float64").value, expected, err_msg=formula)


def test_float32_stays_float32() -> None:
    found = lc.compile_loss("mean(max(sin(p), 0.1)) + prod(p) + cumsum(p)[0]", findings="ignore").value_and_gradients({"p": [[0.1, 0.7]]})
    assert found.value.dtype == found.gradients["p"].dtype == "float32"
