"""Regression, robust and classification losses against their papers' formulas written by hand with NumPy."""

# ruff: noqa: E741  (arrays have the names of the entry)
from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special
from catalog_case import (
    bits,
    labels,
    paper,
    positive,
    probabilities,
    real,
    signs,
)

exp, log, mean = np.exp, np.log, np.mean
softmax, log_softmax, expit = scipy.special.softmax, scipy.special.log_softmax, scipy.special.expit

LINE = {"y": real(8, 1), "p": real(8, 1, scale=2)}
CLASSES = {"y": labels(6, 4), "p": real(6, 4)}
SIGNS = {"y": signs(8, 1), "p": real(8, 1)}

# ------------------------------------------------------------------------------------------------------------ robust


def barron(y: Any, p: Any, alpha: Any, c: Any) -> float:
    b = abs(alpha - 2)
    return mean(b / alpha * ((((p - y) / c) ** 2 / b + 1) ** (alpha / 2) - 1))


paper("barron", barron, **LINE, alpha=1.4, c=0.6)
paper("barron", barron, **LINE, alpha=-2.5, c=0.6)
paper("barron", barron, **LINE, alpha=3.2, c=1.6)
paper("charbonnier", lambda y, p, epsilon: mean(np.sqrt((p - y) ** 2 + epsilon**2)), **LINE, epsilon=0.2)
paper("generalized_charbonnier", lambda y, p, power, epsilon: mean(((p - y) ** 2 + epsilon**2) ** power), **LINE, power=0.7, epsilon=0.2)
paper("welsch", lambda y, p, c: mean(1 - exp(-((p - y) ** 2) / (2 * c**2))), **LINE, c=1.7)
paper("geman_mcclure", lambda y, p, c: mean(0.5 * ((p - y) / c) ** 2 / (1 + ((p - y) / c) ** 2)), **LINE, c=1.7)
paper("tukey_biweight", lambda y, p, c: mean(c**2 / 6 * (1 - np.maximum(1 - ((p - y) / c) ** 2, 0) ** 3)), **LINE, c=2.1)
paper("fair", lambda y, p, c: mean(c**2 * (abs(p - y) / c - np.log1p(abs(p - y) / c))), **LINE, c=0.9)
paper("talwar", lambda y, p, c: mean(np.where(abs(p - y) < c, (p - y) ** 2, c**2) / 2), **LINE, c=1.2)
paper(
    "wing",
    lambda y, p, w, epsilon: mean(np.where(abs(p - y) < w, w * log(1 + abs(p - y) / epsilon), abs(p - y) - (w - w * log(1 + w / epsilon)))),
    **LINE,
    w=1.5,
    epsilon=0.6,
)
paper("epsilon_insensitive", lambda y, p, epsilon: mean(np.maximum(abs(y - p) - epsilon, 0)), **LINE, epsilon=0.7)


THRESHOLD: dict[str, Any] = {}


def berhu(y: Any, p: Any, share: Any) -> float:
    """The threshold is held at its value of the undisturbed data, as the paper's implementation does."""
    r = abs(p - y)
    if "largest" not in THRESHOLD:
        THRESHOLD["largest"] = r.max(-1, keepdims=True)
    c = share * THRESHOLD["largest"]
    return mean(np.where(r <= c, r, (r**2 + c**2) / (2 * c)))


paper("berhu", berhu, y=real(3, 5), p=real(3, 5), share=0.4)

# -------------------------------------------------------------------------------------------------------- regression
paper("itakura_saito", lambda y, p: mean(y / exp(p) - log(y / exp(p)) - 1), y=positive(8, 1), p=real(8, 1))
paper("symmetric_percentage_error", lambda y, p: 100 * mean(abs(p - y) / ((abs(p) + abs(y)) / 2)), **LINE)
paper(
    "concordance_correlation",
    lambda y, p: 1 - 2 * np.cov(y[:, 0], p[:, 0], bias=True)[0, 1] / (y.var() + p.var() + (y.mean() - p.mean()) ** 2),
    **LINE,
)
paper("linex", lambda y, p, a: mean(exp(a * (p - y)) - a * (p - y) - 1), **LINE, a=-0.7)
paper(
    "spectral_angle",
    lambda y, p: mean([np.arccos(a @ b / np.sqrt((a @ a) * (b @ b))) for a, b in zip(y, p, strict=True)]),
    y=positive(5, 4),
    p=positive(5, 4),
)


def scale_invariant(y: Any, p: Any, share: Any) -> float:
    total = []
    for row, d in zip(y, p - log(y), strict=True):
        n = len(row)
        total.append(sum(d**2) / n - share / n**2 * sum(a * b for a in d for b in d))
    return mean(total)


paper("scale_invariant_log", scale_invariant, y=positive(3, 4), p=real(3, 4), share=0.7)

# ---------------------------------------------------------------------------------------------------------- quantile


def quantile_huber(y: Any, p: Any, tau: Any, kappa: Any) -> float:
    d = y - p
    huber = np.where(abs(d) <= kappa, d**2 / 2, kappa * (abs(d) - kappa / 2))
    return mean(abs(tau - (d < 0)) * huber / kappa)


def ensemble(y: Any, p: Any) -> float:
    return mean([mean(abs(row - at)) - mean([abs(a - b) for a in row for b in row]) / 2 for row, at in zip(p, y, strict=True)])


def energy(y: Any, p: Any) -> float:
    norm = np.linalg.norm
    return mean(
        [mean([norm(a - at[0]) for a in row]) - mean([norm(a - b) for a in row for b in row]) / 2 for row, at in zip(p, y, strict=True)]
    )


paper("pinball_smooth", lambda y, p, tau, width: mean(tau * (y - p) + width * log(1 + exp(-(y - p) / width))), **LINE, tau=0.8, width=0.3)
paper("quantile_huber", quantile_huber, **LINE, tau=0.8, kappa=0.7)
paper("expectile", lambda y, p, tau: mean(abs(tau - (y <= p)) * (y - p) ** 2), **LINE, tau=0.8)
paper(
    "winkler",
    lambda y, l, u, alpha: mean((u - l) + 2 / alpha * (l - y) * (y < l) + 2 / alpha * (y - u) * (y > u)),
    y=real(8, 1, scale=2),
    l=lambda rng: -1 + rng.uniform(-0.5, 0.5, (8, 1)),
    u=lambda rng: 1 + rng.uniform(-0.5, 0.5, (8, 1)),
    alpha=0.3,
)
paper("crps_ensemble", ensemble, y=real(5), p=real(5, 4))
paper("energy_score", energy, y=real(3, 1, 2), p=real(3, 4, 2))

# ---------------------------------------------------------------------------------------------------- classification


def picked(p: Any, y: Any) -> Any:
    return np.take_along_axis(p, y.astype(int)[:, None], -1)[:, 0]


def asymmetric(y: Any, p: Any, gamma_positive: Any, gamma_negative: Any, shift: Any) -> float:
    q = expit(p)
    low = np.maximum(q - shift, 0)
    return mean(np.where(y == 1, -((1 - q) ** gamma_positive) * log(q), -(low**gamma_negative) * log(1 - low)))


def poly1(y: Any, p: Any, epsilon: Any) -> float:
    q = picked(softmax(p, -1), y)
    return mean(-log(q) + epsilon * (1 - q))


def symmetric(y: Any, p: Any, alpha: Any, beta: Any) -> float:
    q, truth = softmax(p, -1), np.eye(4)[y.astype(int)]
    reverse = -(q * np.where(truth == 0, -4.0, 0.0)).sum(-1)
    return mean(-alpha * log(picked(q, y)) + beta * reverse)


def penalised(y: Any, p: Any, beta: Any) -> float:
    q = softmax(p, -1)
    entropy = -(q * log(q)).sum(-1)
    return mean(-log(picked(q, y)) - beta * entropy)


def ranked_probability(y: Any, p: Any) -> float:
    return mean(((np.cumsum(softmax(p, -1), -1) - np.cumsum(np.eye(4)[y.astype(int)], -1)) ** 2).sum(-1))


def crammer_singer(y: Any, p: Any) -> float:
    return mean([max(0.0, 1 + max(np.delete(row, int(k))) - row[int(k)]) for row, k in zip(p, y, strict=True)])


def modified_huber(y: Any, p: Any) -> float:
    z = y * p
    return mean(np.where(z < -1, -4 * z, np.where(z < 1, (1 - z) ** 2, 0)))


def taylor(y: Any, p: Any) -> float:
    q = picked(softmax(p, -1), y)
    return mean((1 - q) + (1 - q) ** 2 / 2)


paper("ranked_probability_score", ranked_probability, **CLASSES)
paper("symmetric_cross_entropy", symmetric, **CLASSES, alpha=0.6, beta=1.7)
paper("poly1", poly1, **CLASSES, epsilon=2.5)
paper("taylor_cross_entropy", taylor, **CLASSES)
paper("confidence_penalty", penalised, **CLASSES, beta=0.4)
paper("asymmetric", asymmetric, y=bits(6, 3), p=real(6, 3, scale=2), gamma_positive=0.7, gamma_negative=2.4, shift=0.12)
paper("modified_huber", modified_huber, y=signs(10, 1), p=real(10, 1, scale=2))
paper("exponential_margin", lambda y, p: mean(exp(-y * p)), **SIGNS)
paper("savage", lambda y, p: mean(1 / (1 + exp(2 * y * p)) ** 2), **SIGNS)
paper("tangent", lambda y, p: mean((2 * np.arctan(y * p) - 1) ** 2), **SIGNS)
paper("crammer_singer", crammer_singer, **CLASSES)
paper(
    "squared_earth_mover", lambda y, p: mean((np.cumsum(softmax(p, -1), -1) - np.cumsum(y, -1)) ** 2), y=probabilities(6, 4), p=real(6, 4)
)
