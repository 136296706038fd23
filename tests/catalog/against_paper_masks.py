"""Segmentation and detection against their papers, in loops where the entry works on whole arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special
from catalog_case import (
    bits,
    boxes,
    paper,
    real,
)

exp, log, mean = np.exp, np.log, np.mean
softmax, log_softmax, expit = scipy.special.softmax, scipy.special.log_softmax, scipy.special.expit

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
