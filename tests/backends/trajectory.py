"""Trains a Student-t likelihood on the backend at hand, and prints the trajectory as JSON; run as a script, on any backend.

`by_hand` is the same in NumPy: gradients written by hand, SciPy's digamma, float64.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

TEXT = """\
param s > 0 = 1
param nu > 2 = 5
z = (y - p)/s
log(s) + lgamma(nu/2) - lgamma((nu + 1)/2) + log(nu*pi)/2 + (nu + 1)/2*log1p(z**2/nu)
"""
EPOCHS, BATCH, RATE = 6, 8, 0.1
SHOWN = ("loss", "s", "nu")


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return 64 samples of a line with noise of heavy tails."""
    random = np.random.default_rng(7)
    x = random.uniform(-1, 1, (64, 2)).astype("float32")
    noise = 0.3 * random.standard_t(3, 64)
    return x, (x @ [1.0, -2.0] + noise).astype("float32")


def by_hand() -> dict[str, list[float]]:
    """Return loss, s and nu of every epoch: s = softplus(u), nu = 2 + softplus(v), plain gradient descent."""
    from scipy.special import digamma, expit, gammaln

    x, y = (array.astype("float64") for array in data())
    w, b, u, v = np.full(2, 0.5), 0.0, np.log(np.expm1(1.0)), np.log(np.expm1(3.0))
    history: dict[str, list[float]] = {name: [] for name in SHOWN}
    for _ in range(EPOCHS):
        losses = []
        for start in range(0, len(x), BATCH):
            rows, target = x[start : start + BATCH], y[start : start + BATCH]
            s, nu = np.logaddexp(0, u), 2 + np.logaddexp(0, v)
            z = (target - rows @ w - b) / s
            square, heavy = z**2, (nu + 1) * z**2 / (nu + z**2)
            constant = np.log(s) + gammaln(nu / 2) - gammaln((nu + 1) / 2) + np.log(nu * np.pi) / 2
            losses.append((constant + (nu + 1) / 2 * np.log1p(square / nu)).mean())
            by_p = -(nu + 1) * z / (s * (nu + square))
            by_s = ((1 - heavy) / s).mean()
            by_nu = (digamma(nu / 2) - digamma((nu + 1) / 2) + 1 / nu + np.log1p(square / nu) - heavy / nu).mean() / 2
            w, b = w - RATE * rows.T @ by_p / BATCH, b - RATE * by_p.mean()
            u, v = u - RATE * by_s * expit(u), v - RATE * by_nu * expit(v)
        for name, value in zip(SHOWN, (np.mean(losses), np.logaddexp(0, u), 2 + np.logaddexp(0, v)), strict=True):
            history[name].append(float(value))
    return history


def on_this_backend(**options: Any) -> dict[str, list[float]]:
    """Return the same of a `LossModel`."""
    import keras

    import losscompiler as lc

    net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    net.layers[0].set_weights([np.full((2, 1), 0.5), np.zeros(1)])
    model = lc.LossModel(net, lc.compile_loss(TEXT, findings="ignore"))
    model.compile(keras.optimizers.SGD(RATE), **options)
    history = model.fit(*data(), batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0).history
    return {name: [float(value) for value in history[name]] for name in SHOWN}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(on_this_backend()))
