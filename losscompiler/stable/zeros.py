"""Where denominators vanish: values of one symbol, as expressions in the others."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from losscompiler.graph.node import Graph, Node, reachable

_INVERSE = {
    "exp": "log", "log": "exp", "expm1": "log1p", "log1p": "expm1", "sinh": "asinh", "asinh": "sinh", "tanh": "atanh", "atanh": "tanh",
    "tan": "atan", "atan": "tan", "sin": "asin", "asin": "sin",
}  # fmt: skip
_AT_0 = {
    "exp": None, "log": 1, "expm1": 0, "log1p": 0, "sinh": 0, "asinh": 0, "tanh": 0, "atanh": 0, "tan": 0, "atan": 0, "sin": 0,
    "asin": 0, "abs": 0, "sqrt": 0, "cbrt": 0, "acos": 1, "acosh": 1,
}  # fmt: skip
"""The argument at which a function is 0; of periodic ones the nearest to 0."""
ZERO_AT_0 = frozenset({"erf", "log_cosh", *(op for op, argument in _AT_0.items() if argument == 0)})
"""Functions that are 0 where their argument is, and nowhere else close to that."""


def poles(graph: Graph, root: Node, name: str) -> list[Node]:
    """Return values of a symbol at which a denominator below a node vanishes, each once."""
    found: dict[int, Node] = {}
    for node in reachable([root]):
        below = node.args[1] if node.op in ("div", "relative_difference") else node.args[0] if _negative_power(node) else None
        if below is not None and not below.constant:
            for centre in _solved(graph, below, graph.const(0), name):
                found.setdefault(centre.index, centre)
    return list(found.values())


def _negative_power(node: Node) -> bool:
    return node.op == "pow" and node.args[1].op == "const" and isinstance(node.args[1].value, Fraction) and node.args[1].value < 0


def _solved(graph: Graph, node: Node, value: Node, name: str) -> Iterator[Node]:
    """Yield expressions for a symbol that make a node equal to a value that does not hold it."""
    if node.op == "symbol":
        if node.name == name:
            yield value
        return
    holding = [any(n.op == "symbol" and n.name == name for n in reachable([arg])) for arg in node.args]
    if not any(holding):
        return
    zero = value.is_number(0)
    if zero and node.op in ("mul", "div"):
        for arg, holds in zip(node.args[: 2 if node.op == "mul" else 1], holding, strict=False):
            if holds:
                yield from _solved(graph, arg, value, name)
        return
    if zero and node.op in _AT_0:
        at = _AT_0[node.op]
        if at is not None:
            yield from _solved(graph, node.args[0], graph.const(at), name)
        return
    if node.op == "pow" and zero and holding[0]:
        yield from _solved(graph, node.args[0], value, name)
        return
    if len(node.args) == 2 and all(holding):
        return
    yield from _inverted(graph, node, value, name, 0 if holding[0] else 1)


def _inverted(graph: Graph, node: Node, value: Node, name: str, position: int) -> Iterator[Node]:
    """Undo one operation, of which one operand holds the symbol."""
    inner = node.args[position]
    other = node.args[1 - position] if len(node.args) == 2 else None
    simple = graph.simple
    match node.op, position:
        case "neg", _:
            yield from _solved(graph, inner, simple("neg", value), name)
        case "add", _:
            yield from _solved(graph, inner, simple("sub", value, other), name)  # type: ignore[arg-type]  # two operands
        case "sub", 0:
            yield from _solved(graph, inner, simple("add", value, other), name)  # type: ignore[arg-type]
        case "sub", 1:
            yield from _solved(graph, inner, simple("sub", other, value), name)  # type: ignore[arg-type]
        case "mul", _:
            yield from _solved(graph, inner, simple("div", value, other), name)  # type: ignore[arg-type]
        case "div", 0:
            yield from _solved(graph, inner, simple("mul", value, other), name)  # type: ignore[arg-type]
        case "div", 1:
            yield from _solved(graph, inner, simple("div", other, value), name)  # type: ignore[arg-type]
        case op, _ if op in _INVERSE:
            same = value.args[0] if value.op == op else simple(_INVERSE[op], value)
            yield from _solved(graph, inner, same, name)
        case "pow", 0 if other is not None and other.is_number(2) and value.constant:
            root = simple("sqrt", value)
            yield from _solved(graph, inner, root, name)
            yield from _solved(graph, inner, simple("neg", root), name)
