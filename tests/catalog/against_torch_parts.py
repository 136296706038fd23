"""Losses made of functions of torch.nn.functional and of torch.distributions, where PyTorch is installed."""

# ruff: noqa: E741  (arrays have the names of the entry)
from __future__ import annotations

from typing import Any

import numpy as np
from against_torch import BCE, F, bce, f
from catalog_case import (
    add,
    bits,
    cosines,
    labels,
    one_hot,
    positive,
    probabilities,
    real,
    share,
)

# ------------------------------------------------------------------------------------- losses made of these functions
add("temperature_scaling", F + "cross_entropy", lambda y, p, T: f.cross_entropy(p / T, y.long()), y=labels(6, 4), p=real(6, 4), T=1.7)
add(
    "logit_adjusted",
    F + "cross_entropy",
    lambda y, p, prior, tau: f.cross_entropy(p + tau * prior.log(), y.long()),
    y=labels(6, 4),
    p=real(6, 4),
    prior=probabilities(6, 4),
    tau=0.8,
)
add(
    "ldam",
    F + "cross_entropy",
    lambda y, p, n, c, s: f.cross_entropy(s * (p - f.one_hot(y.long(), 4) * c / n**0.25), y.long()),
    y=labels(6, 4),
    p=cosines(6, 4),
    n=np.tile([100.0, 20.0, 5.0, 40.0], (6, 1)),
    c=0.7,
    s=4.0,
)
add(
    "arcface",
    F + "cross_entropy",
    lambda y, p, s, m: f.cross_entropy(s * ((p.acos() + m * f.one_hot(y.long(), 4)).cos()), y.long()),
    y=labels(6, 4),
    p=cosines(6, 4),
    s=5.0,
    m=0.3,
)
add(
    "cosface",
    F + "cross_entropy",
    lambda y, p, s, m: f.cross_entropy(s * (p - m * f.one_hot(y.long(), 4)), y.long()),
    y=labels(6, 4),
    p=cosines(6, 4),
    s=5.0,
    m=0.3,
)
add("listnet", F + "cross_entropy(probabilities)", lambda y, p: f.cross_entropy(p, y.softmax(-1)), y=real(4, 5), p=real(4, 5))


def coral(y: Any, p: Any, b: Any) -> Any:
    import torch

    above = (y[:, None] > torch.arange(3)).double()
    return f.binary_cross_entropy_with_logits(p + b, above, reduction="sum") / len(y)


add("coral", BCE, coral, y=labels(8, 4), p=real(8, 1), b=[1.3, 0.2, -0.9])


def nt_xent(a: Any, b: Any, tau: Any) -> Any:
    import torch

    z = f.normalize(torch.cat([a, b]))
    similarity = (z @ z.T / tau).masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
    return f.cross_entropy(similarity, torch.arange(len(z)).roll(len(a)))


def clip(a: Any, b: Any, scale: Any) -> Any:
    import torch

    logits = scale * f.normalize(a) @ f.normalize(b).T
    places = torch.arange(len(a))
    return (f.cross_entropy(logits, places) + f.cross_entropy(logits.T, places)) / 2


def siglip(a: Any, b: Any, scale: Any, bias: Any) -> Any:
    import torch

    logits = scale * f.normalize(a) @ f.normalize(b).T + bias
    return f.binary_cross_entropy_with_logits(logits, torch.eye(len(a), dtype=logits.dtype), reduction="sum") / len(a)


add("nt_xent", F + "cross_entropy", nt_xent, a=real(6, 4), b=real(6, 4), tau=0.8)
add("clip", F + "cross_entropy", clip, a=real(6, 4), b=real(6, 4), scale=3.0)
add("siglip", BCE, siglip, a=real(6, 4), b=real(6, 4), scale=3.0, bias=-1.0)
add(
    "simsiam",
    F + "cosine_similarity",
    lambda a, b, u, v: -(f.cosine_similarity(a, v.detach()) + f.cosine_similarity(b, u.detach())).mean() / 2 + 0 * (u.sum() + v.sum()),
    a=real(6, 4),
    b=real(6, 4),
    u=real(6, 4),
    v=real(6, 4),
)

LOGSIGMOID = F + "logsigmoid"
PAIR = {"w": real(8, scale=3), "l": real(8, scale=3)}
FIXED = {"rw": real(8, scale=3), "rl": real(8, scale=3)}
add("bpr", LOGSIGMOID, lambda a, b: -f.logsigmoid(a - b).mean(), a=real(6, 2), b=real(6, 2))
add("bradley_terry", LOGSIGMOID, lambda w, l: -f.logsigmoid(w - l).mean(), **PAIR)
add("dpo", LOGSIGMOID, lambda w, l, rw, rl, beta: -f.logsigmoid(beta * ((w - rw) - (l - rl))).mean(), **PAIR, **FIXED, beta=0.3)


def cdpo(w: Any, l: Any, rw: Any, rl: Any, beta: Any, flip: Any) -> Any:
    h = beta * ((w - rw) - (l - rl))
    return ((1 - flip) * -f.logsigmoid(h) + flip * -f.logsigmoid(-h)).mean()


add("cdpo", LOGSIGMOID, cdpo, **PAIR, **FIXED, beta=0.3, flip=0.2)
add(
    "simpo",
    LOGSIGMOID,
    lambda w, l, nw, nl, beta, gamma: -f.logsigmoid(beta * w / nw - beta * l / nl - gamma).mean(),
    w=real(8, scale=20),
    l=real(8, scale=20),
    nw=np.arange(8) + 5.0,
    nl=np.arange(8)[::-1] + 4.0,
    beta=1.5,
    gamma=0.6,
)


def discrete_hazard(t: Any, e: Any, p: Any) -> Any:
    """Bins before the last one survived; in the last one the event fell or not."""
    import torch

    bins = torch.arange(p.shape[1])
    event = (bins == t[:, None]).double() * e[:, None]
    seen = (bins <= t[:, None]).double()
    return f.binary_cross_entropy_with_logits(p, event, weight=seen, reduction="sum") / len(t)


add("discrete_hazard", BCE, discrete_hazard, t=labels(7, 5), e=bits(7), p=real(7, 5))

KL = F + "kl_div"


def hinton(t: Any, p: Any, T: Any) -> Any:
    return T**2 * f.kl_div((p / T).log_softmax(-1), (t / T).log_softmax(-1), reduction="batchmean", log_target=True)


def jensen_shannon(t: Any, p: Any, beta: Any) -> Any:
    a, b = t.log_softmax(-1), p.log_softmax(-1)
    mixed = (beta * a.exp() + (1 - beta) * b.exp()).log()
    divergence = lambda q: f.kl_div(mixed, q, reduction="batchmean", log_target=True)  # noqa: E731
    return beta * divergence(a) + (1 - beta) * divergence(b)


def relational(t: Any, p: Any) -> Any:
    import torch

    def distances(x: Any) -> Any:
        off = ~torch.eye(len(x), dtype=torch.bool)
        d = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
        return torch.where(off, d / d[off].mean(), 0.0)

    return f.smooth_l1_loss(distances(p), distances(t).detach())


STUDENT = {"t": real(6, 4, scale=2), "p": real(6, 4, scale=2)}
add("hinton_kd", KL, hinton, **STUDENT, T=2.5)
add(
    "hinton_kd_labels",
    KL,
    lambda y, t, p, T, share: share * hinton(t, p, T) + (1 - share) * f.cross_entropy(p, y.long()),
    y=labels(6, 4),
    **STUDENT,
    T=2.5,
    share=0.6,
)
add("reverse_kl", KL, lambda t, p: f.kl_div(t.log_softmax(-1), p.log_softmax(-1), reduction="batchmean", log_target=True), **STUDENT)
add("jensen_shannon", KL, jensen_shannon, **STUDENT, beta=0.3)
add("relational_distance", F + "smooth_l1_loss", relational, **STUDENT)

SCORES = {"r": real(8, 1), "f": real(8, 1)}


def constant(x: Any, value: float) -> Any:
    return x.detach() * 0 + value


add("gan_discriminator", BCE, lambda r, f: bce(r, constant(r, 1.0)) + bce(f, constant(f, 0.0)), **SCORES)
add("gan_generator", BCE, lambda f: bce(f, constant(f, 1.0)), f=real(8, 1))
add("lsgan_discriminator", F + "mse_loss", lambda r, f: (mse(r, constant(r, 1.0)) + mse(f, constant(f, 0.0))) / 2, **SCORES)
add("lsgan_generator", F + "mse_loss", lambda f: mse(f, constant(f, 1.0)) / 2, f=real(8, 1))
add("hinge_gan_discriminator", F + "relu", lambda r, f: (relu(1 - r) + relu(1 + f)).mean(), **SCORES)
add("relativistic_discriminator", BCE, lambda r, f: bce(r - f.mean(), constant(r, 1.0)) + bce(f - r.mean(), constant(f, 0.0)), **SCORES)
add(
    "energy_based_discriminator",
    F + "relu",
    lambda r, f, margin: (r + relu(margin - f)).mean(),
    r=positive(8, 1),
    f=positive(8, 1),
    margin=1.7,
)
add(
    "vq_commitment", F + "mse_loss", lambda z, e, beta: mse(z.detach(), e) + beta * mse(z, e.detach()), z=real(6, 3), e=real(6, 3), beta=0.6
)


def mse(a: Any, b: Any) -> Any:
    return f.mse_loss(a, b)


def relu(x: Any) -> Any:
    return f.relu(x)


# ------------------------------------------------------------------------------------------------- torch.distributions
def normal(m: Any, v: Any) -> Any:
    import torch

    return torch.distributions.Normal(m, (v / 2).exp())


def to_prior(m: Any, v: Any) -> Any:
    import torch

    return torch.distributions.kl_divergence(normal(m, v), torch.distributions.Normal(torch.zeros_like(m), torch.ones_like(m)))


POSTERIOR = {"m": real(5, 3), "v": real(5, 3)}
PRIOR = "torch.distributions.kl_divergence(Normal, Normal)"
add("vae_kl", PRIOR, lambda m, v: to_prior(m, v).sum(-1).mean(), **POSTERIOR)
add("vae_free_bits", PRIOR, lambda m, v, free: to_prior(m, v).mean(0).clamp(min=free).sum(), **POSTERIOR, free=0.7)
add(
    "beta_vae",
    PRIOR,
    lambda y, p, m, v, beta: (f.binary_cross_entropy_with_logits(p, y, reduction="none").sum(-1) + beta * to_prior(m, v).sum(-1)).mean(),
    y=share(5, 6),
    p=real(5, 6),
    **POSTERIOR,
    beta=2.5,
)


def kumaraswamy(y: Any, a: Any, b: Any) -> Any:
    import torch

    return -torch.distributions.Kumaraswamy(a.exp(), b.exp()).log_prob(y).mean()


def continuous_bernoulli(y: Any, p: Any) -> Any:
    import torch

    return -torch.distributions.ContinuousBernoulli(logits=p).log_prob(y).mean()


add("kumaraswamy", "torch.distributions.Kumaraswamy", kumaraswamy, y=share(8, 1), a=real(8, 1, scale=0.5), b=real(8, 1, scale=0.5))
# PyTorch replaces the normaliser by a series for probabilities between 0.499 and 0.501; these logits lie outside.
add(
    "continuous_bernoulli",
    "torch.distributions.ContinuousBernoulli",
    continuous_bernoulli,
    y=share(6, 1),
    p=[[-4.0], [-1.5], [-0.5], [0.3], [1.1], [5.0]],
)


def evidential(y: Any, p: Any, weight: Any) -> Any:
    """Mean and variance of the Dirichlet distribution from PyTorch too."""
    import torch

    found = torch.distributions.Dirichlet(p + 1)
    fit = ((y - found.mean) ** 2 + found.variance).sum(-1)
    misled = torch.distributions.Dirichlet(y + (1 - y) * (p + 1))
    return (fit + weight * torch.distributions.kl_divergence(misled, torch.distributions.Dirichlet(torch.ones_like(p)))).mean()


add(
    "evidential_classification",
    "torch.distributions.kl_divergence(Dirichlet, Dirichlet)",
    evidential,
    y=one_hot(6, 4),
    p=positive(6, 4),
    weight=0.4,
)


# ---------------------------------------------------------------------------------- by hand, differentiated by PyTorch
def beta_nll(y: Any, m: Any, v: Any) -> Any:
    return (v.exp().detach() ** 0.5 * (v + (y - m) ** 2 / v.exp()) / 2).mean()


def kendall(y: Any, k: Any, m: Any, z: Any, s: Any) -> Any:
    regression, classification = f.mse_loss(m, y) / 2, f.cross_entropy(z, k.long())
    return regression / s[0].exp() + classification / s[1].exp() + s.sum() / 2


add("beta_nll", "torch (by hand)", beta_nll, y=real(8, 1), m=real(8, 1), v=real(8, 1))
add("kendall", "torch (by hand)", kendall, y=real(6, 1), k=labels(6, 3), m=real(6, 1), z=real(6, 3), s=[0.4, -0.3])
