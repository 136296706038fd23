"""Where training drives a parameter: away without bound, to one end of its range, or to where the loss says nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    """Follows the loss along rays of its parameters.

    Attributes:
        endless: for each parameter in which the loss falls without bound, the rays on which it does.
        driven: for each other parameter in which the loss falls all the way to one end of its range, whatever the data,
            the ray that leads there.
    """

    def __init__(self, study: Study, samples: Samples) -> None:
        self.study = study
        self.samples = samples
        self.start = samples.nearby(0)
        self.pull = Plan([node for name in study.learning if (node := study.gradients.by_name[name]) is not None])
        self.endless: dict[str, list[Ray]] = {}
        self.driven: dict[str, Ray] = {}
        for name in study.trained:
            if study.parameters[name].regularizer is None and samples.usual:
                self._follow(name)

    def along(self, plan: Plan, data: Any, rays: Sequence[Ray]) -> Iterator[list[Any]]:
        """Yield the values of a plan's roots at each point of rays that are followed together."""
        for step in range(max(len(ray.points) for ray in rays)):
            moved = {ray.name: ray.points[min(step, len(ray.points) - 1)] for ray in rays}
            yield plan.values(self.samples.values(data, self.start | moved))

    def _follow(self, name: str) -> None:
        rays = [_ray(self.samples, name, direction, self.start[name]) for direction in (-1, 1)]
        endless: set[int] | None = None
        open_ways, driving = [0, 1], [0, 1]
        for sample in self.samples.usual:
            falls = []
            for way in open_ways:
                heights = [loss[sample.valid] for (loss,) in self.along(self.samples.plan, sample.data, [rays[way]])]
                if falls_endlessly([float(height.mean()) for height in heights]) and self._confirmed(sample, rays[way]):
                    falls.append(way)
                if way in driving and not falls_everywhere(heights):
                    driving.remove(way)
            # Which way is down may depend on the data, as in a*(y - p); that there is one may not.
            endless = set(falls) if endless is None else (endless | set(falls) if falls else set())
            if not endless:
                open_ways = list(driving)
            if not open_ways:
                return
        if endless:
            self.endless[name] = [rays[way] for way in sorted(endless)]
        elif len(driving) == 1:
            self.driven[name] = rays[driving[0]]

    def _confirmed(self, sample: Sample, ray: Ray) -> bool:
        """Tell whether the loss falls without bound in arithmetic that neither overflows nor rounds at these sizes."""
        import mpmath
        import numpy as np

        plan = self.samples.plan
        data = {name: value[:_PRECISE_ROWS] if self.study.loss.pointwise else value for name, value in sample.data.items()}
        valid = sample.valid[:_PRECISE_ROWS] if self.study.loss.pointwise else sample.valid
        if plan.cost > _PRECISE_COST or not valid.any():
            return False
        means = []
        with mpmath.workdps(_PRECISE_DIGITS):
            arithmetic = Arithmetic()
            precise = np.frompyfunc(arithmetic.number, 1, 1)
            for point in ray.points[:_PRECISE_STEPS]:
                values = self.samples.values(data, self.start | {ray.name: point})
                exact = {name: precise(np.asarray(value, dtype=float)) for name, value in values.items()}
                (loss,) = evaluate([self.study.loss], exact, arithmetic)
                elements = np.broadcast_to(np.asarray(loss, dtype=object), valid.shape)[valid]
                means.append(float(sum(elements) / len(elements)))
        return falls_endlessly(means)

    # -- what is left of the loss at the end of a ray
    def flat_at_end(self, rays: Sequence[Ray]) -> bool:
        """Tell whether the gradient by every prediction vanishes on the way, for all samples."""
        import numpy as np

        if not self.pull.roots:
            return False
        for sample in self.samples.usual:
            sizes = [max(float(np.mean(np.abs(pull))) for pull in pulls) for pulls in self.along(self.pull, sample.data, rays)]
            finite = [size for size in sizes if isfinite(size)]
            if len(finite) < len(sizes) // 2 or not finite[0] > 0 or finite[-1] > _VANISHED * finite[0]:
                return False
        return True


def falls_endlessly(heights: Sequence[float]) -> bool:
    """Tell whether values at growing powers of ten fall at a pace that does not slacken: linearly, as a power, as a logarithm."""
    known = []
    for height in heights:
        if not isfinite(height):
            if height > 0 or height != height or len(known) < 3:
                return False
            # Beyond the range of float64: what counts is how it got there.
            break
        known.append(height)
    falls = [before - after for before, after in zip(known, known[1:], strict=False)]
    if len(falls) < 3:
        return len(known) < len(heights) and len(falls) == 2 and falls[1] > falls[0] > 0
    last = falls[-3:]
    steady = all(after >= _STEADY * before > 0 for before, after in zip(last, last[1:], strict=False))
    return steady and last[-1] > _FALL * (1 + min(abs(height) for height in known))


def falls_everywhere(heights: Sequence[Any]) -> bool:
    """Tell whether every element only falls from step to step, and some of them visibly."""
    import numpy as np

    first = heights[0]
    tolerance = 1e-9 * (1 + np.abs(first))
    for before, after in zip(heights, heights[1:], strict=False):
        if not np.all(after <= before + tolerance):
            return False
    return bool(np.any(heights[-1] < first - _FALL * (1 + np.abs(first))))


# -- what is said about it
def find_trends(study: Study, trends: Trends) -> Iterator[Finding]:
    """Yield parameters that training would drive away."""
    for name, rays in trends.endless.items():
        yield study.found(
            "unbounded-below", "warning", f"the loss has no minimum in '{name}': it falls without bound as {_ways(rays)}. {_reason(study, trends, name)}",
            _remedy(study, name, rays), name,
        )  # fmt: skip
    rest = dict(trends.driven)
    for name, ray in trends.driven.items():
        if trends.flat_at_end([ray]):
            del rest[name]
            yield study.found(
                "collapses", "warning",
                f"the loss is smallest as {ray.toward()}, where it is the same whatever the prediction: training drives '{name}' there, "
                "and the model stops learning", _NORMALISE.format(name=name), name,
            )  # fmt: skip
    if len(rest) > 1 and not trends.endless and trends.flat_at_end(list(rest.values())):
        names = list(rest)
        ends = ", ".join(ray.toward() for ray in rest.values())
        yield study.found(
            "collapses", "warning",
            f"the loss is smallest as {ends} together, where it is the same whatever the prediction: training drives the parameters there, "
            "and the model stops learning", _NORMALISE.format(name=names[0]), names[0],
        )  # fmt: skip
        return
    for name, ray in rest.items():
        yield study.found(
            "runs-to-bound", "note", f"the loss only falls as {ray.toward()}: training drives '{name}' there and finds no value in between",
            f"Give '{name}' a term that holds it, a regulariser or narrower bounds, or keep it fixed: Parameter(..., trainable=False).", name,
        )  # fmt: skip


_NORMALISE = (
    "Add what holds '{name}': the normaliser if it is the scale or shape of a likelihood (such as + log(s)), a regulariser "
    "(such as - log({name})), or bounds that keep it away from there; or keep it fixed."
)


def _ways(rays: Sequence[Ray]) -> str:
    return " or ".join(ray.toward() for ray in rays) + (", depending on the data" if len(rays) > 1 else "")


def _remedy(study: Study, name: str, rays: Sequence[Ray]) -> str:
    return (
        f"Keep '{name}' in bounds (param {name} in (0, 1), or Parameter(..., bounds=(0, 1))), add the normaliser if it is the scale or "
        f"shape of a likelihood (such as + log({name})), or add a regulariser (such as + {name}**2)."
    )  # fmt: skip


def _reason(study: Study, trends: Trends, name: str) -> str:
    """Say why the loss falls, by the derivative where it is short enough to be read."""
    slope = study.slope(name)
    if slope is None:
        return ""
    facts = trends.samples.domains.facts
    found = ranges(reachable([slope]), trends.samples.domains.known, facts)
    never = found[slope.index].sign != 0
    independent = name not in study.names_below(slope)
    if expanded_size(slope) > _LONGEST_SLOPE or not _readable(slope):
        return f"Its derivative by '{name}' never changes sign." if never else ""
    text = f"dL/d{name} = {node_text(slope)}"
    if never:
        return f"{text} never changes sign{_because(study, trends, slope, facts)}."
    return f"{text} does not depend on '{name}'." if independent else f"Far out {text} keeps its sign."


def _because(study: Study, trends: Trends, slope: Node, facts: dict[int, Interval]) -> str:
    """Name the conditions on data that the sign rests on."""
    below = {node.index for node in reachable([slope])}
    parts = []
    for index, wish in trends.samples.domains.wishes.items():
        if index in below and index in facts and not any(asker.index in below for asker in wish.askers):
            parts.append(f"{describe(node_text(wish.place), wish.interval)} because of {node_text(wish.askers[0], 12)}")
    return f" ({', '.join(parts)})" if parts else ""


def _readable(node: Node) -> bool:
    """Tell whether a text is in the language: derivatives of reductions may hold the compiler's own functions."""
    own = ("sum_to", "broadcast_to", "unselect", "gather_adjoint", "sort_adjoint", "products_of_others", "logcumsumexp_adjoint", "unconcat_first", "unconcat_last")
    return not any(below.op in own for below in reachable([node]))


def describe(text: str, interval: Interval) -> str:
    """Return an interval as a condition on something, such as ``p > 0`` or ``0 < p < 1``."""
    below, above = ("<" if interval.low_open else "<="), ("<" if interval.high_open else "<=")
    if isfinite(interval.low) and isfinite(interval.high):
        return f"{interval.low:g} {below} {text} {above} {interval.high:g}"
    if isfinite(interval.low):
        return f"{text} >{below[1:]} {interval.low:g}"
    return f"{text} {above} {interval.high:g}"
