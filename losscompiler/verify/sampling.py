"""Points at which a loss is real and finite, found by trying.

Nothing is assumed about where a loss is defined: candidate ranges and shapes are tried, and those are kept at which the
loss and its surroundings are real and finite in high-precision arithmetic. Ranges that were kept are tried more often.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import mpmath
import numpy as np

from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.parameter import Parameter
from losscompiler.verify.layouts import Shapes, candidate_shapes, label_nodes, node_shapes, positions
from losscompiler.verify.reference import Reference

Array = np.ndarray[Any, Any]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]

_DIGITS = 30
_NUDGE = 1e-12
_LARGEST = 1e150
_ROUNDS = 6
_ATTEMPTS = 60
_LAYOUTS = 6
_EDGES = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 1e-4, -1e-4, 0.999, 20.0, -20.0)


def _between(low: float, high: float) -> Draw:
    return lambda random, shape: random.uniform(low, high, shape)


def _among(*values: float) -> Draw:
    return lambda random, shape: random.choice(np.array(values), size=shape)


RANGES: dict[str, Draw] = {
    "real": _between(-3, 3), "positive": _between(0.1, 3), "probability": _between(0.05, 0.95), "above one": _between(1.1, 4),
    "correlation": _between(-0.95, 0.95), "negative": _between(-3, -0.1), "whole": _among(0, 1, 2, 3, 4), "binary": _among(0, 1),
    "sign": _among(-1, 1),
}  # fmt: skip
"""What data and unbounded parameters are drawn from, by the name of the range."""


@dataclass(frozen=True)
class Batch:
    """One set of arrays at which a loss is real and finite.

    Attributes:
        arrays: float64 arrays of data and parameters by name, in program order, as a program takes them.
        origin: "random", "edges" or "data".
        separate: every symbol, parameters too, has the shape of the loss, so that each element is a point of its own.
    """

    arrays: dict[str, Array]
    origin: str
    separate: bool = False


def sample(loss: LossGraph, *, points: int, seed: int, fixed: Mapping[str, Array] | None = None) -> tuple[Batch, ...]:
    """Return batches of points at which a loss is real and finite.

    An elementwise loss is sampled at ``points`` separate random points and as many from a list of edges (0, 1, -1, small
    and large numbers, ties), and in a few batches whose shapes broadcast. A loss with reductions is sampled in
    batches only.

    Args:
        loss: the loss, as it was written.
        points: how many points are wanted.
        seed: of the random numbers.
        fixed: values of parameters that are not to vary.

    Returns:
        Batches; none if no admissible point was found.
    """
    sampler = _Sampler(loss, np.random.default_rng(seed), dict(fixed or {}))
    batches = sampler.separate(points) if loss.loss.pointwise else []
    shaped = sampler.shaped(min(4, 1 + points // 4) if loss.loss.pointwise else max(6, min(12, points // 8)))
    return tuple(
        replace(batch, arrays={name: array if name in sampler.fixed else _single(array) for name, array in batch.arrays.items()})
        for batch in (*batches, *shaped)
    )


def _single(array: Array) -> Array:
    """Return numbers rounded to float32, so that a program in either precision is judged at the same points; tiny and huge ones stay."""
    with np.errstate(over="ignore"):
        rounded = array.astype("float32").astype("float64")
    return np.where(np.isfinite(rounded) & ((rounded != 0) | (array == 0)), rounded, array)


class _Sampler:
    def __init__(self, loss: LossGraph, random: np.random.Generator, fixed: dict[str, Array]) -> None:
        self.loss = loss
        self.random = random
        self.fixed = fixed
        self.names = (*loss.data, *loss.parameters)
        self.labels = label_nodes(loss)
        self.weights = {name: np.ones(len(RANGES)) for name in self.names}

    # -- one point for each element
    def separate(self, points: int) -> list[Batch]:
        """Return random and edge points of an elementwise loss."""
        found = []
        for origin, draw in (("random", self._random_columns), ("edges", self._edge_columns)):
            columns = self._gathered(points, draw)
            if columns is not None:
                found.append(Batch(columns, origin, separate=True))
        return found

    def _gathered(self, points: int, draw: Callable[[int], tuple[dict[str, Array], Array]]) -> dict[str, Array] | None:
        kept: list[dict[str, Array]] = []
        count = 0
        for _ in range(_ROUNDS):
            columns, picks = draw(4 * points)
            good = _admissible(self.loss, columns)
            if not good.any():
                continue
            for name, pick in zip(self.names, picks, strict=True):
                self.weights[name] += 4 * np.bincount(pick[good], minlength=len(RANGES))
            kept.append({name: column[good] for name, column in columns.items()})
            count += int(good.sum())
            if count >= points:
                break
        if not kept:
            return None
        return {name: np.concatenate([columns[name] for columns in kept])[:points] for name in self.names}

    def _random_columns(self, count: int) -> tuple[dict[str, Array], Array]:
        picks = np.stack([self._picks(name, count) for name in self.names]) if self.names else np.zeros((0, count), int)
        # Some points have all symbols in one range, and parameters at their initial values.
        alike = self.random.random(count) < 0.2
        picks[:, alike] = self.random.integers(len(RANGES), size=int(alike.sum()))
        start = self.random.random(count) < 0.3
        columns = {}
        for name, pick in zip(self.names, picks, strict=True):
            drawn = np.stack([draw(self.random, (count,)) for draw in RANGES.values()])
            column = drawn[pick, np.arange(count)]
            columns[name] = self._fitting(name, column, start)
        return columns, picks

    def _edge_columns(self, count: int) -> tuple[dict[str, Array], Array]:
        columns, picks = self._random_columns(count)
        for name in self.names:
            edges = np.where(self.random.random(count) < 0.6, self.random.choice(_EDGES, size=count), columns[name])
            columns[name] = self._fitting(name, edges, np.zeros(count, bool))
        if len(self.names) > 1:
            for i in np.flatnonzero(self.random.random(count) < 0.25):
                one, other = self.random.choice(len(self.names), size=2, replace=False)
                if self.names[one] in self.loss.data:
                    columns[self.names[one]][i] = columns[self.names[other]][i]
        return columns, picks

    def _picks(self, name: str, count: int) -> Array:
        weights = self.weights[name]
        return np.asarray(self.random.choice(len(RANGES), size=count, p=weights / weights.sum()))

    def _fitting(self, name: str, column: Array, start: Array) -> Array:
        """Bring drawn numbers inside a parameter's bounds, and set it to its start where asked."""
        parameter = self.loss.parameters.get(name)
        if parameter is None:
            return column
        if name in self.fixed:
            return np.full(column.shape, float(np.reshape(self.fixed[name], -1)[0]))
        inside = _inside(parameter, column)
        return np.where(start, float(np.reshape(parameter.init, -1)[0]), inside)

    # -- whole batches
    def shaped(self, wanted: int) -> list[Batch]:
        """Return batches of shapes that fit the loss, with what broadcasts among them."""
        found: list[Batch] = []
        fitting = self._fitting_shapes()
        if not fitting:
            return []
        for turn in range(2 * wanted):
            shapes = fitting[turn % len(fitting)]
            edges = turn % 4 == 3
            batch = self._batch(shapes, "edges" if edges else "random", start=turn < len(fitting) and turn % 2 == 0)
            if batch is not None:
                found.append(batch)
            if len(found) >= wanted:
                break
        return found

    def _fitting_shapes(self) -> list[Shapes]:
        """Return a few assignments of shapes that fit the loss, as different as can be."""
        fitting: list[Shapes] = []
        seen: Counter[tuple[tuple[int, ...], ...]] = Counter()
        for shapes in candidate_shapes(self.loss):
            kind = tuple(shapes[name] for name in self.loss.predictions or self.loss.data)
            if seen[kind] < 2:
                fitting.append(shapes)
                seen[kind] += 1
            if len(fitting) == _LAYOUTS:
                break
        return fitting

    def _batch(self, shapes: Shapes, origin: str, start: bool) -> Batch | None:
        """Draw arrays, each from one range, until the loss is real and finite at all of them."""
        ranges = list(RANGES.values())
        for attempt in range(_ATTEMPTS):
            picks = {name: int(self._picks(name, 1)[0]) for name in self.names}
            if attempt < len(ranges) and self.random.random() < 0.3:
                picks = dict.fromkeys(self.names, attempt)
            arrays = {name: self._drawn(name, shapes, ranges[pick], start) for name, pick in picks.items()}
            if origin == "edges" and attempt < _ATTEMPTS // 2:
                arrays = {name: self._with_edges(name, array) for name, array in arrays.items()}
            if bool(_admissible(self.loss, arrays).all()):
                for name, pick in picks.items():
                    self.weights[name][pick] += 8
                return Batch(arrays, origin)
        return None

    def _with_edges(self, name: str, array: Array) -> Array:
        """Put edges and repeated values among the elements of data."""
        if name not in self.loss.data or name in self.labels or array.size == 0:
            return array
        edge = self.random.random(array.shape) < 0.4
        values = np.concatenate([self.random.choice(_EDGES, size=2), self.random.choice(array.reshape(-1), size=2)])
        return np.where(edge, self.random.choice(values, size=array.shape), array)

    def _drawn(self, name: str, shapes: Shapes, draw: Draw, start: bool = False) -> Array:
        shape = shapes[name]
        if name in self.labels:
            known = node_shapes(self.loss, shapes)
            assert known is not None
            return np.asarray(self.random.integers(positions(self.labels[name], known), size=shape), dtype="float64")
        parameter = self.loss.parameters.get(name)
        if parameter is None:
            return np.asarray(draw(self.random, shape), dtype="float64")
        if name in self.fixed:
            return np.array(np.broadcast_to(self.fixed[name], shape), dtype="float64")
        if start:
            return np.array(np.broadcast_to(np.asarray(parameter.init, "float64"), shape))
        return np.asarray(_inside(parameter, np.asarray(draw(self.random, shape))), dtype="float64")


def _admissible(loss: LossGraph, arrays: Mapping[str, Array]) -> Array:
    """Tell for each element of the loss whether it and its surroundings are real and finite."""
    good: Array | None = None
    moving = set(loss.variables)
    for direction in (0.0, 1.0, -1.0):
        moved = {
            name: array + direction * _NUDGE * (1 + position) if name in moving else array
            for position, (name, array) in enumerate(arrays.items())
        }
        try:
            reference = Reference(loss, moved, _DIGITS)
        except IndexError:  # a position outside of what it is looked up in
            return np.zeros(1, bool)
        here = np.asarray(np.frompyfunc(_finite, 1, 1)(reference.value), dtype=bool)
        if loss.loss.pointwise:
            here = here & _finite_on_the_way(reference)
        good = here if good is None else good & here
    assert good is not None
    first = next(iter(arrays.values()), None)
    # A loss that does not depend on its data has one value for all points.
    return np.broadcast_to(good, first.shape) if first is not None and good.ndim == 0 else good


def _finite_on_the_way(reference: Reference) -> Array:
    """Tell for each element of an elementwise loss whether every value that it is made of is finite.

    A branch of ``where`` that is not taken may be anything; exp(-1/p) at p = 0 is 0, but 1/p is outside of its domain.
    """
    shape = np.shape(reference.value)
    root = reference.loss.loss
    taken: dict[int, Array] = {root.index: np.ones(shape, bool)}
    good = np.ones(shape, bool)
    for node in reversed(reference.nodes):
        here = taken.pop(node.index, None)
        if here is None:
            continue
        good &= ~here | np.asarray(np.frompyfunc(_finite, 1, 1)(reference.values[node.index]), dtype=bool)
        holds = np.asarray(reference.values[node.args[0].index], dtype=bool) if node.op == "where" else None
        for position, arg in enumerate(node.args):
            below = here if holds is None or position == 0 else here & (holds if position == 1 else ~holds)
            taken[arg.index] = taken.get(arg.index, np.zeros(shape, bool)) | below
    return good


def _finite(x: Any) -> bool:
    return isinstance(x, bool) or bool(mpmath.isfinite(x) and abs(x) < _LARGEST)


def _inside(parameter: Parameter, drawn: Array) -> Array:
    """Map drawn numbers into a parameter's bounds."""
    low, high = parameter.bounds
    if low is None and high is None:
        return drawn
    if low is not None and high is not None:
        share = 0.02 + 0.96 * np.abs(np.mod(drawn, 1.0))
        return np.asarray(low + (high - low) * share)
    distance = np.abs(drawn) + 0.05
    return np.asarray(low + distance if low is not None else (high or 0.0) - distance)
