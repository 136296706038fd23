"""The classes of keras.losses as loss texts: class -> function of its options -> (text, values of parameters).

Options that are numbers become parameters of the loss; options that change the structure (axis, from_logits) choose the text.
Texts of the catalogue are used as they are where they fit. They give the loss of each element, Keras that of each sample,
hence `mean_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import losscompiler


class Formula(NamedTuple):
    """A loss text, and the values that its parameters take."""

    text: str
    values: Mapping[str, float]


def as_rounded(formula: Formula) -> Formula:
    """Return a loss text that clips where Keras does: its bound 1 - 1e-7 is a float32, and its tests expect what comes of that."""
    return Formula(formula.text.replace("1 - 1e-7", "1 - 2**-23"), formula.values)


def catalogued(key: str, **values: float) -> Formula:
    return Formula(losscompiler.catalog[key].formula, values)


def mean_of(key: str, axis: int = -1, **values: float) -> Formula:
    """Return an entry of the catalogue with the mean taken of its loss, which is its last line."""
    *above, loss = losscompiler.catalog[key].formula.splitlines()
    return Formula("\n".join([*above, f"mean({loss}, axis={axis})"]), values)


def of_one_label(key: str, **values: float) -> Formula:
    """Return an entry that looks labels up, without the axis that several labels of one sample would lie on."""
    *above, loss = losscompiler.catalog[key].formula.splitlines()
    return Formula("\n".join([*above, f"sum({loss})"]), values)


def written(text: str, **values: float) -> Formula:
    lines = [line.strip() for line in text.strip().splitlines()]
    return Formula("\n".join([*(f"param {name}" for name in values), *filter(None, lines)]), values)


# ------------------------------------------------------------------------------------------------- of each element
def cosine_similarity(axis: int) -> Formula:
    return written(f"-dot(normalize(y, axis={axis}), normalize(p, axis={axis}), axis={axis})")


def binary_crossentropy(from_logits: bool, label_smoothing: float, axis: int) -> Formula:
    if from_logits:
        return mean_of("binary_crossentropy_smoothed", axis, smoothing=label_smoothing)
    if not label_smoothing:
        return as_rounded(mean_of("binary_crossentropy", axis))
    return written(
        f"""
        t = (1 - smoothing)*y + smoothing/2
        q = clip(p, 1e-7, 1 - 2**-23)
        mean(-(t*log(q) + (1 - t)*log(1 - q)), axis={axis})
        """,
        smoothing=label_smoothing,
    )


def binary_focal_crossentropy(
    apply_class_balancing: bool, alpha: float, gamma: float, from_logits: bool, label_smoothing: float, axis: int
) -> Formula:
    values = {"gamma": gamma, "smoothing": label_smoothing, **({"alpha": alpha} if apply_class_balancing else {})}
    return written(
        f"""
        t = (1 - smoothing)*y + smoothing/2
        s = {"sigmoid(p)" if from_logits else "p"}
        q = clip(s, 1e-7, 1 - 1e-7)
        cross_entropy = -(t*log(q) + (1 - t)*log(1 - q))
        wrong = t*(1 - s) + (1 - t)*s
        weight = {"t*alpha + (1 - t)*(1 - alpha)" if apply_class_balancing else "1"}
        mean(weight*wrong**gamma*cross_entropy, axis={axis})
        """,
        **values,
    )


# ------------------------------------------------------------------------------------------------------ over classes
def smoothed_classes(from_logits: bool, axis: int) -> str:
    """Return the lines that smooth labels and make probabilities; Keras counts the classes along the last axis, whatever ``axis`` is."""
    return f"""
        t = (1 - smoothing)*y + smoothing/count(y)
        s = {f"softmax(p, axis={axis})" if from_logits else "p"}
        q = clip(s/sum(s, axis={axis}), 1e-7, 1 - 1e-7)
        """


def categorical_crossentropy(from_logits: bool, label_smoothing: float, axis: int) -> Formula:
    if from_logits:
        text = f"t = (1 - smoothing)*y + smoothing/count(y)\n-sum(t*log_softmax(p, axis={axis}), axis={axis})"
    else:
        text = f"{smoothed_classes(False, axis)}\n-sum(t*log(q), axis={axis})"
    return written(text, smoothing=label_smoothing)


def categorical_focal_crossentropy(alpha: float, gamma: float, from_logits: bool, label_smoothing: float, axis: int) -> Formula:
    text = f"{smoothed_classes(from_logits, axis)}\n-sum(alpha*(1 - q)**gamma*t*log(q), axis={axis})"
    return written(text, alpha=alpha, gamma=gamma, smoothing=label_smoothing)


def sparse_categorical_crossentropy(from_logits: bool, ignore_class: int | None, axis: int) -> Formula:
    """Classes along the last axis are looked up; along another one they are counted, and the label's own is picked."""
    if axis == -1 and ignore_class is None:
        return of_one_label(f"sparse_categorical_crossentropy{'_logits' if from_logits else ''}")
    counts = "1" if ignore_class is None else "y != ignored"
    own = "z[where(counts, y, 0)]" if axis == -1 else f"sum(z, where=cumsum(p == p, axis={axis}) - 1 == y, axis={axis})"
    return written(
        f"""
        counts = {counts}
        z = {"p" if from_logits else "log(clip(p, 1e-7, 1 - 1e-7))"}
        sum(where(counts, logsumexp(z, axis={axis}) - {own}, 0), axis={axis})
        """,
        **({} if ignore_class is None else {"ignored": ignore_class}),
    )


# ------------------------------------------------------------------------------------------------------ over regions
def dice(axis: int | tuple[int, ...] | None) -> Formula:
    if axis is None:
        return catalogued("dice")
    return written(f"1 - 2*sum(y*p, axis={axis})/(sum(y, axis={axis}) + sum(p, axis={axis}) + 1e-7)")


def tversky(alpha: float, beta: float, axis: int | tuple[int, ...] | None) -> Formula:
    if axis is None:
        return catalogued("tversky", alpha=alpha, beta=beta)
    return written(
        f"""
        overlap = sum(y*p, axis={axis})
        missed = sum(y*(1 - p), axis={axis})
        false_alarm = sum((1 - y)*p, axis={axis})
        1 - overlap/(overlap + alpha*missed + beta*false_alarm + 1e-7)
        """,
        alpha=alpha,
        beta=beta,
    )


# ----------------------------------------------------------------------------------------------------- over a batch
def circle(gamma: float, margin: float, remove_diagonal: bool) -> Formula:
    if remove_diagonal:
        return catalogued("circle", gamma=gamma, margin=margin)
    return circle_to_references(gamma, margin, labels="y", embeddings="p")


def circle_to_references(gamma: float, margin: float, labels: str = "s", embeddings: str = "r") -> Formula:
    """Return the circle loss against reference embeddings ``r`` with labels ``s``, none of which is the sample itself."""
    return written(
        f"""
        target {", ".join(dict.fromkeys(["y", labels]))}
        prediction {", ".join(dict.fromkeys(["p", embeddings]))}
        distance = max(1 - p @ transpose({embeddings}), 0)
        same = y == transpose({labels})
        near = logsumexp(where(same, -gamma*(margin + distance)*(margin - distance), -inf))
        far = logsumexp(where(same, -inf, gamma*relu(1 + margin - distance)*(1 - margin - distance)))
        softplus(near + far)
        """,
        gamma=gamma,
        margin=margin,
    )


FORMULAS: dict[str, Callable[..., Formula]] = {
    "MeanSquaredError": lambda: mean_of("mean_squared_error"),
    "MeanAbsoluteError": lambda: mean_of("mean_absolute_error"),
    "MeanAbsolutePercentageError": lambda: mean_of("mean_absolute_percentage_error"),
    "MeanSquaredLogarithmicError": lambda: mean_of("mean_squared_logarithmic_error"),
    "CosineSimilarity": cosine_similarity,
    "Huber": lambda delta: mean_of("huber", delta=delta),
    "LogCosh": lambda: mean_of("log_cosh"),
    "Hinge": lambda: mean_of("hinge"),
    "SquaredHinge": lambda: mean_of("squared_hinge"),
    "CategoricalHinge": lambda: catalogued("categorical_hinge"),
    "KLDivergence": lambda: catalogued("kl_divergence"),
    "Poisson": lambda: mean_of("poisson"),
    "BinaryCrossentropy": binary_crossentropy,
    "BinaryFocalCrossentropy": binary_focal_crossentropy,
    "CategoricalCrossentropy": categorical_crossentropy,
    "CategoricalFocalCrossentropy": categorical_focal_crossentropy,
    "SparseCategoricalCrossentropy": sparse_categorical_crossentropy,
    "CategoricalGeneralizedCrossEntropy": lambda q: of_one_label("categorical_generalized_cross_entropy", q=q),
    "Dice": dice,
    "Tversky": tversky,
    "Circle": circle,
}
"""One row for each class of keras.losses but CTC."""


def formula_of(name: str, options: Mapping[str, Any]) -> Formula:
    """Return the formula of a class with the options that its constructor stores."""
    return FORMULAS[name](**options)
