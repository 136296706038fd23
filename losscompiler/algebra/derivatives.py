"""`Derivatives`: every gradient of a loss as SymPy expressions, made when they are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from losscompiler.algebra.display import derivative_node
from losscompiler.derivative import Gradients
from losscompiler.errors import ArgumentError
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Node
from losscompiler.graph.printing import expanded_size, node_text

if TYPE_CHECKING:
    import sympy


LARGEST_TEXT = 1_000
"""Operands and operations of a derivative that is written out as text."""


class Derivatives(Mapping[str, "sympy.Expr"]):
    """The first derivatives of a loss by prediction and parameter.

    ``derivatives["a"]`` is a SymPy expression. For a loss without reductions it is the derivative of each element; with
    reductions it is the gradient of the sum of the loss, for a scalar parameter summed over what the loss sums over.
    """

    def __init__(self, loss: LossGraph, first: Gradients) -> None:
        self._loss = loss
        self._first = first
        self._shown: dict[tuple[str, ...], sympy.Expr] = {}

    def __getitem__(self, name: str) -> sympy.Expr:
        if name not in self._loss.variables:
            raise KeyError(name)
        return self.of(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._loss.variables)

    def __len__(self) -> int:
        return len(self._loss.variables)

    def __repr__(self) -> str:
        return "\n".join(f"d/d{name} = {self.text(name)}" for name in self)

    def node(self, *names: str) -> Node:
        """Return a derivative of any order as a node of the loss's graph."""
        unknown = [name for name in names if name not in self._loss.variables]
        if unknown or not names:
            known = ", ".join(self._loss.variables)
            raise ArgumentError(
                f"derivatives are taken by predictions and parameters ({known}), not by {unknown[0] if unknown else 'nothing'!r}."
            )
        if not self._loss.loss.pointwise:
            # Partial derivatives commute; by a scalar first, what is left is the gradient of one number.
            names = tuple(sorted(names, key=lambda name: name not in self._loss.parameters or bool(self._loss.parameters[name].shape)))
        value = derivative_node(self._loss.graph, self._loss.loss, names[0], self._first)
        for name in names[1:]:
            value = derivative_node(self._loss.graph, value, name)
        return value

    def of(self, *names: str) -> sympy.Expr:
        """Return a derivative of any order as a SymPy expression.

        Raises:
            ArgumentError: if a name is neither a prediction nor a parameter.
            BudgetError: if the expression is too large to be written out.
        """
        if names not in self._shown:
            from losscompiler.algebra.to_sympy import symbols_of, to_sympy

            self._shown[names] = to_sympy(self.node(*names), symbols_of(self._loss))
        return self._shown[names]

    def text(self, *names: str) -> str:
        """Return a derivative as loss text, in the order in which the formula is written and with its definitions by name.

        It has the value of the SymPy expression but is not rearranged; one that is too large to be written out is said to be.
        """
        node = self.node(*names)
        defined = {defined.index: name for name, defined in self._loss.definitions.items() if defined.args}
        size = expanded_size(node, defined)
        if size > LARGEST_TEXT:
            return f"(too long to write out, {size:,} operations; see the emitted source)"
        return node_text(node, LARGEST_TEXT, defined)

    def latex(self, *names: str) -> str:
        """Return a derivative as LaTeX.

        Raises:
            BudgetError: if the expression is too large to be written out.
        """
        import sympy

        return str(sympy.latex(self.of(*names)))


def latex_of(loss: LossGraph, derivatives: Derivatives, expression: Any, names: Sequence[str]) -> str:
    """Return a loss and its derivatives as one LaTeX ``aligned`` block."""
    import sympy

    lines = [rf"L &= {sympy.latex(expression)}"]
    for name in names:
        symbol = sympy.latex(sympy.Symbol(name))
        lines.append(rf"\frac{{\partial L}}{{\partial {symbol}}} &= {derivatives.latex(name)}")
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"
