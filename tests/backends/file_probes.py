"""Probes of saving, loading and serving."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from probe import FILES, in_a_process, probe
from small_models import X, Y, compiled, model_of, near, train

import losscompiler as lc
from losscompiler.pipeline import Stages

OPTIMIZER = "with `compile=False`: Keras writes the name of its PyTorch optimizer into the file"
TEXT = "param a in (0, 1) = 0.5\nparam w[p] > 0 = 2\nsum(w*(log(y) - log(p))**2) + a*mean(p) - mean(log(w))"


def half_trained(epochs: int = 1) -> lc.LossModel:
    model = model_of(compiled(TEXT), keras.optimizers.AdamW(0.01, weight_decay=0.1))
    train(model, epochs)
    return model


@probe("a model saved half-trained goes on exactly where it stopped", FILES)
def saved() -> None:
    whole, half = half_trained(0), half_trained(2)
    expected = train(whole, 4)
    with tempfile.TemporaryDirectory() as folder:
        half.save(Path(folder) / "half.keras")
        again = lc.load_model(Path(folder) / "half.keras")
    for name, values in train(again, 2).items():
        assert values == expected[name][2:], name


@probe("weights alone, and the net alone", FILES)
def weights_alone() -> None:
    first, second = half_trained(2), half_trained(1)
    with tempfile.TemporaryDirectory() as folder:
        first.save_weights(Path(folder) / "all.weights.h5")
        first.net.save(Path(folder) / "net.keras")
        second.load_weights(Path(folder) / "all.weights.h5")
        net = keras.saving.load_model(Path(folder) / "net.keras")
    assert second.evaluate(X, Y, verbose=0) == first.evaluate(X, Y, verbose=0)
    np.testing.assert_array_equal(net.predict(X, verbose=0), first.predict(X, verbose=0))


LOAD = """
import json, sys
import numpy as np
import losscompiler as lc
data = np.load(sys.argv[2])
model = lc.load_model(sys.argv[1], safe_mode=True)
"""
SAVE = """
import sys
import numpy as np
import keras
import losscompiler as lc
data = np.load(sys.argv[2])
net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "softplus", kernel_initializer="ones")])
model = lc.LossModel(net, lc.compile_loss(sys.argv[3], findings="ignore"))
model.compile(keras.optimizers.AdamW(0.01, weight_decay=0.1))
model.fit(data["x"], data["y"], batch_size=12, epochs=2, shuffle=False, verbose=0)
model.save(sys.argv[1])
"""
GO_ON = """
import json
before = model.evaluate(data["x"], data["y"], verbose=0)
history = model.fit(data["x"], data["y"], batch_size=12, epochs=2, shuffle=False, verbose=0).history
print(json.dumps([before, history["loss"], history["a"], history["w[0]"]]))
"""


def arguments(folder: str) -> tuple[str, str]:
    """Return paths of a model, which is yet to be saved, and of the data."""
    np.savez(Path(folder) / "data.npz", x=X, y=Y)
    return str(Path(folder) / "model.keras"), str(Path(folder) / "data.npz")


def going_on(model: lc.LossModel) -> list[Any]:
    """Return the same numbers as `GO_ON`."""
    before, history = model.evaluate(X, Y, verbose=0), train(model, 2)
    return [before, history["loss"], history["a"], history["w[0]"]]


def same(found: list[Any], expected: list[Any], rtol: float) -> None:
    for one, other in zip(found, expected, strict=True):
        near(one, other, rtol)


@probe("a new process loads a model under `safe_mode=True` and goes on", FILES)
def a_new_process() -> None:
    model = half_trained()
    with tempfile.TemporaryDirectory() as folder:
        paths = arguments(folder)
        model.save(paths[0])
        same(json.loads(in_a_process(LOAD + GO_ON, *paths)), going_on(model), 1e-7)


@probe("a model saved here gives the same numbers under TensorFlow", FILES, remarks={"torch": OPTIMIZER})
def read_elsewhere() -> None:
    model = half_trained()
    here = [model.evaluate(X, Y, verbose=0), *map(float, map(np.squeeze, model.parameters.values()))]
    uncompiled = 'model = lc.load_model(sys.argv[1], compile=False)\nmodel.compile("sgd")\n'
    with tempfile.TemporaryDirectory() as folder:
        paths = arguments(folder)
        model.save(paths[0])
        load = LOAD.rpartition("model =")[0] + uncompiled if keras.backend.backend() == "torch" else LOAD
        state = "found = map(float, map(np.squeeze, model.parameters.values()))\n"
        state += "print(json.dumps([model.evaluate(data['x'], data['y'], verbose=0), *found]))"
        same(json.loads(in_a_process(load + state, *paths, KERAS_BACKEND="tensorflow")), here, 1e-6)


@probe("a model half-trained under TensorFlow goes on here as it does there", FILES)
def from_elsewhere() -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = arguments(folder)
        expected = json.loads(in_a_process(SAVE + GO_ON, *paths, TEXT, KERAS_BACKEND="tensorflow"))
        same(going_on(lc.load_model(paths[0])), expected, 1e-5)


STANDALONE = """
import importlib.abc, json, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("losscompiler", "sympy", "lark"):
            raise ImportError(f"{name} must not be needed")

# PyTorch imports SymPy itself.
import keras, numpy as np
for name in [name for name in sys.modules if name.split(".")[0] == "losscompiler"]:
    raise AssertionError(name)
sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv[1])
import emitted

x = np.linspace(-1, 1, 32, dtype="float32").reshape(32, 1)
y = 2 * x + 1
layer = emitted.ScaledError(initial={"s": 2.0})
inputs, target = keras.Input((1,)), keras.Input((1,))
net = keras.layers.Dense(1, kernel_initializer="ones")
model = keras.Model([inputs, target], layer(target, net(inputs)))
model.compile(keras.optimizers.SGD(0.05), loss=lambda _, value: value)
history = model.fit([x, y], np.zeros_like(y), batch_size=32, epochs=30, verbose=0).history["loss"]
tensors = [keras.ops.convert_to_tensor(value) for value in (y, x, np.float32(2))]
_, d_s = emitted.gradients(*tensors)
print(json.dumps({"s": float(layer.parameters["s"]), "first": history[0], "last": history[-1], "d_s": float(d_s)}))
"""


@probe("emitted source trains without this package", FILES)
def standalone() -> None:
    source = Stages("param s > 0 = 1\n((y - p)/s)**2/2 + log(s)", name="scaled error").generated.text
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "emitted.py").write_text(source, encoding="utf-8")
        found = json.loads(in_a_process(STANDALONE, folder))
    r = np.linspace(-1, 1, 32) + 1
    # d/ds of r**2/(2 s**2) + log s is -r**2/s**3 + 1/s, at s = 2.
    near(found["d_s"], np.sum(-(r**2) / 8 + 1 / 2))
    near(found["first"], np.mean(r**2 / 8 + np.log(2)))
    assert found["last"] < found["first"]
    assert abs(found["s"] - 2) > 0.01


SERVED = {
    "tf_saved_model": """
import json, sys
import numpy as np
import tensorflow as tf
served = tf.saved_model.load(sys.argv[1])
print(json.dumps(np.asarray(served.serve(tf.constant(np.load(sys.argv[2])["x"]))).tolist()))
""",
    "torch": """
import json, sys
import numpy as np
import torch
served = torch.export.load(sys.argv[1]).module()
print(json.dumps(served(torch.tensor(np.load(sys.argv[2])["x"])).tolist()))
""",
}


def exported(model: keras.Model) -> list[Any]:
    """Export a model for serving, and return what it predicts in a process that has neither Keras' model nor this package."""
    form, options = "tf_saved_model", {}
    if keras.backend.backend() == "torch":
        import torch

        form, options = "torch", {"dynamic_shapes": {0: torch.export.Dim("batch")}}
    with tempfile.TemporaryDirectory() as folder:
        served, data = str(Path(folder) / "served.pt2"), arguments(folder)[1]
        model.export(served, format=form, verbose=False, **options)
        found: list[Any] = json.loads(in_a_process(SERVED[form], served, data))
    return found


@probe("the trained net exported for serving, without the loss: `model.net.export`", FILES, remarks={"torch": 'with `format="torch"`'})
def served_net() -> None:
    model = half_trained()
    near(exported(model.net), model.predict(X, verbose=0))


@probe("the model exported whole; serving needs no y: `model.export`", FILES, remarks={"torch": 'with `format="torch"`'})
def served_model() -> None:
    model = half_trained()
    near(exported(model), model.predict(X, verbose=0))
