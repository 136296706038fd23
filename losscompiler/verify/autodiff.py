"""What automatic differentiation makes of an emitted program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np

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

    with _scope(dtype):
        value, pullback = program.value_and_pullback(*(ops.convert_to_tensor(array, dtype) for array in arrays))
        found = np.asarray(ops.convert_to_numpy(value))

    def pull(upstream: Array) -> list[Array]:
        with _scope(dtype):
            weights = ops.convert_to_tensor(np.reshape(upstream, found.shape), dtype)
            return [np.asarray(ops.convert_to_numpy(gradient)) for gradient in pullback(weights)]

    return found, pull


def automatic(program: LossProgram, arrays: Sequence[Array], wanted: Sequence[int], upstream: Array, dtype: str) -> list[Array]:
    """Return the backend's gradients of the sum of upstream * loss, by the operations of the value program.

    Args:
        program: the emitted module.
        arrays: data and parameters in program order.
        wanted: positions of the arrays to differentiate by.
        upstream: weights of the elements of the loss.
        dtype: in which everything is computed.
    """
    import keras
    from keras import ops

    by_backend = {"tensorflow": _by_tensorflow, "jax": _by_jax, "torch": _by_torch}[keras.backend.backend()]
    # In float64's scope whatever the dtype: JAX cannot differentiate a program that enters it on its way.
    with _scope("float64"):
        tensors = [ops.convert_to_tensor(array, dtype) for array in arrays]
        found = by_backend(program.value, tensors, lambda value: ops.convert_to_tensor(np.reshape(upstream, value.shape), dtype))
        return [np.asarray(ops.convert_to_numpy(found[i])) for i in wanted]


def _scope(dtype: str) -> AbstractContextManager[Any]:
    """Return a context in which the backend computes in a dtype."""
    from losscompiler.runtime.keras_functions import float64_scope

    scope: AbstractContextManager[Any] = float64_scope() if dtype == "float64" else nullcontext()  # type: ignore[no-untyped-call]  # the runtime has no annotations
    return scope


def _by_tensorflow(function: Callable[..., Any], tensors: list[Any], weights: Callable[[Any], Any]) -> Sequence[Any]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(*tensors)
    zero = tf.UnconnectedGradients.ZERO
    found = tape.gradient(value, tensors, output_gradients=weights(value), unconnected_gradients=zero)
    return [tf.convert_to_tensor(gradient) for gradient in found]  # a gather's is made of slices


def _by_jax(function: Callable[..., Any], tensors: list[Any], weights: Callable[[Any], Any]) -> Sequence[Any]:
    import jax

    value, pull = jax.vjp(function, *tensors)
    found: Sequence[Any] = pull(weights(value))
    return found


def _by_torch(function: Callable[..., Any], tensors: list[Any], weights: Callable[[Any], Any]) -> Sequence[Any]:
    import torch

    leaves = [tensor.detach().requires_grad_() for tensor in tensors]
    value = function(*leaves)
    if not value.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found: Sequence[Any] = torch.autograd.grad(value, leaves, weights(value), materialize_grads=True)
    return found
