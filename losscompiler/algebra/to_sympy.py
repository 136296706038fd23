"""Graph to SymPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import sympy
from sympy.logic.boolalg import Boolean

from losscompiler.algebra.functions import AxisTag, function_class
from losscompiler.errors import BudgetError
from losscompiler.graph.constants import constant_values
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Node, reachable
from losscompiler.source import Source

LARGEST_TREE = 20_000
"""Operations of an expression after shared subexpressions are written out: SymPy has no sharing on paper."""
_LARGEST_EVALUATED = 400
_DEEPEST = 120
_LARGEST_EXACT = 500
_EXACT = frozenset({"pow", "lgamma", "digamma", "polygamma", "exp", "sin", "cos", "tan", "floor", "ceil"})
"""Functions that SymPy evaluates exactly at rational numbers, however large the result."""


def symbols_of(loss: LossGraph) -> dict[str, sympy.Symbol]:
    """Return a real SymPy symbol for each name; parameters carry the sign that their bounds give them."""
    result = {name: sympy.Symbol(name, real=True) for name in (*loss.data, *loss.constants)}
    for name, parameter in loss.parameters.items():
        lower, upper = parameter.bounds
        positive = lower is not None and (lower > 0 or (lower == 0 and not parameter.closed[0]))
        negative = upper is not None and (upper < 0 or (upper == 0 and not parameter.closed[1]))
        assumptions = {"positive": True} if positive else {"negative": True} if negative else {"real": True}
        if not positive and lower is not None and lower >= 0:
            assumptions = {"nonnegative": True}
        result[name] = sympy.Symbol(name, **assumptions)
    return result


def tree_size(root: Node) -> int:
    """Count the operations of an expression with shared parts written out each time."""
    sizes: dict[int, int] = {}
    for node in reachable([root]):
        sizes[node.index] = 1 + sum(sizes[arg.index] for arg in node.args)
    return sizes[root.index]


def depth(root: Node) -> int:
    """Return the nesting of an expression; a chain of sums or of products counts once, as SymPy flattens it."""
    depths: dict[int, int] = {}
    for node in reachable([root]):
        depths[node.index] = max((depths[arg.index] + (not _flattens(node, arg)) for arg in node.args), default=0)
    return depths[root.index]


def _flattens(node: Node, arg: Node) -> bool:
    sums, products = ("add", "sub", "neg"), ("mul", "div")
    return (node.op in sums and arg.op in sums) or (node.op in products and arg.op in products)


def to_sympy(root: Node, symbols: Mapping[str, Any], *, evaluate: bool | None = None) -> Any:
    """Return a node as a SymPy expression.

    Args:
        root: the node.
        symbols: SymPy symbols by name.
        evaluate: whether SymPy may simplify while it builds (``x/x`` becomes 1); by default for small nodes only.

    Raises:
        BudgetError: if the expression is too large to be written out.
    """
    size = tree_size(root)
    if size > LARGEST_TREE or depth(root) > _DEEPEST:
        raise BudgetError(
            f"written out, this expression has {size:,} operations nested {depth(root)} deep, which is more than algebra can show. "
            "Read it as a program instead: loss.source()."
        )
    evaluate = size <= _LARGEST_EVALUATED if evaluate is None else evaluate
    return _Converter(symbols, evaluate).convert(root)


class _Converter:
    def __init__(self, symbols: Mapping[str, Any], evaluate: bool) -> None:
        self.symbols = symbols
        self.evaluate = evaluate

    def convert(self, root: Node) -> Any:
        nodes = reachable([root])
        # Chains of sums become one flat sum: a thousand terms stay one level deep.
        inner = set() if self.evaluate else _inner_sums(nodes)
        done: dict[int, Any] = _large_constants(nodes)
        terms: dict[int, list[Any]] = {}
        for node in nodes:
            if node.index in done:
                continue
            if self.evaluate and node.op in ("mul", "div"):
                # All factors at once: SymPy spreads a lone number over a sum, which people do not.
                done[node.index] = self._mul(
                    *(f for k, arg in enumerate(node.args) for f in _factors(arg, done, k == 1 and node.op == "div"))
                )
            elif self.evaluate or node.op not in ("add", "sub"):
                done[node.index] = self._node(node, [done[arg.index] for arg in node.args])
            if node.index in done:
                continue
            left, right = node.args
            last = done[right.index] if node.op == "add" else self._mul(sympy.Integer(-1), done[right.index])
            chain = terms.pop(left.index) if left.index in inner else [done[left.index]]
            chain.append(last)
            if node.index in inner:
                terms[node.index] = chain
            else:
                done[node.index] = self._add(*chain)
        return done[root.index]

    def _add(self, *terms: Any) -> Any:
        return sympy.Add(*terms, evaluate=self.evaluate)

    def _mul(self, *factors: Any) -> Any:
        return sympy.Mul(*factors, evaluate=self.evaluate)

    def _node(self, node: Node, args: list[Any]) -> Any:
        match node.op:
            case "const":
                return _number(node)
            case "symbol":
                return self.symbols[node.name]
            case "add":
                return self._add(*args)
            case "sub":
                return self._add(args[0], self._mul(sympy.Integer(-1), args[1]))
            case "mul":
                return self._mul(*args)
            case "div":
                return self._mul(args[0], sympy.Pow(args[1], sympy.Integer(-1), evaluate=self.evaluate))
            case "neg":
                return self._mul(sympy.Integer(-1), args[0])
            case "pow":
                return sympy.Pow(*args, evaluate=self.evaluate)
            case "lt" | "le" | "gt" | "ge" | "eq" | "ne":
                relation = {"lt": sympy.Lt, "le": sympy.Le, "gt": sympy.Gt, "ge": sympy.Ge, "eq": sympy.Eq, "ne": sympy.Ne}[node.op]
                return relation(*args, evaluate=self.evaluate)
            case "and":
                return sympy.And(*map(self._condition, args), evaluate=self.evaluate)
            case "or":
                return sympy.Or(*map(self._condition, args), evaluate=self.evaluate)
            case "not":
                return sympy.Not(*map(self._condition, args), evaluate=self.evaluate)
            case "number":
                return self._choice(args[0], sympy.Integer(1), sympy.Integer(0))
            case "where":
                return self._choice(*args)
            case "sum_to" | "broadcast_to":
                return args[0]
        return self._call(node, args)

    def _condition(self, value: Any) -> Any:
        """Return a value as a condition: any(...) and all(...) are functions in SymPy, and no condition can be made of those."""
        return value if isinstance(value, Boolean) else sympy.Ne(value, 0, evaluate=self.evaluate)

    def _choice(self, condition: Any, yes: Any, no: Any) -> Any:
        condition = self._condition(condition)
        if condition in (sympy.true, sympy.false):
            return yes if condition == sympy.true else no
        if condition.has(sympy.Piecewise):
            # SymPy would fold the inner choice outward, through reductions too, which do not commute with it.
            return function_class("where")(condition, yes, no)
        return sympy.Piecewise((yes, condition), (no, True), evaluate=False)

    def _call(self, node: Node, args: list[Any]) -> Any:
        function = function_class(node.op)
        attrs = dict(node.attrs)
        if node.op == "select":
            return function(args[0], sympy.Integer(attrs["index"]))
        if node.op == "range":
            ends = ":".join("" if attrs[end] is None else str(attrs[end]) for end in ("start", "stop"))
            return function(args[0], AxisTag(ends))
        if attrs.get("axis", -1) != -1:
            args = [*args, AxisTag(f"axis={attrs['axis']}")]
        args = [self._choice(arg, sympy.Integer(1), sympy.Integer(0)) if getattr(arg, "is_Boolean", False) else arg for arg in args]
        if node.op in ("maximum", "minimum"):
            return function(*args, evaluate=self.evaluate)
        return function(*args) if self.evaluate else function(*args, evaluate=False)


def _large_constants(nodes: Sequence[Node]) -> dict[int, Any]:
    """Return constants of large arguments, and large exponents, as numbers of 30 digits.

    SymPy would work 2**(10**9), lgamma(10**9) or (3*p)**(10**9) out exactly.
    """
    constants = [node for node in nodes if node.constant and not node.boolean]
    values = constant_values(constants, Source(""), check=False)

    def large(node: Node) -> bool:
        value = values.get(node.index)
        return value is not None and not isinstance(value, bool) and value != 0 and not 1 / _LARGEST_EXACT <= abs(value) <= _LARGEST_EXACT

    exponents = {node.args[1].index for node in nodes if node.op == "pow"}
    found: set[int] = set()
    for node in constants:
        above = node.args and any(arg.index in found or (large(arg) and arg.op != "const") for arg in node.args)
        direct = node.op in _EXACT and any(large(arg) for arg in node.args)
        if above or direct or (node.index in exponents and large(node)):
            found.add(node.index)
    return {index: sympy.Float(str(values[index]), 30) for index in found if index in values}


def _factors(root: Node, done: Mapping[int, Any], inverse: bool) -> list[Any]:
    """Return the SymPy factors of a product of products."""
    factors: list[Any] = []
    stack = [(root, inverse)]
    while stack:
        node, below = stack.pop()
        if node.op in ("mul", "div"):
            stack += [(node.args[1], below ^ (node.op == "div")), (node.args[0], below)]
        else:
            factors.append(sympy.Pow(done[node.index], -1) if below else done[node.index])
    return factors


def _inner_sums(nodes: Sequence[Node]) -> set[int]:
    """Return the sums whose only use is as the left operand of another sum."""
    users: dict[int, list[tuple[Node, int]]] = {}
    for node in nodes:
        for position, arg in enumerate(node.args):
            users.setdefault(arg.index, []).append((node, position))
    return {
        node.index
        for node in nodes
        if node.op in ("add", "sub")
        and len(users.get(node.index, ())) == 1
        and users[node.index][0][1] == 0
        and users[node.index][0][0].op in ("add", "sub")
    }


def _number(node: Node) -> Any:
    value = node.value
    if isinstance(value, Fraction):
        return sympy.Rational(value.numerator, value.denominator)
    return {"pi": sympy.pi, "inf": sympy.oo}[str(value)]
