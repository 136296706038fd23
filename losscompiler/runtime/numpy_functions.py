"""What emitted NumPy code says or computes in another way than Keras code.

A NumPy module is made of the same text as a Keras module, read with ``np.x`` for ``ops.x``, and copies the same functions of the
runtime, read in the same way. What stands here takes precedence: an assignment tells by which name NumPy or SciPy has a
function, and a definition replaces the one that Keras modules copy. Nothing here depends on the rest of the package.
"""

from __future__ import annotations

import functools
import inspect
import math

import numpy as np
from scipy import special

# ------------------------------------------------------------------------------------------------------- other names
cast = convert_to_tensor = stop_gradient = np.asarray  # nothing here is differentiated automatically
erf = special.erf
erfinv = special.erfinv
erfcx = special.erfcx
ndtr = special.ndtr
log_ndtr = special.log_ndtr
lgamma = special.gammaln
digamma = special.digamma
i0 = special.i0
i1 = special.i1
i0e = special.i0e
i1e = special.i1e
wide_i0e = special.i0e
wide_i1e = special.i1e
sigmoid = special.expit
log_sigmoid = special.log_expit
logaddexp = np.logaddexp
hypot = np.hypot
cbrt = np.cbrt
clip = np.clip
cumsum = np.cumsum
cumprod = np.cumprod


# ----------------------------------------------------------------------------------------------------------- programs
def common_dtype(*values):
    """Return float32 if every floating array among the values is float32 or narrower, else float64; lists and numbers follow."""
    given = [np.asarray(value).dtype for value in values if hasattr(value, "dtype")]
    sizes = [dtype.itemsize for dtype in given if dtype.kind == "f"]
    return "float32" if sizes and max(sizes) <= 4 else "float64"


def on_arrays(value_and_pullback):
    """Let a value and its pullback take whatever NumPy makes arrays of, and pass over NaN and infinity in silence, as tensors do.

    They compute in `common_dtype`. What they return are arrays of their own, never views of arguments or of each other.
    """
    signature = inspect.signature(value_and_pullback)

    @functools.wraps(value_and_pullback)
    def wrapped(*arguments, **named):
        given = signature.bind(*arguments, **named).args
        dtype = common_dtype(*given)
        with np.errstate(all="ignore"):
            loss, pullback = value_and_pullback(*(np.asarray(x, dtype) for x in given))

        def pull(upstream):
            with np.errstate(all="ignore"):
                return tuple(np.array(gradient) for gradient in pullback(np.full_like(loss, upstream)))

        return np.array(loss), pull

    return wrapped


def double_inside(value_and_pullback):
    """Let a value and its pullback compute in float64; arrays that come in and go out keep their dtype.

    It decorates losses that lose digits in float32: differences of almost equal numbers, or intermediate results beyond its range.
    """

    @functools.wraps(value_and_pullback)
    def wrapped(*arrays):
        dtype = arrays[0].dtype
        loss, pullback = value_and_pullback(*(np.asarray(x, "float64") for x in arrays))

        def narrow(upstream):
            return tuple(np.asarray(gradient, dtype) for gradient in pullback(np.asarray(upstream, "float64")))

        return np.asarray(loss, dtype), narrow

    return wrapped


# --------------------------------------------------------------------------------------------------------- functions
def align_input(data, *predictions):
    """Align data that belongs to samples as a target is; leave data of other lengths, such as tables, as it is."""
    rank = max((prediction.ndim for prediction in predictions), default=data.ndim)
    lead = next((prediction.shape[:-1] for prediction in predictions if prediction.ndim == rank), None)
    return data[..., np.newaxis] if data.shape == lead else data


def broadcast_to(x, like):
    """Repeat ``x`` to the shape of ``like``."""
    return np.broadcast_to(np.asarray(x, like.dtype), like.shape)


def relu(x):
    """Return max(x, 0)."""
    return np.maximum(x, 0.0)


def softplus(x):
    """Return log(1 + exp(x)) without overflow."""
    return np.logaddexp(x, 0.0)


def in_float64(function, *values):
    """Return ``function(*values)``, computed in float64 and rounded to the dtype of the values."""
    dtype = next(value.dtype for value in values if hasattr(value, "dtype"))
    return np.asarray(function(*(np.asarray(value, "float64") for value in values)), dtype)


def unit_of(x):
    """Return the largest relative error of rounding to the dtype of x."""
    return 0.5 * float(np.finfo(x.dtype).eps)


def wide_polygamma(order, x):
    """Return the derivative of digamma of a whole order."""
    return special.polygamma(order, x)


def mean(x, axis):
    """Return the mean along axes, which stay with length 1."""
    return np.mean(x, axis=axis, keepdims=True)


def prod(x, axis):
    """Return the product along axes, which stay with length 1."""
    return np.prod(x, axis=axis, keepdims=True)


def count(x, axis):
    """Return the number of elements along axes; ``None`` counts all."""
    lengths = x.shape if axis is None else [x.shape[i] for i in np.atleast_1d(axis)]
    return x.dtype.type(math.prod(lengths))


def arange(n, dtype):
    """Return 0, 1, ..., n - 1."""
    return np.arange(int(n), dtype=dtype)


def logcumsumexp(x, axis):
    """Return the running logsumexp along an axis; elements far below the largest keep their own running sum."""
    return np.logaddexp.accumulate(x, axis=axis)


def sort_adjoint(u, x, axis):
    """Return adjoints of sorted elements in the order of the unsorted ones; equal elements keep their order."""
    found = np.empty_like(x)
    np.put_along_axis(found, np.argsort(x, axis=axis, kind="stable"), u, axis=axis)
    return found
