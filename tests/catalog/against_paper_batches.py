"""Losses that compare the members of a batch or list against their papers, in loops where the entry works on whole arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special
from catalog_case import (
    bits,
    cosines,
    grades,
    labels,
    paper,
    real,
)

exp, log, mean = np.exp, np.log, np.mean
softmax, log_softmax, expit = scipy.special.softmax, scipy.special.log_softmax, scipy.special.expit

# --------------------------------------------------------------------------------------------------- metric learning
FEATURES = {"y": labels(6, 3), "p": real(6, 4)}
VIEWS = {"a": real(6, 4), "b": real(6, 4)}


def rows(x: Any) -> Any:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def groups(y: Any) -> Any:
    """Yield each anchor with its other members and its strangers."""
    for i in range(len(y)):
        yield i, [j for j in range(len(y)) if j != i and y[j] == y[i]], [j for j in range(len(y)) if y[j] != y[i]]


def contrastive(y: Any, a: Any, b: Any, margin: Any) -> float:
    d = np.linalg.norm(a - b, axis=-1)
    return mean(np.where(y == 1, d**2, np.maximum(margin - d, 0) ** 2) / 2)


def hardest(y: Any, p: Any) -> float:
    d = np.linalg.norm(p[:, None] - p[None], axis=-1)
    return mean([np.log1p(exp(max(d[i, same]) - min(d[i, other]))) for i, same, other in groups(y)])


def lifted(y: Any, p: Any, margin: Any) -> float:
    d = np.linalg.norm(p[:, None] - p[None], axis=-1)
    return mean([max(0.0, log(sum(exp(d[i, same]))) + log(sum(exp(margin - d[i, other])))) for i, same, other in groups(y)])


def multi_similarity(y: Any, p: Any, alpha: Any, beta: Any, base: Any) -> float:
    s = rows(p) @ rows(p).T
    near = [log(1 + sum(exp(-alpha * (s[i, same] - base)))) / alpha for i, same, _ in groups(y)]
    far = [log(1 + sum(exp(beta * (s[i, other] - base)))) / beta for i, _, other in groups(y)]
    return mean(near) + mean(far)


def supcon(y: Any, p: Any, tau: Any) -> float:
    """Equation 2 of the paper."""
    s = rows(p) @ rows(p).T / tau
    return mean([-mean([log(exp(s[i, j]) / sum(exp(s[i, k]) for k in range(len(y)) if k != i)) for j in same]) for i, same, _ in groups(y)])


def proxy_anchor(y: Any, p: Any, alpha: Any, delta: Any) -> float:
    """Equation 4 of the paper; p holds the similarities to the proxies."""
    classes = range(p.shape[1])
    near = [log(1 + sum(exp(-alpha * (p[y == k, k] - delta)))) for k in classes if any(y == k)]
    return sum(near) / len(near) + mean([log(1 + sum(exp(alpha * (p[y != k, k] + delta)))) for k in classes])


def uniformity(p: Any, t: Any) -> float:
    z = rows(p)
    return log(mean([exp(-t * ((z[i] - z[j]) ** 2).sum()) for i in range(len(z)) for j in range(len(z)) if i != j]))


def barlow(a: Any, b: Any, weight: Any) -> float:
    u, v = (a - a.mean(0)) / a.std(0), (b - b.mean(0)) / b.std(0)
    size = a.shape[1]
    c = np.array([[mean(u[:, i] * v[:, j]) for j in range(size)] for i in range(size)])
    return sum((1 - c[i, i]) ** 2 for i in range(size)) + weight * sum(c[i, j] ** 2 for i in range(size) for j in range(size) if i != j)


def vicreg(a: Any, b: Any, invariance: Any, variance: Any, covariance: Any) -> float:
    def spread(z: Any) -> float:
        return mean(np.maximum(0, 1 - np.sqrt(z.var(0, ddof=1) + 1e-4)))

    def mixing(z: Any) -> float:
        c = np.cov(z.T)
        return ((c**2).sum() - (np.diag(c) ** 2).sum()) / z.shape[1]

    return invariance * mean((a - b) ** 2) + variance * (spread(a) + spread(b)) + covariance * (mixing(a) + mixing(b))


paper("contrastive", contrastive, y=bits(8), a=real(8, 3), b=real(8, 3), margin=2.5)
paper("batch_hard_triplet", hardest, **FEATURES)
paper("lifted_structure", lifted, **FEATURES, margin=0.6)
paper(
    "n_pair",
    lambda a, q: mean([log(1 + sum(exp(a[i] @ q[j] - a[i] @ q[i]) for j in range(len(a)) if j != i)) for i in range(len(a))]),
    a=real(6, 4),
    q=real(6, 4),
)
paper("multi_similarity", multi_similarity, **FEATURES, alpha=1.5, beta=6.0, base=0.3)
paper("supcon", supcon, **FEATURES, tau=0.4)
paper("proxy_anchor", proxy_anchor, y=[0, 1, 1, 0, 3], p=cosines(5, 4), alpha=3.0, delta=0.2)
paper(
    "center", lambda y, p, centers: mean(((p - centers[y.astype(int)]) ** 2).sum(-1) / 2), y=labels(7, 3), p=real(7, 2), centers=real(3, 2)
)
paper("alignment", lambda a, b, power: mean(np.linalg.norm(rows(a) - rows(b), axis=-1) ** power), **VIEWS, power=1.3)
paper("uniformity", uniformity, p=real(6, 4), t=1.3)
paper("barlow_twins", barlow, **VIEWS, weight=0.2)
paper("vicreg", vicreg, a=real(6, 4, scale=0.5), b=real(6, 4, scale=0.5), invariance=3.0, variance=4.0, covariance=2.0)
paper("byol", lambda t, p: mean(((rows(p) - rows(t)) ** 2).sum(-1)), t=real(6, 4), p=real(6, 4))

# ----------------------------------------------------------------------------------------------------------- ranking
LISTS = {"y": grades(3, 5), "p": real(3, 5, 1)}


def lists(y: Any, p: Any) -> Any:
    return zip(y[..., 0], p[..., 0], strict=True)


def pairs(y: Any) -> list[tuple[int, int]]:
    return [(i, j) for i in range(len(y)) for j in range(len(y)) if y[i] > y[j]]


def best_dcg(y: Any) -> float:
    return sum((2**grade - 1) / np.log2(place + 2) for place, grade in enumerate(sorted(y, reverse=True)))


def ranknet(y: Any, p: Any, sigma: Any) -> float:
    return mean([mean([log(1 + exp(-sigma * (s[i] - s[j]))) for i, j in pairs(grade)]) for grade, s in lists(y, p)])


def pairwise_hinge(y: Any, p: Any) -> float:
    return mean([mean([max(0.0, 1 - (s[i] - s[j])) for i, j in pairs(grade)]) for grade, s in lists(y, p)])


def lambda_loss(y: Any, p: Any, sigma: Any) -> float:
    total = []
    for grade, s in lists(y, p):
        place = np.empty(len(s))
        place[np.argsort(-s)] = np.arange(1, len(s) + 1)
        discount, best = 1 / np.log2(1 + place), best_dcg(grade)
        delta = lambda i, j: abs(2 ** grade[i] - 2 ** grade[j]) * abs(discount[i] - discount[j]) / best  # noqa: E731, B023
        total.append(sum(delta(i, j) * np.log2(1 + exp(-sigma * (s[i] - s[j]))) for i, j in pairs(grade)))
    return mean(total)


def approx_ndcg(y: Any, p: Any, tau: Any) -> float:
    total = []
    for grade, s in lists(y, p):
        place = [1 + sum(expit((s[j] - s[i]) / tau) for j in range(len(s)) if j != i) for i in range(len(s))]
        total.append(1 - sum((2**g - 1) / np.log2(1 + at) for g, at in zip(grade, place, strict=True)) / best_dcg(grade))
    return mean(total)


def order_likelihood(s: Any) -> float:
    return -sum(log(exp(s[i]) / sum(exp(s[i:]))) for i in range(len(s)))


paper("ranknet", ranknet, **LISTS, sigma=1.6)
paper("pairwise_hinge", pairwise_hinge, **LISTS)
paper("lambda_loss", lambda_loss, **LISTS, sigma=1.6)
paper("approx_ndcg", approx_ndcg, **LISTS, tau=0.5)
paper("listmle", lambda y, p: mean([order_likelihood(s[np.argsort(-grade)]) for grade, s in lists(y, p)]), **LISTS)
paper("plackett_luce", lambda p: mean([order_likelihood(row) for row in p]), p=real(3, 5, scale=2))

# ---------------------------------------------------------------------------------------------------------- survival
COHORT = {
    "t": [[2.0], [1.0], [3.0], [2.0], [2.0], [5.0], [1.0], [4.0]],
    "e": [[1.0], [1.0], [0.0], [1.0], [1.0], [1.0], [0.0], [1.0]],
    "p": real(8, 1),
}


def cox(t: Any, e: Any, p: Any) -> float:
    t, e, p = t[:, 0], e[:, 0], p[:, 0]
    return -sum(p[i] - log(sum(exp(p[t >= t[i]]))) for i in range(len(t)) if e[i]) / e.sum()


def efron(t: Any, e: Any, p: Any) -> float:
    """Efron's product over tied deaths: the k-th of m takes k/m of the tied risk away."""
    t, e, p = t[:, 0], e[:, 0], p[:, 0]
    total = 0.0
    for time in np.unique(t[e == 1]):
        died = (t == time) & (e == 1)
        at_risk, tied, m = sum(exp(p[t >= time])), sum(exp(p[died])), died.sum()
        total += sum(p[died]) - sum(log(at_risk - k / m * tied) for k in range(m))
    return -total / e.sum()


def pmf(t: Any, e: Any, p: Any) -> float:
    q = softmax(p, -1)
    return mean([-log(row[int(at)] if seen else row[int(at) + 1 :].sum()) for row, at, seen in zip(q, t, e, strict=True)])


paper("cox", cox, **COHORT)
paper("cox_efron", efron, **COHORT)
paper("survival_pmf", pmf, t=labels(7, 4), e=bits(7), p=real(7, 5))
