"""Parameters of which only a combination is determined: the rank of their gradients over many data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from losscompiler.analysis.finding import Finding
from losscompiler.analysis.floats import Plan
from losscompiler.analysis.samples import KINDS, Sample, Samples
from losscompiler.analysis.study import Study

_POINTS = 3
_ZERO, _GAP = 1e-10, 1e4
"""Singular values below the first share of the largest one are 0 if a gap of the second size lies above them.

Gradients in float64 are good to about 1e-13. Without a gap small singular values tell of parameters that are hard to tell
apart (the coefficients of high powers), not of redundant ones.
"""

_EXACT = 1e-6
_LARGEST_NUMBER = 9
_MOST_ELEMENTS = 24


def find_redundant(study: Study, samples: Samples) -> Iterator[Finding]:
    """Yield groups of parameters along which the loss is constant.

    At a point the gradients of many data span the directions that the loss can tell apart; a direction orthogonal to all
    of them changes nothing. It must be there at every point tried.
    """
    import numpy as np

    plan = Plan([node for name in study.trained if (node := study.gradients.by_name[name]) is not None])
    elements = [(name, position) for name in study.trained for position in range(samples.start(name).size)]
    if not 2 <= len(elements) <= _MOST_ELEMENTS or samples.shape is None:
        return
    points, gaps = [], []
    for seed in range(1, _POINTS + 1):
        point = samples.nearby(seed)
        rows = list(_gradients(samples, plan, point, 3 * len(elements) + 4))
        if len(rows) < len(elements) + 2:
            return
        points.append(np.concatenate([np.reshape(point[name], -1) for name in study.trained]))
        gaps.append(_null_space(np.asarray(rows)))
    for group in _groups(gaps):
        yield _said(study, [elements[position] for position in group], [point[group] for point in points], [gap[:, group] for gap in gaps])


def _gradients(samples: Samples, plan: Plan, point: dict[str, Any], wanted: int) -> Iterator[Any]:
    """Yield finite gradients by all parameters, each of a small batch of its own."""
    import numpy as np

    rows = 2 if samples.study.loss.pointwise else None
    found = 0
    for seed in range(100, 100 + 2 * wanted):
        if found >= wanted or not samples.spend(plan.cost):
            return
        kind = KINDS[seed % len(KINDS)]
        data = samples.data(kind, seed, rows)
        try:
            (loss,) = samples.plan.values(samples.values(data, point))
        except (ValueError, IndexError, OverflowError):
            continue
        parts = samples.evaluated(plan, Sample(kind, data, np.ones(loss.shape, dtype=bool)), point)
        shapes = [np.shape(point[name]) for name in samples.study.trained]
        row = np.concatenate([np.reshape(np.broadcast_to(part, shape), -1) for part, shape in zip(parts, shapes, strict=True)])
        if np.isfinite(row).all():
            found += 1
            yield row


def _null_space(rows: Any) -> Any:
    """Return an orthonormal basis of the directions that no gradient sees, in units in which every parameter matters alike."""
    import numpy as np

    scale = np.max(np.abs(rows), axis=0)
    seen = np.count_nonzero(rows, axis=0)
    # What has almost no gradients is not combined with anything; that is another finding.
    usable = seen >= rows.shape[1] + 2
    scaled = np.where(usable, rows / np.where(scale > 0, scale, 1), 0.0)
    _, sizes, directions = np.linalg.svd(scaled[:, usable], full_matrices=True)
    rank = int(np.count_nonzero(sizes > _ZERO * sizes.max(initial=0.0)))
    if 0 < rank < len(sizes) and sizes[rank - 1] < _GAP * sizes[rank]:
        rank = len(sizes)
    basis = np.zeros((int(usable.sum()) - rank, rows.shape[1]))
    basis[:, usable] = directions[rank:] / scale[usable]
    return basis


def _groups(gaps: Sequence[Any]) -> Iterator[list[int]]:
    """Yield sets of parameters that null directions connect, at every point."""
    import numpy as np

    if any(len(gap) == 0 for gap in gaps):
        return
    count = gaps[0].shape[1]
    linked = np.ones((count, count), dtype=bool)
    for gap in gaps:
        basis = np.linalg.qr(gap.T)[0]
        weights = basis @ basis.T
        linked &= np.abs(weights) > _EXACT
    left = set(range(count))
    while left:
        group, stack = set(), [min(left)]
        while stack:
            here = stack.pop()
            if here not in group:
                group.add(here)
                stack.extend(int(other) for other in np.flatnonzero(linked[here]))
        left -= group
        if len(group) > 1:
            yield sorted(group)


def _said(study: Study, group: list[tuple[str, int]], points: list[Any], gaps: list[Any]) -> Finding:
    names = list(dict.fromkeys(name for name, _ in group))
    labels = [name if study.parameters[name].shape == () else f"{name}[{position}]" for name, position in group]
    combination = _combination(labels, points, gaps)
    quoted = " and ".join([", ".join(f"'{name}'" for name in names[:-1]), f"'{names[-1]}'"]) if len(names) > 1 else f"'{names[0]}'"
    if len(names) == 1:
        message = f"the elements of {quoted} are redundant: the loss does not change along some direction in which they move together"
        hint = f"Fix one element of {quoted}, or add a regulariser."
    else:
        only = f"only {combination} is determined" if combination else "only a combination of them is determined"
        message = f"the parameters {quoted} are redundant: {only}, and training leaves the rest to chance"
        place = f" in place of {combination}" if combination else ""
        hint = f"Keep one of them fixed, or write the combination as one parameter{place}."
    return study.found("redundant", "warning", message, hint, names[-1])


def _combination(labels: list[str], points: list[Any], gaps: list[Any]) -> str:
    """Return the combination that stays the same along all null directions, if it is a product or sum of simple powers or multiples."""
    import numpy as np

    # Along a direction d a product of powers c keeps sum(c*d/x), a sum with coefficients c keeps sum(c*d).
    for relative in (True, False):
        if relative and any(np.any(point == 0) for point in points):
            continue
        kept = [_kept(gap / point if relative else gap) for gap, point in zip(gaps, points, strict=True)]
        if all(one is not None and np.allclose(one, kept[0], atol=_EXACT) for one in kept):
            return _product(labels, kept[0]) if relative else _sum(labels, kept[0])
    return ""


def _kept(directions: Any) -> Any:
    """Return the small whole numbers whose products with every direction add to 0; ``None`` if they are not unique and small."""
    import numpy as np

    count = directions.shape[1]
    _, sizes, basis = np.linalg.svd(directions, full_matrices=True)
    if np.count_nonzero(sizes > _EXACT * sizes.max(initial=1e-300)) != count - 1:
        return None
    numbers = basis[-1]
    if np.any(np.abs(numbers) < _EXACT):
        return None
    numbers = numbers / np.min(np.abs(numbers)) * np.sign(numbers[0])
    whole = np.round(numbers)
    return whole if np.allclose(whole, numbers, atol=_EXACT) and np.max(np.abs(whole)) <= _LARGEST_NUMBER else None


def _product(labels: list[str], powers: Any) -> str:
    def factor(label: str, power: float) -> str:
        return label if power == 1 else f"{label}**{power:g}"

    above = "*".join(factor(label, power) for label, power in zip(labels, powers, strict=True) if power > 0)
    below = [factor(label, -power) for label, power in zip(labels, powers, strict=True) if power < 0]
    return f"{above}/{below[0]}" if len(below) == 1 else f"{above}/({'*'.join(below)})" if below else above


def _sum(labels: list[str], coefficients: Any) -> str:
    text = ""
    for label, coefficient in zip(labels, coefficients, strict=True):
        term = label if abs(coefficient) == 1 else f"{abs(coefficient):g}*{label}"
        text += (" + " if coefficient > 0 else " - ") * bool(text) + term
    return text
