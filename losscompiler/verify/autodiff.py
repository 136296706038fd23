"""What automatic differentiation makes of an emitted program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from losscompiler.errors import ArgumentError

Array = np.ndarray[Any, Any]


class LossProgram(Protocol):
    """The functions of an emitted module that are checked."""

    def value(self, *arrays: Any) -> Any:
        """Return the loss, by operations that automatic differentiation can follow."""
        ...

    def value_and_pullback(self, *arrays: Any) -> tuple[Any, Any]:
        """Return the loss, and the function that takes a gradient of it back to predictions and parameters."""
        ...


def forward(program: LossProgram, arrays: Sequence[Array], dtype: str) -> tuple[Array, Callable[[Array], list[Array]]]:
    """Return the loss, and what takes weights of its elements to the analytic gradients of their weighted sum.

    Args:
        program: the emitted module.
        arrays: data and parameters in program order.
        dtype: in which everything is computed.
    """
    from keras import ops

    value, pullback = program.value_and_pullback(*(ops.convert_to_tensor(array, dtype) for array in arrays))
    found = np.asarray(ops.convert_to_numpy(value))

    def pull(upstream: Array) -> list[Array]:
        weights = ops.convert_to_tensor(np.reshape(upstream, found.shape), dtype)
        return [np.asarray(ops.convert_to_numpy(gradient)) for gradient in pullback(weights)]

    return found, pull


def automatic(program: LossProgram, arrays: Sequence[Array], wanted: Sequence[int], upstream: Array, dtype: str) -> list[Array]:
    """Return TensorFlow's gradients of the sum of upstream * loss, by the operations of the value program.

    Args:
        program: the emitted module.
        arrays: data and parameters in program order.
        wanted: positions of the arrays to differentiate by.
        upstream: weights of the elements of the loss.
        dtype: in which everything is computed.

    Raises:
        ArgumentError: if Keras runs on another backend.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ArgumentError(
            f"gradients are compared with TensorFlow's, but Keras runs on {keras.backend.backend()}; set KERAS_BACKEND=tensorflow."
        )
    import tensorflow as tf

    tensors = [tf.convert_to_tensor(array, dtype) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = program.value(*tensors)
    found = tape.gradient(
        value, [tensors[i] for i in wanted], output_gradients=tf.convert_to_tensor(np.reshape(upstream, value.shape), dtype),
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )  # fmt: skip
    return [np.asarray(tf.convert_to_tensor(gradient)) for gradient in found]
