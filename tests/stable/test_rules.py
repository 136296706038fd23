"""Every rewrite rule is proven over its range in 50 digits, fires, and does what it is there for."""

from __future__ import annotations

import re

import mpmath
import numpy as np
import pytest
import scipy.special

import losscompiler as lc
from losscompiler.graph.node import reachable
from losscompiler.graph.precise import evaluate
from losscompiler.stable import LOWERING, RULES
from losscompiler.stable.rewrite import rewrite

ALL = (*RULES, *LOWERING)
NAMES = [rule.name for rule in ALL]


def compiled(formula):
    return lc.compile_loss(formula, findings="ignore")


def operations(loss):
    """Return the names of the operations in the emitted value."""
    return {node.op for node in reachable([loss.stages.program.value])}


def text_of(rule, side):
    """Return a rule's text with p in the place of x."""
    return re.sub(r"\bx\b", "p", getattr(rule, side))


def points(rule):
    """Return the ends of a rule's range, points close to them, and random ones, sparse and dense."""
    random = np.random.default_rng(len(rule.pattern))
    low, high = float(rule.low), float(rule.high)
    inside = [*random.uniform(low, high, 20), *random.uniform(max(low, -2), min(high, 2), 20)]
    small = [sign * 10.0**-k for k in range(1, 13, 2) for sign in (1, -1)]
    return [x for x in (low, high, 0.0, 1.0, -1.0, *inside, *small) if low <= x <= high]


@pytest.mark.parametrize("rule", ALL, ids=NAMES)
def test_both_sides_are_equal_in_50_digits(rule):
    """Each point alone, and for rules with reductions as rows of four; 120 digits carry what cancels on the naive side."""
    left, right = (compiled(text_of(rule, side)).graph.loss for side in ("pattern", "replacement"))
    xs = points(rule)
    rows = [np.array(xs[i : i + 4]) for i in range(0, len(xs) - 3, 4)]
    with mpmath.workdps(120):
        for x in (*xs, *rows):
            given = mpmath.mpf(x) if np.ndim(x) == 0 else np.array([mpmath.mpf(float(v)) for v in x], dtype=object)
            expected, found = (np.asarray(evaluate([side], {"p": given})[0], dtype=object).reshape(-1) for side in (left, right))
            for e, f in zip(expected, found, strict=True):
                both_same = e == f or abs(e - f) <= mpmath.mpf("1e-50") * max(1, abs(e))
                assert both_same, f"{rule.name} at {x}: {mpmath.nstr(e, 20)} and {mpmath.nstr(f, 20)}"


@pytest.mark.parametrize("rule", ALL, ids=NAMES)
def test_a_rule_fires_on_its_pattern(rule):
    graph = compiled(text_of(rule, "pattern")).graph
    _, fired = rewrite(graph.graph, [graph.loss], ALL)
    # A rule may have worked on its operand before: log(exp(x) + 1) and log(x + 1) share a pattern.
    assert rule in [found for found, _ in fired]


@pytest.mark.parametrize("rule", ALL, ids=NAMES)
def test_a_replacement_is_left_alone(rule):
    """So that rewriting ends."""
    graph = compiled(text_of(rule, "replacement")).graph
    done, _ = rewrite(graph.graph, [graph.loss], ALL)
    again, fired = rewrite(graph.graph, [done[graph.loss.index]], ALL)
    assert not fired
    assert again[done[graph.loss.index].index] is done[graph.loss.index]


@pytest.mark.parametrize("rule", ALL, ids=NAMES)
def test_a_rule_keeps_shapes_and_symbols(rule):
    """The rewritten loss has the shape of the one that was written, whatever the data's."""
    loss = compiled(f"{text_of(rule, 'pattern')} + a*p")
    value = loss.value_and_gradients({"p": np.full((2, 3), min(max(0.5, rule.low), rule.high))}).value
    assert value.shape == (2, 3)
    assert set(loss.graph.variables) == {"p", "a"}


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_the_emitted_form_is_accurate_in_float32(rule):
    """At 60 points of its range, against 50 digits of the form as written."""
    loss = compiled(text_of(rule, "pattern"))
    xs = np.array(sorted(points(rule))[:60], dtype="float32").reshape(-1, 1)
    xs = xs[(xs >= np.float32(rule.low)) & (xs <= np.float32(rule.high))].reshape(-1, 1)
    found = loss.value_and_gradients({"p": xs}).value.reshape(-1)
    with mpmath.workdps(80):
        rows = [np.array([mpmath.mpf(float(x))], dtype=object) for x in xs[:, 0]]
        truth = np.array([float(np.ravel(evaluate([loss.graph.loss], {"p": row})[0])[0]) for row in rows])
    np.testing.assert_allclose(found, truth, rtol=3e-6, atol=float(np.finfo("float32").tiny))


def test_log_of_sigmoid_is_emitted_as_log_sigmoid():
    loss = compiled("log(sigmoid(p))")
    assert "log_sigmoid(p)" in loss.source()
    assert "ops.log(" not in loss.source()


@pytest.mark.parametrize(
    ("formula", "wanted"),
    [
        ("log(1 + exp(p - y))", "softplus"),
        ("log(softmax(p/a))", "log_softmax"),
        ("log(sum(exp(p/a)))", "logsumexp"),
        ("log(sum(exp(p), axis=0))", "logsumexp"),
        ("1/(1 + exp(-(p - y)))", "sigmoid"),
        ("exp(p*y) - 1", "expm1"),
        ("log(1 + a*p)", "log1p"),
        ("log(1 - exp(-a*p))", "log1mexp"),
        ("t = exp(p)\nlog(1 + t)", "softplus"),
        ("sqrt((y - p)**2 + 1)", "sqrt"),
        ("((y - p)**2 + 1)**0.5", "sqrt"),
    ],
)
def test_rules_reach_composites_and_definitions(formula, wanted):
    assert wanted in operations(compiled(formula))


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("log(sum(exp(p), axis=0)) + p", lambda p: scipy.special.logsumexp(p, axis=0, keepdims=True) + p),
        ("log(softmax(p, axis=0))", lambda p: scipy.special.log_softmax(p, axis=0)),
    ],
)
def test_a_rule_keeps_the_axis(formula, expected):
    p = np.random.default_rng(0).normal(size=(3, 2))
    found = compiled(formula).value_and_gradients({"p": p}, dtype="float64").value
    np.testing.assert_allclose(found, expected(p), rtol=1e-13)


@pytest.mark.parametrize("formula", ["log(2 + exp(p))", "log(1 + exp(p)*y)", "log(exp(p))", "exp(p) - 2", "log(softmax(p) + 1)"])
def test_what_is_no_instance_is_left_alone(formula):
    loss = compiled(formula)
    with_rules = loss.value_and_gradients({name: np.array([0.3, 0.8]) for name in loss.graph.data}, dtype="float64").value
    data = {name: np.array([mpmath.mpf(0.3), mpmath.mpf(0.8)], dtype=object) for name in loss.graph.data}
    np.testing.assert_allclose(with_rules, [float(x) for x in evaluate([loss.graph.loss], data)[0]], rtol=1e-14)


BCE = [
    "-(y*log(sigmoid(p)) + (1 - y)*log(1 - sigmoid(p)))",
    "-y*log(1/(1 + exp(-p))) - (1 - y)*log(1 - 1/(1 + exp(-p)))",
    "s = sigmoid(p)\n-(y*log(s) + (1 - y)*log(1 - s))",
    "log(1 + exp(p)) - y*p",
]


@pytest.mark.parametrize("formula", BCE)
def test_a_naive_binary_cross_entropy_at_logits_of_200(formula):
    """In float32, value and gradient are finite and right: softplus(p) - y*p and expit(p) - y, by SciPy in float64."""
    y, p = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0]), np.array([200.0, 200.0, -200.0, -200.0, 0.5, -20.0])
    found = compiled(formula).value_and_gradients({"y": y, "p": p})
    expected = np.where(y == 1, -scipy.special.log_expit(p), -scipy.special.log_expit(-p))
    slope = np.where(y == 1, -scipy.special.expit(-p), scipy.special.expit(p))
    np.testing.assert_allclose(found.value, expected, rtol=2e-6, atol=1e-30)
    np.testing.assert_allclose(found.gradients["p"], slope, rtol=2e-6, atol=1e-30)


def test_a_naive_softmax_cross_entropy_at_logits_of_1000():
    p, y = np.array([[1000.0, -1000.0, 0.0], [0.0, 1000.0, 1000.0]]), np.array([1, 2])
    # The last form subtracts 1000 from 1000.69, where a unit of float32 is 6e-5.
    for formula, tolerance in (("-log(softmax(p)[y])", 1e-6), ("-log(softmax(p))[y]", 1e-6), ("log(sum(exp(p))) - p[y]", 1e-4)):
        found = compiled(formula).value_and_gradients({"y": y, "p": p})
        np.testing.assert_allclose(np.squeeze(found.value), [2000.0, np.log(2)], rtol=tolerance)
        np.testing.assert_allclose(found.gradients["p"], [[1, -1, 0], [0, 0.5, -0.5]], atol=tolerance)


@pytest.mark.parametrize(
    ("formula", "wanted"),
    [
        ("log(softmax(p)[0])", "log_softmax"),
        ("log(softmax(p)[1:])", "log_softmax"),
        ("log(a*exp(p)[0])\nparam a > 0", "exp"),
        ("log(w[y])\nparam w[3] > 0", "log"),
    ],
)
def test_a_logarithm_is_taken_before_a_selection_where_that_helps(formula, wanted):
    loss = compiled("\n".join(reversed(formula.split("\n"))))
    assert (wanted in operations(loss)) is (wanted != "exp")
    loss.check_gradients(samples=8).assert_ok()


LOG_DOMAIN_CASES = [
    ("log(w*exp(-p**2))\nparam w > 0", 30.0),
    ("log(exp(-p)*exp(-2*p)/(a*exp(p)))\nparam a > 0", 90.0),
    ("log(sqrt(exp(-4*p**2)))", 30.0),
    ("log(exp(-p**2)**3)", 30.0),
    ("log(0.3*exp(-p**2) + 0.7*exp(-(p - 1)**2))", 30.0),
    ("log(sum([0.3, 0.7]*exp(-p**2)))", 30.0),
    ("log(softmax(-p**2)[0])", 30.0),
]


@pytest.mark.parametrize(("formula", "x"), LOG_DOMAIN_CASES)
def test_logarithms_of_exponentials_survive_float32(formula, x):
    """Where every exponential underflows in float32, value and gradient are those of 50 digits."""
    loss = compiled("\n".join(reversed(formula.split("\n"))))
    data = {"p": np.array([[x, x + 1.0]])}
    found = loss.value_and_gradients(data)
    with mpmath.workdps(3000):
        given = {"p": np.array([[mpmath.mpf(v) for v in data["p"][0]]], dtype=object)}
        given |= {name: mpmath.mpf(1) for name in loss.parameters}
        expected = np.asarray(evaluate([loss.graph.loss], given)[0], dtype=object)
    np.testing.assert_allclose(found.value.reshape(-1), [float(e) for e in expected.reshape(-1)], rtol=2e-6, atol=1e-9)
    assert all(np.isfinite(gradient).all() for gradient in found.gradients.values())
