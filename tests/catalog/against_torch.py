"""Entries against torch.nn.functional and torch.distributions, where PyTorch is installed."""

from __future__ import annotations

from typing import Any

from catalog_case import (
    add,
    bits,
    counts,
    labels,
    log_probabilities,
    positive,
    probabilities,
    real,
    share,
    signs,
)

F = "torch.nn.functional."


class _Functional:
    """``torch.nn.functional``, imported when a function of it is called."""

    def __getattr__(self, name: str) -> Any:
        import torch

        return getattr(torch.nn.functional, name)


f = _Functional()

add("mean_squared_error", F + "mse_loss", lambda y, p: f.mse_loss(p, y), y=real(6, 3), p=real(6, 3))
add("mean_absolute_error", F + "l1_loss", lambda y, p: f.l1_loss(p, y), y=real(6, 3), p=real(6, 3))
add("huber", F + "huber_loss", lambda y, p, delta: f.huber_loss(p, y, delta=float(delta)), y=real(8, 2), p=real(8, 2), delta=0.7)
add("smooth_l1", F + "smooth_l1_loss", lambda y, p, beta: f.smooth_l1_loss(p, y, beta=float(beta)), y=real(8, 2), p=real(8, 2), beta=0.6)
add("sparse_categorical_crossentropy_logits", F + "cross_entropy", lambda y, p: f.cross_entropy(p, y.long()), y=labels(6, 4), p=real(6, 4))
add(
    "categorical_crossentropy_logits",
    F + "cross_entropy(probabilities)",
    lambda y, p: f.cross_entropy(p, y),
    y=probabilities(6, 4),
    p=real(6, 4),
)
add(
    "sparse_categorical_crossentropy_ignore",
    F + "cross_entropy(ignore_index=-1)",
    lambda y, p: f.cross_entropy(p.transpose(1, 2), y.long(), ignore_index=-1),
    y=[[0, -1, 2], [3, 1, -1]],
    p=real(2, 3, 4),
)
add(
    "cross_entropy_weighted",
    F + "cross_entropy(weight)",
    lambda y, p, weight: f.cross_entropy(p, y.long(), weight=weight.detach()),
    y=labels(7, 3),
    p=real(7, 3),
    weight=[0.5, 2.0, 1.5],
)
add(
    "cross_entropy_smoothed",
    F + "cross_entropy(label_smoothing)",
    lambda y, p, smoothing: f.cross_entropy(p, y.long(), label_smoothing=float(smoothing)),
    y=labels(7, 3),
    p=real(7, 3),
    smoothing=0.3,
)
add(
    "linear_cross_entropy",
    F + "linear_cross_entropy",
    lambda y, p, W: f.linear_cross_entropy(p, W, y.long()),
    y=labels(6, 3),
    p=real(6, 8),
    W=real(3, 8),
)
add("nll", F + "nll_loss", lambda y, p: f.nll_loss(p, y.long()), y=labels(6, 4), p=log_probabilities(6, 4))
add("poisson_nll", F + "poisson_nll_loss", lambda y, p: f.poisson_nll_loss(p, y), y=counts(6, 2), p=real(6, 2))
add(
    "poisson_nll_full",
    F + "poisson_nll_loss(log_input=False, full=True)",
    lambda y, p: f.poisson_nll_loss(p, y, log_input=False, full=True),
    y=counts(6, 2),
    p=positive(6, 2),
)
add("gaussian_nll", F + "gaussian_nll_loss", lambda y, m, v: f.gaussian_nll_loss(m, y, v), y=real(6, 2), m=real(6, 2), v=positive(6, 2))
add(
    "kl_div",
    F + "kl_div",
    lambda y, p: f.kl_div(p, y, reduction="batchmean"),
    y=[[0.0, 0.4, 0.6], [0.2, 0.3, 0.5]],
    p=log_probabilities(2, 3),
)
add(
    "kl_div_log_target",
    F + "kl_div(log_target=True)",
    lambda y, p: f.kl_div(p, y, reduction="batchmean", log_target=True),
    y=log_probabilities(5, 3),
    p=log_probabilities(5, 3),
)
BCE = F + "binary_cross_entropy_with_logits"
bce = lambda p, y: f.binary_cross_entropy_with_logits(p, y)  # noqa: E731
add("bernoulli", F + "binary_cross_entropy", lambda y, p: f.binary_cross_entropy(p, y), y=bits(8, 2), p=share(8, 2))
add("binary_crossentropy_logits", BCE, lambda y, p: bce(p, y), y=share(8, 2), p=real(8, 2))
add(
    "binary_crossentropy_pos_weight",
    BCE + "(pos_weight)",
    lambda y, p, weight: f.binary_cross_entropy_with_logits(p, y, pos_weight=weight.detach()),
    y=bits(8, 2),
    p=real(8, 2),
    weight=[0.5, 3.0],
)
add(
    "hinge_embedding",
    F + "hinge_embedding_loss",
    lambda y, p, margin: f.hinge_embedding_loss(p, y, float(margin)),
    y=signs(8, 1),
    p=positive(8, 1),
    margin=1.6,
)
add(
    "margin_ranking",
    F + "margin_ranking_loss",
    lambda y, a, b, margin: f.margin_ranking_loss(a, b, y, float(margin)),
    y=signs(8),
    a=real(8),
    b=real(8),
    margin=0.4,
)
add(
    "multi_margin",
    F + "multi_margin_loss",
    lambda y, p, margin: f.multi_margin_loss(p, y.long(), margin=float(margin)),
    y=labels(6, 4),
    p=real(6, 4),
    margin=0.8,
)
add(
    "multi_margin_squared",
    F + "multi_margin_loss(p=2)",
    lambda y, p, margin: f.multi_margin_loss(p, y.long(), p=2, margin=float(margin)),
    y=labels(6, 4),
    p=real(6, 4),
    margin=0.8,
)


def multilabel_margin(y: Any, p: Any) -> Any:
    """PyTorch takes the positive labels as numbers, filled up with -1."""
    import torch

    numbers = [[i for i, on in enumerate(row) if on] for row in y[..., 0]]
    padded = torch.tensor([row + [-1] * (y.shape[1] - len(row)) for row in numbers])
    return f.multilabel_margin_loss(p[..., 0], padded)


add("multilabel_margin", F + "multilabel_margin_loss", multilabel_margin, y=bits(5, 4, 1), p=real(5, 4, 1))
add(
    "multilabel_soft_margin",
    F + "multilabel_soft_margin_loss",
    lambda y, p: f.multilabel_soft_margin_loss(p, y),
    y=bits(5, 4),
    p=real(5, 4),
)
add("soft_margin", F + "soft_margin_loss", lambda y, p: f.soft_margin_loss(p, y), y=signs(6, 2), p=real(6, 2))
add(
    "cosine_embedding",
    F + "cosine_embedding_loss",
    lambda y, a, b, margin: f.cosine_embedding_loss(a, b, y, float(margin)),
    y=signs(8),
    a=real(8, 3),
    b=real(8, 3),
    margin=0.05,
)
TRIPLET = {"a": real(8, 3), "q": real(8, 3), "n": real(8, 3), "margin": 1.4}
add("triplet_margin", F + "triplet_margin_loss", lambda a, q, n, margin: f.triplet_margin_loss(a, q, n, margin=float(margin)), **TRIPLET)
add(
    "triplet_margin_swap",
    F + "triplet_margin_loss(swap=True)",
    lambda a, q, n, margin: f.triplet_margin_loss(a, q, n, margin=float(margin), swap=True),
    **TRIPLET,
)
add(
    "triplet_margin_cosine",
    F + "triplet_margin_with_distance_loss",
    lambda a, q, n, margin: f.triplet_margin_with_distance_loss(
        a, q, n, distance_function=lambda u, v: 1 - f.cosine_similarity(u, v), margin=float(margin)
    ),
    **TRIPLET,
)
