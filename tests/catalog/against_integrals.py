"""Losses against SciPy's own, scores against numerical integration, deviances against scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.integrate
import scipy.optimize
import scipy.special
import scipy.stats as st
import sklearn.metrics
from catalog_case import (
    add,
    counts,
    labels,
    positive,
    real,
)

exp, log, expit = np.exp, np.log, scipy.special.expit
LINE = {"y": real(8, 1), "p": real(8, 1)}
HALF = {"y": positive(8, 1), "p": real(8, 1, scale=0.5)}


# ------------------------------------------------------------------------------------------- what SciPy has by itself
def least_squares(name: str) -> Callable[..., float]:
    """Return SciPy's cost at the start of a fit of one parameter to given residuals."""

    def cost(y: Any, p: Any, c: Any) -> float:
        residuals = (p - y).ravel()
        start = scipy.optimize.least_squares(lambda x: residuals + 0 * x[0], [0.0], loss=name, f_scale=float(c), max_nfev=1)
        return start.cost / residuals.size

    return cost


for key in ("cauchy", "soft_l1", "arctan"):
    add(key, f"scipy.optimize.least_squares(loss='{key}')", least_squares(key), **LINE, c=0.8)
add("pseudo_huber", "scipy.special.pseudo_huber", lambda y, p, delta: np.mean(scipy.special.pseudo_huber(delta, p - y)), **LINE, delta=0.7)

# --------------------------------------------------------------------------------------------- numerical integration
INTEGRAL = "scipy.integrate.quad"


def integral(function: Callable[[float], float], low: float, high: float) -> float:
    return scipy.integrate.quad(function, low, high, epsabs=1e-13, epsrel=1e-13, limit=200)[0]


def general(r: Any, alpha: float) -> Any:
    b = abs(alpha - 2)
    return b / alpha * ((r**2 / b + 1) ** (alpha / 2) - 1)


def adaptive(y: Any, p: Any, alpha: Any, c: Any) -> float:
    """The paper's equation 16, its partition function by adaptive quadrature."""
    z = 2 * integral(lambda x: float(exp(-general(x, float(alpha)))), 0, np.inf)
    return float(np.mean(general((p - y) / c, float(alpha)) + log(c) + log(z)))


for alpha in (0.5, 1.3, 1.9):
    add("barron_adaptive", INTEGRAL, adaptive, y=real(4, 1), p=real(4, 1, scale=3), alpha=alpha, c=0.7)


def from_influence(psi: Callable[..., float]) -> Callable[..., float]:
    """Return the mean loss whose derivative by the residual is given."""
    return lambda y, p, **given: float(np.mean([integral(lambda x: psi(x, **given), 0, abs(r)) for r in (p - y).ravel()]))


def hampel_influence(x: float, a: float, b_minus_a: float, c_minus_b: float) -> float:
    b, c = a + b_minus_a, a + b_minus_a + c_minus_b
    return min(x, a) if x <= b else a * max(c - x, 0) / (c - b)


def andrews_influence(x: float, c: float) -> float:
    return c * np.sin(x / c) if x <= c * np.pi else 0.0


add(
    "hampel",
    INTEGRAL,
    from_influence(hampel_influence),
    y=[[0.0]] * 5,
    p=[[0.6], [-1.9], [3.2], [-6.1], [11.0]],
    a=1.5,
    b_minus_a=2.5,
    c_minus_b=4.5,
)
add("andrews", INTEGRAL, from_influence(andrews_influence), y=[[0.0]] * 4, p=[[0.6], [-2.0], [3.0], [-6.0]], c=1.2)


def crps(distribution: Callable[..., Any]) -> Callable[..., float]:
    """Return the mean of the integral of (F(x) - [x >= y])**2, the score's definition."""

    def mean(y: Any, **given: Any) -> float:
        total = 0.0
        for row in range(len(y)):
            at = float(y[row, 0])
            found = distribution(**{name: float(array[row, 0]) if np.ndim(array) else float(array) for name, array in given.items()})
            total += integral(lambda x, found=found: found.cdf(x) ** 2, -np.inf, at) + integral(
                lambda x, found=found: found.sf(x) ** 2, at, np.inf
            )
        return total / len(y)

    return mean


class Normal:
    """The normal distribution by SciPy's special functions; frozen distributions of scipy.stats are slow to integrate."""

    def __init__(self, m: float, s: float) -> None:
        self.m, self.scale = m, exp(s)

    def cdf(self, x: float) -> float:
        return scipy.special.ndtr((x - self.m) / self.scale)

    def sf(self, x: float) -> float:
        return scipy.special.ndtr((self.m - x) / self.scale)


class Logistic(Normal):
    def cdf(self, x: float) -> float:
        return expit((x - self.m) / self.scale)

    def sf(self, x: float) -> float:
        return expit((self.m - x) / self.scale)


class Laplace:
    def __init__(self, p: float, b: float) -> None:
        self.p, self.b = p, b

    def cdf(self, x: float) -> float:
        z = (x - self.p) / self.b
        return exp(z) / 2 if z < 0 else 1 - exp(-z) / 2

    def sf(self, x: float) -> float:
        return self.cdf(2 * self.p - x)


WITH_SCALE = {"y": real(4, 1), "m": real(4, 1), "s": real(4, 1, scale=0.3)}
add("crps_normal", INTEGRAL, crps(Normal), **WITH_SCALE)
add("crps_logistic", INTEGRAL, crps(Logistic), **WITH_SCALE)
# The integrand has a corner at p: the ends of the integrals are moved there by choosing both sides.
add("crps_laplace", INTEGRAL, crps(Laplace), y=real(4, 1), p=real(4, 1), b=1.6)


def cumulative_logit(y: Any, p: Any, first: Any, width: Any) -> float:
    cut = np.concatenate([[-np.inf, float(first)], float(first) + np.cumsum(width), [np.inf]])
    k = y.astype(int)
    return float(-np.mean(log(st.logistic.cdf(cut[k + 1] - p[:, 0]) - st.logistic.cdf(cut[k] - p[:, 0]))))


add("cumulative_logit", "scipy.stats.logistic.cdf", cumulative_logit, y=labels(8, 4), p=real(8, 1), first=-0.7, width=[0.8, 1.5])

# ------------------------------------------------------------------------------------------------------ scikit-learn
METRICS = "sklearn.metrics."
flat = np.ravel
add(
    "poisson_deviance",
    METRICS + "mean_poisson_deviance",
    lambda y, p: sklearn.metrics.mean_poisson_deviance(flat(y), flat(exp(p))),
    y=counts(8, 1),
    p=real(8, 1),
)
add("gamma_deviance", METRICS + "mean_gamma_deviance", lambda y, p: sklearn.metrics.mean_gamma_deviance(flat(y), flat(exp(p))), **HALF)
add(
    "tweedie_deviance",
    METRICS + "mean_tweedie_deviance",
    lambda y, p, power: sklearn.metrics.mean_tweedie_deviance(flat(y), flat(exp(p)), power=float(power)),
    y=counts(8, 1),
    p=real(8, 1),
    power=1.3,
)
add(
    "root_mean_squared_error",
    METRICS + "root_mean_squared_error",
    lambda y, p: sklearn.metrics.root_mean_squared_error(flat(y), flat(p)),
    **LINE,
)
add(
    "pinball",
    METRICS + "mean_pinball_loss",
    lambda y, p, tau: sklearn.metrics.mean_pinball_loss(flat(y), flat(p), alpha=float(tau)),
    **LINE,
    tau=0.8,
)
add(
    "pinball_several",
    METRICS + "mean_pinball_loss",
    lambda y, p: np.mean([sklearn.metrics.mean_pinball_loss(y, p[:, i], alpha=tau) for i, tau in enumerate((0.1, 0.5, 0.9))]),
    y=real(8),
    p=real(8, 3),
)
add(
    "brier",
    METRICS + "brier_score_loss",
    lambda y, p: sum(sklearn.metrics.brier_score_loss(y == k, scipy.special.softmax(p, -1)[:, k], pos_label=True) for k in range(4)),
    y=labels(8, 4),
    p=real(8, 4),
)


def discrepancy(y: Any, p: Any, h: Any) -> float:
    kernel = lambda a, b: sklearn.metrics.pairwise.rbf_kernel(a, b, gamma=1 / (2 * float(h) ** 2)).mean()  # noqa: E731
    return kernel(y, y) + kernel(p, p) - 2 * kernel(y, p)


add("maximum_mean_discrepancy", METRICS + "pairwise.rbf_kernel", discrepancy, y=real(6, 3), p=real(6, 3), h=1.4)
