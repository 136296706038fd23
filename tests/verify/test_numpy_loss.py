"""A loss as a function of NumPy arrays, against NumPy by hand and SciPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

import losscompiler as lc

Y, P = np.array([[0.2, 1.0], [0.7, 3.0]]), np.array([[0.5, 1.2], [1.3, 2.5]])


def function(formula, *args):
    return lc.compile_loss(formula, *args, findings="ignore").numpy()


def test_numbers_by_hand():
    f = function("(log(y) - log(p))**2 + a*p")
    expected = (np.log(Y) - np.log(P)) ** 2 + 0.3 * P
    for value in (f(Y, P, a=0.3), f(Y, p=P, a=0.3), f(a=0.3, p=P, y=Y), f.value_and_gradients(Y, P, a=0.3).value):
        np.testing.assert_allclose(value, expected, rtol=1e-14)
    found = f.value_and_gradients(Y, P, a=0.3)
    np.testing.assert_allclose(found.gradients["p"], 0.3 - 2 * (np.log(Y) - np.log(P)) / P, rtol=1e-13)
    np.testing.assert_allclose(found.gradients["a"], P.sum(), rtol=1e-14)


def test_parameters_left_out_take_their_initial_values():
    f = function("a*p + b*p", {"a": 2.0, "b": lc.Parameter(3.0, bounds=(0, None))})
    assert f(1.0) == 5
    assert f(1.0, b=10.0) == 12
    np.testing.assert_array_equal(function("param w[p] = 2\nsum(w*p)")(P), 2 * P.sum(1))


def test_gradients_have_the_shapes_of_what_was_given():
    found = function("input w\na*w*sum((y - p)**2)").value_and_gradients(Y, P, [1.0, 2.0])
    assert {name: gradient.shape for name, gradient in found.gradients.items()} == {"p": (2, 2), "a": ()}
    found = function("sum(p**2)").value_and_gradients(3.0)
    assert (found.value.item(), found.gradients["p"].shape, float(found.gradients["p"])) == (9.0, (), 6.0)


def test_precision_is_that_of_the_arrays():
    f = function("a*(y - p)**2")
    assert f(Y.astype("float32"), P.astype("float32")).dtype == "float32"
    assert f(Y.tolist(), P.astype("float32"), a=0.5).dtype == "float32"
    assert f(Y, P).dtype == "float64"


def test_scipy_fits_a_likelihood_with_its_gradients():
    """The maximum is that of scipy.stats.t.fit, which knows no gradients."""
    y = scipy.stats.t.rvs(4, 3, 0.5, size=400, random_state=0)
    loss = lc.compile_loss(
        "param m = 1\nparam s > 0 = 1\nparam nu > 0 = 8\n"
        "log(s) + lgamma(nu/2) - lgamma((nu + 1)/2) + log(nu*pi)/2 + (nu + 1)/2*log1p(((y - m)/s)**2/nu)",
        findings="ignore",
    )
    f = loss.numpy()

    def objective(theta):
        found = f.value_and_gradients(y, **dict(zip(loss.parameters, theta, strict=True)))
        return found.value.sum(), [found.gradients[name] for name in loss.parameters]

    start = [parameter.init for parameter in loss.parameters.values()]
    fit = scipy.optimize.minimize(objective, start, jac=True, bounds=[(None, None), (1e-6, None), (1e-6, None)], options={"ftol": 1e-14})
    nu, m, s = scipy.stats.t.fit(y)
    np.testing.assert_allclose(fit.x, [m, s, nu], rtol=1e-3)
    assert fit.fun <= -scipy.stats.t.logpdf(y, nu, m, s).sum() + 1e-7


@pytest.mark.parametrize(
    ("data", "named", "message"),
    [
        ((Y,), {}, "data for 'p' are missing; the loss needs y, p"),
        ((Y, P, P), {}, "3 arrays are given by their place, but the data are y, p. Parameters are given by name"),
        ((Y, P), {"p": P}, "'p' is given twice"),
        ((Y, P), {"q": P}, "there is no 'q'; the loss has y, p, a"),
        ((Y, P), {"a": -1.0}, "parameter 'a' = -1 lies outside its bounds"),
        ((Y, P), {"a": [1.0, 2.0]}, "parameter 'a' has shape"),
        ((Y, ["x", "z"]), {}, "'p' must be an array of numbers"),
    ],
)
def test_errors_say_what_is_wrong(data, named, message):
    f = function("param a > 0 = 1\na*(y - p)**2")
    with pytest.raises(lc.ArgumentError) as caught:
        f(*data, **named)
    assert message in str(caught.value)


def test_shapes_that_do_not_fit_are_errors():
    with pytest.raises(lc.ShapeError, match="do not broadcast"):
        function("(y - p)**2")(np.zeros(3), np.zeros(4))


def test_it_can_be_sent_to_other_processes():
    f = function("a*(y - p)**2")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(f))(Y, P), f(Y, P))


def test_it_says_what_it_takes():
    loss = lc.compile_loss("a*(y - p)**2", name="weighted", findings="ignore")
    assert repr(loss.numpy()) == "<NumpyLoss weighted: y, p, a>"
    assert loss.numpy().module.DATA == ("y", "p")
