"""Guards of removable singularities: taken away where the branches continue each other, and only there."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import losscompiler as lc

GUARDED = {
    "box_cox": ("param l = 0\n(log(p) if l == 0 else (p**l - 1)/l) - y", "l", 0.0),
    "the other way round": ("param l = 0\nwhere(l != 0, (p**l - 1)/l, log(p)) - y", "l", 0.0),
    "number first": ("param l = 0\nwhere(0 == l, log(p), (p**l - 1)/l)", "l", 0.0),
    "cara": ("param g = 0\n-(1 - exp(-g*p))/g if g != 0 else -p", "g", 0.0),
    "inside a sum": ("param q = 1\n(y - p)**2 + (log(p) if q == 1 else (p**(1 - q) - 1)/(1 - q))", "q", 1.0),
    "prediction": ("prediction p\n1 if p == 0 else sinh(p)/p", "p", 0.0),
}
KEPT = {
    "another limit": "param l = 0\n1 + log(p) if l == 0 else (p**l - 1)/l",
    "no limit": "param l = 0\nlog(p) if l == 0 else p**l/l",
    "a region": "param l = 0\nlog(p) if abs(l) < 0.1 else (p**l - 1)/l",
    "a value that jumps": "prediction p\n2 if p == 0 else p**2",
}


def compiled(text):
    return lc.compile_loss(text, findings="ignore")


def removed(loss):
    return [rule.pattern for rule, _ in loss.stages.mended[1] if rule.name == "guarded singularity"]


@pytest.mark.parametrize("name", GUARDED)
def test_value_and_slope_at_the_point(name):
    """The value is the guard's; the slope is the limit of that of the other branch, here a difference in 60 digits."""
    text, symbol, point = GUARDED[name]
    loss = compiled(text)
    assert len(removed(loss)) == 1
    arrays = {"y": np.array([0.5]), "p": np.array([1.75])}
    data = {key: arrays[key] for key in loss.graph.data}
    params = {symbol: point} if symbol in loss.parameters else {}
    if symbol in data:
        data[symbol] = np.array([point])
    found = loss.value_and_gradients(data, params, dtype="float64")
    with mpmath.workdps(60):
        exact = {key: mpmath.mpf(float(np.ravel(value)[0])) for key, value in {**data, **params}.items()}
        step = mpmath.mpf("1e-20")
        from losscompiler.graph.precise import evaluate

        here, ahead, behind = (
            evaluate([loss.graph.loss], {**exact, symbol: exact[symbol] + side})[0] for side in (mpmath.mpf(0), step, -step)
        )
        slope = (ahead - behind) / (2 * step)
    np.testing.assert_allclose(np.ravel(found.value)[0], float(here), rtol=1e-9)
    np.testing.assert_allclose(np.ravel(found.gradients[symbol])[0], float(slope), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", KEPT)
def test_other_choices_stay(name):
    assert removed(compiled(KEPT[name])) == []


def test_a_guard_that_says_something_else_is_obeyed():
    loss = compiled(KEPT["another limit"])
    found = loss.value_and_gradients({"p": np.array([2.0])}, {"l": 0.0}, dtype="float64")
    np.testing.assert_allclose(found.value, 1 + np.log(2.0), rtol=1e-12)


def test_explain_names_it():
    assert "guarded singularity" in str(compiled(GUARDED["box_cox"][0]).explain())


def test_nested_guards():
    """Barron's general robust loss as it is often written; at both points the slope by a is finite and not 0."""
    text = "param a = 2\nz = (p - y)**2\nz/2 if a == 2 else log(z/2 + 1) if a == 0 else abs(a - 2)/a*((z/abs(a - 2) + 1)**(a/2) - 1)"
    loss = compiled(text)
    assert len(removed(loss)) == 2
    for point, value in ((2.0, 2.0), (0.0, np.log(3.0))):
        found = loss.value_and_gradients({"y": np.array([0.0]), "p": np.array([2.0])}, {"a": point}, dtype="float64")
        np.testing.assert_allclose(found.value, value, rtol=1e-9)
        assert np.isfinite(found.gradients["a"])
    # at a = 0: d/da is log(3)**2/4 - log(3)/2 + 1/3, by hand
    np.testing.assert_allclose(found.gradients["a"], np.log(3.0) ** 2 / 4 - np.log(3.0) / 2 + 1 / 3, rtol=1e-6)
