"""`Finding`: something about a legal loss that its author would want to know before training, and the table of codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from losscompiler.source import Source, Span

Severity = Literal["warning", "note"]

FINDING_CODES: dict[str, str] = {
    "name-hazard": "a name that may not mean what its author thinks: Euler's number, a function without a call, a look-alike",
    "implicit-parameter": "an undeclared name became a learnable scalar that starts at 1",
    "unused-definition": "a definition that nothing uses",
    "no-effect": "a parameter that gets no gradient: it is not used, or only where no gradient passes",
    "unused-data": "declared data that the loss does not use, or a prediction that gets no gradient",
    "no-prediction": "no prediction gets a gradient from the loss, so that a model would not learn",
    "unbounded-below": "the loss falls without bound in a parameter: training drives the parameter away and the loss to -inf",
    "collapses": "the best value of a parameter makes the loss the same whatever the predictions",
    "runs-to-bound": "whatever the data, training drives a parameter to one end of its range",
    "redundant": "only a combination of several parameters is determined",
    "domain": "an argument can leave the range in which a function has a real, finite value",
    "undefined-start": "the loss or a gradient is not finite at the initial values, whatever the data",
    "vanishing-gradient": "a parameter's gradient is 0 at its initial value, whatever the data, so that it never moves",
    "initial-on-bound": "an initial value lies on a bound; training starts just inside",
    "kink": "the derivative jumps, and which value is used there is a convention",
    "convex": "the loss is convex in a prediction",
}
"""Codes of findings, with what each means."""


@dataclass(frozen=True)
class Finding:
    """Something that was found in a legal loss.

    Attributes:
        code: key of `FINDING_CODES`.
        severity: "warning" if training will probably not do what is wanted, "note" otherwise.
        message: what was found.
        hint: what to do, or an empty string.
        symbol: the parameter, data or definition that it is about; empty if it is about the whole loss.
        span: character offsets in the text.
        lineno, offset: the place as line and column, counted from 1.
        excerpt: the line with carets under the place.
    """

    code: str
    severity: Severity
    message: str
    hint: str
    symbol: str
    span: Span
    lineno: int
    offset: int
    excerpt: str

    def __str__(self) -> str:
        return "\n".join(part for part in (self.message, self.excerpt, self.hint) if part)


def finding(code: str, severity: Severity, message: str, hint: str, symbol: str, source: Source, span: Span) -> Finding:
    """Return a finding at a place of a source; an empty text, as of a loss given as a graph, has no excerpt."""
    if code not in FINDING_CODES:
        raise ValueError(f"undocumented finding code {code!r}")
    lineno, offset = source.position(span.start)
    return Finding(code, severity, message, hint, symbol, span, lineno, offset, source.excerpt(span) if source.text else "")
