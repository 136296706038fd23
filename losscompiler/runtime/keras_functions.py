"""Functions that emitted Keras code needs beyond ``keras.ops``.

The emitter copies what a loss uses, with what that uses, into the module it writes; `LossLayer` imports the same
functions. Nothing here depends on the rest of the package. Arrays are tensors of one floating dtype on the current backend.
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
    """Give a target whose rank is one less than the predictions' a trailing axis of length 1, whatever the sizes."""
    rank = max((len(prediction.shape) for prediction in predictions), default=len(target.shape))
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


def sum_to(x, like):
    """Sum over the axes along which ``like`` was broadcast to ``x``: the adjoint of broadcasting."""
    lead = len(x.shape) - len(like.shape)
    if lead > 0:
        x = ops.sum(x, axis=tuple(range(lead)))
    axes = tuple(i for i, (n, m) in enumerate(zip(tuple(x.shape), tuple(like.shape), strict=True)) if m == 1 and n != 1)
    return ops.sum(x, axis=axes, keepdims=True) if axes else x


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


# ------------------------------------------------------------------------------------------- the backend's functions
def backend_function(tensorflow, jax, torch):
    """Return a function that ``keras.ops`` lacks from the current backend, by its dotted name there."""
    names = {"tensorflow": f"tensorflow.{tensorflow}", "jax": f"jax.{jax}", "torch": f"torch.{torch}"}
    package, *path = names[keras.backend.backend()].split(".")
    if package == "jax":
        package, path = f"jax.{'.'.join(path[:-1])}", path[-1:]
    found = importlib.import_module(package)
    for name in path:
        found = getattr(found, name)
    return lambda x: found(ops.convert_to_tensor(x))


lgamma = backend_function("math.lgamma", "scipy.special.gammaln", "special.gammaln")
digamma = backend_function("math.digamma", "scipy.special.digamma", "special.digamma")
erfc = backend_function("math.erfc", "scipy.special.erfc", "special.erfc")
i0 = backend_function("math.special.bessel_i0", "scipy.special.i0", "special.i0")
i1 = backend_function("math.special.bessel_i1", "scipy.special.i1", "special.i1")
i0e = backend_function("math.special.bessel_i0e", "scipy.special.i0e", "special.i0e")
i1e = backend_function("math.special.bessel_i1e", "scipy.special.i1e", "special.i1e")


def polygamma(order, x):
    """Return the derivative of digamma of a whole order."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.math.polygamma(tf.cast(order, x.dtype) + tf.zeros_like(x), x)
    if keras.backend.backend() == "jax":
        from jax.scipy import special

        return special.polygamma(int(order), x)
    import torch

    return torch.special.polygamma(int(order), x)


# ----------------------------------------------------------------------------------------------- elementwise functions
def alike(*values):
    """Return numbers and tensors as tensors of the dtype of the tensors; Keras would make float32 of numbers alone."""
    dtype = next((value.dtype for value in values if hasattr(value, "dtype")), None)
    return tuple(value if hasattr(value, "dtype") else ops.convert_to_tensor(value, dtype) for value in values)


def hypot(x, y):
    """Return sqrt(x**2 + y**2), scaled so that squares neither overflow nor underflow."""
    x, y = (ops.abs(value) for value in alike(x, y))
    high, low = ops.maximum(x, y), ops.minimum(x, y)
    safe = ops.where(high > 0, high, ops.ones_like(high))
    return high * ops.sqrt(1.0 + ops.square(low / safe))


def cbrt(x):
    """Return the real cube root."""
    return ops.sign(x) * ops.power(ops.abs(x), 1.0 / 3.0)


def clip(x, low, high):
    """Limit x to low <= x <= high; at a limit the gradient goes to x."""
    x, low, high = alike(x, low, high)
    return ops.minimum(ops.maximum(x, low), high)


def xlogy(x, y):
    """Return x*log(y), and 0 at x = 0 whatever y is."""
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
    return ops.where(near, ops.log1p(2.0 * ops.square(ops.sinh(0.5 * close))), far + ops.log1p(ops.exp(-2.0 * far)) - math.log(2.0))


def erfcx(x):
    """Return exp(x**2)*erfc(x), by its asymptotic series (Abramowitz & Stegun 7.1.23) where erfc underflows."""
    limit = 10.0 if keras.backend.standardize_dtype(x.dtype) == "float64" else 5.0
    far = x > limit
    near, large = ops.where(far, ops.zeros_like(x), x), ops.where(far, x, ops.full_like(x, limit))
    ratio, series = 0.5 / ops.square(large), ops.ones_like(x)
    for k in range(16, 0, -1):
        series = 1.0 - (2 * k - 1) * ratio * series
    return ops.where(far, series / (large * math.sqrt(math.pi)), ops.exp(ops.square(near)) * erfc(near))


def ndtr(x):
    """Return the standard normal distribution function."""
    return 0.5 * erfc(x * -math.sqrt(0.5))


def log_ndtr(x):
    """Return the logarithm of the standard normal distribution function, by erfcx in the lower tail."""
    low = x < -1.0
    tail, rest = ops.where(low, x, -ops.ones_like(x)), ops.where(low, -ops.ones_like(x), x)
    lower = ops.log(0.5 * erfcx(tail * -math.sqrt(0.5))) - 0.5 * ops.square(tail)
    return ops.where(low, lower, ops.log1p(-0.5 * erfc(rest * math.sqrt(0.5))))


def exp_difference(x, total):
    """Return exp(x - total), and 0 where total is -inf."""
    empty = ops.equal(total, -math.inf)
    return ops.where(empty, ops.zeros_like(x), ops.exp(x - ops.where(empty, ops.zeros_like(total), total)))


def log_i0(x):
    """Return log(i0(x)) without overflow; near 0, where it is about x**2/4, by the series of i0 (Abramowitz & Stegun 9.6.12)."""
    near = ops.abs(x) < 2.0
    quarter, series = ops.square(ops.where(near, x, ops.zeros_like(x)) / 2.0), ops.ones_like(x)
    for k in range(11, 1, -1):
        series = 1.0 + quarter / (k * k) * series
    return ops.where(near, ops.log1p(quarter * series), ops.abs(x) + ops.log(i0e(x)))


def logaddexp(x, y):
    """Return log(exp(x) + exp(y)) without overflow; a tie shares the gradient."""
    shape = ops.zeros_like(x + y)
    return ops.squeeze(logsumexp(ops.stack([x + shape, y + shape], axis=-1), -1), axis=-1)


# ------------------------------------------------------------------------------------------------------ along an axis
def count(x, axis):
    """Return the number of elements along axes; ``None`` counts all."""
    shape = tuple(x.shape)
    picked = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    lengths = [shape[i] for i in picked]
    if None not in lengths:
        dtype = keras.backend.standardize_dtype(x.dtype)
        if dtype == "bfloat16" and keras.backend.backend() == "torch":
            # PyTorch computes with no NumPy number of this dtype.
            return ops.convert_to_tensor(float(math.prod(lengths)), dtype)
        # A NumPy number and not Python's: functions of it alone then keep the dtype, and it still serves as a length.
        return np.asarray(math.prod(lengths), dtype)[()]
    dynamic = ops.shape(x)
    return ops.cast(math.prod([dynamic[i] for i in picked]), x.dtype)


def logsumexp(x, axis):
    """Return log(sum(exp(x))) along axes, which stay with length 1; a row of -inf gives -inf."""
    high = ops.stop_gradient(ops.max(x, axis=axis, keepdims=True))
    high = ops.where(ops.isfinite(high), high, ops.zeros_like(high))
    return ops.log(ops.sum(ops.exp(x - high), axis=axis, keepdims=True)) + high


def softmax(x, axis):
    """Return exp(x)/sum(exp(x)) along axes; a row of -inf gives zeros."""
    high = ops.stop_gradient(ops.max(x, axis=axis, keepdims=True))
    e = ops.exp(x - ops.where(ops.isfinite(high), high, ops.zeros_like(high)))
    total = ops.sum(e, axis=axis, keepdims=True)
    return e / ops.where(total > 0, total, ops.ones_like(total))


def log_softmax(x, axis):
    """Return x - logsumexp(x) along axes."""
    high = ops.stop_gradient(ops.max(x, axis=axis, keepdims=True))
    x = x - ops.where(ops.isfinite(high), high, ops.zeros_like(high))
    return x - ops.log(ops.sum(ops.exp(x), axis=axis, keepdims=True))


def norm(x, axis):
    """Return the Euclidean norm along axes, which stay with length 1."""
    return ops.sqrt(ops.sum(ops.square(x), axis=axis, keepdims=True))


def argmax(x, axis):
    """Return the position of the largest element as a number; the axis stays with length 1."""
    return ops.cast(ops.argmax(x, axis=axis, keepdims=True), x.dtype)


def argmin(x, axis):
    """Return the position of the smallest element as a number; the axis stays with length 1."""
    return ops.cast(ops.argmin(x, axis=axis, keepdims=True), x.dtype)


def logcumsumexp(x, axis):
    """Return the running logsumexp along an axis; elements far below the largest keep their own running sum.

    Sums over 1, 2, 4, ... neighbours are joined in turn (Hillis & Steele 1986). An axis of unknown length is shifted by
    its largest element instead, and loses what lies far below that.
    """
    length = x.shape[axis]
    if length is None:
        high = ops.stop_gradient(ops.max(x, axis=axis, keepdims=True))
        high = ops.where(ops.isfinite(high), high, ops.zeros_like(high))
        return ops.log(ops.cumsum(ops.exp(x - high), axis=axis)) + high
    x, step = ops.moveaxis(x, axis, -1), 1
    while step < length:
        x = logaddexp(x, ops.concatenate([ops.full_like(x[..., :step], -math.inf), x[..., :-step]], axis=-1))
        step *= 2
    return ops.moveaxis(x, -1, axis)


def logcumsumexp_adjoint(u, x, f, axis):
    """Return the adjoint of `logcumsumexp`: for each element the later adjoints times its share in each."""
    u, x, f = (ops.moveaxis(part, axis, -1) for part in (u, x, f))
    shares = exp_difference(ops.expand_dims(x, -1), ops.expand_dims(f, -2))
    length = ops.shape(x)[-1]
    later = ops.expand_dims(ops.arange(length), -1) <= ops.expand_dims(ops.arange(length), 0)
    return ops.moveaxis(ops.sum(ops.where(later, ops.expand_dims(u, -2) * shares, ops.zeros_like(shares)), axis=-1), -1, axis)


def sort_adjoint(u, x, axis):
    """Return adjoints of sorted elements in the order of the unsorted ones."""
    return ops.take_along_axis(u, ops.argsort(ops.argsort(x, axis=axis), axis=axis), axis=axis)


def products_of_others(x, axis):
    """Return for each element the product of the others along axes, zeros included; ``None`` takes all axes."""
    if axis is None:
        return ops.reshape(products_of_others(ops.reshape(x, (-1,)), 0), ops.shape(x))
    if not isinstance(axis, int):
        last = tuple(range(-len(axis), 0))
        moved = ops.moveaxis(x, axis, last)
        flat = ops.reshape(moved, (*ops.shape(moved)[: -len(axis)], -1))
        return ops.moveaxis(ops.reshape(products_of_others(flat, -1), ops.shape(moved)), last, axis)
    x = ops.moveaxis(x, axis, -1)
    one = ops.ones_like(x[..., :1])
    before = ops.cumprod(ops.concatenate([one, x[..., :-1]], axis=-1), axis=-1)
    after = ops.flip(ops.cumprod(ops.concatenate([one, ops.flip(x, axis=-1)[..., :-1]], axis=-1), axis=-1), axis=-1)
    return ops.moveaxis(before * after, -1, axis)


# ---------------------------------------------------------------------------------------------------------- selection
def select(x, index):
    """Return one element of the last axis, which stays with length 1."""
    return x[..., index:] if index == -1 else x[..., index : index + 1]


def unselect(u, x, index=None, start=None, stop=None):
    """Return zeros of the shape of x with ``u`` at the selected places of the last axis."""
    if index is not None:
        length = ops.shape(x)[-1]
        place = ops.equal(ops.arange(length), index if index >= 0 else length + index)
        return ops.where(place, u, ops.zeros_like(x))
    before = [] if start is None else [ops.zeros_like(x[..., :start])]
    after = [] if stop is None else [ops.zeros_like(x[..., stop:])]
    return ops.concatenate([*before, u, *after], axis=-1) if before or after else u


def gather(x, i):
    """Return elements of the last axis of x at integer positions; of a vector, whole arrays of them."""
    i = ops.cast(i, "int32")
    if len(x.shape) == 1:
        return ops.take(x, i, axis=0)
    if i.shape[:-1] == x.shape[:-1]:
        return ops.take_along_axis(x, i, axis=-1)
    row = ops.expand_dims(x, -2)
    return ops.sum(ops.where(one_hot_rows(i, x), row, ops.zeros_like(row)), axis=-1)


def one_hot_rows(i, x):
    """Return for each position which element of the last axis of x it picks; negative positions count from the end."""
    length = ops.cast(ops.shape(x)[-1], "int32")
    i = ops.where(i < 0, i + length, i)
    return ops.equal(ops.expand_dims(i, -1), ops.cast(ops.arange(ops.shape(x)[-1]), "int32"))


def gather_adjoint(u, x, i):
    """Return zeros of the shape of x with ``u`` added at integer positions of the last axis."""
    u = ops.expand_dims(u, -1)
    spread = ops.where(one_hot_rows(ops.cast(i, "int32"), x), u, ops.zeros_like(u))
    if len(x.shape) == 1:
        return ops.sum(spread, axis=tuple(range(len(spread.shape) - 1)))
    return sum_to(ops.sum(spread, axis=-2), x)


def one_hot(y, n, dtype):
    """Return positions as ones among n zeros; a trailing axis of length 1 is replaced."""
    y = ops.cast(y, "int32")
    y = ops.squeeze(y, axis=-1) if len(y.shape) and y.shape[-1] == 1 else y
    return ops.cast(ops.equal(ops.cast(ops.expand_dims(y, -1), dtype), arange(n, dtype)), dtype)


def arange(n, dtype):
    """Return 0, 1, ..., n - 1; n may be a length that is known only when the program runs."""
    return ops.cast(ops.arange(ops.cast(n, "int32") if hasattr(n, "shape") and not isinstance(n, np.generic) else int(n)), dtype)


def vector(*items, dtype):
    """Return numbers one after the other as a vector."""
    return ops.stack([ops.convert_to_tensor(item, dtype) for item in items])


def concat(a, b):
    """Return a and b one after the other along the last axis; other axes broadcast."""
    dtype = getattr(a, "dtype", getattr(b, "dtype", None))  # a constant is a Python number
    a, b = (ops.convert_to_tensor(part, dtype) for part in (a, b))
    a, b = (part if len(part.shape) else ops.reshape(part, (1,)) for part in (a, b))
    a_lead, b_lead = ops.zeros_like(a[..., :1]), ops.zeros_like(b[..., :1])
    return ops.concatenate([a + b_lead, b + a_lead], axis=-1)


def unconcat_first(u, a):
    """Return the part of an adjoint that belongs to the first of two concatenated arrays."""
    return sum_to(u[..., : (ops.shape(a)[-1] if len(a.shape) else 1)], a)


def unconcat_last(u, b):
    """Return the part of an adjoint that belongs to the last of two concatenated arrays."""
    return sum_to(u[..., ops.shape(u)[-1] - (ops.shape(b)[-1] if len(b.shape) else 1) :], b)


# ----------------------------------------------------------------------------------------------------------- matrices
def offsets(x):
    """Return column minus row of every place of the last two axes."""
    rows, columns = ops.shape(x)[-2], ops.shape(x)[-1]
    return ops.expand_dims(ops.arange(columns), 0) - ops.expand_dims(ops.arange(rows), 1)


def transpose(x):
    """Exchange the last two axes."""
    return ops.swapaxes(x, -1, -2)


def eye_like(x):
    """Return 1 on the diagonal of the last two axes and 0 elsewhere."""
    return ops.cast(ops.equal(offsets(x), 0), x.dtype) + ops.zeros_like(x)


def diag(x):
    """Return the diagonal of the last two axes as a column."""
    return ops.sum(ops.where(ops.equal(offsets(x), 0), x, ops.zeros_like(x)), axis=-1, keepdims=True)


def triu(x):
    """Return x on and above the diagonal of the last two axes, else 0."""
    return ops.where(offsets(x) >= 0, x, ops.zeros_like(x))


def tril(x):
    """Return x on and below the diagonal of the last two axes, else 0."""
    return ops.where(offsets(x) <= 0, x, ops.zeros_like(x))
