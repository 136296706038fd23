"""`SplitOptimizer`: one optimizer for a net, others for the parameters of its loss."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any

import keras
from keras import ops

from losscompiler.errors import ArgumentError
from losscompiler.training.keras_internals import parts


@keras.saving.register_keras_serializable(package="losscompiler")
class SplitOptimizer(keras.optimizers.Optimizer):
    """Trains the parameters of a loss by other optimizers, or at other learning rates, than the net.

    ``LossModel.compile(optimizer, parameter_optimizer=..., parameter_lr_multiplier=...)`` makes one; it serves a plain
    Keras model that holds a `LossLayer` as well. Each variable belongs to one of the optimizers, which clips, averages and
    accumulates its own variables only. ``learning_rate`` is that of the net, for schedules and callbacks to set; a
    parameter with a multiplier follows it.

    Args:
        optimizer: what trains the net, and every parameter that is not spoken of below.
        parameter_optimizer: what trains the parameters: an optimizer for all of them, or a dictionary by name.
        lr_multiplier: the learning rate of a parameter over that of its optimizer: one number for all, or a dictionary by
            name. Parameters with a multiplier have an optimizer of their own, of the same kind and settings.
        name: that of the optimizer.

    Attributes:
        net_optimizer: what trains the net.
        parts: all of them, that of the net first.

    Raises:
        ArgumentError: if a multiplier is no positive number, the net has no optimizer, or an optimizer cannot be a part of
            another.
    """

    def __init__(self, optimizer: Any, parameter_optimizer: Any = None, lr_multiplier: Any = 1.0, name: str | None = None) -> None:
        if optimizer is None:
            raise ArgumentError(
                "there is no optimizer for the net, only for the loss's parameters. Give it one, as in "
                "compile('adam', parameter_optimizer=...); to train the parameters alone, set net.trainable = False as well."
            )
        super().__init__(learning_rate=0.0, name=name)
        self.net_optimizer = _part(optimizer)
        self.parameter_optimizer = _each(_part, parameter_optimizer)
        self.lr_multiplier = _each(_multiplier, 1.0 if lr_multiplier is None else lr_multiplier)
        bases = [self.net_optimizer, *(_flat(self.parameter_optimizer))]
        if len({id(base) for base in bases}) < len(bases):
            raise ArgumentError("one optimizer is given twice. Give each its own: it is saved and loaded with its variables.")
        followers: dict[tuple[int, float], Any] = {}

        def trainer(parameter: str | None) -> Any:
            base = _entry(self.parameter_optimizer, parameter, self.net_optimizer)
            multiplier = _entry(self.lr_multiplier, parameter, 1.0)
            if multiplier != 1 and (id(base), multiplier) not in followers:
                followers[id(base), multiplier] = _following(base, multiplier)
            return base if multiplier == 1 else followers[id(base), multiplier]

        names = [name for given in (self.parameter_optimizer, self.lr_multiplier) if isinstance(given, Mapping) for name in given]
        self._trainers = {name: trainer(name) for name in names}
        self._trainer_of_others = trainer(None)
        self.parts = (*bases, *followers.values())
        # The loss is scaled once, and every part must undo it.
        self.loss_scale_factor = self.net_optimizer.loss_scale_factor

    @property
    def parameter_names(self) -> set[str]:
        """Names of the parameters that have an optimizer or a multiplier of their own."""
        return set(self._trainers)

    def _optimizer_of(self, variable: Any) -> Any:
        parameter = getattr(variable, "loss_parameter", None)
        return self.net_optimizer if parameter is None else self._trainers.get(parameter, self._trainer_of_others)

    def _split(self, variables: Any) -> list[tuple[Any, list[int]]]:
        """Return each optimizer with the positions of its variables."""
        owners = [self._optimizer_of(variable) for variable in variables]
        return [(each, [i for i, owner in enumerate(owners) if owner is each]) for each in self.parts]

    # -- what Keras asks of an optimizer
    def build(self, variables: Any) -> None:
        """Make the state of all parts."""
        if self.built:
            return
        for optimizer, positions in self._split(variables):
            optimizer.build([variables[i] for i in positions])
        super().build(variables)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Update each variable by its own optimizer."""
        if trainable_variables is None:
            trainable_variables = self._trainable_variables
        elif not self.built:
            self.build(list(trainable_variables))
        grads, variables = list(grads), list(trainable_variables)
        # From the back, so that who follows a learning rate reads it before its owner counts the step.
        for optimizer, positions in reversed(self._split(variables)):
            known = [i for i in positions if grads[i] is not None]
            if len(known) < len(positions):
                missing = [variables[i].path for i in positions if grads[i] is None]
                warnings.warn(f"Gradients do not exist for variables {missing} when minimizing the loss.", stacklevel=2)
            if known:
                optimizer.apply([grads[i] for i in known], [variables[i] for i in known])
            else:
                optimizer._iterations.assign_add(1)  # its schedule may be followed
        self._iterations.assign_add(1)

    def finalize_variable_values(self, var_list: Any) -> None:
        """Let each part set the final values of its variables."""
        for optimizer, positions in self._split(var_list):
            if positions:
                optimizer.finalize_variable_values([var_list[i] for i in positions])

    @property
    def variables(self) -> list[Any]:
        """State of this optimizer and of its parts."""
        return [*self._variables, *(variable for optimizer in self.parts for variable in optimizer.variables)]

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the net."""
        return self.net_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.net_optimizer.learning_rate = value

    @property
    def loss_scale_factor(self) -> Any:
        """The fixed factor by which the loss is multiplied before its gradient is taken."""
        return self._loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: Any) -> None:
        self._loss_scale_factor = value
        for optimizer in getattr(self, "parts", ()):
            optimizer.loss_scale_factor = value

    def get_config(self) -> dict[str, Any]:
        """Return what makes the optimizer again."""
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "optimizer": serialize(self.net_optimizer),
            "parameter_optimizer": _each(serialize, self.parameter_optimizer),
            "lr_multiplier": _each(float, self.lr_multiplier),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> SplitOptimizer:
        """Return the optimizer that `get_config` described."""
        return cls(**{key: keras.saving.deserialize_keras_object(value, custom_objects=custom_objects) for key, value in config.items()})


def check_names(optimizer: Any, parameters: Collection[str]) -> None:
    """Make sure that whatever an optimizer says of single parameters, it says of parameters of the loss.

    Args:
        optimizer: any optimizer; a `SplitOptimizer`, or one that wraps it, is looked at.
        parameters: names of the loss's parameters.

    Raises:
        ArgumentError: if there is no such parameter.
    """
    for part in parts(optimizer):
        for name in sorted(part.parameter_names.difference(parameters)) if isinstance(part, SplitOptimizer) else ():
            raise ArgumentError(f"there is no parameter '{name}'; the loss has {', '.join(parameters) or 'none'}.")


def split(optimizer: Any, parameter_optimizer: Any, lr_multiplier: Any) -> Any:
    """Return a `SplitOptimizer`; around it the `LossScaleOptimizer` that was around the net's optimizer.

    Args:
        optimizer, parameter_optimizer, lr_multiplier: see `SplitOptimizer`.

    Raises:
        ArgumentError: if there is no optimizer for the net, or it is split already.
    """
    optimizer = keras.optimizers.get(optimizer)
    scaling = optimizer if isinstance(optimizer, keras.optimizers.LossScaleOptimizer) else None
    made = SplitOptimizer(scaling.inner_optimizer if scaling else optimizer, parameter_optimizer, lr_multiplier)
    if scaling is None:
        return made
    options = {key: value for key, value in scaling.get_config().items() if key != "inner_optimizer"}
    return type(scaling)(made, **options)


def _by_name(given: Any) -> bool:
    """Tell whether something is given by name of the parameter; Keras describes one optimizer by a dictionary too."""
    return isinstance(given, Mapping) and not {"class_name", "config"} <= set(given)


def _each(function: Callable[[Any], Any], given: Any) -> Any:
    """Apply a function to what is given for all parameters, or to each entry of a dictionary by name."""
    if _by_name(given):
        return {name: function(value) for name, value in given.items()}
    return None if given is None else function(given)


def _flat(given: Any) -> list[Any]:
    return list(given.values()) if isinstance(given, Mapping) else [] if given is None else [given]


def _entry(given: Any, parameter: str | None, default: Any) -> Any:
    """Return what is given for a parameter; ``None`` stands for those without an entry of their own."""
    found = given.get(parameter) if isinstance(given, Mapping) else given
    return default if found is None else found


def _multiplier(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise ArgumentError(f"a learning-rate multiplier must be a positive number, not {value!r}. To stop a parameter, freeze it.")
    return number


def _part(identifier: Any) -> Any:
    optimizer = keras.optimizers.get(identifier)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer | SplitOptimizer):
        raise ArgumentError(
            f"{type(optimizer).__name__} cannot be a part of a SplitOptimizer. Give the optimizers that it wraps; "
            "scale the loss around the whole: LossScaleOptimizer(SplitOptimizer(...))."
        )
    return optimizer


def _following(base: Any, multiplier: float) -> Any:
    """Return an optimizer of the same kind and settings whose learning rate is always a multiple of that of another."""

    def learning_rate() -> Any:
        return ops.multiply(multiplier, base.learning_rate)

    config = {**base.get_config(), "name": f"{base.name}_times_{multiplier:g}", "learning_rate": learning_rate}
    return type(base).from_config(config)
