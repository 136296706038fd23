"""Formulas of losses as their users write them, each with a grid of points and the same function in mpmath.

A case is a Python function of mpmath numbers, written a second time by hand, whose decorator holds the text for the
compiler and the values of each argument. The grid is their product, thinned where it is large: every value of each argument
is kept beside typical values of the others. To it come random points between its values, which no rule can have been made for.
Numbers are exact in both: mpmath sees the float32 value.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from mpmath import asinh, atanh, besseli, cos, cosh, erfc, exp, expm1, log, loggamma, mpf, pi, sin, sinh, sqrt

_MOST_POINTS = 240
_BETWEEN = 120
"""Random points between the values of each grid."""


@dataclass(frozen=True)
class Near:
    """A value relative to another argument's."""

    name: str
    factor: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True)
class Case:
    """One formula.

    Attributes:
        name: the name of the mpmath function.
        text: what the compiler gets.
        function: the same in mpmath; its arguments are the symbols.
        arguments: names of the symbols in the function's order.
        values: for each argument its values; the first ones are typical.
        legal: tells which points belong to the domain.
        stack: symbols that are vectors, with the arguments that are their elements.
        whole: arguments whose values are labels, between which there is nothing.
    """

    name: str
    text: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    values: tuple[Sequence[Any], ...]
    legal: Callable[..., bool] | None
    stack: Mapping[str, tuple[str, ...]]
    whole: tuple[str, ...]

    @property
    def wanted(self) -> list[int]:
        """Positions of the arguments by which derivatives are judged: all but targets."""
        targets = self.stack.get("y", ("y",))
        return [i for i, name in enumerate(self.arguments) if name not in targets]

    def points(self) -> np.ndarray[Any, Any]:
        """Return the grid, one row a point, as float32."""
        order = sorted(range(len(self.arguments)), key=lambda i: any(isinstance(v, Near) for v in self.values[i]))
        lists = [list(self.values[i]) for i in order]
        size = int(np.prod([len(values) for values in lists]))
        rows = list(product(*lists)) if size <= _MOST_POINTS else _thinned(lists, self.name)
        labels = [self.arguments[i] in self.whole for i in order]
        rows += _between(lists, labels, self.name)
        found: dict[tuple[float, ...], None] = {}
        for row in rows:
            point: dict[str, float] = {}
            for i, value in zip(order, row, strict=True):
                number = point[value.name] * value.factor + value.shift if isinstance(value, Near) else value
                point[self.arguments[i]] = float(np.float32(number))
            numbers = tuple(point[name] for name in self.arguments)
            if self.legal is None or self.legal(*numbers):
                found[numbers] = None
        return np.array(list(found), "float32")

    def digest(self) -> str:
        """Return a fingerprint of what the references depend on: the function, however it is laid out, and the points."""
        definition = ast.parse(inspect.getsource(self.function)).body[0]
        assert isinstance(definition, ast.FunctionDef)
        definition.decorator_list.clear()
        return hashlib.sha256(ast.unparse(definition).encode() + self.points().tobytes()).hexdigest()[:16]


def _between(lists: list[list[Any]], labels: list[bool], seed: str) -> list[tuple[Any, ...]]:
    """Return random points, half of whose numbers lie between two neighbouring values of the grid."""
    generator = random.Random(f"between {seed}")
    rows = []
    for _ in range(_BETWEEN):
        row = []
        for values, label in zip(lists, labels, strict=True):
            value = generator.choice(values)
            below = [v for v in values if not isinstance(v, Near) and not isinstance(value, Near) and v * value > 0 and abs(v) < abs(value)]
            if below and not label and generator.random() < 0.7:
                neighbour = max(below, key=abs)
                value = neighbour * (value / neighbour) ** generator.random()
            row.append(value)
        rows.append(tuple(row))
    return rows


def _thinned(lists: list[list[Any]], seed: str) -> list[tuple[Any, ...]]:
    """Return every value of each argument beside typical values of the others, then a random part of the product."""
    generator = random.Random(seed)
    typical = [values[:3] for values in lists]
    rows: list[tuple[Any, ...]] = []
    for i, values in enumerate(lists):
        for value in values:
            rows.append(tuple(value if j == i else typical[j][0] for j in range(len(lists))))
            rows.append(tuple(value if j == i else generator.choice(typical[j]) for j in range(len(lists))))
    while len(rows) < _MOST_POINTS:
        rows.append(tuple(generator.choice(values) for values in lists))
    return rows


CASES: dict[str, Case] = {}


def case(
    text: str, legal: Callable[..., bool] | None = None, stack: Mapping[str, tuple[str, ...]] | None = None, whole: tuple[str, ...] = (),
    **values: Sequence[Any],
) -> Callable[[Callable[..., Any]], Any]:  # fmt: skip
    """Register a function as a case."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        arguments = tuple(inspect.signature(function).parameters)
        name = function.__name__
        CASES[name] = Case(name, text, function, arguments, tuple(values[a] for a in arguments), legal, stack or {}, whole)
        return function

    return register


_SIZES = (1.0, 2.0, 0.3, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1.5, 5.0, 10.0, 17.0, 30.0, 60.0, 88.5, 100.0, 1e3, 1e4)
REAL = (*(s * v for v in _SIZES for s in (1, -1)), 0.0)
POSITIVE = (1.0, 2.0, 0.3, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 0.9, 1.1, 1.5, 5.0, 10.0, 30.0, 100.0, 1e3, 1e4)
SHARE = (0.3, 0.7, 0.5, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.49, 0.51, 0.9, 0.99, 0.999, 1 - 1e-4, 1 - 1e-6)
MODEST = (1.0, -2.0, 0.3, 0.0, 1e-4, -1e-4, 1e-2, -0.5, 3.0, -7.0, 12.0)
SCALE = (1.0, 2.0, 0.3, 1e-4, 1e-2, 0.5, 10.0, 100.0, 1e4)
AROUND_0 = (0.5, -0.5, 1.0, 0.0, 1e-6, -1e-6, 1e-5, -1e-5, 1e-4, -1e-4, 1e-3, -1e-3, 1e-2, -1e-2, 0.1, -0.1, 1.5, 2.0, -1.0, -2.0)
AROUND_1 = (0.5, 1.5, 2.0, 1.0, 1 + 1e-6, 1 - 1e-6, 1 + 1e-5, 1 - 1e-5, 1 + 1e-4, 1 - 1e-4, 1 + 1e-3, 1 - 1e-3, 1.01, 0.99, 0.9, 1.1, 0.0)


def near(name: str) -> tuple[Any, ...]:
    """Return values close to another argument's, and that value itself."""
    return tuple(Near(name, 1 + d) for d in (0.0, 1e-6, -1e-6, 1e-5, -1e-5, 1e-4, -1e-4, 1e-3, -1e-2, 0.1, -0.3, 1.0))


def ndtr(x):
    return erfc(-x / sqrt(mpf(2))) / 2


def sigmoid(x):
    return 1 / (1 + exp(-x))


def lbeta(a, b):
    return loggamma(a) + loggamma(b) - loggamma(a + b)


# ---------------------------------------------------------------------------------------- logistic and cross-entropies
@case("log(1 + exp(p))", p=REAL)
def softplus(p):
    return log(1 + exp(p))


@case("-y*log(1/(1 + exp(-p))) - (1 - y)*log(1 - 1/(1 + exp(-p)))", y=(0, 1, 0.3), p=REAL)
def binary_crossentropy_exponential(y, p):
    return -y * log(sigmoid(p)) - (1 - y) * log(1 / (1 + exp(p)))


@case("-y*log(sigmoid(p)) - (1 - y)*log(1 - sigmoid(p))", y=(0, 1, 0.3), p=REAL)
def binary_crossentropy_sigmoid(y, p):
    return -y * log(sigmoid(p)) - (1 - y) * log(sigmoid(-p))


@case("-(y*log(p) + (1 - y)*log(1 - p))", y=(0, 1, 0.3, 1e-6), p=(*SHARE, 1e-30))
def binary_crossentropy_probability(y, p):
    return -(y * log(p) + (1 - y) * log(1 - p))


@case("log(1 + exp(-y*p))", y=(1, -1), p=REAL)
def logistic_margin(y, p):
    return log(1 + exp(-y * p))


@case("param k > 0\nlog(1 + exp(k*(1 - y*p)))/k", y=(1, -1), p=REAL, k=SCALE)
def smooth_hinge(y, p, k):
    return log(1 + exp(k * (1 - y * p))) / k


@case("prediction a, b, c\n-log(exp(a)/(exp(a) + exp(b) + exp(c)))", a=REAL, b=(*MODEST, 100.0, -100.0, 1e4), c=(*MODEST, -1e3, 1e3))
def softmax_of_three(a, b, c):
    return log(1 + exp(b - a) + exp(c - a))


@case("prediction a, b\nparam t > 0\n-log(exp(a/t)/(exp(a/t) + exp(b/t)))", a=REAL, b=MODEST, t=(1.0, 0.1, 10.0, 1e-3, 1e-2, 1e3))
def softmax_temperature(a, b, t):
    return log(1 + exp((b - a) / t))


@case("prediction a, b\nparam beta > 0\n-log(sigmoid(beta*(a - b)))", a=REAL, b=(*MODEST, -100.0), beta=(0.1, 1.0, 10.0))
def preference(a, b, beta):
    return log(1 + exp(-beta * (a - b)))


@case("param g >= 0\n-(1 - sigmoid(p))**g*log(sigmoid(p))", p=REAL, g=(2.0, 1.0, 0.5, 1e-4, 5.0))
def focal_logits(p, g):
    return -(sigmoid(-p) ** g) * log(sigmoid(p))


@case("param g >= 0\n-y*(1 - p)**g*log(p) - (1 - y)*p**g*log(1 - p)", y=(1, 0), p=SHARE, g=(2.0, 1.0, 0.5, 1e-4, 5.0))
def focal_probability(y, p, g):
    return -y * (1 - p) ** g * log(p) - (1 - y) * p**g * log(1 - p)


@case("param e\n-log(sigmoid(p)) + e*(1 - sigmoid(p))", p=REAL, e=(1.0, -0.5))
def poly_loss(p, e):
    return -log(sigmoid(p)) + e * sigmoid(-p)


@case("s = sigmoid(p)\n-s*log(s) - (1 - s)*log(1 - s)", p=REAL)
def binary_entropy_of_logits(p):
    s, c = sigmoid(p), sigmoid(-p)
    return -s * log(s) - c * log(c)


@case("y*log(y/p) + (1 - y)*log((1 - y)/(1 - p))", y=(0.3, 0, 1, 0.5, 1e-6, 0.99), p=(*near("y"), *SHARE), legal=lambda y, p: 0 < p < 1)
def bernoulli_divergence(y, p):
    return (y * log(y / p) if y != 0 else mpf(0)) + ((1 - y) * log((1 - y) / (1 - p)) if y != 1 else mpf(0))


@case("(log(p/(1 - p)) - y)**2", y=(0.5, -3.0, 0.0), p=SHARE)
def squared_logit(y, p):
    return (log(p / (1 - p)) - y) ** 2


@case("s = sigmoid(p)\n(log(s/(1 - s)) - y)**2", y=(0.5, -3.0, 0.0), p=REAL)
def logit_of_sigmoid(y, p):
    return (p - y) ** 2


@case("param q > 0\n(1 - p**q)/q", p=(*SHARE, 1.0), q=(0.7, 0.5, 1.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 2.0))
def generalized_crossentropy(p, q):
    return (1 - p**q) / q


@case("param q in [0, 1]\n(1 - sigmoid(p)**q)/q", p=REAL, q=(0.7, 0.5, 1.0, 0.0, 1e-6, 1e-4, 1e-2))
def generalized_crossentropy_logits(p, q):
    return (1 - sigmoid(p) ** q) / q


@case("param t\n-(p**(1 - t) - 1)/(1 - t)", p=(*SHARE, 1.0, 2.0, 100.0), t=AROUND_1)
def tempered_log(p, t):
    return -(p ** (1 - t) - 1) / (1 - t)


@case("param t\n(1 + (1 - t)*p)**(1/(1 - t))", p=MODEST, t=AROUND_1, legal=lambda p, t: 1 + (1 - t) * p > 0)
def tempered_exp(p, t):
    return (1 + (1 - t) * p) ** (1 / (1 - t))


@case("log(1 - exp(-p))", p=POSITIVE)
def log_one_minus_exp(p):
    return log(1 - exp(-p))


@case("-y*log(1 - exp(-exp(p))) + (1 - y)*exp(p)", y=(1, 0), p=(*(v for v in REAL if -101 < v < 90),))
def complementary_log_log(y, p):
    return -y * log(1 - exp(-exp(p))) + (1 - y) * exp(p)


@case("-y*log(ndtr(p)) - (1 - y)*log(1 - ndtr(p))", y=(1, 0), p=(*(v for v in REAL if abs(v) < 2e3), 5.5, -5.5, 12.5, -13.5))
def probit(y, p):
    return -y * log(ndtr(p)) - (1 - y) * log(ndtr(-p))


@case("-log((1 + erf(p/sqrt(2)))/2)", p=(*(v for v in REAL if abs(v) < 2e3), 3.5, -3.5, -5.5, -13.5))
def gaussian_tail_by_erf(p):
    return -log(ndtr(p))


@case(
    "prediction a, b\n-log(sigmoid(b) - sigmoid(a))",
    a=REAL,
    b=(Near("a", 1, 1.0), Near("a", 1, 1e-3), Near("a", 1, 5.0), Near("a", 1, 0.1)),
    legal=lambda a, b: a < b,
)
def ordinal_logit(a, b):
    # sigmoid(b) - sigmoid(a) = (exp(b) - exp(a))/((1 + exp(a))*(1 + exp(b)))
    return log(1 + exp(a)) + log(1 + exp(b)) - a - log(expm1(b - a))


@case(
    "prediction a, b\n-log(ndtr(b) - ndtr(a))",
    a=tuple(v for v in REAL if abs(v) < 101),
    b=(Near("a", 1, 1.0), Near("a", 1, 0.1), Near("a", 1, 5.0), Near("a", 1, 1e-3)),
    legal=lambda a, b: a < b,
)
def ordinal_probit(a, b):
    return -log(ndtr(-a) - ndtr(-b)) if a > 0 else -log(ndtr(b) - ndtr(a))


# ------------------------------------------------------------------------------------------ deviances and divergences
@case("2*(y*log(y/p) - y + p)", y=(1.0, 0.0, 3.0, 1e-6, 100.0, 1e4), p=(*near("y"), *POSITIVE), legal=lambda y, p: p > 0)
def poisson_deviance(y, p):
    return 2 * (y * log(y / p) - y + p)


@case("y*log(y/p) - y + p", y=(1.0, 0.0, 0.3, 1e-6, 100.0), p=(*near("y"), *POSITIVE), legal=lambda y, p: p > 0)
def generalized_divergence(y, p):
    return y * log(y / p) - y + p


@case("y*(log(y) - p) - y + exp(p)", y=(1.0, 0.0, 3.0, 1e-4, 100.0), p=tuple(v for v in REAL if v < 80))
def poisson_deviance_log_link(y, p):
    return y * (log(y) - p) - y + exp(p)


@case("exp(p) - y*p", y=(1.0, 0.0, 3.0, 100.0), p=tuple(v for v in REAL if v < 80))
def poisson_log_link(y, p):
    return exp(p) - y * p


@case("2*(log(p/y) + y/p - 1)", y=(1.0, 3.0, 1e-4, 100.0, 1e4), p=(*near("y"), *POSITIVE))
def gamma_deviance(y, p):
    return 2 * (log(p / y) + y / p - 1)


@case("y/p - log(y/p) - 1", y=(1.0, 3.0, 1e-4, 100.0), p=(*near("y"), *POSITIVE))
def itakura_saito(y, p):
    return y / p - log(y / p) - 1


@case("(y - p)**2/(p**2*y)", y=(1.0, 3.0, 1e-4, 100.0), p=(*near("y"), *POSITIVE))
def inverse_gaussian_deviance(y, p):
    return (y - p) ** 2 / (p**2 * y)


@case(
    "param r in (0, 3)\n2*(y**(2 - r)/((1 - r)*(2 - r)) - y*p**(1 - r)/(1 - r) + p**(2 - r)/(2 - r))",
    y=(1.0, 3.0, 0.3, 100.0),
    p=(2.0, 0.5, Near("y"), Near("y", 1.001), Near("y", 1.1), 1e-2, 30.0),
    r=(1.5, 1.0, 2.0, 1 + 1e-6, 1 - 1e-6, 2 + 1e-6, 2 - 1e-6, 1.001, 1.999, 1.0001, 1.1, 0.5, 2.5),
)
def tweedie_deviance(y, p, r):
    return 2 * (y ** (2 - r) / ((1 - r) * (2 - r)) - y * p ** (1 - r) / (1 - r) + p ** (2 - r) / (2 - r))


@case(
    "param b\n(y**b + (b - 1)*p**b - b*y*p**(b - 1))/(b*(b - 1))",
    y=(1.0, 3.0, 0.3, 100.0),
    p=(2.0, 0.5, Near("y"), Near("y", 1.001), Near("y", 1.1), 1e-2, 30.0),
    b=(0.5, 1.0, 0.0, 2.0, 1e-6, -1e-6, 1 + 1e-6, 1 - 1e-6, 1e-3, 1.001, 0.999, 0.1, -1.0),
)
def beta_divergence(y, p, b):
    return (y**b + (b - 1) * p**b - b * y * p ** (b - 1)) / (b * (b - 1))


@case(
    "param a\n(y**a*p**(1 - a) - a*y + (a - 1)*p)/(a*(a - 1))",
    y=(1.0, 3.0, 0.3, 1e-3),
    p=(2.0, 0.5, Near("y"), Near("y", 1.001), Near("y", 1.1), 1e-2, 30.0),
    a=(0.5, 1.0, 0.0, 2.0, 1e-6, -1e-6, 1 + 1e-6, 1 - 1e-6, 1e-3, 1.001, 0.999, 0.1, -1.0),
)
def alpha_divergence(y, p, a):
    return (y**a * p ** (1 - a) - a * y + (a - 1) * p) / (a * (a - 1))


@case("(log(y) - log(p))**2", y=(1.0, 3.0, 1e-4, 1e4), p=(*near("y"), *POSITIVE))
def squared_log_difference(y, p):
    return (log(y) - log(p)) ** 2


@case("log(y/p)**2", y=(1.0, 3.0, 1e-4, 1e4), p=(*near("y"), *POSITIVE))
def squared_log_ratio(y, p):
    return log(y / p) ** 2


@case("(log(1 + y) - log(1 + p))**2", y=(1.0, 0.0, 1e-4, 100.0, 1e4), p=(*near("y"), *POSITIVE), legal=lambda y, p: p > 0)
def squared_logarithmic_error(y, p):
    return (log(1 + y) - log(1 + p)) ** 2


@case("abs(y - p)/(abs(y) + abs(p))", y=(1.0, 0.0, -3.0, 1e-4, 1e4), p=(*near("y"), *MODEST))
def symmetric_percentage(y, p):
    return abs(y - p) / (abs(y) + abs(p))


# --------------------------------------------------------------------------------------------------------- transforms
@case("param l\n(p**l - 1)/l", p=(2.0, 0.5, 1.0, 1e-6, 1e-3, 0.999, 1.001, 30.0, 1e4), l=AROUND_0)
def box_cox(p, l):  # noqa: E741
    return (p**l - 1) / l


@case("param l\n((p**l - 1)/l - (y**l - 1)/l)**2", y=(1.0, 3.0, 1e-2), p=(2.0, 0.5, Near("y", 1.001), 30.0), l=AROUND_0)
def box_cox_squared(y, p, l):  # noqa: E741
    return ((p**l - 1) / l - (y**l - 1) / l) ** 2


@case(
    "param l\n((p + 1)**l - 1)/l if p >= 0 else -((1 - p)**(2 - l) - 1)/(2 - l)",
    p=MODEST,
    l=(*AROUND_0, 2 + 1e-6, 2 - 1e-6, 1.999, 2.001, 1.9),
)
def yeo_johnson(p, l):  # noqa: E741
    return ((p + 1) ** l - 1) / l if p >= 0 else -((1 - p) ** (2 - l) - 1) / (2 - l)


@case("log(p + sqrt(p**2 + 1))", p=REAL)
def inverse_hyperbolic_sine(p):
    return asinh(p)


@case("param c > 0\n(log(c*p + sqrt((c*p)**2 + 1))/c - y)**2", y=(0.5, 100.0), p=REAL, c=(1.0, 1e-4, 1e-2, 10.0))
def inverse_hyperbolic_sine_scaled(y, p, c):
    return (asinh(c * p) / c - y) ** 2


@case("param g\nparam h >= 0\n(exp(g*p) - 1)/g*exp(h*p**2/2)", p=MODEST, g=AROUND_0, h=(0.1, 0.0, 1e-4))
def tukey_g_and_h(p, g, h):
    return (exp(g * p) - 1) / g * exp(h * p**2 / 2)


@case("exp(p) - 1", p=REAL)
def exponential_minus_one(p):
    return exp(p) - 1


@case("param a\n(1 - exp(-a*p))/a", p=(*MODEST, 100.0), a=(*AROUND_0, 100.0))
def constant_risk_aversion(p, a):
    return (1 - exp(-a * p)) / a


@case("-log(1 - tanh(p)**2)", p=REAL)
def squashed_policy(p):
    return 2 * log(cosh(p))


@case("log((1 + p)/(1 - p))/2", p=(0.5, -0.5, 0.9, 0.0, 1e-6, -1e-4, 1e-2, -0.99, 0.999, -(1 - 1e-6), 1 - 1e-6))
def fisher_z(p):
    return atanh(p)


@case("(atanh(p) - atanh(y))**2", y=(0.5, 0.0, -0.9, 0.999), p=(0.3, -0.5, *near("y"), 1e-6, 0.99, 1 - 1e-6), legal=lambda y, p: abs(p) < 1)
def squared_fisher_difference(y, p):
    return (atanh(p) - atanh(y)) ** 2


@case("sin(p)/p", p=REAL)
def cardinal_sine(p):
    return sin(p) / p


# ------------------------------------------------------------------------------------------------------------- robust
@case("param a\nr = p - y\nexp(a*r) - a*r - 1", y=(1.0,), p=REAL, a=(*AROUND_0, 10.0, -10.0))
def linex(y, p, a):
    return exp(a * (p - y)) - a * (p - y) - 1


@case(
    "param a\nr = p - y\n2/a**2*(exp(a*r) - a*r - 1)",
    y=(1.0,),
    p=(-1.0, 2.0, 1.0, 0.999, 1.1, 4.0, -20.0, 1 + 1e-5, 100.0),
    a=(*AROUND_0, 10.0),
)
def linex_normalized(y, p, a):
    return 2 / a**2 * (exp(a * (p - y)) - a * (p - y) - 1)


@case(
    "param alpha\nparam c > 0\nr = (p - y)/c\nabs(alpha - 2)/alpha*((r**2/abs(alpha - 2) + 1)**(alpha/2) - 1)",
    y=(1.0,),
    p=(3.0, 1.0, 0.9, 1.0001, 31.0, 1e4, -1.0),
    alpha=(
        1.0,
        0.5,
        1.5,
        0.0,
        2.0,
        1e-6,
        -1e-6,
        1e-4,
        -1e-4,
        1e-2,
        2 + 1e-6,
        2 - 1e-6,
        2.0001,
        1.9999,
        1.99,
        2.01,
        -2.0,
        3.0,
        -100.0,
        -1e4,
    ),
    c=(1.0, 0.1, 10.0),
)
def general_robust(y, p, alpha, c):
    r = (p - y) / c
    return abs(alpha - 2) / alpha * ((r**2 / abs(alpha - 2) + 1) ** (alpha / 2) - 1)


@case("param c > 0\nr = (p - y)/c\nlog(1 + r**2/2)", y=(1.0, 0.0), p=REAL, c=SCALE)
def cauchy(y, p, c):
    return log(1 + ((p - y) / c) ** 2 / 2)


@case("param c > 0\nr = p - y\nr**2/(r**2 + c**2)", y=(1.0, 0.0), p=(*REAL, 1e12, 1e20), c=SCALE)
def geman_mcclure(y, p, c):
    return (p - y) ** 2 / ((p - y) ** 2 + c**2)


@case("param c > 0\nr = (p - y)/c\n1 - exp(-r**2/2)", y=(1.0, 0.0), p=REAL, c=SCALE)
def welsch(y, p, c):
    return 1 - exp(-(((p - y) / c) ** 2) / 2)


@case("sqrt(1 + (p - y)**2) - 1", y=(1.0, 0.0), p=(*REAL, 1e20))
def pseudo_huber(y, p):
    return sqrt(1 + (p - y) ** 2) - 1


@case("param d > 0\nd**2*(sqrt(1 + ((p - y)/d)**2) - 1)", y=(1.0, 0.0), p=REAL, d=SCALE)
def pseudo_huber_scaled(y, p, d):
    return d**2 * (sqrt(1 + ((p - y) / d) ** 2) - 1)


@case("log(cosh(p - y))", y=(1.0, 0.0), p=REAL)
def log_cosh(y, p):
    return log(cosh(p - y))


@case("log((exp(p - y) + exp(y - p))/2)", y=(1.0, 0.0), p=REAL)
def log_cosh_by_exponentials(y, p):
    return log(cosh(p - y))


@case("param k > 0\nlog(cosh(k*(p - y)))/k", y=(1.0, 0.0), p=REAL, k=SCALE)
def log_cosh_scaled(y, p, k):
    return log(cosh(k * (p - y))) / k


@case("param c > 0\nr = abs(p - y)/c\nc**2*(r - log(1 + r))", y=(1.0, 0.0), p=REAL, c=SCALE)
def fair(y, p, c):
    r = abs(p - y) / c
    return c**2 * (r - log(1 + r))


@case("param c > 0\nr = (p - y)/c\nc**2/6*(1 - (1 - r**2)**3) if abs(r) <= 1 else c**2/6", y=(1.0, 0.0), p=REAL, c=SCALE)
def tukey_biweight(y, p, c):
    r = (p - y) / c
    return c**2 / 6 * (1 - (1 - r**2) ** 3) if abs(r) <= 1 else c**2 / 6


@case("param c > 0\nr = (p - y)/c\n1 - cos(r) if abs(r) <= pi else 2", y=(1.0, 0.0), p=REAL, c=(1.0, 2.0, 0.3, 100.0))
def andrews_sine(y, p, c):
    r = (p - y) / c
    return 1 - cos(r) if abs(r) <= pi else mpf(2)


@case(
    "param a > 0\nparam b > 0\nparam c > 0\nr = abs(p - y)\n"
    "r**2/2 if r <= a else a*r - a**2/2 if r <= b else "
    "a*b - a**2/2 + a*(c - b)/2*(1 - ((c - r)/(c - b))**2) if r <= c else a*b - a**2/2 + a*(c - b)/2",
    y=(1.0, 0.0),
    p=REAL,
    a=(2.0, 1e-3),
    b=(4.0,),
    c=(8.0, 4.001, 1e3),
)
def hampel(y, p, a, b, c):
    r = abs(p - y)
    if r <= a:
        return r**2 / 2
    if r <= b:
        return a * r - a**2 / 2
    if r <= c:
        return a * b - a**2 / 2 + a * (c - b) / 2 * (1 - ((c - r) / (c - b)) ** 2)
    return a * b - a**2 / 2 + a * (c - b) / 2


@case("param a > 0\nabs(p - y)**a", y=(1.0, 0.0), p=REAL, a=(1.5, 1.0, 2.0, 1.001, 3.0, 0.5, 1.999))
def power_of_residual(y, p, a):
    return abs(p - y) ** a if p != y else mpf(0)


@case("param e\nsqrt((p - y)**2 + e**2)", y=(1.0, 0.0), p=(*REAL, 1e20), e=(1e-3, 1.0, 0.0, 1e-6))
def charbonnier(y, p, e):
    return sqrt((p - y) ** 2 + e**2)


@case("prediction a, b\nsqrt(a**2 + b**2)", a=(*REAL, 1e20, 1e-20, 1e-30), b=(1.0, 0.0, 1e-3, -100.0, 1e20, 1e-30))
def norm_of_two(a, b):
    return sqrt(a**2 + b**2)


@case("param d > 0\nr = abs(p - y)\nr**2/2 if r <= d else d*(r - d/2)", y=(1.0, 0.0), p=REAL, d=SCALE)
def huber(y, p, d):
    r = abs(p - y)
    return r**2 / 2 if r <= d else d * (r - d / 2)


@case("param w > 0\nparam e > 0\nw*log(1 + abs(p - y)/e)", y=(1.0, 0.0), p=REAL, w=(10.0, 1.0), e=(2.0, 1e-3, 1e4))
def wing(y, p, w, e):
    return w * log(1 + abs(p - y) / e)


@case("param q in (0, 1)\nparam k > 0\nr = y - p\nq*r + log(1 + exp(-k*r))/k", y=(1.0, 0.0), p=REAL, q=(0.9, 0.5, 1e-4), k=SCALE)
def smooth_quantile(y, p, q, k):
    return q * (y - p) + log(1 + exp(-k * (y - p))) / k


@case("1 - cos(p - y)", y=(1.0, 0.0), p=tuple(v for v in REAL if abs(v) < 101))
def cosine_of_angle(y, p):
    return 1 - cos(p - y)


@case("param b > 0\nr = abs(p - y)\nr - b/2 if r > b else r**2/(2*b)", y=(1.0, 0.0), p=REAL, b=SCALE)
def smooth_absolute(y, p, b):
    r = abs(p - y)
    return r - b / 2 if r > b else r**2 / (2 * b)


# -------------------------------------------------------------------------------------------------------- likelihoods
_DEGREES = (3.0, 1.0, 30.0, 1e-3, 0.1, 10.0, 300.0, 1e3, 1e4, 1e6, 1e8)


@case(
    "param nu > 0\nparam s > 0\nr = (p - y)/s\nlgamma(nu/2) - lgamma((nu + 1)/2) + log(pi*nu)/2 + log(s) + (nu + 1)/2*log(1 + r**2/nu)",
    y=(1.0,),
    p=(3.0, 1.0, 0.9, 1.0001, 31.0, 1e4, -1.0),
    nu=_DEGREES,
    s=(1.0, 0.1, 100.0),
)
def student_t(y, p, nu, s):
    r = (p - y) / s
    return loggamma(nu / 2) - loggamma((nu + 1) / 2) + log(pi * nu) / 2 + log(s) + (nu + 1) / 2 * log(1 + r**2 / nu)


@case(
    "param s > 0\nparam xi\nz = (y - p)/s\nt = (1 + xi*z)**(-1/xi)\nlog(s) + t - (1 + xi)*log(t)",
    y=(1.0,),
    p=(0.0, 0.5, 1.0, 1.5, 0.9, -3.0),
    s=(1.0, 0.5, 10.0),
    xi=AROUND_0,
    legal=lambda y, p, s, xi: 1 + xi * (y - p) / s > 0.01,
)
def generalized_extreme_value(y, p, s, xi):
    t = (1 + xi * (y - p) / s) ** (-1 / xi)
    return log(s) + t - (1 + xi) * log(t)


@case(
    "param s > 0\nparam xi\nlog(s) + (1 + 1/xi)*log(1 + xi*p/s)",
    p=(1.0, 0.1, 3.0, 1e-6, 100.0, 1e4),
    s=(1.0, 0.3, 30.0),
    xi=AROUND_0,
    legal=lambda p, s, xi: 1 + xi * p / s > 0.01,
)
def generalized_pareto(p, s, xi):
    return log(s) + (1 + 1 / xi) * log(1 + xi * p / s)


@case(
    "param r > 0\n-(lgamma(y + r) - lgamma(r) - lgamma(y + 1) + r*log(r/(r + p)) + y*log(p/(r + p)))",
    y=(3.0, 0.0, 1.0, 20.0, 1e3),
    p=(2.0, 0.3, 1e-3, 30.0, 1e3),
    r=(1.0, 5.0, 1e-3, 1e-6, 0.1, 30.0, 1e3, 1e4, 1e5, 1e6, 1e8),
)
def negative_binomial(y, p, r):
    return -(loggamma(y + r) - loggamma(r) - loggamma(y + 1) + r * log(r / (r + p)) + y * log(p / (r + p)))


@case(
    "param a > 0\nm = exp(p)\nr = 1/a\n-(lgamma(y + r) - lgamma(r) - lgamma(y + 1) - r*log(1 + a*m) + y*log(a*m/(1 + a*m)))",
    y=(3.0, 0.0, 1.0, 20.0),
    p=(1.0, -2.0, 5.0, -10.0, 0.0),
    a=(1.0, 0.2, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8, 10.0, 1e3),
)
def negative_binomial_dispersion(y, p, a):
    m, r = exp(p), 1 / a
    return -(loggamma(y + r) - loggamma(r) - loggamma(y + 1) - r * log(1 + a * m) + y * log(a * m / (1 + a * m)))


@case(
    "param k > 0\nlgamma(k) - k*log(k/p) - (k - 1)*log(y) + k*y/p",
    y=(1.0, 3.0, 1e-2, 100.0),
    p=(2.0, 0.5, Near("y"), Near("y", 1.001), 30.0),
    k=(1.0, 5.0, 1e-3, 1e-6, 0.1, 30.0, 1e3, 1e4, 1e6, 1e8),
)
def gamma_likelihood(y, p, k):
    return loggamma(k) - k * log(k / p) - (k - 1) * log(y) + k * y / p


@case(
    "param k > 0\nlgamma(p*k) + lgamma((1 - p)*k) - lgamma(k) - (p*k - 1)*log(y) - ((1 - p)*k - 1)*log(1 - y)",
    y=(0.3, 0.5, 0.99, 1e-4),
    p=(0.3, 0.7, 0.5, 1e-3, 0.99),
    k=(2.0, 10.0, 0.1, 1e-3, 100.0, 1e3, 1e4, 1e6),
)
def beta_likelihood(y, p, k):
    return loggamma(p * k) + loggamma((1 - p) * k) - loggamma(k) - (p * k - 1) * log(y) - ((1 - p) * k - 1) * log(1 - y)


@case(
    "prediction a, b\n-(lbeta(y + a, 10 - y + b) - lbeta(a, b))",
    y=(3.0, 0.0, 10.0),
    a=(1.0, 2.0, 30.0, 1e-3, 0.1, 1e3, 1e4, 1e6),
    b=(1.0, 5.0, 1e-3, 100.0, 1e4, 1e6),
)
def beta_binomial(y, a, b):
    return -(lbeta(y + a, 10 - y + b) - lbeta(a, b))


@case(
    "param k > 0\nlog(2*pi*i0(k)) - k*cos(y - p)",
    y=(0.5, 0.0),
    p=(1.0, 0.5, 0.501, -2.0, 3.0),
    k=(1.0, 5.0, 1e-6, 1e-3, 0.1, 12.0, 30.0, 80.0, 100.0, 1e3, 1e4),
)
def von_mises(y, p, k):
    return log(2 * pi * besseli(0, k)) - k * cos(y - p)


@case(
    "param k > 0\nlog(4*pi*sinh(k)/k) - k*p", p=(0.5, 1.0, -1.0, 0.999), k=(1.0, 5.0, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 12.0, 80.0, 100.0, 1e4)
)
def von_mises_fisher(p, k):
    return log(4 * pi * sinh(k) / k) - k * p


@case("cosh(p)/sinh(p) - 1/p", p=REAL)
def langevin(p):
    return cosh(p) / sinh(p) - 1 / p


@case(
    "param s\nexp(-s)*(p - y)**2 + s", y=(1.0, 0.0), p=REAL, s=(0.0, 1.0, -2.0, 10.0, -10.0, 60.0, -60.0, 80.0, -80.0, 100.0, -100.0, 200.0)
)
def gaussian_log_variance(y, p, s):
    return exp(-s) * (p - y) ** 2 + s


@case("param s > 0\nlog(s) + (p - y)**2/(2*s**2)", y=(1.0, 0.0), p=REAL, s=(*SCALE, 1e-20, 1e20))
def gaussian_scale(y, p, s):
    return log(s) + (p - y) ** 2 / (2 * s**2)


@case("prediction m, s\n-log(1/(sqrt(2*pi)*s)*exp(-((y - m)/s)**2/2))", y=(1.0, 0.0), m=REAL, s=SCALE)
def gaussian_density(y, m, s):
    return log(sqrt(2 * pi) * s) + ((y - m) / s) ** 2 / 2


@case(
    "prediction m, s\nz = (y - m)/s\ns*(z*(2*ndtr(z) - 1) + 2*exp(-z**2/2)/sqrt(2*pi) - 1/sqrt(pi))",
    y=(1.0, 0.0),
    m=tuple(v for v in REAL if abs(v) < 2e3),
    s=SCALE,
)
def gaussian_crps(y, m, s):
    z = (y - m) / s
    return s * (z * (2 * ndtr(z) - 1) + 2 * exp(-(z**2) / 2) / sqrt(2 * pi) - 1 / sqrt(pi))


@case(
    "param a\nz = p - y\nz**2/2 - log(2*ndtr(a*z))", y=(1.0, 0.0), p=tuple(v for v in REAL if abs(v) < 101), a=(1.0, -3.0, 0.0, 1e-4, 30.0)
)
def skew_normal(y, p, a):
    return (p - y) ** 2 / 2 - log(2 * ndtr(a * (p - y)))


@case(
    "prediction m, s\nz = (m - y)/s\ns*(z*ndtr(z) + exp(-z**2/2)/sqrt(2*pi))",
    y=(0.0,),
    m=tuple(v for v in REAL if abs(v) < 101),
    s=(1.0, 0.3, 10.0),
)
def expected_improvement(y, m, s):
    z = (m - y) / s
    return s * (z * ndtr(z) + exp(-(z**2) / 2) / sqrt(2 * pi))


@case(
    "prediction m, s\nz = (m - y)/s\n-log(s*(z*ndtr(z) + exp(-z**2/2)/sqrt(2*pi)))",
    y=(0.0,),
    m=tuple(v for v in REAL if abs(v) < 101),
    s=(1.0, 0.3, 10.0),
)
def log_expected_improvement(y, m, s):
    z = (m - y) / s
    return -log(s * (z * ndtr(z) + exp(-(z**2) / 2) / sqrt(2 * pi)))


@case(
    "param w in (0, 1)\nprediction a, b\n-log(w*exp(-(y - a)**2/2) + (1 - w)*exp(-(y - b)**2/2))",
    y=(0.0, 1.0),
    a=MODEST,
    b=(*MODEST, 100.0, -1e3),
    w=(0.5, 1e-4, 0.999),
)
def mixture_of_two(y, a, b, w):
    return -log(w * exp(-((y - a) ** 2) / 2) + (1 - w) * exp(-((y - b) ** 2) / 2))


@case("param w in (0, 1)\n-log(w + (1 - w)*exp(-exp(p)))", p=tuple(v for v in REAL if v < 80), w=(0.5, 1e-6, 0.999))
def zero_inflated_zero(p, w):
    return -log(w + (1 - w) * exp(-exp(p)))


@case("p - y*log(p) + log(1 - exp(-p))", y=(1.0, 3.0, 50.0), p=POSITIVE)
def zero_truncated_poisson(y, p):
    return p - y * log(p) + log(1 - exp(-p))


@case(
    "param k > 0\nlog(p/k) - (k - 1)*log(y/p) + (y/p)**k",
    y=(1.0, 3.0, 1e-3),
    p=(2.0, 0.5, 1e-2, Near("y", 1.001), 100.0),
    k=(1.0, 2.0, 1e-3, 0.1, 10.0, 30.0),
)
def weibull(y, p, k):
    return log(p / k) - (k - 1) * log(y / p) + (y / p) ** k


@case("prediction m, s\nz = (y - m)/s\nz + exp(-z) + log(s)", y=(0.0, 1.0), m=REAL, s=SCALE)
def gumbel(y, m, s):
    z = (y - m) / s
    return z + exp(-z) + log(s)


@case("prediction m, s\nz = (y - m)/s\nz + 2*log(1 + exp(-z)) + log(s)", y=(0.0, 1.0), m=REAL, s=SCALE)
def logistic_likelihood(y, m, s):
    z = (y - m) / s
    return z + 2 * log(1 + exp(-z)) + log(s)


@case("param b > 0\nlog(2*b) + abs(p - y)/b", y=(0.0, 1.0), p=REAL, b=(*SCALE, 1e-20))
def laplace(y, p, b):
    return log(2 * b) + abs(p - y) / b


@case(
    "param a > 0\nparam b > 0\n-(log(a) + log(b) + (a - 1)*log(y) + (b - 1)*log(1 - y**a))",
    y=(0.3, 0.99, 1e-4, 1 - 1e-6),
    a=POSITIVE[:14],
    b=(2.0, 0.5, 1.0, 1e-3, 30.0),
)
def kumaraswamy(y, a, b):
    return -(log(a) + log(b) + (a - 1) * log(y) + (b - 1) * log(1 - y**a))


@case(
    "-y*log(p) - (1 - y)*log(1 - p) - log(2*atanh(1 - 2*p)/(1 - 2*p))",
    y=(0.3, 0.0, 1.0),
    p=(*SHARE, 0.499999, 0.50001, 0.4999, 0.501, 0.49),
)
def continuous_bernoulli(y, p):
    return -y * log(p) - (1 - y) * log(1 - p) - log(2 * atanh(1 - 2 * p) / (1 - 2 * p))


@case(
    "prediction m, s\nlog(1/s) + (s**2 + m**2)/2 - 1/2",
    m=(0.0, 1.0, 1e-3, 1e-6, -30.0, 1e4),
    s=(1.0, 2.0, 0.3, 1 + 1e-6, 1 - 1e-6, 1.0001, 0.999, 1e-6, 100.0),
)
def gaussian_divergence(m, s):
    return log(1 / s) + (s**2 + m**2) / 2 - mpf(1) / 2


@case("prediction m, v\n(exp(v) + m**2 - 1 - v)/2", m=(0.0, 1.0, 1e-3, 1e-6, -30.0, 1e4), v=tuple(v for v in REAL if v < 85))
def gaussian_divergence_log_variance(m, v):
    return (exp(v) + m**2 - 1 - v) / 2


# ------------------------------------------------------------------------------------------------------- along an axis
_THREE = {"p": ("a", "b", "c")}
_LOGITS = (1.0, -2.0, 0.3, 0.0, 1e-3, -0.5, 5.0, 10.0, 17.0, -17.0, 40.0, 100.0, -100.0, 1e3, 1e4, -1e4)
_PARTS = (1.0, 2.0, 0.3, 1e-6, 1e-3, 1.001, 0.999, 10.0, 1e4)


def log_total(*x):
    return log(sum(exp(v) for v in x))


@case("log(sum(exp(p)))", stack=_THREE, a=_LOGITS, b=_LOGITS, c=_LOGITS)
def log_sum_exp(a, b, c):
    return log_total(a, b, c)


@case("-log(softmax(p)[y])", stack=_THREE, whole=("y",), y=(0, 1, 2), a=_LOGITS, b=_LOGITS, c=_LOGITS)
def softmax_crossentropy(y, a, b, c):
    return log_total(a, b, c) - (a, b, c)[int(y)]


@case(
    "param t > 0\n-log(softmax(p/t)[y])",
    stack=_THREE,
    whole=("y",),
    y=(0, 1, 2),
    a=_LOGITS,
    b=_LOGITS,
    c=_LOGITS,
    t=(1.0, 0.1, 10.0, 1e-2, 1e3),
)
def softmax_crossentropy_temperature(y, a, b, c, t):
    return log_total(a / t, b / t, c / t) - (a, b, c)[int(y)] / t


@case(
    "s = exp(p)/sum(exp(p))\n-sum(y*log(s))",
    stack={**_THREE, "y": ("u", "v", "w")},
    u=(0.0, 1.0, 0.25),
    v=(0.0, 1.0, 0.5),
    w=(1.0, 0.0, 0.125),
    a=_LOGITS,
    b=_LOGITS,
    c=_LOGITS,
)
def softmax_crossentropy_spelled_out(u, v, w, a, b, c):
    return (u + v + w) * log_total(a, b, c) - u * a - v * b - w * c


@case(
    "param g >= 0\ns = softmax(p)[y]\n-(1 - s)**g*log(s)",
    stack=_THREE,
    whole=("y",),
    y=(0, 1, 2),
    a=_LOGITS,
    b=_LOGITS,
    c=_LOGITS,
    g=(2.0, 1.0, 0.5, 5.0),
)
def focal_softmax(y, a, b, c, g):
    mine, total = (a, b, c)[int(y)], log_total(a, b, c)
    rest = log_total(*(v for i, v in enumerate((a, b, c)) if i != int(y)))
    return exp(rest - total) ** g * (total - mine)


@case("s = softmax(p)\n-sum(s*log(s))", stack=_THREE, a=_LOGITS, b=_LOGITS, c=_LOGITS)
def softmax_entropy(a, b, c):
    total = log_total(a, b, c)
    return -sum(exp(v - total) * (v - total) for v in (a, b, c))


@case(
    "s = softmax(y)\nsum(s*(log(s) - log(softmax(p))))",
    stack={**_THREE, "y": ("u", "v", "w")},
    u=_LOGITS[:8],
    v=(0.0, 1.0, -3.0),
    w=(0.5, 0.0),
    a=(*_LOGITS, Near("u"), Near("u", 1, 1e-3)),
    b=(1.0, Near("v"), Near("v", 1, 1e-4), 30.0),
    c=(0.0, Near("w"), Near("w", 1.001)),
)
def softmax_divergence(u, v, w, a, b, c):
    own, other = log_total(u, v, w), log_total(a, b, c)
    return sum(exp(x - own) * ((x - own) - (z - other)) for x, z in ((u, a), (v, b), (w, c)))


@case("param t\nlog(mean(exp(t*p)))/t", stack=_THREE, a=_LOGITS, b=_LOGITS[:8], c=_LOGITS[:10], t=(*AROUND_0, 10.0, -10.0))
def tilted_mean(a, b, c, t):
    return log((exp(t * a) + exp(t * b) + exp(t * c)) / 3) / t


@case("param t\nmean(p**t)**(1/t)", stack=_THREE, a=_PARTS, b=_PARTS, c=_PARTS, t=(*AROUND_0, 5.0, -5.0))
def power_mean(a, b, c, t):
    return ((a**t + b**t + c**t) / 3) ** (1 / t)


@case("sqrt(sum(p**2))", stack=_THREE, a=(*_LOGITS, 1e20, 1e-30), b=(0.0, 1.0, -1e-3, 1e20, 1e-30), c=(0.0, -2.0, 1e-30))
def norm_of_three(a, b, c):
    return sqrt(a**2 + b**2 + c**2)


@case(
    "param l in [0, 1]\nd = log(p) - log(y)\nmean(d**2) - l*mean(d)**2",
    stack={**_THREE, "y": ("u", "v", "w")},
    u=_PARTS,
    v=(1.0, 0.3),
    w=(2.0, 100.0),
    a=(*_PARTS, Near("u"), Near("u", 1.001)),
    b=(1.0, 3.0, Near("v", 1.001)),
    c=(2.0, Near("w", 1.001), 1e-3),
    l=(0.5, 1.0, 0.0),
)
def scale_invariant_log_error(u, v, w, a, b, c, l):  # noqa: E741
    d = [log(a / u), log(b / v), log(c / w)]
    return sum(x**2 for x in d) / 3 - l * (sum(d) / 3) ** 2


@case(
    "mean(p**2) - mean(p)**2",
    stack=_THREE,
    a=(1.0, -2.0, 0.3, 100.0, 1e4),
    b=(Near("a"), Near("a", 1.001), Near("a", 1, 1.0), 0.0, -3.0),
    c=(Near("a"), Near("a", 0.9999), 5.0),
)
def variance_of_three(a, b, c):
    m = (a + b + c) / 3
    return ((a - m) ** 2 + (b - m) ** 2 + (c - m) ** 2) / 3


@case(
    "1 - sum(y*p)/(sqrt(sum(y**2))*sqrt(sum(p**2)))",
    stack={**_THREE, "y": ("u", "v", "w")},
    u=(1.0, 0.0, -2.0),
    v=(0.5, 3.0),
    w=(0.0, 1.0),
    a=(Near("u"), Near("u", 1.001), Near("u", 3), 1.0, -2.0, 1e3, 1e-3),
    b=(Near("v"), Near("v", 3), Near("v", 1, 1e-3), -1.0, 10.0),
    c=(Near("w"), Near("w", 3), 1.0),
    legal=lambda u, v, w, a, b, c: a**2 + b**2 + c**2 > 0,
)
def cosine_distance(u, v, w, a, b, c):
    return 1 - (u * a + v * b + w * c) / (sqrt(u**2 + v**2 + w**2) * sqrt(a**2 + b**2 + c**2))


# ------------------------------------------------------------------------------------------------- distances and likelihoods
_SHARES = (0.3, 0.5, 0.9, 1e-6, 0.999999, 0.0, 1.0)


@case(
    "prediction p, q\n1 - sqrt(p*q) - sqrt((1 - p)*(1 - q))",
    p=_SHARES,
    q=(0.25, Near("p"), Near("p", 1.001), 1e-8, 0.75, 0.0, 1.0),
    legal=lambda p, q: p <= 1 and q <= 1,
)
def squared_hellinger_distance(p, q):
    return 1 - sqrt(p * q) - sqrt((1 - p) * (1 - q))


@case(
    "prediction p\nparam m = 0.5\ncos(acos(p) + m)",
    p=(0.3, -0.5, 0.0, 0.999999, -0.999999, 1e-6),
    m=(0.5, 0.0, 1e-6, -0.3, 1.5),
)
def angular_margin(p, m):
    return p * cos(m) - sin(m) * sqrt(1 - p**2)


@case(
    "prediction m, s, k\n-log(k/2) - k/2*(2*m + k*s**2 - 2*y) - log(erfc((m + k*s**2 - y)/(sqrt(2)*s)))",
    y=(0.5, -1.0, 0.0, 20.0, 100.0),
    m=(0.0, Near("y"), Near("y", 1, 1e-3), -2.0, 3.0),
    s=(1.0, 0.01, 0.5, 20.0, 100.0),
    k=(1.0, 0.01, 20.0, 100.0),
)
def exponentially_modified_gaussian(y, m, s, k):
    return -log(k / 2) - k / 2 * (2 * m + k * s**2 - 2 * y) - log(erfc((m + k * s**2 - y) / (sqrt(mpf(2)) * s)))


@case(
    "prediction m\nparam s > 0 = 1\nparam q = 0.5\nw = (log(y) - m)/s\nk = q**(-2)\n"
    "log(s*y) - log(q) + lgamma(k) - k*log(k) - k*(q*w - exp(q*w))",
    y=(1.5, 1e-3, 0.5, 20.0, 1e4),
    m=(0.0, 1.0, -2.0, 9.0),
    s=(1.0, 0.5, 3.0),
    q=(0.5, 1.0, 2.0, 1e-2, 1e-3, 1e-5),
    legal=lambda y, m, s, q: abs(q * (log(y) - m) / s) < 60,
)
def generalised_gamma(y, m, s, q):
    w, k = (log(y) - m) / s, q**-2
    return log(s * y) - log(q) + loggamma(k) - k * log(k) - k * (q * w - exp(q * w))


@case(
    "prediction a, p, q\nlog(1 + exp(sqrt((a - p)**2 + 1e-6) - sqrt((a - q)**2 + 1e-6)))",
    a=(0.5, 0.0, -3.0, 20.0, 1e3),
    p=(0.0, Near("a"), 1.0, 1e-3),
    q=(2.0, Near("p"), Near("p", 1, 1e-3), Near("a"), -1.0),
)
def smooth_triplet(a, p, q):
    small = mpf("1e-6")
    return log(1 + exp(sqrt((a - p) ** 2 + small) - sqrt((a - q) ** 2 + small)))


@case(
    "prediction w, p, r\n-log(w + (1 - w)*(r/(r + p))**r)",
    w=(0.3, 1e-6, 0.9),
    p=(2.0, 1e-6, 0.5, 20.0, 1e4),
    r=(1.0, 0.1, 20.0, 1e4, 1e6),
)
def zero_inflated_negative_binomial(w, p, r):
    return -log(w + (1 - w) * (r / (r + p)) ** r)


@case(
    "prediction u, v\nparam t = 1\n-log((1 + t)*(u*v)**(-1 - t)*(u**(-t) + v**(-t) - 1)**(-1/t - 2))",
    u=(0.5, 1e-3, 0.3, 0.999),
    v=(0.25, Near("u"), 0.9, 1e-3),
    t=(1.0, 0.1, 2.0, 1e-3, 1e-6, 0.0, 10.0),
)
def clayton_copula(u, v, t):
    return -log((1 + t) * (u * v) ** (-1 - t) * (u**-t + v**-t - 1) ** (-1 / t - 2))


@case(
    "prediction a, b\np = exp(-a)\nq = exp(-b)\n-log(sigmoid(log(p/(1 - p)) - log(q/(1 - q))))",
    a=(1.0, 1e-3, 0.5, 20.0, 100.0, 900.0),
    b=(2.0, Near("a"), Near("a", 1.001), 1e-3, 30.0, 1000.0),
)
def odds_ratio_preference(a, b):
    return log(1 + exp(a - b) * expm1(-a) / expm1(-b))


@case(
    "prediction p, a, b\n-log(a*b/(a - b)*(exp(-b*p) - exp(-a*p)))",
    p=(1.0, 1e-3, 20.0, 1e3),
    a=(0.5, 2.0, 1e-3, 20.0),
    b=(1.0, Near("a", 1.001), Near("a", 1.000001), 3.0, 1e-2),
    legal=lambda p, a, b: a != b,
)
def two_waiting_times(p, a, b):
    return -log(a * b / (a - b) * (exp(-b * p) - exp(-a * p)))


@case(
    "sum(([1, 0, 0] - softmax(p))**2)",
    stack=_THREE,
    a=(0.5, 0.0, -3.0, 10.0, 20.0, 40.0),
    b=(0.0, Near("a"), -1.0, 5.0, 30.0),
    c=(1.0, -5.0, 0.3),
)
def brier_of_three(a, b, c):
    total = exp(a) + exp(b) + exp(c)
    return ((exp(b) + exp(c)) / total) ** 2 + (exp(b) / total) ** 2 + (exp(c) / total) ** 2
