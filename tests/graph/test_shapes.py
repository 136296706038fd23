"""Shapes: checked as soon as they are known, and samples never meet other samples."""

from __future__ import annotations

import numpy as np
import pytest

import losscompiler as lc


def evaluate(formula: str, **data: object) -> lc.CompiledLoss:
    return lc.compile_loss(formula, findings="ignore").value_and_gradients(data, dtype="float64")


@pytest.mark.parametrize(
    ("formula", "shapes"),
    [
        ("(y - p)**2", {"y": (3, 3), "p": (3,)}),
        ("prediction m, s\nm*s", {"m": (3, 1), "s": (3,)}),
        ("input w\nw*(y - p)**2", {"w": (3, 1), "y": (3,), "p": (3,)}),
        ("input w\nw*mean((y - p)**2, axis=(1, 2))", {"w": (2,), "y": (2, 3, 4), "p": (2, 3, 4)}),
        ("prediction x, m\nsum(x**2, axis=(1, 2)) + sum(m**2)", {"x": (2, 4, 4), "m": (2, 3)}),
    ],
)
def test_samples_never_meet_other_samples(formula: str, shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(lc.ShapeError, match="different ranks"):
        evaluate(formula, **{name: np.ones(shape) for name, shape in shapes.items()})


@pytest.mark.parametrize(
    "formula",
    [
        "param w[3]; param v[4]; sum(w*v)*p", "param s[3]\nexp(-s[3])*p", "param w[3]\nsum(w, axis=1)*p", "param w[3]\ntriu(w)*p",
        "param w[3]\nsum([1, 2]*w)*p", "param A[3, 2]; param B[3, 2]\nsum(A @ B, axis=all)*p",
    ],
)  # fmt: skip
def test_shapes_that_are_known_from_the_text_are_checked_at_once(formula: str) -> None:
    with pytest.raises(lc.ShapeError) as caught:
        lc.compile_loss(formula, findings="ignore")
    assert caught.value.code == "shape-mismatch"


def test_an_axis_named_twice_is_refused() -> None:
    with pytest.raises(lc.ShapeError, match="named twice"):
        evaluate("sum(p, axis=(0, -2))", p=np.ones((2, 2)))


def test_elements_of_a_vector_literal_keep_their_lengths() -> None:
    found = evaluate("sum([p, p[0]])", p=[[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(found.value, [7])
    np.testing.assert_allclose(found.gradients["p"], [[2, 1, 1]])


def test_a_negative_position_counts_from_the_end_in_value_and_gradient() -> None:
    found = evaluate("p[y]", y=[-1], p=[[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(found.value, [[3]])
    np.testing.assert_allclose(found.gradients["p"], [[0, 0, 1]])


@pytest.mark.parametrize(
    ("formula", "expected"),
    [("sqrt(p[0]) + p[1]", [[np.inf, 1], [0.5, 1]]), ("sum(sqrt(diag(p)))", [[np.inf, 0], [0, 0.25]])],
)
def test_an_infinite_gradient_stays_in_its_own_element(formula: str, expected: object) -> None:
    found = evaluate(formula, p=[[0.0, 2.0], [1.0, 4.0]])
    np.testing.assert_allclose(found.gradients["p"], expected)


def test_running_logsumexp_keeps_what_is_far_below_the_largest() -> None:
    """By hand: log(exp(-1000)) = -1000, and the later elements do not feel it."""
    found = evaluate("logcumsumexp(p)", p=[[-1000.0, 0.0, 1.0]])
    np.testing.assert_allclose(found.value, [[-1000, 0, np.log(1 + np.e)]])
    np.testing.assert_allclose(found.gradients["p"], [[1, 1 + 1 / (1 + np.e), np.e / (1 + np.e)]])
