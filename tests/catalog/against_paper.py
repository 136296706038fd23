"""Entries against their papers' formulas written by hand with NumPy, in loops where the entry works on whole arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special
from catalog_case import add, bits, boxes, cosines, grades, labels, positive, probabilities, real, signs

exp, log, mean = np.exp, np.log, np.mean
softmax, log_softmax, expit = scipy.special.softmax, scipy.special.log_softmax, scipy.special.expit


def paper(key: str, reference: Any, /, **arrays: Any) -> None:
    add(key, "numpy", reference, **arrays)


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
paper("wing", lambda y, p, w, epsilon: mean(np.where(abs(p - y) < w, w * log(1 + abs(p - y) / epsilon), abs(p - y) - (w - w * log(1 + w / epsilon)))), **LINE, w=1.5, epsilon=0.6)
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
    "concordance_correlation", lambda y, p: 1 - 2 * np.cov(y[:, 0], p[:, 0], bias=True)[0, 1] / (y.var() + p.var() + (y.mean() - p.mean()) ** 2), **LINE
)
paper("linex", lambda y, p, a: mean(exp(a * (p - y)) - a * (p - y) - 1), **LINE, a=-0.7)
paper("spectral_angle", lambda y, p: mean([np.arccos(a @ b / np.sqrt((a @ a) * (b @ b))) for a, b in zip(y, p, strict=True)]), y=positive(5, 4), p=positive(5, 4))


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
    return mean([mean([norm(a - at[0]) for a in row]) - mean([norm(a - b) for a in row for b in row]) / 2 for row, at in zip(p, y, strict=True)])


paper("pinball_smooth", lambda y, p, tau, width: mean(tau * (y - p) + width * log(1 + exp(-(y - p) / width))), **LINE, tau=0.8, width=0.3)
paper("quantile_huber", quantile_huber, **LINE, tau=0.8, kappa=0.7)
paper("expectile", lambda y, p, tau: mean(abs(tau - (y <= p)) * (y - p) ** 2), **LINE, tau=0.8)
paper(
    "winkler", lambda y, l, u, alpha: mean((u - l) + 2 / alpha * (l - y) * (y < l) + 2 / alpha * (y - u) * (y > u)),  # noqa: E741
    y=real(8, 1, scale=2), l=lambda rng: -1 + rng.uniform(-0.5, 0.5, (8, 1)), u=lambda rng: 1 + rng.uniform(-0.5, 0.5, (8, 1)), alpha=0.3,
)  # fmt: skip
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
paper("squared_earth_mover", lambda y, p: mean((np.cumsum(softmax(p, -1), -1) - np.cumsum(y, -1)) ** 2), y=probabilities(6, 4), p=real(6, 4))

# ------------------------------------------------------------------------------------------------------ segmentation
MASKS = {"y": bits(3, 6), "p": real(3, 6)}
MANY = {"y": lambda rng: np.eye(3)[rng.integers(0, 3, (2, 5))], "p": real(2, 5, 3)}


def dice_of(y: Any, q: Any, axis: int) -> Any:
    return (2 * (y * q).sum(axis) + 1) / (y.sum(axis) + q.sum(axis) + 1)


def jaccard(y: Any, p: Any) -> float:
    q = expit(p)
    both = (y * q).sum(-1)
    return mean(1 - (both + 1) / (y.sum(-1) + q.sum(-1) - both + 1))


def generalized_dice(y: Any, p: Any) -> float:
    q, total = softmax(p, -1), []
    for truth, guess in zip(y, q, strict=True):
        w = 1 / (truth.sum(0) ** 2 + 1)
        total.append(1 - 2 * (w * (truth * guess).sum(0)).sum() / (w * (truth.sum(0) + guess.sum(0))).sum())
    return mean(total)


def combo(y: Any, p: Any, share: Any, beta: Any) -> float:
    q = expit(p)
    cross_entropy = -mean(beta * y * log(q) + (1 - beta) * (1 - y) * log(1 - q), -1)
    return mean(share * cross_entropy - (1 - share) * dice_of(y, q, -1))


def exponential_logarithmic(y: Any, p: Any, share: Any, gamma: Any) -> float:
    q = softmax(p, -1)
    cross_entropy = mean((-log((y * q).sum(-1))) ** gamma)
    return share * mean((-log(dice_of(y, q, 1))) ** gamma) + (1 - share) * cross_entropy


def lovasz(y: Any, p: Any) -> float:
    """Algorithm 1 of the paper: errors in descending order, weights the differences of the Jaccard loss."""
    total = []
    for truth, score in zip(y[..., 0], p[..., 0], strict=True):
        errors = 1 - (2 * truth - 1) * score
        order = np.argsort(-errors)
        truth = truth[order]
        lost = 1 - (truth.sum() - np.cumsum(truth)) / (truth.sum() + np.cumsum(1 - truth))
        total.append(np.maximum(errors[order], 0) @ np.diff(lost, prepend=0.0))
    return mean(total)


def sensitivity(y: Any, p: Any, share: Any) -> float:
    r = (y - expit(p)) ** 2
    return mean(share * (r * y).sum(-1) / y.sum(-1) + (1 - share) * (r * (1 - y)).sum(-1) / (1 - y).sum(-1))


paper("soft_jaccard", jaccard, **MASKS)
paper("soft_dice", lambda y, p: 1 - mean(dice_of(y, softmax(p, -1), 1)), **MANY)
paper("generalized_dice", generalized_dice, **MANY)
paper("log_cosh_dice", lambda y, p: mean(log(np.cosh(1 - dice_of(y, expit(p), -1)))), **MASKS)
paper("combo", combo, **MASKS, share=0.3, beta=0.7)
paper("exponential_logarithmic", exponential_logarithmic, **MANY, share=0.4, gamma=0.6)
paper("lovasz_hinge", lovasz, y=bits(3, 6, 1), p=real(3, 6, 1))
paper("boundary", lambda p, d: mean(expit(p) * d), p=real(3, 6), d=real(3, 6))
paper("sensitivity_specificity", sensitivity, **MASKS, share=0.3)

# --------------------------------------------------------------------------------------------------------- detection
BOXES = {"y": boxes(6), "p": boxes(6)}


def overlap(a: Any, b: Any) -> tuple[float, float, float]:
    """Return intersection over union, union, and the area of the smallest box around both."""
    area = lambda box: max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)  # noqa: E731
    both = area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    union = area(a) + area(b) - both
    return both / union, union, area((min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])))


def giou(y: Any, p: Any) -> float:
    total = []
    for a, b in zip(y, p, strict=True):
        iou, union, hull = overlap(a, b)
        total.append(1 - (iou - (hull - union) / hull))
    return mean(total)


WEIGHTS: dict[int, float] = {}


def ciou(y: Any, p: Any) -> float:
    """The paper's equation 11 holds the aspect's weight fixed; so does this."""
    total = []
    for row, (a, b) in enumerate(zip(y, p, strict=True)):
        iou, _, _ = overlap(a, b)
        diagonal = (max(a[2], b[2]) - min(a[0], b[0])) ** 2 + (max(a[3], b[3]) - min(a[1], b[1])) ** 2
        center = lambda box: np.array([box[0] + box[2], box[1] + box[3]]) / 2  # noqa: E731
        angle = lambda box: np.arctan((box[2] - box[0]) / (box[3] - box[1]))  # noqa: E731
        v = 4 / np.pi**2 * (angle(a) - angle(b)) ** 2
        weight = WEIGHTS.setdefault(row, v / (1 - iou + v))
        total.append(1 - iou + ((center(a) - center(b)) ** 2).sum() / diagonal + weight * v)
    return mean(total)


paper("iou", lambda y, p: mean([1 - overlap(a, b)[0] for a, b in zip(y, p, strict=True)]), **BOXES)
paper("giou", giou, **BOXES)
paper("ciou", ciou, **BOXES)

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
paper("n_pair", lambda a, q: mean([log(1 + sum(exp(a[i] @ q[j] - a[i] @ q[i]) for j in range(len(a)) if j != i)) for i in range(len(a))]), a=real(6, 4), q=real(6, 4))
paper("multi_similarity", multi_similarity, **FEATURES, alpha=1.5, beta=6.0, base=0.3)
paper("supcon", supcon, **FEATURES, tau=0.4)
paper("proxy_anchor", proxy_anchor, y=[0, 1, 1, 0, 3], p=cosines(5, 4), alpha=3.0, delta=0.2)
paper("center", lambda y, p, centers: mean(((p - centers[y.astype(int)]) ** 2).sum(-1) / 2), y=labels(7, 3), p=real(7, 2), centers=real(3, 2))
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
COHORT = {"t": [[2.0], [1.0], [3.0], [2.0], [2.0], [5.0], [1.0], [4.0]], "e": [[1.0], [1.0], [0.0], [1.0], [1.0], [1.0], [0.0], [1.0]], "p": real(8, 1)}


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

# -------------------------------------------------------------------------------------------------------- preference
PAIR = {"w": real(8, scale=2), "l": real(8, scale=2)}


def kto(y: Any, p: Any, r: Any, k: Any, beta: Any, wanted: Any, unwanted: Any) -> float:
    """Equation 8 of the paper."""
    z = max(k.mean(), 0.0)
    return mean(np.where(y == 1, wanted * (1 - expit(beta * (p - r - z))), unwanted * (1 - expit(beta * (z - (p - r))))))


def orpo(w: Any, l: Any, weight: Any) -> float:  # noqa: E741
    odds = lambda a: exp(a) / (1 - exp(a))  # noqa: E731
    return mean(-w - weight * log(expit(log(odds(w) / odds(l)))))


def surrogate(ratio: Any, advantage: Any, epsilon: Any) -> Any:
    return np.minimum(ratio * advantage, np.clip(ratio, 1 - epsilon, 1 + epsilon) * advantage)


def grpo(p: Any, old: Any, reference: Any, reward: Any, epsilon: Any, beta: Any) -> float:
    advantage = (reward - reward.mean(-1, keepdims=True)) / (reward.std(-1, keepdims=True) + 1e-6)
    ratio = exp(reference) / exp(p)
    return -mean(surrogate(exp(p - old), advantage, epsilon) - beta * (ratio - log(ratio) - 1))


paper("ipo", lambda w, l, rw, rl, tau: mean((log(exp(w) * exp(rl) / (exp(l) * exp(rw))) - 1 / tau / 2) ** 2), **PAIR, rw=real(8), rl=real(8), tau=0.4)  # noqa: E741
paper("slic", lambda w, l, r, delta, weight: mean(np.maximum(0, delta - w + l) - weight * r), **PAIR, r=real(8), delta=0.6, weight=0.3)  # noqa: E741
paper("kto", kto, y=bits(8), p=real(8, scale=3), r=real(8, scale=3), k=lambda rng: 0.5 + rng.normal(size=8), beta=0.4, wanted=1.2, unwanted=0.7)
paper("orpo", orpo, w=lambda rng: -rng.uniform(0.1, 2, 8), l=lambda rng: -rng.uniform(0.1, 2, 8), weight=0.4)
paper("ppo_clip", lambda p, old, advantage, epsilon: -mean(surrogate(exp(p - old), advantage, epsilon)), p=real(10, scale=0.4), old=real(10, scale=0.4), advantage=real(10), epsilon=0.25)
paper("grpo", grpo, p=real(3, 5, scale=0.4), old=real(3, 5, scale=0.4), reference=real(3, 5, scale=0.4), reward=real(3, 5), epsilon=0.25, beta=0.3)
paper(
    "liebel_koerner", lambda y, p, c: mean(sum((y[:, i] - p[:, i]) ** 2 / (2 * c[i] ** 2) + log(1 + c[i] ** 2) for i in range(3))),
    y=real(8, 3), p=real(8, 3), c=[0.8, 1.4, 2.0],
)  # fmt: skip

# ------------------------------------------------------------------------------------------------------ distillation
STUDENT = {"t": real(6, 4, scale=2), "p": real(6, 4, scale=2)}


def decoupled(y: Any, p: Any, t: Any, alpha: Any, beta: Any, T: Any) -> float:  # noqa: N803
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
paper("wgan_critic", lambda r, f, g, weight: mean(f) - mean(r) + weight * mean((np.sqrt((g**2).sum(-1)) - 1) ** 2), r=real(6, 1), f=real(6, 1), g=real(6, 3), weight=3.0)
paper("wgan_generator", lambda f: -mean(f), f=real(6, 1))


def pulling_away(p: Any) -> float:
    z, n = rows(p), len(p)
    return sum((z[i] @ z[j]) ** 2 for i in range(n) for j in range(n) if i != j) / (n * (n - 1))


paper("pulling_away", pulling_away, p=real(6, 4))
paper(
    "min_snr_diffusion", lambda y, p, snr, gamma: mean(np.minimum(gamma / snr, 1) * ((y - p) ** 2).mean(-1)),
    y=real(6, 3), p=real(6, 3), snr=lambda rng: rng.uniform(0.5, 8, 6), gamma=3.0,
)  # fmt: skip
