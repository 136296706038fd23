"""Random disturbances of a loss: what rounding could do to it."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from losscompiler.graph.node import Node
from losscompiler.graph.precise import Arithmetic

Array = np.ndarray[Any, Any]

_EXACT = frozenset(
    {
        "neg", "abs", "sign", "abs_slope", "where", "number", "relu", "maximum", "minimum", "clip", "floor", "ceil", "round",
        "stop_gradient", "max",
        "min", "any", "all", "count", "sort", "flip", "argmax", "argmin", "select", "range", "gather", "one_hot", "concat", "arange",
        "transpose", "diag", "eye_like", "triu", "tril", "vector", "broadcast_to", "lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not",
    }
)  # fmt: skip
"""Operations that round nothing."""


class Rounding:
    """Rounds the result of every operation at random, by up to ``unit`` of itself (Monte Carlo arithmetic: Parker 1997).

    An operation keeps its rounding when its operands move a little, so that what rounds is still smooth.
    """

    def __init__(self, random: np.random.Generator, unit: float) -> None:
        self.random = random
        self.unit = unit
        self.factors: dict[int, Any] = {}

    def __call__(self, arithmetic: Arithmetic, node: Node, value: Any) -> Any:
        """Return a value as rounded."""
        if node.op == "symbol" or node.op in _EXACT or isinstance(value, bool):
            return value
        if node.index not in self.factors:
            whole = np.asarray(np.frompyfunc(lambda x: bool(x == arithmetic.context.floor(x)), 1, 1)(value), dtype=bool)
            # Whole numbers, most of them counts and powers of 2, come out of arithmetic unrounded.
            shares = np.where(whole, 0.0, self.unit * self.random.uniform(-1, 1, size=np.shape(value)))
            self.factors[node.index] = 1 + lift(arithmetic, shares)
        return value * self.factors[node.index]


class Shaking:
    """Moves decimal constants, which are rounded in floating point as data are."""

    def __init__(self, random: np.random.Generator, unit: Any) -> None:
        self.random = random
        self.unit = unit
        self.factors: dict[int, Any] = {}

    def __call__(self, arithmetic: Arithmetic, node: Node, value: Any) -> Any:
        """Return a constant as moved."""
        if node.op != "const" or abs(value) > 1e300 or float(value) == value:
            return value
        if node.index not in self.factors:
            self.factors[node.index] = 1 + self.unit * lift(arithmetic, signs(self.random, value))
        return value * self.factors[node.index]


Disturbance: TypeAlias = Rounding | Shaking


def lift(arithmetic: Arithmetic, array: Array) -> Any:
    """Return an array of floats as exact numbers of the arithmetic; a scalar as one number."""
    if np.ndim(array) == 0:
        return arithmetic.number(float(array))
    return np.asarray(np.frompyfunc(lambda x: arithmetic.number(float(x)), 1, 1)(array), dtype=object)


def signs(random: np.random.Generator, like: Any) -> Array:
    """Return random signs for the elements of an array or a number."""
    return np.asarray(random.choice([-1.0, 1.0], size=np.shape(like)))
