"""Every rewrite rule is proven over its range in 50 digits, fires, and does what it is there for."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import scipy.special

import losscompiler as lc
from losscompiler.graph.axes import leaf
from losscompiler.graph.expressions import ExpressionBuilder
from losscompiler.graph.node import Graph, reachable, symbols
from losscompiler.graph.precise import evaluate
from losscompiler.source import Source
from losscompiler.stable import FINISHING, GUARDING, LOWERING, MERGING, RULES, TRANSFORMATIONS
from losscompiler.stable.rewrite import rewrite
from losscompiler.syntax import parse

PATTERNS = (*RULES, *LOWERING)
FREE = {"x": lc.Parameter(), "y": lc.Parameter()}
STEPS = (*TRANSFORMATIONS, *FINISHING, *MERGING, *GUARDING)
EXAMPLES = tuple(each.rule for each in STEPS)
ALL = (*PATTERNS, *EXAMPLES)


def names(rules):
    return [rule.name for rule in rules]


def compiled(formula):
    return lc.compile_loss(formula, findings="ignore")


def operations(loss):
    """Return the names of the operations in the emitted value."""
    return {node.op for node in reachable([loss.stages.program.value])}


def node_of(text, graph):
    """Return the node of a rule's text, which may hold the compiler's own functions, over arrays x and y of one shape."""
    symbols = {name: graph.symbol(name, leaf("x")) for name in ("x", "y")}
    named = lambda name: symbols.get(name.name) or graph.const(name.name)  # noqa: E731
    builder = ExpressionBuilder(graph, Source(text), named, graph.make, internal=True)
    return builder.build(parse(text).loss)


def rewritten(graph, root):
    """Return a node after all rules, and the rules that fired."""
    steps = [(each.rule, each.begin(graph, FREE)) for each in STEPS]
    done, fired = rewrite(graph, [root], PATTERNS, steps)
    return done[root.index], [rule for rule, _ in fired]


def points(rule):
    """Return pairs (x, y): the ends of the ranges, points close to them, and random ones, sparse and dense."""
    random = np.random.default_rng(len(rule.pattern))

    def inside(low, high):
        dense = (max(low, -2), min(high, 2)) if low < 2 and high > -2 else (low, high)
        spread = [*random.uniform(low, high, 20), *random.uniform(*dense, 20)]
        small = [sign * 10.0**-k for k in range(1, 13, 2) for sign in (1, -1)]
        return [x for x in (low, high, 0.0, 1.0, -1.0, *spread, *small) if low <= x <= high]

    xs = inside(float(rule.low), float(rule.high))
    ys = inside(*rule.y) if rule.y else [1.0]
    return [(x, ys[(3 * i + i // len(ys)) % len(ys)]) for i, x in enumerate(xs)]


@pytest.mark.parametrize("rule", ALL, ids=names(ALL))
def test_both_sides_are_equal_in_50_digits(rule):
    """Each point alone, and as rows of four for reductions; 160 digits carry what cancels on the naive side."""
    graph = Graph()
    left, right = (node_of(text, graph) for text in (rule.pattern, rule.replacement))
    pairs = points(rule)
    rows = [pairs[i : i + 4] for i in range(0, len(pairs) - 3, 4)]
    with mpmath.workdps(160):
        for row in (*([pair] for pair in pairs), *rows):
            given = {name: np.array([mpmath.mpf(float(pair[i])) for pair in row], dtype=object) for i, name in enumerate(("x", "y"))}
            expected, found = (np.asarray(evaluate([side], given)[0], dtype=object).reshape(-1) for side in (left, right))
            for e, f in zip(*np.broadcast_arrays(expected, found), strict=True):
                both_same = e == f or abs(e - f) <= mpmath.mpf("1e-50") * max(1, abs(e))
                assert both_same, f"{rule.name} at {row}: {mpmath.nstr(e, 20)} and {mpmath.nstr(f, 20)}"


@pytest.mark.parametrize("rule", PATTERNS, ids=names(PATTERNS))
def test_a_rule_fires_on_its_pattern(rule):
    graph = Graph()
    _, fired = rewrite(graph, [node_of(rule.pattern, graph)], [rule])
    assert [found for found, _ in fired] == [rule]


@pytest.mark.parametrize("each", STEPS, ids=names(EXAMPLES))
def test_a_transformation_fires_on_its_example(each):
    """After the patterns, on operands that have been rewritten."""
    graph = Graph()
    root = node_of(each.rule.pattern, graph)
    _, fired = rewrite(graph, [root], RULES, [(each.rule, each.begin(graph, FREE))])
    assert each.rule in [rule for rule, _ in fired]


@pytest.mark.parametrize("rule", ALL, ids=names(ALL))
def test_rewriting_ends(rule):
    """What has been rewritten is left alone."""
    graph = Graph()
    once, _ = rewritten(graph, node_of(rule.replacement, graph))
    again, fired = rewritten(graph, once)
    assert not fired
    assert again is once


@pytest.mark.parametrize("rule", ALL, ids=names(ALL))
def test_a_rule_keeps_what_is_known_of_shapes_and_symbols(rule):
    graph = Graph()
    root = node_of(rule.pattern, graph)
    done, _ = rewritten(graph, root)
    if not done.constant:
        assert done.axes == root.axes
    assert set(symbols([done])) <= set(symbols([root]))


def in_language(rule):
    """Tell whether a user can write a rule's pattern."""
    try:
        compiled(f"prediction x, y\n{rule.pattern} + 0*x*y")
    except lc.FormulaError:
        return False
    return True


WRITABLE = [rule for rule in (*RULES, *(each.rule for each in TRANSFORMATIONS)) if in_language(rule)]


@pytest.mark.parametrize("rule", WRITABLE, ids=names(WRITABLE))
def test_the_emitted_form_is_accurate_in_float32(rule):
    """At 60 points of its range, against 50 digits of the form as written; the shape is that of the data."""
    loss = compiled(f"prediction x, y\n{rule.pattern} + 0*x*y")
    xs = np.array(sorted(points(rule))[:60], dtype="float32")
    y_low, y_high = rule.y or (1.0, 1.0)
    inside = (xs[:, 0] >= np.float32(rule.low)) & (xs[:, 0] <= np.float32(rule.high)) & (xs[:, 1] >= y_low) & (xs[:, 1] <= y_high)
    x, y = (column.reshape(-1, 1) for column in xs[inside].T)
    found = loss.value_and_gradients({"x": x, "y": y}).value
    assert found.size == x.size
    with mpmath.workdps(160):
        truth = []
        for pair in zip(x[:, 0], y[:, 0], strict=True):
            given = {name: np.array([mpmath.mpf(float(value))], dtype=object) for name, value in zip(("x", "y"), pair, strict=True)}
            truth.append(float(np.ravel(evaluate([loss.graph.loss], given)[0])[0]))
    np.testing.assert_allclose(found.reshape(-1), truth, rtol=3e-6, atol=float(np.finfo("float32").tiny))


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
