"""Published losses at points where what is right is known by hand: limits, ties, symmetries and exact zeros."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
import scipy.stats

import losscompiler as lc


def test_the_slope_of_a_power_where_a_logarithm_vanishes() -> None:
    """Of p**g*log(1 - p) it is about -(1 + g)*p**g, and so 0 at p = 0 also for g < 1."""
    loss = lc.compile_loss("prediction y, p, g\n-y*(1 - p)**g*log(p) - (1 - y)*p**g*log(1 - p)", findings="ignore")
    found = loss.value_and_gradients({"y": [0.0, 1.0], "p": [0.0, 1.0], "g": [0.5, 0.5]})
    np.testing.assert_array_equal(found.value, 0)
    np.testing.assert_array_equal(found.gradients["p"], 0)


def test_an_asymmetric_loss_without_a_margin() -> None:
    """Then it is sigmoid(p)**2*softplus(p), however sure and wrong the prediction is."""
    text = "param m in [0, 1) = 0.05\ns = 1/(1 + exp(-p))\nsm = max(s - m, 0)\n-(1 - y)*sm**2*log(1 - sm)"
    p = np.array([300.0, 2.0, 1000.0])
    found = lc.compile_loss(text, findings="ignore").value_and_gradients({"y": np.zeros(3), "p": p}, {"m": 0.0})
    share, softplus = scipy.special.expit(p), np.logaddexp(p, 0)
    np.testing.assert_allclose(found.value, share**2 * softplus, rtol=1e-6)
    np.testing.assert_allclose(found.gradients["p"], share**3 + 2 * share**2 * scipy.special.expit(-p) * softplus, rtol=1e-6)


@pytest.mark.parametrize(
    "formula",
    [
        "lgamma(1/a) + lgamma(y + 1) - lgamma(y + 1/a) + (y + 1/a)*log(1 + a*p) - y*log(a*p)",
        "r = 1/a\nlgamma(r) + lgamma(y + 1) - lgamma(y + r) + r*log(1 + a*p) - y*log(a*p/(1 + a*p))",
    ],
)
@pytest.mark.parametrize("symbols", ["param a >= 0 = 1", "prediction p, a"])
def test_the_negative_binomial_distribution_without_dispersion(symbols: str, formula: str) -> None:
    """It is Poisson's; its slope by the dispersion is (y - (y - p)**2)/2 there (Lawless 1987). Elsewhere it is SciPy's."""
    loss = lc.compile_loss(f"target y\n{symbols}\n{formula}", findings="ignore")
    y, p = np.array([12.0, 0.0, 3.0]), np.array([1.75, 0.5, 4.0])
    for a in (0.0, 1e-20, 0.5):
        whole = "param" in symbols
        found = loss.value_and_gradients({"y": y, "p": p} | ({} if whole else {"a": np.full(3, a)}), {"a": a} if whole else {})
        if a < 0.1:
            np.testing.assert_allclose(found.value, -scipy.stats.poisson.logpmf(y, p), rtol=1e-6)
            slopes = (y - (y - p) ** 2) / 2
            np.testing.assert_allclose(found.gradients["a"], slopes.sum() if whole else slopes, rtol=1e-6)
            np.testing.assert_allclose(found.gradients["p"], 1 - y / p, rtol=1e-6)
        else:
            np.testing.assert_allclose(found.value, -scipy.stats.nbinom.logpmf(y, 1 / a, 1 / (1 + a * p)), rtol=1e-6)


@pytest.mark.parametrize(
    ("formula", "slope"),
    [
        ("((y**a + p**a)/2)**(1/a)", lambda y: 0.5),
        ("log((exp(a*y) + exp(a*p))/2)/a", lambda y: 0.5),
        ("log(0.25*y**a + 0.75*p**a)/a", lambda y: 0.25 / y),
    ],
)
def test_a_mean_of_equal_numbers_does_not_depend_on_its_order(formula: str, slope: Callable[[Any], Any]) -> None:
    y = np.array([1.7, 0.3, 12.0, 1000.0, 0.9], "float32")
    a = np.array([1.2, -0.4, 3.0, -0.01, 0.3], "float32")
    found = lc.compile_loss(f"prediction y, p, a\n{formula}", findings="ignore").value_and_gradients({"y": y, "p": y, "a": a})
    np.testing.assert_array_equal(found.gradients["a"], 0)
    np.testing.assert_allclose(found.gradients["y"], slope(y), rtol=1e-6)


def test_a_likelihood_that_is_flat_at_a_tie_is_left_as_it_is() -> None:
    """Its slope by p is 0 where p = y, but rounding p moves that; by r it is (SciPy's digamma) as accurate as elsewhere."""
    loss = lc.compile_loss(
        "param r > 0\n-(lgamma(y + r) - lgamma(r) - lgamma(y + 1) + r*log(r/(r + p)) + y*log(p/(r + p)))", findings="ignore"
    )
    assert "removable singularity" not in loss.explain()
    y, r = 1000.0, 1e6
    found = loss.value_and_gradients({"y": [y], "p": [y]}, {"r": r}).gradients["r"]
    np.testing.assert_allclose(found, np.log1p(y / r) - np.sum(1 / (r + np.arange(y))), rtol=1e-4)


def test_a_series_is_that_of_the_branch_that_is_taken() -> None:
    """Around k = 0 every residual lies beyond k; where k is small and a residual smaller, it does not."""
    loss = lc.compile_loss(
        "prediction y, p, t, k\nr = y - p\nabs(t - where(r < 0, 1, 0))*where(abs(r) <= k, r**2/2, k*(abs(r) - k/2))/k", findings="ignore"
    )
    r = np.array([1e-8, 5e-3, 0.3])
    k, share = 0.0078125, 0.75
    found = loss.value_and_gradients({"y": np.zeros(3), "p": r, "t": np.full(3, 1 - share), "k": np.full(3, k)})
    expected = share * np.where(r <= k, r**2 / 2, k * (r - k / 2)) / k
    np.testing.assert_allclose(found.value, expected, rtol=1e-6)
    np.testing.assert_allclose(found.gradients["p"], share * np.minimum(r / k, 1), rtol=1e-6)
    np.testing.assert_allclose(found.gradients["k"], share * np.where(r <= k, -((r / k) ** 2) / 2, -0.5), rtol=1e-6)


def test_a_divergence_of_logits_close_to_each_other_and_to_0() -> None:
    """Then it is (y - p)**2/8: no entropy may be taken out of it."""
    formula = "prediction y, p\nq = sigmoid(y)\ns = sigmoid(p)\nq*log(q/s) + (1 - q)*log((1 - q)/(1 - s))"
    y, p = np.array([-1e-8, 2e-5], "float32"), np.array([-0.999e-8, 2.001e-5], "float32")
    found = lc.compile_loss(formula, findings="ignore").value_and_gradients({"y": y, "p": p})
    np.testing.assert_allclose(found.value, (y.astype(float) - p) ** 2 / 8, rtol=1e-4)


def test_a_power_mean_of_small_powers() -> None:
    """(y**b - p**b)/b of two small powers: of the ones that are taken off them nothing is left."""
    loss = lc.compile_loss("prediction y, p, b\n(y**b - p**b)/(b*(b - 1)) - p**(b - 1)*(y - p)/(b - 1)", findings="ignore")
    y, p, b = 1e-10, 3e-10, 3.0
    found = loss.value_and_gradients({"y": [y], "p": [p], "b": [b]})
    np.testing.assert_allclose(found.value, (y**3 - p**3) / 6 - p**2 * (y - p) / 2, rtol=1e-6)
    np.testing.assert_allclose(found.gradients["y"], (y**2 - p**2) / 2, rtol=1e-6)


def test_logarithms_of_close_numbers_far_from_1() -> None:
    """Of two numbers that are close, rounding them may change what their logarithms differ by, but not by more."""
    y = np.float32(1e-20) * np.arange(1, 9, dtype="float32")
    p = y * (1 + np.float32(2.0**-22))
    found = lc.compile_loss("(log(y) - log(p))**2", findings="ignore").value_and_gradients({"y": y, "p": p})
    difference = np.log1p((y.astype(float) - p) / p)
    np.testing.assert_allclose(found.value, difference**2, atol=4 * 2.0**-23 * np.abs(difference).max())
    np.testing.assert_allclose(found.gradients["p"] * p, -2 * difference, atol=4 * 2.0**-23)


@pytest.mark.parametrize("formula", ["1 - sum(y*p)/(norm(y)*norm(p))", "1 - sum(y*p)/(sqrt(sum(y**2))*sqrt(sum(p**2)))"])
def test_the_cosine_distance_of_parallel_vectors(formula: str) -> None:
    y = np.array([[1.0, 3.0], [0.1, -2.0], [0.0, 5.0]], "float32")
    found = lc.compile_loss(formula, findings="ignore").value_and_gradients({"y": y, "p": y})
    np.testing.assert_array_equal(found.value, 0)
    np.testing.assert_array_equal(found.gradients["p"], 0)


def test_the_cosine_distance_of_two_components() -> None:
    """Against the angle between the vectors; what turns nothing has a slope of exactly 0."""
    loss = lc.compile_loss("prediction a, b, c, d\n1 - (a*c + b*d)/(sqrt(a**2 + b**2)*sqrt(c**2 + d**2))", findings="ignore")
    a, b, c, d = (np.array(x) for x in ([1.0, 0.0, 1.0, -2.0], [1.0, 1e-6, 2.0, 1.0], [3.0, 3.0, 1.0, 3.0], [3.0, 1000.0, 2.001, 1.0]))
    b, d = b.astype("float32").astype(float), d.astype("float32").astype(float)
    found = loss.value_and_gradients(dict(zip("abcd", (a, b, c, d), strict=True)))
    angle = np.arctan2(a * d - b * c, a * c + b * d)
    np.testing.assert_allclose(found.value, 2 * np.sin(angle / 2) ** 2, rtol=1e-6)
    np.testing.assert_allclose(found.gradients["a"], np.sin(angle) * b / (a**2 + b**2), rtol=1e-6)
    assert found.value[0] == found.gradients["a"][0] == found.gradients["b"][1] == 0


def test_at_the_singular_points_themselves() -> None:
    """Limits by hand: exp(p) at t = 1; for a = 0 the Poisson deviance, whose slope by a is y*(p - y) + (y**2 - p**2)/2, twice."""
    tempered = lc.compile_loss("param t = 0.5\nmax(0, 1 + (1 - t)*p)**(1/(1 - t))", findings="ignore")
    found = tempered.value_and_gradients({"p": [1.0, -2.0]}, {"t": 1.0})
    np.testing.assert_allclose(found.value, np.exp([1.0, -2.0]), rtol=1e-6)
    np.testing.assert_allclose(found.gradients["p"], np.exp([1.0, -2.0]), rtol=1e-6)
    robust = lc.compile_loss("param a\n(2 - a)/a*(((y - p)**2/(2 - a) + 1)**(a/2) - 1)", findings="ignore")
    found = robust.value_and_gradients({"y": [0.0], "p": [0.5]}, {"a": 2.0})
    np.testing.assert_allclose([found.value[0], found.gradients["p"][0]], [0.125, 0.5], rtol=1e-6)
    found = lc.compile_loss("acos(p)**2", findings="ignore").value_and_gradients({"p": [1.0]})
    np.testing.assert_allclose([found.value[0], found.gradients["p"][0]], [0.0, -2.0], rtol=1e-6)
    focal = lc.compile_loss("param g >= 0 = 0\n-(1 - y)*p**g*log(1 - p)", findings="ignore")
    found = focal.value_and_gradients({"y": [0.0], "p": [0.0]}, {"g": 0.0})
    np.testing.assert_allclose(found.gradients["p"], [1.0], rtol=1e-6)
    deviance = "param a = 1\n2*(y*log(y/p) - (y + 1/a)*log((1 + a*y)/(1 + a*p)))"
    found = lc.compile_loss(deviance, findings="ignore").value_and_gradients({"y": [1.0], "p": [4.0]}, {"a": 0.0})
    np.testing.assert_allclose(found.value, [2 * (np.log(1 / 4) + 3)], rtol=1e-6)
    np.testing.assert_allclose(found.gradients["a"], -9.0, rtol=1e-6)


def test_a_series_is_not_used_where_all_its_terms_vanish_by_chance() -> None:
    """At y = 0 this is 0 for all b; its slope by y there is not that of a series in b, which is of no use at this b."""
    loss = lc.compile_loss("prediction y, a, b\nlgamma(a + b) - lgamma(y + a + b) + lgamma(y + a) - lgamma(a)", findings="ignore")
    found = loss.value_and_gradients({"y": [0.0], "a": [0.1833], "b": [0.2375]})
    a, b = (float(np.float32(x)) for x in (0.1833, 0.2375))
    np.testing.assert_allclose(found.gradients["y"], [float(mpmath.digamma(a) - mpmath.digamma(a + b))], rtol=1e-6)


def test_conditions_do_not_reach_through_sums() -> None:
    """What a branch adds up over the batch holds rows for which its condition does not hold."""
    loss = lc.compile_loss("where(p > 0, p/sum(where(p > 0, log(p), p**2), axis=all), 0)", findings="ignore")
    p = np.array([[2.0, -3.0], [5.0, 0.5]])
    total = np.sum(np.where(p > 0, np.log(np.abs(p)), p**2))
    np.testing.assert_allclose(loss.value_and_gradients({"p": p}).value, np.where(p > 0, p / total, 0), rtol=1e-6)


def test_a_sum_that_stands_twice_in_a_product_stays_twice() -> None:
    loss = lc.compile_loss("prediction p, q\nexp(q)*(p*exp(-q) - q)*sin(p)*(p*exp(-q) - q)", findings="ignore")
    p, q = np.array([2.0, 0.3]), np.array([0.5, -1.0])
    np.testing.assert_allclose(
        loss.value_and_gradients({"p": p, "q": q}).value, np.exp(q) * (p * np.exp(-q) - q) ** 2 * np.sin(p), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("formula", "slopes"),
    [
        ("2*(y*log(y/p) - (y - p))", [2.0, 2.0, 0.0]),
        ("sum(y*log(y/p), axis=0)", [0.0, 0.0, -1.0]),
        ("y*log(y/p) + (1 - y)*log((1 - y)/(1 - p))", [1.0, 2.0, -1.0]),
    ],
)
def test_nothing_relative_to_nothing(formula: str, slopes: list[float]) -> None:
    """0*log(0/0) is 0, as in scipy.special.rel_entr; its derivative is that beside the point."""
    found = lc.compile_loss(formula, findings="ignore").value_and_gradients({"y": [0.0, 0.0, 1.0], "p": [0.0, 0.5, 1.0]})
    assert np.isfinite(found.value).all()
    np.testing.assert_allclose(found.gradients["p"], slopes, atol=1e-6)


@pytest.mark.parametrize("margin", [-1000.0, -88.0, -9.0, -1e-6, 2.0, 40.0])
@pytest.mark.parametrize("formula", ["-log((1 + y*tanh(p/2))/2)", "-log((1 + y*(2/(1 + exp(-p)) - 1))/2)"])
def test_a_label_times_tanh(formula: str, margin: float) -> None:
    """For labels 1 and -1 it is softplus(-y*p)."""
    y = np.array([1.0, -1.0], "float32")
    found = lc.compile_loss(f"target y\nprediction p\n{formula}", findings="ignore").value_and_gradients({"y": y, "p": margin * y})
    # What rounding y may change: the value's slope by y is 1/2 and more.
    np.testing.assert_allclose(found.value, np.logaddexp(0, -margin), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found.gradients["p"], -y * scipy.special.expit(-margin), rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("bounds", ["", " in [0, 1]", " in [0, 0.5] = 0.1"])
def test_a_mixture_whose_weight_lies_on_its_bound(bounds: str) -> None:
    """Noisy labels: of log((1 - e)*q + e*(1 - q)) the derivative by e at 0 is (1 - q)/q - 1."""
    formula = f"target y\nprediction p\nparam e{bounds}\nq = (1 - e)*sigmoid(p) + e*(1 - sigmoid(p))\n-y*log(q) - (1 - y)*log(1 - q)"
    p = np.array([2.0, -3.0, 20.0], "float32")
    found = lc.compile_loss(formula, findings="ignore").value_and_gradients({"y": np.ones(3), "p": p}, {"e": 0.0})
    np.testing.assert_allclose(found.value, np.logaddexp(0, -p), rtol=1e-6)
    np.testing.assert_allclose(found.gradients["e"], np.sum(1 - np.exp(-p)), rtol=1e-6)


def test_a_tie_where_a_parameter_makes_the_loss_0() -> None:
    """The Renyi divergence of order 0 is 0; its slope by the order is the other Kullback-Leibler divergence."""
    loss = lc.compile_loss("prediction y, p, a\nlog(y**a*p**(1 - a) + (1 - y)**a*(1 - p)**(1 - a))/(a - 1)", findings="ignore")
    y, p = (np.array(x, "float32") for x in ([0.999, 0.3], [0.99999, 0.6]))
    found = loss.value_and_gradients({"y": y, "p": p, "a": np.zeros(2)}).gradients["a"]
    exact = [scipy.special.rel_entr(p, y), scipy.special.rel_entr(1.0 - p.astype(float), 1.0 - y.astype(float))]
    np.testing.assert_allclose(found, exact[0] + exact[1], rtol=1e-4)


def test_a_point_at_which_the_loss_says_itself_what_it_is() -> None:
    """A zero-inflated Poisson loss jumps at 0 counts, also when the counts are predicted."""
    formula = "prediction y, p, w\nwhere(y == 0, -log(w + (1 - w)*exp(-p)), -log(1 - w) + p - y*log(p))"
    data = {"y": np.array([0.0, 2.0]), "p": np.array([1e-12, 3.0]), "w": np.array([0.25, 0.25])}
    found = lc.compile_loss(formula, findings="ignore").value_and_gradients({name: x.astype("float32") for name, x in data.items()})
    np.testing.assert_allclose(found.value, [0.75e-12, -np.log(0.75) + 3 - 2 * np.log(3)], rtol=1e-6)


def test_terms_that_cancel_behind_a_common_factor() -> None:
    """By the location a discretised logistic has the slope 1 - sigmoid(a) - sigmoid(b) over the scale, tiny for large scales."""
    loss = lc.compile_loss("prediction y, p, s\nd = exp(-s)\n-log(sigmoid((y - p + 1/2)*d) - sigmoid((y - p - 1/2)*d))", findings="ignore")
    found = loss.value_and_gradients({"y": np.float32([1.0]), "p": np.float32([0.25]), "s": np.float32([20.0])})
    np.testing.assert_allclose(found.gradients["y"], 0.75 * np.exp(-40) / 2, rtol=1e-6)


def test_divergence_of_normal_distributions_with_logarithms_of_variances() -> None:
    loss = lc.compile_loss("prediction m, n, u, v\n(u - v + (exp(v) + (m - n)**2)/exp(u) - 1)/2", findings="ignore")
    m, n, u, v = (np.array(x, "float32") for x in ([2.0, 1e-4, 1.0], [-1.0, 0.0, 1.0], [1000.0, 1.0, 2.0], [1000.0, 1.0, -1.0]))
    found = loss.value_and_gradients({"m": m, "n": n, "u": u, "v": v})
    exact = (np.expm1((v - u).astype(float)) - (v - u) + (m - n).astype(float) ** 2 * np.exp(-u.astype(float))) / 2
    np.testing.assert_allclose(found.value, exact, rtol=1e-6, atol=1e-37)
    assert all(np.isfinite(x).all() for x in found.gradients.values())


@pytest.mark.parametrize("formula", ["abs((y - p)/a)**b + log(a)", "sqrt(abs(y - p)/a) + log(a) + 0*b", "(abs(y - p)/a)**b + log(a)"])
def test_a_power_of_a_size_where_that_is_0(formula: str) -> None:
    """The value is log(a), whose slope by a is 1/a; by p the convention of abs at its kink holds."""
    loss = lc.compile_loss(f"param a > 0 = 2\nparam b > 0 = 0.5\n{formula}", findings="ignore")
    found = loss.value_and_gradients({"y": [3.0], "p": [3.0]})
    np.testing.assert_allclose(found.value, np.log(2), rtol=1e-6)
    np.testing.assert_allclose(found.gradients["a"], 0.5, rtol=1e-6)
    assert found.gradients["b"] == 0 == found.gradients["p"][0]


def test_a_focal_regression_loss_at_a_tie() -> None:
    loss = lc.compile_loss("prediction p, b, g\ne = abs(y - p)\n(2/(1 + exp(-b*e)) - 1)**g*e**2", findings="ignore")
    found = loss.value_and_gradients({"y": [2.0], "p": [2.0], "b": [0.2], "g": [0.1]})
    assert found.value == 0
    assert all(float(slope[0]) == 0 for slope in found.gradients.values())


@pytest.mark.parametrize("gap", [0.5, 10.0, 16.0, 40.0])
@pytest.mark.parametrize("formula", ["sum((y - softmax(p))**2)", "sum((softmax(p) - y)**2)", "sum(([1, 0, 0] - softmax(p))**2) + 0*y[0]"])
def test_a_brier_score_of_three_classes(formula: str, gap: float) -> None:
    """What the most probable class lacks to 1 is the sum of the others."""
    found = lc.compile_loss(formula, findings="ignore").value_and_gradients({"y": [[1.0, 0.0, 0.0]], "p": [[gap, 0.0, 0.5]]})
    e = np.exp(np.array([0.0, -gap, 0.5 - gap]))
    shares = e / e.sum()
    residuals = np.array([-shares[1:].sum(), *shares[1:]])
    np.testing.assert_allclose(found.value, np.sum(residuals**2), rtol=1e-5)
    slopes = 2 * shares * (residuals - np.sum(residuals * shares))
    slopes[0] = -np.sum(slopes[1:])
    np.testing.assert_allclose(found.gradients["p"][0], slopes, rtol=1e-4)


@pytest.mark.parametrize(
    "formula",
    [
        "-(lgamma(y + k) - lgamma(k) - lgamma(y + 1) - k*log(1 + a*m) + y*log(a*m/(1 + a*m)))",
        "-(lgamma(y + k) - lgamma(k) - lgamma(y + 1) + k*log(k/(k + m)) + y*log(m/(k + m)))",
    ],
)
def test_a_negative_binomial_regression_without_dispersion(formula: str) -> None:
    """With the logarithm as link it is Poisson's for a = 0, and the slope by a is m*y - m**2/2 - y*(y - 1)/2."""
    loss = lc.compile_loss(f"param a >= 0 = 1\nm = exp(p)\nk = 1/a\n{formula}", findings="ignore")
    y, p = np.array([0.0, 3.0, 1000.0]), np.array([1.0, 2.0, 2.0])
    found = loss.value_and_gradients({"y": y, "p": p}, {"a": 0.0})
    mean = np.exp(p)
    log_factorials = [0.0, np.log(6), float(mpmath.loggamma(1001))]
    np.testing.assert_allclose(found.value, mean - y * p + log_factorials, rtol=1e-6)
    np.testing.assert_allclose(found.gradients["p"], mean - y, rtol=1e-6)
    np.testing.assert_allclose(found.gradients["a"], np.sum(mean * y - mean**2 / 2 - y * (y - 1) / 2), rtol=1e-5)


def test_copulas_of_independence() -> None:
    """At theta = 0 the densities are 1 everywhere; that of Clayton's copula has the slope -(1 + log(u))*(1 + log(v)) by theta there."""
    clayton = "param th = 1\nprediction u, v\n-log((1 + th)*(u*v)**(-1 - th)*(u**(-th) + v**(-th) - 1)**(-1/th - 2))"
    u, v = np.array([0.3, 0.5]), np.array([0.5, 0.999])
    found = lc.compile_loss(clayton, findings="ignore").value_and_gradients({"u": u, "v": v}, {"th": 0.0})
    np.testing.assert_allclose(found.value, 0, atol=1e-6)
    np.testing.assert_allclose(found.gradients["th"], -np.sum((1 + np.log(u)) * (1 + np.log(v))), rtol=1e-5)
    frank = "param th = 1\nprediction u, v\ne = 1 - exp(-th)\n-log(th*e*exp(-th*(u + v))/(e - (1 - exp(-th*u))*(1 - exp(-th*v)))**2)"
    found = lc.compile_loss(frank, findings="ignore").value_and_gradients({"u": u, "v": v}, {"th": 0.0})
    np.testing.assert_allclose(found.value, 0, atol=1e-6)


def test_a_mixture_of_equal_parts_is_one_of_them() -> None:
    mixture = lc.compile_loss("prediction a, b, w\n-log(w*exp(-(y - a)**2/2) + (1 - w)*exp(-(y - b)**2/2))", findings="ignore")
    found = mixture.value_and_gradients({"y": [0.5, 2.0], "a": [0.5, 1.0], "b": [0.5, 1.0], "w": [0.9, 0.1]})
    assert found.value[0] == 0
    np.testing.assert_allclose(found.value[1], 0.5, rtol=1e-6)


def test_a_kink_is_not_moved() -> None:
    """Where a branch is not defined for some values of a parameter, a limit from the other side says nothing of the point itself."""
    hazard = "target d\nprediction t, c, a, b\nh = a if t < c else b\na*min(t, c) + b*max(t - c, 0) - d*log(h)"
    found = lc.compile_loss(hazard, findings="ignore").value_and_gradients({"d": [0.0], "t": [20.0], "c": [20.0], "a": [1.0], "b": [0.5]})
    assert found.gradients["b"][0] == 0
    assert found.value[0] == found.gradients["a"][0] == 20


def test_what_survives_a_hazard_that_explodes() -> None:
    found = lc.compile_loss("prediction t, a, b\n1 - exp(-b/a*(exp(a*t) - 1))", findings="ignore").value_and_gradients(
        {"t": [1000.0], "a": [1.0], "b": [0.5]}
    )
    assert found.value[0] == 1
    assert all(float(slope[0]) == 0 for slope in found.gradients.values())


@pytest.mark.parametrize("formula", ["min(s, g)/s*d**2", "d**2/s*min(g, s)"])
def test_a_minimum_over_one_of_its_arguments(formula: str) -> None:
    loss = lc.compile_loss(f"prediction d, s, g\n{formula}", findings="ignore")
    found = loss.value_and_gradients({"d": [0.6, -2.0], "s": [1.0001, 5.0], "g": [2.25, 2.0]})
    np.testing.assert_allclose(found.gradients["s"], [0.0, -2 / 25 * 4], rtol=1e-6, atol=0)
