"""Losses with data, by name, whose programs together use every function of the language, and all that their adjoints need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

import losscompiler as lc
from losscompiler.compiler import CompiledLoss


@dataclass(frozen=True)
class Case:
    """A loss, and float64 arrays for its data and parameters in program order."""

    formula: str
    arrays: dict[str, Any]
    constants: dict[str, Any] = field(default_factory=dict)

    def loss(self, name: str) -> CompiledLoss:
        return lc.compile_loss(self.formula, constants=self.constants, name=name, findings="ignore")


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.round(np.random.default_rng(seed).uniform(-2, 2, shape), 3)


UNIT = np.linspace(0.07, 0.93, 10)  # none of them on a kink
LABELS = np.array([2.0, 0, 3, 3])
ROWS, SQUARE = numbers(4, 5), numbers(2, 3, 3, seed=1)
MASK = np.array([[1.0, 0, 1, 1, 0], [0, 1, 1, 0, 1], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0]])
TIES = np.array([[1.0, 2, 2, 1, 2], [0, 0, 0, 0, 0], [3, 1, 2, 1, 3]])

CASES = {
    "student_t": Case(
        "param s > 0 = 1\nparam nu > 2 = 30\nz = (y - p)/s\n"
        "log(s) + lgamma(nu/2) - lgamma((nu + 1)/2) + log(nu*pi)/2 + (nu + 1)/2*log1p(z**2/nu)",
        {"y": numbers(4, seed=2), "p": numbers(4, 1), "s": 0.7, "nu": 5.0},
    ),
    "barron": Case(
        "param alpha in (0, 2) = 1\nparam c > 0 = 1\nr = (p - y)/c\nabs(alpha - 2)/alpha*((r**2/abs(alpha - 2) + 1)**(alpha/2) - 1)",
        {"y": numbers(4, 5, seed=2), "p": ROWS, "alpha": 0.8, "c": 1.3},
    ),
    "beta": Case("beta(abs(p) + 1, abs(y) + 1)", {"y": numbers(4, seed=4), "p": numbers(4, 1)}),
    "labels": Case("param T > 0 = 1\nlogsumexp(p/T) - (p/T)[y]", {"y": LABELS, "p": ROWS, "T": 0.6}),
    "labels_of_sequences": Case("-log_softmax(p)[y]", {"y": np.array([[1.0, 0, 2], [2, 2, 1]]), "p": SQUARE}),
    "one_hot": Case("param w[p] > 0 = 1\nsum(w*(one_hot(y, count(p)) - softmax(p))**2)", {"y": LABELS, "p": ROWS, "w": numbers(5) ** 2}),
    "lookup": Case("param w[4] = [1, 2, 3, 4]\nw[y]*(p - y)**2", {"y": LABELS, "p": numbers(4, 1), "w": np.arange(1.0, 5)}),
    "table_of_constants": Case("prior[y]*p**2 + sum(prior)", {"y": LABELS, "p": numbers(4, 1)}, {"prior": [0.1, 0.2, 0.3, 0.4]}),
    "table_of_data": Case("input w\nw[y]*p**2", {"y": LABELS, "p": numbers(4, 1), "w": numbers(4)}),
    "sample_weights": Case("input w\nw*sum((y - p)**2)", {"y": numbers(4, 5, seed=3), "p": ROWS, "w": numbers(4)}),
    "complements": Case("sum(y*(1 - softmax(p)) - log(1 - softmax(p)))", {"y": MASK, "p": ROWS}),
    "weighted_logarithms": Case(
        "param k > 0 = 1\ninput w\nlog(sum(w*exp(p))) + logsumexp(k*p)/k", {"p": ROWS, "w": numbers(4, 5, seed=6) ** 2, "k": 0.4}
    ),
    "vector_of_data": Case("input w\nsum(w*p)", {"p": ROWS, "w": numbers(5)}),
    "constant_weights": Case("mean(p, weights=2) + sum(p, where=y > 0, weights=0.1)", {"y": MASK, "p": ROWS}),
    "masked": Case(
        "mean(p, where=y > 0) + max(p, where=y > 0) - min(p) + norm(p) + std(p) + prod(p, where=y > 0)", {"y": MASK, "p": ROWS}
    ),
    "reductions_of_axes": Case("sum(p, axis=0)*mean(p, axis=(0, 1))*norm(p, axis=all) + logsumexp(p, axis=0)", {"p": ROWS}),
    "product_with_zeros": Case("prediction p, q\nprod(p)*prod(q, axis=(0, 1)) + prod(p, axis=all)", {"p": TIES, "q": numbers(3, 2)}),
    "ties": Case("max(p) + 2*min(p, axis=0) + sum(arange(5)*sort(p))", {"p": TIES}),
    "positions": Case("p*argmax(p) + argmin(p, axis=0)*p + any(p > 1.5)*p + all(p > -1.5)*p", {"p": ROWS}),
    "running": Case("sum(cumsum(p)*flip(p)) + sum(logcumsumexp(p)) + sum(cumsum(p, axis=0)*logcumsumexp(p, axis=0))", {"p": ROWS}),
    "empty_rows": Case("logsumexp(where(y > 0, p, -inf)) + 0*p[0]", {"y": 0 * MASK + [1, 1, 0, 0, 1], "p": ROWS}),
    "selections": Case(
        "prediction p, q\nm = p[0]\ns = softplus(p[-1])\nsum(concat(p[1:3], q, diff(p[:-1]))**2)/s + m + sum([p[1], q, 2]**2)",
        {"p": ROWS, "q": numbers(4, 1)},
    ),
    "matrices": Case(
        "prediction p, q\nsum((p @ transpose(q) + diag(p) - eye_like(p))**2) + sum(triu(p)*tril(q), axis=(-2, -1))",
        {"p": SQUARE, "q": numbers(2, 3, 3, seed=4)},
    ),
    "matrix_of_parameters": Case("param W[5, 2] = 0.5\nsum((p @ W)**2) + arange(count(p))[1]", {"p": ROWS, "W": numbers(5, 2, seed=5)}),
    "broadcast_mask": Case("input w\nsum(p, where=w > 0, weights=w) + mean(p, weights=w**2)", {"p": ROWS, "w": numbers(4, 1)}),
    "no_gradient": Case("prediction p, q\np*stop_gradient(q) + 0.1", {"p": numbers(3), "q": numbers(3, seed=1)}),
    "branches": Case("log(p) if p > 0 else where(y > 0, sqrt(p), 0.1*p)", {"y": -np.ones((4, 5)), "p": ROWS}),
    "one_number": Case("a*(y - p)**2 + log_ndtr(p) + erfcx(a) + i1e(p) + polygamma(1, a)", {"y": 1.0, "p": 0.3, "a": 2.5}),
    "unit_vectors": Case("1 - sum(y*p)/(norm(y)*norm(p)) + a*p[0]", {"y": ROWS[::-1] + 1, "p": ROWS, "a": 0.3}),
    "vector_literal": Case("sum(p[:3]*[1, 0.1, 2])*[1, 3] + a*[a, 2]", {"p": ROWS, "a": 0.3}),
    "elementary": Case(
        "a = exp(p) + expm1(p) + log(p) + log1p(p) + log1mexp(-p) + sqrt(p) + cbrt(p) + log_cosh(p)\n"
        "b = sin(p) + cos(p) + tan(p) + asin(p) + acos(p) + atan(p) + sinh(p) + cosh(p) + tanh(p) + asinh(p) + acosh(p + 2) + atanh(p)\n"
        "c = abs(p - 0.5) + sign(p) + relu(p - 0.4) + floor(3*p) + ceil(3*p) + round(3*p) - p\na + b + c**2",
        {"p": UNIT},
    ),
    "special": Case(
        "a = sigmoid(p) + log_sigmoid(p) + softplus(p) + erf(p) + erfc(p) + erfinv(p) + erfcx(p) + ndtr(p) + log_ndtr(-3*p)\n"
        "b = lgamma(p) + digamma(p) + polygamma(1, p) + polygamma(2, p) + i0(p) + i1(p) + i0e(p) + i1e(p) + log_i0(p)\na*b",
        {"p": UNIT},
    ),
    "differences": Case(
        "a = lgamma_difference(p, 0.3) + polygamma_difference(1, p, 0.3) + lbeta(p, 2*p) + binet(1, p)\n"
        "a + bessel_ratio(p)*bessel_ratio_complement(p) + exp_moment(2, p)*log1p_moment(1, p)*asinh_moment(1, p) + expm1mx(p)*log1pmx(p)",
        {"p": UNIT},
    ),
    "two_arguments": Case(
        "prediction p, q\na = logaddexp(p, q) + xlogy(p, q) + hypot(p, q) + atan2(p, q) + p**q\n"
        "a + max(p, q, 0.3)*min(p, q, 0.7) + clip(p, q, 0.6)",
        {"p": UNIT, "q": UNIT[::-1]},
    ),
    "conditions": Case(
        "prediction p, q\nwhere(p < q and not p > 0.3 or p <= 0.2 or q >= 0.8 or p == q, p, 2*q) + (p != q)*p*q",
        {"p": UNIT, "q": np.where(UNIT > 0.8, UNIT, UNIT[::-1])},
    ),
    "constant": Case("0*p + 3", {"p": ROWS}),
}
