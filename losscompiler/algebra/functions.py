"""SymPy function classes for the rows of the table that SymPy lacks."""

from __future__ import annotations

from functools import cache
from typing import Any

import sympy

from losscompiler.functions import FUNCTIONS, Function, Kind
from losscompiler.graph.expressions import ExpressionBuilder, Keywords
from losscompiler.graph.node import Graph
from losscompiler.source import Source


class AxisTag(sympy.Symbol):  # type: ignore[misc]  # SymPy has no types
    """How the SymPy view carries ``axis=...`` of a reduction: a symbol that is named like it."""

    __slots__ = ()


class LossFunction(sympy.Function):  # type: ignore[misc]  # SymPy has no types
    """A function of the loss language without a SymPy counterpart; its derivative is that of the table."""

    row: Function

    def fdiff(self, argindex: int = 1) -> Any:
        """Return the partial derivative by an argument, from the table's row."""
        row = type(self).row
        if row.kind is not Kind.ELEMENTWISE:
            raise sympy.function.ArgumentIndexError(self, argindex)
        from losscompiler.algebra.to_sympy import to_sympy

        graph = Graph()
        symbols = {name: graph.symbol(name, frozenset()) for name in row.arguments}
        builder = ExpressionBuilder(graph, Source(""), lambda name: graph.const(name.name), graph.simple, internal=True)
        own = graph.make(row.name, *symbols.values())
        partial = builder.expand(row.partials[argindex - 1], {**symbols, "f": own}, Keywords(), None)
        stand_in = {name: sympy.Symbol(name, real=True) for name in row.arguments}
        shown = to_sympy(partial, stand_in)
        return shown.xreplace(dict(zip(stand_in.values(), self.args, strict=True)))

    def _eval_is_extended_real(self) -> bool:
        return True

    def _eval_evalf(self, prec: int) -> Any:
        if type(self).row.kind is not Kind.ELEMENTWISE or not all(arg.is_number for arg in self.args):
            return None
        import mpmath

        from losscompiler.graph.precise import Arithmetic, evaluate

        row = type(self).row
        graph = Graph()
        node = graph.make(row.name, *(graph.symbol(name, frozenset()) for name in row.arguments))
        with mpmath.workprec(prec + 20):
            values = {name: arg._to_mpmath(prec + 20) for name, arg in zip(row.arguments, self.args, strict=True)}
            return sympy.Float(evaluate([node], values, Arithmetic())[0], precision=prec)

    def _sympystr(self, printer: Any) -> str:
        name, args = type(self).row.name, [printer._print(arg) for arg in self.args]
        if name in ("select", "range", "gather"):
            base = args[0] if self.args[0].is_Symbol or isinstance(self.args[0], sympy.Function) else f"({args[0]})"
            return f"{base}[{args[1]}]"
        if name == "vector":
            return f"[{', '.join(args)}]"
        if name == "matmul":
            return " @ ".join(
                text if arg.is_Symbol or isinstance(arg, sympy.Function) else f"({text})" for arg, text in zip(self.args, args, strict=True)
            )
        return f"{name}({', '.join(args)})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        name, args = type(self).row.name, [printer._print(arg) for arg in self.args]
        if name in ("select", "range", "gather"):
            text = rf"{{{args[0]}}}_{{{args[1]}}}"
        elif name == "vector":
            text = rf"\left[{', '.join(args)}\right]"
        elif name == "matmul":
            text = r" \cdot ".join(args)
        else:
            escaped = name.replace("_", r"\_")
            text = rf"\operatorname{{{escaped}}}\left({', '.join(args)}\right)"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


@cache
def function_class(name: str) -> Any:
    """Return what stands for a row in SymPy: SymPy's own function, or a `LossFunction` of that name."""
    row = FUNCTIONS[name]
    if row.sympy:
        return getattr(sympy, row.sympy)
    return type(name, (LossFunction,), {"row": row, "__module__": __name__})
