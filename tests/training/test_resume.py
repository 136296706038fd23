"""A run that was killed and started again ends as one that was never interrupted does."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import resumable

import losscompiler as lc

TOTAL = resumable.EPOCHS * resumable.BATCHES


class Interruption(keras.callbacks.Callback):
    """Ends ``fit`` by an exception after a number of batches."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.left = batches

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def interrupted(callback: Any, batches: int, dropout: float = 0.3) -> None:
    with pytest.raises(KeyboardInterrupt):
        resumable.fit(resumable.make_model(dropout), callback, Interruption(batches))


def assert_same_state(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name in ("weights", "optimizer"):
        for one, other in zip(found[name], expected[name], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8)
    for name, value in expected["parameters"].items():
        np.testing.assert_allclose(found["parameters"][name], value, rtol=1e-6)


@cache
def uninterrupted(dropout: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the state at the end and the history."""
    model = resumable.make_model(dropout)
    history = resumable.fit(model)
    return resumable.state_of(model), history


# -------------------------------------------------------------------------------------------------------- in one process
@pytest.mark.parametrize(
    ("save_freq", "batches", "backup"),
    [
        ("epoch", 8, "epoch-000001-batch-000000000"),
        (1, 6, "epoch-000000-batch-000000006"),  # the whole epoch, but not its end
        (4, 21, "epoch-000003-batch-000000002"),
    ],
)
def test_weights_optimizer_random_states_and_history_go_on_exactly(save_freq: Any, batches: int, backup: str, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    interrupted(lc.TrainingBackup(folder, save_freq), batches)
    assert [path.name for path in folder.iterdir()] == [backup]
    model = resumable.make_model(0.3)
    history = resumable.fit(model, lc.TrainingBackup(folder, save_freq))
    state, whole = uninterrupted(0.3)
    assert_same_state(resumable.state_of(model), state)
    for name, values in whole.items():
        np.testing.assert_allclose(history[name], values[-len(history[name]) :], rtol=1e-6, err_msg=name)
    assert len(history["loss"]) == resumable.EPOCHS - int(backup[6:12])
    assert not folder.exists()


def test_a_second_interruption_and_further_training(tmp_path: Path) -> None:
    interrupted(lc.TrainingBackup(tmp_path / "backup", 4), 9)
    model = resumable.make_model(0.3)
    callback = lc.TrainingBackup(tmp_path / "backup", 4, delete_checkpoint=False)
    with pytest.raises(KeyboardInterrupt):
        resumable.fit(model, callback, Interruption(10))  # 2 passed over, and 8 more
    resumable.fit(model, callback)
    assert_same_state(resumable.state_of(model), uninterrupted(0.3)[0])
    assert [path.name for path in (tmp_path / "backup").iterdir()] == ["epoch-000003-batch-000000006"]
    # Without the callback, fit is what it was: it begins with epoch 0 and trains on every batch.
    history = resumable.fit(model)
    assert len(history["loss"]) == resumable.EPOCHS
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 2 * TOTAL


@pytest.mark.parametrize("callback", [lc.TrainingBackup, keras.callbacks.BackupAndRestore])
def test_the_optimizer_is_restored_for_a_frozen_parameter_too(callback: Any, tmp_path: Path) -> None:
    interrupted(callback(str(tmp_path / "backup")), 15, dropout=0.0)
    model = resumable.make_model()
    model.evaluate(*resumable.data(), verbose=0)  # from here on, the frozen c is no trainable variable
    resumable.fit(model, callback(str(tmp_path / "backup")))
    assert_same_state(resumable.state_of(model), uninterrupted(0.0)[0])


@pytest.mark.long
def test_what_a_kill_left_behind_is_cleared_away(tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    interrupted(lc.TrainingBackup(folder, 4), 5)
    (folder / "writing").mkdir()
    (folder / "writing" / "model.weights.h5").write_bytes(b"half a file")
    (folder / "discarded-epoch-000009-batch-000000000").mkdir()
    model = resumable.make_model(0.3)
    resumable.fit(model, lc.TrainingBackup(folder, 4))
    assert_same_state(resumable.state_of(model), uninterrupted(0.3)[0])
    assert not folder.exists()


@pytest.mark.tensorflow
def test_a_backup_that_cannot_be_restored_is_named(tmp_path: Path) -> None:
    interrupted(lc.TrainingBackup(tmp_path, 4), 5)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(7)])
    other.compile("adam", "mse")
    with pytest.raises(lc.ArgumentError, match=r"epoch-000000-batch-000000004 cannot be restored.*another model.* delete the folder"):
        other.fit(*resumable.data(), verbose=0, callbacks=[lc.TrainingBackup(tmp_path)])
    other = resumable.make_model()
    other.compile("sgd")
    with pytest.raises(lc.ArgumentError, match=r"(?s)cannot be restored.*optimizer.*Skipping variable loading"):
        resumable.fit(other, lc.TrainingBackup(tmp_path))
    state = next(tmp_path.iterdir()) / "training.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"version": 2}))
    with pytest.raises(lc.ArgumentError, match="written by a newer version"):
        resumable.fit(resumable.make_model(), lc.TrainingBackup(tmp_path))
    state.write_text("{")
    with pytest.raises(lc.ArgumentError, match="cannot be restored"):
        resumable.fit(resumable.make_model(), lc.TrainingBackup(tmp_path))


class Freeze(keras.callbacks.Callback):
    """Freezes a parameter at the beginning of the second epoch, and never again."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 1:
            self.model.freeze("a")
            self.model.unfreeze("c")


def test_what_is_frozen_stays_frozen(tmp_path: Path) -> None:
    whole = resumable.make_model()
    resumable.fit(whole, Freeze())
    model = resumable.make_model()
    with pytest.raises(KeyboardInterrupt):
        resumable.fit(model, Freeze(), lc.TrainingBackup(tmp_path), Interruption(15))
    model = resumable.make_model()
    resumable.fit(model, Freeze(), lc.TrainingBackup(tmp_path))
    assert model.loss_layer.frozen == whole.loss_layer.frozen == ("a",)
    assert_same_state(resumable.state_of(model), resumable.state_of(whole))


def test_a_backup_within_an_epoch_of_other_batches_is_refused(tmp_path: Path) -> None:
    interrupted(lc.TrainingBackup(tmp_path, 4), 5)
    x, y = resumable.data()
    with pytest.raises(lc.ArgumentError, match=r"made within an epoch of 6 batches, which has 12 now"):
        resumable.make_model().fit(x, y, batch_size=4, shuffle=False, verbose=0, callbacks=[lc.TrainingBackup(tmp_path)])


@pytest.mark.tensorflow
def test_wrong_uses_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(lc.ArgumentError, match="backup_dir must be a folder"):
        resumable.fit(resumable.make_model(), lc.TrainingBackup(file))
    for save_freq in ("batch", 0, -1, 2.5, True):
        with pytest.raises(lc.ArgumentError, match="save_freq must be 'epoch' or a positive number"):
            lc.TrainingBackup(tmp_path, save_freq)
    net = keras.Sequential([keras.layers.Dense(1)])
    net.compile("sgd", "mse")
    with pytest.raises(lc.ArgumentError, match="Call it on some data first"):
        net.fit(*resumable.data(), verbose=0, callbacks=[lc.TrainingBackup(tmp_path)])


def test_keras_own_backup_of_batches_trains_twice_on_some(tmp_path: Path) -> None:
    # What TrainingBackup's documentation says of BackupAndRestore. Should this fail one day, Keras has become better.
    interrupted(keras.callbacks.BackupAndRestore(str(tmp_path / "backup"), save_freq=4), 9, dropout=0.0)
    model = resumable.make_model()
    resumable.fit(model, keras.callbacks.BackupAndRestore(str(tmp_path / "backup"), save_freq=4))
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) > TOTAL


def test_keras_own_backup_can_be_torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # It opens the file of the epoch, which empties it, and is then killed.
    from keras.src.callbacks import backup_and_restore

    def killed(*args: Any) -> str:
        raise KeyboardInterrupt

    class Json:
        loads, dumps = json.loads, staticmethod(killed)

    monkeypatch.setattr(backup_and_restore, "json", Json)
    interrupted(keras.callbacks.BackupAndRestore(str(tmp_path / "backup")), TOTAL)
    monkeypatch.undo()
    with pytest.raises(json.JSONDecodeError):
        resumable.fit(resumable.make_model(), keras.callbacks.BackupAndRestore(str(tmp_path / "backup")))


# ------------------------------------------------------------------------------------------------------- killed processes
def start(*arguments: Any) -> subprocess.Popen[str]:
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, resumable.__file__, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(*arguments: Any) -> dict[str, Any]:
    process = start(*arguments)
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1])


@cache
def never_killed(kind: str, folder: str) -> dict[str, Any]:
    return run(kind, folder)


# Keras' own backup can be torn by a kill while it is written, so that no test can promise anything of it.
KILLABLE = [kind for kind in resumable.KINDS if not kind.startswith("Keras")]


@pytest.mark.long
@pytest.mark.parametrize("kind", KILLABLE)
def test_killed_at_random_moments(kind: str, tmp_path: Path) -> None:
    generator = random.Random(kind)
    killed = 0
    for _ in range(3):
        process = start(kind, tmp_path / "run")
        assert process.stdout is not None
        for _ in range(generator.randint(2, 8)):
            if not process.stdout.readline().startswith("batch"):
                break
        # About as long as a batch and its backup take, so that the moment falls into either.
        time.sleep(generator.uniform(0, 0.1))
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed >= 2
    assert_same_state(run(kind, tmp_path / "run"), never_killed(kind, str(tmp_path / "whole")))


@pytest.mark.long
@pytest.mark.parametrize("moment", resumable.MOMENTS)
def test_killed_at_the_worst_moments(moment: str, tmp_path: Path) -> None:
    kind = resumable.MOMENTS[moment]
    process = start(kind, tmp_path / "run", moment)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, errors
    assert list((tmp_path / "run").iterdir())
    assert_same_state(run(kind, tmp_path / "run"), never_killed(kind, str(tmp_path / "whole")))


@pytest.mark.long
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_backup_on_another_backend(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(backend)
    monkeypatch.setenv("KERAS_BACKEND", backend)
    kind = "backup of every fourth batch"
    process = start(kind, tmp_path / "run")
    assert process.stdout is not None
    for _ in range(15):
        process.stdout.readline()
    process.kill()
    process.communicate()
    assert_same_state(run(kind, tmp_path / "run"), run(kind, tmp_path / "whole"))
