"""`Parameter`: what a loss learns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from losscompiler.errors import ArgumentError

Value: TypeAlias = float | tuple["Value", ...]
Dimension: TypeAlias = int | str


def _number(value: Any, what: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(f"{what} must be a number, not {value!r}.") from None


def _freeze(value: Any, what: str) -> Value:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_freeze(item, what) for item in value)
    return _number(value, what)


def _lengths(value: Value) -> tuple[int, ...]:
    if isinstance(value, float):
        return ()
    below = {_lengths(item) for item in value}
    if len(below) > 1:
        raise ArgumentError("the rows of the initial value differ in length.")
    return (len(value), *(below.pop() if below else ()))


def flat(value: Value) -> list[float]:
    """Return the numbers of a scalar or nested tuple in order."""
    return [value] if isinstance(value, float) else [number for item in value for number in flat(item)]


@dataclass(frozen=True)
class Parameter:
    """A quantity of a loss that gradient descent updates.

    Args:
        init: initial value, as users mean it (constrained): a number, or nested sequences for a vector or matrix.
            ``None`` takes 1 where the bounds allow it, else a point inside them.
        bounds: (lower, upper); ``None`` leaves a side open. The value stays strictly inside while it is trained.
        shape: () for a scalar, (3,) for a vector along the last axis, (8, 4) for a matrix; a prediction's name stands for
            the length of its last axis.
        trainable: whether training updates it.
        regularizer: a Keras regularizer (object, name or config) on the constrained value.
        closed: whether the bounds themselves are legal values.

    Raises:
        ArgumentError: if bounds are empty, or the initial value lies outside them or does not have the shape.
    """

    init: Any = None
    bounds: tuple[float | None, float | None] = (None, None)
    shape: tuple[Dimension, ...] = ()
    trainable: bool = True
    regularizer: Any = None
    closed: tuple[bool, bool] = field(default=(True, True))

    def __post_init__(self) -> None:
        lower, upper = self._checked_bounds()
        object.__setattr__(self, "bounds", (lower, upper))
        if not isinstance(self.shape, int | str | Sequence):
            raise ArgumentError(f"shape must hold positive integers or a prediction's name, not {self.shape!r}.")
        if not isinstance(self.closed, Sequence) or len(self.closed) != 2:
            raise ArgumentError(f"closed must be a pair (lower, upper) of bool, not {self.closed!r}.")
        shape = (self.shape,) if isinstance(self.shape, int | str) else tuple(self.shape)
        for length in shape:
            if not (isinstance(length, str) or (isinstance(length, int) and not isinstance(length, bool) and length > 0)):
                raise ArgumentError(f"shape must hold positive integers or a prediction's name, not {length!r}.")
        init = self._default(lower, upper) if self.init is None else _freeze(self.init, "init")
        if not isinstance(init, float) and not shape:
            shape = _lengths(init)
            if 0 in shape:
                raise ArgumentError("init is empty.")
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "init", init)
        self._check_init(init)

    def _checked_bounds(self) -> tuple[float | None, float | None]:
        if not isinstance(self.bounds, Sequence) or len(self.bounds) != 2:
            raise ArgumentError(f"bounds must be a pair (lower, upper), not {self.bounds!r}; write None for an open side.")
        lower, upper = (None if side is None else _number(side, "a bound") for side in self.bounds)
        lower = None if lower == -math.inf else lower
        upper = None if upper == math.inf else upper
        if any(side is not None and not math.isfinite(side) for side in (lower, upper)):
            raise ArgumentError(f"bounds {self.bounds!r} leave no value.")
        if lower is not None and upper is not None and not lower < upper:
            raise ArgumentError(f"the lower bound {lower:g} must be below the upper bound {upper:g}.")
        return lower, upper

    @staticmethod
    def _default(lower: float | None, upper: float | None) -> float:
        if (lower is None or lower < 1) and (upper is None or upper > 1):
            return 1.0
        if lower is not None and upper is not None:
            return (lower + upper) / 2
        return lower + 1.0 if lower is not None else (upper or 0.0) - 1.0

    def _check_init(self, init: Value) -> None:
        lengths = _lengths(init)
        if lengths and (
            len(lengths) != len(self.shape)
            or any(isinstance(want, int) and want != got for want, got in zip(self.shape, lengths, strict=True))
            or math.prod(lengths) != len(flat(init))
        ):
            raise ArgumentError(f"the initial value has shape {lengths}, but the parameter has shape {self.shape}.")
        lower, upper = self.bounds
        for value in flat(init):
            if not math.isfinite(value):
                raise ArgumentError(f"the initial value must be finite, not {value}.")
            if (lower is not None and (value < lower or (value == lower and not self.closed[0]))) or (
                upper is not None and (value > upper or (value == upper and not self.closed[1]))
            ):
                raise ArgumentError(f"the initial value {value:g} lies outside {self.interval()}.")

    def interval(self) -> str:
        """Return the bounds as an interval, such as "(0, inf)"."""
        lower, upper = self.bounds
        left = "(-inf" if lower is None else f"{'[' if self.closed[0] else '('}{lower:g}"
        right = "inf)" if upper is None else f"{upper:g}{']' if self.closed[1] else ')'}"
        return f"{left}, {right}"

    @property
    def bounded(self) -> bool:
        """Whether either side has a bound."""
        return self.bounds != (None, None)

    def config(self) -> dict[str, Any]:
        """Return the parameter as JSON types.

        Raises:
            ArgumentError: if its regularizer is neither one of Keras nor of a class that is registered with Keras.
        """
        regularizer = self.regularizer
        if not (regularizer is None or isinstance(regularizer, str | dict)):
            # A regularizer object can only come from Keras, which is then imported already.
            import keras

            made = type(regularizer)
            name = keras.saving.get_registered_name(made)
            if keras.saving.get_registered_object(name) is None and made.__module__.split(".")[0] != "keras":
                raise ArgumentError(
                    f"the regularizer {made.__name__} cannot be saved by name. Make it a class of its own, derived from "
                    "keras.regularizers.Regularizer and decorated with @keras.saving.register_keras_serializable()."
                )
            regularizer = {"class_name": name, "config": regularizer.get_config()}
        return {
            "init": self.init, "bounds": list(self.bounds), "shape": list(self.shape), "trainable": self.trainable,
            "regularizer": regularizer, "closed": list(self.closed),
        }  # fmt: skip

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Parameter:
        """Return the parameter that `config` described."""
        return cls(
            config["init"], bounds=tuple(config["bounds"]), shape=tuple(config["shape"]), trainable=config["trainable"],
            regularizer=config["regularizer"], closed=tuple(config["closed"]),
        )  # fmt: skip
