"""Trains a model to its end, going on from what an earlier run of the same script left in a folder.

    python resumable.py KIND FOLDER [MOMENT]

Prints a line a step, and at the end the whole state as JSON. ``MOMENT`` kills the process at one moment of writing.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

import losscompiler as lc
from losscompiler.training import backup, saving

EPOCHS, BATCHES, BATCH = 4, 6, 8
LOSS = """\
param a in (0, 1) = 0.5
param w[p] > 0 = 2
sum(w*(log(y) - log(p))**2) + a*mean(p) - c*mean(log(w))
"""


def data() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).uniform(0.5, 1.5, (BATCHES * BATCH, 3)).astype("float32")
    return x, (1 + x.sum(axis=1)).astype("float32")


def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the batch of a step, drawn anew in each epoch."""
    epoch, i = divmod(step, BATCHES)
    chosen = np.random.default_rng(epoch).permutation(BATCHES * BATCH)[i * BATCH : (i + 1) * BATCH]
    x, y = data()
    return x[chosen], y[chosen]


def make_model(dropout: float = 0.0) -> lc.LossModel:
    keras.utils.set_random_seed(3)
    layers = [keras.Input((3,)), keras.layers.Dense(4, activation="tanh"), keras.layers.Dropout(dropout, seed=5)]
    net = keras.Sequential([*layers, keras.layers.Dense(1, activation="softplus")])
    model = lc.LossModel(net, lc.compile_loss(LOSS, {"c": lc.Parameter(0.75, trainable=False)}, findings="ignore"))
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), metrics=["mae"])
    model(data()[0][:1])
    return model


class Progress(keras.callbacks.Callback):
    """Prints a line a batch, for the parent process to count."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        del logs
        print("batch", batch, flush=True)


class Shuffled(keras.utils.PyDataset):
    """The batches of an epoch, in an order that follows from its number."""

    epoch = 0

    def __len__(self) -> int:
        return BATCHES

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        return batch(self.epoch * BATCHES + i)


def fit(model: lc.LossModel, *callbacks: Any) -> dict[str, Any]:
    batches = Shuffled()
    count = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: setattr(batches, "epoch", epoch))
    history: dict[str, Any] = model.fit(batches, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[count, *callbacks]).history
    return history


# ---------------------------------------------------------------------------------------------- ways to go on after a kill
def by_backup(save_freq: Any) -> Callable[[Path], lc.LossModel]:
    def run(folder: Path) -> lc.LossModel:
        model = make_model(dropout=0.3)
        fit(model, lc.TrainingBackup(folder / "backup", save_freq=save_freq), Progress())
        return model

    return run


def by_keras_backup(folder: Path) -> lc.LossModel:
    model = make_model()
    fit(model, keras.callbacks.BackupAndRestore(str(folder / "backup")), Progress())
    return model


def by_own_loop(folder: Path) -> lc.LossModel:
    path = folder / "model.keras"
    model = lc.load_model(path) if path.exists() else make_model()
    for step in range(int(keras.ops.convert_to_numpy(model.optimizer.iterations)), EPOCHS * BATCHES):
        model.train_on_batch(*batch(step))
        model.save(path)
        print("batch", step, flush=True)
    return model


def by_tensorflow_checkpoints(folder: Path) -> lc.LossModel:
    import tensorflow as tf

    model = make_model()
    model.optimizer.build(model.trainable_variables)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    manager = tf.train.CheckpointManager(checkpoint, str(folder / "checkpoints"), max_to_keep=2)
    manager.restore_or_initialize()
    for step in range(int(keras.ops.convert_to_numpy(model.optimizer.iterations)), EPOCHS * BATCHES):
        model.train_on_batch(*batch(step))
        manager.save()
        print("batch", step, flush=True)
    return model


KINDS: dict[str, Callable[[Path], lc.LossModel]] = {
    "backup of every batch": by_backup(1),
    "backup of every fourth batch": by_backup(4),
    "backup of epochs": by_backup("epoch"),
    "Keras' backup of epochs": by_keras_backup,
    "model files": by_own_loop,
    "TensorFlow's checkpoints": by_tensorflow_checkpoints,
}


# ------------------------------------------------------------------------------------------------------- moments of death
def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def torn_weights(write: Callable[..., None]) -> Callable[..., None]:
    """Return a method that writes half a file, at its seventh call, and dies."""
    calls = iter(range(10**6))

    def save_weights(self: Any, filepath: Any, *args: Any, **options: Any) -> None:
        write(self, filepath, *args, **options)
        if next(calls) == 6:
            whole = Path(filepath).read_bytes()
            Path(filepath).write_bytes(whole[: len(whole) // 2])
            die()

    return save_weights


def at_call(number: int, function: Callable[..., Any], then: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, which at one of its calls does something else and dies."""
    calls = iter(range(10**6))

    def called(*args: Any, **options: Any) -> Any:
        if next(calls) == number:
            then(*args)
            die()
        return function(*args, **options)

    return called


def remove_one_file(folder: Path) -> None:
    next(iter(Path(folder).iterdir())).unlink()


def arm(moment: str) -> None:
    """Let the process die at one moment of the seventh backup, or of the deletion of one before."""
    # A backup waits for the disk four times: for its weights, its state, its folder, and for its new name.
    if moment == "weights half written":
        keras.Model.save_weights = torn_weights(keras.Model.save_weights)
    elif moment == "not yet renamed":
        backup.sync = at_call(26, backup.sync, lambda *args: None)
    elif moment == "renamed":
        backup.sync = at_call(27, backup.sync, lambda *args: None)
    elif moment == "old one half deleted":
        # Each backup but the first clears the way for itself and deletes the one before it.
        rmtree = shutil.rmtree
        deletions = at_call(5, rmtree, remove_one_file)
        backup.shutil.rmtree = lambda path, **options: (rmtree if options else deletions)(path, **options)
    elif moment == "model file half written":
        saving.sync = at_call(12, saving.sync, lambda path: Path(path).write_bytes(Path(path).read_bytes()[:1000]))
    else:
        raise ValueError(moment)


MOMENTS = {
    "weights half written": "backup of every batch",
    "not yet renamed": "backup of every batch",
    "renamed": "backup of every batch",
    "old one half deleted": "backup of every batch",
    "model file half written": "model files",
}


def state_of(model: lc.LossModel) -> dict[str, Any]:
    return {
        "weights": [weight.ravel().tolist() for weight in model.get_weights()],
        "parameters": {name: np.asarray(value).tolist() for name, value in model.parameters.items()},
        "optimizer": [np.ravel(keras.ops.convert_to_numpy(variable)).tolist() for variable in model.optimizer.variables],
    }


if __name__ == "__main__":
    kind, folder, *moments = sys.argv[1:]
    for moment in moments:
        arm(moment)
    Path(folder).mkdir(parents=True, exist_ok=True)
    print(json.dumps(state_of(KINDS[kind](Path(folder)))))
