"""Saved in the middle of training, a model goes on as if nothing had happened."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.ops import convert_to_numpy as array

import losscompiler as lc
from losscompiler.training.saving import whole_file

RNG = np.random.default_rng(1)
X = RNG.uniform(0.5, 1.5, (32, 3)).astype("float32")
Y = (1 + X.sum(axis=1)).astype("float32")
TEXT = "param a in (0, 1) = 0.5\nparam w[p] > 0 = 2\nsum(w*(log(y) - log(p))**2) + a*mean(p) - mean(log(w))"


@keras.saving.register_keras_serializable(package="losscompiler_tests")
class Net(keras.Model):
    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.hidden = keras.layers.Dense(4, activation="tanh")
        self.top = keras.layers.Dense(1, activation="softplus")

    def call(self, x):
        return self.top(self.hidden(x))


def model_of(kind: str) -> lc.LossModel:
    keras.utils.set_random_seed(7)
    layers = [keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(1, activation="softplus")]
    net = Net() if kind == "subclassed" else keras.Sequential(layers)
    model = lc.LossModel(net, lc.compile_loss(TEXT, findings="ignore"))
    model.compile(keras.optimizers.AdamW(0.01, weight_decay=0.1), metrics=["mae"])
    return model


def train(model: lc.LossModel, epochs: int) -> dict:
    return model.fit(X, Y, batch_size=8, epochs=epochs, shuffle=False, verbose=0).history


@pytest.mark.parametrize("kind", ["sequential", "subclassed"])
def test_a_half_trained_model_continues_exactly(kind: str, tmp_path: Path) -> None:
    whole = train(model_of(kind), 4)
    half = model_of(kind)
    train(half, 2)
    half.save(tmp_path / "half.keras")
    again = lc.load_model(tmp_path / "half.keras")
    assert again.parameters.keys() == half.parameters.keys()
    rest = train(again, 2)
    assert set(rest) == {"loss", "mae", "a", "w[0]"}
    for name, values in rest.items():
        assert values == whole[name][2:], name


def test_the_net_can_be_deployed_alone(tmp_path: Path) -> None:
    model = model_of("sequential")
    train(model, 1)
    model.net.save(tmp_path / "net.keras")
    alone = keras.saving.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(alone.predict(X, verbose=0), model.predict(X, verbose=0))


def test_weights_can_be_saved_alone(tmp_path: Path) -> None:
    first, second = model_of("sequential"), model_of("sequential")
    train(first, 2)
    train(second, 1)
    first.save_weights(tmp_path / "all.weights.h5")
    second.load_weights(tmp_path / "all.weights.h5")
    assert second.evaluate(X, Y, verbose=0) == first.evaluate(X, Y, verbose=0)


def state_of(model: lc.LossModel) -> list[np.ndarray]:
    """Return weights, parameters of the loss, and the optimizer's state."""
    return [*model.get_weights(), *map(keras.ops.convert_to_numpy, model.optimizer.variables)]


def assert_continues_alike(one: lc.LossModel, other: lc.LossModel) -> None:
    """Assert that two models are in the same state, and still are after further training."""
    for _ in range(2):
        for a, b in zip(state_of(one), state_of(other), strict=True):
            np.testing.assert_array_equal(a, b)
        train(one, 1)
        train(other, 1)


def by_keras_checkpoint(model: lc.LossModel, folder: Path) -> lc.LossModel:
    path = folder / "{epoch}.keras"
    model.fit(X, Y, batch_size=8, shuffle=False, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(str(path))])
    return lc.load_model(folder / "1.keras")


def by_weights(model: lc.LossModel, folder: Path) -> lc.LossModel:
    model.save_weights(folder / "model.weights.h5")
    other = model_of("sequential")
    train(other, 1)  # Keras loads an optimizer's state only into an optimizer that has one.
    other.load_weights(folder / "model.weights.h5")
    return other


def by_tensorflow_checkpoint(model: lc.LossModel, folder: Path) -> lc.LossModel:
    path = tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(folder / "checkpoint")
    other = model_of("sequential")
    train(other, 1)
    tf.train.Checkpoint(model=other, optimizer=other.optimizer).restore(path).assert_consumed()
    return other


@pytest.mark.parametrize(
    "duplicate",
    [
        by_keras_checkpoint, by_weights, pytest.param(by_tensorflow_checkpoint, marks=pytest.mark.tensorflow),
        lambda model, _: pickle.loads(pickle.dumps(model)),
        lambda model, _: copy.deepcopy(model),
    ],
    ids=["ModelCheckpoint", "weights", "tf.train.Checkpoint", "pickle", "deepcopy"],
)  # fmt: skip
def test_a_copy_in_the_middle_of_training_continues_alike(duplicate: Callable[[Any, Path], Any], tmp_path: Path) -> None:
    model = model_of("sequential")
    train(model, 2)
    assert_continues_alike(duplicate(model, tmp_path), model)


def test_a_clone_is_the_same_model_at_its_beginning() -> None:
    model = model_of("sequential")
    train(model, 1)
    clone = keras.models.clone_model(model)
    assert isinstance(clone, lc.LossModel)
    assert clone.loss_layer is not model.loss_layer
    assert clone.loss_layer.stages.config() == model.loss_layer.stages.config()
    clone.compile("adam")
    clone.fit(X, Y, epochs=0)
    assert clone.parameters["a"] == 0.5
    assert model.parameters["a"] != 0.5
    assert np.isfinite(train(clone, 1)["loss"]).all()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer)), keras.models.clone_model])
def test_a_graph_with_a_loss_layer_is_copied(duplicate: Callable[[Any], Any]) -> None:
    y, p = keras.Input((1,)), keras.Input((1,))
    layer = lc.LossLayer(lc.compile_loss(TEXT, findings="ignore"), gradient="autodiff")
    model = keras.Model([y, p], layer(y, p))
    layer.set_parameters(a=0.25, w=[3.0])
    ones = [np.ones((1, 1))] * 2
    again = duplicate(model)
    # by hand at y = p = 1: a - log w, with the values that were set, or in a clone the initial ones
    a, w = (0.5, 2.0) if duplicate is keras.models.clone_model else (0.25, 3.0)
    np.testing.assert_allclose(again.predict(ones, verbose=0), [a - np.log(w)], rtol=1e-6)
    assert again.layers[-1].gradient == "autodiff"


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_layer_is_copied(duplicate: Callable[[Any], Any]) -> None:
    layer = lc.LossLayer(lc.compile_loss("param a in (0, 1) = 0.5\na*(y - p)**2", findings="ignore"))
    layer.set_parameters(a=0.125)
    again = duplicate(layer)
    layer.set_parameters(a=0.5)
    np.testing.assert_allclose(array(again(np.array([1.0]), np.array([3.0]))), [0.5], rtol=1e-6)


# --------------------------------------------------------------------------------------------------- whole files only
def test_a_file_that_could_not_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("sequential")
    train(model, 1)
    for save, name in ((model.save, "model.keras"), (model.save_weights, "model.weights.h5")):
        path = tmp_path / name
        save(path)
        before = path.read_bytes()
        with monkeypatch.context() as patched:
            patched.setattr(lc.LossLayer, "save_own_variables", lambda self, store: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                save(path)
        assert path.read_bytes() == before
        assert [found.name for found in tmp_path.iterdir()] == [name]
        path.unlink()


def test_files_that_keras_is_to_treat_itself_are_left_to_it(tmp_path: Path) -> None:
    there = tmp_path / "there.keras"
    there.touch()
    for path in ("gs://bucket/model.keras", str(tmp_path), there):
        with whole_file(path, overwrite=False) as given:
            assert given == path
    with whole_file(there) as given:
        assert Path(given).parent == tmp_path
        assert Path(given) != there
        Path(given).write_text("new")
    assert there.read_text() == "new"


def test_weights_in_several_files_and_models_in_folders_are_saved_by_keras(tmp_path: Path) -> None:
    model, other = model_of("sequential"), model_of("sequential")
    train(model, 1)
    train(other, 2)
    model.save_weights(tmp_path / "model.weights.json", max_shard_size=1)
    other.load_weights(tmp_path / "model.weights.json")
    assert other.parameters == model.parameters
    model.save(tmp_path / "folder", zipped=False)
    assert lc.load_model(tmp_path / "folder").parameters == model.parameters


@pytest.mark.tensorflow
def test_the_older_format_is_loaded(tmp_path: Path) -> None:
    model = model_of("sequential")
    train(model, 2)
    model.save(tmp_path / "model.h5")
    loaded = lc.load_model(tmp_path / "model.h5")
    assert loaded.parameters == model.parameters
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))


def test_a_fresh_process_loads_in_safe_mode(tmp_path: Path) -> None:
    model = model_of("sequential")
    train(model, 2)
    model.save(tmp_path / "model.keras")
    y, p = keras.Input((1,)), keras.Input((1,))
    graph = keras.Model([y, p], lc.LossLayer(lc.compile_loss(TEXT, findings="ignore"))(y, p))
    graph.save(tmp_path / "layer.keras")
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    script = f"""
import sys
import numpy as np
import losscompiler as lc
assert "keras" not in sys.modules
model = lc.load_model({str(tmp_path / "model.keras")!r})
import keras
graph = keras.saving.load_model({str(tmp_path / "layer.keras")!r}, safe_mode=True)
data = np.load({str(tmp_path / "data.npz")!r})
history = model.fit(data["x"], data["y"], batch_size=8, epochs=2, shuffle=False, verbose=0).history
print(repr(history["loss"]), repr(history["a"]), graph.predict([np.ones((1, 1)), np.ones((1, 1))], verbose=0).tolist(), sep=chr(10))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loss, a, value = done.stdout.splitlines()[-3:]
    rest = train(model, 2)
    np.testing.assert_allclose(eval(loss), rest["loss"], rtol=1e-7)
    np.testing.assert_allclose(eval(a), rest["a"], rtol=1e-7)
    # by hand at y = p = 1, w = 2: 0.5*1 - log 2
    np.testing.assert_allclose(eval(value), [0.5 - np.log(2)], rtol=1e-6)
