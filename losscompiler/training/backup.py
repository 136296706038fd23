"""`TrainingBackup`: training that was killed goes on as if nothing had happened."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import numpy as np

from losscompiler.errors import ArgumentError
from losscompiler.training.keras_internals import pass_over_batch, start_at_epoch
from losscompiler.training.saving import sync

_VERSION = 1
_WEIGHTS, _STATE = "model.weights.h5", "training.json"
_WRITING, _DISCARDED = "writing", "discarded"


class TrainingBackup(keras.callbacks.Callback):
    """Backs the state of ``fit`` up, and goes on from the last backup when ``fit`` is called again: a Keras callback.

        model.fit(x, y, epochs=100, shuffle=False, callbacks=[lc.TrainingBackup("backup", save_freq=1000)])

    Run the same script again after the process was killed, at whatever moment: weights, loss parameters, optimizer and
    metrics end as those of a run that was never interrupted do. A backup holds the net's and the loss's weights, which
    parameters are frozen, the optimizer's state, the states of dropout and other random layers, the metrics, and the place:
    epoch and batch. It is
    written beside the last one and then renamed, so that there is a whole one at every moment. Any Keras model will do, on
    any backend, under ``MirroredStrategy`` too; training over several processes will not.

    ``keras.callbacks.BackupAndRestore`` (Keras 3.15) promises less. It overwrites its only backup in place, first the
    weights and then the epoch: a kill meanwhile can leave a torn file, or weights with the number of another epoch. With
    ``save_freq=n`` it goes on at the beginning of the epoch, with weights that have seen part of it already. And like all
    of Keras' files its own lack the states of random layers.

    What is not backed up, and has to be the same in both runs:

    - The data. Batches of the epoch that were trained on are read and passed over. Every epoch has to begin at the same
      place, and its order has to follow from its number: pass ``shuffle=False``, with arrays, a ``tf.data.Dataset``, or a
      ``keras.utils.PyDataset`` that draws the order from the number of the epoch.
    - The memory of other callbacks, such as the patience of ``EarlyStopping``. The history begins anew.
    - On the torch backend, dropout without a ``seed``, which takes its numbers from PyTorch's own generator.

    Args:
        backup_dir: a folder for the backups of this run alone; it is made when needed.
        save_freq: "epoch", or a number of batches.
        delete_checkpoint: whether the folder is deleted when ``fit`` comes to its end.

    Raises:
        ArgumentError: if ``save_freq`` is something else; at the beginning of ``fit`` if the model has no weights yet, or
            the last backup is of another model or damaged.
    """

    def __init__(self, backup_dir: str | PathLike[str], save_freq: str | int = "epoch", delete_checkpoint: bool = True) -> None:
        super().__init__()
        if save_freq != "epoch" and (isinstance(save_freq, bool) or not isinstance(save_freq, int) or save_freq < 1):
            raise ArgumentError(f"save_freq must be 'epoch' or a positive number of batches, not {save_freq!r}.")
        self.backup_dir = Path(backup_dir)
        self.save_freq = save_freq
        self.delete_checkpoint = delete_checkpoint
        self._begin()

    def _begin(self) -> None:
        self._epoch = 0
        self._done = 0  # batches of this epoch
        self._saved_at = 0  # batches of this epoch at the last backup; negative if that was in an earlier epoch
        self._to_pass_over = 0
        self._logs: dict[str, Any] = {}
        self._metrics: list[Any] | None = None

    # -- going on
    def on_train_begin(self, logs: Any = None) -> None:
        """Restore the last backup, if there is one."""
        del logs
        model = self.model
        if self.backup_dir.exists() and not self.backup_dir.is_dir():
            raise ArgumentError(f"backup_dir must be a folder of this run alone; {self.backup_dir} is a file.")
        if not model.built:
            raise ArgumentError("TrainingBackup needs a model that has its weights. Call it on some data first: model(x[:1]).")
        for left in (*self.backup_dir.glob(f"{_WRITING}*"), *self.backup_dir.glob(f"{_DISCARDED}*")):
            shutil.rmtree(left)
        self._begin()
        start_at_epoch(model, None)
        backups = self._backups()
        if not backups:
            return
        try:
            with warnings.catch_warnings():
                # Keras leaves an optimizer as it is, and only warns, if the file has another number of variables.
                warnings.filterwarnings("error", message="Skipping variable loading")
                self._restore(backups[-1])
        except (AttributeError, LookupError, OSError, TypeError, UserWarning, ValueError) as error:
            raise ArgumentError(
                f"the backup {backups[-1]} cannot be restored: it is damaged, or of another model or optimizer. "
                f"To start anew, delete the folder {self.backup_dir}. What went wrong: {error}"
            ) from error

    def _restore(self, backup: Path) -> None:
        model = self.model
        state = json.loads((backup / _STATE).read_text(encoding="utf-8"))
        if state["version"] > _VERSION:
            raise ValueError("it was written by a newer version of losscompiler")
        steps, now = state.get("steps"), self.params.get("steps")
        if state["batch"] and None not in (steps, now) and steps != now:
            raise ValueError(f"it was made within an epoch of {steps} batches, which has {now} now")
        if state.get("frozen") is not None:
            model.freeze(*state["frozen"])
            model.unfreeze(*set(_frozen(model) or ()).difference(state["frozen"]))
        if model.optimizer is not None and not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        model.load_weights(backup / _WEIGHTS)
        start_at_epoch(model, state["epoch"])
        _assign(_random_states(model), state["random"])
        self._to_pass_over = self._saved_at = state["batch"]
        self._logs = {name: np.asarray(value) for name, value in state["logs"].items()}
        self._metrics = state["metrics"]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the epoch."""
        del logs
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Pass over a batch that was trained on before the interruption."""
        del logs
        if batch < self._to_pass_over:
            pass_over_batch(self.model, self._logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Back up, if it is time."""
        if self._metrics is not None and batch < self._to_pass_over:
            # Not earlier, since Keras sets metrics back when an epoch begins, and may make them at its first batch.
            _assign(self.model.metrics_variables, self._metrics)
            self._metrics = None
        self._done = batch + 1
        if isinstance(self.save_freq, int) and self._done - self._saved_at >= self.save_freq:
            self._save(self._epoch, self._done, logs)
            self._saved_at = self._done

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Back up, if it is time."""
        self._to_pass_over = 0
        self._saved_at -= self._done
        if self.save_freq == "epoch":
            self._save(epoch + 1, 0, logs)

    def _save(self, epoch: int, batch: int, logs: Any) -> None:
        model = self.model
        older = self._backups()
        writing = self.backup_dir / _WRITING
        shutil.rmtree(writing, ignore_errors=True)
        writing.mkdir(parents=True)
        model.save_weights(writing / _WEIGHTS)
        state = {
            "version": _VERSION,
            "epoch": epoch,
            "batch": batch,
            "steps": self.params.get("steps"),
            "frozen": _frozen(model),
            "logs": {name: np.asarray(value).tolist() for name, value in (logs or {}).items()},
            "metrics": _values(model.metrics_variables),
            "random": _values(_random_states(model)),
        }
        (writing / _STATE).write_text(json.dumps(state), encoding="utf-8")
        for path in (writing / _WEIGHTS, writing / _STATE, writing):
            sync(path)
        writing.rename(self.backup_dir / f"epoch-{epoch:06}-batch-{batch:09}")
        sync(self.backup_dir)
        for backup in older:
            self._discard(backup)

    def on_train_end(self, logs: Any = None) -> None:
        """Delete the backups, unless they are to be kept."""
        del logs
        start_at_epoch(self.model, None)
        if self.delete_checkpoint:
            for backup in self._backups():
                self._discard(backup)
            if self.backup_dir.exists() and not any(self.backup_dir.iterdir()):
                self.backup_dir.rmdir()

    def _backups(self) -> list[Path]:
        """Return the whole backups, the newest last."""
        named = [(re.fullmatch(r"epoch-(\d+)-batch-(\d+)", path.name), path) for path in self.backup_dir.glob("epoch-*")]
        places = [(int(match[1]), int(match[2]), path) for match, path in named if match]
        return [path for _, _, path in sorted(places)]

    def _discard(self, backup: Path) -> None:
        # Renamed first: what is deleted only in part must not be taken for a backup.
        gone = backup.rename(self.backup_dir / f"{_DISCARDED}-{backup.name}")
        shutil.rmtree(gone)


def _frozen(model: Any) -> list[str] | None:
    """Return which of the loss's parameters do not train; ``None`` for a model that has no loss of this package."""
    layer = getattr(model, "loss_layer", None)
    return None if layer is None else list(layer.frozen)


def _random_states(model: Any) -> list[Any]:
    """Return the states of dropout and other random layers, which Keras writes into none of its files."""
    weights = {id(weight) for weight in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def _values(variables: list[Any]) -> list[Any]:
    return [keras.ops.convert_to_numpy(variable).tolist() for variable in variables]


def _assign(variables: list[Any], values: list[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(np.asarray(value, variable.dtype))
