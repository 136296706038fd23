"""Preference, distillation and generative losses against their papers."""

# ruff: noqa: E741  (arrays have the names of the entry)
from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special
from catalog_case import (
    bits,
    labels,
    paper,
    real,
)

exp, log, mean = np.exp, np.log, np.mean
softmax, log_softmax, expit = scipy.special.softmax, scipy.special.log_softmax, scipy.special.expit


def rows(x: Any) -> Any:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


# -------------------------------------------------------------------------------------------------------- preference
PAIR = {"w": real(8, scale=2), "l": real(8, scale=2)}


def kto(y: Any, p: Any, r: Any, k: Any, beta: Any, wanted: Any, unwanted: Any) -> float:
    """Equation 8 of the paper."""
    z = max(k.mean(), 0.0)
    return mean(np.where(y == 1, wanted * (1 - expit(beta * (p - r - z))), unwanted * (1 - expit(beta * (z - (p - r))))))


def orpo(w: Any, l: Any, weight: Any) -> float:
    odds = lambda a: exp(a) / (1 - exp(a))  # noqa: E731
    return mean(-w - weight * log(expit(log(odds(w) / odds(l)))))


def surrogate(ratio: Any, advantage: Any, epsilon: Any) -> Any:
    return np.minimum(ratio * advantage, np.clip(ratio, 1 - epsilon, 1 + epsilon) * advantage)


def grpo(p: Any, old: Any, reference: Any, reward: Any, epsilon: Any, beta: Any) -> float:
    advantage = (reward - reward.mean(-1, keepdims=True)) / (reward.std(-1, keepdims=True) + 1e-6)
    ratio = exp(reference) / exp(p)
    return -mean(surrogate(exp(p - old), advantage, epsilon) - beta * (ratio - log(ratio) - 1))


paper(
    "ipo",
    lambda w, l, rw, rl, tau: mean((log(exp(w) * exp(rl) / (exp(l) * exp(rw))) - 1 / tau / 2) ** 2),
    **PAIR,
    rw=real(8),
    rl=real(8),
    tau=0.4,
)
paper("slic", lambda w, l, r, delta, weight: mean(np.maximum(0, delta - w + l) - weight * r), **PAIR, r=real(8), delta=0.6, weight=0.3)
paper(
    "kto",
    kto,
    y=bits(8),
    p=real(8, scale=3),
    r=real(8, scale=3),
    k=lambda rng: 0.5 + rng.normal(size=8),
    beta=0.4,
    wanted=1.2,
    unwanted=0.7,
)
paper("orpo", orpo, w=lambda rng: -rng.uniform(0.1, 2, 8), l=lambda rng: -rng.uniform(0.1, 2, 8), weight=0.4)
paper(
    "ppo_clip",
    lambda p, old, advantage, epsilon: -mean(surrogate(exp(p - old), advantage, epsilon)),
    p=real(10, scale=0.4),
    old=real(10, scale=0.4),
    advantage=real(10),
    epsilon=0.25,
)
paper(
    "grpo",
    grpo,
    p=real(3, 5, scale=0.4),
    old=real(3, 5, scale=0.4),
    reference=real(3, 5, scale=0.4),
    reward=real(3, 5),
    epsilon=0.25,
    beta=0.3,
)
paper(
    "liebel_koerner",
    lambda y, p, c: mean(sum((y[:, i] - p[:, i]) ** 2 / (2 * c[i] ** 2) + log(1 + c[i] ** 2) for i in range(3))),
    y=real(8, 3),
    p=real(8, 3),
    c=[0.8, 1.4, 2.0],
)

# ------------------------------------------------------------------------------------------------------ distillation
STUDENT = {"t": real(6, 4, scale=2), "p": real(6, 4, scale=2)}


def decoupled(y: Any, p: Any, t: Any, alpha: Any, beta: Any, T: Any) -> float:
    """Equation 7 of the paper, times the squared temperature as in its implementation."""
    total = []
    for k, student, teacher in zip(y.astype(int), softmax(p / T, -1), softmax(t / T, -1), strict=True):
        b_t, b_p = np.array([teacher[k], 1 - teacher[k]]), np.array([student[k], 1 - student[k]])
        r_t, r_p = np.delete(teacher, k) / (1 - teacher[k]), np.delete(student, k) / (1 - student[k])
        total.append(alpha * sum(b_t * log(b_t / b_p)) + beta * sum(r_t * log(r_t / r_p)))
    return T**2 * mean(total)


def attention(t: Any, p: Any) -> float:
    maps = lambda x: [(row**2).mean(-1) for row in x]  # noqa: E731
    return mean([mean((a / np.linalg.norm(a) - b / np.linalg.norm(b)) ** 2) for a, b in zip(maps(t), maps(p), strict=True)])


def dist(t: Any, p: Any, between: Any, within: Any) -> float:
    a, b = softmax(t, -1), softmax(p, -1)
    correlation = lambda u, v: np.corrcoef(u, v)[0, 1]  # noqa: E731
    by_row = mean([1 - correlation(u, v) for u, v in zip(a, b, strict=True)])
    return between * by_row + within * mean([1 - correlation(u, v) for u, v in zip(a.T, b.T, strict=True)])


paper("decoupled_kd", decoupled, y=labels(6, 4), **STUDENT, alpha=1.5, beta=3.0, T=2.5)
paper("attention_transfer", attention, t=real(2, 5, 3), p=real(2, 5, 3))
paper("similarity_preserving", lambda t, p: ((rows(t @ t.T) - rows(p @ p.T)) ** 2).sum() / len(t) ** 2, **STUDENT)
paper("dist", dist, **STUDENT, between=1.5, within=0.7)

# -------------------------------------------------------------------------------------------------------- generative
paper(
    "wgan_critic",
    lambda r, f, g, weight: mean(f) - mean(r) + weight * mean((np.sqrt((g**2).sum(-1)) - 1) ** 2),
    r=real(6, 1),
    f=real(6, 1),
    g=real(6, 3),
    weight=3.0,
)
paper("wgan_generator", lambda f: -mean(f), f=real(6, 1))


def pulling_away(p: Any) -> float:
    z, n = rows(p), len(p)
    return sum((z[i] @ z[j]) ** 2 for i in range(n) for j in range(n) if i != j) / (n * (n - 1))


paper("pulling_away", pulling_away, p=real(6, 4))
paper(
    "min_snr_diffusion",
    lambda y, p, snr, gamma: mean(np.minimum(gamma / snr, 1) * ((y - p) ** 2).mean(-1)),
    y=real(6, 3),
    p=real(6, 3),
    snr=lambda rng: rng.uniform(0.5, 8, 6),
    gamma=3.0,
)
