"""SavedModels of the net alone and with its loss, served by TensorFlow in a process that knows neither."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import losscompiler as lc

RNG = np.random.default_rng(1)
X = RNG.uniform(0.5, 1.5, (12, 3)).astype("float32")
Y = (1 + X.sum(axis=1)).astype("float32")
TEXT = "param a in (0, 1) = 0.5\nparam w[p] > 0 = 2\nsum(w*(log(y) - log(p))**2) + a*mean(p) - mean(log(w))"


def trained(text: str = TEXT, *data, net: keras.Model | None = None) -> lc.LossModel:
    keras.utils.set_random_seed(3)
    layers = [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dropout(0.2), keras.layers.Dense(1, activation="softplus")]
    model = lc.LossModel(net or keras.Sequential(layers), lc.compile_loss(text, findings="ignore"))
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(*(data or (X, Y)), epochs=2, verbose=0)
    return model


ON_TORCH = keras.backend.backend() == "torch"
not_on_torch = pytest.mark.skipif(ON_TORCH, reason="Keras writes no SavedModel on PyTorch")


@pytest.mark.skipif(not ON_TORCH, reason="what PyTorch lacks")
def test_pytorch_says_where_a_model_can_be_exported(tmp_path: Path) -> None:
    with pytest.raises(lc.ArgumentError, match=r"On PyTorch, export the net alone.*KERAS_BACKEND=tensorflow"):
        lc.export_with_loss(trained(), tmp_path / "model", X, Y)


def by_hand(model: lc.LossModel) -> np.ndarray:
    p, (a, w) = model.predict(X, verbose=0)[:, 0].astype(float), model.parameters.values()
    return w[0] * (np.log(Y) - np.log(p)) ** 2 + a * p - np.log(w[0])


@not_on_torch
def test_the_net_alone(tmp_path: Path) -> None:
    model = trained()
    model.export(tmp_path / "net", verbose=False)
    served = tf.saved_model.load(tmp_path / "net")
    np.testing.assert_allclose(served.serve(X), model.predict(X, verbose=0), rtol=1e-6)


@pytest.mark.tensorflow
def test_serving_asks_for_no_data_of_the_loss(tmp_path: Path) -> None:
    a, b = keras.Input((2,), name="a"), keras.Input((1,), name="b")
    net = keras.Model({"a": a, "b": b}, keras.layers.Dense(1, activation="softplus")(keras.layers.Concatenate()([a, b])))
    x = {"a": X[:, :2], "b": X[:, 2:]}
    model = trained("input w\nw*(y - p)**2", {**x, "w": X[:, 0]}, Y, net=net)
    model.save(tmp_path / "model.keras")
    for name, each in {"trained": model, "loaded": lc.load_model(tmp_path / "model.keras")}.items():
        each.export(tmp_path / name, verbose=False)
        served = tf.saved_model.load(tmp_path / name)
        assert set(served.signatures["serving_default"].structured_input_signature[1]) == {"a", "b"}
        np.testing.assert_allclose(served.serve(x), net.predict(x, verbose=0), rtol=1e-6)


@pytest.mark.tensorflow
def test_a_net_that_is_a_layer(tmp_path: Path) -> None:
    model = trained(net=keras.layers.Dense(1, activation="softplus"))
    model.export(tmp_path / "net", verbose=False)
    served = tf.saved_model.load(tmp_path / "net")
    np.testing.assert_allclose(served.serve(X), model.predict(X, verbose=0), rtol=1e-6)


@pytest.mark.tensorflow
def test_with_its_loss_in_a_fresh_process(tmp_path: Path) -> None:
    model = trained()
    lc.export_with_loss(model, tmp_path / "both", X, Y)
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    script = f"""
import json, sys
import numpy as np
import tensorflow as tf
served = tf.saved_model.load({str(tmp_path / "both")!r})
data = np.load({str(tmp_path / "data.npz")!r})
x, y = tf.constant(data["x"]), tf.constant(data["y"])
with tf.GradientTape() as tape:
    tape.watch(x)
    loss = served.loss(x, y)
named = served.signatures["loss"](x=x[:5], y=y[:5])["output_0"]
default = served.signatures["serving_default"](x=x)["output_0"]
assert not [name for name in sys.modules if name.startswith("losscompiler")]
print(json.dumps([v.numpy().tolist() for v in (loss, named, default, served.serve(x), tape.gradient(loss, x))]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loss, named, default, served, gradient = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(loss, by_hand(model), rtol=1e-5)
    np.testing.assert_allclose(np.mean(loss), model.evaluate(X, Y, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(named, loss[:5], rtol=1e-6)
    np.testing.assert_allclose(default, served)
    np.testing.assert_allclose(served, model.predict(X, verbose=0), rtol=1e-6)
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = model.loss_layer(Y, model(x, training=False))
    np.testing.assert_allclose(gradient, tape.gradient(value, x), rtol=1e-4, atol=1e-6)


@not_on_torch
def test_several_outputs_targets_and_inputs(tmp_path: Path) -> None:
    x = keras.Input((3,), name="x")
    outputs = {"m": keras.layers.Dense(1)(x), "s": keras.layers.Dense(1, activation="softplus")(x)}
    text = "target u, v\nprediction m, s\ninput weight\nparam b = 1\nweight*((u - m)/s)**2 + log(s) + b*(v - m)**2"
    data = {"x": X, "weight": X[:, 0]}, {"u": Y, "v": 2 * Y}
    model = trained(text, *data, net=keras.Model({"x": x}, outputs))
    lc.export_with_loss(model, tmp_path / "model", *data)
    served = tf.saved_model.load(tmp_path / "model")
    found = served.loss(*data)
    assert found.shape == (12,)
    np.testing.assert_allclose(np.mean(found), model.evaluate(*data, verbose=0), rtol=1e-5)


@not_on_torch
def test_time_steps_and_a_loss_without_targets(tmp_path: Path) -> None:
    sequences = RNG.uniform(0.5, 1.5, (4, 5, 3)).astype("float32")
    net = keras.Sequential([keras.Input((5, 3)), keras.layers.Dense(2)])
    model = trained("a*sum(p**2)", sequences, net=net)
    lc.export_with_loss(model, tmp_path / "model", sequences)
    served = tf.saved_model.load(tmp_path / "model")
    found = served.loss(sequences)
    np.testing.assert_allclose(found, model.parameters["a"] * np.sum(model.predict(sequences, verbose=0) ** 2, axis=2), rtol=1e-5)


@not_on_torch
def test_what_is_missing_is_said(tmp_path: Path) -> None:
    unbuilt = lc.LossModel(keras.Sequential([keras.layers.Dense(1)]), lc.compile_loss("(y - p)**2"))
    with pytest.raises(lc.ArgumentError, match="Call it on some data first"):
        lc.export_with_loss(unbuilt, tmp_path / "model", X, Y)
    with pytest.raises(lc.ArgumentError, match="the loss has the target y, but there is no y"):
        lc.export_with_loss(trained(), tmp_path / "model", X)
    assert not list(tmp_path.iterdir())


JAX = """
import sys
import keras
import numpy as np
import losscompiler as lc
x = np.random.default_rng(0).uniform(0.5, 1.5, (12, 3)).astype("float32")
y = 1 + x.sum(axis=1)
net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "softplus")])
model = lc.LossModel(net, lc.compile_loss(sys.argv[2], findings="ignore"))
model.compile("adam")
model.fit(x, y, verbose=0)
lc.export_with_loss(model, sys.argv[1], x, y)
import tensorflow as tf
served = tf.saved_model.load(sys.argv[1])
np.testing.assert_allclose(np.mean(served.loss(x, y)), model.evaluate(x, y, verbose=0), rtol=1e-5)
np.testing.assert_allclose(served.serve(x[:5]), model.predict(x[:5], verbose=0), rtol=1e-5)
print(served.loss(x[:5], y[:5]).shape)
"""


@pytest.mark.long
def test_a_model_trained_on_jax_is_served_by_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    done = subprocess.run([sys.executable, "-c", JAX, tmp_path / "model", TEXT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "(5,)"
