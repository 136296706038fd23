"""Saved in the middle of training, a model goes on as if nothing had happened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import losscompiler as lc

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
