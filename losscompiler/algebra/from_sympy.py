"""SymPy to loss text: expressions that users bring enter the pipeline where formulas as text do."""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import Any

from losscompiler.errors import FormulaError
from losscompiler.functions import FUNCTIONS
from losscompiler.source import Source, Span

_RELATIONS = {
    "StrictLessThan": "<", "LessThan": "<=", "StrictGreaterThan": ">", "GreaterThan": ">=", "Equality": "==", "Unequality": "!=",
}  # fmt: skip
_LARGEST = 20_000
_RENAMED = {
    "Heaviside": "heaviside", "Abs": "abs", "ceiling": "ceil", "loggamma": "lgamma", "LambertW": "", "besseli": "", "uppergamma": "",
    "lowergamma": "", "erf2": "",
}  # fmt: skip


def is_expression(value: Any) -> bool:
    """Tell whether a value is a SymPy expression, without importing SymPy."""
    sympy = sys.modules.get("sympy")
    return sympy is not None and isinstance(value, sympy.Expr)


def to_text(expression: Any) -> str:
    """Return a SymPy expression as loss text.

    Raises:
        FormulaError: with code "bad-expression" if a part of it has no counterpart in the language.
    """
    import sympy

    if sum(1 for _ in sympy.preorder_traversal(expression)) > _LARGEST:
        raise _refuse(expression, f"the expression has more than {_LARGEST:,} parts")
    return _Writer().write(expression)


def _refuse(expression: Any, message: str) -> FormulaError:
    text = str(expression)[:200]
    return FormulaError(
        "bad-expression", message, Source(text, "<SymPy expression>"), Span(0, len(text)),
        "Rewrite it with the functions of the loss language, or give the loss as text.",
    )  # fmt: skip


class _Writer:
    def write(self, root: Any) -> str:
        """Write an expression bottom-up, without recursion."""
        done: dict[Any, str] = {}
        stack = [(root, False)]
        while stack:
            node, expanded = stack.pop()
            if node in done:
                continue
            if expanded:
                done[node] = self._node(node, [done[arg] for arg in node.args])
            else:
                stack.append((node, True))
                stack.extend((arg, False) for arg in node.args)
        return done[root]

    def _node(self, node: Any, args: list[str]) -> str:
        import sympy

        if node.is_Symbol:
            if not node.name.isidentifier():
                raise _refuse(node, f"the symbol {node.name!r} is no name of the language")
            return str(node.name)
        if node.is_Rational:
            return str(node) if node.q == 1 and node >= 0 else f"({node.p}/{node.q})" if node.q != 1 else f"({node})"
        if node.is_Float:
            return f"({_decimal(Fraction(repr(float(node))))})"
        if node is sympy.pi or node is sympy.E:
            return "pi" if node is sympy.pi else "exp(1)"
        if node is sympy.oo or node is -sympy.oo:
            return "inf" if node is sympy.oo else "(-inf)"
        if node in (sympy.true, sympy.false):
            return "(1 == 1)" if node == sympy.true else "(1 == 0)"
        if node.is_Add or node.is_Mul:
            return f"({(' + ' if node.is_Add else '*').join(args)})"
        if node.is_Pow:
            return f"exp({args[1]})" if node.base is sympy.E else f"({args[0]}**{args[1]})"
        return self._applied(node, args)

    def _applied(self, node: Any, args: list[str]) -> str:
        import sympy

        kind = type(node).__name__
        if kind in _RELATIONS:
            return f"({args[0]} {_RELATIONS[kind]} {args[1]})"
        if kind in ("And", "Or"):
            return f"({f' {kind.lower()} '.join(args)})"
        if kind == "Not":
            return f"(not {args[0]})"
        if isinstance(node, sympy.Piecewise):
            return self._piecewise(node)
        if kind == "ExprCondPair":
            return args[0]
        if kind in ("select", "range", "gather"):
            return f"({args[0]})[{args[1]}]"
        name = _RENAMED.get(kind, kind)
        row = FUNCTIONS.get(name) or next((r for r in FUNCTIONS.values() if r.sympy == kind), None)
        if not name or row is None or not isinstance(node, sympy.Function | sympy.Max | sympy.Min):
            raise _refuse(node, f"{kind} has no counterpart in the loss language")
        if name == "log" and len(args) == 2:
            return f"(log({args[0]})/log({args[1]}))"
        return f"{row.name}({', '.join(args)})"

    def _piecewise(self, node: Any) -> str:
        pairs = [(pair.expr, pair.cond) for pair in node.args]
        if pairs[-1][1] != True:  # noqa: E712  SymPy's true is not Python's
            raise _refuse(node, "this Piecewise has no value where none of its conditions holds")
        text = self.write(pairs[-1][0])
        for expression, condition in reversed(pairs[:-1]):
            text = f"where({self.write(condition)}, {self.write(expression)}, {text})"
        return text


def _decimal(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}" if value.denominator != 1 else str(value.numerator)
