"""Saving and loading: files that are whole or not there, and errors that say what is wrong with a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import keras

from losscompiler.errors import ArgumentError, LossCompilerError

_PACKAGE = "losscompiler>"
"""What Keras' registry puts before the names of this package's classes."""


def load_model(path: str | PathLike[str], **options: Any) -> Any:
    """Load a Keras model that holds a loss of this package, in a process that has not used the package yet.

    Keras finds a class of another package only if that package has registered it, which importing this module does;
    ``import losscompiler.training; keras.saving.load_model(path)`` is the same. Nothing unsafe is needed: a loss is saved
    as its text, so Keras' ``safe_mode`` stays on. Files of every earlier version of this package can be read.

    Args:
        path: a ``.keras`` file, or one of Keras' older format, ``.h5``.
        options: those of `keras.saving.load_model`: ``custom_objects``, ``compile``, ``safe_mode``.

    Returns:
        The model, with its optimizer's state if it was compiled; of an ``.h5`` file without, see Keras.

    Raises:
        LossCompilerError: if what the file says about a loss was written by a newer version, or is damaged.
    """
    # The older format holds names of classes without their package.
    ours = {name.removeprefix(_PACKAGE): found for name, found in keras.saving.get_custom_objects().items() if name.startswith(_PACKAGE)}
    return keras.saving.load_model(path, **{**options, "custom_objects": {**ours, **(options.get("custom_objects") or {})}})


class SavesWholeFiles:
    """A Keras model whose files are whole or not there: a mixin.

    Keras writes a file in place: a process that is killed meanwhile leaves a torn one, and the file that it overwrote is
    lost. Here the new file is written beside the old one and then takes its name, which happens at once or not at all.
    What uses these methods, such as ``keras.callbacks.ModelCheckpoint``, gains the same.
    """

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **options: Any) -> None:
        """Save the model as a ``.keras`` file, as ``keras.Model.save`` does, but whole or not at all."""
        with whole_file(filepath, overwrite) as path:
            super().save(path, overwrite=overwrite, zipped=zipped, **options)  # type: ignore[misc]

    def save_weights(self, filepath: Any, overwrite: bool = True, max_shard_size: Any = None) -> None:
        """Save the weights, as ``keras.Model.save_weights`` does; one file is whole or not there, shards are Keras' own."""
        if max_shard_size is not None:
            super().save_weights(filepath, overwrite=overwrite, max_shard_size=max_shard_size)  # type: ignore[misc]
            return
        with whole_file(filepath, overwrite) as path:
            super().save_weights(path, overwrite=overwrite)  # type: ignore[misc]


@contextmanager
def whole_file(filepath: Any, overwrite: bool = True) -> Iterator[Any]:
    """Give a path to write to; what stands there at the end takes the name ``filepath``, at once.

    Folders, remote places, file objects and files that must not be overwritten are given as they are.
    """
    local = isinstance(filepath, str | PathLike) and "://" not in str(filepath)
    if not local or not str(filepath).endswith((".keras", ".h5")) or (not overwrite and Path(filepath).exists()):
        yield filepath
        return
    path = Path(filepath)
    # In the same folder, since only there a file can be renamed at once; Keras reads the format from the end of the name.
    beside = path.with_name(f".writing-{path.name}")
    try:
        yield str(beside)
        sync(beside)
        beside.replace(path)
        sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk, so that they survive a loss of power as well."""
    folder = path.is_dir()
    if folder and os.name != "posix":
        return  # Windows opens no folders.
    handle = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever goes wrong while something is made of a file's entries into an `ArgumentError` that names it."""
    try:
        yield
    except LossCompilerError:
        raise
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
        raise ArgumentError(f"{what} cannot be read: {error}. The file is damaged, or losscompiler did not write it.") from error


def check_regularizer(regularizer: Any, parameter: str) -> None:
    """Make sure that what a file calls a regularizer is one, before anything of it is run.

    Raises:
        ArgumentError: if it is something else. Keras refuses functions given as code, and classes of unknown packages.
    """
    made = None if regularizer is None else keras.regularizers.get(regularizer)
    if not isinstance(made, keras.regularizers.Regularizer | None):
        raise ArgumentError(f"the regularizer of '{parameter}' is a {type(made).__name__}.")
