"""Small models, data, and what NumPy makes of them: shared by the probes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

import losscompiler as lc

RNG = np.random.default_rng(0)
X = RNG.uniform(0.5, 1.5, (24, 3)).astype("float32")
Y = (1 + X.sum(axis=1)).astype("float32")
BATCH = 12
P = np.array([[1.5], [2.5], [1.25]], "float32")
LEARNABLE = "(log(y) - log(p))**2 + a*p"


def compiled(text: str = LEARNABLE, params: Any = None, **options: Any) -> lc.CompiledLoss:
    return lc.compile_loss(text, params, findings="ignore", **options)


def linear(units: int = 1) -> keras.Sequential:
    """Return the net p = x @ w + 1 with every weight 1/2."""
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
    net.layers[0].set_weights([np.full((3, units), 0.5, "float32"), np.ones(units, "float32")])
    return net


def model_of(loss: Any, optimizer: Any = None, net: Any = None, **options: Any) -> lc.LossModel:
    model = lc.LossModel(net or linear(), loss)
    model.compile(optimizer or keras.optimizers.SGD(0.01), **options)
    return model


def train(model: Any, epochs: int = 2, y: Any = Y, **options: Any) -> dict[str, list[float]]:
    return model.fit(X, y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0, **options).history


def array(tensor: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(tensor))


def near(found: Any, expected: Any, rtol: float = 1e-5, atol: float = 0.0) -> None:
    np.testing.assert_allclose(array(found), expected, rtol=rtol, atol=atol)


def descent(epochs: int = 2, rate: float = 0.01, a: float = 0.5) -> dict[str, Any]:
    """Return what plain gradient descent makes of `linear` and `LEARNABLE`, written by hand in float64."""
    w, b, history = np.full((3, 1), 0.5), np.ones(1), []
    for _ in range(epochs):
        for start in range(0, len(X), BATCH):
            x, y = X[start : start + BATCH].astype(float), Y[start : start + BATCH, None].astype(float)
            p = x @ w + b
            slope = a + 2 * (np.log(p) - np.log(y)) / p
            w, b, a = w - rate * x.T @ slope / len(x), b - rate * slope.mean(axis=0), a - rate * p.mean()
        history.append(a)
    return {"a": history, "kernel": w, "bias": b}


def same_descent(model: Any, history: dict[str, list[float]], rtol: float = 1e-5) -> None:
    """Assert that a model of `linear` and `LEARNABLE` went as `descent` does."""
    expected = descent(len(history["a"]))
    near(history["a"], expected["a"], rtol)
    near(model.net.get_weights()[0], expected["kernel"], rtol)
    near(model.net.get_weights()[1], expected["bias"], rtol)
