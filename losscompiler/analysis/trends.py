"""Where training drives a parameter: away without bound, to one end of its range, or to where the loss says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from losscompiler.analysis.finding import Finding
from losscompiler.analysis.floats import Plan
from losscompiler.analysis.interval import Interval
from losscompiler.analysis.ranges import ranges
from losscompiler.analysis.samples import Sample, Samples
from losscompiler.analysis.study import Study
from losscompiler.graph.node import Node, reachable
from losscompiler.graph.precise import Arithmetic, evaluate
from losscompiler.graph.printing import expanded_size, node_text

_FAR, _NEAR = 9, 11
"""Powers of ten that a ray to infinity, and one to a bound, goes through."""

_STEADY = 0.8
"""A fall that keeps this share of its pace from decade to decade does not end: log(t) keeps 1, 1/log(t) loses a third."""

_FALL = 1e-3
_VANISHED = 1e-3
_LONGEST_SLOPE = 30
_PRECISE_DIGITS, _PRECISE_ROWS, _PRECISE_STEPS, _PRECISE_COST = 30, 4, 7, 4000


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


class Trends:
    """Follows the loss along rays of its parameters."""

    def __init__(self, study: Study, samples: Samples) -> None:
        self.study = study
        self.samples = samples
        self.pull = Plan([node for name in study.learning if (node := study.gradients.by_name[name]) is not None])

    def along(self, plan: Plan, sample: Sample, rays: Sequence[Ray]) -> list[list[Any]]:
        """Return the values of a plan's roots at each point of rays that are followed together."""
        start = self.samples.nearby(0)
        found = []
        for step in range(max(len(ray.points) for ray in rays)):
            moved = {ray.name: ray.points[min(step, len(ray.points) - 1)] for ray in rays}
            found.append(plan.values(self.samples.values(sample.data, start | moved)))
        return found

    def heights(self, sample: Sample, ray: Ray) -> list[Any]:
        """Return the loss's elements along a ray."""
        return [loss[sample.valid] for (loss,) in self.along(self.samples.plan, sample, [ray])]
