"""Points at which a loss is probed around a candidate for a removable singularity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from losscompiler.analysis.domains import settle
from losscompiler.analysis.floats import Plan
from losscompiler.analysis.samples import Samples, within
from losscompiler.analysis.study import Study
from losscompiler.derivative.reverse import UPSTREAM
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Node
from losscompiler.graph.precise import evaluate
from losscompiler.stable.precision import LARGEST_FLOAT

DIGITS = 90

_AROUND_0 = (0.0, 0.3, -0.1, 1e-2, -1e-3, 1e-4, -1e-5, 1e-6, -1e-8, 1e-12, 1e-20)
_AROUND = (0.0, 2.0**-23, -(2.0**-22), 2.0**-20, -(2.0**-17), 1e-4, -1e-3, 1e-2, -0.1)
"""Distances, the second relative to the point."""

_ROWS = 3
_TIES, _NOISY_TIES, _NOISE = 48, 2, 1e-9
"""Ties that are looked through for noise, how many of them are probed, and the share of a result off the tie that is noise."""

UNFIT = (ValueError, IndexError, OverflowError)
"""What an evaluation raises where guessed shapes do not fit a loss."""

Array = Any
Batch = dict[str, Array]


class ProbePoints:
    """Makes points of one loss.

    Args:
        written: the loss as written, for the domains of its symbols.
        roots: value and derivatives in accurate forms, element by element where the loss is elementwise.

    Attributes:
        rows: sets of values of all symbols at which the loss is finite; of an elementwise loss single numbers.
    """

    def __init__(self, written: LossGraph, roots: Sequence[Node]) -> None:
        study = Study.of(written)
        self.domains = settle(study)
        self.samples = Samples(study, self.domains)
        self.written = written
        self.plan = Plan(roots)
        self.pointwise = roots[0].pointwise
        self.rows = self._rows() if self.samples.shape is not None else []

    def around(self, name: str, centre: Node) -> tuple[list[Batch], list[Array]]:
        """Return points around a centre, and which of them lie on it."""
        import mpmath
        import numpy as np

        span = self.domains.span_of(name)
        batches: list[Batch] = []
        exact: list[Array] = []
        for row in [*self.rows, *self._noisy(name, centre)]:
            with mpmath.workdps(DIGITS):
                point = _number(evaluate([centre], lifted(row))[0])
            if point is None or not (span.low <= point <= span.high):
                continue
            steps = _AROUND_0 if point == 0 else tuple(step * abs(point) for step in _AROUND)
            moved = np.unique(np.asarray([np.float32(point + step) for step in steps], dtype=float))
            above = moved > span.low if span.low_open else moved >= span.low
            moved = moved[above & (moved < span.high if span.high_open else moved <= span.high)]
            if self.pointwise:
                batches.append({key: np.full(len(moved), x) for key, x in row.items()} | {name: moved})
                exact.append(moved == point)
            else:
                for value in moved:
                    batches.append({**row, name: np.full(np.shape(row[name]), value)})
                    exact.append(np.full(np.shape(row[name]), value == point))
        if self.pointwise and batches:
            batches = [{key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}]
            exact = [np.concatenate(exact)]
        return [self.batch(batch) for batch in batches], exact

    def batch(self, row: Batch) -> Batch:
        """Return a set of values with constants and the adjoint of the loss."""
        import numpy as np

        constants = {key: np.asarray(x, float) for key, x in self.written.constants.items()}
        values = {**{key: np.asarray(x, float) for key, x in row.items()}, **constants}
        (value,) = Plan(self.plan.roots[:1]).values(values)
        return {**values, UPSTREAM: np.ones(np.shape(value))}

    def _noisy(self, name: str, centre: Node) -> list[Batch]:
        """Return values of an elementwise loss for which something that vanishes where two symbols are equal leaves noise there.

        What does not vanish by chance of rounding at the few rows that are probed anyway may do so at others.
        """
        import numpy as np

        if not self.pointwise or centre.op != "symbol" or not self.rows:
            return []
        random = np.random.default_rng(0)
        batch: Batch = {}
        for key in self.rows[0]:
            values = np.resize([float(row[key]) for row in self.rows], _TIES)
            if key not in self.written.parameters:
                values = within(values * 2.0 ** random.uniform(-2.0, 2.0, _TIES), self.domains.span_of(key), random)
            batch[key] = np.asarray(np.asarray(values, "float32"), float)
        tied, apart = ({**batch, name: batch[centre.name or ""] * factor} for factor in (1.0, 1.5))
        try:
            pairs = zip(self.plan.values(self.batch(tied)), self.plan.values(self.batch(apart)), strict=True)
        except UNFIT:
            return []
        noise = np.zeros(_TIES)
        for at, off in pairs:
            with np.errstate(all="ignore"):
                share = np.abs(at) / np.abs(off)
            noise = np.maximum(noise, np.where(share < _NOISE, share, 0.0))
        worst = np.argsort(-noise, kind="stable")[:_NOISY_TIES]
        return [{key: x[i] for key, x in tied.items()} for i in worst if noise[i] > 0]

    def _rows(self) -> list[Batch]:
        import numpy as np

        found: list[Batch] = []
        for turn, sample in enumerate(self.samples.samples()):
            values = {**self.samples.nearby(turn), **sample.data}
            if not self.pointwise:
                found.append(values)
            elif all(np.ndim(x) == 0 or np.shape(x)[-1:] == (1,) for x in values.values()):
                rows = np.flatnonzero(np.reshape(sample.valid, -1))[: _ROWS - 1 + (turn == 0)]
                for row in rows:
                    spread = {name: np.broadcast_to(x, np.broadcast_shapes(np.shape(x), sample.valid.shape)) for name, x in values.items()}
                    found.append({name: float(np.reshape(x, -1)[row]) for name, x in spread.items()})
        if self.pointwise:
            found = [*found[:_ROWS], *(self._spread(row, seed) for seed, row in enumerate(found[:_ROWS]))]
        single = [{name: np.asarray(np.asarray(x, "float32"), float) for name, x in row.items()} for row in found]
        return single if self.pointwise else single[:1]

    def _spread(self, row: Batch, seed: int) -> Batch:
        """Return values with the parameters far from where they start, as far as their bounds allow."""
        import numpy as np

        random = np.random.default_rng(seed)
        moved = {}
        for name, x in row.items():
            span = self.domains.span_of(name)
            further = float(x) * float(10.0 ** random.uniform(-1.0, 1.5))
            moved[name] = further if name in self.written.parameters and span.low < further < span.high else x
        return moved


def lifted(values: Mapping[str, Array]) -> dict[str, Any]:
    """Return floats as exact numbers of mpmath at its present precision."""
    import mpmath
    import numpy as np

    number = np.frompyfunc(lambda x: mpmath.mpf(float(x)), 1, 1)
    return {name: mpmath.mpf(float(x)) if np.ndim(x) == 0 else np.asarray(number(x), dtype=object) for name, x in values.items()}


def _number(value: Any) -> float | None:
    import numpy as np

    if np.ndim(value):
        return None
    found = float(value)
    return found if abs(found) < LARGEST_FLOAT else None
