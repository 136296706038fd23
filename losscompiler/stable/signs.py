"""What is known of the sign and the growth of a value without any data."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from fractions import Fraction
from typing import TypeVar

from losscompiler.functions import FUNCTIONS
from losscompiler.graph.node import Node
from losscompiler.graph.parameter import Parameter
from losscompiler.stable.terms import whole_exponent

PICKS = ("gather", "select", "range")
"""What only picks elements."""
_GROWING = frozenset({"exp", "cosh", "sinh", "i0", "i1", "expm1"})
"""Functions whose value leaves the range of floats where their argument is a moderate number."""
_VANISHING = frozenset({
    "sigmoid", "softmax", "ndtr", "erfc", "sech_squared", "softmax_complement", "sigmoid_difference", "ndtr_difference",
})  # fmt: skip
"""Functions whose value underflows where their argument is a moderate number."""
_POSITIVE = frozenset({
    "exp", "sigmoid", "softplus", "softmax", "softmax_complement", "ndtr", "erfc", "erfcx", "cosh", "i0", "i0e", "sech_squared", "count",
    "exp_moment", "log1p_moment", "asinh_moment", "reciprocal_mean",
})  # fmt: skip
_DEEPEST = 50
"""Beyond this nesting nothing is known."""

_Fact = TypeVar("_Fact")


class Signs:
    """Signs and growth of the nodes of one graph, whose symbols in the mapping are parameters with bounds.

    Attributes:
        parameters: the mapping.
        assumed: nodes, by index, that are taken to be positive.
    """

    def __init__(self, parameters: Mapping[str, Parameter], assumed: Container[int] = ()) -> None:
        self.parameters = parameters
        self.assumed = assumed
        self._facts: dict[tuple[str, int], object] = {}
        self._depth = 0

    def positive(self, node: Node, *, closed: bool = True) -> bool:
        """Tell whether a value is surely positive; ``closed`` counts a parameter that may be 0 only at its bound."""
        return self._remembered(f"positive {closed}", node, lambda: self._positive(node, closed), otherwise=False)

    def nonnegative(self, node: Node) -> bool:
        """Tell whether a value is surely not negative."""
        return self._remembered("nonnegative", node, lambda: self._nonnegative(node), otherwise=False)

    def nonpositive(self, node: Node) -> bool:
        """Tell whether a value is surely not positive."""
        return self._remembered("nonpositive", node, lambda: self._nonpositive(node), otherwise=False)

    def reach(self, node: Node) -> tuple[bool, bool]:
        """Tell whether a value may overflow and whether it may underflow, exponentially fast in what stands inside."""
        return self._remembered("reach", node, lambda: self._reach(node), otherwise=(False, False))

    def exponential(self, node: Node) -> bool:
        """Tell whether a value may overflow or underflow exponentially fast."""
        return any(self.reach(node))

    def _remembered(self, kind: str, node: Node, find: Callable[[], _Fact], *, otherwise: _Fact) -> _Fact:
        key = (kind, node.index)
        if key not in self._facts:
            if self._depth > _DEEPEST:
                return otherwise
            self._depth += 1
            self._facts[key] = find()
            self._depth -= 1
        return self._facts[key]  # type: ignore[return-value]  # each kind has its own type

    # -- signs
    def _positive(self, node: Node, closed: bool) -> bool:
        if node.index in self.assumed:
            return True
        match node.op:
            case "const":
                return not isinstance(node.value, Fraction) or node.value > 0
            case "symbol":
                return self._bounded_below(node.name, closed=closed)
            case "sqrt" if closed:
                return True
            case "mul" | "div" | "sqrt" | "logaddexp" | "vector":
                return all(self.positive(arg, closed=closed) for arg in node.args)
            case "maximum":
                return any(self.positive(arg, closed=closed) for arg in node.args)
            case "clip":
                return self.positive(node.args[1], closed=closed)
            case "add":
                left, right = node.args
                either = self.positive(left, closed=closed) or self.positive(right, closed=closed)
                return either and self.nonnegative(left) and self.nonnegative(right)
            case "pow" | "sum" | "mean" | "prod" | "gather" | "select" | "range":
                return self.positive(node.args[0], closed=closed)
            case "sub":
                return self._below_number(node, closed)
        return node.op in _POSITIVE

    def _nonnegative(self, node: Node) -> bool:
        if node.index in self.assumed:
            return True
        match node.op:
            case "neg":
                return self.nonpositive(node.args[0])
            case "add":
                return all(self.nonnegative(arg) for arg in node.args)
            case "sum" | "mean" | "gather" | "select" | "range":
                return self.nonnegative(node.args[0])
            case "mul" | "div":
                left, right = node.args
                same = self.nonnegative(left) and self.nonnegative(right)
                return same or (self.nonpositive(left) and self.nonpositive(right)) or (node.op == "mul" and left is right)
            case "pow":
                power = whole_exponent(node)
                return (power is not None and power % 2 == 0) or self.nonnegative(node.args[0])
            case "log":
                terms = node.args[0].args if node.args[0].op == "add" else ()
                return any(term.is_number(1) for term in terms) and all(self.nonnegative(term) for term in terms)
            case "log1p" | "weighted_log1p":
                return self.nonnegative(node.args[0])
            case "const":
                return not isinstance(node.value, Fraction) or node.value >= 0
            case "symbol":
                return self._bounded_below(node.name, closed=True)
        row = FUNCTIONS.get(node.op)
        return (row is not None and row.range[0] >= 0) or self.positive(node)

    def _nonpositive(self, node: Node) -> bool:
        match node.op:
            case "neg":
                return self.nonnegative(node.args[0])
            case "add":
                return all(self.nonpositive(arg) for arg in node.args)
            case "sum" | "mean" | "gather" | "select" | "range":
                return self.nonpositive(node.args[0])
            case "sub":
                left, right = node.args
                one_of_them = right.op == "logaddexp" and any(arg is left for arg in right.args)
                return one_of_them or (self.nonpositive(left) and self.nonnegative(right))
            case "mul" | "div":
                left, right = node.args
                return (self.nonpositive(left) and self.nonnegative(right)) or (self.nonnegative(left) and self.nonpositive(right))
            case "const":
                return isinstance(node.value, Fraction) and node.value <= 0
        row = FUNCTIONS.get(node.op)
        return row is not None and row.range[1] <= 0

    def _bounded_below(self, name: str, *, closed: bool) -> bool:
        parameter = self.parameters.get(name)
        if parameter is None or parameter.bounds[0] is None:
            return False
        return parameter.bounds[0] > 0 or (parameter.bounds[0] == 0 and (closed or not parameter.closed[0]))

    def _below_number(self, node: Node, closed: bool) -> bool:
        """Tell whether a difference is a number less a parameter that stays below it."""
        left, right = node.args
        parameter = self.parameters.get(right.name) if right.op == "symbol" else None
        value = left.value if left.op == "const" else None
        if parameter is None or parameter.bounds[1] is None or not isinstance(value, Fraction):
            return False
        return parameter.bounds[1] < value or (parameter.bounds[1] == value and (closed or not parameter.closed[1]))

    # -- growth
    def _reach(self, node: Node) -> tuple[bool, bool]:
        op = node.op
        if op in _GROWING:
            inside = node.args[0]
            grows = op not in ("exp", "expm1") or not self.nonpositive(inside)
            return grows, op == "exp" and not self.nonnegative(inside)
        if op in _VANISHING:
            return False, True
        if op in ("sum", "mean", "prod", "sqrt", "neg", *PICKS):
            return self.reach(node.args[0])
        if op in ("add", "sub"):
            left, right = (self.reach(arg) for arg in node.args)
            return left[0] or right[0], left[1] and right[1]
        if op in ("mul", "div"):
            left, right = (self.reach(arg) for arg in node.args)
            right = right if op == "mul" else right[::-1]
            return left[0] or right[0], left[1] or right[1]
        if op == "pow":
            base, exponent = self.reach(node.args[0]), node.args[1]
            if exponent.op != "const":
                return any(base), any(base)
            return base if isinstance(exponent.value, Fraction) and exponent.value > 0 else base[::-1]
        return False, False
