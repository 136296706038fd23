"""What is said about parameters that training would drive away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

from losscompiler.analysis.domain_findings import describe
from losscompiler.analysis.finding import Finding
from losscompiler.analysis.interval import Interval
from losscompiler.analysis.ranges import ranges
from losscompiler.analysis.study import Study
from losscompiler.analysis.trends import Fall, Ray, Trends
from losscompiler.graph.node import Node, reachable
from losscompiler.graph.printing import expanded_size, in_language, node_text

_LONGEST_SLOPE = 30
"""Operands and operations of the longest derivative that a message shows."""


def find_drifts(study: Study, trends: Trends) -> Iterator[Finding]:
    """Yield parameters that training would drive away."""
    for name, fall in trends.endless.items():
        reason = _reason(study, trends, name)
        message = f"the loss has no minimum in '{name}': it falls without bound as {_ways(fall)}{reason}"
        yield study.found("unbounded-below", "warning", message, _bound(name, fall.rays), name)
    rest = dict(trends.driven)
    for name, ray in trends.driven.items():
        if trends.flat_at_end([ray]):
            del rest[name]
            yield _collapse(study, trends, [ray])
    if len(rest) > 1 and not trends.endless and trends.flat_at_end(list(rest.values())):
        yield _collapse(study, trends, list(rest.values()))
        return
    for name, ray in rest.items():
        yield study.found(
            "runs-to-bound", "note", f"the loss only falls as {ray.toward()}: training drives '{name}' there and finds no value in between",
            f"Give '{name}' a term that holds it, or narrower bounds, or keep it fixed (trainable=False).", name,
        )  # fmt: skip


def _ways(fall: Fall) -> str:
    return " or ".join(ray.toward() for ray in fall.rays) + (", depending on the data" if fall.by_data else "")


def _bound(name: str, rays: Sequence[Ray]) -> str:
    """Say how an endless fall is stopped."""
    end = rays[0].end
    if isfinite(end):
        return (
            f"Keep '{name}' away from {end:g} by bounds, or add the term that rises there, as the squared error divided by s**2 does "
            "beside log(s)."
        )  # fmt: skip
    return (
        f"Give '{name}' bounds (such as 'param {name} in (0, 1)'), the normaliser if it is the scale or shape of a likelihood "
        f"(such as + log(s) for a scale s), or a regulariser (such as + 0.1*{name}**2)."
    )  # fmt: skip


def _collapse(study: Study, trends: Trends, rays: Sequence[Ray]) -> Finding:
    ends = ", ".join(ray.toward() for ray in rays)
    together = " together" if len(rays) > 1 else ""
    what = "them" if len(rays) > 1 else f"'{rays[0].name}'"
    message = (
        f"the loss is smallest as {ends}{together}, where it is the same whatever the prediction: "
        f"training drives {what} there, and the model stops learning"
    )  # fmt: skip
    holds = " ".join(_opposing(trends, ray) for ray in rays[:4])
    normaliser = "in a likelihood: its normaliser, as + log(s) for a scale s"
    hint = f"Add what holds {what}, such as {holds} ({normaliser}), or set bounds, or keep {what} fixed."
    return study.found("collapses", "warning", message, hint, rays[0].name)


def _opposing(trends: Trends, ray: Ray) -> str:
    """Return a term that rises towards the end of a ray."""
    span = trends.samples.span(ray.name)
    if isfinite(ray.end):
        distance = ray.name if ray.end == 0 else f"({ray.name} - {ray.end:g})" if ray.direction < 0 else f"({ray.end:g} - {ray.name})"
        return f"- log{distance}" if distance[0] == "(" else f"- log({distance})"
    if span.low >= 0:
        # Not + log(...): a loss that is bounded at the other end would then fall without bound there.
        return f"+ 0.1*{ray.name}"
    return f"{'+' if ray.direction > 0 else '-'} {ray.name}"


def _reason(study: Study, trends: Trends, name: str) -> str:
    """Say why the loss falls, by the derivative where it is short enough to be read."""
    slope = study.slope(name)
    assert slope is not None
    facts = trends.samples.domains.facts
    found = ranges(reachable([slope]), trends.samples.domains.known, facts)
    never = found[slope.index].sign != 0
    independent = name not in study.names_below(slope)
    if expanded_size(slope) > _LONGEST_SLOPE or not in_language(slope):
        return f", since its derivative by '{name}' never changes sign" if never else ""
    text = f"dL/d{name} = {node_text(slope)}"
    if never:
        return f", since {text} never changes sign{_because(trends, slope, facts)}"
    return f", since {text} does not depend on '{name}'" if independent else f" ({text})"


def _because(trends: Trends, slope: Node, facts: dict[int, Interval]) -> str:
    """Name the conditions on data that the sign rests on."""
    below = {node.index for node in reachable([slope])}
    parts = []
    for index, wish in trends.samples.domains.wishes.items():
        if index in below and index in facts and not any(asker.index in below for asker in wish.askers):
            parts.append(f"{describe(node_text(wish.place), wish.interval)} because of {node_text(wish.askers[0], 12)}")
    return f" ({', '.join(parts)})" if parts else ""
