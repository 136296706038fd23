"""Can training be interrupted at any moment, and go on as if nothing had happened?

A net and the scale and tail of a Student-t likelihood are trained for six epochs of ten batches, in an order that is drawn
anew in each epoch, with dropout and Adam. A second run stops in the middle of the fourth epoch (here by an exception; the
backups stand a `kill -9` at any moment as well), and a third one goes on from its last backup: it passes over the batches of
the fourth epoch that were trained on before the backup and trains on the rest. Weights, s, nu and the history end as those
of the first run do.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import losscompiler as lc

STUDENT_T = """\
param s > 0 = 1
param nu > 2 = 5
lgamma(nu/2) - lgamma((nu + 1)/2) + log(nu*pi)/2 + log(s) + (nu + 1)/2*log1p(((y - p)/s)**2/nu)
"""
EPOCHS, BATCHES, BATCH = 6, 10, 32


class Shuffled(keras.utils.PyDataset):
    """The samples in an order that follows from the number of the epoch, so that a second run can find its place in it."""

    def __init__(self) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        self.x = rng.uniform(-1, 1, (BATCHES * BATCH, 3)).astype("float32")
        self.y = (self.x @ [3.0, -2.0, 1.0] + 0.3 * rng.standard_t(4, len(self.x))).astype("float32")
        self.epoch = 0

    def __len__(self) -> int:
        return BATCHES

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = np.random.default_rng(self.epoch).permutation(len(self.x))[i * BATCH : (i + 1) * BATCH]
        return self.x[chosen], self.y[chosen]


class Interruption(keras.callbacks.Callback):
    """What a kill is to a process: in the fourth epoch, after seven batches."""

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        if int(keras.ops.convert_to_numpy(self.model.optimizer.iterations)) == 3 * BATCHES + 7:
            raise KeyboardInterrupt


def train(*callbacks: keras.callbacks.Callback) -> tuple[lc.LossModel, dict[str, list[float]]]:
    """Make the model and train it to the end; return it with the history of this run."""
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(8, activation="tanh"), keras.layers.Dropout(0.1)]
    model = lc.LossModel(keras.Sequential([keras.Input((3,)), *hidden, keras.layers.Dense(1)]), lc.compile_loss(STUDENT_T))
    model.compile(keras.optimizers.Adam(0.02))
    data = Shuffled()
    model(data.x[:1])
    count = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: setattr(data, "epoch", epoch))
    return model, model.fit(data, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[count, *callbacks]).history


def main() -> dict[str, float]:
    whole, history = train()
    with tempfile.TemporaryDirectory() as folder:
        backup = lc.TrainingBackup(Path(folder) / "backup", save_freq=4)
        try:
            train(backup, Interruption())
        except KeyboardInterrupt:
            print(f"interrupted; the last backup is {next(backup.backup_dir.iterdir()).name}, counted from 0\n")
        resumed, rest = train(lc.TrainingBackup(backup.backup_dir, save_freq=4))
    print(f"{'':<8}{'uninterrupted':^30}{'resumed':^30}")
    print(f"{'epoch':<8}" + f"{'loss':>10}{'s':>10}{'nu':>10}" * 2)
    for epoch in range(EPOCHS):
        i = epoch - (EPOCHS - len(rest["loss"]))
        row = [history[name][epoch] for name in ("loss", "s", "nu")] + [rest[name][i] for name in ("loss", "s", "nu") if i >= 0]
        print(f"{epoch + 1:<8}" + "".join(f"{number:>10.6f}" for number in row))
    difference = max(float(np.max(np.abs(a - b))) for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True))
    print(f"\nlargest difference of a trained weight: {difference:.1e}")
    return {"difference": difference, "epochs": len(rest["loss"]), "loss": abs(history["loss"][-1] - rest["loss"][-1])}


if __name__ == "__main__":
    main()
