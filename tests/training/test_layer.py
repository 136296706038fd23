"""`LossLayer`: values, parameters and derivatives against numbers made by hand, and Keras' own harness for layers."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.ops import convert_to_numpy as array
from keras.src import testing as keras_testing

import losscompiler as lc
from losscompiler.errors import ArgumentError

FORMULA = "(log(y) - log(p))**2 + a*p"
Y = np.array([[2.0], [3.0], [0.5]], "float32")
P = np.array([[1.5], [2.5], [1.25]], "float32")


def compiled(text: str = FORMULA, params: dict | None = None, **options) -> lc.CompiledLoss:
    return lc.compile_loss(text, params, findings="ignore", **options)


def by_hand(y: np.ndarray, p: np.ndarray, a: float) -> np.ndarray:
    return (np.log(y) - np.log(p)) ** 2 + a * p


@pytest.mark.parametrize("call", [lambda layer: layer(Y, P), lambda layer: layer([Y, P]), lambda layer: layer({"p": P, "y": Y})])
def test_it_returns_the_loss_of_each_element(call) -> None:
    layer = lc.LossLayer(compiled(params={"a": 0.5}))
    np.testing.assert_allclose(array(call(layer)), by_hand(Y, P, 0.5), rtol=1e-6)


def test_labels_of_rank_one_meet_predictions_of_rank_two() -> None:
    layer = lc.LossLayer(compiled(params={"a": 0.5}))
    np.testing.assert_allclose(array(layer(Y[:, 0], P)), by_hand(Y, P, 0.5), rtol=1e-6)


def test_integer_and_float64_data_are_cast() -> None:
    layer = lc.LossLayer(compiled(params={"a": 0.5}))
    assert array(layer(np.array([2, 3]), np.array([1.5, 2.5]))).dtype == "float32"


@pytest.mark.tensorflow
@pytest.mark.parametrize("gradient", ["analytic", "autodiff"])
@pytest.mark.parametrize("graph", [False, True])
def test_first_and_second_derivatives_are_the_closed_forms(gradient: str, graph: bool) -> None:
    layer = lc.LossLayer(compiled(params={"a": 0.5}), gradient=gradient)
    y, p, a = tf.constant(Y), tf.constant(P), layer.trainable_variables[0].value

    def derivatives():
        with tf.GradientTape(persistent=True) as outer:
            outer.watch([p, a])
            with tf.GradientTape() as inner:
                inner.watch([p, a])
                value = layer(y, p)
            by_p, by_a = inner.gradient(value, [p, a])
        return by_p, by_a, outer.gradient(by_p, p), outer.gradient(by_p, a), outer.gradient(by_a, p)

    by_p, by_a, by_pp, by_pa, by_ap = tf.function(derivatives)() if graph else derivatives()
    distance = np.log(P) - np.log(Y)
    # d/dp = a + 2 (log p - log y)/p; d2/dp2 = 2 (1 - log p + log y)/p2; d2/dpda = 1, summed over the elements
    np.testing.assert_allclose(by_p, 0.5 + 2 * distance / P, rtol=1e-5)
    np.testing.assert_allclose(by_a, P.sum(), rtol=1e-6)
    np.testing.assert_allclose(by_pp, 2 * (1 - distance) / P**2, rtol=1e-5)
    np.testing.assert_allclose(by_pa, P.size, rtol=1e-6)
    np.testing.assert_allclose(by_ap, np.ones_like(P), rtol=1e-6)


@pytest.mark.tensorflow
def test_second_derivatives_of_a_reduction_agree_with_its_hessian() -> None:
    # The Hessian of logsumexp is diag(s) - s s^T with s = softmax(p).
    layer = lc.LossLayer(compiled("logsumexp(p)"))
    p = tf.constant([[0.3, -1.0, 2.0]])
    with tf.GradientTape() as outer:
        outer.watch(p)
        with tf.GradientTape() as inner:
            inner.watch(p)
            value = layer(p)
        gradient = inner.gradient(value, p)
    s = np.exp(p[0]) / np.exp(p[0]).sum()
    np.testing.assert_allclose(outer.jacobian(gradient, p)[0, :, 0, :], np.diag(s) - np.outer(s, s), atol=1e-6)


@pytest.mark.tensorflow
def test_targets_get_no_gradient() -> None:
    layer, y = lc.LossLayer(compiled(params={"a": 0.5})), tf.constant(Y)
    with tf.GradientTape() as tape:
        tape.watch(y)
        value = layer(y, P)
    gradient = tape.gradient(value, y)
    assert gradient is None or not np.any(gradient)


# --------------------------------------------------------------------------------------------------------- parameters
def test_parameters_read_as_the_formula_means_them() -> None:
    params = {"a": lc.Parameter(0.25, bounds=(0, 1)), "s": lc.Parameter(2.0, bounds=(0, None)), "t": lc.Parameter(-3.0, bounds=(None, -1))}
    layer = lc.LossLayer(compiled("a*s*(y - p)**2 + t*p", params))
    np.testing.assert_allclose([layer.parameters[name] for name in "ast"], [0.25, 2.0, -3.0], rtol=1e-6)
    layer.set_parameters(a=0.75, t=-1.5)
    np.testing.assert_allclose([layer.parameters[name] for name in "ast"], [0.75, 2.0, -1.5], rtol=1e-6)
    np.testing.assert_allclose(array(layer(Y, P)), 1.5 * (Y - P) ** 2 - 1.5 * P, rtol=1e-5)


def test_a_vector_takes_the_length_of_a_prediction() -> None:
    layer = lc.LossLayer(compiled("param w[p] > 0 = 2\nsum(w*(y - p)**2)"))
    assert not layer.weights
    np.testing.assert_allclose(array(layer(np.zeros((2, 3)), np.ones((2, 3)))), [6.0, 6.0], rtol=1e-6)
    assert layer.parameters["w"].shape == (3,)
    layer.set_parameters(w=[1.0, 2.0, 3.0])
    np.testing.assert_allclose(array(layer(np.zeros((2, 3)), np.ones((2, 3)))), [6.0, 6.0], rtol=1e-6)


def test_initial_values_can_be_given_to_the_layer() -> None:
    layer = lc.LossLayer(compiled(params={"a": lc.Parameter(0.5, bounds=(0, 1))}), initial={"a": 0.125})
    np.testing.assert_allclose(layer.parameters["a"], 0.125, rtol=1e-6)


@pytest.mark.parametrize("weight", [-1e4, -100.0, 100.0, 1e4])
@pytest.mark.parametrize("bounds", [(0, 1), (0, None), (None, 0), (0.1, 0.3), (1000, 1001), (-2, None)])
def test_no_weight_reaches_a_bound(weight: float, bounds: tuple) -> None:
    layer = lc.LossLayer(compiled("a*(y - p)**2", {"a": lc.Parameter(bounds=bounds)}))
    layer.trainable_variables[0].assign(weight)
    value = float(layer.parameters["a"])
    assert np.isfinite(value)
    assert bounds[0] is None or value > bounds[0]
    assert bounds[1] is None or value < bounds[1]


def test_wrong_values_are_refused() -> None:
    layer = lc.LossLayer(compiled(params={"a": lc.Parameter(0.5, bounds=(0, 1))}))
    with pytest.raises(ValueError, match=r"a = 2\.0 lies outside its bounds"):
        layer.set_parameters(a=2.0)
    with pytest.raises(ValueError, match="there is no parameter 'b'"):
        layer.set_parameters(b=2.0)
    with pytest.raises(ValueError, match="must be finite"):
        layer.set_parameters(a=float("nan"))
    for value in ([0.5], [0.5, 0.6], [[0.5]]):
        with pytest.raises(ValueError, match=r"a is a number; a value of shape .* does not fit"):
            layer.set_parameters(a=value)
    for value in ("x", 1j, {"a": 1}):
        with pytest.raises(ValueError, match="a must be a number or an array of numbers"):
            layer.set_parameters(a=value)
    vector = lc.LossLayer(compiled("w[0]*(y - p)**2 + w[1]", {"w": lc.Parameter([1.0, 2.0, 3.0])}))
    for value in ([1, 2], [[1, 2, 3]], [[1], [2], [3]]):
        with pytest.raises(ValueError, match=r"w has the shape \[3\]; a value of shape"):
            vector.set_parameters(w=value)
    vector.set_parameters(w=4)
    np.testing.assert_allclose(vector.parameters["w"], [4, 4, 4], rtol=1e-6)
    with pytest.raises(ValueError, match="lies outside its bounds"):
        lc.LossLayer(compiled(params={"a": lc.Parameter(0.5, bounds=(0, 1))}), initial={"a": -1})
    np.testing.assert_allclose(layer.parameters["a"], 0.5)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ArgumentError, match="loss must be a compiled loss, not str"):
        lc.LossLayer(FORMULA)
    with pytest.raises(ArgumentError, match="gradient must be one of 'analytic', 'autodiff', not 'numeric'"):
        lc.LossLayer(compiled(), gradient="numeric")
    with pytest.raises(ArgumentError, match=r"given by name, one by one, as in freeze"):
        lc.LossLayer(compiled()).freeze(["a"])
    layer = lc.LossLayer(compiled())
    with pytest.raises(ValueError, match="the loss is called on y, p; got 3 arrays"):
        layer(Y, P, P)
    with pytest.raises(ValueError, match="data for 'y' are missing"):
        layer({"p": P})


def test_the_loss_stays_in_float32_under_mixed_precision() -> None:
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        layer = lc.LossLayer(compiled("(y - p)**2 + a", {"a": 0.0}))
        # 300**2 = 90000 overflows float16, whose largest number is 65504.
        value = layer(np.array([0.0]), np.array([300.0], "float16"))
        assert array(value).dtype == "float32"
        np.testing.assert_allclose(array(value), [90000.0])
    finally:
        keras.mixed_precision.set_dtype_policy("float32")


# -------------------------------------------------------------------------------------------------------------- saving
def test_the_config_is_plain_json_and_makes_the_same_layer() -> None:
    params = {
        "a": lc.Parameter([0.25, 0.5], bounds=(0, 1), shape=(2,), regularizer=keras.regularizers.L2(0.1)),
        "b": lc.Parameter(-1.0, bounds=(None, 0), trainable=False),
    }
    loss = compiled("sum(a*k*(t - q)**2) + b*sum(v*q)", params, targets=["t"], predictions=["q"], inputs=["v"], constants={"k": [1, 3]})
    layer = lc.LossLayer(loss, gradient="autodiff", initial={"b": -2.0})
    config = json.loads(json.dumps(layer.get_config()))
    again = lc.LossLayer.from_config(config)
    assert again.get_config() == layer.get_config()
    assert again.stages.graph.parameters["a"].bounds == (0.0, 1.0)
    data = [np.array([[1.0, 2.0]]), np.array([[0.5, 3.0]]), np.array([[1.0, 1.0]])]
    # by hand: 0.25*1*0.25 + 0.5*3*1 - 2*(0.5 + 3)
    np.testing.assert_allclose(array(again(*data)), [0.25 * 0.25 + 1.5 - 7.0], rtol=1e-6)
    assert len(again.trainable_variables) == len(again.non_trainable_variables) == 1
    assert len(again.losses) == 1


def test_a_config_of_a_newer_version_is_refused() -> None:
    config = lc.LossLayer(compiled()).get_config()
    config["loss"]["version"] += 1
    with pytest.raises(ArgumentError, match="saved by a newer version"):
        lc.LossLayer.from_config(config)


class HarnessTest(keras_testing.TestCase):
    """Keras' conformance tests for layers: building, symbolic and eager calls, saving, training, mixed precision."""

    def run_on(self, text: str, output_shape: tuple, weights: int, params: dict | None = None) -> None:
        self.run_layer_test(
            lc.LossLayer,
            init_kwargs={"loss": compiled(text, params)},
            input_shape=((2, 3), (2, 3)),
            expected_output_shape=output_shape,
            expected_num_trainable_weights=weights,
            expected_num_non_trainable_weights=0,
            expected_num_seed_generators=0,
            expected_num_losses=0,
            supports_masking=True,
        )

    def test_elementwise(self) -> None:
        self.run_on("a*(y - p)**2 + b", (2, 3), 2, {"a": 1.0, "b": 2.0})

    def test_bounded_and_reduced(self) -> None:
        self.run_on("param w[3] in (0, 1) = 0.5\nsum(w*(y - p)**2) - sum(log(w))", (2,), 1)

    def test_a_length_that_is_open(self) -> None:
        self.run_on("param w[p] > 0 = 1\nsum(w*abs(y - p))", (2,), 1)

    def test_one_datum(self) -> None:
        self.run_layer_test(
            lc.LossLayer, init_kwargs={"loss": compiled("target y\nparam m = 0\n(y - m)**2", {})}, input_shape=(2, 3),
            expected_output_shape=(2, 3), expected_num_trainable_weights=1, expected_num_losses=0, supports_masking=True,
        )  # fmt: skip

    def test_without_parameters(self) -> None:
        self.run_on("logsumexp(p) - sum(y*p)", (2,), 0)
