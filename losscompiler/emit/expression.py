"""Nodes as Python expressions over ``keras.ops``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.graph.node import Node

_BINARY = {"add": ("+", 1), "sub": ("-", 1), "mul": ("*", 2), "div": ("/", 2), "matmul": ("@", 2)}
_COMPARISON = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
_COMPARED, _NEGATIVE, _POWER, _ATOM = 0, 3, 4, 5
_NEED_DTYPE = {"number", "one_hot", "arange", "vector"}


class ExpressionWriter:
    """Writes nodes as Python text.

    Attributes:
        names: identifier of nodes that have one, by index.
        constants: 50-digit values of constant nodes, by index.
        used: names of runtime functions that the text calls.
        uses_dtype: whether the text reads the variable ``dtype``.
    """

    def __init__(self, names: dict[int, str], constants: Mapping[int, Any]) -> None:
        self.names = names
        self.constants = constants
        self.used: set[str] = set()
        self.uses_dtype = False

    def write(self, root: Node, *, named: bool = True) -> str:
        """Return the text of a node; ``named=False`` writes it out even if it has a name."""
        texts: dict[int, tuple[str, int]] = {}
        stack = [(root, False)]
        while stack:
            node, expanded = stack.pop()
            if node.index in texts:
                continue
            if node.index in self.names and (named or node is not root):
                texts[node.index] = self.names[node.index], _ATOM
            elif node.constant and node.index in self.constants:
                texts[node.index] = self._constant(node)
            elif expanded:
                texts[node.index] = self._operation(node, [texts[arg.index] for arg in node.args])
            else:
                stack.append((node, True))
                stack.extend((arg, False) for arg in node.args)
        return texts[root.index][0]

    def _constant(self, node: Node) -> tuple[str, int]:
        value = self.constants[node.index]
        if isinstance(value, bool):
            return str(value), _ATOM
        number = float(value)
        if node.op == "const" and isinstance(node.value, Fraction):
            number = float(node.value)
        if number != number:
            return 'float("nan")', _ATOM
        text = f'float("{"-" if number < 0 else ""}inf")' if number in (float("inf"), -float("inf")) else repr(number)
        return text, _ATOM if not text.startswith("-") else _NEGATIVE

    def _operation(self, node: Node, parts: list[tuple[str, int]]) -> tuple[str, int]:
        op = node.op
        if op in _BINARY:
            symbol, level = _BINARY[op]
            left = _wrap(parts[0], level)
            right = _wrap(parts[1], level + 1)
            return f"{left} {symbol} {right}", level
        if op in _COMPARISON:
            # Operators, since keras.ops rounds a Python number to float32 before it compares, or raises to a power.
            left, right = (_wrap(part, _COMPARED + 1) for part in parts)
            return f"{left} {_COMPARISON[op]} {right}", _COMPARED
        if op == "neg":
            return f"-{_wrap(parts[0], _NEGATIVE)}", _NEGATIVE
        texts = [text for text, _ in parts]
        if op == "pow":
            return self._power(node, parts)
        if op == "number":
            self.uses_dtype = True
            return f"ops.cast({texts[0]}, dtype)", _ATOM
        if op == "where":
            return self._where(node, texts), _ATOM
        return self._call(node, texts), _ATOM

    def _where(self, node: Node, texts: list[str]) -> str:
        """Write numbers with a dtype where keras.ops.where would make float32 of them and that would change them."""
        branches = node.args[1:]
        numbers = all(branch.constant for branch in branches)
        for position, branch in enumerate(branches, 1):
            if branch.constant and (numbers or not _short(float(self.constants[branch.index]))):
                self.uses_dtype = True
                texts[position] = f"ops.convert_to_tensor({texts[position]}, dtype)"
        return f"ops.where({', '.join(texts)})"

    def _power(self, node: Node, parts: list[tuple[str, int]]) -> tuple[str, int]:
        (base, exponent), power = parts, node.args[1]
        if power.is_number(2):
            return f"ops.square({base[0]})", _ATOM
        if power.is_number(Fraction(1, 2)):
            return f"ops.sqrt({base[0]})", _ATOM
        return f"{_wrap(base, _ATOM)} ** {_wrap(exponent, _ATOM)}", _POWER

    def _call(self, node: Node, texts: list[str]) -> str:
        row = FUNCTIONS[node.op]
        function = row.keras
        attrs = dict(node.attrs)
        arguments = list(texts)
        if "axis" in attrs:
            axis = attrs.pop("axis")
            arguments.append(f"axis={None if axis == 'all' else axis!r}")
            if row.kind is Kind.REDUCTION and function.startswith("ops."):
                arguments.append("keepdims=True")
        if node.op == "range":
            start, stop = ("" if attrs[end] is None else str(attrs[end]) for end in ("start", "stop"))
            return f"{_wrap((texts[0], 0), _ATOM) if not texts[0].isidentifier() else texts[0]}[..., {start}:{stop}]"
        arguments += [f"{key}={value!r}" for key, value in attrs.items() if value is not None]
        if node.op in _NEED_DTYPE:
            self.uses_dtype = True
            arguments.append("dtype=dtype")
        if not function.startswith("ops."):
            self.used.add(function)
        return f"{function}({', '.join(arguments)})"


def _wrap(part: tuple[str, int], level: int) -> str:
    text, own = part
    return f"({text})" if own < level else text


def _short(number: float) -> bool:
    """Tell whether a number is certainly the same in float32: a small integer, an infinity or NaN."""
    return not math.isfinite(number) or (number.is_integer() and abs(number) < 2**24)
