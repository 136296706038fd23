"""Where training drives a parameter: away without bound, to one end of its range, or to where the loss says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite
from typing import Any

from losscompiler.analysis.floats import Plan
from losscompiler.analysis.samples import Sample, Samples
from losscompiler.analysis.study import Study
from losscompiler.graph.precise import Arithmetic, evaluate

_FAR, _NEAR = 9, 11
"""Powers of ten that a ray to infinity, and one to a bound, goes through."""

_STEADY = 0.8
"""A fall that keeps this share of its pace from decade to decade does not end: log(t) keeps 1, 1/log(t) loses a third."""

_FALL, _VISIBLE, _SAME = 1e-9, 1e-6, 1e-6
_VANISHED = 1e-3
_LONGEST_SLOPE = 30
_PRECISE_DIGITS, _PRECISE_ROWS = 30, 8
_PRECISE_SHARE = 200
"""What following a ray in mpmath's numbers costs, in evaluations in float64."""


@dataclass(frozen=True)
class Ray:
    """Values of one parameter from near its start towards one end of its range.

    Attributes:
        name: the parameter.
        direction: +1 or -1.
        end: where the ray leads; infinite if the parameter is free on that side.
        points: its values, at its shape.
    """

    name: str
    direction: int
    end: float
    points: tuple[Any, ...]

    def toward(self) -> str:
        """Return the ray as text, such as ``a -> -inf``."""
        return f"{self.name} -> {self.end:g}"


def _ray(samples: Samples, name: str, direction: int, start: Any) -> Ray:
    import numpy as np

    span = samples.span(name)
    end = span.high if direction > 0 else span.low
    if isfinite(end):
        return Ray(name, direction, end, tuple(end + (start - end) * 10.0**-power for power in range(_NEAR)))
    scale = np.maximum(1.0, np.abs(start))
    return Ray(name, direction, end, (start, *(start + direction * scale * 10.0**power for power in range(_FAR))))


@dataclass(frozen=True)
class Fall:
    """Rays on which the loss falls without bound, and whether the data decide which of them it is."""

    rays: tuple[Ray, ...]
    by_data: bool


class Trends:
    """Follows the loss along rays of its parameters.

    Attributes:
        endless: for each parameter in which the loss falls without bound, how it does.
        driven: for each other parameter in which the loss falls all the way to one end of its range, whatever the data,
            the ray that leads there.
    """

    def __init__(self, study: Study, samples: Samples) -> None:
        self.study = study
        self.samples = samples
        self.start = samples.nearby(0)
        self.pull = Plan([node for name in study.learning if (node := study.gradients.by_name[name]) is not None])
        self.endless: dict[str, Fall] = {}
        self.driven: dict[str, Ray] = {}
        for name in study.trained:
            if study.parameters[name].regularizer is None and samples.usual:
                self._follow(name)

    def at(self, plan: Plan, sample: Sample, rays: Sequence[Ray], step: int) -> list[Any]:
        """Return the values of a plan's roots at one step of rays that are followed together."""
        moved = {ray.name: ray.points[min(step, len(ray.points) - 1)] for ray in rays}
        return self.samples.evaluated(plan, sample, self.start | moved)

    def _follow(self, name: str) -> None:
        """Follow the loss both ways from a parameter's start, until a sample shows that neither leads anywhere."""
        rays = [_ray(self.samples, name, direction, self.start[name]) for direction in (-1, 1)]
        endless: set[int] | None = None
        always = {0, 1}
        trusted: dict[int, bool] = {}
        followed, falls_on = [0, 1], {0: 0, 1: 0}
        for sample in self.samples.usual:
            down = set()
            for way in followed:
                if not self.samples.spend(self.samples.plan.cost * len(rays[way].points)):
                    return
                steps = range(len(rays[way].points))
                heights = [self.at(self.samples.plan, sample, [rays[way]], step)[0][sample.valid] for step in steps]
                if falls_endlessly([float(height.mean()) for height in heights]):
                    if way not in trusted:
                        trusted[way] = self._confirmed(sample, rays[way])
                    down |= {way} if trusted[way] else set()
                fall = falls_everywhere(heights)
                if fall is None:
                    falls_on.pop(way, None)
                elif way in falls_on:
                    falls_on[way] += fall
            # Which way is down may depend on the data, as in a*(y - p); that there is one may not.
            always &= down
            endless = down if endless is None else (endless | down if down else set())
            if not endless:
                followed = [way for way in followed if way in falls_on]
            if not followed:
                return
        driving = [way for way, count in falls_on.items() if 2 * count >= len(self.samples.usual)]
        if endless:
            self.endless[name] = Fall(tuple(rays[way] for way in sorted(endless)), endless != always)
        elif len(driving) == 1:
            self.driven[name] = rays[driving[0]]

    def _confirmed(self, sample: Sample, ray: Ray) -> bool:
        """Tell whether the fall is there in arithmetic that neither overflows nor rounds at these sizes, on some of the data."""
        import mpmath
        import numpy as np

        if not self.samples.spend(_PRECISE_SHARE * self.samples.plan.cost):
            return False
        part = sample
        if self.study.loss.pointwise and np.ndim(sample.valid):
            few = slice(_PRECISE_ROWS)
            part = Sample(sample.kind, {name: value[few] for name, value in sample.data.items()}, sample.valid[few])
        rough, exact = [], []
        with mpmath.workdps(_PRECISE_DIGITS):
            arithmetic = Arithmetic()
            precise = np.frompyfunc(arithmetic.number, 1, 1)
            for step, point in enumerate(ray.points):
                values = self.samples.values(part.data, self.start | {ray.name: point}, part.valid.shape)
                numbers = {name: precise(np.asarray(value, dtype=float)) for name, value in values.items()}
                try:
                    (loss,) = evaluate([self.study.loss], numbers, arithmetic)
                except (ValueError, IndexError, OverflowError):
                    return False
                elements = np.broadcast_to(np.asarray(loss, dtype=object), part.valid.shape)[part.valid]
                exact.append(float(sum(elements) / max(1, len(elements))))
                rough.append(float(self.at(self.samples.plan, part, [ray], step)[0][part.valid].mean()))
        if np.allclose(rough, exact, rtol=_SAME, atol=_SAME) and np.isfinite(rough).all():
            # On so few data the loss may well rise; that float64 tells the truth about all of them suffices.
            return True
        return falls_endlessly(exact)

    def flat_at_end(self, rays: Sequence[Ray]) -> bool:
        """Tell whether the gradient by every prediction vanishes on the way, for all samples."""
        import numpy as np

        if not self.pull.roots:
            return False
        last = max(len(ray.points) for ray in rays) - 1
        for sample in self.samples.usual:
            if not self.samples.spend(3 * self.pull.cost):
                return False
            first, *ends = (
                max(float(np.mean(np.abs(pull))) for pull in self.at(self.pull, sample, rays, step)) for step in (0, last, last - 3)
            )
            end = ends[0] if isfinite(ends[0]) else ends[1]
            if not (0 < first < inf and end <= _VANISHED * first):
                return False
        return True


def falls_endlessly(heights: Sequence[float]) -> bool:
    """Tell whether values at growing powers of ten fall at a pace that does not slacken: linearly, as a power, as a logarithm."""
    known: list[float] = []
    for height in heights:
        if not isfinite(height):
            if height > 0 or height != height or len(known) < 3:
                return False
            # Beyond the range of float64: what counts is how it got there.
            break
        known.append(height)
    falls = [before - after for before, after in pairwise(known)]
    if len(falls) < 3:
        return len(known) < len(heights) and len(falls) == 2 and falls[1] > falls[0] > 0
    last = falls[-3:]
    steady = all(after >= _STEADY * before > 0 for before, after in pairwise(last))
    return steady and last[-1] > max(_VISIBLE, _FALL * min(abs(height) for height in known))


def falls_everywhere(heights: Sequence[Any]) -> bool | None:
    """Tell whether elements fall from step to step: ``None`` if one rises, ``False`` if none moves."""
    import numpy as np

    first = heights[0]
    tolerance = 1e-9 * (1 + np.abs(first))
    if not all(np.all(after <= before + tolerance) for before, after in pairwise(heights)):
        return None
    return bool(np.any(heights[-1] < first - _VISIBLE * (1 + np.abs(first))))
