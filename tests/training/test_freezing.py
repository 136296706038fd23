"""Freezing and unfreezing single parameters, and changing fixed ones, against NumPy: nothing else may be disturbed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy_training import START, Adam, Momentum, X, Y, assert_at, fit, model_of, train, values_of

import losscompiler as lc
from losscompiler.errors import ArgumentError

BACKEND = keras.backend.backend()
MAKERS = {
    "momentum": (lambda: keras.optimizers.SGD(0.02, momentum=0.8), lambda: Momentum(0.02, 0.8)),
    "Adam": (lambda: keras.optimizers.Adam(0.03), lambda: Adam(0.03)),
    "AdamW": (lambda: keras.optimizers.AdamW(0.03, weight_decay=0.0), lambda: Adam(0.03)),
    "loss scale": (lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.02, momentum=0.8)), lambda: Momentum(0.02, 0.8)),
}


# -------------------------------------------------------------------------------------------------- freeze and unfreeze
@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[] if kind == "Adam" else pytest.mark.long) for kind in MAKERS])
def test_between_fits_a_frozen_parameter_and_its_state_rest(kind: str) -> None:
    make, by_hand = MAKERS[kind]
    model, expected, optimizer = model_of(make()), dict(START), by_hand()
    for frozen, moving in (((), "wab"), (("a",), "wb"), ((), "wab"), (("b",), "wa"), (("a", "b"), "w"), ((), "wab")):
        model.unfreeze("a", "b")
        model.freeze(*frozen)
        assert model.loss_layer.frozen == frozen
        assert len(model.trainable_variables) == len(moving)
        fit(model, 3)
        train(expected, 3, (optimizer, moving))
        assert_at(model, expected)


@pytest.mark.parametrize("kind", ["momentum", "loss scale"])
def test_what_the_loss_declares_fixed_can_be_trained_later(kind: str) -> None:
    make, by_hand = MAKERS[kind]
    model, expected, optimizer = model_of(make(), a=lc.Parameter(START["a"], trainable=False)), dict(START), by_hand()
    assert model.loss_layer.frozen == ("a",)
    for moving in ("wb", "wab"):
        fit(model, 3)
        train(expected, 3, (optimizer, moving))
        assert_at(model, expected)
        model.unfreeze("a")


def test_before_compile() -> None:
    model = model_of("sgd")
    model = lc.LossModel(model.net, model.loss_layer)
    model.freeze("b")
    model.compile(keras.optimizers.SGD(0.02))
    expected = dict(START)
    fit(model, 3)
    train(expected, 3, (Momentum(0.02), "wa"))
    assert_at(model, expected)


def test_in_the_middle_of_a_fit() -> None:
    model, expected, optimizer = model_of(keras.optimizers.Adam(0.03)), dict(START), Adam(0.03)

    def change(epoch: int, logs: Any) -> None:
        if epoch == 2:
            model.freeze("a")
        if epoch == 4:
            model.unfreeze("a")
            model.freeze("b")

    validation = (X[:4], Y[:4])
    history = fit(model, 6, callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=change)], validation_data=validation).history
    for moving in ("wab", "wb", "wa"):
        train(expected, 2, (optimizer, moving))
    assert_at(model, expected)
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(*validation, verbose=0))


def test_between_the_batches_of_an_epoch() -> None:
    model, expected, optimizer = model_of(keras.optimizers.Adam(0.03)), dict(START), Adam(0.03)
    seen = []

    def change(batch: int, logs: Any) -> None:
        seen.append(float(model.parameters["a"]))
        if batch == 1:
            model.freeze("a")
            model.set_parameters(b=1.0)

    repeated = np.concatenate([X] * 4), np.concatenate([Y] * 4)
    callbacks = [keras.callbacks.LambdaCallback(on_train_batch_end=change)]
    model.fit(*repeated, batch_size=len(X), shuffle=False, verbose=0, callbacks=callbacks)
    train(expected, 2, (optimizer, "wab"))
    expected["b"] = 1.0
    train(expected, 2, (optimizer, "wb"))
    assert_at(model, expected)
    assert seen[1] == seen[2] == seen[3] != seen[0]


@pytest.mark.parametrize("options", [{"parameter_optimizer": "sgd"}, {"parameter_lr_multiplier": {"a": 2.0}}], ids=str)
def test_with_own_optimizers(options: dict) -> None:
    model, expected = model_of(keras.optimizers.SGD(0.02, momentum=0.8), compile_options=options), dict(START)
    if "parameter_optimizer" in options:
        groups = [(Momentum(0.02, 0.8), "w"), (Momentum(0.01), "a"), (Momentum(0.01), "b")]
    else:
        groups = [(Momentum(0.02, 0.8), "w"), (Momentum(0.04, 0.8), "a"), (Momentum(0.02, 0.8), "b")]
    for frozen in ("", "a", "ab", ""):
        model.unfreeze("a", "b")
        model.freeze(*frozen)
        fit(model, 3)
        train(expected, 3, *[(optimizer, names) for optimizer, names in groups if names not in frozen])
        assert_at(model, expected)


def test_an_average_leaves_a_frozen_parameter_alone() -> None:
    # One fit, since on JAX Keras itself cannot fit twice with use_ema: it donates one buffer twice.
    model, expected, mean = model_of(keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.5)), dict(START), {}
    moving = ["wab"] * 3 + ["wb"] * 3
    freezing = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: model.freeze("a") if epoch == 3 else None)
    fit(model, 6, callbacks=[freezing])
    for names in moving:
        train(expected, 1, (Momentum(0.05), names))
        mean |= {name: 0.5 * mean.get(name, expected[name]) + 0.5 * expected[name] for name in names}
    # At the end of a fit Keras puts the averages in the place of the weights.
    assert_at(model, {"w": mean["w"], "a": expected["a"], "b": mean["b"]})


def test_accumulated_gradients_wait_for_the_parameter() -> None:
    model = model_of(keras.optimizers.SGD(0.05, gradient_accumulation_steps=2))
    model.freeze("a")
    fit(model, 4)
    expected = dict(START)
    train(expected, 2, (Momentum(0.05), "wb"))
    assert_at(model, expected)


def test_the_net_is_frozen_and_unfrozen_without_touching_a_frozen_parameter() -> None:
    model = model_of("sgd")
    model.freeze("a")
    model.trainable = False
    assert not model.trainable_variables
    model.trainable = True
    assert [variable.name for variable in model.trainable_variables] == ["kernel", "b"]
    model.net.trainable = False
    optimizer = keras.optimizers.AdamW(0.03, weight_decay=0.5)
    model.compile(optimizer)
    expected = dict(START)
    fit(model, 3)
    train(expected, 3, (Adam(0.03), "b"))
    assert_at(model, expected)


@pytest.mark.parametrize("options", [{}, {"parameter_optimizer": "adam"}], ids=str)
def test_saved_while_frozen_it_goes_on_exactly(options: dict, tmp_path: Path) -> None:
    whole, half = (model_of(keras.optimizers.Adam(0.03), compile_options=options) for _ in range(2))
    for model in (whole, half):
        fit(model, 2)
        model.freeze("a")
        fit(model, 2)
    half.save(tmp_path / "half.keras")
    again = lc.load_model(tmp_path / "half.keras")
    assert again.loss_layer.frozen == ("a",)
    for model in (whole, again):
        fit(model, 2)
        model.unfreeze("a")
        fit(model, 2)
    assert values_of(again) == values_of(whole)


def test_a_vector_whose_length_is_open_can_be_frozen_first() -> None:
    loss = lc.compile_loss("sum(v*(y - p)**2) - sum(log(v))", {"v": lc.Parameter(1.0, bounds=(0, None), shape="p", trainable=False)})
    model = lc.LossModel(keras.Sequential([keras.layers.Dense(2)]), loss)
    model.compile(keras.optimizers.Adam(0.03))
    y = np.concatenate([Y, -Y], axis=1)
    model.fit(X, y, verbose=0)
    np.testing.assert_allclose(model.parameters["v"], [1, 1])
    model.unfreeze("v")
    before = int(model.optimizer.iterations)
    model.fit(X, y, verbose=0)
    assert (model.parameters["v"] != 1).all()
    assert int(model.optimizer.iterations) == before + 1


def test_one_name_needs_no_list() -> None:
    loss = lc.compile_loss("nu*(y - p)**2", {"nu": 1.0}, findings="ignore")
    assert lc.LossLayer(loss, frozen="nu").frozen == lc.LossLayer(loss, frozen=["nu"]).frozen == ("nu",)


def test_unknown_names_are_refused() -> None:
    model = model_of("sgd")
    for method in (model.freeze, model.unfreeze):
        with pytest.raises(ArgumentError, match="there is no parameter 'c'; the loss has a, b"):
            method("a", "c")
    assert model.loss_layer.frozen == ()


# ------------------------------------------------------------------------------------------------------ fixed parameters
@pytest.mark.parametrize("kind", ["momentum", "Adam"])
def test_a_fixed_parameter_is_changed_without_a_new_trace(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    traces = []
    call = lc.LossLayer.call
    monkeypatch.setattr(lc.LossLayer, "call", lambda *args: traces.append(1) or call(*args))
    make, by_hand = MAKERS[kind]
    model, expected, optimizer = model_of(make(), a=lc.Parameter(START["a"], trainable=False)), dict(START), by_hand()
    fit(model, 2)
    once = len(traces)
    train(expected, 2, (optimizer, "wb"))
    for value in (-0.3, 0.0, 0.7):
        model.set_parameters(a=value)
        expected["a"] = value
        fit(model, 2)
        train(expected, 2, (optimizer, "wb"))
        assert_at(model, expected)
    annealed = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: model.set_parameters(a=0.1 * epoch))
    fit(model, 4, callbacks=[annealed])
    train(expected, 4, (optimizer, "wb"), change=lambda step: expected.update(a=0.1 * step))
    assert_at(model, expected)
    if BACKEND != "torch":  # which runs Python at every step
        assert len(traces) == once


def test_a_constant_says_how_it_could_be_changed() -> None:
    net = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model = lc.LossModel(net, lc.compile_loss("k*(y - p)**2", constants={"k": 2.0}, findings="ignore"))
    with pytest.raises(ArgumentError, match=r"'k' is a constant, compiled into the loss.*params=\{'k': Parameter\(\.\.\., trainable="):
        model.set_parameters(k=3.0)


# ------------------------------------------------------------------------------------------------- one way to set values
def test_values_are_read_in_one_place_and_set_in_another() -> None:
    model = model_of("sgd", b=[1.0, 2.0])
    for owner in (model, model.loss_layer):
        values = owner.parameters
        with pytest.raises(ArgumentError, match=r"set by set_parameters\(a=0\.25\)"):
            values["a"] = 0.25
        with pytest.raises(ValueError, match="read-only"):
            values["b"][0] = 7.0
        assert dict(values).keys() == {"a", "b"}
        assert "'a': array(0.5" in repr(values)
    snapshot = model.parameters
    model.set_parameters(a=0.25, b=[3.0, 4.0])
    assert float(snapshot["a"]) == 0.5
    assert float(model.parameters["a"]) == 0.25
    assert model.parameters["b"].tolist() == [3.0, 4.0]


def test_any_name_of_the_language_can_be_set() -> None:
    net = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model = lc.LossModel(net, lc.compile_loss("self*(y - p)**2 + name**2", {"self": 1.0, "name": 2.0}, findings="ignore"))
    model.set_parameters(self=3.0, name=4.0)
    assert {name: float(value) for name, value in model.parameters.items()} == {"self": 3.0, "name": 4.0}
