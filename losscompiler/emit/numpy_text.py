"""Keras text read as NumPy text.

``keras.ops`` follows NumPy's names, so that most of a module reads the same with ``np.x`` for ``ops.x``. Where the names
differ, ``runtime/numpy_functions.py`` says what NumPy or SciPy calls it; and JAX, whose names are NumPy's and SciPy's, says so
for functions that Keras code takes from the backend.
"""

from __future__ import annotations

import ast
from functools import cache

from losscompiler.emit.prelude import Library, keras_library, library


def numpy_text(code: str) -> str:
    """Return Keras code as NumPy code: the same statements, line for line, with other names."""
    lines = [line.encode() for line in code.split("\n")]  # columns of the syntax tree count bytes
    places = []
    for node in ast.walk(ast.parse(code)):
        name = _numpy_name(node)
        if name is not None:
            places.append((node.lineno - 1, node.col_offset, node.end_col_offset, name))  # type: ignore[attr-defined]
    for row, start, end, name in sorted(places, reverse=True):
        lines[row] = lines[row][:start] + name.encode() + lines[row][end:]
    return b"\n".join(lines).decode()


def _numpy_name(node: ast.AST) -> str | None:
    """Return what to write for a name of Keras code, or ``None`` where it stays."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ops":
        return _other_names().get(node.attr) or (node.attr if node.attr in _added() else f"np.{node.attr}")
    return _other_names().get(node.id) if isinstance(node, ast.Name) else None


@cache
def _other_names() -> dict[str, str]:
    """Return what NumPy or SciPy calls a function, by the name that Keras code has for it."""
    found = {}
    for part in (keras_library(), library("numpy_functions.py")):
        for name, text in part.definitions.items():
            match ast.parse(text).body[0]:
                case ast.Assign(value=ast.Call(ast.Name("backend_function"), [_, ast.Constant(str(jax)), _])):
                    found[name] = jax.removeprefix("scipy.").replace("numpy.", "np.")
                case ast.Assign(value=ast.Attribute() as value):
                    found[name] = ast.unparse(value)
    return found


def _added() -> frozenset[str]:
    """Return what NumPy code defines and Keras code does not, since ``keras.ops`` has it."""
    return frozenset(library("numpy_functions.py").definitions) - frozenset(keras_library().definitions)


@cache
def numpy_library() -> Library:
    """Return the functions that NumPy modules copy: those of ``numpy_functions.py``, and all others that Keras modules copy."""
    keras, numpy = keras_library(), library("numpy_functions.py")
    shared = {name: numpy.definitions.get(name) or numpy_text(text) for name, text in keras.definitions.items()}
    definitions = {name: numpy.definitions[name] for name in numpy.definitions if name in _added()} | shared
    return Library({name: text for name, text in definitions.items() if name not in _other_names()}, numpy.imports)
