"""Points are found wherever a loss is real and finite, and shapes wherever it has a value."""

from __future__ import annotations

import numpy as np
import pytest

import losscompiler as lc
from losscompiler.verify.layouts import candidate_shapes
from losscompiler.verify.sampling import sample


def graph(formula):
    return lc.compile_loss(formula, findings="ignore").graph


@pytest.mark.parametrize(
    ("formula", "holds"),
    [
        ("log(p)", lambda p: p > 0),
        ("log(1 - p) + log(p)", lambda p: (p > 0) & (p < 1)),
        ("acosh(p)", lambda p: p > 1),
        ("atanh(p)", lambda p: abs(p) < 1),
        ("sqrt(-p)", lambda p: p < 0),
        ("log(log(log(p) + 3))", lambda p: p > np.exp(-2)),
        ("1/p", lambda p: p != 0),
    ],
)
def test_points_lie_in_the_domain(formula, holds):
    batches = sample(graph(formula), points=30, seed=0)
    assert any(batch.separate and batch.origin == "random" and batch.arrays["p"].size == 30 for batch in batches)
    assert all(holds(batch.arrays["p"]).all() for batch in batches)


def test_what_is_infinite_on_the_way_is_outside_of_the_domain():
    """exp(-1/p**2) is 0 at p = 0 in the limit, but 1/p is not; a branch that is not taken does not matter."""
    assert not any(np.any(batch.arrays["p"] == 0) for batch in sample(graph("exp(-1/p**2)"), points=60, seed=0) if batch.separate)
    assert any(np.any(batch.arrays["p"] <= 0) for batch in sample(graph("where(p > 0, log(p), 0)"), points=60, seed=0) if batch.separate)


def test_domains_of_several_symbols_at_once():
    """All of y > 0, 0 < p < 1, a > 1 and b < 0, in about one of a hundred random combinations."""
    batches = sample(graph("log(y) + logit(p) + acosh(a) + sqrt(-b)"), points=30, seed=0)
    random = next(batch for batch in batches if batch.separate)
    assert random.arrays["p"].size >= 20
    arrays = random.arrays
    assert np.all((arrays["y"] > 0) & (arrays["p"] > 0) & (arrays["p"] < 1) & (arrays["a"] > 1) & (arrays["b"] < 0))


def test_edges_and_ties_are_among_the_points():
    batches = sample(graph("abs(y - p) + a*p"), points=60, seed=0)
    edges = next(batch for batch in batches if batch.origin == "edges").arrays
    assert {0.0, 1.0, -1.0} <= set(edges["p"])
    assert np.any(edges["p"] == edges["y"])
    assert np.any(edges["p"] < 0)
    assert np.any(edges["p"] > 0)


def test_parameters_stay_inside_their_bounds_and_start_at_their_initial_values():
    batches = sample(graph("param a in (0, 1) = 0.25\nparam b > 2 = 3\nparam c < -1 = -2\na*p + b*y + c"), points=60, seed=0)
    for batch in batches:
        a, b, c = (batch.arrays[name] for name in "abc")
        assert np.all((a > 0) & (a < 1) & (b > 2) & (c < -1))
    first = batches[0].arrays
    assert np.any(first["a"] == 0.25)
    assert len(np.unique(first["a"])) > 10


def test_a_loss_that_is_nowhere_real_has_no_points():
    assert sample(graph("log(-1 - p**2)"), points=10, seed=0) == ()


def test_a_fixed_parameter_does_not_vary():
    for batch in sample(graph("a*p + w"), points=10, seed=0, fixed={"a": np.array(0.3)}):
        assert np.all(batch.arrays["a"] == 0.3)


@pytest.mark.parametrize(
    ("formula", "check"),
    [
        ("param w[5] = 1\nsum(w*p)", lambda s: s["p"][-1] in (1, 5)),
        ("param W[6, 2] = 1\np @ W", lambda s: s["p"][-1] == 6),
        ("p[7]", lambda s: s["p"][-1] >= 8),
        ("sum(p*[1, 2, 3])", lambda s: s["p"][-1] in (1, 3)),
        ("sum(p*one_hot(y, 7))", lambda s: s["p"][-1] in (1, 7)),
        ("p @ transpose(p)", lambda s: len(s["p"]) >= 2),
        ("input w\nmean((y - p)**2, weights=w)", lambda s: True),
        ("mean(p, axis=(1, 2))", lambda s: len(s["p"]) == 3),
    ],
)
def test_shapes_that_fit_are_found(formula, check):
    shapes = next(iter(candidate_shapes(graph(formula))))
    assert check(shapes), shapes


def test_labels_count_positions():
    for batch in sample(graph("param w[2] = 1\nw[y]*log_softmax(p)[0]"), points=20, seed=0):
        assert set(np.unique(batch.arrays["y"])) <= {0.0, 1.0}


def test_no_shape_fits_a_contradiction():
    assert list(candidate_shapes(graph("param W[6, 2] = 1\nparam V[3, 2] = 1\np @ W + p @ V"))) == []
