"""The numbers that constant subexpressions mean, found without ever leaving the range of float64."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from losscompiler.errors import FormulaLimitError
from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.graph.node import Node, reachable
from losscompiler.source import Source, Span

_LARGEST = 1.7976931348623157e308


def constant_value(node: Node, source: Source) -> float | None:
    """Return the value of a constant expression, rounded once to float64; ``None`` if it is no single number.

    Raises:
        FormulaLimitError: if a value on the way overflows or is not real.
    """
    if node.op == "const" and isinstance(node.value, Fraction):
        return float(node.value)
    values = constant_values([node], source)
    return float(values[node.index]) if node.index in values else None


def constant_values(roots: Iterable[Node], source: Source, *, check: bool = True) -> dict[int, Any]:
    """Return the 50-digit values of all constant scalar nodes below the roots, by index.

    Args:
        roots: what to look below.
        source: the text, for errors.
        check: whether to refuse what overflows; derivatives may be infinite where the loss is not, as that of xlogy(p, 0).

    Raises:
        FormulaLimitError: if one overflows float64 or is not real, with its place.
    """
    import mpmath

    from losscompiler.graph.precise import Arithmetic, apply

    values: dict[int, Any] = {}
    with mpmath.workdps(50):
        arithmetic = Arithmetic()
        for node in reachable(roots):
            if not node.constant or node.axes or not _scalar(node):
                continue
            if node.op == "const":
                values[node.index] = arithmetic.number(node.value)
                continue
            if any(arg.index not in values for arg in node.args):
                continue
            operands = [values[arg.index] for arg in node.args]
            values[node.index] = value = apply(arithmetic, node, operands)
            if check:
                _check(node, value, operands, source)
    return values


def _scalar(node: Node) -> bool:
    row = FUNCTIONS.get(node.op)
    return row is None or row.kind is Kind.ELEMENTWISE


def _check(node: Node, value: Any, operands: list[Any], source: Source) -> None:
    if isinstance(value, bool):
        return
    span = node.span or Span(0, 1)
    if value != value and not any(operand != operand for operand in operands):
        raise FormulaLimitError("constant-undefined", "this constant has no real value", source, span, "Check the signs of its arguments.")
    if abs(value) > _LARGEST and not any(math.isinf(operand) for operand in operands if not isinstance(operand, bool)):
        raise FormulaLimitError(
            "number-too-large", "this constant overflows: it is infinite or larger than float64 holds (about 1.8e308)", source, span,
            "Write a smaller constant, or inf if you mean it.",
        )  # fmt: skip
