"""Error, gamma and Bessel functions that emitted Keras code needs beyond ``keras.ops``, accurate for every argument.

They are copied into modules as those of ``keras_functions`` are. What a backend has is taken from it, in float64 where its
float32 is inaccurate.
"""

from __future__ import annotations

import math

import keras
from keras import ops

from losscompiler.runtime.keras_functions import backend_function, in_float64, maximum, minimum
from losscompiler.runtime.moment_functions import divided_difference, polynomial, unit_of

# ------------------------------------------------------------------------------------------------------ error functions
erfc = backend_function("math.erfc", "scipy.special.erfc", "special.erfc")


def erfinv(x):
    """Return the inverse of erf: Giles' approximation (2011, GPU Computing Gems) and two of Halley's steps."""
    return in_float64(wide_erfinv, x)


def wide_erfinv(x):
    """Return `erfinv` with the error of a few units of rounding."""
    end = ops.equal(ops.abs(x), 1.0)
    safe = ops.where(end, ops.zeros_like(x), x)
    w = -ops.log1p(-ops.square(safe))
    central = (
        1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087, -4.39150654e-06, -3.5233877e-06, 3.43273939e-07,
        2.81022636e-08,
    )  # fmt: skip
    tail = (
        2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773, -0.00367342844, 0.00134934322, 0.000100950558,
        -0.000200214257,
    )  # fmt: skip
    root = ops.sqrt(maximum(w, 5.0))
    y = safe * ops.where(w < 5.0, polynomial(central, minimum(w, 5.0) - 2.5), polynomial(tail, root - 3.0))
    for _ in range(2):
        # Where erf is close to 1 the error is that of erfc, so that 1 - abs(x) keeps its digits.
        upper = ops.sign(x) * ((1.0 - ops.abs(safe)) - erfc(ops.abs(y)))
        error = ops.where(ops.abs(safe) > 0.5, upper, ops.erf(y) - safe)
        step = error * ops.exp(ops.square(y)) * (0.5 * math.sqrt(math.pi))
        y = y - step / (1.0 + y * step)
    return ops.where(end, x * math.inf, y)


def erfcx(x):
    """Return exp(x**2)*erfc(x), by its asymptotic series (Abramowitz & Stegun 7.1.23) where erfc underflows."""
    return in_float64(wide_erfcx, x)


def wide_erfcx(x):
    """Return `erfcx` with the error of a few units of rounding."""
    limit = 10.0 if unit_of(x) < 2.0**-24 else 5.0
    far = x > limit
    near, large = ops.where(far, ops.zeros_like(x), x), ops.where(far, x, ops.full_like(x, limit))
    ratio, series = 0.5 / ops.square(large), ops.ones_like(x)
    for k in range(16, 0, -1):
        series = 1.0 - (2 * k - 1) * ratio * series
    return ops.where(far, series / (large * math.sqrt(math.pi)), ops.exp(ops.square(near)) * erfc(near))


def ndtr(x):
    """Return the standard normal distribution function."""
    return in_float64(lambda x: 0.5 * erfc(x * -math.sqrt(0.5)), x)


def log_ndtr(x):
    """Return the logarithm of the standard normal distribution function, by erfcx in the lower tail."""
    return in_float64(wide_log_ndtr, x)


def wide_log_ndtr(x):
    """Return `log_ndtr` with the error of a few units of rounding."""
    low = x < -1.0
    tail, rest = ops.where(low, x, -ops.ones_like(x)), ops.where(low, -ops.ones_like(x), x)
    lower = ops.log(0.5 * wide_erfcx(tail * -math.sqrt(0.5))) - 0.5 * ops.square(tail)
    return ops.where(low, lower, ops.log1p(-0.5 * erfc(rest * math.sqrt(0.5))))


def log_ndtr_and_square(x, u, w):
    """Return log(ndtr(x)) + w for w = (x**2 - u**2)/2."""
    return in_float64(wide_log_ndtr_and_square, x, u, w)


def wide_log_ndtr_and_square(x, u, w):
    """Return `log_ndtr_and_square`, in the lower tail by erfcx, whose logarithm has no square."""
    low = x < 0.0
    tail, rest = ops.where(low, x, ops.zeros_like(x)), ops.where(low, ops.zeros_like(x), x)
    return ops.where(low, ops.log(0.5 * wide_erfcx(tail * -math.sqrt(0.5))) - 0.5 * ops.square(u), wide_log_ndtr(rest) + w)


def scaled_ndtr_slope(x):
    """Return the derivative of log(ndtr(x)) + x**2/2."""
    return in_float64(wide_scaled_ndtr_slope, x)


def wide_scaled_ndtr_slope(x):
    """Return `scaled_ndtr_slope`, far in the lower tail by its asymptotic series (Abramowitz & Stegun 26.2.12)."""
    far = x < -30.0
    below = -1.0 / ops.where(far, x, -30.0 * ops.ones_like(x))
    series = below * polynomial([1.0, -2.0, 10.0, -74.0, 706.0, -8162.0], ops.square(below))
    rest = maximum(x, -30.0)
    near = rest + math.sqrt(2.0 / math.pi) / wide_erfcx(rest * -math.sqrt(0.5))
    return ops.where(far, series, near)


# ------------------------------------------------------------------------------------------------------- gamma functions
# In float32 they are off by up to a hundred units of rounding where they are compiled.
wide_lgamma = backend_function("math.lgamma", "scipy.special.gammaln", "special.gammaln")
wide_digamma = backend_function("math.digamma", "scipy.special.digamma", "special.digamma")


def lgamma(x):
    """Return the logarithm of the gamma function."""
    return in_float64(wide_lgamma, x)


def digamma(x):
    """Return the derivative of lgamma."""
    return in_float64(wide_digamma, x)


def polygamma(order, x):
    """Return the derivative of digamma of a whole order."""
    return in_float64(lambda x: wide_polygamma(int(order), x), x)


def wide_polygamma(order, x):
    """Return the backend's own `polygamma`, which underflows early in float32."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.math.polygamma(tf.cast(order, x.dtype) + tf.zeros_like(x), x)
    if keras.backend.backend() == "jax":
        from jax.scipy import special

        return special.polygamma(order, x)
    import torch

    # PyTorch's own polygamma is accurate to 5e-10 only at order 1; this is DLMF 5.15.1.
    return torch.special.digamma(x) if order == 0 else (-1) ** (order + 1) * math.factorial(order) * torch.special.zeta(order + 1.0, x)


BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)  # B2, B4, ...
STIRLING_FROM = 10  # where Stirling's series with these numbers is exact in float64


def binet_coefficients(k):
    """Return the asymptotic coefficients of `binet` in powers of 1/x (DLMF 5.11.1, differentiated k times)."""
    coefficients = [0.0] * (2 * len(BERNOULLI) + k)
    for m, number in enumerate(BERNOULLI, 1):
        coefficients[2 * m + k - 1] = (-1) ** k * number * math.factorial(2 * m + k - 2) / math.factorial(2 * m)
    return coefficients


def lgamma_difference(x, d):
    """Return lgamma(x + d) - lgamma(x) without cancellation for small d or large x."""
    return in_float64(wide_lgamma_difference, x, d)


def wide_lgamma_difference(x, d):
    """Return `lgamma_difference` by Stirling's series, term by term, after both arguments are moved up to where it holds."""
    positive, x, d, others = between_positives(x, d)
    low = minimum(x, x + d) < STIRLING_FROM
    start = ops.where(low, x + STIRLING_FROM, x)
    end = start + d
    rest = d / (start * end) * divided_difference(binet_coefficients(0), 1.0 / start, 1.0 / end)
    total = (start - 0.5) * ops.log1p(d / start) + (d * ops.log(end) - d) - rest
    base, step = ops.where(low, x, ops.ones_like(x)), ops.where(low, d, ops.zeros_like(x))
    for i in range(STIRLING_FROM):
        total = total - ops.log1p(step / (base + i))
    return ops.where(positive, total, wide_lgamma(others[1]) - wide_lgamma(others[0]))


def between_positives(x, d):
    """Return where x and x + d are positive, x and d there, and what x and x + d are elsewhere, where no series holds."""
    x, end = x + ops.zeros_like(d), x + d
    positive, one = minimum(x, end) > 0, ops.ones_like(end)
    return positive, ops.where(positive, x, one), ops.where(positive, d, one), (ops.where(positive, one, x), ops.where(positive, one, end))


def polygamma_difference(order, x, d):
    """Return polygamma(order, x + d) - polygamma(order, x) without cancellation for small d or large x."""
    return in_float64(lambda x, d: wide_polygamma_difference(int(order), x, d), x, d)


def wide_polygamma_difference(order, x, d):
    """Return `polygamma_difference` by the series of `binet`, after both arguments are moved up to where it holds."""
    positive, x, d, others = between_positives(x, d)
    low = minimum(x, x + d) < STIRLING_FROM
    start = ops.where(low, x + STIRLING_FROM, x)
    end = start + d
    sign = (-1) ** (order + 1)
    series = binet_coefficients(order + 1)
    series[order + 1] += sign * math.factorial(order) / 2
    if order:
        series[order] += sign * math.factorial(order - 1)
    total = -d / (start * end) * divided_difference(series, 1.0 / start, 1.0 / end)
    if not order:
        total = total + ops.log1p(d / start)
    base, step = ops.where(low, x, ops.ones_like(x)), ops.where(low, d, ops.zeros_like(x))
    for i in range(STIRLING_FROM):
        below, above = 1.0 / (base + i), 1.0 / (base + i + step)
        slope = divided_difference([0.0] * (order + 1) + [1.0], below, above)
        total = total - sign * math.factorial(order) * step * below * above * slope
    return ops.where(positive, total, wide_polygamma(order, others[1]) - wide_polygamma(order, others[0]))


def lbeta(x, y):
    """Return the logarithm of the beta function; by Stirling's series where both arguments are large."""
    return in_float64(wide_lbeta, x, y)


def wide_lbeta(x, y):
    """Return `lbeta` with the error of a few units of rounding."""
    small, large = minimum(x, y), maximum(x, y)
    far = small >= STIRLING_FROM
    a, b = (ops.where(far, value, ops.full_like(small, STIRLING_FROM)) for value in (small, large))
    series = binet_coefficients(0)
    rest = polynomial(series, 1.0 / a) + a / (b * (a + b)) * divided_difference(series, 1.0 / b, 1.0 / (a + b))
    stirling = 0.5 * math.log(2 * math.pi) - 0.5 * ops.log(a) - a * ops.log1p(b / a) - (b - 0.5) * ops.log1p(a / b) + rest
    near = ops.where(far, ops.ones_like(small), small)
    return ops.where(far, stirling, wide_lgamma(near) - wide_lgamma_difference(large, near))


def beta(x, y):
    """Return the beta function; a rounded logarithm would cost digits where it is large."""
    return in_float64(lambda x, y: ops.exp(wide_lbeta(x, y)), x, y)


def binet(k, x):
    """Return the k-th derivative of Binet's function lgamma(x) - ((x - 1/2)*log(x) - x + log(2*pi)/2)."""
    return in_float64(lambda x: wide_binet(int(k), x), x)


def wide_binet(k, x):
    """Return `binet` by its asymptotic series, and by its definition where x is small and nothing cancels."""
    far = x >= STIRLING_FROM
    near, large = ops.where(far, ops.ones_like(x), x), ops.where(far, x, ops.full_like(x, STIRLING_FROM))
    if k == 0:
        close = wide_lgamma(near) - ((near - 0.5) * ops.log(near) - near + 0.5 * math.log(2 * math.pi))
    elif k == 1:
        close = wide_digamma(near) - (ops.log(near) - 0.5 / near)
    else:
        leading = math.factorial(k - 2) / near ** (k - 1) + 0.5 * math.factorial(k - 1) / near**k
        close = wide_polygamma(k - 1, near) - (-1) ** k * leading
    return ops.where(far, polynomial(binet_coefficients(k), 1.0 / large), close)


def inverse_binet(k, x):
    """Return the k-th derivative of ``binet(0, 1/x)``."""
    return in_float64(lambda x: wide_inverse_binet(int(k), x), x)


def wide_inverse_binet(k, x):
    """Return `inverse_binet` by Stirling's series, which are powers of x, and by the chain rule (Lah 1954) for larger x.

    There terms cancel: a second derivative keeps eleven digits where x is just above 0.1.
    """
    near = x <= 1.0 / STIRLING_FROM
    small, far = ops.where(near, x, ops.zeros_like(x)), 1.0 / ops.where(near, ops.ones_like(x), x)
    powers = [math.perm(n, k) * number for n, number in enumerate(binet_coefficients(0))][k:]
    if k == 0:
        return ops.where(near, polynomial(powers, small), wide_binet(0, far))
    chain = [math.comb(k - 1, j - 1) * math.factorial(k) // math.factorial(j) for j in range(1, k + 1)]
    distant = sum(number * far ** (k + j) * wide_binet(j, far) for j, number in enumerate(chain, 1))
    return ops.where(near, polynomial(powers, small), (-1) ** k * distant)


# ------------------------------------------------------------------------------------------------------ Bessel functions
# Compiled code has no i0 and i1, and both scaled functions are off by up to ten units of rounding in float32.
backend_i0e = backend_function("math.special.bessel_i0e", "scipy.special.i0e", "special.i0e")
backend_i1e = backend_function("math.special.bessel_i1e", "scipy.special.i1e", "special.i1e")


def wide_i0e(x):
    """Return `i0e` in the dtype of x; JAX compiles its own to float32 inside a program of that."""
    return scaled_bessel(0, x) if keras.backend.backend() == "jax" else backend_i0e(x)


def wide_i1e(x):
    """Return `i1e` in the dtype of x."""
    return scaled_bessel(1, x) if keras.backend.backend() == "jax" else backend_i1e(x)


def scaled_bessel(order, x):
    """Return exp(-abs(x)) times the Bessel function of order 0 or 1, by Abramowitz & Stegun 9.6.10 and 9.7.1."""
    size = ops.abs(x)
    far = size > 24.0
    close, large = ops.where(far, ops.zeros_like(x), size), ops.where(far, size, ops.full_like(x, 24.0))
    quarter, series, tail = ops.square(0.5 * close), ops.ones_like(x), ops.ones_like(x)
    for k in range(48, 0, -1):
        series = 1.0 + quarter / (k * (k + order)) * series
    for k in range(20, 0, -1):
        tail = 1.0 - (4 * order**2 - (2 * k - 1) ** 2) / (8 * k) / large * tail
    near = ops.exp(-close) * series
    value = ops.where(far, tail / ops.sqrt(2 * math.pi * large), near * (0.5 * close) if order else near)
    return ops.sign(x) * value if order else value


def i0e(x):
    """Return exp(-abs(x))*i0(x)."""
    return in_float64(wide_i0e, x)


def i1e(x):
    """Return exp(-abs(x))*i1(x)."""
    return in_float64(wide_i1e, x)


def unscaled(scaled, x):
    """Return exp(abs(x)) times a scaled Bessel function, finite wherever the product is."""
    half = ops.exp(0.5 * ops.abs(x))
    return half * (half * scaled(x))


def i0(x):
    """Return the modified Bessel function of order 0."""
    return in_float64(lambda x: unscaled(wide_i0e, x), x)


def i1(x):
    """Return the modified Bessel function of order 1."""
    return in_float64(lambda x: unscaled(wide_i1e, x), x)


def bessel_ratio(x):
    """Return i1(x)/i0(x) without overflow."""
    return in_float64(lambda x: wide_i1e(x) / wide_i0e(x), x)


def bessel_ratio_complement(x):
    """Return 1 - i1(x)/i0(x), for large x by its asymptotic series."""
    return in_float64(wide_bessel_ratio_complement, x)


def wide_bessel_ratio_complement(x):
    """Return `bessel_ratio_complement`; the series follows from the equation A' = 1 - A**2 - A/x of the ratio A."""
    far = x > 100.0
    near, large = ops.where(far, ops.ones_like(x), x), ops.where(far, x, ops.full_like(x, 100.0))
    series = polynomial((0.0, 1 / 2, 1 / 8, 1 / 8, 25 / 128, 13 / 32, 1073 / 1024, 103 / 32), 1.0 / large)
    return ops.where(far, series, (wide_i0e(near) - wide_i1e(near)) / wide_i0e(near))


def log_i0(x):
    """Return log(i0(x)) without overflow; near 0, where it is about x**2/4, by the series of i0 (Abramowitz & Stegun 9.6.12)."""
    near = ops.abs(x) < 2.0
    quarter, series = ops.square(ops.where(near, x, ops.zeros_like(x)) / 2.0), ops.ones_like(x)
    for k in range(11, 1, -1):
        series = 1.0 + quarter / (k * k) * series
    return ops.where(near, ops.log1p(quarter * series), ops.abs(x) + ops.log(i0e(x)))


def log_i0e(x):
    """Return log(i0(x)) - x, of which nothing cancels where x is small."""
    low = x < 2.0
    near, far = ops.where(low, x, ops.zeros_like(x)), ops.where(low, ops.full_like(x, 2.0), x)
    return ops.where(low, log_i0(near) - near, ops.log(i0e(far)))
