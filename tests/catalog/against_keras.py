"""Entries against the classes of keras.losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from catalog_case import add, bits, labels, one_hot, positive, probabilities, real, share, signs, unit_rows


def loss(name: str, **fixed: Any) -> Callable[..., Any]:
    """Return Keras' loss with the parameters that it knows under the entry's names."""
    return lambda y, p, **params: getattr(keras.losses, name)(dtype="float64", **fixed, **params)(y, p)


for key, name in (
    ("mean_squared_error", "MeanSquaredError"),
    ("mean_absolute_error", "MeanAbsoluteError"),
    ("mean_absolute_percentage_error", "MeanAbsolutePercentageError"),
    ("cosine_similarity", "CosineSimilarity"),
):
    add(key, f"keras.losses.{name}", loss(name), y=real(6, 3), p=real(6, 3))
# Keras takes log(2) in float32.
add("log_cosh", "keras.losses.LogCosh", loss("LogCosh"), digits=1e-8, y=real(6, 3), p=real(6, 3))
add(
    "mean_squared_logarithmic_error",
    "keras.losses.MeanSquaredLogarithmicError",
    loss("MeanSquaredLogarithmicError"),
    y=positive(6, 3),
    p=positive(6, 3),
)
add("poisson", "keras.losses.Poisson", loss("Poisson"), y=positive(6, 3), p=positive(6, 3))
add("huber", "keras.losses.Huber", loss("Huber"), y=real(8, 2), p=real(8, 2), delta=0.7)
add("kl_divergence", "keras.losses.KLDivergence", loss("KLDivergence"), y=probabilities(6, 4), p=probabilities(6, 4))

EDGE = np.array([[0.0, 0.3], [1.0, 0.6], [0.2, 0.0], [0.9, 1.0]])
add("binary_crossentropy", "keras.losses.BinaryCrossentropy", loss("BinaryCrossentropy"), y=bits(8, 2), p=share(8, 2))
add("binary_crossentropy", "keras.losses.BinaryCrossentropy", loss("BinaryCrossentropy"), y=bits(4, 2), p=EDGE, single=1.0)
add(
    "binary_crossentropy_logits",
    "keras.losses.BinaryCrossentropy(from_logits=True)",
    loss("BinaryCrossentropy", from_logits=True),
    y=share(8, 2),
    p=real(8, 2, scale=5),
)
add(
    "binary_crossentropy_smoothed",
    "keras.losses.BinaryCrossentropy(label_smoothing)",
    lambda y, p, smoothing: loss("BinaryCrossentropy", from_logits=True)(y, p, label_smoothing=smoothing),
    y=bits(8, 2),
    p=real(8, 2),
    smoothing=0.2,
)
add(
    "binary_focal_crossentropy",
    "keras.losses.BinaryFocalCrossentropy",
    loss("BinaryFocalCrossentropy", apply_class_balancing=True),
    y=bits(8, 2),
    p=share(8, 2),
    gamma=1.5,
    alpha=0.4,
)
add(
    "binary_focal_crossentropy_logits",
    "keras.losses.BinaryFocalCrossentropy(from_logits=True)",
    loss("BinaryFocalCrossentropy", from_logits=True),
    y=bits(8, 2),
    p=real(8, 2),
    gamma=1.5,
)
add("categorical_crossentropy", "keras.losses.CategoricalCrossentropy", loss("CategoricalCrossentropy"), y=one_hot(6, 4), p=positive(6, 4))
add(
    "categorical_crossentropy_logits",
    "keras.losses.CategoricalCrossentropy(from_logits=True)",
    loss("CategoricalCrossentropy", from_logits=True),
    y=probabilities(6, 4),
    p=real(6, 4, scale=3),
)
add(
    "categorical_crossentropy_smoothed",
    "keras.losses.CategoricalCrossentropy(label_smoothing)",
    lambda y, p, smoothing: loss("CategoricalCrossentropy", from_logits=True)(y, p, label_smoothing=smoothing),
    y=one_hot(6, 4),
    p=real(6, 4),
    smoothing=0.3,
)
add(
    "categorical_focal_crossentropy",
    "keras.losses.CategoricalFocalCrossentropy",
    loss("CategoricalFocalCrossentropy"),
    y=one_hot(6, 4),
    p=positive(6, 4),
    alpha=0.4,
    gamma=1.5,
)
add(
    "categorical_focal_crossentropy_logits",
    "keras.losses.CategoricalFocalCrossentropy(from_logits=True)",
    loss("CategoricalFocalCrossentropy", from_logits=True),
    y=one_hot(6, 4),
    p=real(6, 4),
    alpha=0.4,
    gamma=1.5,
)
SPARSE = "keras.losses.SparseCategoricalCrossentropy"
add("sparse_categorical_crossentropy", SPARSE, loss("SparseCategoricalCrossentropy"), y=labels(6, 4), p=probabilities(6, 4))
add(
    "sparse_categorical_crossentropy_logits",
    f"{SPARSE}(from_logits=True)",
    loss("SparseCategoricalCrossentropy", from_logits=True),
    y=labels(6, 4),
    p=real(6, 4),
)
add(
    "sparse_categorical_crossentropy_ignore",
    f"{SPARSE}(ignore_class=-1)",
    loss("SparseCategoricalCrossentropy", from_logits=True, ignore_class=-1),
    y=[[0, -1, 2], [3, 1, -1]],
    p=real(2, 3, 4),
)
add(
    "categorical_generalized_cross_entropy",
    "keras.losses.CategoricalGeneralizedCrossEntropy",
    loss("CategoricalGeneralizedCrossEntropy"),
    y=labels(6, 4),
    p=probabilities(6, 4),
    q=0.7,
)
add(
    "generalized_cross_entropy_logits",
    "keras.losses.CategoricalGeneralizedCrossEntropy",
    lambda y, p, q: loss("CategoricalGeneralizedCrossEntropy")(y, keras.ops.softmax(p), q=q),
    y=labels(6, 4),
    p=real(6, 4),
    q=0.4,
)
for key, name in (("hinge", "Hinge"), ("squared_hinge", "SquaredHinge")):
    add(key, f"keras.losses.{name}", loss(name), y=signs(8, 1), p=real(8, 1))
    add(key, f"keras.losses.{name}", loss(name), y=bits(8, 1), p=real(8, 1))
add("categorical_hinge", "keras.losses.CategoricalHinge", loss("CategoricalHinge"), y=one_hot(8, 4), p=real(8, 4))
add("dice", "keras.losses.Dice", loss("Dice"), y=bits(3, 6, 1), p=share(3, 6, 1))
add("tversky", "keras.losses.Tversky", loss("Tversky"), y=bits(3, 6, 1), p=share(3, 6, 1), alpha=0.3, beta=0.6)
add(
    "focal_tversky",
    "keras.losses.Tversky",
    lambda y, p, alpha, gamma: loss("Tversky")(y, p, alpha=alpha, beta=1 - alpha) ** gamma,
    y=bits(3, 6, 1),
    p=share(3, 6, 1),
    alpha=0.6,
    gamma=1.3,
)
add("circle", "keras.losses.Circle", loss("Circle"), y=labels(8, 3), p=unit_rows(8, 5), gamma=12.0, margin=0.3)
