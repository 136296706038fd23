"""Integrals that stand in emitted Keras code where a closed form is 0/0 at a point and loses its digits close to it.

Such as that of ``exp(t*x)`` over 0 < t < 1 for ``(exp(x) - 1)/x``. They are accurate for every argument, in float32 and float64,
and copied into modules as the functions of ``keras_functions`` are.
"""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from losscompiler.runtime.keras_functions import asinh, in_float64, minimum


# ---------------------------------------------------------------------------------------------------------- polynomials
def unit_of(x):
    """Return the largest relative error of rounding to the dtype of x, at most that of float32."""
    return 2.0**-53 if keras.backend.standardize_dtype(x.dtype) == "float64" else 2.0**-24


def polynomial(coefficients, x):
    """Return the sum of coefficients[n]*x**n, by Horner's rule."""
    total = ops.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total


def divided_difference(coefficients, a, b):
    """Return (P(b) - P(a))/(b - a) of a polynomial P, and its derivative where a = b."""
    value, slope = ops.full_like(b, coefficients[-1]), ops.zeros_like(b)
    for coefficient in coefficients[-2::-1]:
        slope = slope * a + value
        value = value * b + coefficient
    return slope


def terms_needed(growth, unit):
    """Return the number n of terms after which growth**n/n! is below a tenth of a unit of rounding."""
    count, term = 1, growth
    while term > 0.1 * unit:
        count += 1
        term *= growth / count
    return count


# ------------------------------------------------------------------------------------------------- exponential integrals
def centred_moments(k, count):
    """Return the first Taylor coefficients of exp(-x/2)*exp_moment(k, x), the integral of (1/2 + s)**k*exp(s*x) over abs(s) < 1/2."""
    coefficients = []
    for n in range(count):
        even = [i for i in range(k + 1) if (i + n) % 2 == 0]
        integral = sum(math.comb(k, i) * 0.5 ** (k - i) * 0.5 ** (i + n) / (i + n + 1) for i in even)
        coefficients.append(integral / math.factorial(n))
    return coefficients


def exp_mean(x):
    """Return (exp(x) - 1)/x, the mean of exp over the interval from 0 to x, and 1 at x = 0."""
    zero, large = ops.equal(x, 0.0), x > 80.0
    x = ops.where(zero, ops.ones_like(x), minimum(x, 1e4))
    # Beyond 80 the quotient is still finite where exp(x) no longer is.
    half = ops.exp(0.5 * ops.where(large, x, ops.zeros_like(x)))
    return ops.where(zero, ops.ones_like(x), ops.where(large, half * (half / x), ops.expm1(x) / x))


def exp_moment(k, x):
    """Return the integral of t**k*exp(t*x) over 0 < t < 1, for a whole k.

    By its Taylor series about t = 1/2, whose terms hardly cancel, near 0; far from 0 by parts, which loses no digits there.
    """
    k = int(k)
    if k == 0:
        return exp_mean(x)
    reach = 2.0 + k
    near = ops.abs(x) < reach
    close, far = ops.where(near, x, ops.zeros_like(x)), ops.where(near, ops.full_like(x, reach), minimum(x, 1e4))
    series = ops.exp(0.5 * close) * polynomial(centred_moments(k, terms_needed(reach / 2, unit_of(x))), close)
    half = ops.exp(0.5 * far)
    end, moment = half * (half / far), exp_mean(far)
    # Of two infinite terms the first is the larger.
    infinite = ops.equal(end, math.inf)
    for i in range(1, k + 1):
        moment = ops.where(infinite, end, end - i * (moment / far))
    return ops.where(near, series, moment)


def log1p_mean(x):
    """Return log1p(x)/x, the mean of 1/(1 + t) between 0 and x, and 1 at x = 0."""
    zero = ops.equal(x, 0.0)
    x = ops.where(zero, ops.ones_like(x), x)
    mean = ops.where(ops.equal(x, math.inf), ops.zeros_like(x), ops.log1p(x) / x)
    return ops.where(zero, ops.ones_like(x), mean)


def log1p_moment(k, x):
    """Return the integral of t**k/(1 + t*x)**(k + 1) over 0 < t < 1, for a whole k and x > -1.

    With u = log1p(x) it is u/x**(k + 1) times the integral of (1 - exp(-s*u))**k over 0 < s < 1: near 0 its Taylor series,
    far from 0 integration by parts.
    """
    return log1p_mean(x) if k == 0 else in_float64(lambda x: wide_log1p_moment(int(k), x), x)


def reciprocal_mean(x):
    """Return log(x)/(x - 1), and 1 at x = 1."""
    far = x < 0.5
    small, near = ops.where(far, x, ops.full_like(x, 0.5)), ops.where(far, ops.ones_like(x), x)
    return ops.where(far, ops.log(small) / (small - 1.0), log1p_mean(near - 1.0))


def wide_log1p_moment(k, x):
    """Return `log1p_moment` for k > 0 with the error of a few units of rounding."""
    u, mean = ops.log1p(x), log1p_mean(x)
    near = ops.abs(u) < 2.0
    close, far = ops.where(near, u, ops.zeros_like(u)), ops.where(near, ops.full_like(x, 6.0), x)
    count = terms_needed(2.0 * k, unit_of(x))
    factor, powers = [(-1) ** n / math.factorial(n + 1) for n in range(count)], [1.0]
    for _ in range(k):
        powers = np.convolve(powers, factor)[:count]
    series = polynomial([float(c) / (k + 1 + n) for n, c in enumerate(powers)], close)
    for _ in range(k + 1):
        series = series * mean
    moment, share, end = log1p_mean(far), 1.0 / (1.0 + far), ops.ones_like(x)
    for i in range(1, k + 1):
        end = end * share
        moment = (moment - end / i) / far
    return ops.where(near, series, moment)


def asinh_moment(k, x):
    """Return the integral of t**(2*k)/(1 + t**2*x**2)**(k + 1/2) over 0 < t < 1, for a whole k."""
    return in_float64(lambda x: wide_asinh_moment(int(k), x), x)


def wide_asinh_moment(k, x):
    """Return `asinh_moment` by its Taylor series near 0 and by parts far from it."""
    size = ops.abs(x)
    near = size < 0.5
    close, far = ops.where(near, x, ops.zeros_like(x)), ops.where(near, ops.ones_like(x), size)
    coefficients, binomial = [], 1.0
    for n in range(30):
        coefficients.append(binomial / (2 * k + 2 * n + 1))
        binomial *= -(k + 0.5 + n) / (n + 1)
    u, share = asinh(far), 1.0 / ops.sqrt(1.0 + 1.0 / ops.square(far))
    moment, end = u / far, share / far
    for i in range(1, k + 1):
        moment = (moment - end / (2 * i - 1)) / ops.square(far)
        end = end * ops.square(share) / ops.square(far)
    return ops.where(near, polynomial(coefficients, ops.square(close)), moment)


def expm1mx(x):
    """Return exp(x) - 1 - x, near 0 by the Taylor series of exp(-x/2)*(exp(x) - 1 - x)/x**2."""
    near = ops.abs(x) < 2.0
    close = ops.where(near, x, ops.zeros_like(x))
    count = terms_needed(1.0, unit_of(x))
    zeroth, first = centred_moments(0, count), centred_moments(1, count)
    series = polynomial([a - b for a, b in zip(zeroth, first, strict=True)], close)
    return ops.where(near, ops.square(close) * (ops.exp(0.5 * close) * series), ops.expm1(x) - x)


def log1pmx(x):
    """Return log(1 + x) - x, which is -expm1mx(log(1 + x))."""
    u = ops.log1p(x)
    near = u < 1.5
    return ops.where(near, -expm1mx(ops.where(near, u, ops.zeros_like(u))), u - x)


# ------------------------------------------------------------------------------------------------ derivatives by a scale
def atan_remainder(x):
    """Return atan(x) - x/(1 + x**2) without cancellation for small x."""
    return in_float64(wide_atan_remainder, x)


def wide_atan_remainder(x):
    """Return `atan_remainder` by the difference of both series where x is small, each term 2n/(2n + 1) of x**(2n + 1)."""
    near = ops.abs(x) < 0.25
    small = ops.where(near, x, ops.zeros_like(x))
    series = polynomial([(-1) ** n * 2.0 * (n + 1) / (2 * n + 3) for n in range(14)], ops.square(small)) * ops.square(small) * small
    large = ops.where(near, ops.ones_like(x), x)
    return ops.where(near, series, ops.arctan(large) - 1.0 / (large + 1.0 / large))


def sine_remainder(x):
    """Return sin(x) - x*cos(x) without cancellation for small x."""
    return in_float64(wide_sine_remainder, x)


def wide_sine_remainder(x):
    """Return `sine_remainder` by the difference of both series where x is small, each term 2n/(2n + 1)! of x**(2n + 1)."""
    near = ops.abs(x) < 1.0
    small = ops.where(near, x, ops.zeros_like(x))
    series = polynomial([(-1) ** n * 2.0 * (n + 1) / math.factorial(2 * n + 3) for n in range(9)], ops.square(small))
    large = ops.where(near, ops.ones_like(x), x)
    return ops.where(near, series * ops.square(small) * small, ops.sin(large) - large * ops.cos(large))


def log_cosh_remainder(x):
    """Return 2*log(cosh(x)) - x*tanh(x) without cancellation for small x."""
    return in_float64(wide_log_cosh_remainder, x)


def wide_log_cosh_remainder(x):
    """Return `log_cosh_remainder` by the difference of both series where x is small."""
    tangents = [1.0]
    for n in range(1, 16):
        # The coefficients t of tanh, whose derivative is 1 - tanh**2; those of log(cosh) are t/2n.
        tangents.append(-sum(tangents[i] * tangents[n - 1 - i] for i in range(n)) / (2 * n + 1))
    near = ops.abs(x) < 0.5
    small = ops.where(near, x, ops.zeros_like(x))
    series = polynomial([(2 - 2 * n) * tangents[n - 1] / (2 * n) for n in range(2, 17)], ops.square(small))
    large = ops.where(near, ops.ones_like(x), ops.abs(x))
    double = 2.0 * (large + ops.log1p(ops.exp(-2.0 * large)) - math.log(2.0))
    return ops.where(near, series * ops.square(ops.square(small)), double - large * ops.tanh(large))
