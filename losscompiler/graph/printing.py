"""Graph to text: a node as a person would write it in the loss language.

Names of definitions are gone from a graph, so text is made of symbols, numbers, operators and functions, with the fewest
parentheses that keep the value (``a*(b*c)`` is written ``a*b*c``). Parsing the text gives a graph of equal value, but
for the compiler's own functions (``sum_to`` and the like in derivatives of reductions), which the language does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from fractions import Fraction

from losscompiler.functions import FUNCTIONS
from losscompiler.graph.node import Node, reachable

DEFAULT_LIMIT = 200
"""Largest text, counted in operands and operations, that is written out in full."""

ELLIPSIS = "..."

_CONDITIONAL, _OR, _AND, _NOT, _COMPARE, _SUM, _MATRIX, _PRODUCT, _SIGN, _POWER, _POSTFIX, _ATOM = range(1, 13)
_INFIX = {
    "add": (" + ", _SUM), "sub": (" - ", _SUM), "mul": ("*", _PRODUCT), "div": ("/", _PRODUCT), "matmul": (" @ ", _MATRIX),
    "and": (" and ", _AND), "or": (" or ", _OR), "lt": (" < ", _COMPARE), "le": (" <= ", _COMPARE), "gt": (" > ", _COMPARE),
    "ge": (" >= ", _COMPARE), "eq": (" == ", _COMPARE), "ne": (" != ", _COMPARE),
}  # fmt: skip
# (x - y) + z and x + (y - z) have one value, so the parentheses on the right may go.
_ASSOCIATIVE = {"add": ("add", "sub"), "mul": ("mul", "div"), "and": ("and",), "or": ("or",)}
_SPOKEN = {"maximum": "max", "minimum": "min"}
_SHORT_DIGITS = 8

Shown = tuple[str, int]
"""A text and how tightly it binds."""


def expanded_size(root: Node, cut: Container[int] = ()) -> int:
    """Count the operands and operations of a node's text, in which a shared subexpression stands each time it is used.

    Args:
        root: what would be written.
        cut: indices of nodes that would be left out or stand as a name.
    """
    sizes: dict[int, int] = {}
    for node in reachable([root]):
        sizes[node.index] = 1 if node.index in cut else 1 + sum(sizes[arg.index] for arg in node.args)
    return sizes[root.index]


def in_language(root: Node) -> bool:
    """Tell whether a node's text can be parsed again: derivatives of reductions may hold the compiler's own functions."""
    return all(not node.args or node.op in _INFIX or node.op in _SPECIAL or not FUNCTIONS[node.op].internal for node in reachable([root]))


def node_text(root: Node, limit: int = DEFAULT_LIMIT, names: Mapping[int, str] | None = None) -> str:
    """Return the text of a node.

    Args:
        root: what to write.
        limit: the most operands and operations; in a larger text the innermost subexpressions stand as ``...``, so that
            it is for reading only. `expanded_size` tells beforehand.
        names: names to write instead of subexpressions, by the node's index, such as those of definitions.
    """
    names = names or {}
    cut = _cut(root, limit, names)
    done: dict[int, Shown] = {}
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if node.index in done:
            continue
        if node.index in names:
            done[node.index] = (names[node.index], _ATOM)
        elif node.index in cut:
            done[node.index] = (ELLIPSIS, _ATOM)
        elif ready:
            done[node.index] = _shown(node, [done[arg.index] for arg in node.args])
        else:
            stack.append((node, True))
            stack.extend((arg, False) for arg in node.args)
    return done[root.index][0]


def number_text(value: Fraction) -> str:
    """Return a rational number as an exact text of the language: an integer, a short decimal or a fraction."""
    return _number(value)[0]


def _cut(root: Node, limit: int, names: Mapping[int, str]) -> set[int]:
    """Return the nodes to leave out, so that the text holds about ``limit`` operands and operations."""
    cut: set[int] = set()
    depth_limit = limit
    while expanded_size(root, cut | set(names)) > (2 * limit if cut else limit) and depth_limit > 0:
        cut = _beyond(root, depth_limit, names)
        depth_limit //= 2
    return cut


def _beyond(root: Node, limit: int, names: Mapping[int, str]) -> set[int]:
    """Return the nodes that a walk from the root down, level by level, does not meet within ``limit`` steps."""
    kept: set[int] = set()
    level, count = [root], 0
    while level and count < limit:
        below: list[Node] = []
        for node in level[: limit - count]:
            count += 1
            if node.args and node.index not in names:
                kept.add(node.index)
                below.extend(node.args)
        level = below
    return {node.index for node in reachable([root]) if node.args and node.index not in kept}


def _number(value: Fraction) -> Shown:
    if value < 0:
        text, level = _number(-value)
        return f"-{text}", min(level, _SIGN)
    if value.denominator == 1:
        digits = str(value.numerator)
        bare = digits.rstrip("0")
        return (f"{bare}e{len(digits) - len(bare)}", _ATOM) if len(digits) > 15 and len(bare) <= _SHORT_DIGITS else (digits, _ATOM)
    decimal = _decimal(value)
    return (decimal, _ATOM) if decimal else (f"{value.numerator}/{value.denominator}", _PRODUCT)


def _decimal(value: Fraction) -> str:
    """Return a positive fraction as a decimal of few digits, or nothing if it has no exact one."""
    places, rest = 0, value.denominator
    for prime in (2, 5):
        power = 0
        while rest % prime == 0:
            rest //= prime
            power += 1
        places = max(places, power)
    if rest != 1:
        return ""
    digits = str(value.numerator * 10**places // value.denominator)
    if len(digits) > max(_SHORT_DIGITS, len(str(value.numerator)) + 1):
        return ""
    if places - len(digits) >= 4:
        return f"{digits[0]}{'.' + digits[1:] if len(digits) > 1 else ''}e-{places - len(digits) + 1}"
    digits = digits.rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}"


def _in(shown: Shown, weakest: int) -> str:
    """Return a text, in parentheses if it binds more weakly than ``weakest``."""
    return f"({shown[0]})" if shown[1] < weakest else shown[0]


def _shown(node: Node, args: list[Shown]) -> Shown:
    if node.op == "const":
        return _number(node.value) if isinstance(node.value, Fraction) else (str(node.value), _ATOM)
    if node.op == "symbol":
        return node.name, _ATOM
    if node.op in _INFIX:
        return _infix(node, *args)
    special = _SPECIAL.get(node.op)
    return special(node, args) if special is not None else _call(node, args)


def _infix(node: Node, left: Shown, right: Shown) -> Shown:
    symbol, level = _INFIX[node.op]
    if level == _COMPARE:
        return f"{_in(left, level + 1)}{symbol}{_in(right, level + 1)}", level
    if level == _MATRIX:
        # @ binds like * in the language; parentheses tell readers so.
        return f"{_in(left, _MATRIX if node.args[0].op == 'matmul' else _SIGN)}{symbol}{_in(right, _SIGN)}", level
    joins = node.args[1].op in _ASSOCIATIVE.get(node.op, ())
    return f"{_in(left, level)}{symbol}{_in(right, level if joins else level + 1)}", level


def _call(node: Node, args: list[Shown]) -> Shown:
    inside = [text for text, _ in args]
    row = FUNCTIONS[node.op]
    for key, value in node.attrs:
        if not (key == "axis" and value == -1 and "axis" in row.keywords):
            inside.append(f"{key}={value}")
    return f"{_SPOKEN.get(node.op, node.op)}({', '.join(inside)})", _ATOM


def _where(node: Node, args: list[Shown]) -> Shown:
    condition, yes, no = args
    return f"{_in(yes, _OR)} if {_in(condition, _OR)} else {_in(no, _CONDITIONAL)}", _CONDITIONAL


def _range(node: Node, args: list[Shown]) -> Shown:
    ends = ("" if node.attr(end) is None else str(node.attr(end)) for end in ("start", "stop"))
    return f"{_in(args[0], _POSTFIX)}[{':'.join(ends)}]", _POSTFIX


_SPECIAL: dict[str, Callable[[Node, list[Shown]], Shown]] = {
    # -(a*b) and (-a)*b have one value, so a product needs no parentheses behind its sign.
    "neg": lambda node, args: (f"-{_in(args[0], _PRODUCT)}", min(args[0][1], _SIGN) if args[0][1] >= _PRODUCT else _SIGN),
    "not": lambda node, args: (f"not {_in(args[0], _NOT)}", _NOT),
    "pow": lambda node, args: (f"{_in(args[0], _POSTFIX)}**{_in(args[1], _SIGN)}", _POWER),
    # A condition in arithmetic is a number without being told so.
    "number": lambda node, args: args[0],
    "where": _where,
    "select": lambda node, args: (f"{_in(args[0], _POSTFIX)}[{node.attr('index')}]", _POSTFIX),
    "range": _range,
    "gather": lambda node, args: (f"{_in(args[0], _POSTFIX)}[{args[1][0]}]", _POSTFIX),
    "vector": lambda node, args: (f"[{', '.join(text for text, _ in args)}]", _ATOM),
}
