"""What this package needs of Keras that Keras does not offer to the public; kept in one place and tested one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import keras
from keras.src.backend.common.masking import get_keras_mask
from keras.src.backend.common.name_scope import current_path

_SCOPE_OF_COMPILED_LOSSES = "compile_loss"


def inside_compiled_loss() -> bool:
    """Tell whether Keras is computing what was given to ``model.compile(loss=...)``.

    ``keras.src.trainers.compile_utils.CompileLoss`` opens the name scope "compile_loss" around every such loss, on
    every backend. (It asks a loss for nothing at the time of ``compile``.)
    """
    return _SCOPE_OF_COMPILED_LOSSES in current_path().split("/")


def as_python(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function that works on shapes, not on tensors: TensorFlow's AutoGraph and torch's compiler run it as it is."""
    plain: Callable[..., Any] = function
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        plain = tf.autograph.experimental.do_not_convert(function)
    elif keras.backend.backend() == "torch":
        import torch

        plain = torch.compiler.disable(function)
    return plain


def exporting() -> bool:
    """Tell whether PyTorch is exporting the model: tensors have no values to read then, not even new ones."""
    if keras.backend.backend() != "torch":
        return False
    import torch

    return type(torch.empty(0)) is not torch.Tensor


def mask_of(tensor: Any) -> Any:
    """Return the mask that Keras attached to a tensor, or ``None``."""
    return get_keras_mask(tensor)  # an array of JAX takes no attribute


def has_value(variable: Any) -> bool:
    """Tell whether a variable exists in the backend; one made while Keras only looks at shapes does so a little later."""
    return variable._value is not None


def values_of(model: Any) -> list[tuple[Any, Any]]:
    """Return every variable of a model and its optimizer with its value, as far as it has one."""
    variables = [*model.variables, *(getattr(getattr(model, "optimizer", None), "variables", None) or [])]
    return [(variable, variable._value) for variable in variables if has_value(variable)]


def give_back(values: Iterable[tuple[Any, Any]]) -> None:
    """Give variables the values of `values_of` where they have none: Keras takes them away before the first step on JAX."""
    for variable, value in values:
        if not has_value(variable):
            variable._value = value


def parts(optimizer: Any) -> Iterator[Any]:
    """Yield an optimizer and every optimizer that it wraps; nothing for ``None``."""
    if optimizer is None:
        return
    yield optimizer
    # Of a LossScaleOptimizer, a keras.optimizers.MultiOptimizer and a SplitOptimizer.
    for inner in (getattr(optimizer, "inner_optimizer", None), *getattr(optimizer, "optimizers", ()), *getattr(optimizer, "parts", ())):
        yield from parts(inner)


def exempt_from_weight_decay(optimizer: Any, weights: Iterable[Any]) -> None:
    """Exclude weights from an optimizer's weight decay, and from that of the optimizers it wraps; keep other exclusions."""
    weights = list(weights)
    for part in parts(optimizer):
        keys = set(getattr(part, "_exclude_from_weight_decay", ()))
        if not keys.issuperset(part._var_key(weight) for weight in weights):
            # exclude_from_weight_decay forgets what was excluded before.
            pattern = getattr(part, "_exclude_from_weight_decay_pattern", None)
            part.exclude_from_weight_decay(var_list=weights)
            part._exclude_from_weight_decay |= keys
            part._exclude_from_weight_decay_pattern = pattern
        if keras.backend.backend() == "torch" and part.weight_decay is not None:
            object.__setattr__(part, "_apply_weight_decay", partial(_decay, part))


def _decay(optimizer: Any, variables: Iterable[Any]) -> None:
    """Apply weight decay to what decays: where nothing does, Keras hands torch an empty list, which torch refuses."""
    decaying = [variable for variable in variables if optimizer._use_weight_decay(variable)]
    if decaying:
        type(optimizer)._apply_weight_decay(optimizer, decaying)


def restrict(optimizer: Any, variables: Iterable[Any]) -> None:
    """Let a built optimizer, and those it wraps, update only some of the variables that it was built for.

    It keeps the state of all of them, so that a later call can let others in again. Without this, Keras' optimizers can
    skip a variable on TensorFlow and torch, but not on JAX and not with ``use_ema``. An optimizer that was built for other
    variables is left as it is: Keras says so when it is applied.
    """
    wanted = list(variables)
    if optimizer is None or not optimizer.built or not _keys(optimizer, wanted) <= _keys(optimizer, _built_for(optimizer)[0]):
        return
    for part in parts(optimizer):
        if part.built:
            known, averages = _built_for(part)
            keys = _keys(part, wanted)
            chosen = [(i, variable) for i, variable in enumerate(known) if part._var_key(variable) in keys]
            object.__setattr__(part, "_trainable_variables", [variable for _, variable in chosen])
            object.__setattr__(part, "_trainable_variables_indices", {part._var_key(variable): i for i, variable in chosen})
            if averages is not None:
                object.__setattr__(part, "_model_variables_moving_average", [averages[i] for i, _ in chosen])


def _built_for(optimizer: Any) -> tuple[list[Any], list[Any] | None]:
    """Return all variables that an optimizer was built for, with their moving averages if it has any."""
    if not hasattr(optimizer, "_built_for"):
        found = (optimizer._trainable_variables, getattr(optimizer, "_model_variables_moving_average", None))
        # Past the optimizer's own __setattr__, which would take the model's variables for state of its own.
        object.__setattr__(optimizer, "_built_for", found)
    known: tuple[list[Any], list[Any] | None] = optimizer._built_for
    return known


def _keys(optimizer: Any, variables: Iterable[Any]) -> set[Any]:
    return {optimizer._var_key(variable) for variable in variables}


def start_at_epoch(model: Any, epoch: int | None) -> None:
    """Let the ``fit`` that has just begun start at an epoch, counted from 0; ``None`` leaves it to the caller of ``fit``."""
    model._initial_epoch = epoch


def pass_over_batch(model: Any, logs: dict[str, Any]) -> None:
    """Let the next call of ``model.train_function``, in the middle of ``fit``, read its data but not train on them.

    After that call the model has all variables that it would have after training on them, metrics included.

    Args:
        model: the model.
        logs: what that call returns.
    """
    train = model.train_function

    def read(*arguments: Any) -> Any:
        model.train_function = train
        *state, data = arguments  # JAX hands the state of the model in and takes it back.
        if isinstance(data, Iterator):  # The torch backend has taken the batch from it already.
            batch = next(data)
            for _ in range(model.steps_per_execution - 1):
                next(data, None)
            if model._compile_metrics is not None and not model._compile_metrics.built:
                # TensorFlow makes them at the first step of training.
                model._symbolic_build(data_batch=batch)
        return (logs, *state) if state else logs

    model.train_function = read
