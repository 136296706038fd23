"""`explain`: what every stage made of the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from losscompiler.graph.node import Node, operations, reachable
from losscompiler.report.summary import derivatives, findings_text, indented, roles
from losscompiler.syntax import print_formula

if TYPE_CHECKING:
    from losscompiler.analysis import Finding
    from losscompiler.pipeline import Stages

_MOST_LINES = 60


def graph_text(root: Node) -> str:
    """Return a graph as numbered operations, one a line; each distinct subexpression stands once."""
    lines = [repr(node) for node in reachable([root]) if node.args]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"... and {len(lines) - _MOST_LINES} more"]
    return "\n".join(lines) or repr(root)


def explain(stages: Stages, findings: Sequence[Finding]) -> str:
    """Return every stage of a compilation as text."""
    stable, program = stages.stable, stages.program
    rules = [f"{rule.name}: {rule.pattern} -> {rule.replacement} ({rule.source})" for rule, _ in stages.changes]
    precision = "in float64, since it loses digits in float32" if program.wide else "in the dtype of the data"
    cost = (
        f"computed {precision}; value {program.value_operations} operations, value and all gradients {program.total_operations}"
        f" ({program.total_operations / max(1, program.value_operations):.1f} times)"
    )
    if stages.row_program is not None:
        cost += f"\nvalue_and_pullback_of_rows runs where {' and '.join(stages.row_program.names)} has length 1 along the last axis"
    source = stages.generated.text
    body = source[source.index("def value_and_pullback(") : source.index("def value(")].rstrip()
    blocks = [
        ("1. text, as parsed", print_formula(stages.formula)),
        ("2. tree", stages.formula.dump()),
        ("3. names", roles(stages)),
        (f"4. graph, {operations([stages.graph.loss])} operations", graph_text(stages.graph.loss)),
        ("5. rewrite rules that fired", "\n".join(dict.fromkeys(rules)) or "none"),
        (f"6. graph that is differentiated, {operations([stable.loss])} operations", graph_text(stable.loss)),
        ("7. derivatives", derivatives(stages) or "none: the loss has neither predictions nor parameters"),
        ("8. program", f"{cost}\n\n{body}"),
        ("9. findings", findings_text(findings) or "none"),
    ]
    return "\n\n".join(f"{title}\n{indented(text)}" for title, text in blocks)
