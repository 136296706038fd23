"""Probes of values and derivatives."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from probe import VALUES, in_a_process, probe
from small_models import P, X, Y, array, compiled, model_of, near

import losscompiler as lc
from losscompiler.errors import GradientMismatchError

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / "catalog"), str(TESTS / "emit")]


def check_every_function(dtype: str) -> None:
    from emitted_formulas import CASES

    for name, case in CASES.items():
        loss = case.loss(name)
        data = {symbol: array for symbol, array in case.arrays.items() if symbol in loss.graph.data}
        params = {symbol: array for symbol, array in case.arrays.items() if symbol not in data}
        loss.check_gradients(data, params, dtype=dtype).assert_ok()


@probe("every function of the language in float64, against 50 digits and against automatic differentiation", VALUES, long=("jax", "torch"))
def every_function_in_float64() -> None:
    check_every_function("float64")


@probe("every function of the language in float32", VALUES, long=("tensorflow", "jax", "torch"))
def every_function_in_float32() -> None:
    check_every_function("float32")


@probe("every loss of the catalogue in float64, against the library that it names", VALUES, long=("tensorflow", "jax", "torch"))
def every_loss_of_the_catalogue() -> None:
    from catalog_case import evaluate, missing, rounds
    from catalog_references import CASES

    compared = set()
    for case in CASES:
        if missing(case) or case.key in compared:
            continue
        loss = lc.compile_loss(lc.catalog[case.key], findings="ignore", name=case.key)
        arrays = case.data()
        params = {name: arrays.pop(name) for name in loss.parameters}
        names = [*loss.predictions, *loss.parameters]
        # A few libraries have no more than some digits of their own.
        digits = case.single if rounds(case) else case.digits
        found, expected = loss.value_and_gradients(arrays, params, reduction=case.reduction, dtype="float64"), evaluate(case, names)
        near(found.value, expected.value, digits, atol=case.single if rounds(case) else 1e-12)
        for name in names:
            tolerance = digits if rounds(case) else 2e-6 if name in expected.by_differences else 1e-9
            largest = max(0.1, np.abs(expected.gradients[name]).max())
            near(found.gradients[name], expected.gradients[name], tolerance, atol=tolerance * largest)
        compared.add(case.key)
    # Nearly a quarter needs torch, which the tests do not require.
    assert len(compared) > (0.95 if find_spec("torch") else 0.7) * len(lc.catalog)


@probe("the emitted functions take arrays of NumPy", VALUES)
def arrays_of_numpy() -> None:
    for text in ("param w[p] in (0, 4) = 1\nsum(w*(y - p)**2 - log(w))", "where(y > 1, a*(y - p)**2, p)", "a*lbeta(p, 2) + y"):
        loss = compiled(text, None if "param" in text else {"a": 1.0})
        arrays = [Y[:, None], X[:, :1], np.ones(1, "float32")]
        value, gradients = loss.module.value(*arrays), loss.module.gradients(*arrays)
        expected = loss.value_and_gradients(dict(zip("yp", arrays, strict=False)))
        near(value, expected.value)
        near(gradients[0], expected.gradients["p"])
        near(loss.module.loss(*arrays), expected.value)


@probe("a wrong derivative does not pass `check_gradients`", VALUES)
def a_wrong_derivative_is_found() -> None:
    loss = compiled("(y - p)**2 + a*p", {"a": 0.5})
    right = loss.module.value_and_pullback
    loss.module.value_and_pullback = lambda y, p, a: (right(y, p, a)[0], lambda u: (right(y, p, a)[1](u)[0], 1.001 * ops.sum(u * p)))
    check = loss.check_gradients({"y": Y, "p": X[:, 0]})
    assert check["p"].ok
    assert not check["a"].ok
    try:
        check.assert_ok()
    except GradientMismatchError:
        return
    raise AssertionError("the wrong derivative passed")


def derivatives(function: Callable[..., Any], p: np.ndarray, a: np.ndarray) -> dict[str, np.ndarray]:
    """Return first and second derivatives of the sum of a function by the backend's own means."""
    found = {"tensorflow": _by_tensorflow, "jax": _by_jax, "torch": _by_torch}[keras.backend.backend()](function, p, a)
    return {name: array(value) for name, value in zip(("p", "a", "pp", "pa", "ap"), found, strict=True)}


def _by_tensorflow(function: Callable[..., Any], p: Any, a: Any) -> tuple[Any, ...]:
    import tensorflow as tf

    p, a = tf.constant(p), tf.constant(a)
    with tf.GradientTape(persistent=True) as outer:
        outer.watch([p, a])
        with tf.GradientTape() as inner:
            inner.watch([p, a])
            value = function(p, a)
        by_p, by_a = inner.gradient(value, [p, a])
    return by_p, by_a, outer.gradient(by_p, p), outer.gradient(by_p, a), outer.gradient(by_a, p)


def _by_jax(function: Callable[..., Any], p: Any, a: Any) -> tuple[Any, ...]:
    import jax

    p, a = jax.numpy.asarray(p), jax.numpy.asarray(a)
    by_p = jax.grad(lambda p, a: function(p, a).sum(), 0)
    by_a = jax.grad(lambda p, a: function(p, a).sum(), 1)
    summed = lambda p, a: by_p(p, a).sum()  # noqa: E731
    return by_p(p, a), by_a(p, a), jax.grad(summed, 0)(p, a), jax.grad(summed, 1)(p, a), jax.jit(jax.grad(by_a, 0))(p, a)


def _by_torch(function: Callable[..., Any], p: Any, a: Any) -> tuple[Any, ...]:
    import torch

    p, a = torch.tensor(p, requires_grad=True), torch.tensor(a, requires_grad=True)
    by_p, by_a = torch.autograd.grad(function(p, a).sum(), [p, a], create_graph=True)
    second = [torch.autograd.grad(of.sum(), by, retain_graph=True)[0] for of, by in ((by_p, p), (by_p, a), (by_a, p))]
    return by_p, by_a, *second


@probe("first and second derivatives through the emitted `loss`", VALUES)
def second_derivatives() -> None:
    module, y = compiled(params={"a": 0.5}).module, ops.convert_to_tensor(Y[:3, None])
    found = derivatives(lambda p, a: module.loss(y, p, a), P, np.float32(0.5))
    distance = np.log(P) - np.log(Y[:3, None])
    near(found["p"], 0.5 + 2 * distance / P)
    near(found["a"], P.sum())
    near(found["pp"], 2 * (1 - distance) / P**2)
    near(found["pa"], P.size)
    near(found["ap"], np.ones_like(P))


@probe("a loss that needs float64 inside is as accurate from float32 data", VALUES)
def wide_inside() -> None:
    # 1 - cos(p) is p**2/2 to 8e-8 relative at p = 1e-3, and 0 in float32.
    p = np.array([1e-3, 2e-3], "float32")
    found = compiled("prediction p\n(exp(p) - 1 - p)/p").value_and_gradients({"p": p})
    exact = p.astype(float)
    near(found.value, exact / 2 + exact**2 / 6 + exact**3 / 24, 1e-6)
    near(found.gradients["p"], 1 / 2 + exact / 3 + exact**2 / 8, 1e-5)


DOUBLE = """
import json
import numpy as np
import losscompiler as lc
from keras import ops
params = "param a > 0 = 0.3\\nparam b in (0, 1) = 0.1\\nparam c < 2 = 0.7\\n"
loss = lc.compile_loss(params + "mean(max(sin(p), 0.1)*y) + a**3 + b*c", findings="ignore")
layer = lc.LossLayer(loss, dtype="float64")
value = layer(np.array([[0.3, 0.7]]), np.array([[0.2, 2.0]]))
read = [float(value) for value in layer.parameters.values()]
found = [str(array.dtype) for array in layer.parameters.values()]
ends = []
for weight in (-200.0, 200.0):
    for variable in layer.weights:
        variable.assign(weight)
    ends.append([float(value) for value in layer.parameters.values()])
print(json.dumps([[str(value.dtype), *found], float(ops.convert_to_numpy(value)[0]), read, ends]))
"""


@probe("a layer of its own in float64: `LossLayer(loss, dtype='float64')`", VALUES, remarks={"jax": "with `JAX_ENABLE_X64=1`"})
def a_layer_in_float64() -> None:
    import json

    dtypes, value, read, (low, high) = json.loads(in_a_process(DOUBLE, JAX_ENABLE_X64="1"))
    assert all("float64" in dtype for dtype in dtypes)
    near(value, (0.3 * np.sin(0.2) + 0.7 * np.sin(2.0)) / 2 + 0.3**3 + 0.1 * 0.7, 1e-15)
    near(read, [0.3, 0.1, 0.7], 1e-15)
    # log(1 + exp(-200)) and 1/(1 + exp(200)) are exp(-200) to 1e-87, which float32 lacks; 2 and 1 are never reached.
    near(low, [np.exp(-200.0), np.exp(-200.0), 2.0], 1e-13)
    near(high, [200.0, 1.0, -198.0], 1e-15)
    assert low[2] < 2.0
    assert high[1] < 1.0


@probe("layers in float16 and bfloat16", VALUES)
def half_precision() -> None:
    for dtype, rtol in {"float16": 4e-3, "bfloat16": 3e-2}.items():
        s = lc.Parameter(1.5, bounds=(0, 8))
        layer = lc.LossLayer(compiled("mean(log_cosh(y - p)) + log(s) + lgamma(s)", {"s": s}), dtype=dtype)
        value = layer(np.array([[1.0, 2.0]]), np.array([[0.5, 4.0]]))
        assert keras.backend.standardize_dtype(value.dtype) == dtype
        # log(Gamma(3/2)) = log(sqrt(pi)/2)
        expected = np.log(np.cosh([-0.5, 2.0])).mean() + np.log(1.5) + np.log(np.sqrt(np.pi) / 2)
        near(ops.cast(value, "float32"), [expected], rtol)


@probe("a loss in training is Keras' own to rounding, value and step", VALUES)
def as_keras() -> None:
    ours = model_of(compiled("(y - p)**2"))
    keras_own = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    keras_own.set_weights(ours.net.get_weights())
    keras_own.compile(keras.optimizers.SGD(0.01), loss="mse")
    near(ours.evaluate(X, Y, verbose=0), keras_own.evaluate(X, Y[:, None], verbose=0))
    ours.fit(X, Y, shuffle=False, verbose=0)
    keras_own.fit(X, Y[:, None], shuffle=False, verbose=0)
    near(ours.net.get_weights()[0], keras_own.get_weights()[0])
