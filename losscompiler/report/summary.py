"""`summary`: the loss, its names, its derivatives and what is wrong with it, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from losscompiler.graph.parameter import Parameter

if TYPE_CHECKING:
    from losscompiler.analysis import Finding
    from losscompiler.pipeline import Stages


_MOST_SHOWN = 24


def indented(text: str, width: int = 2) -> str:
    """Return a text with every line moved to the right."""
    return "\n".join(" " * width + line if line else "" for line in text.splitlines())


def describe_parameter(name: str, parameter: Parameter) -> str:
    """Return a parameter's facts as one line."""
    shape = f"[{', '.join(map(str, parameter.shape))}]" if parameter.shape else ""
    text = f"{name}{shape} = {parameter.init:g}" if isinstance(parameter.init, float) else f"{name}{shape} = {list(parameter.init)}"
    if parameter.bounded:
        text += f" in {parameter.interval()}"
    return text if parameter.trainable else f"{text}, fixed"


def roles(stages: Stages) -> str:
    """Return which names are data and which are learned."""
    graph = stages.graph
    lines = [
        f"{label:<12}{', '.join(names)}"
        for label, names in (("targets", graph.targets), ("predictions", graph.predictions), ("inputs", graph.inputs))
        if names
    ]
    described = [describe_parameter(name, parameter) for name, parameter in graph.parameters.items()]
    lines += [f"{'parameters' if position == 0 else '':<12}{text}" for position, text in enumerate(described)]
    return "\n".join(lines)


def derivatives(stages: Stages) -> str:
    """Return each first derivative as one line; of very many, the first."""
    names = stages.graph.variables
    lines = [f"d/d{name} = {stages.derivatives.text(name)}" for name in names[:_MOST_SHOWN]]
    return "\n".join([*lines, f"... and {len(names) - _MOST_SHOWN} more"] if len(names) > _MOST_SHOWN else lines)


def findings_text(findings: Sequence[Finding]) -> str:
    """Return findings one below the other, each with its severity."""
    return "\n\n".join(f"{finding.severity}: {finding}" for finding in findings)


def summary(stages: Stages, findings: Sequence[Finding]) -> str:
    """Return the loss, its names, derivatives and findings as text."""
    blocks = [f"loss\n{indented(stages.text.strip())}", f"names\n{indented(roles(stages))}"]
    if stages.graph.variables:
        blocks.append(f"derivatives\n{indented(derivatives(stages))}")
    if findings:
        blocks.append(f"findings\n{indented(findings_text(findings))}")
    return "\n\n".join(blocks)
