"""Terms that cancel in a derivative are taken out, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

import losscompiler as lc
from losscompiler.graph.node import Graph, reachable
from losscompiler.stable.cancellation import Cancellation

CRPS = "prediction m, s\nz = (y - m)/s\ns*(z*(2*ndtr(z) - 1) + 2*exp(-z**2/2)/sqrt(2*pi) - 1/sqrt(pi))"
IMPROVEMENT = "prediction m, s\nz = (m - y)/s\ns*(z*ndtr(z) + exp(-z**2/2)/sqrt(2*pi))"


def cancelled(formula):
    """Return the loss with its terms cancelled, as the set of its operations, or None if nothing was done."""
    loss = lc.compile_loss(formula, findings="ignore").graph
    found = Cancellation(loss.graph).apply(loss.loss)
    return None if found is None else {node.op for node in reachable([found])}


def test_expected_improvement_by_its_scale_is_the_density():
    """d/ds of s*(z Phi(z) + phi(z)) is phi(z) (Jones et al. 1998); the product rule leaves four terms that cancel. SciPy's density."""
    loss = lc.compile_loss(IMPROVEMENT, findings="ignore")
    m = np.array([0.0, 1.0, 3.0, 8.0], "float32")
    found = loss.value_and_gradients({"y": np.zeros(4), "m": m, "s": np.full(4, 0.5)}, reduction="sum")
    np.testing.assert_allclose(found.gradients["s"], norm.pdf(m.astype("float64") / 0.5), rtol=2e-6, atol=1e-38)


def test_crps_by_its_location_and_scale():
    """d/dm = 1 - 2 Phi(z), d/ds = 2 phi(z) - 1/sqrt(pi) (Gneiting et al. 2005, appendix)."""
    loss = lc.compile_loss(CRPS, findings="ignore")
    y, m, s = np.array([0.0, 2.0, -30.0, 1e3]), np.array([0.5, 2.0, 1.0, 0.0]), np.array([1.0, 0.1, 2.0, 5.0])
    found = loss.value_and_gradients({"y": y, "m": m, "s": s}, reduction="sum")
    z = (y - m.astype("float32")) / s.astype("float32")
    np.testing.assert_allclose(found.gradients["m"], 1 - 2 * norm.cdf(z), rtol=2e-6, atol=1e-9)
    np.testing.assert_allclose(found.gradients["s"], 2 * norm.pdf(z) - 1 / np.sqrt(np.pi), rtol=2e-6)


@pytest.mark.parametrize(
    "formula",
    [
        "y*p + exp(p)*y - p*y",
        "exp(p)/2*y - y*exp(p)/2 + p*y",
        "exp(-p/2) - exp(-(p/2)) + y*p",
        "(y*p)**2 - y**2*p**2 + p*y",
        "p*y/3 - y/3*p + exp(p)*y",
    ],
)
def test_equal_terms_cancel_however_they_are_written(formula):
    found = cancelled(formula)
    assert found is not None
    assert "sub" not in found


@pytest.mark.parametrize("formula", ["y*p + exp(p) - p", "exp(p) - exp(-p) + y", "p*y - 2*p*y", "p**2 - p**3 + y", "sin(p) - cos(p) + y"])
def test_other_terms_stay(formula):
    assert cancelled(formula) is None


def test_a_sum_that_vanishes_keeps_its_shape():
    loss = lc.compile_loss("p*y - y*p", findings="ignore")
    assert loss.value_and_gradients({"y": np.ones((3,)), "p": np.ones((3,))}, reduction="none").value.shape == (3,)


def test_shared_subexpressions_cost_no_more_than_once():
    """Nested products would make keys of exponential length if they were written out."""
    graph = Graph()
    from losscompiler.graph.axes import leaf

    x = graph.symbol("x", leaf("x"))
    node = x
    for _ in range(200):
        node = graph.make("mul", graph.make("exp", node), graph.make("sin", node))
    assert Cancellation(graph).apply(graph.make("sub", graph.make("add", node, x), node)) is x
