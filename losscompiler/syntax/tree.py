"""The syntax tree of a loss: what the text says, with a span for every node and nothing interpreted.

Trees may be as deep as a text is long (``a + b + c + ...`` nests to the left), so every walk here is iterative.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from losscompiler.source import Source, Span


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """A literal; decimals are exact rationals, ``literal`` is the text as written."""

    span: Span
    value: Fraction
    literal: str


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A symbol, in Unicode normal form NFKC."""

    span: Span
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """``-x``, ``+x`` or ``not x``."""

    span: Span
    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Binary:
    """``a op b`` with an arithmetic operator, ``@``, ``and`` or ``or``."""

    span: Span
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Compare:
    """A comparison chain: ``operands[0] operators[0] operands[1] ...``, true where every link holds."""

    span: Span
    operators: tuple[str, ...]
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Conditional:
    """``then if condition else otherwise``."""

    span: Span
    then: Expression
    condition: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Keyword:
    """A keyword argument of a call."""

    span: Span
    name: str
    value: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function applied to arguments; ``name_span`` covers the function's name alone."""

    span: Span
    function: str
    name_span: Span
    arguments: tuple[Expression, ...]
    keywords: tuple[Keyword, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """A range inside a subscript; either end may be open."""

    span: Span
    start: Expression | None
    stop: Expression | None


@dataclass(frozen=True, slots=True, eq=False)
class Subscript:
    """``base[index]``: a selection, range or lookup along the last axis."""

    span: Span
    base: Expression
    index: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """A vector literal ``[a, b, c]``."""

    span: Span
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tuple:
    """A parenthesised list of values, legal only as the value of ``axis=``."""

    span: Span
    items: tuple[Expression, ...]


Expression: TypeAlias = Number | Name | Prefix | Binary | Compare | Conditional | Call | Keyword | Subscript | Slice | Vector | Tuple


@dataclass(frozen=True, slots=True, eq=False)
class Roles:
    """``target a, b``, ``prediction p`` or ``input w``."""

    span: Span
    role: str
    names: tuple[Name, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """The bounds of a parameter; an open side that was not written is ``None``."""

    span: Span
    lower: Expression | None
    upper: Expression | None
    closed_lower: bool
    closed_upper: bool


@dataclass(frozen=True, slots=True, eq=False)
class ParameterDeclaration:
    """``param NAME[shape] interval = initial``."""

    span: Span
    name: Name
    shape: tuple[Number | Name, ...]
    interval: Interval | None
    initial: Expression | None


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """``name = value``."""

    span: Span
    name: Name
    value: Expression


Statement: TypeAlias = Roles | ParameterDeclaration | Definition | Expression


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """A parsed program: its declarations and definitions in order, and the expression that is the loss."""

    source: Source
    statements: tuple[Roles | ParameterDeclaration | Definition, ...]
    loss: Expression

    def dump(self) -> str:
        """Return the program as s-expressions, one line a statement, without spans."""
        return "\n".join([dump(statement) for statement in self.statements] + [dump(self.loss)])


Node: TypeAlias = Statement | Interval


def children(node: Node) -> tuple[Node, ...]:
    """Return the direct subnodes of a node in the order of the text."""
    match node:
        case Number() | Name():
            return ()
        case Prefix():
            return (node.operand,)
        case Binary():
            return (node.left, node.right)
        case Compare():
            return node.operands
        case Conditional():
            return (node.then, node.condition, node.otherwise)
        case Keyword():
            return (node.value,)
        case Call():
            return (*node.arguments, *node.keywords)
        case Slice():
            return tuple(end for end in (node.start, node.stop) if end is not None)
        case Subscript():
            return (node.base, node.index)
        case Vector() | Tuple():
            return node.items
        case Roles():
            return node.names
        case Interval():
            return tuple(end for end in (node.lower, node.upper) if end is not None)
        case ParameterDeclaration():
            optional = (node.interval, node.initial)
            return (node.name, *node.shape, *(part for part in optional if part is not None))
        case Definition():
            return (node.name, node.value)


def postorder(root: Node) -> Iterator[Node]:
    """Yield every node below and including ``root``, children before parents, without recursion."""
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            yield node
        else:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(children(node)))


def _head(node: Node) -> str:
    match node:
        case Number():
            return str(node.value)
        case Name():
            return node.name
        case Prefix() | Binary():
            return node.operator if not (isinstance(node, Prefix) and node.operator == "-") else "neg"
        case Compare():
            return "compare " + " ".join(node.operators)
        case Conditional():
            return "if"
        case Keyword():
            return node.name + "="
        case Call():
            return "call " + node.function
        case Slice():
            return f"slice {'a' if node.start is not None else ''}:{'b' if node.stop is not None else ''}"
        case Subscript():
            return "select"
        case Vector():
            return "vector"
        case Tuple():
            return "tuple"
        case Roles():
            return node.role
        case Interval():
            brackets = ("[" if node.closed_lower else "(") + ("]" if node.closed_upper else ")")
            ends = ("a" if node.lower is not None else "-") + ("b" if node.upper is not None else "-")
            return f"interval {brackets[0]}{ends}{brackets[1]}"
        case ParameterDeclaration():
            return f"param/{len(node.shape)}"
        case Definition():
            return "define"


def dump(root: Node) -> str:
    """Return a tree as one s-expression without spans: equal trees have equal dumps."""
    done: dict[int, str] = {}
    for node in postorder(root):
        parts = [done.pop(id(child)) if id(child) in done else _head(child) for child in children(node)]
        done[id(node)] = f"({' '.join([_head(node), *parts])})" if parts or not isinstance(node, Number | Name) else _head(node)
    return done[id(root)]
