"""Derivatives that stand in textbooks, as numbers; and what the reverse sweep promises about shapes and cost."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import scipy.stats
from scipy.special import digamma, expit, softmax

import losscompiler as lc
from losscompiler.derivative import gradients

Y = np.array([0.2, 1.0, 2.5, 0.7])
P = np.array([0.5, 1.2, 2.0, 1.3])


def compiled(formula, *args, **options):
    return lc.compile_loss(formula, *args, findings="ignore", **options)


def gradient(formula, name, data=None, params=None, **options):
    loss = compiled(formula)
    data = data or {symbol: {"y": Y, "p": P}[symbol] for symbol in loss.graph.data}
    return loss.value_and_gradients(data, params, dtype="float64", **options).gradients[name]


TEXTBOOK = [
    ("(y - p)**2", "p", lambda y, p: 2 * (p - y)),
    ("abs(y - p)", "p", lambda y, p: np.sign(p - y)),
    ("(log(y) - log(p))**2 + a*p", "p", lambda y, p: 1 + 2 * (np.log(p) - np.log(y)) / p),
    ("-y*log(p)", "p", lambda y, p: -y / p),
    ("p - y*log(p)", "p", lambda y, p: 1 - y / p),
    ("softplus(p) - y*p", "p", lambda y, p: expit(p) - y),
    ("log(cosh(p - y))", "p", lambda y, p: np.tanh(p - y)),
    ("1/(1 + exp(-p))", "p", lambda y, p: expit(p) * (1 - expit(p))),
    ("tanh(p)", "p", lambda y, p: 1 / np.cosh(p) ** 2),
    ("p**p", "p", lambda y, p: p**p * (np.log(p) + 1)),
    ("exp(p**2)", "p", lambda y, p: 2 * p * np.exp(p**2)),
    ("sqrt(1 + (p - y)**2)", "p", lambda y, p: (p - y) / np.sqrt(1 + (p - y) ** 2)),
    ("lgamma(p)", "p", lambda y, p: digamma(p)),
    ("atan(p)", "p", lambda y, p: 1 / (1 + p**2)),
    ("log(p)/log(2)", "p", lambda y, p: 1 / (p * np.log(2))),
    ("p*log(p/y) - p + y", "p", lambda y, p: np.log(p / y)),
    ("sin(p)/p", "p", lambda y, p: (p * np.cos(p) - np.sin(p)) / p**2),
    ("(y - p)/(y + p)", "p", lambda y, p: -2 * y / (y + p) ** 2),
    ("2**p", "p", lambda y, p: 2**p * np.log(2)),
    ("p if p > 1 else p**2", "p", lambda y, p: np.where(p > 1, 1, 2 * p)),
]


@pytest.mark.parametrize(("formula", "name", "expected"), TEXTBOOK)
def test_derivative_is_the_textbook_one(formula, name, expected):
    np.testing.assert_allclose(gradient(formula, name), expected(Y, P), rtol=1e-13, atol=1e-15)


def test_pinball_loss():
    """d/dp is -q above the prediction and 1 - q below; d/dq is the residual's positive part minus its negative one."""
    formula = "param q in (0, 1) = 0.3\nmax(q*(y - p), (q - 1)*(y - p))"
    np.testing.assert_allclose(gradient(formula, "p"), np.where(Y > P, -0.3, 0.7))
    np.testing.assert_allclose(gradient(formula, "q"), np.sum(Y - P))


def test_gaussian_likelihood():
    """-log N(y; m, s): d/dm = (m - y)/s**2, d/ds = 1/s - (y - m)**2/s**3."""
    s = np.array([0.5, 1.0, 2.0, 0.8])
    found = compiled("prediction m, s\nlog(s) + (y - m)**2/(2*s**2)").value_and_gradients({"y": Y, "m": P, "s": s}, dtype="float64")
    np.testing.assert_allclose(found.gradients["m"], (P - Y) / s**2, rtol=1e-13)
    np.testing.assert_allclose(found.gradients["s"], 1 / s - (Y - P) ** 2 / s**3, rtol=1e-13)


def test_cross_entropy_of_a_softmax():
    """The gradient is softmax(p) minus the one-hot target."""
    p, y = np.random.default_rng(0).normal(size=(5, 3)), np.array([0, 2, 1, 1, 0])
    found = gradient("-log(softmax(p)[y])", "p", {"y": y, "p": p})
    np.testing.assert_allclose(found, softmax(p, -1) - np.eye(3)[y], rtol=1e-12, atol=1e-15)


def test_a_matrix_parameter():
    """The gradient of sum(p @ W) by W is the column sums of p in every column."""
    p = np.random.default_rng(1).normal(size=(5, 3))
    found = gradient("param W[3, 2] = 1\nsum(p @ W)", "W", {"p": p})
    np.testing.assert_allclose(found, np.repeat(p.sum(0)[:, None], 2, 1), rtol=1e-13)


def test_the_mean_divides_by_every_element():
    whole, each = (gradient("(y - p)**2", "p", reduction=reduction) for reduction in ("mean", "none"))
    np.testing.assert_allclose(whole, each / 4)


# -- branches that are not taken
def at(formula, p, params=None, **data):
    given = {"p": np.asarray(p), **{name: np.asarray(value) for name, value in data.items()}}
    return compiled(formula).value_and_gradients(given, params).gradients


NOT_TAKEN = [
    "where(p > 0, a*log(p), 0)",
    "where(p <= 0, 0, a*log(p))",
    "a*log(p) if p > 0 else 0",
    "where(not (p <= 0), a*log(p), 0)",
    "where(p > 0 and p > -1, a*log(p), 0)",
    "where(p > 0, where(p > 0, a*log(p), 1), 0)",
    "where(p > 0, a*log(p), 0) + where(p > 0, a/p, 0)",
    "exp(where(p > 0, a*log(p), 0)) - 1",
    "where(p > 0, a*sqrt(p)/p, 0)",
    "where(p > 0, a*p**0.3*log(p), 0)",
    "t = log(p)\nwhere(p > 0, a*t + t**2, 0)",
    "t = where(p > 0, log(p), 0)\na*t*t",
    "where(p > 0, log(a*p), 0)*where(p > 0, log(p), 0)",
]


@pytest.mark.parametrize("formula", NOT_TAKEN)
def test_a_branch_not_taken_contributes_exactly_nothing(formula):
    """At p <= 0 the gradients by p and by a are exactly 0, in every form of the condition; TensorFlow's are NaN."""
    found = at(formula, [-1.0, 0.0, -3.0])
    assert found["a"] == 0.0
    np.testing.assert_array_equal(found["p"], np.zeros(3))


THROUGH_REDUCTIONS = [
    "where(y > 0, sum(log(p)), 0)",
    "where(y > 0, mean(a*log(p)), 0)",
    "where(y > 0, norm(sqrt(p)), 0)",
    "where(y > 0, max(log(p)), 0)",
    "where(y > 0, prod(log(p)), 0)",
    "where(y > 0, logsumexp(log(p)), 0)",
    "where(y > 0, sum(log(softmax(log(p)))), 0)",
    "where(y > 0, cumsum(log(p)), 0)",
    "where(y > 0, log(p)[0], 0)",
    "where(y > 0, log(p)[1:], 0)",
    "where(y > 0, log(p)[y], 0)",
    "where(y > 0, concat(log(p), sqrt(p)), 0)",
    "where(y > 0, sum(a*log(p)), 0) + where(y > 0, mean(a/p), 0)",
]


@pytest.mark.parametrize("formula", THROUGH_REDUCTIONS)
def test_a_branch_not_taken_contributes_nothing_through_reductions(formula):
    """The first row is not taken and holds zeros; the second is that of the branch alone."""
    loss = compiled(formula)
    found = loss.value_and_gradients({"y": [0.0, 1.0], "p": [[0.0, 0.0], [1.5, 2.0]]}, dtype="float64").gradients
    alone = loss.value_and_gradients({"y": [1.0], "p": [[1.5, 2.0]]}, dtype="float64").gradients
    np.testing.assert_array_equal(found["p"][0], [0, 0])
    np.testing.assert_allclose(found["p"][1], alone["p"][0], rtol=1e-14)
    if "a" in found:
        np.testing.assert_allclose(found["a"], alone["a"], rtol=1e-14)


def test_a_subexpression_shared_by_both_branches():
    """t = log(p) in one branch and t**2 in the other: both adjoints count where they are taken, none elsewhere."""
    found = at("t = log(p)\nwhere(y > 0, t, t**2)", [2.0, 2.0], y=[1.0, -1.0])
    np.testing.assert_allclose(found["p"], [0.5, 2 * np.log(2) / 2], rtol=1e-6)


@pytest.mark.parametrize(
    ("formula", "name", "p", "expected"),
    [
        ("clip(p, 0, 1)", "p", [-1.0, 0.0, 0.5, 1.0, 2.0], [0, 1, 1, 1, 0]),
        ("relu(p)", "p", [-1.0, 0.0, 2.0], [0, 0, 1]),
        ("abs(p)", "p", [-1.0, 0.0, 2.0], [-1, 0, 1]),
        ("max(p, 0)", "p", [-1.0, 2.0], [0, 1]),
        ("log(clip(p, 0.1, 1))", "p", [-1.0, 0.5], [0, 2]),
        ("xlogy(p, p)", "p", [0.0, 1.0], [0, 1]),
        ("sign(p) + floor(p) + round(p)", "p", [0.3, 1.7], [0, 0]),
        ("stop_gradient(p)*p", "p", [3.0], [3]),
        ("hypot(p, 0)", "p", [0.0, -2.0], [0, -1]),
        ("cbrt(p)", "p", [8.0, -8.0], [1 / 12, 1 / 12]),
        ("i1(p)", "p", [0.0], [0.5]),
        ("p**0 + 3*p", "p", [0.0, 2.0], [3, 3]),
    ],
)
def test_conventions_at_kinks(formula, name, p, expected):
    np.testing.assert_allclose(at(formula, p)[name], expected, rtol=1e-6)


def test_xlogy_of_zero_targets():
    """0*log(0) is 0, and so is its derivative by the prediction, at a prediction of 0 too."""
    found = compiled("-xlogy(y, p)").value_and_gradients({"y": [0.0, 0.0, 1.0], "p": [0.0, 0.5, 0.5]})
    np.testing.assert_allclose(found.value, [0, 0, np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(found.gradients["p"], [0, 0, -2])


# -- what broadcasts is summed
@pytest.mark.parametrize(
    ("y", "p"),
    [
        ((3,), (3, 4)), ((3, 1), (3, 4)), ((3, 4), (3, 1)), ((3, 4), (3, 4)), ((3,), (3,)), ((), (3,)), ((2, 3), (2, 3, 4)),
        ((2, 3, 4), (2, 1, 1)),
    ],
)
def test_gradients_have_the_shape_of_their_variables(y, p):
    """The derivative of the summed loss (y - p)**2*a + b, with what broadcasts summed by hand."""
    random = np.random.default_rng(3)
    target, prediction = random.normal(size=y), random.normal(size=p)
    found = compiled("(y - p)**2*a + b").value_and_gradients({"y": target, "p": prediction}, {"a": 2.0}, dtype="float64")
    aligned = target[..., None] if len(y) == len(p) - 1 and len(p) > 1 else target
    slope = 4 * (prediction - aligned)
    axes = tuple(i for i, n in enumerate(p) if n == 1 and slope.shape[i] != 1)
    np.testing.assert_allclose(found.gradients["p"], slope.sum(axis=axes, keepdims=True) if axes else slope, rtol=1e-12)
    np.testing.assert_allclose(found.gradients["a"], np.sum((prediction - aligned) ** 2), rtol=1e-12)
    np.testing.assert_allclose(found.gradients["b"], slope.size)
    assert found.gradients["a"].shape == found.gradients["b"].shape == ()


def test_a_vector_parameter_sums_over_the_batch():
    random = np.random.default_rng(4)
    y, p = random.normal(size=(5, 3)), random.normal(size=(5, 3))
    found = gradient("param w[p] = 1\nsum(w*(y - p)**2)", "w", {"y": y, "p": p})
    np.testing.assert_allclose(found, np.sum((y - p) ** 2, axis=0), rtol=1e-13)


def test_a_constant_factor_outside_a_reduction_counts_every_element():
    """sum(a) over p's axis would be a; sum(a + 0*p) is 4a."""
    assert gradient("sum(a + 0*p)", "a") == 4
    assert gradient("a*count(p)", "a") == 4


# -- second derivatives
def mills(x):
    """Return the ratio of the normal density to its distribution function."""
    return np.exp(scipy.stats.norm.logpdf(x) - scipy.special.log_ndtr(x))


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("exp(2*p)", lambda p: 4 * np.exp(2 * p)),
        ("p**3", lambda p: 6 * p),
        ("softplus(p)", lambda p: expit(p) * expit(-p)),
        ("lgamma(p)", lambda p: scipy.special.polygamma(1, p)),
        ("where(p > 1, p**2, p)", lambda p: np.where(p > 1, 2.0, 0.0)),
        ("log_ndtr(p)", lambda p: -mills(p) * (p + mills(p))),
    ],
)
def test_second_derivatives_by_differentiating_twice(formula, expected):
    """The reverse sweep takes its own result."""
    import mpmath

    from losscompiler.graph.precise import evaluate

    loss = compiled(formula).graph
    first = gradients(loss.graph, loss.loss, ("p",)).local["p"]
    second = gradients(loss.graph, first, ("p",)).local["p"]
    with mpmath.workdps(30):
        found = [float(evaluate([second], {"p": mpmath.mpf(x)})[0]) for x in (0.4, 1.3, 2.2)]
    np.testing.assert_allclose(found, expected(np.array([0.4, 1.3, 2.2])), rtol=1e-12)


# -- cost
def nested(function, depth):
    text = "p"
    for _ in range(depth):
        text = f"{function}(a*{text})"
    return text


COSTS = {
    "a sum of 1,000 terms with 1,000 parameters": " + ".join(f"a{i}*p**{i % 7 + 1}" for i in range(1000)),
    "tanh, 40 deep": nested("tanh", 40),
    "softplus, 40 deep": nested("softplus", 40),
    "a product of 100 factors": "*".join(f"(p + a{i})" for i in range(100)),
    "shared logarithms": "t = log(p)*a\nt**2 + t*exp(t) + sin(t)/t",
    "the general robust loss": "param c > 0 = 1\nparam a = 1\nr = (p - y)/c\nabs(a - 2)/a*((r**2/abs(a - 2) + 1)**(a/2) - 1)",
    "a softmax cross-entropy": "-log_softmax(p/a)[y]",
}


@pytest.mark.parametrize("what", COSTS)
def test_gradients_cost_a_small_multiple_of_the_value(what):
    """At most four times the value's operations, and a few for the upstream gradient and the sums over the batch.

    Griewank & Walther 2008, section 4.4, promise five.
    """
    program = compiled(COSTS[what]).stages.program
    assert program.value_operations >= 4
    assert program.total_operations <= 4 * program.value_operations + 3


@pytest.mark.parametrize(("c", "d", "e"), [(c, d, e) for c in (0, 1) for d in (0, 1) for e in (0, 1)])
def test_a_subexpression_shared_by_partly_taken_branches_is_read_only_where_it_is_used(c: int, d: int, e: int) -> None:
    """log(p) is NaN at p = -1; where no branch reads it, the gradient is exactly 0."""
    loss = lc.compile_loss("input c, d, e\nx = log(p)\nwhere(c, where(d, 2*x, 0), where(e, 3*x, 1)) + where(d, x, 5)", findings="ignore")
    slope = (2 if d else 0) * c + (3 if e else 0) * (1 - c) + d
    p = 2.0 if slope else -1.0
    found = loss.value_and_gradients({"p": [p], "c": [c], "d": [d], "e": [e]}, dtype="float64").gradients["p"]
    np.testing.assert_allclose(found, [slope / 2])
