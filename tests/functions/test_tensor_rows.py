"""Reductions, functions along an axis, selections and matrices: values against NumPy and SciPy, adjoints against slopes."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import losscompiler as lc
from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.verify.reference import Reference, lower

SHAPES = [(4,), (3, 4), (2, 3, 4)]
AXES = {"-1": -1, "0": 0, "(0, 1)": (0, 1), "all": None}


def keep(function):
    return lambda x, axis, **options: function(x, axis=axis, keepdims=True, **options)


def cumulative(function):
    def along(x, axis):
        moved = np.moveaxis(x, axis, -1)
        return np.moveaxis(np.stack([function(moved[..., : k + 1]) for k in range(moved.shape[-1])], axis=-1), -1, axis)

    return along


REDUCTIONS = {
    "sum": keep(np.sum), "mean": keep(np.mean), "prod": keep(np.prod), "max": keep(np.max), "min": keep(np.min),
    "logsumexp": keep(scipy.special.logsumexp), "var": keep(np.var), "std": keep(np.std),
    "norm": lambda x, axis: np.sqrt(np.sum(x**2, axis=axis, keepdims=True)),
    "softmax": scipy.special.softmax, "log_softmax": scipy.special.log_softmax,
    "normalize": lambda x, axis: x / np.sqrt(np.sum(x**2, axis=axis, keepdims=True)),
}  # fmt: skip
ALONG = {
    "cumsum": lambda x, axis: np.cumsum(x, axis=axis), "logcumsumexp": cumulative(lambda x: scipy.special.logsumexp(x, axis=-1)),
    "sort": lambda x, axis: np.sort(x, axis=axis), "flip": lambda x, axis: np.flip(x, axis=axis),
    "argmax": lambda x, axis: np.argmax(x, axis=axis, keepdims=True), "argmin": lambda x, axis: np.argmin(x, axis=axis, keepdims=True),
}  # fmt: skip
CASES = [
    (name, text, axis, shape)
    for name in (*REDUCTIONS, *ALONG)
    for text, axis in AXES.items()
    for shape in SHAPES
    if (isinstance(axis, int) or name in REDUCTIONS) and (not isinstance(axis, tuple) or len(shape) > 1)
]
MASK_IDENTITY = {"sum": 0.0, "prod": 1.0, "max": -np.inf, "min": np.inf, "logsumexp": -np.inf, "norm": 0.0, "softmax": -np.inf}


def compiled(formula, **options):
    return lc.compile_loss(formula, findings="ignore", **options)


def numbers(shape, seed=0):
    return np.random.default_rng(seed + len(shape)).normal(size=shape)


def assert_value(loss, data, expected):
    """Both the emitted program and the 50-digit arithmetic give the expected value; length-1 axes aside."""
    emitted = loss.value_and_gradients(data, dtype="float64").value
    arrays = {name: np.asarray(value, "float64") for name, value in data.items()}
    precise = lower(Reference(loss.graph, arrays, 40).value)
    np.testing.assert_allclose(np.squeeze(precise), np.squeeze(expected), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(np.squeeze(emitted), np.squeeze(expected), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("name", "text", "axis", "shape"), CASES)
def test_value_and_adjoint_along_axes(name, text, axis, shape):
    """The value is that of NumPy or SciPy; the adjoint, under random upstream weights, is the slope."""
    loss, x = compiled(f"{name}(p, axis={text})"), numbers(shape)
    assert_value(loss, {"p": x}, (REDUCTIONS.get(name) or ALONG[name])(x, axis=axis))
    loss.check_gradients({"p": x}).assert_ok()


@pytest.mark.parametrize("name", sorted({*MASK_IDENTITY, "mean"}))
@pytest.mark.parametrize(("text", "axis"), [("-1", -1), ("0", 0), ("all", None)])
def test_where_restricts_a_reduction(name, text, axis):
    """The mean over selected elements is numpy.ma's; others see the neutral element in place of what is left out."""
    x, y = numbers((3, 4)), np.array([[1, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0]])
    loss = compiled(f"{name}(p, where=y > 0, axis={text})")
    if name == "mean":
        expected = np.ma.mean(np.ma.masked_array(x, y == 0), axis=axis, keepdims=True)
    else:
        expected = REDUCTIONS[name](np.where(y > 0, x, MASK_IDENTITY[name]), axis=axis)
    assert_value(loss, {"p": x, "y": y}, expected)
    loss.check_gradients({"p": x, "y": y}).assert_ok()


@pytest.mark.parametrize(("text", "axis"), [("-1", -1), ("0", 0), ("all", None)])
def test_weights_weigh_a_mean(text, axis):
    x, w = numbers((3, 4)), np.abs(numbers((3, 4), 7))
    loss = compiled(f"input w\nmean(p, weights=w, axis={text})")
    assert_value(loss, {"p": x, "w": w}, np.average(x, weights=w, axis=axis))
    loss.check_gradients({"p": x, "w": w}).assert_ok()


@pytest.mark.parametrize("name", ["mean", "var", "std"])
def test_weights_and_a_mask_together(name):
    """Elements left out by the mask have weight 0 in numpy.average."""
    x, w, y = numbers((3, 4)), np.abs(numbers((3, 4), 7)), np.array([[1, 0, 1, 1], [0, 1, 1, 0], [1, 1, 1, 0]])
    loss = compiled(f"input w\n{name}(p, weights=w, where=y > 0)")
    mean = np.average(x, weights=w * y, axis=-1)[:, None]
    variance = np.average((x - mean) ** 2, weights=w * y, axis=-1)[:, None]
    data = {"p": x, "w": w, "y": y}
    if name != "std":
        assert_value(loss, data, {"mean": mean, "var": variance}[name])
    loss.check_gradients(data).assert_ok()


@pytest.mark.parametrize("name", ["var", "std"])
def test_a_masked_variance_is_that_of_the_elements_selected(name):
    x, y = numbers((3, 4)), np.array([[1, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0]])
    loss = compiled(f"{name}(p, where=y > 0)")
    expected = getattr(np.ma, name)(np.ma.masked_array(x, y == 0), axis=-1)
    assert_value(loss, {"p": x, "y": y}, expected)
    loss.check_gradients({"p": x, "y": y}).assert_ok()


@pytest.mark.parametrize(
    ("formula", "shapes", "expected"),
    [
        ("p[0]", [(3, 4)], lambda p: p[..., :1]),
        ("p[-1]", [(2, 3, 4)], lambda p: p[..., -1:]),
        ("p[-2]", [(3, 4)], lambda p: p[..., 2:3]),
        ("p[1:]", [(3, 4)], lambda p: p[..., 1:]),
        ("p[:-1]", [(4,)], lambda p: p[..., :-1]),
        ("p[1:3]", [(2, 3, 4)], lambda p: p[..., 1:3]),
        ("diff(p)", [(3, 4)], lambda p: np.diff(p, axis=-1)),
        ("prediction p, q\nconcat(p, q)", [(3, 4), (3, 2)], lambda p, q: np.concatenate([p, q], axis=-1)),
        ("prediction p, q\nconcat(p, q, p)", [(2, 3, 4), (2, 3, 1)], lambda p, q: np.concatenate([p, q, p], axis=-1)),
        ("prediction p, q\nconcat(p, q)", [(3, 4), (1, 2)], lambda p, q: np.concatenate([p, np.repeat(q, 3, 0)], axis=-1)),
        ("prediction p, q\np @ q", [(3, 4), (4, 2)], lambda p, q: p @ q),
        ("prediction p, q\np @ q", [(2, 3, 4), (2, 4, 5)], lambda p, q: p @ q),
        ("prediction p, q\np @ q", [(2, 3, 4), (4, 5)], lambda p, q: p @ q),
        ("p @ transpose(p)", [(3, 4)], lambda p: p @ p.T),
        ("transpose(p)", [(2, 3, 4)], lambda p: np.swapaxes(p, -1, -2)),
        ("diag(p)", [(3, 3)], lambda p: np.diagonal(p)[:, None]),
        ("diag(p)", [(2, 3, 3)], lambda p: np.diagonal(p, axis1=-2, axis2=-1)[..., None]),
        ("eye_like(p) - p", [(3, 3)], lambda p: np.eye(3) - p),
        ("triu(p)", [(2, 3, 3)], np.triu),
        ("tril(p)", [(3, 4)], np.tril),
        ("prediction p, q\ndot(p, q)", [(3, 4), (3, 4)], lambda p, q: np.sum(p * q, axis=-1)),
        ("prediction p, q\ndot(p, q, axis=0)", [(3, 4), (3, 4)], lambda p, q: np.sum(p * q, axis=0)),
        ("prediction p, q\nsum([p, q, 2*p]**2)", [(3, 1), (3, 1)], lambda p, q: np.sum(np.concatenate([p, q, 2 * p], -1) ** 2, -1)),
        ("p*arange(count(p, axis=-1))", [(3, 4)], lambda p: p * np.arange(4)),
        ("p/count(p, axis=0)", [(3, 4)], lambda p: p / 3),
        ("p/count(p, axis=all)", [(3, 4)], lambda p: p / 12),
        ("any(p > 1)*p", [(3, 4)], lambda p: np.any(p > 1, axis=-1, keepdims=True) * p),
        ("all(p > -1)*p", [(3, 4)], lambda p: np.all(p > -1, axis=-1, keepdims=True) * p),
        ("p/sum(p)", [(3, 4)], lambda p: p / np.sum(p, axis=-1, keepdims=True)),
        ("sum(mean(p, axis=0)*p)", [(3, 4)], lambda p: np.sum(p.mean(axis=0) * p, axis=-1)),
        ("prod(p - p[0])", [(3, 4)], lambda p: np.prod(p - p[:, :1], axis=-1)),
    ],
)
def test_selections_and_matrices(formula, shapes, expected):
    loss = compiled(formula)
    arrays = [numbers(shape, seed) for seed, shape in enumerate(shapes)]
    data = dict(zip(("p", "q"), arrays, strict=False))
    assert_value(loss, data, expected(*arrays))
    loss.check_gradients(data).assert_ok()


@pytest.mark.parametrize(
    ("formula", "p", "y", "expected"),
    [
        ("p[y]", (3, 4), [2, 0, 3], lambda p, y: np.take_along_axis(p, y[:, None], -1)),
        ("p[y]", (3, 4), [[2], [0], [3]], lambda p, y: np.take_along_axis(p, y, -1)),
        ("p[y]", (3, 4), [[2, 2], [0, 1], [3, 3]], lambda p, y: np.take_along_axis(p, y, -1)),
        ("p[y]", (2, 3, 4), [[1, 0, 3], [2, 2, 2]], lambda p, y: np.take_along_axis(p, y[..., None], -1)),
        ("sum(p*one_hot(y, 4))", (3, 4), [2, 0, 3], lambda p, y: p[np.arange(3), y]),
        ("sum(p*one_hot(y, count(p)))", (3, 4), [2, 0, 3], lambda p, y: p[np.arange(3), y]),
        ("-log_softmax(p)[y]", (3, 4), [2, 0, 3], lambda p, y: -scipy.special.log_softmax(p, -1)[np.arange(3), y]),
        ("param w[4] = [1, 2, 3, 4]\nw[y]*p", (3, 1), [2, 0, 2], lambda p, y: np.array([3.0, 1, 3])[:, None] * p),
        ("param w[4] = [1, 2, 3, 4]\nw[y]*(p - y)", (3,), [2, 0, 2], lambda p, y: np.array([3.0, 1, 3]) * (p - y)),
    ],
)
def test_positions(formula, p, y, expected):
    """What is looked up twice gets both adjoints: w[2] in the last case."""
    loss, x, labels = compiled(formula), numbers(p), np.array(y)
    evaluated = loss.value_and_gradients({"p": x, "y": labels}, dtype="float64").value
    np.testing.assert_allclose(np.squeeze(evaluated), np.squeeze(expected(x, labels)), rtol=1e-13)
    loss.check_gradients({"p": x, "y": labels}).assert_ok()


@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_the_adjoint_of_a_product_survives_zeros(zeros):
    x = numbers((3, 4))
    x[0, :zeros] = 0.0
    compiled("prod(p)").check_gradients({"p": x}).assert_ok()


def test_a_row_of_minus_infinity():
    """logsumexp of it is -inf; its gradient is 0 and no NaN."""
    loss = compiled("logsumexp(where(y > 0, p, -inf))")
    found = loss.value_and_gradients({"p": [[1.0, 2.0], [3.0, 4.0]], "y": [[0, 0], [0, 1]]})
    np.testing.assert_array_equal(found.value, [-np.inf, 4.0])
    np.testing.assert_array_equal(found.gradients["p"], [[0, 0], [0, 1]])


def test_a_norm_of_zeros_has_gradient_zero():
    found = compiled("norm(p)").value_and_gradients({"p": np.zeros((2, 3))})
    np.testing.assert_array_equal(found.gradients["p"], np.zeros((2, 3)))


@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_share_a_gradient_as_in_tensorflow(name):
    """tf.reduce_max divides the gradient among what is equal to the maximum."""
    found = compiled(f"{name}(p)").value_and_gradients({"p": [[2.0, 2.0, 2.0, 2.0], [1.0, 3.0, 1.0, 3.0]]})
    np.testing.assert_allclose(found.gradients["p"][0], [0.25] * 4)
    np.testing.assert_allclose(sorted(found.gradients["p"][1]), [0, 0, 0.5, 0.5])


@pytest.mark.parametrize("name", [name for name, row in FUNCTIONS.items() if row.kind is not Kind.ELEMENTWISE])
def test_a_row_has_an_adjoint_for_each_argument(name):
    row = FUNCTIONS[name]
    made_by_compiler = {"vector", "products_of_others", "sort_adjoint", "unselect", "gather_adjoint", "unconcat_first", "unconcat_last"}
    if not row.inline and name not in made_by_compiler and not name.endswith("_adjoint"):
        assert len(row.adjoints) == len(row.arguments)
