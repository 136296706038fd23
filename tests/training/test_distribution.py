"""Two replicas train as one device does, in a process of its own: devices are split before TensorFlow starts."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import contextlib, json
import tensorflow as tf
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, numpy as np
import losscompiler as lc

rng = np.random.default_rng(0)
x = rng.uniform(0.5, 1.5, (64, 3)).astype("float32")
y = (1 + x.sum(axis=1)).astype("float32")
weights = np.linspace(0.5, 2, 64).astype("float32")
found = {}
for text, options in {
    "(log(y) - log(p))**2 + a*p": {"sample_weight": weights},
    "mean((log(y) - log(p))**2 + a*p, axis=all)": {},
}.items():
    for strategy in (None, tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
        with strategy.scope() if strategy else contextlib.nullcontext():
            keras.utils.set_random_seed(1)
            loss = lc.compile_loss(text, {"a": lc.Parameter(0.5, regularizer=keras.regularizers.L2(0.1))}, findings="ignore")
            net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="softplus", kernel_regularizer="l2")])
            model = lc.LossModel(net, loss)
            model.compile(keras.optimizers.SGD(0.1))
        history = model.fit(x, y, batch_size=32, epochs=2, shuffle=False, verbose=0, **options).history
        found.setdefault(text, []).append([history["loss"], history["a"], [model.evaluate(x, y, verbose=0)]])
print(json.dumps(found))
"""


def test_two_replicas_train_as_one_device_does() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 2
    for one, two in found.values():
        for alone, together in zip(one, two, strict=True):
            assert together == pytest.approx(alone, rel=1e-5)
