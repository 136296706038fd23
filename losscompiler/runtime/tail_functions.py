"""Logarithms, complements and differences of functions with thin tails, which emitted Keras code needs beyond ``keras.ops``.

They are copied into modules as those of ``keras_functions`` are. What stands in the branch that is not taken is a harmless
number, so that no derivative through it is NaN.
"""

from __future__ import annotations

import math

from keras import ops

from losscompiler.runtime.keras_functions import alike, hypot, in_float64, log1mexp, maximum, minimum
from losscompiler.runtime.moment_functions import exp_mean, exp_moment, log1p_mean
from losscompiler.runtime.softmax_functions import logaddexp
from losscompiler.runtime.special_functions import ndtr, wide_erfcx, wide_log_ndtr


# ------------------------------------------------------------------------------------------- logarithms with a weight
def unless_both_zero(x, weight):
    """Return x, and 1 where x and the weight are both 0."""
    x, weight = alike(x, weight)
    return ops.where(ops.equal(x, 0.0) & ops.equal(weight, 0.0), ops.ones_like(x), x)


def weighted_log(x, weight):
    """Return log(x), and 0 where x and the weight by which it is multiplied are both 0."""
    return ops.log(unless_both_zero(x, weight))


def weighted_log1p(x, weight):
    """Return log(1 + x), and 0 where 1 + x and the weight by which it is multiplied are both 0."""
    x, weight = alike(x, weight)
    return ops.log1p(ops.where(ops.equal(x, -1.0) & ops.equal(weight, 0.0), ops.zeros_like(x), x))


def weighted_reciprocal(x, weight):
    """Return 1/x, and 0 where x and the weight by which it is multiplied are both 0."""
    x, weight = alike(x, weight)
    none = ops.equal(x, 0.0) & ops.equal(weight, 0.0)
    return ops.where(none, ops.zeros_like(x), 1.0 / ops.where(none, ops.ones_like(x), x))


def powm1(x, y):
    """Return x**y - 1, by expm1 where x**y is close to 1."""
    x, y = alike(x, y)
    exponent = y * ops.log(ops.where(x > 0, x, ops.ones_like(x)))
    near = (x > 0) & (ops.abs(exponent) < 0.5)
    return ops.where(near, ops.expm1(ops.where(near, exponent, ops.zeros_like(exponent))), ops.power(x, y) - 1.0)


def weighted_power(x, y, weight):
    """Return x**y, and 0 where x and the weight by which it is multiplied are both 0."""
    x, y, weight = alike(x, y, weight)
    none = ops.equal(x, 0.0) & ops.equal(weight, 0.0)
    return ops.where(none, ops.zeros_like(x), ops.power(ops.where(none, ops.ones_like(x), x), y))


def relative_difference(x, y):
    """Return (x - y)/y, also where the difference is too small or too large for a float."""
    x, y = alike(x, y)
    size, one = ops.abs(y), ops.ones_like(y)
    scale = ops.where(size < 1e-20, 2.0**40 * one, ops.where(size > 1e20, 2.0**-40 * one, one))
    return (x * scale - y * scale) / (y * scale)


def log_of_quotient(x, y, t, weight):
    """Return log((x + t)/(y + t)), by log1p where both are close; a sum counts for 1 where it and the weight are both 0."""
    x, y, t, weight = alike(x, y, t, weight)
    above, below = unless_both_zero(x + t, weight), unless_both_zero(y + t, weight)
    close = ops.abs(x - y) < 0.5 * ops.abs(below)
    # The difference of two small numbers may be too small for a float where the quotient is not.
    scale = ops.where((ops.abs(y) < 1e-20) & (ops.abs(below) < 1e20), ops.full_like(y, 2.0**40), ops.ones_like(y))
    near = ops.log1p(ops.where(close, x * scale - y * scale, ops.zeros_like(x)) / (below * scale))
    quotient = above / below
    # What a quotient loses below the smallest float and above the largest, logarithms do not.
    extreme = (ops.abs(quotient) < 1e-30) | (ops.abs(quotient) > 1e30)
    far = ops.where(extreme, ops.log(ops.abs(above)) - ops.log(ops.abs(below)), ops.log(quotient))
    return ops.where(close, near, far)


def entropy_of_quotient(x, y, t):
    """Return (x + t)*log((x + t)/(y + t)), and 0 where x + t is 0; where the quotient is almost 1 it is almost x - y."""
    x, y, t = alike(x, y, t)
    # Of an eighth of all three no sum overflows; the value is proportional to them.
    scale = ops.where(maximum(maximum(ops.abs(x), ops.abs(y)), ops.abs(t)) > 1e37, 0.125 * ops.ones_like(x), ops.ones_like(x))
    x, y, t = x * scale, y * scale, t * scale
    above, below = x + t, unless_both_zero(y + t, x + t)
    close = ops.abs(x - y) < 0.5 * ops.abs(below)
    near = ops.where(close, x - y, ops.zeros_like(x))
    small = near * (ops.where(close, above, ops.ones_like(x)) / below) * log1p_mean(near / below)
    none = ops.equal(above, 0.0)
    far = ops.where(none, ops.zeros_like(x), above * log_of_quotient(x, ops.where(none, x, y), t, above))
    return ops.where(close, small, far) / scale


def cosine_distance(a, b, c, d):
    """Return what the cosine of the angle between (a, b) and (c, d) lacks to 1; the products of four numbers take float64."""
    return in_float64(wide_cosine_distance, a, b, c, d)


def wide_cosine_distance(a, b, c, d):
    """Return `cosine_distance`, by the sine of the angle where that is acute."""
    inner, outer, size = a * c + b * d, a * d - b * c, hypot(a, b) * hypot(c, d)
    acute = inner > 0.0
    return ops.where(acute, (outer / size) * (outer / (size + ops.where(acute, inner, ops.zeros_like(inner)))), 1.0 - inner / size)


def part_of_sum(x, y):
    """Return x/(x + y)."""
    return x / (x + y)


def squared_root_difference(x, y, d):
    """Return (sqrt(x) - sqrt(y))**2 for d = x - y."""
    x, y = alike(x, y)
    return ops.square(d / unless_both_zero(ops.sqrt(x) + ops.sqrt(y), x))


def unit_slope_difference(u, v, d, w):
    """Return u/hypot(u, d) - v/hypot(v, d) for w = u - v."""
    u, v, d, w = alike(u, v, d, w)
    # Where both sides of hypot are 0, its slope is 0.
    left, right = unless_both_zero(hypot(u, d), d), unless_both_zero(hypot(v, d), d)
    alike_signs = ops.sign(u) * ops.sign(v) > 0.0
    below = ops.where(alike_signs, u / left + v / right, ops.ones_like(u))
    return ops.where(alike_signs, d / left * (d / left) * (w / right) * ((u + v) / right) / below, u / left - v / right)


def contrast(x, y):
    """Return (x - y)/(x + y), and 0 where both are 0, also where the sum is too small or too large for a float."""
    x, y = alike(x, y)
    size, one = maximum(ops.abs(x), ops.abs(y)), ops.ones_like(y)
    scale = ops.where(size < 1e-20, 2.0**40 * one, ops.where(size > 1e20, 2.0**-40 * one, one))
    return (x * scale - y * scale) / unless_both_zero(x * scale + y * scale, x)


# --------------------------------------------------------------------------------------------------- logistic functions
def log_softplus(x):
    """Return log(log(1 + exp(x))), by its series in exp(x) where that is small."""
    low = x < -12.0
    small, rest = ops.exp(ops.where(low, x, ops.full_like(x, -12.0))), ops.where(low, ops.zeros_like(x), x)
    return ops.where(low, x - small * (0.5 - small * (5.0 / 24.0)), ops.log(ops.softplus(rest)))


def logistic_entropy(x):
    """Return log(1 + exp(x)) - x*sigmoid(x), by what is left of it far from 0."""
    size = ops.abs(x)
    small, half = ops.exp(-size), ops.exp(-0.5 * size)
    return ops.where(size > 60.0, (1.0 + size) * half * half, ops.log1p(small) + size * (small / (1.0 + small)))


def sigmoid_difference(x, y):
    """Return sigmoid(y) - sigmoid(x) as a product."""
    x, y = alike(x, y)
    low, high = minimum(x, y), maximum(x, y)
    size = ops.sigmoid(high) * ops.sigmoid(-low) * -ops.expm1(low - high)
    return ops.where(y < x, -size, size)


def log_cloglog(x):
    """Return log(1 - exp(-exp(x))), by its series in exp(x) where that is small."""
    low = x < -12.0
    small, rest = ops.exp(ops.where(low, x, ops.full_like(x, -12.0))), ops.where(low, ops.zeros_like(x), x)
    return ops.where(low, x - small * (0.5 - small / 24.0), log1mexp(-ops.exp(rest)))


def reciprocal_expm1(x):
    """Return 1/(exp(x) - 1)."""
    return 1.0 / ops.expm1(x)


def scaled_square(w, x):
    """Return w*x**2, and 0 where one of the two is 0 and the other infinite."""
    w, x = alike(w, x)
    one = ops.ones_like(x)
    x, w = (
        ops.where(ops.equal(w, 0.0) & ops.equal(ops.abs(x), math.inf), one, x),
        ops.where(ops.equal(x, 0.0) & ops.equal(ops.abs(w), math.inf), one, w),
    )
    return w * x * x


def scaled_sigmoid(w, x):
    """Return w*sigmoid(x), as w*exp(x/2)**2 where sigmoid(x) is exp(x) and may be too small for a float."""
    w, x = alike(w, x)
    low = x < -40.0
    root = ops.exp(ops.where(low, x, ops.zeros_like(x)) / 2.0)
    return w * root * ops.where(low, root, ops.sigmoid(x))


def weighted_logaddexp(x, y, v, w):
    """Return log(v*exp(x) + w*exp(y)) without overflow, for weights of any sign."""
    x, y, v, w = alike(x, y, v, w)
    no_v, no_w = ops.equal(v, 0.0), ops.equal(w, 0.0)
    left = x + ops.log(ops.where(no_v, ops.ones_like(v), ops.abs(v)))
    right = y + ops.log(ops.where(no_w, ops.ones_like(w), ops.abs(w)))
    left, right = ops.where(no_v, right, left), ops.where(no_w, left, right)
    first = left >= right
    high, low = ops.where(first, left, right), ops.where(first, right, left)
    # One of the two is alone if the other's weight is 0.
    sign = ops.where(no_v, ops.sign(w), ops.where(no_w, ops.sign(v), ops.where(first, ops.sign(v), ops.sign(w))))
    alone = ops.logical_or(no_v, no_w)
    ratio = ops.where(alone, ops.zeros_like(v), ops.sign(v) * ops.sign(w) * ops.exp(low - high))
    # Of weights that add up to 1 nothing but the exponents is left where these are equal.
    close = ops.abs(x - y) < 1.0
    top = maximum(x, y)
    together = ops.where(close, v * ops.exp(x - top) + w * ops.exp(y - top), ops.ones_like(v))
    return ops.where(close, top + ops.log(together), high + ops.log1p(ratio) + ops.log(sign))


def log_zero_inflated(v, x, w):
    """Return log(1 + v*(exp(x) - 1)), where w is 1 - v, as log1p of how far it is from 1 where that is little."""
    v, x, w = alike(v, x, w)
    off = v * ops.expm1(ops.minimum(x, 1.0))
    little = ops.logical_and(ops.abs(off) < 0.5, x < 1.0)
    small = ops.exp(-ops.abs(x))
    far = ops.relu(x) + ops.log(ops.where(x > 0.0, v + w * small, w + v * small))
    # Without w, nothing is left of what underflows.
    tiny = x < -50.0
    far = ops.where(tiny, weighted_logaddexp(ops.zeros_like(x), ops.where(tiny, x, ops.zeros_like(x)), w, v), far)
    return ops.where(little, ops.log1p(ops.where(little, off, ops.zeros_like(off))), far)


def log1p_tanh(y, x):
    """Return log(1 + y*tanh(x)), as that of what it is of cosh(x) where it may be little."""
    y, x = alike(y, x)
    off = y * ops.tanh(x)
    near = ops.logical_or(ops.abs(off) < 0.5, ops.abs(y) > 1.0)
    small = ops.exp(-2.0 * ops.abs(x))
    total = ops.where(x > 0.0, 1.0 + y + (1.0 - y) * small, 1.0 - y + (1.0 + y) * small)
    # The smallest term is lost where exp(-2*abs(x)) underflows and the other factor is 0.
    empty = ops.equal(ops.where(x > 0.0, 1.0 + y, 1.0 - y), 0.0)
    log = ops.where(empty, math.log(2.0) - 2.0 * ops.abs(x), ops.log(ops.where(empty, ops.ones_like(total), total)))
    return ops.where(near, ops.log1p(ops.where(near, off, ops.zeros_like(off))), log - ops.log1p(small))


def log_logit_inflated(q, x):
    """Return log(sigmoid(q) + sigmoid(-q)*exp(x)) for x < 0, as log1p of what is missing to 1 where that is little."""
    q, x = alike(q, x)
    missing = -ops.sigmoid(-q) * ops.expm1(x)
    little = missing < 0.5
    far = logaddexp(ops.log_sigmoid(q) + ops.zeros_like(x), ops.log_sigmoid(-q) + x)
    return ops.where(little, ops.log1p(-ops.where(little, missing, ops.zeros_like(missing))), far)


# ------------------------------------------------------------------------------------------------- hyperbolic functions
def sech_squared(x):
    """Return 1/cosh(x)**2."""
    small = ops.exp(-2.0 * ops.abs(x))
    return 4.0 * small / ops.square(1.0 + small)


def log_sinhc(x):
    """Return log(sinh(x)/x), by the series of sinh near 0."""
    size = ops.abs(x)
    near = size < 1.0
    square, series = ops.square(ops.where(near, x, ops.zeros_like(x))), ops.ones_like(x)
    for k in range(9, 1, -1):
        series = 1.0 + square / (2 * k * (2 * k + 1)) * series
    far = ops.where(near, ops.ones_like(x), size)
    return ops.where(near, ops.log1p(square / 6.0 * series), far + ops.log(-ops.expm1(-2.0 * far) / (2.0 * far)))


def log_exp_mean(x):
    """Return log((exp(x) - 1)/x), and 0 at x = 0."""
    size, near = ops.abs(x), ops.abs(x) < 1.0
    close, far = 0.5 * ops.where(near, x, ops.ones_like(x)), ops.where(near, ops.ones_like(x), size)
    return ops.where(near, close + log_sinhc(close), ops.relu(x) + (ops.log(-ops.expm1(-far)) - ops.log(far)))


def reciprocal_exp_mean(x):
    """Return x/(exp(x) - 1), and 1 at x = 0."""
    zero = ops.equal(x, 0.0)
    size = ops.where(zero, ops.ones_like(x), ops.abs(x))
    falling, half = size / -ops.expm1(-size), ops.exp(-0.5 * ops.relu(x))
    return ops.where(zero, ops.ones_like(x), falling * half * half)


def exp_mean_slope(x):
    """Return exp(x)/(exp(x) - 1) - 1/x, and 1/2 at x = 0: the mean of t under the density exp(t*x) over 0 < t < 1."""
    size = ops.abs(x)
    near = size < 2.0
    close, far = ops.where(near, -size, ops.zeros_like(x)), ops.where(near, ops.full_like(x, 2.0), size)
    below = ops.where(near, exp_moment(1, close) / exp_mean(close), 1.0 / far - 1.0 / ops.expm1(far))
    return ops.where(x > 0, 1.0 - below, below)


def langevin(x):
    """Return cosh(x)/sinh(x) - 1/x, near 0 by Lambert's continued fraction of tanh."""
    size = ops.abs(x)
    near = size < 2.0
    square, fraction = ops.square(ops.where(near, x, ops.zeros_like(x))), ops.full_like(x, 27.0)
    for k in range(25, 1, -2):
        fraction = k + square / fraction
    far = ops.where(near, ops.full_like(x, 2.0), size)
    small = ops.exp(-2.0 * far)
    return ops.where(near, x / fraction, ops.sign(x) * ((1.0 + small) / (1.0 - small) - 1.0 / far))


# -------------------------------------------------------------------------------------------------- normal distribution
def reflected(x, y):
    """Return an interval's ends, reflected at 0 where the interval has more of the upper tail."""
    x, y = alike(x, y)
    upper = x + y > 0
    return ops.where(upper, -y, x), ops.where(upper, -x, y)


def ndtr_difference(x, y):
    """Return the normal distribution function's difference ndtr(y) - ndtr(x)."""
    return in_float64(wide_ndtr_difference, x, y)


def wide_ndtr_difference(x, y):
    """Return `ndtr_difference` with the error of a few units of rounding; near 0 both values are close to 1/2."""
    low, high = reflected(x, y)
    near = (ops.abs(low) < 1.0) & (ops.abs(high) < 1.0)
    centre = 0.5 * (ops.erf(high * math.sqrt(0.5)) - ops.erf(low * math.sqrt(0.5)))
    return ops.where(near, centre, ndtr(high) - ndtr(low))


def log_ndtr_difference(x, y):
    """Return log(ndtr(y) - ndtr(x)) for x < y."""
    return in_float64(wide_log_ndtr_difference, x, y)


def wide_log_ndtr_difference(x, y):
    """Return `log_ndtr_difference` with the error of a few units of rounding."""
    low, high = reflected(x, y)
    inside, one = (low > -10.0) & (high - low < 1.0), ops.ones_like(low)
    # Where both logarithms round to one number, their difference has nothing left of a narrow interval.
    plain = wide_ndtr_difference(ops.where(inside, low, -one), ops.where(inside, high, one))
    whole = wide_log_ndtr(ops.where(inside, -9.0 * one, high))
    tail = whole + log1mexp(wide_log_ndtr(ops.where(inside, -10.0 * one, low)) - whole)
    return ops.where(inside, ops.log(plain), tail)


def density(z):
    """Return the standard normal density."""
    return ops.exp(-0.5 * ops.square(z)) / math.sqrt(2.0 * math.pi)


def improvement(z):
    """Return h = z*ndtr(z) + density(z), ndtr(z) and density(z), for z < -1 over the density, and z + ndtr(z)/h.

    For z < -1 these are built of Mills' ratio, far out by its asymptotic series (Abramowitz & Stegun 26.2.12).
    """
    low, far = z < -1.0, z < -15.0
    size = -ops.where(low, z, -ops.ones_like(z))
    mills = math.sqrt(0.5 * math.pi) * wide_erfcx(size * math.sqrt(0.5))
    square = ops.square(1.0 / ops.where(far, size, ops.full_like(z, 15.0)))
    missing, more = ops.ones_like(z), ops.full_like(z, 26.0)
    for k in range(13, 0, -1):
        missing = 1.0 - (2 * k + 1) * square * missing
        more = 2.0 * k - (2 * k + 1) * square * more
    near = 1.0 - ops.where(far, ops.zeros_like(z), size * mills)
    rest = ops.where(low, ops.zeros_like(z), z)
    whole = rest * ndtr(rest) + density(rest)
    h = ops.where(low, ops.where(far, square * missing, near), whole)
    probability = ops.where(low, mills, ndtr(rest))
    gap = ops.where(far, more / (size * missing), z + probability / h)
    return h, probability, ops.where(low, ops.ones_like(z), density(rest)), gap


def log_expected_improvement(x, s):
    """Return log(x*ndtr(x/s) + s*density(x/s)), in the lower tail as in Ament et al. 2023."""
    return in_float64(wide_log_expected_improvement, x, s)


def wide_log_expected_improvement(x, s):
    """Return `log_expected_improvement` with the error of a few units of rounding."""
    z = x / s
    scaled = ops.where(z < -1.0, 0.5 * ops.square(z) + 0.5 * math.log(2.0 * math.pi), ops.zeros_like(z))
    return ops.log(s) + (ops.log(improvement(z)[0]) - scaled)


def wide_shares(z):
    """Return ndtr(z)/h, density(z)/h and z + ndtr(z)/h for h = z*ndtr(z) + density(z)."""
    h, probability, part, gap = improvement(z)
    return probability / h, part / h, gap


def ndtr_in_improvement(z):
    """Return ndtr(z)/(z*ndtr(z) + density(z))."""
    return in_float64(lambda z: wide_shares(z)[0], z)


def density_in_improvement(z):
    """Return density(z)/(z*ndtr(z) + density(z))."""
    return in_float64(lambda z: wide_shares(z)[1], z)


def improvement_gap(z):
    """Return z + ndtr(z)/(z*ndtr(z) + density(z))."""
    return in_float64(lambda z: wide_shares(z)[2], z)
