"""Published losses at points where the formula as written overflows, is 0/0 or cancels, against 60 digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
from mpmath import besseli, exp, log

import losscompiler as lc

SMALLEST, STEP_ERROR = float(np.finfo("float32").tiny), 1e-34


class Case(NamedTuple):
    """A loss with data, values of parameters, and the same function of mpmath numbers, in the order of data and parameters."""

    text: str
    data: dict[str, list[float]]
    parameters: dict[str, float]
    function: Callable[..., Any]


def tweedie(y: Any, p: Any, q: Any) -> Any:
    return 2 * (y ** (2 - q) / ((1 - q) * (2 - q)) - y * p ** (1 - q) / (1 - q) + p ** (2 - q) / (2 - q))


def jensen_shannon(p: Any, q: Any) -> Any:
    """The divergence of two logits: each class's probability goes by its own sign of the logit."""
    sides = [[1 / (1 + exp(-sign * x)) for x in (p, q)] for sign in (1, -1)]
    return sum(share * log(2 * share / (a + b)) / 2 for a, b in sides for share in (a, b))


def negative_binomial_deviance(y: Any, p: Any, r: Any) -> Any:
    return 2 * (y * log(y / p) - (y + r) * log((y + r) / (p + r)))


CASES = {
    "sMAPE of numbers that differ by many orders": Case(
        "prediction y, p\n2*abs(y - p)/(abs(y) + abs(p))", {"y": [1e8, 1e-4, -3.0], "p": [1e-8, 1e6, -2.0]}, {},
        lambda y, p: 2 * abs(y - p) / (abs(y) + abs(p)),
    ),
    "triangular discrimination of a small part": Case(
        "prediction y, p\n(y - p)**2/(y + p)", {"y": [0.9, 1e-12], "p": [1e-12, 0.5]}, {}, lambda y, p: (y - p) ** 2 / (y + p),
    ),
    "negative binomial without counts": Case(
        "target y\nprediction p, r\nlgamma(r) + lgamma(y + 1) - lgamma(y + r) - r*log(r/(r + p)) - y*log(p/(r + p))",
        {"y": [0.0, 0.0], "p": [1e-6, 1e-4], "r": [1e6, 1e3]}, {}, lambda y, p, r: r * log((r + p) / r),
    ),
    "zero inflation without excess zeros": Case(
        "target q\nprediction p, r\n-log(q + (1 - q)*(r/(r + p))**r)", {"q": [0.0, 0.5], "p": [1e6, 1e-6], "r": [1000.0, 1e3]}, {},
        lambda q, p, r: -log(q + (1 - q) * (r / (r + p)) ** r),
    ),
    "robust loss with a scale by its logarithm": Case(
        "prediction p, a, s\nabs(a - 2)/a*((exp(-2*s)*(y - p)**2/abs(a - 2) + 1)**(a/2) - 1) + s",
        {"y": [1.0, 0.75], "p": [0.99999, 0.75001], "a": [1.0, -0.5], "s": [2.0, -0.25]}, {},
        lambda y, p, a, s: abs(a - 2) / a * ((exp(-2 * s) * (y - p) ** 2 / abs(a - 2) + 1) ** (a / 2) - 1) + s,
    ),
    "angular margin at its ends": Case(
        "prediction c, m\ncos(acos(c) + m)", {"c": [-0.9999999, 0.0], "m": [1e-20, 1e-20]}, {},
        lambda c, m: mpmath.cos(mpmath.acos(c) + m),
    ),
    "continuous Bernoulli of a small probability": Case(
        "prediction q\nlog(2*atanh(1 - 2*q)/(1 - 2*q))", {"q": [1e-15, 0.25]}, {}, lambda q: log(2 * mpmath.atanh(1 - 2 * q) / (1 - 2 * q)),
    ),
    "continuous Bernoulli of a large logit": Case(
        "prediction p\nq = 1/(1 + exp(-p))\nlog(2*atanh(1 - 2*q)/(1 - 2*q))", {"p": [60.0, -60.0]}, {},
        lambda p: log(p / mpmath.tanh(p / 2)),
    ),
    "Hellinger distance of probabilities that are almost equal or 0": Case(
        "prediction y, p\n1 - sqrt(y*p) - sqrt((1 - y)*(1 - p))", {"y": [1e-7, 0.5], "p": [1.0001e-7, 0.5001]}, {},
        lambda y, p: 1 - mpmath.sqrt(y * p) - mpmath.sqrt((1 - y) * (1 - p)),
    ),
    "Bhattacharyya distance of probabilities that are almost equal or not at all": Case(
        "prediction y, p\n-log(sqrt(y*p) + sqrt((1 - y)*(1 - p)))", {"y": [0.5, 1e-10], "p": [0.5001, 0.9999999]}, {},
        lambda y, p: -log(mpmath.sqrt(y * p) + mpmath.sqrt((1 - y) * (1 - p))),
    ),
    "generalised gamma distribution close to the normal one": Case(
        "prediction m, Q\nw = log(y) - m\nk = Q**(-2)\nlog(y) - log(Q) + lgamma(k) - k*log(k) - k*(Q*w - exp(Q*w))",
        {"y": [20.0, 0.5], "m": [0.0, 1.0], "Q": [1e-5, 1e-3]}, {},
        lambda y, m, Q: log(y) - log(Q) + mpmath.loggamma(Q**-2) + Q**-2 * (2 * log(Q) - Q * (log(y) - m) + exp(Q * (log(y) - m))),
    ),
    "cumulative hazard that falls exponentially": Case(
        "prediction t, a, b\na/b*(exp(b*t) - 1)", {"t": [270.5, 1.0], "a": [0.140625, 0.5], "b": [-0.28125, 1e-6]}, {},
        lambda t, a, b: a / b * (exp(b * t) - 1),
    ),
    "beta distribution whose mean underflows": Case(
        "prediction p, k\nm = 1/(1 + exp(-p))\nlgamma(k*m) + lgamma(k*(1 - m)) - lgamma(k)", {"p": [-1000.0, 0.5], "k": [12.0, 2.0]}, {},
        lambda p, k: (mpmath.loggamma(k / (1 + exp(-p))) + mpmath.loggamma(k / (1 + exp(p))) - mpmath.loggamma(k)).real,
    ),
    "log cosh with a wide scale": Case(
        "prediction p, c\nc**2*log(cosh((y - p)/c))", {"y": [0.0, 1.0], "p": [1e-6, 1.5], "c": [100.0, 1e6]}, {},
        lambda y, p, c: c**2 * log(mpmath.cosh((y - p) / c)),
    ),
    "Andrews' loss with a wide scale": Case(
        "prediction p, c\nc**2*(1 - cos((y - p)/c)) if abs(y - p) < pi*c else 2*c**2",
        {"y": [0.0, 1.0], "p": [1e-6, 1.5], "c": [100.0, 1e6]}, {}, lambda y, p, c: c**2 * (1 - mpmath.cos((y - p) / c)),
    ),
    "pseudo-Huber loss by a root of both": Case(
        "prediction p, c\nc*sqrt(c**2 + (y - p)**2) - c**2", {"y": [0.0, 1.0], "p": [1e-6, 1.5], "c": [100.0, 1e6]}, {},
        lambda y, p, c: c * mpmath.sqrt(c**2 + (y - p) ** 2) - c**2,
    ),
    "exponentials with a learned weight": Case(
        "prediction a, b, w\nlog(exp(a) + exp(b) + w*exp((a + b)/2)) - a", {"a": [800.0, 50.0], "b": [-1000.0, 0.0], "w": [2.0, 0.5]}, {},
        lambda a, b, w: log(1 + exp(b - a) + w * exp((b - a) / 2)),
    ),
    "density of a transformed lifetime": Case(
        "prediction t, a, l\n-log(a*l*exp(-l*t)/(1 - (1 - a)*exp(-l*t))**2)", {"t": [1e4, 1.0], "a": [0.5, 2.0], "l": [0.5, 1.0]}, {},
        lambda t, a, rate: rate * t - log(a * rate) + 2 * log(1 - (1 - a) * exp(-rate * t)),
    ),
    "sum of two waiting times with almost the same rate": Case(
        "prediction t, a, b\n-log(a*b/(a - b)*(exp(-b*t) - exp(-a*t)))", {"t": [1e4, 2.0], "a": [0.5, 1.0], "b": [100.0, 1.0000001]}, {},
        lambda t, a, b: -log(a * b / (a - b) * (exp(-b * t) - exp(-a * t))),
    ),
    "exponentially modified normal distribution": Case(
        "prediction m, s, k\n-log(k/2) - k/2*(2*m + k*s**2 - 2*y) - log(erfc((m + k*s**2 - y)/(sqrt(2)*s)))",
        {"y": [-1e-3, 0.5], "m": [0.0, -0.5], "s": [100.0, 1.0], "k": [100.0, 0.25]}, {},
        lambda y, m, s, k: -log(k / 2) - k / 2 * (2 * m + k * s**2 - 2 * y) - log(mpmath.erfc((m + k * s**2 - y) / s / mpmath.sqrt(2))),
    ),
    "triplet loss of a far anchor": Case(
        "prediction a, p, n\nlog(1 + exp(sqrt((a - p)**2 + 1e-6) - sqrt((a - n)**2 + 1e-6)))",
        {"a": [100.0, -50.0], "p": [0.0, 1.0], "n": [1e-3, 2.0]}, {},
        lambda a, p, n: log(1 + exp(mpmath.sqrt((a - p) ** 2 + mpmath.mpf("1e-6")) - mpmath.sqrt((a - n) ** 2 + mpmath.mpf("1e-6")))),
    ),
    "weight of a diffusion loss": Case(
        "prediction d, s, q\n(s**2 + q**2)/(s*q)**2*d**2", {"d": [1000.0, 1.0], "s": [1e-6, 0.5], "q": [100.0, 0.75]}, {},
        lambda d, s, q: (s**2 + q**2) / (s * q) ** 2 * d**2,
    ),
    "inverse Gaussian deviance with a log link": Case(
        "prediction e\n(y - exp(e))**2/(exp(2*e)*y)", {"y": [1e-6, 2.0], "e": [20.0, 0.5]}, {},
        lambda y, e: (y - exp(e)) ** 2 / (exp(2 * e) * y),
    ),
    "odds of sequences": Case(
        "prediction a, b\np = exp(-a)\nq = exp(-b)\n-log(sigmoid(log(p/(1 - p)) - log(q/(1 - q))))",
        {"a": [1000.0, 1.0], "b": [900.0, 2.0]}, {},
        lambda a, b: log(1 + exp(a - b) * (1 - exp(-a)) / (1 - exp(-b))),
    ),
    "alpha divergence of small numbers at a whole alpha": Case(
        "prediction y, p, a\n(a*y + (1 - a)*p - y**a*p**(1 - a))/(a*(1 - a))", {"y": [1e-6, 0.5], "p": [2e-6, 0.75], "a": [-1.0, 0.5]}, {},
        lambda y, p, a: (a * y + (1 - a) * p - y**a * p ** (1 - a)) / (a * (1 - a)),
    ),
    "negative binomial deviance of a predicted count at a tie": Case(
        "prediction y, p, r\n2*(y*log(y/p) - (y + r)*log((y + r)/(p + r)))",
        {"y": [1.0, 3.0, 2.0], "p": [1.0, 3.0, 2.125], "r": [1.0, 1000.0, 1.0]}, {}, negative_binomial_deviance,
    ),
    "negative binomial likelihood by single logarithms": Case(
        "prediction y, p, r\n-(lgamma(y + r) - lgamma(r) - lgamma(y + 1) + r*log(r) + y*log(p) - (r + y)*log(r + p))",
        {"y": [2.0, 1.0, 5.0], "p": [2.5, 0.125, 3.0], "r": [1e6, 1e7, 2.0]}, {},
        lambda y, p, r: -(
            mpmath.loggamma(y + r) - mpmath.loggamma(r) - mpmath.loggamma(y + 1) + r * log(r) + y * log(p) - (r + y) * log(r + p)
        ).real,
    ),
    "Geman-McClure loss of an outlier": Case(
        "prediction p, c\nr = y - p\nc**2*r**2/(c**2 + r**2)/2", {"y": [0.0, 1.0], "p": [1e10, 0.5], "c": [1.0, 2.0]}, {},
        lambda y, p, c: c**2 * (y - p) ** 2 / (c**2 + (y - p) ** 2) / 2,
    ),
    "logistic distribution at its mode": Case(
        "prediction p, s\nz = (y - p)/s\nz + log(s) + 2*log(1 + exp(-z))", {"y": [0.0, 1.0], "p": [1e-18, 3.0], "s": [4.0, 0.5]}, {},
        lambda y, p, s: (y - p) / s + log(s) + 2 * log(1 + exp(-(y - p) / s)),
    ),
    "ranked probability score of a normal distribution by its distribution function": Case(
        "prediction p, s\nz = (y - p)/s\ns*(z*(2*ndtr(z) - 1) + 2/sqrt(2*pi)*exp(-z**2/2) - 1/sqrt(pi))",
        {"y": [0.0, 1.0], "p": [1e-18, 3.0], "s": [4.0, 0.5]}, {},
        lambda y, p, s: (y - p) * mpmath.erf((y - p) / s / mpmath.sqrt(2))
        + s * (mpmath.sqrt(2 / mpmath.pi) * exp(-(((y - p) / s) ** 2) / 2) - 1 / mpmath.sqrt(mpmath.pi)),
    ),
    "smooth absolute value far out": Case(
        "prediction p, a\nr = y - p\nlog(exp(a*r) + exp(-a*r))/a", {"y": [0.0, -2.5, 1.0], "p": [10.0, 2.0, 1.5], "a": [2.0, 4.0, 0.5]}, {},
        lambda y, p, a: abs(y - p) + mpmath.log1p(exp(-2 * a * abs(y - p))) / a,
    ),
    "margin with a sharpness and an offset": Case(
        "prediction p, g, b\n-log(1/(1 + exp(-(g*y*p + b))))/g",
        {"y": [-1.0, 1.0], "p": [20.0, 3.0], "g": [2.0, 0.5], "b": [0.0, -1.0]}, {},
        lambda y, p, g, b: log(1 + exp(-(g * y * p + b))) / g,
    ),
    "von Mises distribution of a large concentration": Case(
        "prediction p, s\nk = exp(s)\nlog(i0(k)) - k*cos(y - p)",
        {"y": [1.0, 1.0, 2.0], "p": [1.0, 1.0000001, 0.5], "s": [50.0, 30.0, -1.0]}, {},
        lambda y, p, s: log(besseli(0, exp(s))) - exp(s) * mpmath.cos(y - p),
    ),
    "entropy of a logit that underflows": Case(
        "prediction p\ns = 1/(1 + exp(-p))\n-s*log(s) - (1 - s)*log(1 - s)", {"p": [88.0, -88.0, 0.5]}, {},
        lambda p: log(1 + exp(-abs(p))) + abs(p) / (1 + exp(abs(p))),
    ),
    "generalised Pareto distribution with the logarithm of a scale": Case(
        "prediction s, x\ns + (1/x + 1)*log(1 + x*y*exp(-s))", {"y": [1.0, 2.0, 0.5], "s": [0.5, -3.0, 1.0], "x": [1e-12, 1e-3, 0.5]}, {},
        lambda y, s, x: s + (1 / x + 1) * mpmath.log1p(x * y * exp(-s)),
    ),
    "Jensen-Shannon divergence of logits": Case(
        "prediction p, q\na = 1/(1 + exp(-p))\nb = 1/(1 + exp(-q))\nm = (a + b)/2\n"
        "(a*log(a/m) + b*log(b/m) + (1 - a)*log((1 - a)/(1 - m)) + (1 - b)*log((1 - b)/(1 - m)))/2",
        {"p": [1000.0, 1000.0, -200.0, 3.0], "q": [1000.0, 2000.0, 30.0, -2.0]}, {}, jensen_shannon,
    ),
    "log-logistic survival": Case(
        "param k > 0 = 2\nlog(1 + (y/p)**k)", {"y": [100.0, 1.0, 0.5], "p": [1e-4, 1.0, 2.0]}, {"k": 100.0},
        lambda y, p, k: mpmath.log1p((y / p) ** k),
    ),
    "ratio of Bessel functions of large arguments": Case(
        "prediction k\nlog(i1(k)) - log(i0(k)) + k*y", {"y": [1.0, 1.0], "k": [800.0, 2.0]}, {},
        lambda y, k: log(besseli(1, k)) - log(besseli(0, k)) + k * y,
    ),
    "log variance that underflows float64": Case(
        "prediction p, s\n0.5*(s + (y - p)**2*exp(-s))", {"y": [1.0, 1.0, 2.0], "p": [1.0, 1.0, 1.0], "s": [-720.0, -1e4, 0.5]}, {},
        lambda y, p, s: (s + (y - p) ** 2 * exp(-s)) / 2 if y != 1 else s / 2,
    ),
    "hyperbolic distance of close points": Case(
        "prediction a, b\nacosh(1 + 2*(a - b)**2/((1 - a**2)*(1 - b**2)))", {"a": [0.1, 0.5], "b": [0.125, 0.50000006]}, {},
        lambda a, b: mpmath.acosh(1 + 2 * (a - b) ** 2 / ((1 - a**2) * (1 - b**2))),
    ),
    "focal loss of a cross-entropy": Case(
        "param g = 2\n(1 - exp(-p))**g*p", {"p": [40.0, 0.5]}, {"g": 2.0}, lambda p, g: (-mpmath.expm1(-p)) ** g * p
    ),
    "clamped tempered exponential": Case(
        "param t = 0.5\nmax(0, 1 + (1 - t)*p)**(1/(1 - t))", {"p": [1.0, 0.5, -2.0]}, {"t": 0.99999994},
        lambda p, t: (1 + (1 - t) * p) ** (1 / (1 - t)),
    ),
    "deviance of the negative binomial distribution": Case(
        "param a = 1\n2*(y*log(y/p) - (y + 1/a)*log((1 + a*y)/(1 + a*p)))", {"y": [1.0, 3.0], "p": [4.0, 2.0]}, {"a": 1e-10},
        lambda y, p, a: 2 * (y * log(y / p) - (y + 1 / a) * log((1 + a * y) / (1 + a * p))),
    ),
    "Tweedie deviance of nothing": Case(
        "param q = 1.5\n2*(max(y, 0)**(2 - q)/((1 - q)*(2 - q)) - y*p**(1 - q)/(1 - q) + p**(2 - q)/(2 - q))",
        {"y": [0.0, 0.0], "p": [0.3, 2.0]}, {"q": 1.0}, lambda y, p, q: 2 * p ** (2 - q) / (2 - q),
    ),
    "no time of a log-logistic survival": Case(
        "prediction p\nparam k > 0\nlog(1 + (y/p)**k)", {"y": [0.0, 0.0], "p": [0.3, 2.0]}, {"k": 0.5}, lambda y, p, k: p * 0
    ),
    "odds with a weight of unknown sign": Case(
        "prediction a, b, k\n-log(exp(a)/(exp(a) + k*exp(b)))",
        {"a": [-1e4, 0.0, 5.0, 1.0, 3.0], "b": [2.5, 0.5, -90.0, 0.0, 24.0], "k": [2.5, -0.5, 1e-3, 1e-9, 1e-9]}, {},
        lambda a, b, k: mpmath.log1p(k * exp(b - a)),
    ),
    "negative binomial deviance at a tie": Case(
        "prediction y, p\nparam a > 0 = 1\n2*(y*log(y/p) - (y + 1/a)*log((1 + a*y)/(1 + a*p)))",
        {"y": [3.0, 0.3], "p": [3.0, 0.3]}, {"a": 0.5},
        lambda y, p, a: 2 * (y * log(y / p) - (y + 1 / a) * log((1 + a * y) / (1 + a * p))),
    ),
    "negative binomial deviance of a large size": Case(
        "prediction y, p\nparam r > 0 = 1\n2*(y*log(y/p) - (y + r)*log((y + r)/(p + r)))",
        {"y": [1.00000095, 30.0], "p": [1.0, 2.0]}, {"r": 1e10},
        lambda y, p, r: 2 * (y * log(y / p) - (y + r) * log((y + r) / (p + r))),
    ),
    "alpha divergence at a tie, close to the limit": Case(
        "prediction y, p\nparam a\n(1 - y**a*p**(1 - a) - (1 - y)**a*(1 - p)**(1 - a))/(a*(1 - a))", {"y": [0.5, 0.3], "p": [0.5, 0.3]},
        {"a": 1.0000099}, lambda y, p, a: (1 - y**a * p ** (1 - a) - (1 - y) ** a * (1 - p) ** (1 - a)) / (a * (1 - a)),
    ),
    "inverse Gaussian deviance of a small target": Case(
        "prediction y, p\n(y - p)**2/(y*p**2)", {"y": [1e-10, 1.0], "p": [30.0, 1.5]}, {}, lambda y, p: (y - p) ** 2 / (y * p**2)
    ),
    "divergence from the standard normal distribution": Case(
        "prediction m, s\n(m**2 + s**2 - 1)/2 - log(s)", {"m": [1e-4, 1e-8, 0.5], "s": [1.0, 1.0, 1.001]}, {},
        lambda m, s: (m**2 + s**2 - 1) / 2 - log(s),
    ),
    "focal loss of a chosen probability": Case(
        "prediction p\nparam g >= 0 = 2\npt = where(y == 1, p, 1 - p)\n-(1 - pt)**g*log(pt)",
        {"y": [0.0, 1.0], "p": [1e-10, 0.3]}, {"g": 0.5},
        lambda y, p, g: -((1 - p) ** g) * log(p) if y == 1 else -(p**g) * mpmath.log1p(-p),
    ),
    "link of the generalized extreme value distribution": Case(
        "prediction p\nparam xi = 0.1\nq = exp(-(1 + xi*p)**(-1/xi))\n-y*log(q) - (1 - y)*log(1 - q)", {"y": [1.0, 0.0], "p": [1e4, 2.0]},
        {"xi": 1e-3}, lambda y, p, xi: (1 + xi * p) ** (-1 / xi) if y else -log(-mpmath.expm1(-((1 + xi * p) ** (-1 / xi)))),
    ),
    "Aranda-Ordaz link": Case(
        "param a > 0\nm = 1 - (1 + a*exp(p))**(-1/a)\n-(y*log(m) + (1 - y)*log(1 - m))", {"y": [1.0, 0.0], "p": [-60.0, 3.0]}, {"a": 0.5},
        lambda y, p, a: -log(-mpmath.expm1(-mpmath.log1p(a * exp(p)) / a)) if y else mpmath.log1p(a * exp(p)) / a,
    ),
    "log-logistic density": Case(
        "prediction a\nparam k > 0\n-log((k/a)*(y/a)**(k - 1)/(1 + (y/a)**k)**2)", {"y": [100.0, 1.0], "a": [0.01, 2.0]}, {"k": 30.0},
        lambda y, a, k: -log(k / a) - (k - 1) * log(y / a) + 2 * mpmath.log1p((y / a) ** k),
    ),
    "von Mises and Fisher's distribution of no concentration": Case(
        "prediction k, p\nlog(k) - log(1 - exp(-2*k)) - k*(1 - p)", {"k": [1e-10, 2.0], "p": [0.3, 0.3]}, {},
        lambda k, p: log(k) - log(-mpmath.expm1(-2 * k)) - k * (1 - p),
    ),
    "scale by a softplus that underflows": Case(
        "prediction p, q\ns = log(1 + exp(q))\n(y - p)**2/(2*s**2) + log(s)", {"y": [1.0, 1.0], "p": [1.0, 0.5], "q": [-150.0, 0.3]}, {},
        lambda y, p, q: (y - p) ** 2 / (2 * mpmath.log1p(exp(q)) ** 2) + log(mpmath.log1p(exp(q))),
    ),
    "log cosh by a softplus": Case(
        "prediction y, p\nr = y - p\nr + log(1 + exp(-2*r)) - log(2)", {"y": [1.00000012, 3.0], "p": [1.0, -50.0]}, {},
        lambda y, p: log(mpmath.cosh(y - p)),
    ),
    "mean of Tweedie deviances": Case(
        "param q = 1.5\n2*mean(y**(2 - q)/((1 - q)*(2 - q)) - y*p**(1 - q)/(1 - q) + p**(2 - q)/(2 - q))",
        {"y": [[1.0], [2.0]], "p": [[1.5], [2.5]]}, {"q": 1.0000001192092896}, tweedie,
    ),
}  # fmt: skip


def derivative(function: Callable[..., Any], point: list[Any], i: int) -> Any:
    """Return a partial derivative by a central difference that leaves 20 digits."""
    step = mpmath.mpf(10) ** -18 * max(1, abs(point[i]))
    above, below = (function(*point[:i], point[i] + sign * step, *point[i + 1 :]) for sign in (1, -1))
    return (above - below) / (2 * step)


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradients(name: str) -> None:
    case = CASES[name]
    data = {key: np.asarray(values, "float32") for key, values in case.data.items()}
    found = lc.compile_loss(case.text, findings="ignore").value_and_gradients(data, case.parameters)
    totals = dict.fromkeys(case.parameters, mpmath.mpf(0))
    with mpmath.workdps(80):
        fixed = [mpmath.mpf(float(np.float32(value))) for value in case.parameters.values()]
        for row in range(data[next(iter(data))].size):
            point = [*(mpmath.mpf(float(np.ravel(values)[row])) for values in data.values()), *fixed]
            slopes = {key: derivative(case.function, point, i) for i, key in enumerate([*data, *case.parameters])}
            truth = case.function(*point)
            unit = 2.0**-23 * max(abs(truth), sum(abs(x * slope) for x, slope in zip(point, slopes.values(), strict=True)))
            assert abs(np.ravel(found.value)[row] - truth) <= 20 * unit + SMALLEST
            for key, slope in slopes.items():
                if key in totals:
                    totals[key] += slope
                elif key in found.gradients:
                    np.testing.assert_allclose(np.ravel(found.gradients[key])[row], float(slope), rtol=1e-4, atol=STEP_ERROR, err_msg=key)
    for key, total in totals.items():
        np.testing.assert_allclose(float(found.gradients[key]), float(total), rtol=1e-4, atol=STEP_ERROR, err_msg=key)
