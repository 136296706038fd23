"""All rows together, and the names by which the language finds them."""

from __future__ import annotations

from losscompiler.functions.elementary import ELEMENTARY
from losscompiler.functions.operators import OPERATORS
from losscompiler.functions.row import Function
from losscompiler.functions.special import SPECIAL
from losscompiler.functions.tensor import TENSOR

FUNCTIONS: dict[str, Function] = {row.name: row for row in (*OPERATORS, *ELEMENTARY, *SPECIAL, *TENSOR)}
"""Every row by the name of its graph operation."""

LANGUAGE: dict[str, Function] = {
    name: row for row in FUNCTIONS.values() if not row.internal for name in (row.name, *row.synonyms)
}
"""Every function that a loss may call, by name and synonym."""


def lookup(name: str) -> Function | None:
    """Return the row of a function of the language, or ``None``."""
    return LANGUAGE.get(name)
