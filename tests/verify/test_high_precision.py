"""The reference itself: values and slopes in high precision, against mpmath's own differentiation."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import losscompiler as lc
from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.verify.kinks import _equations, margins
from losscompiler.verify.reference import Reference, lower


def graph(formula):
    return lc.compile_loss(formula, findings="ignore").graph


@pytest.mark.parametrize(
    ("formula", "function"),
    [
        ("exp(p)*sin(p)", lambda p: mpmath.exp(p) * mpmath.sin(p)),
        ("lgamma(p)", mpmath.loggamma),
        ("log(1 + exp(p))", lambda p: mpmath.log(1 + mpmath.exp(p))),
        ("p**p", lambda p: p**p),
        ("erf(p)/p", lambda p: mpmath.erf(p) / p),
    ],
)
def test_slopes_are_those_of_mpmath(formula, function):
    points = np.array([0.3, 1.7, 2.5])
    found = Reference(graph(formula), {"p": points}).derivative("p", np.ones(3)).truth
    with mpmath.workdps(60):
        for value, x in zip(found, points, strict=True):
            assert abs(value - mpmath.diff(function, mpmath.mpf(float(x)))) < mpmath.mpf("1e-25")


def test_the_upstream_gradient_weighs_and_sums():
    y, p, weights = np.array([[1.0], [2.0]]), np.array([[0.5, 1.5, 3.0], [1.0, 2.5, 0.0]]), np.array([[1.0, 2, 3], [4, 5, 6]])
    reference = Reference(graph("a*(y - p)**2"), {"y": y, "p": p, "a": np.array(2.0)})
    np.testing.assert_allclose(lower(reference.derivative("p", weights).truth), -4 * (y - p) * weights)
    np.testing.assert_allclose(lower(reference.derivative("a", weights).truth), np.sum((y - p) ** 2 * weights))


def test_chosen_entries_of_a_loss_with_reductions():
    p = np.array([[1.0, 2.0], [3.0, 4.0]])
    found = Reference(graph("sum(p**2)"), {"p": p}).derivative("p", np.array([1.0, 10.0]), [1, 2])
    np.testing.assert_array_equal(found.asked, [[False, True], [True, False]])
    np.testing.assert_allclose(lower(found.truth)[found.asked], [4, 60])


@pytest.mark.parametrize(
    ("formula", "at", "kink"),
    [
        ("abs(p)", 0.0, True), ("sign(p)", 0.0, True), ("sqrt(p**2)", 0.0, True), ("max(p, 1)", 1.0, True), ("floor(p)", 2.0, True),
        ("p**2", 0.0, False), ("p**3", 0.0, False), ("abs(p)*p", 0.0, False),
        ("relu(p)**2", 0.0, False),
        ("cos(p)", 0.0, False), ("exp(20*p)", 1.0, False), ("where(p > 0, p, sin(p))", 0.0, False), ("abs(p)", 1e-12, False),
    ],
)  # fmt: skip
def test_kinks_are_found_by_slopes_alone(formula, at, kink):
    found = Reference(graph(formula), {"p": np.array([at])}).derivative("p", np.ones(1))
    assert bool(found.kink[0]) is kink


@pytest.mark.parametrize("formula", ["cbrt(p)", "sqrt(abs(p))", "sign(p)*sqrt(abs(p))"])
def test_a_vertical_tangent_is_no_kink_and_no_derivative(formula):
    found = Reference(graph(formula), {"p": np.array([0.0, 1.0])}).derivative("p", np.ones(2))
    np.testing.assert_array_equal(found.kink, [False, False])
    np.testing.assert_array_equal(np.isnan(lower(found.truth)), [True, False])


def test_condition_is_the_sum_over_inputs():
    """For g = 2(p - y), the derivative of (y - p)**2: abs(2p) + abs(2y); draws of signs reach it or stay below."""
    reference = Reference(graph("(y - p)**2"), {"y": np.array([3.0]), "p": np.array([2.0])})
    found = lower(reference.condition("p", np.ones(1), seed=0))[0]
    assert 2.0 - 1e-9 <= found <= 10.0 + 1e-9


def test_noise_is_what_rounding_could_do():
    """(1 - cos(p))/p**2 at 1e-6: its derivative moves by about unit/p**3."""
    reference = Reference(graph("(1 - cos(p))/p**2"), {"p": np.array([1e-6, 1.0])})
    noise = lower(reference.noise("p", np.ones(2), seed=0, unit=2.0**-53))
    assert 1e1 < noise[0] < 1e4
    assert noise[1] < 1e-14


@pytest.mark.parametrize("name", [name for name, row in FUNCTIONS.items() if row.kink and row.kind is Kind.ELEMENTWISE])
def test_every_kink_of_the_table_is_read(name):
    assert _equations(name)


@pytest.mark.parametrize(
    ("formula", "p", "smallest"),
    [
        ("abs(p)", 0.25, 0.25), ("max(p, 1)", 0.75, 0.25), ("clip(p, 0, 1)", 0.875, 0.125), ("floor(p)", 2.25, 0.25),
        ("where(p > 1, p, 0)", 1.5, 0.5), ("hypot(p, 0)", 0.5, 0.5),
    ],
)  # fmt: skip
def test_margins_measure_the_distance_to_a_kink(formula, p, smallest):
    from losscompiler.graph.precise import Arithmetic

    reference = Reference(graph(formula), {"p": np.array(p)})
    found = margins(Arithmetic(), reference.nodes, reference.values)
    assert min(abs(float(margin)) for _, margin in found) == pytest.approx(smallest)


def test_margins_of_ties_are_gaps():
    from losscompiler.graph.precise import Arithmetic

    for formula, axis in (("max(p)", 1.0), ("sort(p, axis=0)", 0.5), ("min(p, axis=all)", 0.5)):
        reference = Reference(graph(formula), {"p": np.array([[1.0, 3.0, 6.0], [1.5, 4.5, 9.0]])})
        gaps = np.concatenate([np.ravel(lower(margin)) for _, margin in margins(Arithmetic(), reference.nodes, reference.values)])
        assert gaps.min() == pytest.approx({"max(p)": 2.0}.get(formula, axis))
