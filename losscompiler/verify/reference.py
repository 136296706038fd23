"""The truth that gradients are held against: the loss as written, differentiated numerically in 110-digit arithmetic.

No derivative rule, rewrite or emitted code takes part. A derivative is the slope of the second-order formula through
x - 2h, x and x + h with h = 1e-30, which leaves some 50 correct digits of 110. The three points are not symmetric, so
that a jump or a kink at x, even an odd one such as that of sign(x), shows as two one-sided slopes that differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Node, reachable
from losscompiler.graph.precise import Arithmetic, apply
from losscompiler.graph.shapes import align
from losscompiler.verify.kinks import margins
from losscompiler.verify.rounding import Disturbance, Rounding, Shaking, lift, signs

DIGITS = 110
_STEP = "1e-30"
_SMOOTH = "1e-12"
"""One-sided slopes that differ by more than this share of themselves belong to a kink; smooth ones differ by 1e-30."""
_STEEP, _JUMP = 1e7, 1e-3
_FLAT = "1e-20"
"""Slopes below this are 0: a stationary point is no kink."""

_SHAKE = "1e-25"
_DRAWS = 3

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Derivative:
    """The derivative of the sum of upstream * loss by one symbol.

    Attributes:
        truth: one 110-digit number for each entry of the symbol, NaN where it was not asked for or does not exist.
        kink: entries at which the slopes on both sides differ.
        asked: entries that were computed.
    """

    truth: Array
    kink: Array
    asked: Array


class Reference:
    """A loss graph at one set of arrays, in high precision.

    Args:
        loss: the loss, as it was written.
        arrays: float arrays of data and parameters by name.
        digits: decimal digits of the arithmetic.
    """

    def __init__(self, loss: LossGraph, arrays: Mapping[str, Array], digits: int = DIGITS) -> None:
        self.loss = loss
        self.digits = digits
        self.nodes = reachable([loss.loss])
        self.shapes = {name: np.shape(array) for name, array in arrays.items()}
        with self._precision() as arithmetic:
            given = {**arrays, **loss.constants}
            lifted = {name: lift(arithmetic, np.asarray(array)) for name, array in given.items()}
            self.symbols = _aligned(loss, lifted)
            self._disturb: Disturbance | None = None
            self.values = self._evaluate(arithmetic, self.symbols, {})
        self.value = np.asarray(self.values[loss.loss.index], dtype=object)
        self._moving = {name: _moving(self.nodes, name) for name in arrays}

    @contextmanager
    def _precision(self) -> Iterator[Arithmetic]:
        import mpmath

        with mpmath.workdps(self.digits):
            yield Arithmetic()

    def _evaluate(self, arithmetic: Arithmetic, symbols: Mapping[str, Any], kept: Mapping[int, Any]) -> dict[int, Any]:
        """Return the value of every node; those in ``kept`` are taken as they are."""
        done = dict(kept)
        for node in self.nodes:
            if node.index in done:
                continue
            if node.op == "symbol":
                value = symbols[node.name]
            elif node.op == "const":
                value = arithmetic.number(node.value)
            else:
                value = apply(arithmetic, node, [done[arg.index] for arg in node.args])
            done[node.index] = value if self._disturb is None else self._disturb(arithmetic, node, value)
        return done

    def _at(self, arithmetic: Arithmetic, name: str, moved: Any) -> Array:
        """Return the loss with one symbol moved; what it moves only through stop_gradient stays."""
        kept = {index: value for index, value in self.values.items() if index not in self._moving[name]}
        return np.asarray(self._evaluate(arithmetic, {**self.symbols, name: moved}, kept)[self.loss.loss.index], dtype=object)

    # -- derivatives
    def derivative(self, name: str, upstream: Array, entries: Iterable[int] | None = None) -> Derivative:
        """Differentiate the sum of upstream * loss by a symbol.

        Args:
            name: a prediction or parameter.
            upstream: weights of the elements of the loss, in their order.
            entries: positions (of the flattened symbol) to compute; all if left out.
        """
        shape = self.shapes[name]
        with self._precision() as arithmetic:
            weights = lift(arithmetic, np.asarray(upstream, dtype="float64").reshape(np.shape(self.value)))
            if not self._moving[name]:
                zero = np.full(shape, arithmetic.number(0), dtype=object)
                return Derivative(zero, np.zeros(shape, bool), np.ones(shape, bool))
            if self.loss.loss.pointwise:
                slope, kink = self._slope(arithmetic, name, lambda x, h: x + h)
                spread = np.broadcast_to(np.zeros((), object), np.broadcast_shapes(np.shape(slope), shape))
                truth = summed(np.asarray(slope * weights, dtype=object) + spread, shape)
                kinks = summed(np.broadcast_to(kink, np.shape(spread)).astype(int), shape) > 0
                return Derivative(truth, kinks, np.ones(shape, bool))
            return self._entry_by_entry(arithmetic, name, weights, entries)

    def _entry_by_entry(self, arithmetic: Arithmetic, name: str, weights: Array, entries: Iterable[int] | None) -> Derivative:
        shape = self.shapes[name]
        size = int(np.prod(shape, dtype=int))
        truth, kinks, asked = np.full(size, arithmetic.nan, dtype=object), np.zeros(size, bool), np.zeros(size, bool)
        for entry in range(size) if entries is None else entries:

            def move(x: Any, h: Any, entry: int = entry) -> Any:
                if np.shape(x) == ():
                    return x + h
                moved = np.array(x, dtype=object)
                moved.flat[entry] = moved.flat[entry] + h
                return moved

            slope, kink = self._slope(arithmetic, name, move)
            truth[entry] = np.sum(np.asarray(slope * weights, dtype=object))
            kinks[entry] = bool(np.any(kink))
            asked[entry] = True
        return Derivative(truth.reshape(shape), kinks.reshape(shape), asked.reshape(shape))

    def _slope(self, arithmetic: Arithmetic, name: str, move: Callable[[Any, Any], Any]) -> tuple[Array, Array]:
        """Return the slope of each element of the loss as a symbol moves, and where it is not smooth."""
        h = arithmetic.context.mpf(_STEP)
        x, here = self.symbols[name], self.value
        ahead, behind = self._at(arithmetic, name, move(x, h)), self._at(arithmetic, name, move(x, -2 * h))
        right, left = np.asarray((ahead - here) / h, dtype=object), np.asarray((here - behind) / (2 * h), dtype=object)
        slope = np.asarray((4 * ahead - behind - 3 * here) / (6 * h), dtype=object)
        kink = self._differ(arithmetic, right, left)
        # Where the slopes grow without bound but the loss does not jump, as cbrt's do at 0, there is no derivative on either side.
        steep = kink & _beyond(right, left, _STEEP) & ~_beyond(ahead - here, here - behind, _JUMP)
        return np.where(steep, arithmetic.nan, slope), kink & ~steep

    def _differ(self, arithmetic: Arithmetic, right: Array, left: Array) -> Array:
        share, flat = arithmetic.context.mpf(_SMOOTH), arithmetic.context.mpf(_FLAT)
        found = np.frompyfunc(lambda r, s: bool(abs(r - s) > share * (abs(r) + abs(s)) + flat), 2, 1)(right, left)
        return np.asarray(found, dtype=bool)

    # -- how far rounding may carry a value
    def _disturbed(self, arithmetic: Arithmetic, disturb: Disturbance, symbols: Mapping[str, Any] | None = None) -> Reference:
        """Return the same loss with the results of its operations, or its inputs too, moved."""
        other = copy(self)
        other._disturb = disturb
        other.symbols = dict(self.symbols if symbols is None else symbols)
        other.values = other._evaluate(arithmetic, other.symbols, {})
        other.value = np.asarray(other.values[self.loss.loss.index], dtype=object)
        return other

    def near_kink(self, unit: float, seed: int, draws: int = 8) -> Array:
        """Tell for each element of the loss whether rounding can carry it across a kink; with reductions, for all at once.

        A kink is near if what decides its side changes by more than a hundredth of itself when every operation rounds
        at random, or if it is 0 and moves with a prediction or parameter: where two kinks meet, as at ties of a sort
        inside abs, the slopes on both sides may agree although there is no derivative.
        """
        shape = np.shape(self.value)
        near = np.zeros(shape, bool)
        random = np.random.default_rng(seed)
        movable = frozenset[int]().union(*(self._moving[name] for name in self.loss.variables))
        with self._precision() as arithmetic:
            exact = margins(arithmetic, self.nodes, self.values)
            for _ in range(draws):
                other = self._disturbed(arithmetic, Rounding(random, 4 * unit))
                for (node, before), (_, after) in zip(exact, margins(arithmetic, self.nodes, other.values), strict=True):
                    changed = np.asarray(np.frompyfunc(_changed, 2, 1)(before, after), dtype=bool)
                    if node.index in movable:
                        changed |= np.asarray(np.equal(before, 0), dtype=bool)
                    near |= np.broadcast_to(changed, shape) if self.loss.loss.pointwise else bool(np.any(changed))
        return near

    def condition(self, name: str | None, upstream: Array, seed: int) -> Array:
        """Return how far the derivative by ``name`` (the loss itself, for ``None``) moves for a relative change of all data by 1.

        This is about the sum of abs(x * dg/dx) over every input x of the value g: one unit of rounding in the inputs
        moves g by a unit of this. A jump, as where ``y == 1`` ceases to hold, is no condition and counts as 0.
        """
        random = np.random.default_rng(seed)
        with self._precision() as arithmetic:
            tiny = arithmetic.context.mpf(_SHAKE)

            def others() -> Iterator[Reference]:
                for _ in range(_DRAWS):
                    shaken = {name: x * (1 + tiny * lift(arithmetic, signs(random, x))) for name, x in self.symbols.items()}
                    yield self._disturbed(arithmetic, Shaking(random, tiny), shaken)

            return self._widest_change(name, upstream, others(), tiny, jumps=False)

    def noise(self, name: str | None, upstream: Array, seed: int, unit: float) -> Array:
        """Return how far the derivative by ``name`` (the loss itself, for ``None``) moves when the loss as written rounds at random."""
        random = np.random.default_rng(seed)
        with self._precision() as arithmetic:
            others = (self._disturbed(arithmetic, Rounding(random, unit)) for _ in range(_DRAWS))
            return self._widest_change(name, upstream, others, arithmetic.number(1), jumps=True)

    def _widest_change(self, name: str | None, upstream: Array, others: Iterable[Reference], unit: Any, *, jumps: bool) -> Array:
        base = self.value if name is None else self.derivative(name, upstream).truth
        widest: Array | None = None
        for other in others:
            found = other.value if name is None else other.derivative(name, upstream).truth
            change = np.abs(np.asarray((found - base) / unit, dtype=object))
            if not jumps:
                change = np.where(_jumped(base, found), 0 * unit, change)
            widest = change if widest is None else np.where(np.asarray(change > widest, dtype=bool), change, widest)
        return np.asarray(widest, dtype=object)


# -- arrays
def lower(array: Any) -> Array:
    """Return high-precision numbers as float64; what is too large is infinite."""
    with np.errstate(invalid="ignore"):  # NaN on its way through float()
        return np.asarray(np.frompyfunc(float, 1, 1)(np.asarray(array, dtype=object)), dtype="float64")


def _aligned(loss: LossGraph, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Give data trailing axes of length 1, or take them, as the language says."""
    shapes = align(loss, {name: np.shape(array) for name, array in arrays.items()})
    return {
        name: array if np.shape(array) == shapes[name] else np.asarray(array, dtype=object).reshape(shapes[name])
        for name, array in arrays.items()
    }


def summed(array: Array, shape: tuple[int, ...]) -> Array:
    """Sum an array over the axes along which ``shape`` was broadcast to it."""
    array = np.asarray(array)  # NumPy makes a number of an object array without axes
    lead = array.ndim - len(shape)
    array = np.asarray(array.sum(axis=tuple(range(lead))), dtype=array.dtype) if lead else array
    cut = tuple(axis for axis, length in enumerate(shape) if length == 1 and array.shape[axis] != 1)
    return np.asarray(array.sum(axis=cut, keepdims=True), dtype=array.dtype) if cut else array


def _moving(nodes: Iterable[Node], name: str) -> set[int]:
    """Return the nodes that move with a symbol; none above stop_gradient does."""
    found: set[int] = set()
    for node in nodes:
        if (node.op == "symbol" and node.name == name) or (node.op != "stop_gradient" and any(arg.index in found for arg in node.args)):
            found.add(node.index)
    return found


def _beyond(one: Any, other: Any, limit: float) -> Array:
    return np.asarray(np.frompyfunc(lambda x, y: bool(abs(x) > limit or abs(y) > limit), 2, 1)(one, other), dtype=bool)


def _jumped(before: Any, after: Any) -> Array:
    """Tell where a value has moved by much more than a tiny step can move it."""
    jumped = np.frompyfunc(lambda x, y: bool(abs(x - y) > (abs(x) + abs(y)) * 1e-9 + 1e-18), 2, 1)(before, after)
    return np.asarray(jumped, dtype=bool)


def _changed(before: Any, after: Any) -> bool:
    return not abs(after - before) <= abs(before) / 100
