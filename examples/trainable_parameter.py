"""A loss that reads a trainable parameter, while the model is fitted with ``fit(x, y)``.

The loss (log y - log p)**2 + a*p has a parameter a. Plain gradient descent updates it as it updates a weight,
a <- a - learning_rate * mean(dL/da), and dL/da = p; the script takes one step and compares it with NumPy. Then it trains
on: since dL/da = p > 0 whatever a is, a free a falls without end, and a bounded one comes to rest at its bound.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import losscompiler as lc

FORMULA = "(log(y) - log(p))**2 + a*p"
LEARNING_RATE = 0.01


def make_data(samples: int = 64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 1.5, (samples, 2)).astype("float32")
    return x, (1 + x @ [1.0, 2.0]).astype("float32")


def make_model(a: float | lc.Parameter) -> lc.LossModel:
    # Positive weights and data keep p > 0, as log(p) needs.
    net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")])
    model = lc.LossModel(net, lc.compile_loss(FORMULA, {"a": a}, findings="ignore"))
    model.compile(keras.optimizers.SGD(LEARNING_RATE))
    return model


def step_by_numpy(x: np.ndarray, y: np.ndarray, weights: list[np.ndarray], a: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return kernel, bias and a after one step on all samples, with the derivatives worked out by hand."""
    kernel, bias = weights
    p = x @ kernel + bias
    by_p = 2 * (np.log(p) - np.log(y[:, None])) / p + a
    return (
        kernel - LEARNING_RATE * x.T @ by_p / len(x),
        bias - LEARNING_RATE * by_p.mean(axis=0),
        a - LEARNING_RATE * p.mean(),
    )


def main() -> dict[str, float]:
    x, y = make_data()
    model = make_model(0.5)
    expected = step_by_numpy(x.astype(float), y.astype(float), model.net.get_weights(), 0.5)
    model.fit(x, y, batch_size=len(x), epochs=1, verbose=0)
    found = (*model.net.get_weights(), model.parameters["a"])
    difference = max(float(np.abs(one - other).max()) for one, other in zip(found, expected, strict=True))
    print(f"one step of gradient descent: a = {float(found[2]):.7f}, by NumPy {expected[2]:.7f}")
    print(f"largest difference over a and all weights: {difference:.1e}")

    history = model.fit(x, y, epochs=20, verbose=0).history
    print(f"free: a = {history['a'][-1]:.3f} after 20 epochs, falling for ever, since dL/da = p > 0")
    bounded = make_model(lc.Parameter(0.5, bounds=(0, 1)))
    kept = bounded.fit(x, y, epochs=20, verbose=0).history
    print(f"bounded to (0, 1): a = {kept['a'][-1]:.3f}, loss {kept['loss'][0]:.3f} -> {kept['loss'][-1]:.3f}")
    first, last = kept["loss"][0], kept["loss"][-1]
    return {"difference": difference, "free": history["a"][-1], "bounded": kept["a"][-1], "first": first, "last": last}


if __name__ == "__main__":
    main()
