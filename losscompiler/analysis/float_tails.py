"""Functions with thin tails in float64, for `floats`: where their definitions overflow, underflow or cancel."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


def thin_tails(log_ndtr: Callable[[Any], Any], erfcx: Callable[[Any], Any]) -> dict[str, Callable[..., Any]]:
    """Return NumPy functions by operation; ``log_ndtr`` and ``erfcx`` are those of arrays."""
    import numpy as np

    def exps(x: Any, axis: Any) -> tuple[Any, Any, Any, Any]:
        """Return rows less their largest element, their exponentials, and sums of those that are 1 and of the others."""
        top = np.max(x, axis=axis, keepdims=True)
        shifted = x - np.where(np.isfinite(top), top, 0.0)
        e = np.exp(shifted)
        return shifted, e, np.sum(e == 1, axis=axis, keepdims=True), np.sum(np.where(e == 1, 0.0, e), axis=axis, keepdims=True)

    def log1mexp(x: Any) -> Any:
        return np.where(x > -math.log(2), np.log(-np.expm1(x)), np.log1p(-np.exp(x)))

    def reflected(x: Any, y: Any) -> tuple[Any, Any]:
        return np.where(x + y > 0, -y, x), np.where(x + y > 0, -x, y)

    def log_ndtr_difference(x: Any, y: Any) -> Any:
        low, high = (log_ndtr(end) for end in reflected(x, y))
        return high + log1mexp(low - high)

    def ndtr_difference(x: Any, y: Any) -> Any:
        low, high = reflected(x, y)
        return np.exp(log_ndtr(high)) - np.exp(log_ndtr(low))

    def log_logit_inflated(q: Any, x: Any) -> Any:
        missing = np.exp(-np.logaddexp(0, q)) * -np.expm1(x)
        return np.where(missing < 0.5, np.log1p(-missing), np.logaddexp(-np.logaddexp(0, -q), x - np.logaddexp(0, q)))

    def log1p_tanh(y: Any, x: Any) -> Any:
        small = np.exp(-2 * np.abs(x))
        one, other = np.where(x > 0, 1 + y, 1 - y), np.where(x > 0, 1 - y, 1 + y)
        far = np.where(one == 0, np.log(other) - 2 * np.abs(x), np.log(one + other * small)) - np.log1p(small)
        return np.where((np.abs(y * np.tanh(x)) < 0.5) | (np.abs(y) > 1), np.log1p(y * np.tanh(x)), far)

    def sigmoid_difference(x: Any, y: Any) -> Any:
        low, high = np.minimum(x, y), np.maximum(x, y)
        return np.sign(y - x) * np.exp(-np.logaddexp(0, low) - np.logaddexp(0, -high)) * -np.expm1(low - high)

    def log_expected_improvement(x: Any, s: Any) -> Any:
        # Far out the asymptotic series of 1 less z times Mills' ratio, Abramowitz & Stegun 26.2.12.
        z = np.asarray(x, dtype=float) / s
        far, near = np.minimum(z, -12.0), np.maximum(z, -12.0)
        series = sum((-1) ** (k + 1) * math.prod(range(1, 2 * k, 2)) / far ** (2 * k) for k in range(1, 9))
        tail = np.log(series) - 0.5 * np.square(z) - 0.5 * math.log(2 * math.pi)
        rest = np.log(near * np.exp(log_ndtr(near)) + np.exp(-0.5 * near**2) / math.sqrt(2 * math.pi))
        return np.log(s) + np.where(z < -12, tail, rest)

    def langevin(x: Any) -> Any:
        near = np.where(np.abs(x) < 2, x, 0.0)
        fraction: Any = 27.0
        for k in range(25, 1, -2):
            fraction = k + near**2 / fraction
        return np.where(np.abs(x) < 2, near / fraction, 1 / np.tanh(x) - 1 / np.asarray(x))

    def log_sinhc(x: Any) -> Any:
        size = np.abs(x)
        series = sum(np.minimum(size, 1.0) ** (2 * k) / math.factorial(2 * k + 1) for k in range(1, 10))
        return np.where(size < 1, np.log1p(series), size + np.log(-np.expm1(-2 * size) / (2 * size)))

    def log_softmax_complement(x: Any, axis: Any) -> Any:
        shifted, e, tops, rest = exps(x, axis)
        others = np.where(e == 1, -np.inf, shifted)
        most = np.max(others, axis=axis, keepdims=True)
        log_rest = most + np.log(np.sum(np.exp(others - np.where(np.isfinite(most), most, 0.0)), axis=axis, keepdims=True))
        largest = np.where(tops == 1, log_rest, np.log(tops - 1 + rest)) - np.log(tops + rest)
        return np.where(e == 1, largest, np.log1p(-np.where(e == 1, 0.0, e) / (tops + rest)))

    def softmax_complement(x: Any, axis: Any) -> Any:
        _, e, tops, rest = exps(x, axis)
        return np.where(e == 1, rest + (tops - 1), tops + (rest - e)) / (tops + rest)

    def softmax_residual(x: Any, y: Any, axis: Any) -> Any:
        _, e, tops, rest = exps(x, axis)
        return np.where(np.asarray(y) == 1, softmax_complement(x, axis), y - e / (tops + rest))

    def at_largest(g: Any, s: Any, axis: Any) -> Any:
        return np.max(np.where(s == np.max(s, axis=axis, keepdims=True), g, -np.inf), axis=axis, keepdims=True)

    def softmax_adjoint(g: Any, s: Any, axis: Any) -> Any:
        g = g - at_largest(g, s, axis)
        return s * (g - np.sum(g * s, axis=axis, keepdims=True))

    def log_softmax_adjoint(g: Any, s: Any, axis: Any) -> Any:
        g = g - at_largest(g, s, axis) * (s / np.max(s, axis=axis, keepdims=True))
        return g - s * np.sum(g, axis=axis, keepdims=True)

    def weighted_logaddexp(x: Any, y: Any, v: Any, w: Any) -> Any:
        left, right = x + np.log(np.abs(v)), y + np.log(np.abs(w))
        high, low, sign = np.maximum(left, right), np.minimum(left, right), np.where(left >= right, np.sign(v), np.sign(w))
        apart = high + np.log1p(np.sign(v) * np.sign(w) * np.exp(np.where(low == -np.inf, -np.inf, low - high))) + np.log(sign)
        top = np.maximum(x, y)
        return np.where(np.abs(np.subtract(x, y)) < 1, top + np.log(v * np.exp(x - top) + w * np.exp(y - top)), apart)

    def log_zero_inflated(v: Any, x: Any, w: Any) -> Any:
        small = np.exp(-np.abs(x))
        near = v * np.expm1(np.minimum(x, 1.0))
        far = np.maximum(x, 0.0) + np.log(np.where(x > 0, v + w * small, w + v * small))
        far = np.where(x < -50, weighted_logaddexp(0.0, np.minimum(x, 0.0), w, v), far)
        return np.where((np.abs(near) < 0.5) & (x < 1), np.log1p(near), far)

    def none(x: Any, weight: Any) -> Any:
        return (np.asarray(x) == 0) & (np.asarray(weight) == 0)

    def powm1(x: Any, y: Any) -> Any:
        exponent = y * np.log(np.where(np.asarray(x) > 0, x, 1.0))
        near = (np.asarray(x) > 0) & (np.abs(exponent) < 0.5)
        return np.where(near, np.expm1(np.where(near, exponent, 0.0)), np.power(np.asarray(x, dtype=float), y) - 1.0)

    def atan_remainder(x: Any) -> Any:
        square = np.square(x)
        series = x * square * sum((-1) ** n * 2 * (n + 1) / (2 * n + 3) * square**n for n in range(14))
        return np.where(square < 0.0625, series, np.arctan(x) - x / (1 + square))

    def scaled_square(w: Any, x: Any) -> Any:
        opposite = ((np.asarray(w) == 0) & np.isinf(x)) | ((np.asarray(x) == 0) & np.isinf(w))
        return np.where(opposite, 0.0, w * np.square(x))

    def sine_remainder(x: Any) -> Any:
        square = np.square(x)
        series = x * square * sum((-1) ** n * 2 * (n + 1) / math.factorial(2 * n + 3) * square**n for n in range(9))
        return np.where(square < 1, series, np.sin(x) - x * np.cos(x))

    def log_cosh_remainder(x: Any) -> Any:
        size, tangents = np.abs(x), [1.0]
        for n in range(1, 16):
            tangents.append(-sum(tangents[i] * tangents[n - 1 - i] for i in range(n)) / (2 * n + 1))
        series = size**4 * sum((2 - 2 * n) * tangents[n - 1] / (2 * n) * size ** (2 * n - 4) for n in range(2, 17))
        return np.where(size < 0.5, series, 2 * (size + np.log1p(np.exp(-2 * size)) - math.log(2)) - size * np.tanh(size))

    def reciprocal_mean(x: Any) -> Any:
        u = np.asarray(x, dtype=float) - 1
        return np.where(u == 0, 1.0, np.where(u < -0.5, np.log(x), np.log1p(u)) / np.where(u == 0, 1.0, u))

    def unit_slope_difference(u: Any, v: Any, d: Any, w: Any) -> Any:
        left, right = np.hypot(u, d), np.hypot(v, d)
        below = np.where(np.sign(u) * np.sign(v) > 0, u / left + v / right, 1.0)
        return np.where(np.sign(u) * np.sign(v) > 0, (d / left) ** 2 * (w / right) * ((u + v) / right) / below, u / left - v / right)

    def log_ndtr_and_square(x: Any, u: Any, w: Any) -> Any:
        low = np.minimum(x, 0.0)
        return np.where(np.asarray(x) < 0, np.log(0.5 * erfcx(-low * math.sqrt(0.5))) - np.square(u) / 2, log_ndtr(np.maximum(x, 0.0)) + w)

    def scaled_ndtr_slope(x: Any) -> Any:
        far = -1 / np.minimum(x, -30.0)
        series = far * sum(number * far ** (2 * n) for n, number in enumerate((1, -2, 10, -74, 706, -8162)))
        near = np.maximum(x, -30.0)
        return np.where(np.asarray(x) < -30, series, near + math.sqrt(2 / math.pi) / erfcx(-near * math.sqrt(0.5)))

    def arc_ratio(x: Any) -> Any:
        d = 1 - np.asarray(x, dtype=float)
        near, angle, beyond = np.abs(d) < 0.1, np.where(d > 0, x, 0.0), np.where(d < 0, x, 2.0)
        series = sum((2 * np.where(near, d, 0.0)) ** n * math.factorial(n) ** 2 / math.factorial(2 * n + 1) for n in range(14))
        circular = np.arccos(angle) / np.sqrt((1 - angle) * (1 + angle))
        return np.where(near, series, np.where(d > 0, circular, np.arccosh(beyond) / np.sqrt((beyond - 1) * (beyond + 1))))

    def log_of_quotient(x: Any, y: Any, t: Any, weight: Any) -> Any:
        above, below = (np.where(none(side + t, weight), 1.0, np.asarray(side + t, dtype=float)) for side in (x, y))
        close = np.abs(np.subtract(x, y)) < 0.5 * np.abs(below)
        return np.where(close, np.log1p(np.where(close, np.subtract(x, y), 0.0) / below), np.log(above / below))

    def cosine_distance(a: Any, b: Any, c: Any, d: Any) -> Any:
        inner, outer, size = a * c + b * d, a * d - b * c, np.hypot(a, b) * np.hypot(c, d)
        return np.where(inner > 0, outer * outer / (size * (size + np.maximum(inner, 0.0))), 1 - inner / size)

    def along(function: Callable[..., Any]) -> Callable[..., Any]:
        def apply(node: Any, *operands: Any) -> Any:
            axis = node.attr("axis")
            return function(*np.broadcast_arrays(*map(np.atleast_1d, operands)), None if axis == "all" else axis)

        return apply

    def plain(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda node, *operands: function(*operands)

    elementwise: dict[str, Callable[..., Any]] = {
        "weighted_log": lambda x, weight: np.log(np.where(none(x, weight), 1.0, x)),
        "weighted_log1p": lambda x, weight: np.log1p(np.where(none(x + 1, weight), 0.0, x)),
        "weighted_reciprocal": lambda x, weight: np.where(none(x, weight), 0.0, 1 / np.asarray(x, dtype=float)),
        "log_zero_inflated": log_zero_inflated, "log1p_tanh": log1p_tanh,
        "log_logit_inflated": log_logit_inflated,
        "scaled_logaddexp": lambda x, y, k: np.logaddexp(k * x, k * y) / k,
        "logistic_entropy": lambda x: np.logaddexp(0, -np.abs(x)) + np.abs(x) / (1 + np.exp(np.minimum(np.abs(x), 700.0))),
        "weighted_logaddexp": weighted_logaddexp,
        "scaled_square": scaled_square,
        "scaled_sigmoid": lambda w, x: w / (1 + np.exp(-np.asarray(x, dtype=float))),
        "cosine_distance": cosine_distance,
        "powm1": powm1, "arc_ratio": arc_ratio, "atan_remainder": atan_remainder, "sine_remainder": sine_remainder,
        "unit_slope_difference": unit_slope_difference, "log_ndtr_and_square": log_ndtr_and_square,
        "scaled_ndtr_slope": scaled_ndtr_slope, "reciprocal_mean": reciprocal_mean,
        "log_cosh_remainder": log_cosh_remainder, "log_of_quotient": log_of_quotient,
        "entropy_of_quotient": lambda x, y, t: (x + t) * log_of_quotient(x, y, t, x + t),
        "squared_root_difference": lambda x, y, d: np.square(d / np.where(none(x, y), 1.0, np.sqrt(x) + np.sqrt(y))),
        "contrast": lambda x, y: (np.asarray(x) - y) / np.where(none(x, y), 1.0, np.asarray(x, dtype=float) + y),
        "relative_difference": lambda x, y: (np.asarray(x) - y) / y,
        "weighted_power": lambda x, y, weight: np.where(none(x, weight), 0.0, np.power(np.asarray(x, dtype=float), y)),
        "reciprocal_expm1": lambda x: 1 / np.expm1(x),
        "log_cloglog": lambda x: np.where(x < -12, x - np.exp(x) / 2, log1mexp(-np.exp(np.maximum(x, -12.0)))),
        "sech_squared": lambda x: np.square(2 / (np.exp(-np.abs(x)) + np.exp(np.minimum(np.abs(x), 700.0)))),
        "log_sinhc": log_sinhc, "langevin": langevin, "share": lambda x, y: x / (x + y),
        "log_softplus": lambda x: np.where(x < -12, x - np.exp(np.minimum(x, 0.0)) / 2, np.log(np.logaddexp(0, np.maximum(x, -12.0)))),
        "sigmoid_difference": sigmoid_difference,
        "ndtr_in_improvement": lambda x: np.exp(log_ndtr(x) - log_expected_improvement(x, 1.0)),
        "improvement_gap": lambda x: np.maximum(x + np.exp(log_ndtr(x) - log_expected_improvement(x, 1.0)), 0.0),
        "density_in_improvement": lambda x: np.exp(-0.5 * np.square(x) - log_expected_improvement(x, 1.0)) / math.sqrt(2 * math.pi),
        "ndtr_difference": ndtr_difference, "log_ndtr_difference": log_ndtr_difference,
        "log_expected_improvement": log_expected_improvement,
    }  # fmt: skip
    return {op: plain(function) for op, function in elementwise.items()} | {
        "unit_vector": along(lambda x, axis: x / np.linalg.norm(x, axis=axis, keepdims=True)),
        "softmax_complement": along(softmax_complement), "softmax_residual": along(softmax_residual),
        "log_softmax_complement": along(log_softmax_complement),
        "softmax_adjoint": along(softmax_adjoint), "log_softmax_adjoint": along(log_softmax_adjoint),
    }  # fmt: skip
