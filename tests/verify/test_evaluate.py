"""Value and gradients without a model, against NumPy by hand and Keras' own losses."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import losscompiler as lc

Y = np.array([[0.2, 1.0, 2.5], [0.7, 0.1, 3.0]])
P = np.array([[0.5, 1.2, 2.0], [1.3, 0.3, 2.5]])
LOG_ERROR = "(log(y) - log(p))**2 + a*p"


def compiled(formula, *args, **options):
    return lc.compile_loss(formula, *args, findings="ignore", **options)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_by_hand(reduction, dtype):
    found = compiled(LOG_ERROR).value_and_gradients({"y": Y, "p": P}, {"a": 0.3}, reduction=reduction, dtype=dtype)
    value = (np.log(Y) - np.log(P)) ** 2 + 0.3 * P
    share = 1 / 6 if reduction == "mean" else 1.0
    np.testing.assert_allclose(found.value, {"none": value, "mean": value.mean(), "sum": value.sum()}[reduction], rtol=1e-6)
    np.testing.assert_allclose(found.gradients["p"], share * (0.3 - 2 * (np.log(Y) - np.log(P)) / P), rtol=2e-6)
    np.testing.assert_allclose(found.gradients["a"], share * P.sum(), rtol=1e-6)
    assert found.value.dtype == found.gradients["p"].dtype == found.gradients["a"].dtype == dtype
    assert isinstance(found.value, np.ndarray)


KERAS = [
    ("(y - p)**2", keras.losses.MeanSquaredError, {}),
    ("abs(y - p)", keras.losses.MeanAbsoluteError, {}),
    ("100*abs((y - p)/clip(abs(y), 1e-7, inf))", keras.losses.MeanAbsolutePercentageError, {}),
    ("(log1p(clip(p, 1e-7, inf)) - log1p(clip(y, 1e-7, inf)))**2", keras.losses.MeanSquaredLogarithmicError, {}),
    ("p - y*log(p + 1e-7)", keras.losses.Poisson, {}),
    ("log(cosh(p - y))", keras.losses.LogCosh, {}),
    ("e = abs(y - p)\ne**2/2 if e <= 0.5 else 0.5*e - 0.125", keras.losses.Huber, {"delta": 0.5}),
    ("-sum(normalize(y)*normalize(p))", keras.losses.CosineSimilarity, {}),
]


@pytest.mark.parametrize(("formula", "loss", "options"), KERAS, ids=[case[1].__name__ for case in KERAS])
def test_means_are_those_of_keras(formula, loss, options):
    found = compiled(formula).value_and_gradients({"y": Y, "p": P}, reduction="mean")
    y, p = tf.constant(Y, "float32"), tf.Variable(P, dtype="float32")
    with tf.GradientTape() as tape:
        value = loss(**options)(y, p)
    np.testing.assert_allclose(found.value, value, rtol=2e-6)
    np.testing.assert_allclose(found.gradients["p"], tape.gradient(value, p), rtol=2e-5, atol=1e-7)


def test_sparse_cross_entropy_is_that_of_keras():
    logits, labels = np.random.default_rng(0).normal(size=(5, 4)).astype("float32"), np.array([0, 3, 1, 1, 2])
    found = compiled("-log_softmax(p)[y]").value_and_gradients({"y": labels, "p": logits}, reduction="mean")
    p = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, p)
    np.testing.assert_allclose(found.value, value, rtol=1e-6)
    np.testing.assert_allclose(found.gradients["p"], tape.gradient(value, p), atol=1e-7)


# -- what may be given
class Frame:
    """Something that NumPy can make an array of, as pandas' objects are."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


@pytest.mark.parametrize(
    "make",
    [
        np.asarray, list, tuple, Frame, tf.constant, tf.Variable,
        lambda x: np.asarray(x, "float16"), lambda x: np.asarray(x, ">f8"), lambda x: np.asarray(x)[::-1][::-1],
    ],
)  # fmt: skip
def test_any_numeric_array_will_do(make):
    found = compiled("(y - p)**2").value_and_gradients({"y": make([1.0, 2.0]), "p": make([2.0, 4.0])})
    np.testing.assert_array_equal(found.value, [1, 4])
    np.testing.assert_array_equal(found.gradients["p"], [2, 4])


def test_a_whole_number_and_a_truth_value_are_numbers():
    found = compiled("(y - p)**2").value_and_gradients({"y": np.array([True, False]), "p": np.array([3, 2])})
    np.testing.assert_array_equal(found.value, [4, 4])
    assert found.gradients["p"].dtype == "float32"


def test_single_numbers():
    found = compiled("a*(y - p)**2").value_and_gradients({"y": 1, "p": 3.0}, {"a": 2}, reduction="mean")
    assert (found.value.shape, found.gradients["p"].shape) == ((), ())
    assert (float(found.value), float(found.gradients["p"]), float(found.gradients["a"])) == (8.0, 8.0, 4.0)


@pytest.mark.parametrize(
    ("formula", "value", "slope"),
    [("sum(p**2)", 9, 6), ("logsumexp(p) - p", 0, 0), ("5*softmax(p)", 5, 0), ("norm(p)", 3, 1), ("std(p)", 0, 0), ("max(sort(p))", 3, 1)],
)
def test_a_single_number_is_a_row_of_one_element(formula, value, slope):
    found = compiled(formula).value_and_gradients({"p": 3.0})
    assert found.value.size == 1
    assert found.value.item() == value
    assert (found.gradients["p"].shape, float(found.gradients["p"])) == ((), slope)


@pytest.mark.parametrize(
    ("formula", "value", "slope"),
    [
        ("sum(a)*p", 12, 3), ("mean(a, axis=0)*p", 12, 3), ("max(-a)*p", -12, -3), ("norm(-a)*p", 12, 3), ("softmax(a)*p", 3, 0),
        ("log_softmax(a)*p", 0, 0), ("logsumexp(a)*p", 12, 3), ("std(a)*p", 0, 0), ("cumsum(a)*p", 12, 3), ("count(a)*p", 3, 0),
        ("argmax(a)*p", 0, 0), ("prod(a, axis=all)*p", 12, 3), ("any(a > 3)*p", 3, 0), ("mean(2)*p + 0*a", 6, 0),
    ],
)  # fmt: skip
def test_a_reduction_of_a_scalar_parameter(formula, value, slope):
    found = compiled(f"param a = 4\n{formula}").value_and_gradients({"p": [3.0]})
    assert (found.value.item(), float(found.gradients["a"]), found.gradients["a"].shape) == (value, slope, ())


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_an_empty_batch_has_mean_0(shape):
    found = compiled("a*(y - p)**2").value_and_gradients({"y": np.zeros(shape), "p": np.zeros(shape)}, reduction="mean")
    assert found.value == 0
    assert found.gradients["a"] == 0
    assert found.gradients["p"].shape == shape


def test_a_derivative_may_be_infinite_where_the_loss_is_not():
    """d xlogy(p, 0)/dp is log(0) but for p = 0; it is no reason to refuse the loss."""
    found = compiled("xlogy(p, 0)").value_and_gradients({"p": [0.0]})
    assert (found.value.item(), found.gradients["p"].item()) == (0, 0)


def test_nan_in_the_data_stays_where_it_is():
    found = compiled("(y - p)**2").value_and_gradients({"y": [1.0, np.nan, 3.0], "p": [2.0, 2.0, np.nan]})
    np.testing.assert_array_equal(np.isnan(found.value), [False, True, True])
    np.testing.assert_array_equal(np.isnan(found.gradients["p"]), [False, True, True])
    assert found.gradients["p"][0] == 2


def test_parameters_left_out_take_their_initial_values():
    loss = compiled("a*p + b*p", {"a": 2.0, "b": lc.Parameter(3.0, bounds=(0, None))})
    assert loss.value_and_gradients({"p": 1.0}).value == 5
    assert loss.value_and_gradients({"p": 1.0}, {"b": 10.0}).value == 12


def test_vector_parameters_take_the_length_of_a_prediction():
    found = compiled("param w[p] = 2\nsum(w*p)").value_and_gradients({"p": P}, {"w": [1.0, 0.0, 1.0]})
    np.testing.assert_allclose(found.value, P[:, 0] + P[:, 2], rtol=1e-6)
    np.testing.assert_allclose(found.gradients["w"], P.sum(0), rtol=1e-6)
    np.testing.assert_allclose(compiled("param w[p] = 2\nsum(w*p)").value_and_gradients({"p": P}).value, 2 * P.sum(1), rtol=1e-6)


def test_what_a_loss_does_not_use_has_gradient_0():
    loss = lc.compile_loss("prediction p, q\nparam a = 1\np**2", findings="ignore")
    found = loss.value_and_gradients({"p": [1.0, 2.0], "q": [3.0, 4.0]})
    np.testing.assert_array_equal(found.gradients["q"], [0, 0])
    assert found.gradients["a"] == 0


# -- what may not
ARGUMENTS = [
    ({"p": P}, {}, {}, "data for 'y' are missing; the loss needs y, p"),
    ({"y": Y, "p": P, "w": P}, {}, {}, "there is no data 'w'; the loss has y, p"),
    ({"y": Y, "p": P}, {"b": 1.0}, {}, "there is no parameter 'b'; the loss has a"),
    ({"y": Y, "p": P}, {"a": [1.0, 2.0]}, {}, r"parameter 'a' has shape \(\); got \(2,\)"),
    ({"y": Y, "p": P}, {"a": 5.0}, {}, r"'a' = 5 lies outside its bounds \(0, 2\]"),
    ({"y": Y, "p": P}, {"a": 0.0}, {}, r"'a' = 0 lies outside its bounds \(0, 2\]"),
    ({"y": Y, "p": "text"}, {}, {}, "'p' must be an array of numbers, not str"),
    ({"y": Y, "p": None}, {}, {}, "'p' must be an array of numbers, not NoneType"),
    ({"y": Y, "p": [[1.0], [1.0, 2.0]]}, {}, {}, "'p' must be an array of numbers, not a list of rows of different lengths"),
    ({"y": Y, "p": P.astype(complex)}, {}, {}, "'p' must be an array of numbers"),
    ({"y": Y, "p": P}, {}, {"reduction": "average"}, "reduction must be one of 'none', 'mean', 'sum'"),
    ({"y": Y, "p": P}, {}, {"dtype": "float16"}, "dtype must be one of 'float32', 'float64'"),
    ([Y, P], {}, {}, "data must be a mapping from names to arrays, not list"),
]


@pytest.mark.parametrize(("data", "params", "options", "message"), ARGUMENTS)
def test_a_wrong_argument_says_what_is_wrong(data, params, options, message):
    loss = compiled("param a in (0, 2] = 1\na*(y - p)**2")
    with pytest.raises(lc.ArgumentError, match=message):
        loss.value_and_gradients(data, params, **options)


def test_a_closed_bound_is_a_legal_value():
    assert compiled("param a in (0, 2] = 1\na*p").value_and_gradients({"p": 1.0}, {"a": 2.0}).value == 2


@pytest.mark.parametrize(
    ("formula", "data", "parts"),
    [
        ("(y - p)**2", {"y": np.zeros(3), "p": np.zeros(4)}, ["'y'", "(3,)", "'p'", "(4,)", "do not broadcast"]),
        ("(y - p)**2", {"y": np.zeros((3, 2)), "p": np.zeros((3, 4))}, ["(3, 2)", "(3, 4)"]),
        ("(y - p)**2", {"y": np.zeros(4), "p": np.zeros((3, 4))}, ["(4, 1)", "(3, 4)"]),
        ("p @ p", {"p": np.zeros((3, 4))}, ["(3, 4)", "columns"]),
        ("p[5]", {"p": np.zeros((3, 4))}, ["position 5", "length 4"]),
        ("sum(p, axis=2)", {"p": np.zeros((3, 4))}, ["axis 2", "(3, 4)"]),
    ],
)
def test_shapes_that_do_not_fit_are_shown(formula, data, parts):
    with pytest.raises(lc.ShapeError) as caught:
        compiled(formula).value_and_gradients(data)
    assert all(part in str(caught.value) for part in parts), str(caught.value)
    assert caught.value.code == "shape-mismatch"
