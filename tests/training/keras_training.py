"""The same net trained by `LossModel` and by Keras alone, to compare them step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

import losscompiler as lc

RNG = np.random.default_rng(0)
SAMPLES = 24
X = RNG.uniform(0.5, 1.5, (SAMPLES, 3)).astype("float32")
Y = (1 + X.sum(axis=1, keepdims=True) + RNG.normal(0, 0.2, (SAMPLES, 1))).astype("float32")
WEIGHT = np.linspace(0.1, 3, SAMPLES).astype("float32")

# A learned scale of the error. Its derivative depends on a itself, so that TensorFlow cannot read a after the update.
FORMULA = "exp(-a)*(log(y) - log(p))**2 + a"
START = 0.5


def with_same_weights(net: keras.Model) -> keras.Model:
    """Return a net with weights that depend on nothing but their shapes, not on the backend's random numbers."""
    rng = np.random.default_rng(3)
    net.set_weights([rng.uniform(-1, 1, weight.shape) for weight in net.get_weights()])
    return net


def dense(units: int = 1) -> keras.Model:
    layers = [keras.layers.Dense(4, "tanh"), keras.layers.Dense(units, "softplus")]
    return with_same_weights(keras.Sequential([keras.Input((3,)), *layers]))


class ByKeras(keras.Model):
    """A net and a weight, trained by Keras through ``compile(loss=...)`` with a loss written by hand that reads the weight."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.a = self.add_weight(name="a", shape=(), initializer=keras.initializers.Constant(START), dtype="float32")

    def call(self, x: Any) -> Any:
        return self.net(x)

    def loss_of_samples(self, y: Any, p: Any) -> Any:
        a = ops.convert_to_tensor(self.a)
        return ops.mean(ops.exp(-a) * (ops.log(y) - ops.log(p)) ** 2 + a, axis=-1)


def ours(optimizer: Any, net: Callable[[], Any] = dense, **options: Any) -> lc.LossModel:
    model = lc.LossModel(net(), lc.compile_loss(FORMULA, {"a": START}, findings="ignore"))
    model.compile(optimizer, **options)
    return model


def theirs(optimizer: Any, net: Callable[[], Any] = dense, **options: Any) -> ByKeras:
    model = ByKeras(net())
    model.build((None, *X.shape[1:]))
    optimizer = keras.optimizers.get(optimizer)
    # What a careful user does by hand: no weight decay of the parameter.
    getattr(optimizer, "inner_optimizer", optimizer).exclude_from_weight_decay(var_list=[model.a])
    model.compile(optimizer, loss=model.loss_of_samples, **options)
    return model


def recorded(model: Any, **fit: Any) -> dict[str, list[float]]:
    """Return the history of a fit, and after every epoch the parameter and a checksum of each weight of the net."""
    seen: dict[str, list[float]] = {"a": []}

    def record(*_: Any) -> None:
        a = model.parameters["a"] if isinstance(model, lc.LossModel) else ops.convert_to_numpy(model.a)
        seen["a"].append(float(a))
        for i, weight in enumerate(model.net.get_weights()):
            seen.setdefault(f"weight {i}", []).append(float(np.linalg.norm(weight)))

    callbacks = [*fit.pop("callbacks", []), keras.callbacks.LambdaCallback(on_epoch_end=record)]
    history = model.fit(**{"epochs": 3, "shuffle": False, "verbose": 0} | fit, callbacks=callbacks).history
    return history | seen


def assert_same(found: dict[str, Any], expected: dict[str, Any], rtol: float = 2e-5, atol: float = 1e-6) -> None:
    assert expected.keys() <= found.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=rtol, atol=atol, err_msg=name)
