"""Keras' own callbacks see a loss's parameters: they save, stop, log and draw by them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras_training import WEIGHT, X, Y, assert_same, ours, recorded, theirs

import losscompiler as lc

DATA = {"x": X, "y": Y, "sample_weight": WEIGHT, "batch_size": 8, "shuffle": False, "verbose": 0}


def sgd(rate: float = 0.05) -> Any:
    return keras.optimizers.SGD(rate)


def test_the_best_value_of_a_parameter_is_saved(tmp_path: Path) -> None:
    path = str(tmp_path / "{epoch:02d} {a:.4f}.keras")
    every = keras.callbacks.ModelCheckpoint(path)
    best = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="a", mode="min", save_best_only=True)
    model = ours(sgd())
    change = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: model.set_parameters(a=(0.5, -0.2, 0.3)[epoch]))
    values = model.fit(**DATA, epochs=3, callbacks=[change, every, best]).history["a"]
    assert np.argmin(values) == 1
    loaded = lc.load_model(tmp_path / "best.keras")
    assert float(loaded.parameters["a"]) == pytest.approx(values[1], rel=1e-6)
    names = sorted(file.name for file in tmp_path.glob("0*.keras"))
    assert names == [f"{epoch:02d} {value:.4f}.keras" for epoch, value in enumerate(values, 1)]


def test_training_stops_when_a_parameter_has_settled() -> None:
    def settling() -> lc.LossModel:
        model = ours("sgd")
        model.net.trainable = False
        model.compile(sgd(0.03))
        return model

    values = settling().fit(**DATA, epochs=40).history["a"]
    moves = np.diff(values)
    settled = int(np.argmax(moves < 0.02))  # the first epoch that adds less
    assert (moves > 0).all()
    assert 3 < settled < 30
    model = settling()
    stop = keras.callbacks.EarlyStopping(monitor="a", mode="max", min_delta=0.02, patience=1, restore_best_weights=True)
    found = model.fit(**DATA, epochs=40, callbacks=[stop]).history["a"]
    assert len(found) == settled + 2
    assert float(model.parameters["a"]) == pytest.approx(values[settled], rel=1e-5)


def test_validation_decides_as_in_keras() -> None:
    validation = (X[:5], 0.6 * Y[:5])
    stopped = []
    for make in (ours, theirs):
        stop = keras.callbacks.EarlyStopping(monitor="val_loss", restore_best_weights=True, patience=2)
        rate = keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, min_delta=0.4, patience=1, min_lr=0.03)
        stopped.append(recorded(make(sgd(0.05)), **DATA, epochs=40, validation_data=validation, callbacks=[stop, rate]))
    assert 3 < len(stopped[0]["loss"]) < 40
    assert len(set(stopped[0]["learning_rate"])) > 1
    assert_same(*stopped, rtol=1e-4)


def test_a_rate_schedule_is_logged_beside_a_parameter_of_that_name() -> None:
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    loss = lc.compile_loss("(y - p)**2 + learning_rate**2 + val_loss**2", {"learning_rate": 2.0, "val_loss": 3.0}, findings="ignore")
    model = lc.LossModel(net, loss)
    model.compile(sgd(1e-3))
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-4 * (epoch + 1))
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[schedule], validation_data=(X, Y)).history
    assert history["learning_rate"] == pytest.approx([1e-4, 2e-4])
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(X, Y, verbose=0))
    assert history["parameter_learning_rate"][-1] == pytest.approx(float(model.parameters["learning_rate"]))
    assert history["parameter_val_loss"][-1] == pytest.approx(float(model.parameters["val_loss"]))


def test_history_and_csv_hold_every_element_at_the_end_of_each_epoch(tmp_path: Path) -> None:
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softplus")])
    text = "param w[2] > 0 = [1, 2]\nparam a = 0.5\nsum(w*(y - p)**2 - log(w)) + a**2"
    model = lc.LossModel(net, lc.compile_loss(text, findings="ignore"))
    model.compile(sgd(0.01), metrics=["mae"])
    seen: list[dict] = []
    read = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(dict(model.parameters)))
    logger = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    y = np.concatenate([Y, 2 * Y], axis=1)
    history = model.fit(X, y, epochs=3, verbose=0, callbacks=[read, logger], validation_split=0.25).history
    with open(tmp_path / "log.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"epoch", *history} == {"epoch", "loss", "mae", "val_loss", "val_mae", "w[0]", "w[1]", "a"}
    for epoch, values in enumerate(seen):
        for name, value in {"w[0]": values["w"][0], "w[1]": values["w"][1], "a": values["a"]}.items():
            assert history[name][epoch] == pytest.approx(float(value), rel=1e-6)
            assert float(rows[epoch][name]) == pytest.approx(float(value), rel=1e-6)


@pytest.mark.parametrize("update_freq", ["epoch", 1])
def test_tensorboard_draws_parameters_without_further_ado(update_freq: Any, tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    pytest.importorskip("tensorboard")
    model = ours(sgd(), metrics=["mae"])
    board = keras.callbacks.TensorBoard(tmp_path, update_freq=update_freq, write_graph=False)
    batches: list[float] = []
    read = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(logs["a"]))
    history = model.fit(**DATA, epochs=3, callbacks=[board, read]).history
    found: dict[str, list[float]] = {}
    for file in sorted((tmp_path / "train").glob("*.tfevents.*")):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append(float(tf.make_ndarray(value.tensor)))
    assert found["epoch_a"] == pytest.approx(history["a"], rel=1e-6)
    assert found["epoch_loss"] == pytest.approx(history["loss"], rel=1e-6)
    if update_freq == 1:
        assert found["batch_a"] == pytest.approx(batches, rel=1e-6)
