"""Likelihoods against the densities of scipy.stats."""

# ruff: noqa: E741  (arrays have the names of the entry)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.integrate
import scipy.optimize
import scipy.special
import scipy.stats as st
from catalog_case import add, bits, counts, positive, probabilities, real, share

exp, log = np.exp, np.log


def likelihood(key: str, name: str, density: Callable[..., Any], /, **arrays: Any) -> None:
    """Compare with the mean of the negative logarithm of a density of scipy.stats."""
    add(key, f"scipy.stats.{name}", lambda **given: -np.mean(density(**given)), **arrays)


LINE = {"y": real(8, 1), "p": real(8, 1)}
HALF = {"y": positive(8, 1), "p": real(8, 1, scale=0.5)}

# ------------------------------------------------------------------------------------------------------- on the line
likelihood("normal", "norm.logpdf", lambda y, p, sigma: st.norm.logpdf(y, p, sigma), **LINE, sigma=1.7)
likelihood("normal_heteroscedastic", "norm.logpdf", lambda y, m, s: st.norm.logpdf(y, m, exp(s)), y=real(8, 1), m=real(8, 1), s=real(8, 1))


def bivariate(y: Any, m: Any, c: Any) -> Any:
    total = []
    for row, mean, (a, b, d) in zip(y, m, c, strict=True):
        # The factor that takes independent variables to these.
        factor = np.array([[exp(a), 0.0], [b, exp(d)]])
        total.append(st.multivariate_normal.logpdf(row, mean, factor @ factor.T))
    return total


likelihood("bivariate_normal", "multivariate_normal.logpdf", bivariate, y=real(6, 2), m=real(6, 2), c=real(6, 3, scale=0.5))
likelihood(
    "normal_mixture",
    "norm.logpdf",
    lambda y, w, m, s: log(np.sum(scipy.special.softmax(w, -1) * st.norm.pdf(y, m, exp(s)), -1)),
    y=real(6, 1),
    w=real(6, 3),
    m=real(6, 3),
    s=real(6, 3, scale=0.5),
)
likelihood("laplace", "laplace.logpdf", lambda y, p, b: st.laplace.logpdf(y, p, b), **LINE, b=1.6)
likelihood(
    "laplace_asymmetric", "laplace_asymmetric.logpdf", lambda y, p, k, b: st.laplace_asymmetric.logpdf(y, k, p, b), **LINE, k=1.8, b=0.7
)
likelihood("logistic", "logistic.logpdf", lambda y, p, s: st.logistic.logpdf(y, p, s), **LINE, s=0.6)
likelihood("hyperbolic_secant", "hypsecant.logpdf", lambda y, p, s: st.hypsecant.logpdf(y, p, s), **LINE, s=0.6)
likelihood("cauchy_likelihood", "cauchy.logpdf", lambda y, p, s: st.cauchy.logpdf(y, p, s), **LINE, s=0.6)
likelihood("student_t", "t.logpdf", lambda y, p, nu, s: st.t.logpdf(y, nu, p, s), **LINE, nu=2.7, s=0.6)
likelihood("skew_normal", "skewnorm.logpdf", lambda y, p, skew, s: st.skewnorm.logpdf(y, skew, p, s), **LINE, skew=-1.8, s=1.3)
likelihood("generalized_normal", "gennorm.logpdf", lambda y, p, power, s: st.gennorm.logpdf(y, power, p, s), **LINE, power=2.6, s=1.3)
likelihood("exponentially_modified_normal", "exponnorm.logpdf", lambda y, p, k, s: st.exponnorm.logpdf(y, k, p, s), **LINE, k=1.7, s=0.8)
likelihood("johnson_su", "johnsonsu.logpdf", lambda y, p, a, b, s: st.johnsonsu.logpdf(y, a, b, p, s), **LINE, a=0.4, b=1.6, s=0.8)
likelihood("gumbel", "gumbel_r.logpdf", lambda y, p, s: st.gumbel_r.logpdf(y, p, s), **LINE, s=1.4)
likelihood("gumbel_minimum", "gumbel_l.logpdf", lambda y, p, s: st.gumbel_l.logpdf(y, p, s), **LINE, s=1.4)
likelihood(
    "generalized_extreme_value",
    "genextreme.logpdf",
    lambda y, p, xi, s: st.genextreme.logpdf(y, -xi, p, s),
    y=positive(8, 1),
    p=real(8, 1, scale=0.3),
    xi=0.2,
    s=1.3,
)
likelihood("moyal", "moyal.logpdf", lambda y, p, s: st.moyal.logpdf(y, p, s), **LINE, s=1.2)
likelihood("von_mises", "vonmises.logpdf", lambda y, p, kappa: st.vonmises.logpdf(y, kappa, p), **LINE, kappa=3.5)
likelihood("wrapped_cauchy", "wrapcauchy.logpdf", lambda y, p, c: st.wrapcauchy.logpdf(np.mod(y - p, 2 * np.pi), c), **LINE, c=0.3)

# --------------------------------------------------------------------------------------------------- on the half-line
likelihood("gamma", "gamma.logpdf", lambda y, p, shape: st.gamma.logpdf(y, shape, scale=exp(p) / shape), **HALF, shape=2.3)
likelihood("inverse_gamma", "invgamma.logpdf", lambda y, p, a: st.invgamma.logpdf(y, a, scale=exp(p)), **HALF, a=2.4)
likelihood("generalized_gamma", "gengamma.logpdf", lambda y, p, a, c: st.gengamma.logpdf(y, a, c, scale=exp(p)), **HALF, a=1.6, c=1.2)
likelihood("lognormal", "lognorm.logpdf", lambda y, p, sigma: st.lognorm.logpdf(y, sigma, scale=exp(p)), **HALF, sigma=0.8)
likelihood("weibull", "weibull_min.logpdf", lambda y, p, k: st.weibull_min.logpdf(y, k, scale=exp(p)), **HALF, k=1.7)
likelihood("exponential", "expon.logpdf", lambda y, p: st.expon.logpdf(y, scale=exp(p)), **HALF)
likelihood("inverse_gaussian", "invgauss.logpdf", lambda y, p, shape: st.invgauss.logpdf(y, exp(p) / shape, scale=shape), **HALF, shape=2.2)
likelihood("rayleigh", "rayleigh.logpdf", lambda y, p: st.rayleigh.logpdf(y, scale=exp(p)), **HALF)
likelihood("maxwell", "maxwell.logpdf", lambda y, p: st.maxwell.logpdf(y, scale=exp(p)), **HALF)
likelihood("nakagami", "nakagami.logpdf", lambda y, p, nu: st.nakagami.logpdf(y, nu, scale=exp(p)), **HALF, nu=1.7)
likelihood("half_normal", "halfnorm.logpdf", lambda y, p: st.halfnorm.logpdf(y, scale=exp(p)), **HALF)
likelihood("half_cauchy", "halfcauchy.logpdf", lambda y, p: st.halfcauchy.logpdf(y, scale=exp(p)), **HALF)
likelihood(
    "pareto",
    "pareto.logpdf",
    lambda y, p: st.pareto.logpdf(y, exp(p)),
    y=lambda rng: 1 + rng.uniform(0.1, 4, (8, 1)),
    p=real(8, 1, scale=0.5),
)
likelihood("lomax", "lomax.logpdf", lambda y, p, c: st.lomax.logpdf(y, c, scale=exp(p)), **HALF, c=2.1)
likelihood("generalized_pareto", "genpareto.logpdf", lambda y, p, xi: st.genpareto.logpdf(y, xi, scale=exp(p)), **HALF, xi=0.3)
likelihood("log_logistic", "fisk.logpdf", lambda y, p, c: st.fisk.logpdf(y, c, scale=exp(p)), **HALF, c=2.1)
likelihood("burr", "burr12.logpdf", lambda y, p, c, d: st.burr12.logpdf(y, c, d, scale=exp(p)), **HALF, c=1.7, d=0.9)
likelihood(
    "truncated_normal", "truncnorm.logpdf", lambda y, p, sigma: st.truncnorm.logpdf(y, -p / sigma, np.inf, p, sigma), **HALF, sigma=1.3
)
likelihood(
    "tobit",
    "norm.logpdf",
    lambda y, p, sigma: np.where(y > 0, st.norm.logpdf(y, p, sigma), st.norm.logcdf(0, p, sigma)),
    y=lambda rng: np.maximum(rng.normal(size=(10, 1)), 0),
    p=real(10, 1),
    sigma=1.3,
)

# ------------------------------------------------------------------------------------------- proportions and others
likelihood(
    "beta",
    "beta.logpdf",
    lambda y, p, precision: st.beta.logpdf(y, precision * scipy.special.expit(p), precision * scipy.special.expit(-p)),
    y=share(8, 1),
    p=real(8, 1),
    precision=5.5,
)
likelihood(
    "dirichlet",
    "dirichlet.logpdf",
    lambda y, p: [st.dirichlet.logpdf(row / row.sum(), exp(a)) for row, a in zip(y, p, strict=True)],
    y=probabilities(6, 3),
    p=real(6, 3),
)


def evidential(y: Any, m: Any, l: Any, a: Any, b: Any, weight: Any) -> Any:
    """Student's t with 2a degrees of freedom, as the paper's equation 8 says."""
    return st.t.logpdf(y, 2 * a, m, np.sqrt(b * (1 + l) / (l * a))) - weight * np.abs(y - m) * (2 * l + a)


likelihood(
    "evidential_regression",
    "t.logpdf",
    evidential,
    y=real(8, 1),
    m=real(8, 1),
    l=positive(8, 1),
    a=lambda rng: 1 + rng.uniform(0.2, 3, (8, 1)),
    b=positive(8, 1),
    weight=0.3,
)

# ------------------------------------------------------------------------------------------------------------ counts
COUNT = {"y": counts(10, 1), "p": real(10, 1)}
expit = scipy.special.expit
likelihood("poisson_likelihood", "poisson.logpmf", lambda y, p: st.poisson.logpmf(y, exp(p)), **COUNT)
likelihood("bernoulli", "bernoulli.logpmf", lambda y, p: st.bernoulli.logpmf(y, p), y=bits(8, 2), p=share(8, 2))
likelihood("binomial", "binom.logpmf", lambda y, p, n: st.binom.logpmf(y, n, expit(p)), **COUNT, n=np.arange(10)[:, None] + 8.0)
likelihood(
    "beta_binomial",
    "betabinom.logpmf",
    lambda y, p, n, precision: st.betabinom.logpmf(y, n, precision * expit(p), precision * expit(-p)),
    **COUNT,
    n=np.arange(10)[:, None] + 8.0,
    precision=3.5,
)
likelihood("negative_binomial", "nbinom.logpmf", lambda y, p, r: st.nbinom.logpmf(y, r, r / (r + exp(p))), **COUNT, r=2.2)
likelihood("geometric", "geom.logpmf", lambda y, p: st.geom.logpmf(y, expit(p)), y=lambda rng: 1 + rng.poisson(2, (10, 1)), p=real(10, 1))
likelihood(
    "logarithmic_series",
    "logser.logpmf",
    lambda y, p: st.logser.logpmf(y, expit(p)),
    y=lambda rng: 1 + rng.poisson(2, (10, 1)),
    p=real(10, 1),
)
likelihood(
    "discrete_laplace",
    "dlaplace.logpmf",
    lambda y, p: st.dlaplace.logpmf(y, exp(p)),
    y=lambda rng: rng.integers(-3, 4, (10, 1)),
    p=real(10, 1),
)
likelihood(
    "multinomial",
    "multinomial.logpmf",
    lambda y, p: [st.multinomial.logpmf(row, row.sum(), scipy.special.softmax(z)) for row, z in zip(y, p, strict=True)],
    y=counts(6, 3),
    p=real(6, 3),
)


def inflated(y: Any, g: Any, mass: Any) -> Any:
    return log(expit(g) * (y == 0) + expit(-g) * mass)


TWO = {"y": counts(10, 1), "g": real(10, 1), "l": real(10, 1)}
likelihood("zero_inflated_poisson", "poisson.logpmf", lambda y, g, l: inflated(y, g, st.poisson.pmf(y, exp(l))), **TWO)
likelihood(
    "zero_inflated_negative_binomial",
    "nbinom.logpmf",
    lambda y, g, l, r: inflated(y, g, st.nbinom.pmf(y, r, r / (r + exp(l)))),
    **TWO,
    r=2.2,
)
likelihood(
    "hurdle_poisson",
    "poisson.logpmf",
    lambda y, p, gate: np.where(y == 0, log(gate), log(1 - gate) + st.poisson.logpmf(y, exp(p)) - log(1 - st.poisson.pmf(0, exp(p)))),
    **COUNT,
    gate=0.3,
)

# ---------------------------------------------------------------------------------------------------------- survival
SEEN = {"t": positive(8, 1), "e": bits(8, 1), "p": real(8, 1, scale=0.5)}


def censored(key: str, name: str, distribution: Callable[..., Any], /, **arrays: Any) -> None:
    """Density where the event was seen, survival function where it was not."""

    def value(t: Any, e: Any, **given: Any) -> Any:
        found = distribution(**given)
        return np.where(e == 1, found.logpdf(t), found.logsf(t))

    likelihood(key, name, value, **arrays)


censored("weibull_aft", "weibull_min.logpdf", lambda p, k: st.weibull_min(k, scale=exp(p)), **SEEN, k=1.7)
censored("lognormal_aft", "lognorm.logpdf", lambda p, s: st.lognorm(s, scale=exp(p)), **SEEN, s=0.8)
censored("log_logistic_aft", "fisk.logpdf", lambda p, c: st.fisk(c, scale=exp(p)), **SEEN, c=2.1)
censored("exponential_survival", "expon.logpdf", lambda p: st.expon(scale=exp(-p)), **SEEN)
censored("gompertz_survival", "gompertz.logpdf", lambda p, rate: st.gompertz(exp(p) / rate, scale=1 / rate), **SEEN, rate=0.4)
add(
    "interval_censored_normal",
    "scipy.stats.norm.cdf",
    lambda l, u, p, s: -np.mean(log(st.norm.cdf(u, p, s) - st.norm.cdf(l, p, s))),
    l=real(8, 1),
    u=lambda rng: 3 + rng.uniform(size=(8, 1)),
    p=real(8, 1),
    s=1.3,
)

# ------------------------------------------------------------------------------------------- several tasks, and flows
likelihood(
    "kendall_regressions",
    "norm.logpdf",
    lambda y, p, s: (st.norm.logpdf(y, p, exp(s / 2)) + log(2 * np.pi) / 2).sum(-1),
    y=real(8, 3),
    p=real(8, 3),
    s=[0.4, -0.3, 0.2],
)
likelihood("normalizing_flow", "norm.logpdf", lambda z, d: st.norm.logpdf(z).sum(-1) + d[:, 0], z=real(6, 3), d=real(6, 1))
add("geometric_mean_of_losses", "scipy.stats.gmean", lambda y, p: st.gmean(np.mean((y - p) ** 2, axis=0)), y=real(8, 3), p=real(8, 3))
add("pearson", "scipy.stats.pearsonr", lambda y, p: 1 - st.pearsonr(y[:, 0], p[:, 0]).statistic, y=real(9, 1), p=real(9, 1))
