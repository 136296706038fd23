"""Powers brought together, and what naive forms cost in float32."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import losscompiler as lc


@pytest.mark.parametrize(
    ("formula", "name", "expected"),
    [
        # d/dp of p**1.5 is 1.5*sqrt(p); d/dg of p**(g + 1) is p**(g + 1)*log(p), 0 at p = 0 by convention.
        ("param g > 0 = 0.5\np**g*p", "p", [0.0, 1.5]),
        ("param g > 0 = 0.5\np**g*p", "g", 0.0),
        # d/ds of sqrt(|y - p|/s) is -sqrt(|y - p|/s)/(2 s).
        ("param s > 0 = 1\n(abs(y - p)/s)**0.5", "s", -0.5),
    ],
)
def test_gradients_at_a_base_of_zero(formula: str, name: str, expected: object) -> None:
    loss = lc.compile_loss(formula, findings="ignore")
    data = {key: values for key, values in {"y": [0.0, 0.0], "p": [0.0, 1.0]}.items() if key in loss.graph.data}
    np.testing.assert_allclose(loss.value_and_gradients(data).gradients[name], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("formula", "value", "slope"),
    [
        ("y*sqrt((y - p)**4)", lambda r: r**2, lambda r: -2 * r),
        ("y*((y - p)**4)**0.75", lambda r: abs(r) ** 3, lambda r: -3 * r * abs(r)),
        ("y*((y - p)**6)**(1/3)", lambda r: r**2, lambda r: -2 * r),
        ("y*sqrt(abs(y - p))**4", lambda r: r**2, lambda r: -2 * r),
        ("y*sqrt((y - p)**6)", lambda r: abs(r) ** 3, lambda r: -3 * r * abs(r)),
        ("1/sqrt((y - p + 1)**4)", lambda r: (r + 1) ** -2.0, lambda r: 2 * (r + 1) ** -3.0),
    ],
)
def test_powers_of_powers_have_derivatives_where_the_inner_one_is_0(formula: str, value, slope) -> None:
    loss = lc.compile_loss(formula, findings="ignore")
    p = np.array([1.0, 1.5, 0.25, 3.0])
    found = loss.value_and_gradients({"y": np.ones(4), "p": p}, dtype="float64")
    np.testing.assert_allclose(found.value, value(1 - p), rtol=1e-14)
    np.testing.assert_allclose(found.gradients["p"], slope(1 - p), rtol=1e-14)


def test_a_root_of_a_square_that_may_be_undefined_stays() -> None:
    loss = lc.compile_loss("sqrt(p)**4", findings="ignore")
    assert np.isnan(loss.value_and_gradients({"p": [-1.0]}).value[0])


@pytest.mark.parametrize("p", [14.0, 17.0, 40.0, 80.0])
def test_focal_loss_as_in_textbooks_is_accurate_in_float32(p: float) -> None:
    """Truth: -(1 - sigmoid(p))**2*log(sigmoid(p)) in 50 digits."""
    loss = lc.compile_loss("param gamma = 2\nl = log_sigmoid(p)\n-(1 - exp(l))**gamma*l", findings="ignore")
    found = loss.value_and_gradients({"p": [p]})
    with mpmath.workdps(60):
        x = mpmath.mpf(p)
        function = lambda x: (1 / (1 + mpmath.exp(x))) ** 2 * mpmath.log1p(mpmath.exp(-x))  # noqa: E731
        truth, slope = function(x), mpmath.diff(function, x)
    smallest = np.finfo("float32").tiny
    np.testing.assert_allclose(found.value[0], float(truth), rtol=1e-5, atol=smallest)
    np.testing.assert_allclose(found.gradients["p"][0], float(slope), rtol=1e-5, atol=smallest)


def test_a_fixed_parameter_stays_on_its_bound() -> None:
    loss = lc.compile_loss("a*(y - p)**2", {"a": lc.Parameter(0.0, bounds=(0, 5), trainable=False)}, findings="ignore")
    assert loss.layer().parameters["a"] == 0.0
    assert not loss.layer().trainable_variables
