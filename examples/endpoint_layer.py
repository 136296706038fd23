"""The loss as a layer inside the graph: y is a second input of the model, and Keras is given a dummy loss.

``LossModel`` is shorter and is what to use for a new model. This form is for a graph that computes its losses itself, such
as one with several of them. Compared with older recipes (a layer that only returns its weight, a Lambda layer for the
formula), the loss layer is saved as text, so the model loads with Keras' ``safe_mode`` on. Two things remain to be known:
``predict`` needs a model without y, which shares the weights, and sample weights must be applied by the dummy loss.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tempfile
from pathlib import Path

import keras
import numpy as np

import losscompiler as lc

FORMULA = "(log(y) - log(p))**2 + a*p"
LEARNING_RATE = 0.01


@keras.saving.register_keras_serializable(package="losscompiler_examples")
def the_output(dummy, loss):
    """The dummy loss: what the model puts out is the loss already; Keras takes the mean."""
    return loss


def make_models() -> tuple[keras.Model, keras.Model]:
    """Return the model that trains on [x, y], and the one that predicts from x; they share their weights."""
    x, y = keras.Input((2,), name="x"), keras.Input((1,), name="y")
    p = keras.layers.Dense(1, kernel_initializer="ones", bias_initializer="ones", name="net")(x)
    loss = lc.LossLayer(lc.compile_loss(FORMULA, {"a": 0.5}, findings="ignore"), name="loss")([y, p])
    trained = keras.Model([x, y], loss)
    trained.compile(keras.optimizers.SGD(LEARNING_RATE), loss=the_output)
    return trained, keras.Model(x, p)


def main() -> dict[str, float]:
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 1.5, (64, 2)).astype("float32")
    y = (1 + x @ [[1.0], [2.0]]).astype("float32")
    dummy = np.zeros(len(x), "float32")
    model, predictor = make_models()

    # One step by hand: dL/dp = 2 (log p - log y)/p + a, dL/da = p.
    p = x.astype(float).sum(axis=1, keepdims=True) + 1
    by_p = 2 * (np.log(p) - np.log(y)) / p + 0.5
    expected = [1 - LEARNING_RATE * x.T @ by_p / len(x), 1 - LEARNING_RATE * by_p.mean(), 0.5 - LEARNING_RATE * p.mean()]
    model.fit([x, y], dummy, batch_size=len(x), verbose=0)
    found = [*predictor.get_weights(), model.get_layer("loss").parameters["a"]]
    difference = max(float(np.abs(one - other).max()) for one, other in zip(found, expected, strict=True))
    print(f"one step of gradient descent: a = {float(found[2]):.7f}, by NumPy {expected[2]:.7f}")
    print(f"largest difference over a and all weights: {difference:.1e}")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        loaded = lc.load_model(path, safe_mode=True)
    again = float(np.abs(loaded.predict([x, y], verbose=0) - model.predict([x, y], verbose=0)).max())
    model.fit([x, y], dummy, epochs=3, shuffle=False, verbose=0)
    loaded.fit([x, y], dummy, epochs=3, shuffle=False, verbose=0)
    apart = abs(float(loaded.get_layer("loss").parameters["a"]) - float(model.get_layer("loss").parameters["a"]))
    print(f"saved and loaded in safe mode: losses differ by {again:.1e}; after three more epochs a differs by {apart:.1e}")
    print(f"prediction without y: {predictor.predict(x[:1], verbose=0)[0, 0]:.4f} for y = {y[0, 0]:.4f}")
    return {"difference": difference, "loaded": again, "apart": apart}


if __name__ == "__main__":
    main()
