"""Two tasks in two units: can the loss learn how much each of them counts?

From the left half of a digit's image (scikit-learn's digits) a net tells which digit it is, and how much ink there is in
the right half that it does not see. The cross-entropy of the digit is a number near 2; the squared error of the ink, in the
units of the scanner, is a number near 1,000. Their plain sum is a loss of the ink alone. Kendall, Gal & Cipolla 2018 give each
task a learned variance, as the likelihood of its data has it; the scale of a task then cancels.

A bare weight for each task, without the logarithm that the likelihood brings, would be driven to 0; the compiler says so.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import losscompiler as lc

PLAIN = """\
target digit, ink
prediction logits, mean
-log_softmax(logits)[digit] + (ink - mean)**2/2
"""
LEARNED = """\
target digit, ink
prediction logits, mean
param s_digit = 0   # logarithms of variances
param s_ink = 0
classification = -log_softmax(logits)[digit]
regression = (ink - mean)**2/2
exp(-s_digit)*classification + s_digit/2 + exp(-s_ink)*regression + s_ink/2
"""
BARE_WEIGHTS = """\
target digit, ink
prediction logits, mean
param w_digit > 0 = 1
param w_ink > 0 = 1
-w_digit*log_softmax(logits)[digit] + w_ink*(ink - mean)**2/2
"""


def two_headed() -> keras.Model:
    """Return a net whose outputs have the names that the losses give them."""
    half = keras.Input((32,))
    hidden = keras.layers.Dense(64, activation="relu")(half)
    return keras.Model(half, {"logits": keras.layers.Dense(10)(hidden), "mean": keras.layers.Dense(1)(hidden)})


def main(epochs: int = 60) -> dict[str, Any]:
    """Train the same net by the plain sum and by the learned one, and return figures on images that it has not seen."""
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    left, ink = images[:, :, :4].reshape(-1, 32) / 16, images[:, :, 4:].sum(axis=(1, 2))
    x_train, x_test, digit_train, digit_test, ink_train, ink_test = train_test_split(
        left.astype("float32"), labels, ink.astype("float32"), test_size=0.3, random_state=0, stratify=labels
    )
    y_train = {"digit": digit_train, "ink": ink_train}

    def train(text: str) -> tuple[lc.LossModel, dict[str, float]]:
        keras.utils.set_random_seed(0)
        model = lc.LossModel(two_headed(), lc.compile_loss(text))
        model.compile(keras.optimizers.Adam(0.01))
        model.fit(x_train, y_train, batch_size=128, epochs=epochs, verbose=0)
        found = model.predict(x_test, verbose=0)
        return model, {
            "accuracy": float(np.mean(found["logits"].argmax(axis=1) == digit_test)),
            "ink_error": float(np.sqrt(np.mean((found["mean"][:, 0] - ink_test) ** 2))),
        }

    _, plain = train(PLAIN)
    model, learned = train(LEARNED)
    fitted = model.predict(x_train, verbose=0)
    bare = lc.compile_loss(BARE_WEIGHTS, findings="ignore")
    return {
        "derivative": lc.compile_loss(LEARNED).derivatives.text("s_ink"),
        "plain": plain,
        "learned": learned,
        "guess": {"accuracy": float(np.mean(digit_test == np.bincount(digit_train).argmax())), "ink_error": float(ink_test.std())},
        "deviation": {name: float(np.exp(value / 2)) for name, value in model.parameters.items()},
        "ink_error_in_training": float(np.sqrt(np.mean((fitted["mean"][:, 0] - ink_train) ** 2))),
        "finding": next((str(found) for found in bare.findings if found.severity == "warning"), ""),
    }


def show(figures: dict[str, Any]) -> None:
    """Print the figures as a table."""
    print(f"d loss/d s_ink = {figures['derivative']}\n")
    print(f"{'on images never used':<32}{'guess':>8}{'plain sum':>12}{'learned':>10}")
    for name, label in (("accuracy", "accuracy of the digit"), ("ink_error", "root mean square error of ink")):
        print(f"{label:<32}{figures['guess'][name]:>8.3f}{figures['plain'][name]:>12.3f}{figures['learned'][name]:>10.3f}")
    print(f"\nlearned standard deviation of ink: {figures['deviation']['s_ink']:.2f}")
    print(f"root mean square error in training: {figures['ink_error_in_training']:.2f}")
    print(f"\nWith bare weights instead, the compiler says:\n{figures['finding']}")


if __name__ == "__main__":
    show(main())
