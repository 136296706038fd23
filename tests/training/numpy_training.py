"""A net of one weight, a loss with two parameters, and optimizers, all written in NumPy: what training has to reproduce."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import losscompiler as lc

X = np.linspace(0.5, 2, 16, dtype="float32")[:, None]
Y = 2 * X + np.random.default_rng(0).normal(0, 0.3, X.shape).astype("float32")
FORMULA = "exp(-a)*(y - b*p)**2 + a + b**2/10"
START = {"w": 1.0, "a": 0.5, "b": 1.5}


def slopes(values: dict[str, float]) -> dict[str, float]:
    """Return the derivatives of the mean loss, with p = w*x, worked out by hand."""
    x, y = X.astype(float), Y.astype(float)
    w, a, b = values["w"], values["a"], values["b"]
    error = y - b * w * x
    return {
        "w": float(np.mean(-2 * np.exp(-a) * error * b * x)),
        "a": float(np.mean(1 - np.exp(-a) * error**2)),
        "b": float(np.mean(-2 * np.exp(-a) * error * w * x) + b / 5),
    }


class Momentum:
    """v <- m v - r g; value <- value + v."""

    def __init__(self, rate: float, momentum: float = 0.0) -> None:
        self.rate, self.momentum = rate, momentum
        self.velocity: dict[str, float] = {}

    def step(self, values: dict[str, float], found: dict[str, float]) -> None:
        for name, slope in found.items():
            self.velocity[name] = self.momentum * self.velocity.get(name, 0.0) - self.rate * slope
            values[name] += self.velocity[name]


class Adam:
    """Kingma and Ba 2014, with Keras' constants; the count of steps is common to all weights, skipped ones too."""

    def __init__(self, rate: float) -> None:
        self.rate, self.steps = rate, 0
        self.first: dict[str, float] = {}
        self.second: dict[str, float] = {}

    def step(self, values: dict[str, float], found: dict[str, float]) -> None:
        self.steps += 1
        for name, slope in found.items():
            self.first[name] = 0.9 * self.first.get(name, 0.0) + 0.1 * slope
            self.second[name] = 0.999 * self.second.get(name, 0.0) + 0.001 * slope**2
            rate = self.rate * np.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps)
            values[name] -= rate * self.first[name] / (np.sqrt(self.second[name]) + 1e-7)


def train(values: dict[str, float], steps: int, *groups: tuple[Any, str], change: Callable[[int], None] | None = None) -> None:
    """Take steps on the whole data; each group is an optimizer and the names that it updates."""
    for step in range(steps):
        if change is not None:
            change(step)
        found = slopes(values)
        for optimizer, names in groups:
            optimizer.step(values, {name: found[name] for name in names})


def model_of(optimizer: Any, a: Any = START["a"], b: Any = START["b"], compile_options: dict | None = None) -> lc.LossModel:
    net = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model = lc.LossModel(net, lc.compile_loss(FORMULA, {"a": a, "b": b}, findings="ignore"))
    model.compile(optimizer, **(compile_options or {}))
    return model


def fit(model: lc.LossModel, steps: int, **options: Any) -> keras.callbacks.History:
    """Take steps on the whole data, one an epoch."""
    return model.fit(X, Y, batch_size=len(X), epochs=steps, shuffle=False, verbose=0, **options)


def values_of(model: lc.LossModel) -> dict[str, float]:
    return {"w": float(model.net.get_weights()[0][0, 0]), **{name: float(value) for name, value in model.parameters.items()}}


def assert_at(model: lc.LossModel, expected: dict[str, float], rel: float = 1e-4) -> None:
    found = values_of(model)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=rel, err_msg=name)
