"""Where training starts: initial values on a bound, without a finite loss, or without a gradient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from losscompiler.analysis.domain_findings import number
from losscompiler.analysis.finding import Finding
from losscompiler.analysis.floats import Plan
from losscompiler.analysis.samples import KINDS, Sample, Samples
from losscompiler.analysis.study import Study
from losscompiler.graph.node import Node
from losscompiler.graph.parameter import Parameter, flat
from losscompiler.graph.precise import Arithmetic, evaluate

_DIGITS, _PRECISE_ROWS = 30, 4
_NOTHING = 1e-12
_PRECISE_SHARE = 300


def find_on_bounds(study: Study) -> Iterator[Finding]:
    """Yield initial values that lie on a closed bound."""
    for name, parameter in study.parameters.items():
        ends = [end for end in parameter.bounds if end is not None and end in flat(parameter.init)]
        if parameter.trainable and ends:
            yield study.found(
                "initial-on-bound", "note",
                f"the initial value of '{name}' is its bound {number(ends[0])}; training starts inside, 0.1 % of the range away",
                f"Start inside, such as at {number(_inside(parameter))}, or keep it fixed (trainable=False) if the bound is meant.", name,
            )  # fmt: skip


def _inside(parameter: Parameter) -> float:
    lower, upper = parameter.bounds
    if lower is not None and upper is not None:
        return (lower + upper) / 2
    return lower + 1 if lower is not None else (upper or 0.0) - 1


def find_starts(study: Study, samples: Samples) -> Iterator[Finding]:
    """Yield initial values at which training cannot begin."""
    if samples.shape is None:
        return
    slopes = {name: node for name in (*study.learning, *study.trained) if (node := _slope(study, name)) is not None}
    plan = Plan([study.loss, *slopes.values()])
    start = {name: samples.start(name) for name in study.parameters}
    undefined = _undefined(study, samples, plan, list(slopes), start)
    if undefined is not None:
        yield undefined
        return
    yield from _still(study, samples, plan, list(slopes), start)


def _slope(study: Study, name: str) -> Node | None:
    """Return a derivative, element by element where the loss is elementwise, so that NaN in one row stays there."""
    return (study.gradients.local if study.loss.pointwise else study.gradients.by_name)[name]


def _every_kind(samples: Samples, rows: int | None = None) -> Iterator[Sample]:
    """Yield data of every kind, whether the loss is finite there or not."""
    import numpy as np

    for kind in KINDS:
        data = samples.data(kind, 0, rows)
        try:
            (loss,) = samples.plan.values(samples.values(data, samples.nearby(0)))
        except (ValueError, IndexError, OverflowError):
            continue
        yield Sample(kind, data, np.ones(loss.shape, dtype=bool))


# -- no finite value
def _undefined(study: Study, samples: Samples, plan: Plan, names: list[str], start: Mapping[str, Any]) -> Finding | None:
    """Return what has no finite value at the start for any data: the loss itself (the first root), or a gradient."""
    import numpy as np

    never = set(range(len(plan.roots)))
    tried = False
    for sample in _every_kind(samples):
        if not samples.spend(plan.cost):
            return None
        tried = True
        roots = samples.evaluated(plan, sample, start)
        never -= {position for position, value in enumerate(roots) if np.isfinite(value).any()}
        if not never:
            return None
    if not tried or not _confirmed(study, samples, plan, min(never), start):
        return None
    what = "the loss" if 0 in never else f"the gradient by '{names[min(never) - 1]}'"
    return _said(study, samples, plan, min(never), what, start)


def _confirmed(study: Study, samples: Samples, plan: Plan, position: int, start: Mapping[str, Any]) -> bool:
    """Tell whether a root is not finite in arithmetic that does not overflow either."""
    import mpmath
    import numpy as np

    if not samples.spend(_PRECISE_SHARE * plan.cost):
        return False
    with mpmath.workdps(_DIGITS):
        arithmetic = Arithmetic()
        precise = np.frompyfunc(arithmetic.number, 1, 1)
        for sample in _every_kind(samples, _PRECISE_ROWS if study.loss.pointwise else None):
            values = samples.values(sample.data, start, sample.valid.shape)
            try:
                (value,) = evaluate([plan.roots[position]], {k: precise(np.asarray(v, dtype=float)) for k, v in values.items()}, arithmetic)
            except (ValueError, IndexError, OverflowError):
                continue
            if any(mpmath.isfinite(element) for element in np.asarray(value, dtype=object).reshape(-1)):
                return False
    return True


def _said(study: Study, samples: Samples, plan: Plan, position: int, what: str, start: Mapping[str, Any]) -> Finding:
    """Return the finding, with the parameters whose other values help."""
    import numpy as np

    helpful = []
    for name in study.trained:
        moved = dict(start) | {name: samples.nearby(1)[name]}
        if any(np.isfinite(samples.evaluated(plan, sample, moved)[position]).any() for sample in _every_kind(samples)):
            helpful.append(name)
    if not helpful:
        return study.found(
            "undefined-start", "warning", f"{what} has no finite value for any data that was tried",
            "Check the domains of its functions, such as the sign of what stands inside log and sqrt.", "", study.given.loss.span,
        )  # fmt: skip
    name = helpful[0]
    begins = f"{name} = {number(flat(study.parameters[name].init)[0])}"
    return study.found(
        "undefined-start", "warning", f"{what}, as written, has no finite value at the initial value {begins}, whatever the data",
        f"Start elsewhere, such as at {name} = {number(round(float(np.reshape(samples.nearby(1)[name], -1)[0]), 2))}.", name,
    )  # fmt: skip


# -- no gradient
def _still(study: Study, samples: Samples, plan: Plan, names: list[str], start: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield parameters whose gradient is 0 at the start for all data, and is not 0 nearby."""
    import numpy as np

    still = {name for name in names if name in study.trained}
    moving: set[str] = set()
    for seed, sample in enumerate((*samples.usual, *_wide(samples))):
        if not still or not samples.spend(2 * plan.cost):
            break
        here = dict(zip(names, samples.evaluated(plan, sample, start)[1:], strict=True))
        near = dict(zip(names, samples.evaluated(plan, sample, samples.nearby(seed))[1:], strict=True))
        for name in list(still):
            size = _size(near[name])
            if not _size(here[name]) <= _NOTHING * size:
                still.discard(name)
            elif size > 0:
                moving.add(name)
    for name in sorted(still & moving):
        value = flat(study.parameters[name].init)[0]
        yield study.found(
            "vanishing-gradient", "warning",
            f"the gradient by '{name}' is 0 at its initial value {number(value)}, whatever the data: gradient descent never moves it",
            f"Start elsewhere, such as at {name} = {number(round(float(np.reshape(samples.nearby(1)[name], -1)[0]), 2))}.", name,
        )  # fmt: skip


def _size(values: Any) -> float:
    """Return the largest finite size of some values."""
    import numpy as np

    sizes = np.abs(values)
    return float(np.max(sizes, where=np.isfinite(sizes), initial=0.0))


def _wide(samples: Samples) -> Iterator[Sample]:
    """Yield data of a much larger range, on which what is flat only near 0 shows a slope."""
    import numpy as np

    data = samples.data("wide", 0)
    try:
        (loss,) = samples.plan.values(samples.values(data, samples.nearby(0)))
    except (ValueError, IndexError, OverflowError):
        return
    yield Sample("wide", data, np.isfinite(loss))
