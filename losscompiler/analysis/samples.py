"""Data and parameter values to probe a loss with: several kinds of data, since what a loss is for is not written in it.

A probe that speaks of all data is made on every kind that the loss has finite values for, and reports only what all of
them agree on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import islice
from math import isfinite
from typing import Any

from losscompiler.analysis.domains import Domains
from losscompiler.analysis.floats import Plan
from losscompiler.analysis.interval import Interval
from losscompiler.analysis.study import Study
from losscompiler.derivative.reverse import UPSTREAM
from losscompiler.graph.node import Node
from losscompiler.graph.parameter import Parameter

REAL_PREDICTIONS = ("real", "labels", "signs", "counts")
KINDS = ("real", "labels", "signs", "unit", "positive", "counts")
BUDGET = 150_000
"""Work of all probes together, in NumPy calls on small arrays; about 0.3 s."""

_POINTWISE_ROWS, _ROWS, _COLUMNS = 24, 6, 4
_MOST_SHAPES = 12
_LONGEST = 128
_SHARE_OF_SPECIAL_VALUES = 0.3
_MARGIN = 1e-3
"""How far inside its bounds training starts a parameter whose initial value lies on one, as a share of the range."""


@dataclass(frozen=True)
class Sample:
    """Values of all data, and which elements of the loss are finite there."""

    kind: str
    data: Mapping[str, Any]
    valid: Any


@dataclass(frozen=True)
class Shape:
    """A guess at shapes: leading axes, columns of the predictions, and of targets and inputs."""

    lead: tuple[int, ...]
    columns: int
    others: int


class Samples:
    """Makes data of the loss's own domains.

    Attributes:
        shape: shapes that the loss takes; ``None`` if none was found, and then there are no samples.
    """

    def __init__(self, study: Study, domains: Domains) -> None:
        self.study = study
        self.domains = domains
        self.plan = Plan([study.loss])
        self._left = BUDGET
        self.names = [name for name in study.given.data if name in study.symbols]
        self._positions, self._special = _usage(study)
        self.shape = self._fitting()

    # -- parameters
    def span(self, name: str) -> Interval:
        """Return the values that a parameter may take: its bounds, and where the loss is real."""
        return self.domains.span_of(name)

    def start(self, name: str) -> Any:
        """Return the initial value as training starts with it: strictly inside the bounds."""
        import numpy as np

        value = self.written(name)
        span = self.span(name)
        width = span.high - span.low if isfinite(span.high - span.low) else 1.0
        if isfinite(span.low):
            value = np.maximum(value, span.low + _MARGIN * width)
        return np.minimum(value, span.high - _MARGIN * width) if isfinite(span.high) else value

    def written(self, name: str) -> Any:
        """Return the initial value as it is declared, at its full shape."""
        import numpy as np

        parameter = self.study.parameters[name]
        return np.broadcast_to(np.asarray(parameter.init, dtype=float), self._lengths(parameter, self._columns)).copy()

    def nearby(self, seed: int) -> dict[str, Any]:
        """Return parameter values around the initial ones; those that are not trained stay."""
        import numpy as np

        random = np.random.default_rng(1000 + seed)
        return {name: self._moved(name, random) for name in self.study.parameters}

    def _moved(self, name: str, random: Any) -> Any:
        import numpy as np

        value = self.start(name)
        if not self.study.parameters[name].trainable:
            return value
        step = 0.3 * random.standard_normal(value.shape)
        span = self.span(name)
        if isfinite(span.low) and isfinite(span.high):
            share = (value - span.low) / (span.high - span.low)
            odds = share / (1 - share) * np.exp(step)
            return span.low + (span.high - span.low) * odds / (1 + odds)
        if isfinite(span.low):
            return span.low + (value - span.low) * np.exp(step)
        if isfinite(span.high):
            return span.high - (span.high - value) * np.exp(step)
        return value + step * np.maximum(1.0, np.abs(value))

    # -- data
    def values(self, data: Mapping[str, Any], parameters: Mapping[str, Any], shape: tuple[int, ...] = ()) -> dict[str, Any]:
        """Return what symbols stand for: data, parameters, constant arrays, and for a loss of ``shape`` an upstream gradient of 1."""
        import numpy as np

        return {**self.study.given.constants, **data, **parameters, UPSTREAM: np.ones(shape)}

    def evaluated(self, plan: Plan, sample: Sample, parameters: Mapping[str, Any]) -> list[Any]:
        """Return a plan's roots at a sample, NaN where positions that are computed leave what they point into."""
        import numpy as np

        try:
            return plan.values(self.values(sample.data, parameters, sample.valid.shape))
        except (ValueError, IndexError, OverflowError):
            return [np.full(sample.valid.shape, np.nan) for _ in plan.roots]

    def spend(self, cost: int) -> bool:
        """Take work from what findings may cost in all; ``False`` if it is used up."""
        if cost > self._left:
            return False
        self._left -= cost
        return True

    def data(self, kind: str, seed: int, rows: int | None = None) -> dict[str, Any]:
        """Return random data of one kind."""
        import numpy as np

        random = np.random.default_rng([seed, KINDS.index(kind) if kind in KINDS else len(KINDS)])
        assert self.shape is not None
        return {name: self._column(name, kind, random, self.shape, rows) for name in self.names}

    def samples(self, repeats: int = 1) -> Iterator[Sample]:
        """Yield data of every kind for which the loss is finite in enough places near the initial parameters."""
        import numpy as np

        if self.shape is None:
            return
        for seed in range(repeats):
            for kind in KINDS:
                data = self.data(kind, seed)
                try:
                    (loss,) = self.plan.values(self.values(data, self.nearby(seed)))
                except (ValueError, IndexError, OverflowError):
                    continue
                valid = np.isfinite(loss)
                if valid.sum() >= min(3, loss.size) and loss.size:
                    yield Sample(kind, data, valid)

    @cached_property
    def usual(self) -> tuple[Sample, ...]:
        """One sample of each usable kind; two where the loss is one number a batch."""
        first = tuple(self.samples())
        return first if self.study.loss.pointwise else (*first, *islice(self.samples(2), len(first), None))

    def is_position(self, name: str) -> bool:
        """Tell whether a symbol picks elements, as a class label does."""
        return name in self._positions

    def _column(self, name: str, kind: str, random: Any, shape: Shape, rows: int | None = None) -> Any:
        import numpy as np

        given = self.study.given
        lead = shape.lead if rows is None else (rows, *shape.lead[1:])
        one_a_row = all(cut for _, cut in self.study.symbols[name].axes)
        columns = 1 if one_a_row else shape.columns if name in given.predictions else shape.others
        if name in self._positions:
            return random.integers(0, max(1, min(self._positions[name], shape.columns)), (*lead, 1)).astype(float)
        value = _drawn(kind, name in given.predictions, random, (*lead, columns))
        special = self._special.get(name)
        if special:
            value = np.where(random.random(value.shape) < _SHARE_OF_SPECIAL_VALUES, random.choice(special, value.shape), value)
        return within(value, self.domains.span_of(name), random)

    # -- shapes
    @property
    def _columns(self) -> int:
        return self.shape.columns if self.shape is not None else 1

    @staticmethod
    def _lengths(parameter: Parameter, columns: int) -> tuple[int, ...]:
        return tuple(columns if isinstance(length, str) else length for length in parameter.shape)

    def _fitting(self) -> Shape | None:
        """Return the first guess at shapes that the loss can be evaluated with."""
        import numpy as np

        for shape in islice(self._guesses(), _MOST_SHAPES):
            random = np.random.default_rng(0)
            data = {name: self._column(name, "real", random, shape) for name in self.names}
            parameters = {
                name: np.broadcast_to(np.asarray(parameter.init, dtype=float), self._lengths(parameter, shape.columns))
                for name, parameter in self.study.parameters.items()
            }
            try:
                self.plan.values(self.values(data, parameters))
            except (ValueError, IndexError, OverflowError):
                continue
            return shape
        return None

    def _guesses(self) -> Iterator[Shape]:
        lengths = self._known_lengths()
        if self.study.loss.pointwise and not lengths:
            yield Shape((_POINTWISE_ROWS,), 1, 1)
            return
        columns = [*sorted(lengths, reverse=True), _COLUMNS, 1]
        for lead in ((_ROWS,), (3, 4)):
            for count in columns:
                yield Shape(lead, count, count)
                yield Shape(lead, count, 1)

    def _known_lengths(self) -> set[int]:
        """Return lengths of last axes that the text speaks of."""
        found = {length for parameter in self.study.parameters.values() for length in parameter.shape if isinstance(length, int)}
        found |= {value.shape[-1] for value in self.study.given.constants.values() if getattr(value, "ndim", 0)}
        needed = 0
        for node in self.study.nodes:
            attrs = dict(node.attrs)
            if node.op == "select":
                index = int(str(attrs["index"]))
                needed = max(needed, index + 1 if index >= 0 else -index)
            elif node.op == "range":
                ends = [int(str(end)) for end in (attrs["start"], attrs["stop"]) if end is not None]
                needed = max([needed, *(end + 1 if end >= 0 else 1 - end for end in ends)])
            elif node.op in ("one_hot", "arange") and isinstance(node.args[-1].attrs[0][1] if node.args[-1].attrs else None, Fraction):
                found.add(int(node.args[-1].value))  # type: ignore[arg-type]  # tested to be a Fraction
        return {length for length in found | ({needed} if needed else set()) if length <= _LONGEST}


def _usage(study: Study) -> tuple[dict[str, int], dict[str, list[float]]]:
    """Return which data are positions (and below what), and which values data are compared with."""
    positions: dict[str, int] = {}
    special: dict[str, list[float]] = {}
    for node in study.nodes:
        if node.op == "gather" and node.args[1].op == "symbol":
            length = _length_of(study, node.args[0])
            positions[node.args[1].name] = min(positions.get(node.args[1].name, length), length)
        elif node.op == "one_hot" and node.args[0].op == "symbol":
            size = node.args[1].value if node.args[1].op == "const" else None
            length = int(size) if isinstance(size, Fraction) else 10**6
            positions[node.args[0].name] = min(positions.get(node.args[0].name, length), length)
        elif node.op in ("eq", "ne"):
            for one, other in (node.args, reversed(node.args)):
                if one.op == "symbol" and other.op == "const" and isinstance(other.value, Fraction) and abs(other.value) < 10**6:
                    special.setdefault(one.name, []).append(float(other.value))
    return positions, special


def _length_of(study: Study, node: Node) -> int:
    parameter = study.parameters.get(node.name) if node.op == "symbol" else None
    if parameter is not None and parameter.shape and isinstance(parameter.shape[-1], int):
        return parameter.shape[-1]
    constant: Any = study.given.constants.get(node.name) if node.op == "symbol" else None
    return int(constant.shape[-1]) if getattr(constant, "ndim", 0) else 10**6


def _drawn(kind: str, predicted: bool, random: Any, shape: tuple[int, ...]) -> Any:
    """Return random values of a kind; predictions are real numbers where targets are labels or counts."""
    if kind == "unit":
        return random.uniform(0.02, 0.98, shape)
    if kind == "positive":
        return random.lognormal(0.0, 0.7, shape)
    if kind == "wide":
        return 20 * random.standard_normal(shape)
    if kind == "real" or predicted:
        return 1.5 * random.standard_normal(shape)
    if kind == "counts":
        return random.poisson(2.0, shape).astype(float)
    labels = random.integers(0, 2, shape).astype(float)
    return 2 * labels - 1 if kind == "signs" else labels


def within(value: Any, span: Interval, random: Any) -> Any:
    """Return values with those outside an interval drawn anew inside it."""
    import numpy as np

    low, high = span.low, span.high
    outside = (value < low) | (value > high) | (span.low_open & (value == low)) | (span.high_open & (value == high))
    if not outside.any():
        return value
    if isfinite(low) and isfinite(high):
        fresh = low + (high - low) * random.uniform(0.03, 0.97, value.shape)
    elif isfinite(low):
        fresh = low + random.lognormal(0.0, 0.7, value.shape)
    else:
        fresh = high - random.lognormal(0.0, 0.7, value.shape)
    return np.where(outside, fresh, value)
