"""What this package needs of Keras that Keras does not offer to the public; kept in one place and tested one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras
from keras.src.backend.common.name_scope import current_path

_SCOPE_OF_COMPILED_LOSSES = "compile_loss"


def inside_compiled_loss() -> bool:
    """Tell whether Keras is computing what was given to ``model.compile(loss=...)``.

    ``keras.src.trainers.compile_utils.CompileLoss`` opens the name scope "compile_loss" around every such loss, on
    every backend. (It asks a loss for nothing at the time of ``compile``.)
    """
    return _SCOPE_OF_COMPILED_LOSSES in current_path().split("/")


def as_python(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that TensorFlow's AutoGraph runs as it is: it works on shapes, not on tensors."""
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    plain: Callable[..., Any] = tf.autograph.experimental.do_not_convert(function)
    return plain


def mask_of(tensor: Any) -> Any:
    """Return the mask that Keras attached to a tensor, or ``None``."""
    return getattr(tensor, "_keras_mask", None)


def exempt_from_weight_decay(optimizer: Any, weights: Iterable[Any]) -> None:
    """Exclude weights from an optimizer's weight decay, and from that of the optimizers it wraps; keep other exclusions."""
    weights = list(weights)
    while optimizer is not None and weights:
        keys = set(getattr(optimizer, "_exclude_from_weight_decay", ()))
        if not keys.issuperset(optimizer._var_key(weight) for weight in weights):
            # exclude_from_weight_decay forgets what was excluded before.
            pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
            optimizer.exclude_from_weight_decay(var_list=weights)
            optimizer._exclude_from_weight_decay |= keys
            optimizer._exclude_from_weight_decay_pattern = pattern
        optimizer = getattr(optimizer, "inner_optimizer", None)
