"""Half-precision nets: the loss, its parameters and their gradients stay in float32, as with Keras' own losses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
from keras_training import START, WEIGHT, X, Y, assert_same, dense, ours, recorded, theirs

import losscompiler as lc

# Relative spacing of the numbers: 11 and 8 bits of mantissa.
SPACING = {"mixed_float16": 2.0**-10, "mixed_bfloat16": 2.0**-7}


@pytest.fixture(params=SPACING)
def policy(request: pytest.FixtureRequest) -> Iterator[str]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


def sgd(**options: Any) -> Any:
    return keras.optimizers.SGD(0.05, **options)


def scaled(policy: str) -> Any:
    """Return an optimizer whose loss scale is small enough that no step overflows and is left out."""
    return keras.optimizers.LossScaleOptimizer(sgd(), initial_scale=128.0) if policy == "mixed_float16" else sgd()


def test_everything_of_the_loss_is_in_float32(policy: str) -> None:
    model = ours(scaled(policy))
    logs = model.train_on_batch(X, Y, return_dict=True)
    assert model.net.compute_dtype == policy.removeprefix("mixed_")
    assert {variable.dtype for variable in model.loss_layer.variables} == {"float32"}
    assert model.loss_layer.compute_dtype == "float32"
    p = model.net(X)
    assert keras.backend.standardize_dtype(p.dtype) == policy.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(model.loss_layer(Y, p).dtype) == "float32"
    assert keras.backend.standardize_dtype(model.compute_loss(X, Y, p, training=False).dtype) == "float32"
    # A value of a float32 parameter that no half-precision number is near to.
    assert float(logs["a"]) == float(model.parameters["a"]) != float(np.float16(logs["a"]))


def test_the_step_of_a_parameter_has_float32_accuracy(policy: str) -> None:
    model = ours(scaled(policy), run_eagerly=True)  # a compiled net may round its predictions elsewhere
    p = keras.ops.convert_to_numpy(keras.ops.cast(model.net(X), "float32")).astype(float)
    # dL/da = 1 - exp(-a)*(log y - log p)**2, averaged, at the predictions as the net rounds them.
    slope = 1 - np.exp(-START) * np.mean((np.log(Y) - np.log(p)) ** 2)
    model.fit(X, Y, batch_size=len(X), shuffle=False, verbose=0)
    assert float(model.parameters["a"]) == pytest.approx(START - 0.05 * slope, rel=1e-6)


def test_one_step_is_that_of_float32_but_for_the_rounding_of_the_net(policy: str) -> None:
    mixed = ours(scaled(policy))
    keras.config.set_dtype_policy("float32")
    exact = ours(sgd())
    before = exact.net.get_weights()
    for model in (mixed, exact):
        model.fit(X, Y, sample_weight=WEIGHT, batch_size=len(X), shuffle=False, verbose=0)
    for weight, expected, start in zip(mixed.net.get_weights(), exact.net.get_weights(), before, strict=True):
        step = np.abs(expected - start).max()
        assert step > 1e-4
        np.testing.assert_allclose(weight, expected, atol=8 * SPACING[policy] * step)
    assert float(mixed.parameters["a"]) == pytest.approx(float(exact.parameters["a"]), rel=SPACING[policy])


def test_it_trains_as_keras_does(policy: str) -> None:
    found, expected = (recorded(make(sgd(momentum=0.5)), x=X, y=Y, sample_weight=WEIGHT, batch_size=8) for make in (ours, theirs))
    # The same half-precision net; what differs is the last bit of gradients by p, which are rounded to half precision.
    assert_same(found, expected, rtol=SPACING[policy] / 4)


def test_only_float16_scales_the_loss(policy: str) -> None:
    model = ours(sgd())
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
    assert not isinstance(ours(sgd(), auto_scale_loss=False).optimizer, keras.optimizers.LossScaleOptimizer)
    # What counts is the net's policy, whatever holds when the model is made.
    net = dense()
    keras.config.set_dtype_policy("float32")
    later = ours(sgd(), lambda: net)
    assert isinstance(later.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")


@pytest.mark.parametrize("options", [{}, {"parameter_optimizer": "sgd"}, {"parameter_lr_multiplier": 3}], ids=str)
def test_a_step_whose_gradient_overflows_is_left_out(options: dict) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        scaling = keras.optimizers.LossScaleOptimizer(sgd(), initial_scale=2.0**40)
        model = ours(scaling, **options)
        before = [*model.get_weights()]
        model.fit(X, Y, batch_size=len(X), verbose=0)
        for found, expected in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(found, expected)
        assert float(keras.ops.convert_to_numpy(model.optimizer.dynamic_scale)) == 2.0**39
        model.fit(X, Y, batch_size=len(X), epochs=40, verbose=0)
        assert float(keras.ops.convert_to_numpy(model.optimizer.dynamic_scale)) < 2.0**30
        assert float(model.parameters["a"]) != START
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_bounded_parameter_and_large_numbers(policy: str) -> None:
    # Squares of 1e4 overflow float16, whose largest number is 65504.
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model = lc.LossModel(net, lc.compile_loss("param s > 0 = 100\n((y - p)/s)**2/2 + log(s)", findings="ignore"))
    model.compile(sgd())
    y = 1e4 * Y
    p = X.astype(float).sum(axis=1, keepdims=True)
    expected = np.mean(((y - p) / 100) ** 2 / 2 + np.log(100))
    assert model.evaluate(X, y, verbose=0) == pytest.approx(expected, rel=1e-3)
