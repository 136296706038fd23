"""Probes of training."""

from __future__ import annotations

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from probe import TRAINING, in_a_process, probe
from small_models import BATCH, X, Y, array, compiled, linear, model_of, near, same_descent, train

import losscompiler as lc

sys.path.append(str(Path(__file__).parents[1]))


def descend(gradient: str = "analytic", **options: Any) -> None:
    """Train by plain gradient descent and compare every weight with what NumPy makes of it."""
    model = model_of(lc.LossLayer(compiled(params={"a": 0.5}), gradient=gradient), **options)
    same_descent(model, train(model))


@probe("gradient descent takes the steps that NumPy takes", TRAINING)
def steps() -> None:
    descend()


@probe("the backend's own derivatives: `LossLayer(loss, gradient='autodiff')`", TRAINING)
def autodiff() -> None:
    descend("autodiff")


@probe("`run_eagerly=True`", TRAINING)
def eagerly() -> None:
    descend(run_eagerly=True)


@probe("`jit_compile=True`", TRAINING, long=("torch",))
def jit() -> None:
    descend(jit_compile=True)


@probe("`steps_per_execution=2`", TRAINING, lacking={"torch": "Keras takes one step at a time there"})
def steps_per_execution() -> None:
    descend(steps_per_execution=2)


@probe("Adam and parameters within bounds", TRAINING)
def adam() -> None:
    # a = sigmoid(u), L = a*p with p fixed: dL/du = mean(p)*a*(1 - a); Adam as Kingma & Ba 2015, with Keras' epsilon.
    net = linear()
    net.trainable = False
    model = model_of(compiled("a*p", {"a": lc.Parameter(0.5, bounds=(0, 1))}), keras.optimizers.Adam(0.1), net)
    found = train(model, y=None)["a"]
    u, m, v, expected = 0.0, 0.0, 0.0, []
    for step in range(4):
        slope = (0.5 * X[:BATCH].sum(axis=1) + 1 if step % 2 == 0 else 0.5 * X[BATCH:].sum(axis=1) + 1).astype(float).mean()
        gradient = slope / (1 + np.exp(-u)) / (1 + np.exp(u))
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        u -= 0.1 * np.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1)) * m / (np.sqrt(v) + 1e-7)
        expected.append(1 / (1 + np.exp(-u)))
    near(found, expected[1::2])


def mixed(policy: str, optimizer: str) -> None:
    keras.mixed_precision.set_dtype_policy(policy)
    model = model_of(compiled("w*(y - p)**2 + a", {"a": 0.0}, inputs=["w"]), keras.optimizers.SGD(0.0))
    assert type(model.optimizer).__name__ == optimizer
    # An input of 1e5 and squares of 1e6 overflow float16.
    data = {"y": np.full(24, 1000.0, "float32"), "w": np.full(24, 1e5, "float32")}
    prediction = array(ops.cast(model.net(X), "float32")).astype(float)
    near(model.evaluate(X, data, verbose=0), 1e5 * ((1000 - prediction) ** 2).mean(), 1e-2)
    train(model, y=data)
    assert np.isfinite(model.net.get_weights()[0]).all()


@probe("`mixed_float16`: the loss stays in float32, its gradient is scaled", TRAINING)
def mixed_float16() -> None:
    mixed("mixed_float16", "LossScaleOptimizer")


@probe("`mixed_bfloat16`", TRAINING)
def mixed_bfloat16() -> None:
    mixed("mixed_bfloat16", "SGD")


@probe("nets that do something else in training (dropout, noise, batch normalization), as under Keras' own losses", TRAINING)
def nets_with_a_training_mode() -> None:
    def net() -> keras.Sequential:
        keras.utils.set_random_seed(0)
        layers = [keras.layers.BatchNormalization(), keras.layers.GaussianNoise(0.1, seed=1), keras.layers.Dropout(0.3, seed=2)]
        return keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(1)])

    ours, keras_own = model_of(compiled("(y - p)**2"), net=net()), net()
    keras_own.compile(keras.optimizers.SGD(0.01), loss="mse")
    near(train(ours)["loss"], train(keras_own, y=Y[:, None])["loss"])
    for found, expected in zip(ours.net.get_weights(), keras_own.get_weights(), strict=True):
        near(found, expected, atol=1e-6)
    assert abs(array(ours.net.layers[0].moving_mean)).max() > 0.01
    near(ours.evaluate(X, Y, verbose=0), keras_own.evaluate(X, Y[:, None], verbose=0))


@probe("sample weights and class weights, as Keras' own losses", TRAINING)
def weights() -> None:
    ours, keras_own = model_of(compiled("(y - p)**2")), linear()
    keras_own.compile(keras.optimizers.SGD(0.01), loss="mse")
    labels, sample_weight = (Y > 4).astype("float32"), np.linspace(0, 2, 24).astype("float32")
    near(
        ours.evaluate(X, labels, sample_weight=sample_weight, verbose=0),
        keras_own.evaluate(X, labels[:, None], sample_weight=sample_weight, verbose=0),
    )
    for options in ({"sample_weight": sample_weight}, {"class_weight": {0: 1.0, 1: 5.0}}):
        near(train(ours, y=labels, **options)["loss"], train(keras_own, y=labels[:, None], **options)["loss"])
    near(ours.net.get_weights()[0], keras_own.get_weights()[0])


@probe("masks, with and without sample weights", TRAINING)
def masks() -> None:
    words = np.array([[1, 2, 0, 0], [3, 4, 5, 0], [6, 1, 2, 3]])
    y = np.arange(24, dtype="float32").reshape(3, 4, 2) / 10
    net = keras.Sequential([keras.layers.Embedding(7, 4, mask_zero=True), keras.layers.Dense(2)])
    model = model_of(compiled("(y - p)**2"), net=net)
    each = ((y - array(net(words))) ** 2).mean(axis=-1)
    valid, weight = words != 0, np.array([1.0, 2.0, 0.5], "float32")
    near(model.evaluate(words, y, verbose=0), each[valid].mean())
    near(model.evaluate(words, y, sample_weight=weight, verbose=0), (each * weight[:, None])[valid].sum() / valid.sum())


@probe("regularizers of parameters; no weight decay of parameters", TRAINING)
def regularizers() -> None:
    params = {"a": lc.Parameter(2.0, bounds=(0, None), regularizer=keras.regularizers.L2(3.0)), "b": 0.5}
    model = model_of(compiled("0*a*b*(y - p)**2", params), keras.optimizers.SGD(0.01, weight_decay=0.1))
    model.fit(X, Y, batch_size=24, verbose=0)
    # a = softplus(u), L = 3 a**2: du = -rate * 6 a * sigmoid(u), with u = log(exp(2) - 1); weights decay by rate*0.1.
    u = np.log(np.expm1(2.0))
    u -= 0.01 * 6 * 2.0 / (1 + np.exp(-u))
    near(model.parameters["a"], np.log1p(np.exp(u)))
    near(model.parameters["b"], 0.5, 0)
    near(model.net.get_weights()[0], np.full((3, 1), 0.5 * (1 - 0.01 * 0.1)))


@probe("several outputs, targets and inputs of the loss by name", TRAINING)
def several() -> None:
    x = keras.Input((3,))
    forms = {"m": None, "s": "softplus"}
    outputs = {name: keras.layers.Dense(1, kernel_initializer="ones", activation=form)(x) for name, form in forms.items()}
    model = model_of(compiled("target t, v\nprediction m, s\ninput w\nw*(t - m)**2/s + a*(v - m)**2"), net=keras.Model(x, outputs))
    total = X.sum(axis=1).astype(float)
    data = {"t": Y, "v": 2 * Y, "w": X[:, 0]}
    expected = (X[:, 0] * (Y - total) ** 2 / np.log1p(np.exp(total)) + (2 * Y - total) ** 2).mean()
    near(model.evaluate(X, data, verbose=0), expected)
    train(model, y=data)


@probe("a parameter as long as the predictions; its elements in the logs", TRAINING)
def open_length() -> None:
    model = model_of(compiled("param w[p] > 0 = 2\nsum(w*(y - p)**2 - log(w))"), net=linear(2))
    history = train(model, y=np.stack([Y, Y], axis=1), validation_data=(X, np.stack([Y, Y], axis=1)))
    assert set(history) == {"loss", "val_loss", "w[0]", "w[1]"}
    near([history["w[0]"][-1], history["w[1]"][-1]], model.parameters["w"])


@probe("the loss as the end of a functional model, y as an input", TRAINING)
def endpoint() -> None:
    x, y = keras.Input((3,)), keras.Input((1,))
    net, layer = linear(), lc.LossLayer(compiled(params={"a": 0.5}))
    model = keras.Model([x, y], layer(y, net(x)))
    model.compile(keras.optimizers.SGD(0.01), loss=lambda _, value: value)
    options = {"batch_size": BATCH, "epochs": 2, "shuffle": False, "verbose": 0}
    model.fit([X, Y[:, None]], np.zeros_like(Y)[:, None], **options)
    again = model_of(compiled(params={"a": 0.5}))
    train(again)
    near(net.get_weights()[0], again.net.get_weights()[0])
    near(layer.parameters["a"], again.parameters["a"])


def own_loop(net: Any, layer: Any, rate: float, steps: int) -> None:
    """Train by gradient descent on one batch, with nothing but the backend."""
    backend, variables = keras.backend.backend(), [*net.trainable_variables, *layer.trainable_variables]
    for _ in range(steps):
        if backend == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                value = ops.mean(layer(Y, net(X)))
            gradients = tape.gradient(value, [variable.value for variable in variables])
        elif backend == "jax":
            import jax

            def mean_loss(values: list[Any]) -> Any:
                count = len(net.trainable_variables)
                prediction, _ = net.stateless_call(values[:count], [], X)
                return ops.mean(layer.stateless_call(values[count:], [], [Y, prediction])[0])

            gradients = jax.jit(jax.grad(mean_loss))([variable.value for variable in variables])
        else:
            import torch

            gradients = torch.autograd.grad(ops.mean(layer(Y, net(X))), [variable.value for variable in variables])
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_sub(rate * gradient)


@probe("a training loop of one's own: `tf.GradientTape`, `jax.grad`, `torch.autograd`", TRAINING)
def a_loop_of_ones_own() -> None:
    net, layer = linear(), lc.LossLayer(compiled(params={"a": 0.5}))
    layer(Y, net(X))
    own_loop(net, layer, 0.01, 3)
    model = model_of(compiled(params={"a": 0.5}))
    model.fit(X, Y, batch_size=24, epochs=3, verbose=0)
    near(net.get_weights()[0], model.net.get_weights()[0])
    near(layer.parameters["a"], model.parameters["a"])


@probe("`tf.data`", TRAINING)
def tf_data() -> None:
    import tensorflow as tf

    model = model_of(compiled(params={"a": 0.5}))
    same_descent(model, model.fit(tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH), epochs=2, verbose=0).history)


@probe("graphs of batches whose length is unknown", TRAINING, absent=dict.fromkeys(("jax", "torch"), "it sees the length of every batch"))
def unknown_length() -> None:
    import tensorflow as tf

    module = compiled("prediction p\nsum(cumsum(p)*p) + logsumexp(p, axis=0)").module
    data = X[:5]
    signature = [tf.TensorSpec([None, None], tf.float32)]
    found = tf.function(module.loss, input_signature=signature)(data)
    near(found, array(module.value(ops.convert_to_tensor(data))))


@probe("a loss given to `model.compile(loss=...)` is refused, since Keras would never train it", TRAINING)
def untrained() -> None:
    net = linear()
    net.compile("sgd", loss=lc.LossLayer(compiled(params={"a": 0.5})))
    try:
        net.fit(X, Y, verbose=0)
    except lc.UntrainedLossError:
        return
    raise AssertionError("Keras trained by it")


TWO_DEVICES = """
import contextlib, json, sys, keras, numpy as np
import losscompiler as lc
backend = keras.backend.backend()
address = sys.argv[1] if len(sys.argv) > 1 else ""
if address:
    keras.distribution.initialize(address, num_processes=2, process_id=int(sys.argv[2]))
if address or backend == "tensorflow":
    import tensorflow as tf
if backend == "tensorflow":
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
x = np.linspace(0.5, 1.5, 96, dtype="float32").reshape(32, 3)
y, weight = 1 + x.sum(axis=1), np.linspace(0.5, 2, 32).astype("float32")
def run():
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "softplus", kernel_initializer="ones")])
    model = lc.LossModel(net, lc.compile_loss("(log(y) - log(p))**2 + a*p", {"a": lc.Parameter(0.5, bounds=(0, 1))}, findings="ignore"))
    model.compile(keras.optimizers.SGD(0.1))
    # Several processes ask for a tf.data.Dataset, which Keras deals out to them.
    data = {"x": tf.data.Dataset.from_tensor_slices((x, y, weight)).batch(16)} if address else {"x": x, "y": y, "sample_weight": weight}
    history = model.fit(**data, batch_size=None if address else 16, epochs=2, shuffle=False, verbose=0).history
    return [history["loss"], history["a"], net.get_weights()[0].ravel().tolist()]
found = [run()]
scope = contextlib.nullcontext()
if backend == "tensorflow":
    scope = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()
else:
    assert len(keras.distribution.list_devices()) == 2
    keras.distribution.set_distribution(keras.distribution.DataParallel())
with scope:
    found.append(run())
print(json.dumps(found))
"""


@probe("two devices train as one", TRAINING, lacking={"torch": "Keras spreads no model over devices there"})
def two_devices() -> None:
    from devices import TWO_DEVICES_OF_JAX

    one, two = json.loads(in_a_process(TWO_DEVICES, **TWO_DEVICES_OF_JAX))
    for alone, together in zip(one, two, strict=True):
        near(together, alone)


@probe(
    "two processes train as one, by `keras.distribution.initialize`", TRAINING, long=("tensorflow", "jax", "torch"),
    lacking=dict.fromkeys(("tensorflow", "torch"), "Keras connects processes on JAX alone"),
)  # fmt: skip
def two_processes() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda number: json.loads(in_a_process(TWO_DEVICES, address, str(number))), range(2)))
    for one, two in found:
        for alone, together in zip(one, two, strict=True):
            near(together, alone)
