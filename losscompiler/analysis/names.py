"""Findings about names: hazards, undeclared parameters, what is declared and not used, what gets no gradient."""

from __future__ import annotations

from collections.abc import Iterator

from losscompiler.analysis.finding import Finding
from losscompiler.analysis.study import Study, differentiable
from losscompiler.graph.node import Node
from losscompiler.graph.printing import node_text

_MOST = 20
_LARGEST_DERIVED = 2_000
"""Undeclared names that are told of one by one."""


def find_names(study: Study) -> Iterator[Finding]:
    """Yield what is to be said about names."""
    yield from _hazards(study)
    yield from _implicit(study)
    yield from _unused_definitions(study)
    yield from _parameters(study)
    yield from _data(study)
    yield from _predictions(study)


def _hazards(study: Study) -> Iterator[Finding]:
    for hazard in study.given.hazards:
        yield study.found(hazard.code, "warning", hazard.message, hazard.hint, hazard.name, hazard.span)


def _implicit(study: Study) -> Iterator[Finding]:
    hazards = {hazard.name for hazard in study.given.hazards}
    names = [name for name in study.given.implicit if name not in hazards]
    for name in names[:_MOST]:
        yield study.found(
            "implicit-parameter", "warning", f"'{name}' is not declared, so it is a learnable scalar that starts at 1",
            f"Write 'param {name} = 1', with bounds if it has any ('param {name} > 0 = 1'), or declare data: 'input {name}'.", name,
        )  # fmt: skip
    if len(names) > _MOST:
        yield study.found(
            "implicit-parameter", "warning", f"{len(names) - _MOST} more names are not declared: learnable scalars that start at 1",
            f"Write 'param {names[_MOST]} = 1' and so on, or one vector: 'param {names[_MOST]}[3] = 1'.", names[_MOST],
        )  # fmt: skip


def _unused_definitions(study: Study) -> Iterator[Finding]:
    for name in study.given.unused_definitions:
        yield study.found("unused-definition", "warning", f"'{name}' is defined but not used", "Use it, or delete its line.", name)


def _parameters(study: Study) -> Iterator[Finding]:
    stopped = [name for name in study.parameters if name in study.symbols and name not in study.reached]
    for name in study.parameters:
        if name in stopped[_MOST:]:
            continue
        if name not in study.symbols:
            yield study.found(
                "no-effect", "warning", f"the parameter '{name}' is declared, but the loss does not depend on it",
                "Use it, or delete its declaration.", name,
            )  # fmt: skip
        elif name not in study.reached:
            yield study.found(
                "no-effect", "warning", f"no gradient reaches the parameter '{name}': it stands only {_where_it_stops(study, name)}",
                f"Training would leave '{name}' as it is; use a smooth function of it, or give it as a constant.", name,
            )  # fmt: skip
        elif len(study.nodes) <= _LARGEST_DERIVED and _is_zero(study.slope(name)):
            yield study.found(
                "no-effect", "warning", f"the parameter '{name}' has no effect: the derivative of the loss by it is 0 everywhere",
                "Terms such as 0*a or a - a cancel it; use it, or delete it.", name,
            )  # fmt: skip
    if len(stopped) > _MOST:
        yield study.found(
            "no-effect",
            "warning",
            f"no gradient reaches {len(stopped) - _MOST} more parameters",
            "Use smooth functions of them.",
            stopped[_MOST],
        )


def _is_zero(node: Node | None) -> bool:
    """Tell whether a derivative is 0 as it is written, such as 0*p."""
    while node is not None and node.op in ("neg", "mul", "div", "sum_to", "broadcast_to", "sum", "mean"):
        if node.op == "mul" and node.args[1].is_number(0):
            return True
        node = node.args[0]
    return node is not None and node.is_number(0)


def _where_it_stops(study: Study, name: str) -> str:
    """Say which functions keep gradients from a symbol."""
    below = {study.symbols[name].index}
    stops: dict[str, Node] = {}
    for node in study.nodes:
        passes = differentiable(node) if node.args else ()
        for arg, passing in zip(node.args, passes, strict=True):
            if arg.index in below:
                if passing:
                    below.add(node.index)
                else:
                    stops.setdefault(node.op, node)
    shown = [f"inside {node_text(node, 12)}" for node in list(stops.values())[:3]]
    return f"{' and '.join(shown)}, where no gradient passes"


def _data(study: Study) -> Iterator[Finding]:
    dimensions = {length for parameter in study.parameters.values() for length in parameter.shape}
    for role, names in (("target", study.given.targets), ("prediction", study.given.predictions), ("input", study.given.inputs)):
        for name in names:
            if name not in study.symbols and name not in dimensions:
                yield study.found(
                    "unused-data", "warning", f"the {role} '{name}' is declared, but the loss does not depend on it",
                    "Use it, or delete its declaration.", name,
                )  # fmt: skip


def _predictions(study: Study) -> Iterator[Finding]:
    if not study.learning:
        names = study.given.predictions
        seen = f"no gradient reaches {' or '.join(repr(name) for name in names)}" if names else "the loss has no prediction"
        hint = "The default name of a prediction is p or y_pred; declare others: 'prediction q'." if not names else (
            "Gradients do not pass comparisons, floor, round, argmax, one_hot and stop_gradient; use a smooth function of the prediction."
        )  # fmt: skip
        message = f"{seen}, so a model trained with this loss would not learn"
        yield study.found("no-prediction", "warning", message, hint, names[0] if names else "", study.given.loss.span)
        return
    for name in study.given.predictions:
        if name in study.symbols and name not in study.reached:
            yield study.found(
                "unused-data", "note", f"no gradient reaches the prediction '{name}': it stands only {_where_it_stops(study, name)}",
                f"If that is meant, declare 'input {name}'.", name,
            )  # fmt: skip
