"""Sums of exponentials and shares in them that emitted Keras code needs beyond ``keras.ops``.

They are copied into modules as those of ``keras_functions`` are. What one element leaves to the others is never found as a
difference from the whole, which has lost it where that element dominates.
"""

from __future__ import annotations

import math

from keras import ops

from losscompiler.runtime.keras_functions import alike


def exp_difference(x, total):
    """Return exp(x - total), and 0 where total is -inf."""
    empty = ops.equal(total, -math.inf)
    return ops.where(empty, ops.zeros_like(x), ops.exp(x - ops.where(empty, ops.zeros_like(total), total)))


def logaddexp(x, y):
    """Return log(exp(x) + exp(y)) without overflow; a tie shares the gradient."""
    x, y = alike(x, y)
    d = ops.where(ops.equal(x, y), ops.zeros_like(x - y), x - y)
    return ops.where(d > 0, x + ops.softplus(-d), y + ops.softplus(d))


def scaled_logaddexp(x, y, k):
    """Return log(exp(k*x) + exp(k*y))/k: the larger of x and y, or the smaller one for negative k, and a little more."""
    x, y, k = alike(x, y, k)
    d = ops.where(ops.equal(x, y), ops.zeros_like(x - y), x - y) * k
    return ops.where(d > 0, x + ops.softplus(-d) / k, y + ops.softplus(d) / k)


def shifted_exponentials(x, axis):
    """Return the largest elements of rows, exp(x - largest), and the sums of the exponentials that are 1 and of the others.

    The sum of the others keeps the digits that the whole sum loses where one element dominates.
    """
    high = ops.stop_gradient(ops.max(x, axis=axis, keepdims=True))
    high = ops.where(ops.isfinite(high), high, ops.zeros_like(high))
    e = ops.exp(x - high)
    top, none = ops.equal(e, 1.0), ops.zeros_like(e)
    tops = ops.sum(ops.where(top, e, none), axis=axis, keepdims=True)
    return high, e, tops, ops.sum(ops.where(top, none, e), axis=axis, keepdims=True)


def logsumexp(x, axis):
    """Return log(sum(exp(x))) along axes, which stay with length 1; a row of -inf gives -inf."""
    high, _, tops, rest = shifted_exponentials(x, axis)
    return high + ops.log1p((tops - 1.0) + rest)


def scaled_logsumexp(x, k, axis):
    """Return log(sum(exp(k*x)))/k along axes, which stay with length 1."""
    return logsumexp(k * x, axis) / k


def weighted_logsumexp(x, w, axis):
    """Return log(sum(w*exp(x))) along axes, which stay with length 1; what has no weight may be as large as it likes."""
    x = ops.where(ops.equal(w, 0.0), ops.full_like(x, -math.inf), x)
    high = ops.stop_gradient(ops.max(x, axis=axis, keepdims=True))
    high = ops.where(ops.isfinite(high), high, ops.zeros_like(high))
    return high + ops.log(ops.sum(w * ops.exp(x - high), axis=axis, keepdims=True))


def softmax(x, axis):
    """Return exp(x)/sum(exp(x)) along axes; a row of -inf gives zeros."""
    high = ops.stop_gradient(ops.max(x, axis=axis, keepdims=True))
    e = ops.exp(x - ops.where(ops.isfinite(high), high, ops.zeros_like(high)))
    total = ops.sum(e, axis=axis, keepdims=True)
    return e / ops.where(total > 0, total, ops.ones_like(total))


def softmax_adjoint(g, s, axis):
    """Return s*(g - sum(g*s)), the adjoint of softmax at s, with g counted from what it is at the largest s."""
    top = ops.equal(s, ops.max(s, axis=axis, keepdims=True))
    g = g - ops.max(ops.where(top, g, ops.full_like(g, -math.inf)), axis=axis, keepdims=True)
    return s * (g - ops.sum(g * s, axis=axis, keepdims=True))


def log_softmax(x, axis):
    """Return x - logsumexp(x) along axes."""
    high, _, tops, rest = shifted_exponentials(x, axis)
    return (x - high) - ops.log1p((tops - 1.0) + rest)


def log_softmax_adjoint(g, s, axis):
    """Return g - s*sum(g), the adjoint of log_softmax at softmax s, for g less a multiple of s that is g at the largest s.

    Such a multiple has no part in the result, and its cancellation would leave nothing where the largest s is almost 1.
    """
    high = ops.max(s, axis=axis, keepdims=True)
    top = ops.equal(s, high)
    high = ops.where(high > 0, high, ops.ones_like(high))
    g = g - ops.max(ops.where(top, g, ops.full_like(g, -math.inf)), axis=axis, keepdims=True) * (s / high)
    return g - s * ops.sum(g, axis=axis, keepdims=True)


def softmax_complement(x, axis):
    """Return 1 - softmax(x) along axes as a share of the others."""
    _, e, tops, rest = shifted_exponentials(x, axis)
    others = ops.where(ops.equal(e, 1.0), rest + (tops - e), tops + (rest - e))
    total = tops + rest
    return ops.where(total > 0, others, ops.ones_like(e)) / ops.where(total > 0, total, ops.ones_like(total))


def softmax_residual(x, y, axis):
    """Return y - softmax(x), for a label of 1 as a share of the others."""
    return ops.where(ops.equal(y, 1.0), softmax_complement(x, axis), y - softmax(x, axis))


def log_softmax_complement(x, axis):
    """Return log(1 - softmax(x)) along axes; for an element that dominates, from the logsumexp of the others."""
    high, e, tops, rest = shifted_exponentials(x, axis)
    top, alone = ops.equal(e, 1.0), tops < 1.5
    others = logsumexp(ops.where(top, ops.full_like(x, -math.inf), x), axis) - high
    together = ops.where(alone, ops.ones_like(tops), tops - 1.0) + rest
    largest = ops.where(alone, others, ops.log(together)) - ops.log(tops + rest)
    return ops.where(top, largest, ops.log1p(-ops.where(top, ops.zeros_like(e), e) / (tops + rest)))


def log_softmax_complement_adjoint(g, x, axis):
    """Return the adjoint of `log_softmax_complement`; what an element that dominates sends goes to shares of the others."""
    _, e, tops, rest = shifted_exponentials(x, axis)
    alone = ops.equal(e, 1.0) & (tops < 1.5)
    none = ops.zeros_like(e)
    s = e / (tops + rest)
    odds = ops.where(alone, none, g * s / (1.0 - ops.where(alone, none, s)))
    masked = ops.where(alone, ops.full_like(x, -math.inf), x)
    shares = ops.where(alone, none, exp_difference(masked, logsumexp(masked, axis)))
    sent = ops.sum(ops.where(alone, g * s, none), axis=axis, keepdims=True)
    return sent * shares + s * (ops.sum(odds, axis=axis, keepdims=True) - odds - g)
