"""Trains the same models by the same global batches on one device or on several, and prints the trajectories as JSON.

    python trajectories.py one|mirrored CASE...                TensorFlow
    python trajectories.py one|parallel CASE...                JAX, with two virtual devices in this process (`devices.py`)
    python trajectories.py processes ADDRESS ID CASE...        JAX, as one of two processes

A script of its own, since devices are configured before a backend starts.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from typing import Any

BATCH = 16
ROBUST = """\
param a in (0, 1) = 0.5
param s > 0 = 2
log(s) + ((log(y) - log(p))/s)**2 + a*p
"""
VECTOR = "param w[p] > 0 = 1\nparam b in (-1, 3)\nsum(w*(y - p)**2 - log(w)) + b*mean(p)"
WHOLE_BATCH = "mean((log(y) - log(p))**2 + a*p, axis=all)"


def numbers(*shape: int) -> Any:
    import numpy as np

    return np.random.default_rng(0).uniform(0.5, 1.5, shape).astype("float32")


def simple(text: str, samples: int, outputs: int = 1, weighted: bool = False, **options: Any) -> tuple[Any, ...]:
    """Return (model, arguments of fit) of a small net on ``samples`` samples."""
    import keras
    import numpy as np

    import losscompiler as lc

    x = numbers(samples, 3)
    y = 1 + x @ np.linspace(0.5, 1.5, 3 * outputs, dtype="float32").reshape(3, outputs)
    hidden = keras.layers.Dense(4, "tanh", activity_regularizer=options.pop("activity", None))
    layers = [keras.Input((3,)), hidden, keras.layers.Dense(outputs, "softplus", kernel_regularizer="l2")]
    params = None if "param" in text else {"a": lc.Parameter(0.5, regularizer=keras.regularizers.L2(0.1))}
    loss = lc.LossLayer(lc.compile_loss(text, params, findings="ignore"), gradient=options.pop("gradient", "analytic"))
    model = lc.LossModel(keras.Sequential(layers), loss)
    model.compile(options.pop("optimizer", None) or keras.optimizers.SGD(0.05), metrics=["mae"], **options)
    weights = {"sample_weight": np.linspace(0.5, 2, samples).astype("float32")} if weighted else {}
    return model, {"x": x, "y": y, **weights}


def masked(samples: int) -> tuple[Any, ...]:
    """Return a model of sequences of 6 steps, of which the mask leaves 1 to 6."""
    import keras
    import numpy as np

    import losscompiler as lc

    x = numbers(samples, 6, 2)
    y = 1 + x.sum(axis=2, keepdims=True)
    for i in range(samples):
        x[i, 1 + i % 6 :] = 0
    net = keras.Sequential([keras.Input((6, 2)), keras.layers.Masking(), keras.layers.Dense(1, "softplus")])
    model = lc.LossModel(net, lc.compile_loss(ROBUST, findings="ignore"))
    model.compile(keras.optimizers.SGD(0.05))
    return model, {"x": x, "y": y, "sample_weight": np.linspace(0.5, 2, samples).astype("float32")}


def adam() -> Any:
    import keras

    return keras.optimizers.AdamW(0.02, weight_decay=0.01)


# 64 samples are four whole batches; 61 leave a last one of 13, 49 one of 1, which one of two replicas sees nothing of.
CASES: dict[str, Callable[[], tuple[Any, ...]]] = {
    "weighted": lambda: simple(ROBUST, 64, weighted=True),
    "vector, AdamW": lambda: simple(VECTOR, 64, outputs=2, optimizer=adam()),
    "regularised": lambda: simple("(log(y) - log(p))**2 + a*p", 64),
    "over the whole batch": lambda: simple(WHOLE_BATCH, 64),
    "autodiff": lambda: simple(ROBUST, 64, gradient="autodiff"),
    "eager": lambda: simple(ROBUST, 64, weighted=True, run_eagerly=True),
    "masked": lambda: masked(64),
    "uneven": lambda: simple(ROBUST, 61, weighted=True),
    "uneven, AdamW": lambda: simple(VECTOR, 61, outputs=2, optimizer=adam()),
    "uneven, masked": lambda: masked(61),
    "uneven, activities": lambda: simple(ROBUST, 61, activity="l2"),
    "an empty share of activities": lambda: simple(ROBUST, 49, activity="l2"),
    "an empty share": lambda: simple(ROBUST, 49, weighted=True),
}


def trajectory(case: str, share: slice = slice(None), shares: int = 1) -> dict[str, Any]:
    """Return losses, parameters and weights of two epochs of a case.

    Args:
        case: a key of `CASES`.
        share: what this process sees of every batch of `BATCH` samples.
        shares: into how many shares a batch is split.
    """
    import keras
    import numpy as np

    keras.utils.set_random_seed(1)
    model, data = CASES[case]()
    if shares > 1:
        data = {name: array.reshape(-1, BATCH, *array.shape[1:])[:, share].reshape(-1, *array.shape[1:]) for name, array in data.items()}
    history = model.fit(**data, batch_size=BATCH // shares, epochs=2, shuffle=False, verbose=0).history
    return {
        "history": history,
        "evaluated": model.evaluate(**data, batch_size=BATCH // shares, verbose=0),
        "parameters": {name: np.asarray(value).tolist() for name, value in model.parameters.items()},
        "weights": [array.ravel().tolist() for array in model.get_weights()],
        "optimizer": [np.ravel(keras.ops.convert_to_numpy(v)).tolist() for v in model.optimizer.variables],
    }


def main(how: str, *arguments: str) -> None:
    scope: Any = contextlib.nullcontext()
    options: dict[str, Any] = {}
    if how == "mirrored":
        import tensorflow as tf

        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
        )
        scope = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()
    elif how == "parallel":
        import keras

        scope = keras.distribution.DataParallel(devices=["cpu:0", "cpu:1"]).scope()
    elif how == "processes":
        import keras

        (address, process), arguments = arguments[:2], arguments[2:]
        keras.distribution.initialize(address, num_processes=2, process_id=int(process))
        scope = keras.distribution.DataParallel(auto_shard_dataset=False).scope()
        half = BATCH // 2
        options = {"share": slice(int(process) * half, (int(process) + 1) * half), "shares": 2}
    with scope:
        print(json.dumps({case: trajectory(case, **options) for case in arguments}))


if __name__ == "__main__":
    main(*sys.argv[1:])
