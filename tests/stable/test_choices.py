"""Derivatives of a choice are those of the branch that is taken, the second ones too, whatever the other branch does there."""

from __future__ import annotations

from fractions import Fraction

import keras
import numpy as np
import pytest

import losscompiler as lc
from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.stable.choices import _harmless

# Value, first and second derivative at each point, by hand.
CASES = {
    "log(p) if p > 0 else 0": {0.0: (0, 0, 0), -1.0: (0, 0, 0), 2.0: (np.log(2), 1 / 2, -1 / 4)},
    "where(p > 0, sqrt(p), p)": {-1.0: (-1, 1, 0), 0.0: (0, 1, 0), 4.0: (2, 1 / 4, -1 / 32)},
    "where(p < 80, exp(p), 0)": {1000.0: (0, 0, 0), 0.0: (1, 1, 1)},
    "1/p if abs(p) > 1e-3 else p": {0.0: (0, 1, 0), 2.0: (1 / 2, -1 / 4, 1 / 4)},
    "where(p != 0, sin(p)/p, 1)": {0.0: (1, 0, -1 / 3), 1.0: (np.sin(1), np.cos(1) - np.sin(1), np.sin(1) - 2 * np.cos(1))},
    "where(p > 1, acosh(p), 0) + where(abs(p) < 1, atanh(p), 0)": {0.5: (np.arctanh(0.5), 4 / 3, 16 / 9), 1.0: (0, 0, 0)},
    "where(p > 0, p**0.5, (-p)**1.5)": {-1.0: (1, -3 / 2, 3 / 4), 4.0: (2, 1 / 4, -1 / 32)},
    "where(p > 0, where(p > 1, log(p - 1), sqrt(p)), 1)": {-1.0: (1, 0, 0), 1.0: (1, 1 / 2, -1 / 4), 2.0: (0, 1, -1)},
    "param l = 0\n(p**l - 1)/l": {0.5: (-np.log(2), 2, -4), 2.0: (np.log(2), 1 / 2, -1 / 4)},
    "param l = 0\nlog(p) if l == 0 else (p**l - 1)/l": {0.5: (-np.log(2), 2, -4)},
}


@pytest.mark.tensorflow
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("formula", CASES)
def test_first_and_second_derivatives(formula: str, compiled: bool) -> None:
    import tensorflow as tf

    loss = lc.compile_loss(formula, findings="ignore")
    points = CASES[formula]
    p = tf.constant(list(points), "float64")
    others = [tf.constant(0.0, "float64") for _ in loss.graph.parameters]

    def derivatives():
        with tf.GradientTape() as outer:
            outer.watch(p)
            with tf.GradientTape() as inner:
                inner.watch(p)
                value = loss.module.loss(p, *others)
            slope = inner.gradient(value, p)
        return value, slope, outer.gradient(slope, p)

    found = tf.function(derivatives, jit_compile=True)() if compiled else derivatives()
    expected = np.array(list(points.values())).T
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(one), other, rtol=1e-9, atol=1e-12)


# A condition on other data than the branch, or with more axes; the branch's second derivative is infinite or NaN at 0.
OF_OTHER_DATA = {
    "where(y > 0, log(p), p)": ([[0.0], [1.0], [0.0]], [[0.0], [2.0], [-1.0]], (0, -1 / 4, 0)),
    "where(y > 0, sqrt(p), p)": ([[0.0, 0.0], [0.0, 1.0]], [[0.0], [4.0]], (0, -1 / 32)),
    "where(p < 0, log(a), a**2)": (None, [[1.0], [2.0]], (2 * 2,)),
    "mean(where(y[0] > 0, log(p), p**2))": ([[0.0], [1.0]], [[0.0, -1.0], [1.0, 2.0]], (1, 1, -1 / 2, -1 / 8)),
}


@pytest.mark.tensorflow
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("formula", OF_OTHER_DATA)
def test_second_derivatives_where_the_condition_is_of_other_data(formula: str, compiled: bool) -> None:
    import tensorflow as tf

    y, p, expected = OF_OTHER_DATA[formula]
    loss = lc.compile_loss(f"param a = 0\n{formula}" if "log(a)" in formula else formula, findings="ignore")
    wanted = loss.graph.variables[-1]
    values = {name: tf.constant(value, "float64") for name, value in (("y", y), ("p", p), ("a", 0.0)) if value is not None}
    names = [*loss.graph.data, *loss.graph.parameters]

    def second():
        x = values[wanted]
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = loss.module.loss(*(x if name == wanted else values[name] for name in names))
            slope = inner.gradient(value, x)
        return outer.gradient(slope, x)

    found = np.ravel(tf.function(second, jit_compile=True)() if compiled else second())
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_scalar_keeps_its_shape() -> None:
    """The logarithm of a parameter inside a choice of samples must not become one of every sample."""
    loss = lc.compile_loss("param s > 0 = 2\nwhere(p > 0, log(s)*p, log(p**2 + 1))", findings="ignore")
    found = loss.value_and_gradients({"p": [1.0, -1.0, 3.0]})
    np.testing.assert_allclose(found.gradients["s"], (1 + 3) / 2, rtol=1e-6)
    assert np.shape(found.gradients["s"]) == ()


def test_functions_have_harmless_numbers() -> None:
    """Of those that are undefined somewhere, all but two have one; those two have conditions between their arguments."""
    critical = [name for name, row in FUNCTIONS.items() if row.kind is Kind.ELEMENTWISE and row.domain and row.partials]
    assert {name for name in critical if _harmless(name) is None} <= {"log_zero_inflated", "log_ndtr_difference"}
    assert _harmless("acosh") == (Fraction(2),)
    assert _harmless("div") == (None, Fraction(1))
    assert _harmless("sin") is None
