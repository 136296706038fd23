"""Identifiers for emitted code: made here, never taken from a text unchecked."""

from __future__ import annotations

import keyword
import re

from losscompiler.graph.node import Node

_RESERVED = {
    "keras", "ops", "np", "math", "importlib", "loss", "upstream", "dtype", "pullback", "self", "value", "gradients", "forward", "backward",
    "float", "int", "kept", "value_and_pullback", "value_and_pullback_of_rows",
}  # fmt: skip


class Namer:
    """Gives identifiers that are valid in Python and differ from each other."""

    def __init__(self, taken: frozenset[str]) -> None:
        self.taken = set(taken) | _RESERVED
        self.count = 0

    def symbol(self, name: str) -> str:
        """Return the identifier of a user's name: itself where Python allows it."""
        identifier = name if name.isidentifier() else re.sub(r"\W", "_", name) or "_"
        while identifier in self.taken or keyword.iskeyword(identifier):
            identifier += "_"
        self.taken.add(identifier)
        return identifier

    def temporary(self, node: Node) -> str:
        """Return an identifier for a shared subexpression: one that says what it is where that is short."""
        if len(node.args) == 1 and node.args[0].op == "symbol" and node.args[0].name.isidentifier() and not node.attrs:
            described = f"{node.op}_{node.args[0].name}"
            if described not in self.taken and len(described) <= 24:
                self.taken.add(described)
                return described
        while True:
            self.count += 1
            identifier = f"t{self.count}"
            if identifier not in self.taken:
                self.taken.add(identifier)
                return identifier
