"""Own optimizers and learning rates of parameters, against NumPy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy_training import START, Adam, Momentum, X, Y, assert_at, fit, model_of, slopes, train, values_of

import losscompiler as lc
from losscompiler.errors import ArgumentError
from losscompiler.training.split_optimizer import SplitOptimizer

BACKEND = keras.backend.backend()


def sgd(rate: float = 0.02, momentum: float = 0.5, **options: Any) -> Any:
    return keras.optimizers.SGD(rate, momentum=momentum, **options)


def adam(rate: float = 0.03, **options: Any) -> Any:
    return keras.optimizers.Adam(rate, **options)


# ------------------------------------------------------------------------------------------------------- what is trained
CASES = {
    "an optimizer for all": (lambda: {"parameter_optimizer": adam()}, lambda: [(Momentum(0.02, 0.5), "w"), (Adam(0.03), "ab")]),
    "a name": (lambda: {"parameter_optimizer": "adam"}, lambda: [(Momentum(0.02, 0.5), "w"), (Adam(0.001), "ab")]),
    "an optimizer for one": (
        lambda: {"parameter_optimizer": {"b": adam()}}, lambda: [(Momentum(0.02, 0.5), "wa"), (Adam(0.03), "b")],
    ),
    "one for each": (
        lambda: {"parameter_optimizer": {"a": adam(), "b": sgd(0.1, 0.0)}},
        lambda: [(Momentum(0.02, 0.5), "w"), (Adam(0.03), "a"), (Momentum(0.1), "b")],
    ),
    "a multiplier": (lambda: {"parameter_lr_multiplier": 5}, lambda: [(Momentum(0.02, 0.5), "w"), (Momentum(0.1, 0.5), "ab")]),
    "a multiplier for one": (
        lambda: {"parameter_lr_multiplier": {"a": 0.25}}, lambda: [(Momentum(0.02, 0.5), "wb"), (Momentum(0.005, 0.5), "a")],
    ),
    "multipliers": (
        lambda: {"parameter_lr_multiplier": {"a": 0.25, "b": 3.0}},
        lambda: [(Momentum(0.02, 0.5), "w"), (Momentum(0.005, 0.5), "a"), (Momentum(0.06, 0.5), "b")],
    ),
    "both": (
        lambda: {"parameter_optimizer": adam(), "parameter_lr_multiplier": {"b": 4}},
        lambda: [(Momentum(0.02, 0.5), "w"), (Adam(0.03), "a"), (Adam(0.12), "b")],
    ),
    "both for all": (
        lambda: {"parameter_optimizer": adam(), "parameter_lr_multiplier": 4}, lambda: [(Momentum(0.02, 0.5), "w"), (Adam(0.12), "ab")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("case", "eagerly"), [*((case, True) for case in CASES), ("an optimizer for all", False), ("both", False)])
def test_each_is_trained_by_its_own(case: str, eagerly: bool) -> None:
    options, groups = (make() for make in CASES[case])
    model, expected = model_of(sgd(), compile_options={**options, "run_eagerly": eagerly}), dict(START)
    fit(model, 8)
    train(expected, 8, *groups)
    assert_at(model, expected)


def test_an_optimizer_is_described_as_keras_does() -> None:
    options = {"parameter_optimizer": keras.optimizers.serialize(adam()), "run_eagerly": True}
    model, expected = model_of(sgd(), compile_options=options), dict(START)
    fit(model, 3)
    train(expected, 3, (Momentum(0.02, 0.5), "w"), (Adam(0.03), "ab"))
    assert_at(model, expected)
    short = {"class_name": "SGD", "config": {"learning_rate": 0.25}}
    model = model_of(sgd(), compile_options={"parameter_optimizer": {"b": short}})
    assert float(model.optimizer.parameter_optimizer["b"].learning_rate) == 0.25


@pytest.mark.parametrize("make", [lambda: adam(0.01), lambda: keras.optimizers.Nadam(0.01), lambda: keras.optimizers.Lion(0.01)])
def test_a_multiplier_is_the_learning_rate_of_another_optimizer_of_the_kind(make: Any) -> None:
    eagerly = {"run_eagerly": True}
    model = model_of(make(), compile_options={"parameter_lr_multiplier": 3, **eagerly})
    fast = make()
    fast.learning_rate = 0.03
    other = model_of(make(), compile_options={"parameter_optimizer": fast, **eagerly})
    for each in (model, other):
        fit(each, 6)
    assert_at(model, values_of(other), rel=1e-6)
    plain = model_of(make(), compile_options=eagerly)
    fit(plain, 6)
    assert values_of(plain)["b"] != pytest.approx(values_of(model)["b"], rel=1e-3)


def test_a_multiplier_follows_a_schedule_and_callbacks() -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.02, 3, 0.5)
    model, expected = model_of(keras.optimizers.SGD(schedule), compile_options={"parameter_lr_multiplier": 5}), dict(START)
    fit(model, 6)
    net, parameters = Momentum(0.02), Momentum(0.1)

    def decay(step: int) -> None:
        net.rate = 0.02 * 0.5 ** (step / 3)
        parameters.rate = 5 * net.rate

    train(expected, 6, (net, "w"), (parameters, "ab"), change=decay)
    assert_at(model, expected)

    model, expected = model_of(keras.optimizers.SGD(0.5), compile_options={"parameter_lr_multiplier": 5}), dict(START)
    history = fit(model, 6, callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch: 0.02 * 0.5 ** (epoch / 3))]).history
    train(expected, 6, (net, "w"), (parameters, "ab"), change=decay)
    assert_at(model, expected)
    assert history["learning_rate"] == pytest.approx([0.02 * 0.5 ** (epoch / 3) for epoch in range(6)])


def test_a_schedule_is_followed_though_the_net_is_frozen() -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.02, 3, 0.5)
    model, expected = model_of("sgd"), dict(START)
    model.net.trainable = False
    model.compile(keras.optimizers.SGD(schedule), parameter_lr_multiplier=5)
    fit(model, 6)
    parameters = Momentum(0.1)
    train(expected, 6, (parameters, "ab"), change=lambda step: setattr(parameters, "rate", 0.1 * 0.5 ** (step / 3)))
    assert_at(model, expected)


def test_norms_are_clipped_apart() -> None:
    model, expected = model_of(sgd(0.1, 0.0, global_clipnorm=0.5), compile_options={"parameter_lr_multiplier": 2}), dict(START)
    fit(model, 1)
    found = slopes(expected)
    norm = np.hypot(found["a"], found["b"])
    assert abs(found["w"]) > 0.5 < norm
    expected["w"] -= 0.1 * 0.5 * np.sign(found["w"])
    for name in "ab":
        expected[name] -= 0.2 * 0.5 * found[name] / norm
    assert_at(model, expected)


@pytest.mark.parametrize("kind", ["own optimizer", "multiplier"])
def test_parameters_do_not_decay_whatever_trains_them(kind: str) -> None:
    decaying = keras.optimizers.AdamW(0.03, weight_decay=5.0)
    options = {"parameter_optimizer": decaying} if kind == "own optimizer" else {"parameter_lr_multiplier": 3}
    model = model_of(keras.optimizers.AdamW(0.01, weight_decay=5.0), compile_options={**options, "run_eagerly": True})
    expected = dict(START)
    fit(model, 4)
    net, parameters = Adam(0.01), Adam(0.03)
    for _ in range(4):
        found = slopes(expected)
        expected["w"] *= 1 - 0.01 * 5.0
        net.step(expected, {"w": found["w"]})
        parameters.step(expected, {name: found[name] for name in "ab"})
    assert_at(model, expected)


def test_averages_and_accumulated_gradients_belong_to_their_part() -> None:
    averaged = sgd(0.1, 0.0, use_ema=True, ema_momentum=0.75)
    model = model_of(sgd(0.02, 0.0, gradient_accumulation_steps=2), compile_options={"parameter_optimizer": averaged})
    fit(model, 4)
    expected, mean, gathered = dict(START), dict.fromkeys("ab", 0.0), []
    for step in range(4):
        found = slopes(expected)
        gathered.append(found["w"])
        if step % 2:
            expected["w"] -= 0.02 * (gathered[-1] + gathered[-2]) / 2
        for name in "ab":
            expected[name] -= 0.1 * found[name]
            # Keras starts the average with the first value.
            mean[name] = expected[name] if step == 0 else 0.75 * mean[name] + 0.25 * expected[name]
    assert_at(model, expected | mean)


# -------------------------------------------------------------------------------------------------------- loss scaling
@pytest.mark.parametrize("wrap", ["by hand", "fixed"])
def test_the_loss_is_scaled_once(wrap: str) -> None:
    if wrap == "by hand":
        optimizer = keras.optimizers.LossScaleOptimizer(sgd(), initial_scale=256.0, dynamic_growth_steps=3)
    else:
        optimizer = sgd(loss_scale_factor=64.0)
    model, expected = model_of(optimizer, compile_options={"parameter_optimizer": sgd(0.1, 0.0)}), dict(START)
    fit(model, 4)
    train(expected, 4, (Momentum(0.02, 0.5), "w"), (Momentum(0.1), "ab"))
    assert_at(model, expected)
    if wrap == "by hand":
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        assert isinstance(model.optimizer.inner_optimizer, SplitOptimizer)
        assert float(keras.ops.convert_to_numpy(model.optimizer.dynamic_scale)) == 512.0  # grown once, at step 3


# -------------------------------------------------------------------------------------------------------------- saving
@pytest.mark.parametrize(
    "options",
    [
        lambda: {"parameter_optimizer": adam()},
        lambda: {"parameter_lr_multiplier": {"b": 5.0, "a": 0.5}},
        lambda: {"parameter_optimizer": {"a": adam()}, "parameter_lr_multiplier": 2.0},
    ],
)
@pytest.mark.parametrize("scaled", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_half_trained_model_continues_exactly(options: Any, scaled: bool, tmp_path: Path) -> None:
    def make() -> lc.LossModel:
        return model_of(keras.optimizers.LossScaleOptimizer(sgd()) if scaled else sgd(), compile_options=options())

    whole, half = make(), make()
    fit(whole, 6)
    fit(half, 3)
    half.save(tmp_path / "half.keras")
    again = lc.load_model(tmp_path / "half.keras")
    assert again.optimizer.get_config() == half.optimizer.get_config()
    fit(again, 3)
    assert values_of(again) == values_of(whole)


def test_compiling_again_with_the_same_optimizer_keeps_its_state() -> None:
    once, twice = (model_of(sgd(), compile_options={"parameter_lr_multiplier": 3}) for _ in range(2))
    fit(once, 6)
    fit(twice, 3)
    twice.compile(twice.optimizer, metrics=["mae"])
    fit(twice, 3)
    assert_at(twice, values_of(once), rel=1e-6)


# -------------------------------------------------------------------------------------------------------- two replicas
REPLICAS = """
import contextlib, json
import tensorflow as tf
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from numpy_training import fit, model_of, values_of

mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
found = []
for scope in (contextlib.nullcontext, mirrored.scope):
    for options in ({"parameter_optimizer": "adam"}, {"parameter_lr_multiplier": {"a": 3.0}}):
        with scope():
            model = model_of(keras.optimizers.SGD(0.02, momentum=0.5), compile_options=options)
            model.freeze("b")
        fit(model, 3)
        model.unfreeze("b")
        model.freeze("a")
        model.set_parameters(a=0.2)
        fit(model, 3)
        found.append(values_of(model))
print(json.dumps(found))
"""


@pytest.mark.long
@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute is TensorFlow's")
def test_two_replicas_split_and_freeze_as_one_device_does() -> None:
    done = subprocess.run([sys.executable, "-c", REPLICAS], capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    assert done.returncode == 0, done.stderr
    *one, first, second = json.loads(done.stdout.splitlines()[-1])
    assert [first, second] == [pytest.approx(values, rel=1e-5) for values in one]
    assert first["a"] == pytest.approx(0.2)
    assert first["b"] != pytest.approx(START["b"], rel=1e-3)


# ---------------------------------------------------------------------------------------------------- in a plain model
@pytest.mark.long
def test_it_serves_a_keras_model_that_holds_the_layer() -> None:
    x, y = keras.Input((1,)), keras.Input((1,))
    p = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(x)
    layer = lc.LossLayer(lc.compile_loss("exp(-a)*(y - b*p)**2 + a + b**2/10", {"a": START["a"], "b": START["b"]}, findings="ignore"))
    model, expected = keras.Model([x, y], layer([y, p])), dict(START)
    model.compile(SplitOptimizer(sgd(), adam()), loss=lambda _, value: value)
    model.fit([X, Y], np.zeros_like(Y), batch_size=len(X), epochs=5, verbose=0)
    train(expected, 5, (Momentum(0.02, 0.5), "w"), (Adam(0.03), "ab"))
    found = {name: float(value) for name, value in layer.parameters.items()}
    assert found == pytest.approx({name: expected[name] for name in "ab"}, rel=1e-4)


# -------------------------------------------------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameter_lr_multiplier": -1}, "must be a positive number, not -1. To stop a parameter, freeze it"),
        ({"parameter_lr_multiplier": {"a": 0}}, "must be a positive number, not 0"),
        ({"parameter_lr_multiplier": "fast"}, "must be a positive number, not 'fast'"),
        ({"parameter_lr_multiplier": {"c": 2}}, "there is no parameter 'c'; the loss has a, b"),
        ({"parameter_optimizer": {"c": "adam"}}, "there is no parameter 'c'; the loss has a, b"),
        ({"parameter_optimizer": SplitOptimizer("sgd")}, "SplitOptimizer cannot be a part"),
        ({"parameter_optimizer": keras.optimizers.LossScaleOptimizer(sgd())}, "LossScaleOptimizer cannot be a part"),
        ({"parameter_optimizer": dict.fromkeys("ab", sgd())}, "one optimizer is given twice"),
    ],
)
def test_what_cannot_be_is_said(options: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        model_of("sgd", compile_options=options)


@pytest.mark.parametrize(
    "optimizer",
    [
        SplitOptimizer("adam", lr_multiplier={"sigma": 2.0}),
        keras.optimizers.LossScaleOptimizer(SplitOptimizer("adam", {"sigma": "sgd"})),
        keras.optimizers.serialize(SplitOptimizer("adam", {"sigma": "sgd"})),
    ],
)
def test_names_in_a_given_optimizer_are_checked(optimizer: Any) -> None:
    with pytest.raises(ArgumentError, match="there is no parameter 'sigma'; the loss has a, b"):
        model_of(optimizer)


@pytest.mark.parametrize("options", [{"parameter_optimizer": "sgd"}, {"parameter_lr_multiplier": 2}])
def test_a_net_without_optimizer_is_refused(options: dict) -> None:
    with pytest.raises(ArgumentError, match="there is no optimizer for the net"):
        model_of(None, compile_options=options)
