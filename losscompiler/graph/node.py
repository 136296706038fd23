"""The shared expression graph: every distinct subexpression once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TypeAlias

from losscompiler.errors import FormulaLimitError
from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.graph import axes as ax
from losscompiler.source import Source, Span
from losscompiler.syntax import limits

Attribute: TypeAlias = int | str | Fraction | tuple[int, ...] | None
Attributes: TypeAlias = tuple[tuple[str, Attribute], ...]

_LARGEST_FOLDED_BITS = 1024
_LARGEST_FOLDED_EXPONENT = 64


class Node:
    """One subexpression.

    Attributes:
        op: "const" (attribute ``value``: a `Fraction`, "pi" or "inf"), "symbol" (attribute ``name``), or a row of the
            table of functions.
        args: operands, all with smaller ``index``.
        attrs: what else the operation needs, such as ``axis``.
        index: position in the graph; operands come before their users.
        axes: what is known of the shape before data comes.
        constant: no symbol occurs below.
        pointwise: only elementwise operations occur below, so that a sum over broadcast axes may wait for the symbols.
        span: where the subexpression first stands in the text.
    """

    __slots__ = ("args", "attrs", "axes", "constant", "index", "op", "pointwise", "span")

    def __init__(self, op: str, args: tuple[Node, ...], attrs: Attributes, index: int, axes: ax.Axes, span: Span | None) -> None:
        self.op = op
        self.args = args
        self.attrs = attrs
        self.index = index
        self.axes = axes
        self.span = span
        self.constant: bool = op == "const" or (bool(args) and all(arg.constant for arg in args))
        row = FUNCTIONS.get(op)
        self.pointwise: bool = (row is None or row.kind is Kind.ELEMENTWISE) and all(arg.pointwise for arg in args)

    def attr(self, name: str) -> Attribute:
        """Return an attribute."""
        return dict(self.attrs)[name]

    @property
    def attributes(self) -> dict[str, Attribute]:
        """All attributes by name."""
        return dict(self.attrs)

    @property
    def name(self) -> str:
        """The name of a symbol."""
        return str(self.attrs[0][1])

    @property
    def value(self) -> Attribute:
        """The value of a constant."""
        return self.attrs[0][1]

    @property
    def boolean(self) -> bool:
        """Whether the value is a condition."""
        row = FUNCTIONS.get(self.op)
        return row is not None and row.boolean

    def is_number(self, value: int | Fraction) -> bool:
        """Tell whether the node is this rational constant."""
        return self.op == "const" and self.attrs[0][1] == value

    def __repr__(self) -> str:
        if self.op in ("const", "symbol"):
            return str(self.attrs[0][1])
        inside = [repr(arg) if arg.op in ("const", "symbol") else f"#{arg.index}" for arg in self.args]
        return f"#{self.index}={self.op}({', '.join(inside + [f'{key}={value}' for key, value in self.attrs])})"


class Graph:
    """Makes nodes, each distinct one once.

    `make` keeps a formula as it was written, but for exact folding of rational numbers. `simple` also applies rules that
    hold for every real or infinite operand and change no shape; derivatives are built with it.
    """

    def __init__(self, source: Source | None = None) -> None:
        self.source = source
        self._nodes: list[Node] = []
        self._known: dict[tuple[object, ...], Node] = {}
        self.vectors: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self._nodes)

    # -- leaves
    def const(self, value: Fraction | int | str, span: Span | None = None) -> Node:
        """Return a constant: a rational number, "pi" or "inf"."""
        return self._intern("const", (), (("value", Fraction(value) if isinstance(value, int) else value),), ax.SCALAR, span)

    def symbol(self, name: str, axes: ax.Axes, span: Span | None = None) -> Node:
        """Return the symbol of data or of a parameter."""
        return self._intern("symbol", (), (("name", name),), axes, span)

    # -- operations
    def make(self, op: str, *args: Node, span: Span | None = None, **attrs: Attribute) -> Node:
        """Return the node of an operation as it is written."""
        folded = self._fold(op, args, span)
        if folded is not None:
            return folded
        return self._intern(op, args, tuple(sorted(attrs.items())), None, span)

    def simple(self, op: str, *args: Node, span: Span | None = None, **attrs: Attribute) -> Node:
        """Return an operation's node after the rules that are always exact."""
        found = self._fold(op, args, span) or self._rule(op, args)
        return found if found is not None else self.make(op, *args, span=span, **attrs)

    def over(self, node: Node, args: Sequence[Node]) -> Node:
        """Return a node's operation over other operands; the node itself if they are its own."""
        if all(arg is old for arg, old in zip(args, node.args, strict=True)):
            return node
        return self.make(node.op, *args, span=node.span, **dict(node.attrs))

    def _intern(self, op: str, args: tuple[Node, ...], attrs: Attributes, axes: ax.Axes | None, span: Span | None) -> Node:
        key = (op, tuple(arg.index for arg in args), attrs)
        node = self._known.get(key)
        if node is None:
            if len(self._nodes) >= 4 * limits.OPERATIONS and self.source is not None:
                raise FormulaLimitError(
                    "too-large", f"the loss has more than {limits.OPERATIONS:,} operations", self.source, span or Span(0, 1),
                    "Sums over data are written with reductions such as sum(...) and vector parameters.",
                )  # fmt: skip
            index = len(self._nodes)
            node = Node(op, args, attrs, index, _axes(op, args, attrs, index, self.vectors) if axes is None else axes, span)
            self._nodes.append(node)
            self._known[key] = node
        return node

    def _fold(self, op: str, args: tuple[Node, ...], span: Span | None) -> Node | None:
        """Fold exact rational arithmetic, as long as the result stays small."""
        values = [arg.value for arg in args if arg.op == "const" and isinstance(arg.value, Fraction)]
        if not args or len(values) != len(args):
            return None
        rationals = [value for value in values if isinstance(value, Fraction)]
        result = _rational(op, rationals)
        if result is None or max(result.numerator.bit_length(), result.denominator.bit_length()) > _LARGEST_FOLDED_BITS:
            return None
        return self.const(result, span)

    def _rule(self, op: str, args: tuple[Node, ...]) -> Node | None:
        if op == "neg":
            (x,) = args
            return x.args[0] if x.op == "neg" else self.simple("sub", x.args[1], x.args[0]) if x.op == "sub" else None
        if op == "transpose":
            return args[0].args[0] if args[0].op == "transpose" else None
        if op == "not":
            return args[0].args[0] if args[0].op == "not" else None
        if op in ("and", "or"):
            return args[0] if args[0] is args[1] else None
        if op == "where":
            return self._where(*args)
        if op in _WEIGHTED and args[1].constant and not args[1].is_number(0):
            plain = op.removeprefix("weighted_")
            return self.simple("div", self.const(1), args[0]) if plain == "reciprocal" else self.simple(plain, args[0])
        if op not in ("add", "sub", "mul", "div", "pow"):
            return None
        x, y = args
        return _RULES[op](self, x, y)

    def _where(self, condition: Node, yes: Node, no: Node) -> Node | None:
        """Return a choice of one side, or one in which nothing is chosen by the same condition twice."""
        if yes is no:
            return yes
        if condition.op == "not":
            return self.simple("where", condition.args[0], no, yes)
        shorter = [
            side.args[kept] if side.op == "where" and side.args[0] is condition else side for kept, side in ((1, yes), (2, no))
        ]
        before, after = (ax.broadcast(condition.axes, *(side.axes for side in sides)) for sides in ((yes, no), shorter))
        return self.simple("where", condition, *shorter) if shorter != [yes, no] and before == after else None

    def _add(self, x: Node, y: Node) -> Node | None:
        if x.is_number(0):
            return y
        if y.is_number(0):
            return x
        if y.op == "neg":
            return self.simple("sub", x, y.args[0])
        return self.simple("sub", y, x.args[0]) if x.op == "neg" else None

    def _sub(self, x: Node, y: Node) -> Node | None:
        if x.is_number(0):
            return self.simple("neg", y)
        if y.is_number(0):
            return x
        return self.simple("add", x, y.args[0]) if y.op == "neg" else None

    def _mul(self, x: Node, y: Node) -> Node | None:
        if y.op == "const" and x.op != "const":
            return self.simple("mul", y, x)
        if x.is_number(1):
            return y
        if x.is_number(-1):
            return self.simple("neg", y)
        if x.op == "neg":
            return self.simple("neg", self.simple("mul", x.args[0], y))
        if y.op == "neg":
            return self.simple("neg", self.simple("mul", x, y.args[0]))
        if x.op == "const" and y.op == "mul" and y.args[0].op == "const":
            folded = self._fold("mul", (x, y.args[0]), None)
            return None if folded is None else self.simple("mul", folded, y.args[1])
        if x.op == "const" and y.op == "div" and y.args[1].op == "const":
            folded = self._fold("div", (x, y.args[1]), None)
            return None if folded is None else self.simple("mul", folded, y.args[0])
        if x.op == "mul" and x.args[0].op == "const":
            return self.simple("mul", x.args[0], self.simple("mul", x.args[1], y))
        if y.op == "mul" and y.args[0].op == "const" and x.op != "const":
            return self.simple("mul", y.args[0], self.simple("mul", x, y.args[1]))
        if x.op == "div" and x.args[0].is_number(1):
            return self.simple("div", y, x.args[1])
        if y.op == "div" and y.args[0].is_number(1):
            return self.simple("div", x, y.args[1])
        return None

    def _div(self, x: Node, y: Node) -> Node | None:
        if y.is_number(1):
            return x
        if x.op == "neg":
            return self.simple("neg", self.simple("div", x.args[0], y))
        if y.op == "neg":
            return self.simple("neg", self.simple("div", x, y.args[0]))
        return None

    def _pow(self, x: Node, y: Node) -> Node | None:
        if y.is_number(1):
            return x
        return self.const(1) if y.is_number(0) or x.is_number(1) else None


_WEIGHTED = ("weighted_log", "weighted_log1p", "weighted_reciprocal")
_RULES = {"add": Graph._add, "sub": Graph._sub, "mul": Graph._mul, "div": Graph._div, "pow": Graph._pow}


def _rational(op: str, values: list[Fraction]) -> Fraction | None:
    match op, values:
        case "neg", [x]:
            return -x
        case "add", [x, y]:
            return x + y
        case "sub", [x, y]:
            return x - y
        case "mul", [x, y]:
            return x * y
        case "div", [x, y] if y != 0:
            return x / y
        case "pow", [x, y] if y.denominator == 1 and abs(y) <= _LARGEST_FOLDED_EXPONENT and (x != 0 or y > 0):
            size = max(x.numerator.bit_length(), x.denominator.bit_length()) * max(1, abs(y.numerator))
            return x ** int(y) if size <= _LARGEST_FOLDED_BITS else None
    return None


def _axes(op: str, args: tuple[Node, ...], attrs: Attributes, index: int, vectors: frozenset[str]) -> ax.Axes:
    """Return the axes of an operation's value."""
    match op:
        case "sum_to" | "any_to" | "broadcast_to":
            return args[1].axes
        case "unselect" | "gather_adjoint":
            return args[1].axes
        case "unconcat_first" | "unconcat_last":
            return args[1].axes
        case "count":
            # Every row counts the same, so the number has no axes.
            return ax.SCALAR
        case "select" | "diag" | "arange" | "gather" | "range" | "vector" | "one_hot" | "concat" | "matmul" | "transpose":
            if op == "vector" or (op == "arange" and args[0].constant):
                return ax.leaf(f"#{index}")
            if op == "select":
                return ax.reduced(args[0].axes, -1, vectors)
            if op == "gather":
                # The picked elements have the positions' length along the last axis, which is 1 for labels.
                return ax.broadcast(args[1].axes, ax.reduced(args[0].axes, -1, vectors))
            return ax.leaf(f"#{index}")
    row = FUNCTIONS[op]
    operands = ax.broadcast(*(arg.axes for arg in args)) if args else ax.SCALAR
    if row.kind is Kind.REDUCTION:
        axis = dict(attrs)["axis"]
        return ax.reduced(operands, axis, vectors)  # type: ignore[arg-type]
    return operands


def reachable(roots: Iterable[Node]) -> list[Node]:
    """Return every node below and including the roots, operands before users."""
    seen: dict[int, Node] = {}
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node.index not in seen:
            seen[node.index] = node
            stack.extend(node.args)
    return [seen[index] for index in sorted(seen)]


def symbols(roots: Iterable[Node]) -> Iterator[str]:
    """Yield the names of the symbols below the roots, in the order of their first use."""
    for node in reachable(roots):
        if node.op == "symbol":
            yield node.name


def operations(roots: Iterable[Node]) -> int:
    """Count the operations below the roots: what is neither symbol nor constant, shared ones once."""
    return sum(1 for node in reachable(roots) if node.args and not node.constant)
