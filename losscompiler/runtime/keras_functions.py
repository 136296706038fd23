"""Functions that emitted Keras code needs beyond ``keras.ops``.

The emitter copies what a loss uses, with what that uses, into the module it writes; `LossLayer` imports the same
functions. NumPy modules copy them too, read with ``np`` for ``ops``, but for those that ``numpy_functions`` replaces.
Nothing here depends on the rest of the package. Arrays are tensors of one floating dtype on the current backend.
"""

from __future__ import annotations

import contextlib
import importlib
import math

import keras
import numpy as np
from keras import ops


# ------------------------------------------------------------------------------------------- shapes and broadcasting
def align_target(target, *predictions):
    """Give a target whose rank is one less than the predictions' a trailing axis of length 1; from one of a rank more, take it."""
    rank = max((len(prediction.shape) for prediction in predictions), default=len(target.shape))
    if len(target.shape) == rank + 1 > 1 and tuple(target.shape)[-1] == 1:
        return ops.squeeze(target, -1)
    return ops.expand_dims(target, -1) if len(target.shape) == rank - 1 else target


def align_input(data, *predictions):
    """Align data that belongs to samples as a target is; leave data of other lengths, such as tables, as it is."""
    rank = max((len(prediction.shape) for prediction in predictions), default=len(data.shape))
    if len(data.shape) != rank - 1:
        return data
    lead = next(tuple(prediction.shape)[:-1] for prediction in predictions if len(prediction.shape) == rank)
    same = all(n == m or n is None or m is None for n, m in zip(tuple(data.shape), lead, strict=True))
    table = None in lead and None not in tuple(data.shape)
    return ops.expand_dims(data, -1) if same and not table else data


def one_a_row(*arrays):
    """Tell whether all arrays have length 1 along the last axis."""
    return all(tuple(x.shape)[-1:] == (1,) for x in arrays)


def sum_to(x, like):
    """Sum over the axes along which ``like`` was broadcast to ``x``: the adjoint of broadcasting."""
    lead = len(x.shape) - len(like.shape)
    if lead > 0:
        x = ops.sum(x, axis=tuple(range(lead)))
    axes = tuple(i for i, (n, m) in enumerate(zip(tuple(x.shape), tuple(like.shape), strict=True)) if m == 1 and n != 1)
    return ops.sum(x, axis=axes, keepdims=True) if axes else x


def any_to(x, like):
    """Tell where in the shape of ``like`` a condition holds anywhere along the axes along which ``like`` is broadcast to it."""
    lead = max(0, len(x.shape) - len(like.shape))
    lengths = (1,) * lead + tuple(like.shape)[len(like.shape) - len(x.shape) + lead :]
    axes = tuple(i for i, (n, m) in enumerate(zip(tuple(x.shape), lengths, strict=True)) if m == 1 and n != 1)
    x = ops.any(x, axis=axes, keepdims=True) if axes else x
    return ops.squeeze(x, axis=tuple(range(lead))) if lead else x


def broadcast_to(x, like):
    """Repeat ``x`` to the shape of ``like``."""
    x = x if hasattr(x, "shape") else ops.convert_to_tensor(x, like.dtype)
    return x if x.shape == like.shape and None not in tuple(x.shape) else ops.broadcast_to(x, ops.shape(like))


def drop_axes(x, axes):
    """Drop reduced axes, which have length 1; ``None`` drops all."""
    rank = len(x.shape)
    if axes is None:
        return ops.reshape(x, ())
    kept = {axis % rank for axis in axes if -rank <= axis < rank and tuple(x.shape)[axis] == 1}
    return ops.squeeze(x, axis=tuple(sorted(kept))) if kept else x


def pull_back(value_and_pullback, pullback, upstreams, upstream):
    """Take a gradient back in whatever way the backend hands it over.

    TensorFlow and JAX hand over the gradient, PyTorch the arguments of the loss and, by name, the gradient. Where PyTorch is to
    differentiate once more, the program runs again: inside a function that has its own derivative nothing is recorded.
    """
    if upstream is None:
        return pullback(*upstreams)
    import torch

    return value_and_pullback(*upstreams)[1](upstream) if torch.is_grad_enabled() else pullback(upstream)


def restore_axes(upstream, kept):
    """Give an upstream gradient the reduced axes back."""
    return ops.reshape(upstream, ops.shape(kept))


# ------------------------------------------------------------------------------------------------------- parameters
def bounded(weight, lower, upper):
    """Map an unbounded weight smoothly into (lower, upper); ``None`` leaves a side open."""
    if lower is None and upper is None:
        return weight
    if upper is None:
        return lower + ops.softplus(weight)
    if lower is None:
        return upper - ops.softplus(weight)
    return lower + (upper - lower) * ops.sigmoid(weight)


def unbounded(value, lower, upper):
    """Return the weight that `bounded` maps to a value, as a NumPy array; a value on a bound is moved just inside."""
    value = np.asarray(value, "float64")
    if lower is None and upper is None:
        return value
    if lower is not None and upper is not None:
        inside = 1e-3 * (upper - lower)
        share = (np.clip(value, lower, upper) - lower) / (upper - lower)
        share = np.where(value <= lower, 1e-3, np.where(value >= upper, 1 - 1e-3, share)) if inside else share
        return np.log(share) - np.log1p(-share)
    distance = value - lower if upper is None else upper - value
    distance = np.where(distance <= 0, 1e-3, distance)
    return distance + np.log(-np.expm1(-distance))


# -------------------------------------------------------------------------------------------------------- precision
def float64_scope():
    """Return a context in which the backend makes float64 tensors; only JAX has to be told."""
    if keras.backend.backend() != "jax":
        return contextlib.nullcontext()
    import jax

    return jax.enable_x64(True)


def widest_dtype(x):
    """Return float64, or the dtype of ``x`` on devices that have no float64."""
    device = getattr(getattr(x, "device", None), "type", "")
    return keras.backend.standardize_dtype(x.dtype) if device == "mps" else "float64"


def double_inside(value_and_pullback):
    """Let a value and its pullback compute in float64; arrays that come in and go out keep their dtype.

    It decorates losses that lose digits in float32: differences of almost equal numbers, or intermediate results beyond its range.
    """

    def wrapped(*arrays):
        arrays = [ops.convert_to_tensor(x) for x in arrays]
        dtypes = [keras.backend.standardize_dtype(x.dtype) for x in arrays]
        dtype = next((dtype for dtype in dtypes if "float" in dtype), dtypes[0])
        wide = widest_dtype(arrays[0])
        if dtype == wide:
            return value_and_pullback(*arrays)
        with float64_scope():
            loss, pullback = value_and_pullback(*(ops.cast(x, wide) for x in arrays))
            loss = ops.cast(loss, dtype)

        def narrow(upstream):
            with float64_scope():
                found = pullback(ops.cast(upstream, wide))
                found = found if isinstance(found, tuple) else (found,)
                return tuple(ops.cast(gradient, dtype) for gradient in found)

        return loss, narrow

    # Not functools.wraps, whose mark sends TensorFlow's autograph in search of the source of what it wrapped.
    wrapped.__name__, wrapped.__doc__ = value_and_pullback.__name__, value_and_pullback.__doc__
    return wrapped


def in_float64(function, *values):
    """Return ``function(*values)``, computed in float64 and rounded to the dtype of the values."""
    values = alike(*values)
    dtype, wide = keras.backend.standardize_dtype(values[0].dtype), widest_dtype(values[0])
    if dtype == wide:
        return function(*values)
    with float64_scope():
        return ops.cast(function(*(ops.cast(value, wide) for value in values)), dtype)


# ------------------------------------------------------------------------------------------- the backend's functions
def backend_function(tensorflow, jax, torch):
    """Return a function of the current backend by its dotted name there; numbers among its arguments become tensors."""
    names = {"tensorflow": f"tensorflow.{tensorflow}", "jax": f"jax.{jax}", "torch": f"torch.{torch}"}
    package, *path = names[keras.backend.backend()].split(".")
    if package == "jax":
        package, path = f"jax.{'.'.join(path[:-1])}", path[-1:]
    found = importlib.import_module(package)
    for name in path:
        found = getattr(found, name)
    return lambda *values: found(*alike(*values))


# What keras.ops rounds to float32 on JAX or PyTorch, whatever the dtype of its arguments.
maximum = backend_function("maximum", "numpy.maximum", "maximum")
minimum = backend_function("minimum", "numpy.minimum", "minimum")
floor = backend_function("floor", "numpy.floor", "floor")
ceil = backend_function("math.ceil", "numpy.ceil", "ceil")
sin = backend_function("sin", "numpy.sin", "sin")
cos = backend_function("cos", "numpy.cos", "cos")
tan = backend_function("tan", "numpy.tan", "tan")
asin = backend_function("asin", "numpy.arcsin", "asin")
acos = backend_function("acos", "numpy.arccos", "acos")
atan = backend_function("atan", "numpy.arctan", "atan")
atan2 = backend_function("atan2", "numpy.arctan2", "atan2")
sinh = backend_function("sinh", "numpy.sinh", "sinh")
cosh = backend_function("cosh", "numpy.cosh", "cosh")
tanh = backend_function("tanh", "numpy.tanh", "tanh")
asinh = backend_function("asinh", "numpy.arcsinh", "asinh")
acosh = backend_function("acosh", "numpy.arccosh", "acosh")
atanh = backend_function("atanh", "numpy.arctanh", "atanh")


# ----------------------------------------------------------------------------------------------- elementwise functions
def alike(*values):
    """Return numbers and arrays as tensors of the dtype of the first array; Keras would make float32 of numbers alone."""
    dtype = next((value.dtype for value in values if hasattr(value, "dtype")), None)
    return tuple(ops.convert_to_tensor(value, None if hasattr(value, "dtype") else dtype) for value in values)


def hypot(x, y):
    """Return sqrt(x**2 + y**2), scaled so that squares neither overflow nor underflow."""
    x, y = (ops.abs(value) for value in alike(x, y))
    high, low = maximum(x, y), minimum(x, y)
    safe = ops.where(high > 0, high, ops.ones_like(high))
    return high * ops.sqrt(1.0 + ops.square(low / safe))


def cbrt(x):
    """Return the real cube root: a power, whose exponent is rounded, and one of Newton's steps."""
    size = ops.abs(x)
    inside = (size > 0) & ops.isfinite(size)
    safe = ops.where(inside, size, ops.ones_like(x))
    root = safe ** (1.0 / 3.0)
    return ops.sign(x) * ops.where(inside, root - (root - safe / ops.square(root)) / 3.0, size)


def clip(x, low, high):
    """Limit x to low <= x <= high; at a limit the gradient goes to x."""
    x, low, high = alike(x, low, high)
    return minimum(maximum(x, low), high)


def arc_ratio(x):
    """Return acos(x)/sqrt(1 - x**2), and acosh(x)/sqrt(x**2 - 1) for x > 1, by their common series around x = 1."""
    d = 1.0 - x
    near, below = ops.abs(d) < 0.1, x < 1.0
    series = ops.zeros_like(x)
    for n in range(13, -1, -1):
        series = series * ops.where(near, d, ops.zeros_like(d)) + 2.0**n * math.factorial(n) ** 2 / math.factorial(2 * n + 1)
    angle = ops.where(near | ~below, ops.zeros_like(x), x)
    beyond = ops.where(near | below, ops.full_like(x, 2.0), x)
    circular = acos(angle) / ops.sqrt((1.0 - angle) * (1.0 + angle))
    hyperbolic = acosh(beyond) / (ops.sqrt(beyond - 1.0) * ops.sqrt(beyond + 1.0))
    return ops.where(near, series, ops.where(below, circular, hyperbolic))


def xlogy(x, y):
    """Return x*log(y), and 0 at x = 0 whatever y is."""
    x, y = alike(x, y)
    zero = ops.equal(x, 0.0)
    return ops.where(zero, ops.zeros_like(x * y), x * ops.log(ops.where(zero, ops.ones_like(x * y), y)))


def log1mexp(x):
    """Return log(1 - exp(x)) for x < 0, by expm1 near 0 and log1p far from it (Maechler 2012)."""
    near = x > -math.log(2.0)
    half = -math.log(2.0)
    close, far = ops.where(near, x, ops.full_like(x, half)), ops.where(near, ops.full_like(x, half), x)
    return ops.where(near, ops.log(-ops.expm1(close)), ops.log1p(-ops.exp(far)))


def log_cosh(x):
    """Return log(cosh(x)), by sinh near 0, where cosh is 1, and without it far from 0, where cosh overflows."""
    size = ops.abs(x)
    near = size < 1.0
    close, far = ops.where(near, x, ops.ones_like(x)), ops.where(near, ops.ones_like(x), size)
    return ops.where(near, ops.log1p(2.0 * ops.square(sinh(0.5 * close))), far + ops.log1p(ops.exp(-2.0 * far)) - math.log(2.0))
