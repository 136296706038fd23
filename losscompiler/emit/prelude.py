"""The runtime's functions as text: what an emitted module copies."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Library:
    """What a file of the runtime defines, as text.

    Attributes:
        definitions: text of each top-level function and assignment, by name.
        imports: the statement that binds each imported name.
    """

    definitions: dict[str, str]
    imports: dict[str, str]

    def needed(self, used: Iterable[str]) -> tuple[list[str], list[str]]:
        """Return (imports, definitions) of the names in ``used`` and of what they need, in the order of the file."""
        needed: set[str] = set()
        stack = list(used)
        while stack:
            name = stack.pop()
            if name not in needed:
                needed.add(name)
                stack.extend(names_read(self.definitions.get(name, "")))
        imports = {statement for name, statement in self.imports.items() if name in needed}
        return sorted(imports), [text for name, text in self.definitions.items() if name in needed]


@cache
def names_read(code: str) -> frozenset[str]:
    """Return the names that occur in a piece of code, but for those of attributes and arguments."""
    return frozenset(node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name))


@cache
def library(file: str) -> Library:
    """Return what a file of the runtime, such as ``keras_functions.py``, defines and imports."""
    text = files("losscompiler").joinpath("runtime", file).read_text(encoding="utf-8")
    definitions: dict[str, str] = {}
    imports: dict[str, str] = {}
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("losscompiler."):
            continue  # what comes from another file of the runtime is copied
        if isinstance(statement, ast.Import | ast.ImportFrom):
            imports |= {(alias.asname or alias.name).split(".")[0]: ast.unparse(statement) for alias in statement.names}
        elif isinstance(statement, ast.FunctionDef):
            definitions[statement.name] = ast.get_source_segment(text, statement) or ""
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    definitions[target.id] = ast.get_source_segment(text, statement) or ""
    return Library(definitions, imports)


@cache
def keras_library() -> Library:
    """Return the functions that Keras modules copy."""
    parts = [library(f"{part}_functions.py") for part in ("keras", "moment", "special", "tail", "softmax", "array")]
    definitions = {name: text for part in parts for name, text in part.definitions.items()}
    return Library(definitions, {name: text for part in parts for name, text in part.imports.items()})


def prelude_names() -> frozenset[str]:
    """Return every name that emitted modules give to something of their own; symbols get others."""
    numpy = library("numpy_functions.py")
    own = {"DATA", "PREDICTIONS", "PARAMETERS", "CONSTANTS", "FormulaLayer", "loss"}
    return frozenset({*keras_library().definitions, *numpy.definitions, *numpy.imports, *own})
