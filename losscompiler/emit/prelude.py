"""The runtime's functions as text: what an emitted module copies."""

from __future__ import annotations

import ast
from functools import cache
from importlib.resources import files


@cache
def _source() -> tuple[dict[str, str], dict[str, frozenset[str]], dict[str, str]]:
    """Return the runtime's top-level definitions, what each reads of the others, and its imports by bound name."""
    text = files("losscompiler").joinpath("runtime/keras_functions.py").read_text(encoding="utf-8")
    module = ast.parse(text)
    definitions: dict[str, str] = {}
    imports: dict[str, str] = {}
    reads: dict[str, set[str]] = {}
    for statement in module.body:
        if isinstance(statement, ast.FunctionDef):
            name = statement.name
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                imports[(alias.asname or alias.name).split(".")[0]] = ast.unparse(statement)
            continue
        else:
            continue
        definitions[name] = ast.get_source_segment(text, statement) or ""
        reads[name] = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)} - {name}
    return definitions, {name: frozenset(found) for name, found in reads.items()}, imports


def prelude_names() -> frozenset[str]:
    """Return every name that emitted modules give to something of their own; symbols get others."""
    return frozenset(_source()[0]) | {"DATA", "PREDICTIONS", "PARAMETERS", "CONSTANTS", "FormulaLayer", "loss"}


def prelude(used: frozenset[str]) -> tuple[list[str], list[str]]:
    """Return (imports, definitions) of the runtime functions in ``used`` and of what they need, in order."""
    definitions, reads, imports = _source()
    needed: set[str] = set()
    stack = list(used)
    while stack:
        name = stack.pop()
        if name in definitions and name not in needed:
            needed.add(name)
            stack.extend(reads[name])
    modules = {imports[name] for wanted in needed for name in reads[wanted] if name in imports}
    return sorted(modules), [definitions[name] for name in definitions if name in needed]
