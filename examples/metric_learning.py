"""Can a loss that compares a whole batch with itself teach a net which images belong together?

A net maps the 64 pixels of a digit (scikit-learn's digits) to a point on a sphere in a few dimensions. The supervised
contrastive loss (Khosla et al. 2020) pulls images of one class together and pushes all others away: each image is compared with
every other of its batch, z @ transpose(z). The temperature, which says how near is near, is learned with the net.

What it is good for is seen by asking which image of the training set is nearest to a new one, and whether it shows the same
digit. In three dimensions it does for 19 % of new images before training and for 97 % after it; in as many principal
components for 72 %, in all 64 pixels for 99 %.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

import losscompiler as lc

SUPERVISED_CONTRASTIVE = """\
param tau > 0 = 0.5
z = normalize(p)
similarity = z @ transpose(z)/tau
other = eye_like(similarity) == 0
positive = other and y == transpose(y)
-mean(similarity - logsumexp(similarity, where=other), where=positive)
"""
DIMENSIONS = 3


def main(epochs: int = 40) -> dict[str, Any]:
    """Train the embedding and return nearest-neighbour accuracies on images that it has not seen."""
    keras.utils.set_random_seed(0)
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype("float32")
    # Nine batches of 128: every class is in each of them more than once.
    x_train, x_test, y_train, y_test = train_test_split(images, labels, train_size=1152, random_state=0, stratify=labels)

    net = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(DIMENSIONS)])
    loss = lc.compile_loss(SUPERVISED_CONTRASTIVE, name="supervised contrastive")
    loss.check_gradients(samples=4).assert_ok()
    model = lc.LossModel(net, loss)
    model.compile(keras.optimizers.Adam(0.01))

    def accuracy(train: np.ndarray, test: np.ndarray) -> float:
        return float(KNeighborsClassifier(1).fit(train, y_train).score(test, y_test))

    def embedded(x: np.ndarray) -> np.ndarray:
        points = model.predict(x, verbose=0)
        return points / np.linalg.norm(points, axis=1, keepdims=True)

    before = {"accuracy": accuracy(embedded(x_train), embedded(x_test)), "tau": float(model.parameters["tau"])}
    history = model.fit(x_train, y_train, batch_size=128, epochs=epochs, verbose=0).history
    components = PCA(DIMENSIONS, random_state=0).fit(x_train)
    return {
        "derivative": loss.derivatives.text("tau"),
        "before": before,
        "after": {"accuracy": accuracy(embedded(x_train), embedded(x_test)), "tau": float(model.parameters["tau"])},
        "loss": [float(history["loss"][0]), float(history["loss"][-1])],
        "principal_components": accuracy(components.transform(x_train), components.transform(x_test)),
        "pixels": accuracy(x_train, x_test),
    }


def show(figures: dict[str, Any]) -> None:
    """Print the figures as a table."""
    print(f"d loss/d tau = {figures['derivative']}\n")
    print(f"{'':<40}{'before':>10}{'after':>10}")
    print(f"{'tau':<40}{figures['before']['tau']:>10.4f}{figures['after']['tau']:>10.4f}")
    print(f"{'accuracy of the nearest neighbour':<40}{figures['before']['accuracy']:>10.4f}{figures['after']['accuracy']:>10.4f}")
    print(f"{f'the same in {DIMENSIONS} principal components':<40}{figures['principal_components']:>20.4f}")
    print(f"{'the same in all 64 pixels':<40}{figures['pixels']:>20.4f}")


if __name__ == "__main__":
    show(main())
