"""What a gradient check reports, on losses whose answers are known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import losscompiler as lc
from losscompiler.testing import assert_gradients_match
from losscompiler.verify import GradientCheck

LOG_ERROR = "(log(y) - log(p))**2 + a*p"


def compiled(formula, *args, **options):
    return lc.compile_loss(formula, *args, findings="ignore", **options)


PUBLISHED = {
    "squared error": "(y - p)**2",
    "log error": LOG_ERROR,
    "Huber": "param d > 0 = 1\ne = abs(y - p)\ne**2/2 if e <= d else d*e - d**2/2",
    "pinball": "param q in (0, 1) = 0.5\nmax(q*(y - p), (q - 1)*(y - p))",
    "Gaussian likelihood": "prediction m, s\nlog(s) + (y - m)**2/(2*s**2)",
    "binary cross-entropy, naive": "-(y*log(p) + (1 - y)*log(1 - p))",
    "binary cross-entropy, logits": "softplus(p) - y*p",
    "focal": "param g >= 0 = 2\ns = sigmoid(p)\n-y*(1 - s)**g*log(s) - (1 - y)*s**g*log(1 - s)",
    "sparse cross-entropy": "-log(softmax(p)[y])",
    "cross-entropy with temperature": "param t > 0 = 1\n-log_softmax(p/t)[y]",
    "weighted classes": "param w[3] > 0 = 1\n-w[y]*log_softmax(p)[y]",
    "label smoothing": "param e in (0, 1) = 0.1\nn = 4\nq = one_hot(y, 4)*(1 - e) + e/n\n-sum(q*log_softmax(p))",
    "Poisson": "p - y*log(p)",
    "negative binomial": "param r > 0 = 1\nlgamma(r) - lgamma(y + r) - r*log(r/(r + p)) - y*log(p/(r + p))",
    "gamma deviance": "2*(log(p/y) + y/p - 1)",
    "von Mises": "param k > 0 = 1\nlog(2*pi) + log_i0(k) - k*cos(y - p)",
    "Student t": "param v > 0 = 4\nparam s > 0 = 1\nz = (y - p)/s\nlog(s) + lbeta(1/2, v/2) + log(v)/2 + (v + 1)/2*log1p(z**2/v)",
    "cosine distance": "1 - sum(normalize(y)*normalize(p))",
    "triplet": "prediction a, b, c\nparam m > 0 = 0.2\nmax(norm(a - b) - norm(a - c) + m, 0)",
    "covariance penalty": "u = p - mean(p, axis=0)\nc = transpose(u) @ u/count(p, axis=0)\nsum((c*(1 - eye_like(c)))**2, axis=all)",
    "ranking": "logcumsumexp(p) - p",
    "sorted differences": "mean(abs(sort(p) - sort(y)))",
    "uncertainty weights": "param w[2] = 0\nprediction m, s\nexp(-w[0])*(y - m)**2 + w[0] + exp(-w[1])*(y - s)**2 + w[1]",
    "a sum of 60 parameters": " + ".join(f"a{i}*p**{i % 5}" for i in range(60)),
}


@pytest.mark.parametrize("what", PUBLISHED)
def test_published_losses_pass_without_any_data(what):
    loss = compiled(PUBLISHED[what])
    check = loss.check_gradients(samples=20)
    check.assert_ok()
    assert [row.symbol for row in check.rows] == list(loss.graph.variables)
    assert all(row.points >= 4 for row in check.rows), str(check)
    assert all(row.error_mpmath <= 1e-8 for row in check.rows)


@pytest.mark.parametrize("what", ["log error", "Gaussian likelihood", "sparse cross-entropy", "pinball"])
def test_in_float32(what):
    check = compiled(PUBLISHED[what]).check_gradients(samples=20, dtype="float32")
    assert check.ok, str(check)
    assert check.dtype == "float32"
    assert 1e-10 < max(row.error_mpmath for row in check.rows) < 1e-3


def test_kinks_are_separated_and_counted():
    check = compiled("abs(y - p)").check_gradients({"y": [1.0, 2.0, 3.0, 4.0], "p": [1.0, 2.0, 2.5, 4.5]})
    assert (check["p"].points, check["p"].kinks, check["p"].other_convention) == (2, 2, 0)
    assert check.ok


def test_a_smooth_join_is_no_kink():
    """relu(p)**2 has derivative 0 on both sides of 0; Huber's loss is smooth at its threshold."""
    assert compiled("relu(p)**2").check_gradients({"p": [0.0, 1.0, -1.0]})["p"].kinks == 0
    huber = compiled(PUBLISHED["Huber"]).check_gradients({"y": [0.0, 0.0], "p": [1.0, -1.0]}, {"d": 1.0})
    assert huber["p"].kinks == 0
    assert huber.ok


@pytest.mark.parametrize("formula", ["sign(p)*y", "floor(p)*y", "where(p > 0, 1, 0)*y", "max(p)", "round(p - 0.5)*y"])
def test_jumps_and_ties_are_kinks(formula):
    loss = compiled(formula)
    data = {"p": [[0.0, 0.0, -0.7]], "y": [[1.0, 1.0, 1.0]]}
    check = loss.check_gradients({name: data[name] for name in loss.graph.data})
    assert check["p"].kinks == 2, str(check)
    assert check.ok


def test_a_kink_within_rounding():
    """0.1*y - p is about 1e-18 in exact arithmetic and 0 in float64: there the sides of abs differ by rounding alone."""
    p = np.append(0.1 * np.array([3.0, 1.0, 2.0]), 0.7)
    check = compiled("abs(0.1*y - p)").check_gradients({"y": [3.0, 1.0, 2.0, 1.0], "p": p})
    assert check.ok, str(check)
    assert (check["p"].points, check["p"].kinks) == (1, 3)


def test_where_autodiff_is_nan_the_analytic_gradient_passes():
    """TensorFlow's gradient of sqrt(a*s) by a is NaN at s = 0, where the analytic one is 0."""
    check = compiled("sqrt(sum(p**2)*a)").check_gradients({"p": [[0.0, 0.0], [3.0, 4.0]]})
    assert check["a"].ok, str(check)
    assert check["a"].autodiff_wrong == 1
    assert "autodiff is NaN or wrong at 1" in str(check)


def test_autodiff_of_the_program_sees_no_branch_that_is_not_taken():
    """TensorFlow's gradient of a*log(p) in such a branch would be NaN at p = 0 (tensorflow #38349)."""
    check = compiled("where(p > 0, a*log(p), 0)").check_gradients({"p": [0.0, -1.0, 2.0, 3.0]})
    assert check.ok
    assert check["a"].autodiff_wrong == 0


def test_where_two_kinks_meet_the_slopes_alone_do_not_tell():
    """p[1] is tied with p[0] and one of both equals its target: moving p[1] either way changes the loss by the same slope."""
    check = compiled("mean(abs(sort(p) - sort(y)))").check_gradients({"y": [[-1.0, 1.0, -1.0, -1.0]], "p": [[1.0, 1.0, -1.0, 0.5]]})
    assert check.ok, str(check)
    assert check["p"].kinks >= 1


@pytest.mark.long
def test_a_sum_of_1000_terms_with_1000_parameters():
    check = compiled(" + ".join(f"a{i}*p**{i % 5}" for i in range(1000))).check_gradients()
    assert check.ok
    assert len(check.rows) == 1001


def test_a_nan_of_the_program_where_a_derivative_exists_fails():
    """i1(p) overflows at 800, though exp(-p)*i1(p) is small everywhere."""
    check = compiled("y*exp(-p)*i1(p)").check_gradients({"p": [800.0, 1.0], "y": [1.0, 1.0]})
    assert not check.ok
    assert not check["p"].ok
    assert "NaN or infinite at 1" in check["p"].problem
    assert check["p"].worst.values == {"y": [1.0, 1.0], "p": [800.0, 1.0]}


def test_points_where_the_formula_itself_loses_digits_are_told_apart():
    """The denominator is (sqrt(p) - 2)**2, which nothing recognises: near 4 the derivative keeps ever fewer digits."""
    loss = compiled("(p**2 - 8*p + 16)/(p - 4*sqrt(p) + 4)")
    few = loss.check_gradients({"p": [4.0012, 1.5, 2.0]})
    assert few.ok
    assert few["p"].rounded == 1
    assert "loses digits" in str(few)
    none = loss.check_gradients({"p": [4 + 4e-6, 1.5, 2.0]})
    assert not none.ok
    assert "the formula loses its digits in float64" in none["p"].problem


def test_an_ill_conditioned_zero_crossing_is_not_held_against_a_program():
    """The derivative of (log(y) - log(p))**2 crosses 0 at p = y, where one unit in y moves it by all of itself."""
    y = np.array([1.0, 2.0, 3.0])
    assert compiled("(log(y) - log(p))**2").check_gradients({"y": y, "p": np.nextafter(y, 4)}).ok


def test_data_and_parameters_that_are_given():
    loss = compiled(LOG_ERROR)
    y = np.random.default_rng(0).uniform(0.5, 2, size=(7, 2))
    check = loss.check_gradients({"y": y, "p": y + 0.1}, {"a": 0.25})
    assert (check["p"].points, check["a"].points) == (14, 1)
    assert check["a"].worst.values["a"] == 0.25


def test_parameters_that_are_given_stay_fixed_while_points_vary():
    check = compiled("param a in (0, 1) = 0.5\np**a").check_gradients(params={"a": 0.25}, samples=10)
    assert check["p"].worst.values["a"] == 0.25
    with pytest.raises(lc.ArgumentError, match="outside its bounds"):
        compiled("param a in (0, 1) = 0.5\np**a").check_gradients(params={"a": 2})


def test_large_data_take_an_excerpt():
    y = np.linspace(0.5, 2, 40_000).reshape(-1, 4)
    check = compiled("sum((y - p)**2)").check_gradients({"y": y, "p": y + 0.5})
    assert check.ok
    assert 4 <= check["p"].points <= 96


def test_the_same_seed_gives_the_same_check():
    loss = compiled(LOG_ERROR)
    assert loss.check_gradients(samples=10, seed=3) == loss.check_gradients(samples=10, seed=3)
    assert loss.check_gradients(samples=10, seed=3) != loss.check_gradients(samples=10, seed=4)


def test_second_order_of_stop_gradient_is_frozen_in_the_truth_too():
    compiled("stop_gradient(p)*p + stop_gradient(a)*a").check_gradients(samples=10).assert_ok()


def test_what_a_loss_does_not_depend_on_is_checked_to_have_gradient_0():
    check = compiled("prediction p, q\nparam a = 1\np**2").check_gradients(samples=10)
    assert check.ok
    assert check["q"].points > 0
    assert check["a"].points > 0


# -- the report
def test_the_table():
    check = compiled(LOG_ERROR).check_gradients(samples=10)
    lines = str(check).splitlines()
    assert lines[0] == "all gradients agree (float64, tolerance 1e-08): (log(y) - log(p))**2 + a*p"
    assert lines[2].split() == ["symbol", "points", "autodiff", "mpmath", "float32", "kinks", "notes"]
    assert [line.split()[0] for line in lines[3:]] == ["(value)", "p", "a"]


def test_to_dict_is_json():
    for check in (compiled("abs(y - p)").check_gradients(samples=10), compiled("sqrt(-1 - p**2)").check_gradients(samples=3)):
        assert isinstance(check, GradientCheck)
        read = json.loads(json.dumps(check.to_dict(), allow_nan=False))
        assert read["ok"] is check.ok
        assert [row["symbol"] for row in read["gradients"]] == ["p"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float16"}, "dtype must be one of 'float64', 'float32'"),
        ({"samples": 0}, "samples must be a positive whole number"),
        ({"samples": 2.5}, "samples must be a positive whole number"),
        ({"tolerance": 0}, "tolerance must be positive"),
        ({"tolerance": math.nan}, "tolerance must be positive"),
        ({"params": {"b": 1}}, "there is no parameter 'b'"),
        ({"data": {"y": 1.0}}, "data for 'p' are missing"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(lc.ArgumentError, match=message):
        compiled(LOG_ERROR).check_gradients(**options)


# -- for users' tests
def test_assert_gradients_match_takes_a_loss_or_a_formula():
    assert assert_gradients_match(compiled(LOG_ERROR), samples=10).ok
    assert assert_gradients_match(LOG_ERROR, {"a": lc.Parameter(0.5, bounds=(0, 1))}, samples=10).ok
    assert assert_gradients_match(compiled(LOG_ERROR), {"a": 0.5}, {"y": [1.0], "p": [2.0]})["p"].points == 1
    assert assert_gradients_match(LOG_ERROR, data={"y": [1.0], "p": [2.0]})["p"].points == 1


def test_assert_gradients_match_is_an_assertion():
    with pytest.raises(AssertionError, match="p at y = 1, p = 1"):
        assert_gradients_match("sign(y - p)*sqrt(2*(y*log(y/p) - (y - p)))", data={"y": 1.0, "p": 1.0})
    with pytest.raises(lc.FormulaSyntaxError):
        assert_gradients_match("2p")
