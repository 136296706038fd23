"""What the tests of findings share."""

from __future__ import annotations

from losscompiler.analysis import Finding, find
from losscompiler.graph.build import Interface, build
from losscompiler.graph.parameter import Parameter
from losscompiler.syntax import parse


def found(formula: str, code: str = "", params: dict[str, Parameter] | None = None, **options) -> list[Finding]:
    """Return the findings of a formula, those of one code if it is given."""
    findings = find(build(parse(formula), Interface(parameters=params, **options)))
    return [finding for finding in findings if code in ("", finding.code)]


def symbols(formula: str, code: str, **options) -> set[str]:
    """Return what findings of a code are about."""
    return {finding.symbol for finding in found(formula, code, **options)}


def warned(formula: str, **options) -> set[str]:
    """Return the codes of warnings."""
    return {finding.code for finding in found(formula, **options) if finding.severity == "warning"}
