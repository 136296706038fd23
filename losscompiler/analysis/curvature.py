"""Convexity: which expressions are convex in a prediction, shown by the rules of composition or by the second derivative.

Rules: Boyd & Vandenberghe, Convex Optimization, 2004, section 3.2; Grant, Boyd & Ye, Disciplined Convex Programming, 2006.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum

from losscompiler.analysis.domain_findings import describe
from losscompiler.analysis.domains import Domains
from losscompiler.analysis.finding import Finding
from losscompiler.analysis.interval import Interval
from losscompiler.analysis.ranges import ranges
from losscompiler.analysis.study import Study
from losscompiler.derivative import gradients
from losscompiler.functions import FUNCTIONS
from losscompiler.graph.node import Node, reachable
from losscompiler.graph.printing import node_text

_LARGEST_SLOPE = 150
_LINEAR = (
    "sum", "mean", "cumsum", "select", "range", "transpose", "broadcast_to", "sum_to", "flip", "diag", "triu", "tril", "gather", "vector",
    "concat",
)  # fmt: skip


class Curve(Enum):
    """How a value depends on the prediction."""

    CONSTANT = "constant"
    AFFINE = "affine"
    CONVEX = "convex"
    CONCAVE = "concave"
    UNKNOWN = "unknown"

    @property
    def convex(self) -> bool:
        """Whether the value is convex, affine and constant ones included."""
        return self in (Curve.CONSTANT, Curve.AFFINE, Curve.CONVEX)

    @property
    def concave(self) -> bool:
        """Whether the value is concave, affine and constant ones included."""
        return self in (Curve.CONSTANT, Curve.AFFINE, Curve.CONCAVE)

    @property
    def flipped(self) -> Curve:
        """The curve of the negative."""
        return {Curve.CONVEX: Curve.CONCAVE, Curve.CONCAVE: Curve.CONVEX}.get(self, self)


def find_convex(study: Study, domains: Domains) -> Iterator[Finding]:
    """Yield the predictions in which the loss is convex."""
    known = {name: domains.span_of(name) for name in study.symbols}
    found = ranges(study.nodes, known, domains.facts)
    for name in study.learning:
        curve = curve_of(study, name, found)
        if curve is Curve.UNKNOWN and _bends_upward(study, name, known, domains):
            curve = Curve.CONVEX
        if curve is Curve.CONVEX:
            asked = [describe(node_text(wish.place), wish.interval) for wish in domains.wishes.values() if wish.name == name]
            where = f" where {' and '.join(asked)}" if asked else ""
            yield study.found(
                "convex", "note",
                f"the loss is convex in '{name}'{where}: for given data and parameters every minimum over '{name}' is a global one",
                "", name, study.given.loss.span,
            )  # fmt: skip


def curve_of(study: Study, name: str, found: Mapping[int, Interval]) -> Curve:
    """Return how the loss depends on a symbol, as far as the rules of composition tell."""
    curves: dict[int, Curve] = {}
    for node in study.nodes:
        if node.op == "symbol":
            curves[node.index] = Curve.AFFINE if node.name == name else Curve.CONSTANT
            continue
        args = [curves[arg.index] for arg in node.args]
        if all(arg is Curve.CONSTANT for arg in args):
            curves[node.index] = Curve.CONSTANT
        elif Curve.UNKNOWN in args:
            curves[node.index] = Curve.UNKNOWN
        else:
            rule = _RULES.get(node.op)
            curves[node.index] = rule(node, args, [found[arg.index] for arg in node.args]) if rule is not None else Curve.UNKNOWN
    return curves[study.loss.index]


def _bends_upward(study: Study, name: str, known: Mapping[str, Interval], domains: Domains) -> bool:
    """Tell whether the second derivative is shown never to be negative, for a loss without kinks and choices."""
    slope = study.gradients.local[name] if study.loss.pointwise else None
    if slope is None or len(reachable([slope])) > _LARGEST_SLOPE:
        return False
    if any(FUNCTIONS[node.op].kink or node.op in ("where", "stop_gradient") for node in study.nodes if node.args):
        return False
    second = gradients(study.graph, slope, [name]).local[name]
    return second is not None and ranges(reachable([second]), known, domains.facts)[second.index].sign > 0


# -- rules
Rule = Callable[[Node, list[Curve], list[Interval]], Curve]


def _together(curves: list[Curve]) -> Curve:
    """Return the curve of a sum, or of values side by side."""
    if all(curve in (Curve.CONSTANT, Curve.AFFINE) for curve in curves):
        return Curve.AFFINE
    if all(curve.convex for curve in curves):
        return Curve.CONVEX
    return Curve.CONCAVE if all(curve.concave for curve in curves) else Curve.UNKNOWN


def _scaled(curve: Curve, factor: Interval) -> Curve:
    if curve in (Curve.AFFINE, Curve.CONSTANT) or factor.sign > 0:
        return curve
    return curve.flipped if factor.sign < 0 else Curve.UNKNOWN


def _mul(node: Node, curves: list[Curve], spans: list[Interval]) -> Curve:
    if node.args[0] is node.args[1]:
        return _squared(curves[0], spans[0])
    for position in (0, 1):
        if curves[position] is Curve.CONSTANT:
            return _scaled(curves[1 - position], spans[position])
    return Curve.UNKNOWN


def _squared(curve: Curve, span: Interval) -> Curve:
    if curve is Curve.AFFINE or (curve is Curve.CONVEX and span.low >= 0) or (curve is Curve.CONCAVE and span.high <= 0):
        return Curve.CONVEX
    return Curve.UNKNOWN


def _div(node: Node, curves: list[Curve], spans: list[Interval]) -> Curve:
    if curves[1] is Curve.CONSTANT:
        return _scaled(curves[0], spans[1])
    if curves[0] is Curve.CONSTANT and curves[1].concave and spans[1].positive:
        return _scaled(Curve.CONVEX, spans[0])
    return Curve.UNKNOWN


def _pow(node: Node, curves: list[Curve], spans: list[Interval]) -> Curve:
    (base, exponent), (span, power) = curves, spans
    if exponent is not Curve.CONSTANT:
        return Curve.UNKNOWN
    if power.low == power.high and power.low % 2 == 0 and power.low > 0:
        return _squared(base, span)
    if power.low >= 1 and span.low >= 0 and base.convex:
        return Curve.CONVEX
    if power.low >= 0 and power.high <= 1 and span.low >= 0 and base.concave:
        return Curve.CONCAVE
    return Curve.CONVEX if power.high < 0 and span.positive and base.concave else Curve.UNKNOWN


def _rising_convex(node: Node, curves: list[Curve], spans: list[Interval]) -> Curve:
    return Curve.CONVEX if all(curve.convex for curve in curves) else Curve.UNKNOWN


def _rising_concave(node: Node, curves: list[Curve], spans: list[Interval]) -> Curve:
    return Curve.CONCAVE if all(curve.concave for curve in curves) else Curve.UNKNOWN


def _even_convex(node: Node, curves: list[Curve], spans: list[Interval]) -> Curve:
    """Return the curve of a function that is convex and rises with the size of each argument."""
    fits = all(_squared(curve, span) is Curve.CONVEX or curve is Curve.CONSTANT for curve, span in zip(curves, spans, strict=True))
    return Curve.CONVEX if fits else Curve.UNKNOWN


def _where(node: Node, curves: list[Curve], spans: list[Interval]) -> Curve:
    return _together(curves[1:]) if curves[0] is Curve.CONSTANT else Curve.UNKNOWN


def _linear(node: Node, curves: list[Curve], spans: list[Interval]) -> Curve:
    if node.op == "gather" and curves[1] is not Curve.CONSTANT:
        return Curve.UNKNOWN
    return _together(curves[:1] if node.op in ("gather", "broadcast_to", "sum_to") else curves)


def _matmul(node: Node, curves: list[Curve], spans: list[Interval]) -> Curve:
    for position in (0, 1):
        if curves[position] is Curve.CONSTANT:
            return _scaled(curves[1 - position], spans[position])
    return Curve.UNKNOWN


def _convex_of_affine(node: Node, curves: list[Curve], spans: list[Interval]) -> Curve:
    return Curve.CONVEX if all(curve in (Curve.AFFINE, Curve.CONSTANT) for curve in curves) else Curve.UNKNOWN


_RULES: dict[str, Rule] = {
    "add": lambda node, curves, spans: _together(curves), "sub": lambda node, curves, spans: _together([curves[0], curves[1].flipped]),
    "neg": lambda node, curves, spans: curves[0].flipped, "mul": _mul, "div": _div, "pow": _pow, "where": _where, "matmul": _matmul,
    **dict.fromkeys(("exp", "expm1", "softplus", "relu", "maximum", "max", "logaddexp", "logsumexp", "logcumsumexp"), _rising_convex),
    **dict.fromkeys(("log", "log1p", "sqrt", "log_sigmoid", "log_ndtr", "minimum", "min"), _rising_concave),
    **dict.fromkeys(("abs", "cosh", "hypot", "norm", "log_i0", "i0"), _even_convex),
    # lgamma is convex but not monotone; log_softmax is affine minus convex.
    "lgamma": _convex_of_affine, "log_softmax": lambda node, curves, spans: _convex_of_affine(node, curves, spans).flipped,
    **dict.fromkeys(_LINEAR, _linear),
}  # fmt: skip
