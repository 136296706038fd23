"""Functions along axes, selections and matrices that emitted Keras code needs beyond ``keras.ops``.

They are copied into modules as those of ``keras_functions`` are.
"""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from losscompiler.runtime.keras_functions import sum_to
from losscompiler.runtime.softmax_functions import exp_difference, logaddexp


# ------------------------------------------------------------------------------------------------------ along an axis
def mean(x, axis):
    """Return the mean along axes, which stay with length 1; ``keras.ops.mean`` would go through float32 on JAX and PyTorch."""
    if keras.backend.standardize_dtype(x.dtype) != "float64":
        return ops.mean(x, axis=axis, keepdims=True)
    return ops.sum(x, axis=axis, keepdims=True) / count(x, axis)


def prod(x, axis):
    """Return the product along axes, which stay with length 1; ``keras.ops.prod`` alone would round to float32 on PyTorch."""
    return ops.prod(x, axis=axis, keepdims=True, dtype=keras.backend.standardize_dtype(x.dtype))


def cumsum(x, axis):
    """Return the running sum along an axis; ``keras.ops.cumsum`` would round to float32 on PyTorch."""
    return x.cumsum(axis) if keras.backend.backend() == "torch" else ops.cumsum(x, axis=axis)


def cumprod(x, axis):
    """Return the running product along an axis; ``keras.ops.cumprod`` would round to float32 on PyTorch."""
    return x.cumprod(axis) if keras.backend.backend() == "torch" else ops.cumprod(x, axis=axis)


def count(x, axis):
    """Return the number of elements along axes; ``None`` counts all."""
    shape = tuple(x.shape)
    picked = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    lengths = [shape[i] for i in picked]
    if None not in lengths:
        dtype = keras.backend.standardize_dtype(x.dtype)
        if keras.backend.backend() == "torch":
            # PyTorch computes with no NumPy number of bfloat16, and Keras makes float32 of one of float64 there.
            return ops.convert_to_tensor(float(math.prod(lengths)), dtype)
        # A NumPy number and not Python's: functions of it alone then keep the dtype, and it still serves as a length.
        return np.asarray(math.prod(lengths), dtype)[()]
    dynamic = ops.shape(x)
    return ops.cast(math.prod([dynamic[i] for i in picked]), x.dtype)


def norm(x, axis):
    """Return the Euclidean norm along axes, which stay with length 1, scaled so that squares neither overflow nor underflow."""
    high = ops.max(ops.abs(x), axis=axis, keepdims=True)
    scale = ops.where((high > 0) & ops.isfinite(high), high, ops.ones_like(high))
    return scale * ops.sqrt(ops.sum(ops.square(x / scale), axis=axis, keepdims=True))


def unit_vector(x, axis):
    """Return x divided by its Euclidean norm."""
    return x / norm(x, axis)


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
        return ops.log(cumsum(ops.exp(x - high), axis=axis)) + high
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
    before = cumprod(ops.concatenate([one, x[..., :-1]], axis=-1), axis=-1)
    after = ops.flip(cumprod(ops.concatenate([one, ops.flip(x, axis=-1)[..., :-1]], axis=-1), axis=-1), axis=-1)
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
