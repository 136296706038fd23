"""Loading what was saved."""

from __future__ import annotations

from os import PathLike
from typing import Any

import keras


def load_model(path: str | PathLike[str], **options: Any) -> Any:
    """Load a Keras model that holds a loss of this package, in a process that has not used the package yet.

    Keras finds a class of another package only if that package has registered it, which importing this module does;
    ``import losscompiler.training; keras.saving.load_model(path)`` is the same. Nothing unsafe is needed: a loss is saved
    as its text, so Keras' ``safe_mode`` stays on.

    Args:
        path: a ``.keras`` file.
        options: those of `keras.saving.load_model`: ``custom_objects``, ``compile``, ``safe_mode``.

    Returns:
        The model, with its optimizer's state if it was compiled.
    """
    return keras.saving.load_model(path, **options)
