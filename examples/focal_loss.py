"""Should the exponent and the class weight of the focal loss be learned?

No. The focal loss (Lin et al. 2017) multiplies the cross-entropy by (1 - probability of the true class)**gamma, a number
below 1: a larger gamma lowers the loss of every sample, whatever the net says. And the loss is linear in the class weight
alpha, so gradient descent moves weight to the class that costs less, which is the rare one, until nearly all is called rare.
The compiler points gamma out before anything is trained.

To see it, a tumour is to be told malignant from its texture, smoothness and symmetry alone (scikit-learn's breast cancer),
with 20 malignant among 200 samples to learn from. From gamma = 2 and alpha = 0.5, training takes them to 4.8 and 0.99. The loss
is then less than a twentieth of what it is with both fixed, the net ranks tumours no better, and it calls 60 % of the benign
ones malignant. What can be compared between values of gamma is a figure that gamma is no part of: here the area under the ROC
curve (AUC) on validation data. It differs little, and prefers the plain cross-entropy, gamma = 0.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

import losscompiler as lc

FOCAL = """\
z = p if y == 1 else -p   # the logit of the true class
weight = alpha if y == 1 else 1 - alpha
-weight*sigmoid(-z)**gamma*log_sigmoid(z)
"""
LEARNED = {"gamma": lc.Parameter(2, bounds=(0, 5)), "alpha": lc.Parameter(0.5, bounds=(0, 1))}
FIXED_GAMMAS = (0.0, 2.0, 5.0)


def tumours() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return features and labels (1 is malignant) in three parts, the first with one malignant sample in ten."""
    data = load_breast_cancer()
    x, malignant = data.data[:, [1, 4, 8]], (data.target == 0).astype("float32")
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype("float32")
    random = np.random.default_rng(0)
    rare, common = (random.permutation(np.flatnonzero(malignant == label)) for label in (1, 0))
    rows = {
        "train": np.concatenate([rare[:20], common[:180]]),
        "validation": np.concatenate([rare[20:60], common[180:260]]),
        "test": np.concatenate([rare[60:], common[260:]]),
    }
    return {part: (x[chosen], malignant[chosen]) for part, chosen in rows.items()}


def main(epochs: int = 40) -> dict[str, Any]:
    """Train a linear net with the loss's numbers fixed, then learned, and return figures."""
    parts = tumours()

    def train(loss: lc.CompiledLoss) -> dict[str, float]:
        keras.utils.set_random_seed(0)
        model = lc.LossModel(keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]), loss)
        model.compile(keras.optimizers.Adam(0.05))
        model.fit(*parts["train"], batch_size=20, epochs=epochs, verbose=0)
        logits = {part: model.predict(x, verbose=0)[:, 0] for part, (x, _) in parts.items()}
        malignant = {part: y for part, (_, y) in parts.items()}
        called = logits["test"] > 0
        return {
            **{name: float(value) for name, value in model.parameters.items()},
            "loss": float(model.evaluate(*parts["train"], verbose=0)),
            "auc_validation": float(roc_auc_score(malignant["validation"], logits["validation"])),
            "auc_test": float(roc_auc_score(malignant["test"], logits["test"])),
            "found": float(np.mean(called[malignant["test"] == 1])),
            "false_alarms": float(np.mean(called[malignant["test"] == 0])),
        }

    learned_loss = lc.compile_loss(FOCAL, LEARNED, name="focal")
    learned_loss.check_gradients(samples=8).assert_ok()
    fixed = {
        gamma: {"gamma": gamma, "alpha": 0.5, **train(lc.compile_loss(FOCAL, constants={"gamma": gamma, "alpha": 0.5}))}
        for gamma in FIXED_GAMMAS
    }
    return {
        "derivatives": {name: learned_loss.derivatives.text(name) for name in LEARNED},
        "findings": [str(found) for found in learned_loss.findings if found.symbol in LEARNED],
        "fixed": fixed,
        "learned": train(learned_loss),
        "validated_gamma": max(fixed, key=lambda gamma: fixed[gamma]["auc_validation"]),
    }


def show(figures: dict[str, Any]) -> None:
    """Print the figures as a table."""
    for name, text in figures["derivatives"].items():
        print(f"d loss/d {name} = {text}")
    print("\nBefore training, the compiler says:", *figures["findings"], sep="\n")
    print(f"\n{'':<9}{'gamma':>7}{'alpha':>7}{'training loss':>15}{'AUC, validation':>17}{'AUC, test':>11}{'found':>8}{'false alarms':>14}")
    for name, row in [*(("fixed", row) for row in figures["fixed"].values()), ("learned", figures["learned"])]:
        print(
            f"{name:<9}{row['gamma']:>7.2f}{row['alpha']:>7.2f}{row['loss']:>15.5f}{row['auc_validation']:>17.4f}{row['auc_test']:>11.4f}"
            f"{row['found']:>8.2f}{row['false_alarms']:>14.2f}"
        )
    print(f"\ngamma that validation prefers: {figures['validated_gamma']:g}")


if __name__ == "__main__":
    show(main())
