"""Parameters at a pace of their own: another learning rate, another optimizer, a late start, a weight that is annealed.

A Student-t likelihood is fitted to scikit-learn's diabetes data. Its scale s starts twenty times too large, so that at the
net's learning rate it is still on its way when the net has long arrived; ten times the rate, or an optimizer of its own,
bring it home. Its tail nu stays frozen half-way, and the weight k of a prior on nu, a parameter that does not train, is
taken back from 1 to 0 meanwhile. The training step is compiled anew for the thaw of nu alone, and the optimizer keeps its
state throughout.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.datasets import load_diabetes

import losscompiler as lc

STUDENT_T = """\
param s > 0 = 14
param nu > 1 = 5
param k = 1
lgamma(nu/2) - lgamma((nu + 1)/2) + log(nu*pi)/2 + log(s) + (nu + 1)/2*log1p(((y - p)/s)**2/nu) + k*(log(nu) - log(5))**2
"""
PACES: dict[str, Callable[[], dict[str, Any]]] = {
    "as the net": dict,
    "ten times the rate": lambda: {"parameter_lr_multiplier": {"s": 10}},
    "an own optimizer": lambda: {"parameter_optimizer": {"s": keras.optimizers.SGD(0.5)}},
}


class Schedule(keras.callbacks.Callback):
    """Takes the prior back, and lets nu go half-way."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        half = self.params["epochs"] // 2
        self.model.set_parameters(k=max(0.0, 1 - epoch / half))
        if epoch == half:
            self.model.unfreeze("nu")


def train(x: np.ndarray, y: np.ndarray, epochs: int, pace: dict[str, Any]) -> dict[str, list[float]]:
    keras.utils.set_random_seed(0)
    net = keras.Sequential([keras.Input((x.shape[1],)), keras.layers.Dense(1)])
    model = lc.LossModel(net, lc.compile_loss(STUDENT_T, findings="ignore"))
    model.freeze("nu", "k")
    model.compile(keras.optimizers.Adam(0.02), **pace)
    return model.fit(x, y, batch_size=32, epochs=epochs, verbose=0, callbacks=[Schedule()]).history


def main(epochs: int = 20) -> dict[str, Any]:
    """Return for each pace the scale half-way and at the end, the tail, and the likelihood."""
    x, y = load_diabetes(return_X_y=True)
    x, y = (x / x.std(axis=0)).astype("float32"), ((y - y.mean()) / y.std()).astype("float32")
    found = {}
    for name, pace in PACES.items():
        history = train(x, y, epochs, pace())
        half = epochs // 2 - 1
        found[name] = {
            "half-way": history["s"][half], "end": history["s"][-1], "nu half-way": history["nu"][half], "nu": history["nu"][-1],
            "k": history["k"][-1], "loss": history["loss"][-1],
        }  # fmt: skip
    return found


def show(found: dict[str, Any]) -> None:
    print(f"{'pace of s':<20}{'s half-way':>12}{'s':>8}{'nu half-way':>13}{'nu':>8}{'loss':>8}")
    for name, row in found.items():
        print(f"{name:<20}{row['half-way']:>12.3f}{row['end']:>8.3f}{row['nu half-way']:>13.3f}{row['nu']:>8.3f}{row['loss']:>8.3f}")
    print("\nnu rests at 5 until it is thawed half-way;")
    print("k, the weight of its prior, goes from 1 to 0 meanwhile.")


if __name__ == "__main__":
    show(main())
