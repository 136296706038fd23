"""The tables of the language reference, made from the table of functions, the limits and the error codes.

``python -m losscompiler.report.reference`` writes them between the markers of ``grammar/REFERENCE.md``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from losscompiler.errors import ERROR_CODES
from losscompiler.functions import FUNCTIONS, Function, Kind
from losscompiler.syntax import limits

_SYMBOLS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}


def function_table() -> str:
    """Return every function of the language as Markdown, one table a category."""
    categories: dict[str, list[Function]] = {}
    for row in FUNCTIONS.values():
        if not row.internal:
            categories.setdefault(row.category, []).append(row)
    return "\n\n".join(f"### {category}\n\n{_category(rows)}" for category, rows in categories.items())


def internal_table() -> str:
    """Return the functions that only the compiler writes, in place of formulas that lose digits, as Markdown."""
    rows = (
        [_call(row), _prose(row.summary), _codes([row.definition] if row.definition else []), _largest_error(row)]
        for row in FUNCTIONS.values()
        if row.internal and row.name in _errors()
    )
    return _table(("Function", "Value", "Equal to", "Largest error"), rows)


def _category(rows: Sequence[Function]) -> str:
    if any(row.kind is Kind.ELEMENTWISE for row in rows):
        wide = (
            [_call(row), _synonyms(row), _prose(row.summary), _derivative(row), _codes(row.domain), _largest_error(row)] for row in rows
        )
        return _table(("Function", "Also", "Value", "Derivatives", "Defined for", "Largest error"), wide)
    cells = ([_call(row), _synonyms(row), _prose(row.summary), _codes(row.keywords)] for row in rows)
    return _table(("Function", "Also", "Value", "Keywords"), cells)


@cache
def _errors() -> dict[str, dict[str, float]]:
    """Return the largest error of each function, as ``benchmarks/function_errors.py`` measured it."""
    return tomllib.loads(files("losscompiler.grammar").joinpath("function_errors.toml").read_text(encoding="utf-8"))


def _largest_error(row: Function) -> str:
    found = _errors().get(row.name)
    return "" if found is None else f"{found['eager']:.2g} / {found['xla']:.2g}"


def _call(row: Function) -> str:
    least, most = row.arity
    required, optional = row.arguments[:least], row.arguments[least:most]
    inside = ", ".join(required) + "".join(f"[, {name}]" for name in optional)
    return f"`{row.name}({inside})`"


def _prose(text: str) -> str:
    """Return text whose stars Markdown shows."""
    return text.replace("*", r"\*")


def _synonyms(row: Function) -> str:
    return _codes(row.synonyms)


def _derivative(row: Function) -> str:
    if row.inline:
        return f"those of `{row.definition}`"
    if all(partial == "0" for partial in row.partials):
        return "0"
    return "; ".join(f"`{_read(partial)}`" for partial in row.partials)


def _read(partial: str) -> str:
    """Return a derivative as readers know it: a function that the compiler tells from another has the other's name."""
    name, bracket, rest = partial.partition("(")
    row = FUNCTIONS.get(name)
    alike = row is not None and row.internal and row.sympy is not None
    return f"{row.sympy}{bracket}{rest}" if row is not None and alike else partial


def _codes(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def kink_table() -> str:
    """Return where derivatives jump or do not exist, and what is used there, as Markdown."""
    rows = (
        [f"`x {_SYMBOLS[row.name]} y`" if row.name in _SYMBOLS else _call(row), f"`{row.kink}`" if row.kink else "", row.convention]
        for row in FUNCTIONS.values()
        if row.convention and (not row.internal or row.name in _SYMBOLS)
    )
    return _table(("Function", "Kink", "Convention"), rows)


def limit_table() -> str:
    """Return the normative minimums as Markdown."""
    rows = (
        ("Characters of a text", f"{limits.LENGTH:,}", "`too-long`"),
        ("Nesting of brackets, calls, powers, signs and conditionals", f"{limits.DEPTH:,}", "`too-deep`"),
        ("Distinct operations of a loss, equal subexpressions counted once", f"{limits.OPERATIONS:,}", "`too-large`"),
        ("Digits of a number", f"{limits.DIGITS:,}", "`number-too-large`"),
        ("Power of ten of a number", f"{limits.DECIMAL_EXPONENT:,}", "`number-too-large`"),
    )
    return _table(("What", "At least", "Beyond it"), rows)


def error_table() -> str:
    """Return the codes of errors about a text as Markdown."""
    return _table(("Code", "Meaning"), ([f"`{code}`", meaning] for code, meaning in ERROR_CODES.items()))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


TABLES = {"functions": function_table, "internal": internal_table, "kinks": kink_table, "limits": limit_table, "errors": error_table}
"""What stands between the markers ``<!-- name:begin -->`` and ``<!-- name:end -->``."""


def regenerated(text: str) -> str:
    """Return the reference with its tables made anew."""
    for name, table in TABLES.items():
        pattern = re.compile(f"(<!-- {name}:begin -->\n).*?\n?(<!-- {name}:end -->)", re.DOTALL)
        text, count = pattern.subn(lambda match, table=table: f"{match[1]}\n{table()}\n\n{match[2]}", text)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"the reference needs the markers of {name!r} once, not {count} times")
    return text


def main() -> None:
    """Rewrite the tables of the reference."""
    path = Path(str(files("losscompiler.grammar").joinpath("REFERENCE.md")))
    path.write_text(regenerated(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
