"""The demonstration: a net and the shape of its loss are learned together, on scikit-learn's diabetes data."""

from __future__ import annotations

import time
from typing import Any

from losscompiler.compiler import compile_loss

STUDENT_T = """\
# Negative log-likelihood of Student's t: how heavy the tails are, and how wide, is learned with the model.
param s > 0 = 1
param nu > 2 = 5
z = (y - p)/s
log(s) + lgamma(nu/2) - lgamma((nu + 1)/2) + log(nu*pi)/2 + (nu + 1)/2*log1p(z**2/nu)
"""


def run_demo(epochs: int = 40, quiet: bool = False) -> dict[str, Any]:
    """Train a small net with a learned loss and report what training did to it.

    Args:
        epochs: passes over the data.
        quiet: print nothing.

    Returns:
        Figures before and after training: the loss on held-out data, each parameter, and the mean absolute error of the
        prediction in the units of the data.

    Raises:
        ModuleNotFoundError: if scikit-learn is not installed.
    """
    import keras
    import numpy as np
    from sklearn.datasets import load_diabetes
    from sklearn.model_selection import train_test_split

    from losscompiler.training import LossModel

    def say(*parts: object) -> None:
        if not quiet:
            print(*parts, flush=True)

    keras.utils.set_random_seed(1)
    x, y = load_diabetes(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x.astype("float32"), y.astype("float32"), test_size=0.25, random_state=0)
    centre, scale, spread = y_train.mean(), y_train.std(), x_train.std(axis=0)
    x_train, x_test = x_train / spread, x_test / spread
    t_train, t_test = (y_train - centre) / scale, (y_test - centre) / scale

    loss = compile_loss(STUDENT_T, name="student t")
    say(loss.summary(), "\n")
    net = keras.Sequential([keras.layers.Input((x.shape[1],)), keras.layers.Dense(1)])
    model = LossModel(net, loss)
    model.compile(keras.optimizers.Adam(0.02))

    def measure() -> dict[str, float]:
        found = {name: float(value) for name, value in model.parameters.items()}
        error = float(np.mean(np.abs(model.predict(x_test, verbose=0)[:, 0] - t_test)) * scale)
        return {"loss": float(model.evaluate(x_test, t_test, verbose=0)), "mean_absolute_error": error, **found}

    before, start = measure(), time.perf_counter()
    model.fit(x_train, t_train, batch_size=32, epochs=epochs, verbose=0 if quiet else 1)
    seconds, after = time.perf_counter() - start, measure()
    check = loss.check_gradients(samples=16)

    say(f"\n{'':<28}{'before':>10}{'after':>10}")
    for name, label in (
        ("s", "s, the learned scale"), ("nu", "nu, the learned tail"), ("loss", "held-out loss"),
        ("mean_absolute_error", "held-out mean abs. error"),
    ):  # fmt: skip
        say(f"{label:<28}{before[name]:>10.3f}{after[name]:>10.3f}")
    say(f"\ngradient check: {'passed' if check.ok else 'FAILED'}; trained {epochs} epochs in {seconds:.1f} s")
    return {"before": before, "after": after, "epochs": epochs, "seconds": round(seconds, 2), "gradients_ok": check.ok}
