"""The language reference says what the code does: its tables are made from it, and its prose is checked against it."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from losscompiler.functions import LANGUAGE
from losscompiler.graph.build import build
from losscompiler.report.reference import TABLES, function_table, regenerated
from losscompiler.syntax import limits, parse
from losscompiler.syntax.parser import RESERVED, grammar_text

REFERENCE = files("losscompiler.grammar").joinpath("REFERENCE.md").read_text(encoding="utf-8")


def test_the_tables_are_up_to_date() -> None:
    assert regenerated(REFERENCE) == REFERENCE, "run: python -m losscompiler.report.reference"


def test_a_stale_table_is_noticed() -> None:
    assert regenerated(REFERENCE.replace("natural logarithm", "unnatural logarithm")) == REFERENCE


@pytest.mark.parametrize("name", sorted(TABLES))
def test_markers_are_required(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        regenerated(REFERENCE.replace(f"<!-- {name}:begin -->", ""))


def test_every_function_and_synonym_is_listed() -> None:
    table = function_table()
    for name in LANGUAGE:
        assert re.search(rf"`{re.escape(name)}[`(]", table), name


def test_every_keyword_of_the_grammar_is_explained() -> None:
    for word in ("target", "prediction", "input", "param", *RESERVED):
        assert f"`{word}" in REFERENCE, word
    for symbol in re.findall(r'"([^"]{1,2})"', grammar_text().partition("COMPARISON:")[2]):
        assert symbol in REFERENCE, symbol


def test_the_limits_are_those_of_the_parser() -> None:
    for size in (limits.LENGTH, limits.DEPTH, limits.OPERATIONS, limits.DIGITS, limits.DECIMAL_EXPONENT):
        assert f"| {size:,} |" in REFERENCE


def test_the_example_compiles() -> None:
    example = re.search(r"```\n(# Barron.*?)```", REFERENCE, re.DOTALL)
    assert example is not None
    graph = build(parse(example[1]))
    assert (graph.targets, graph.predictions, list(graph.parameters)) == (("y",), ("p",), ["alpha", "c"])


@pytest.mark.parametrize("statement", re.findall(r"`(param [^`]*)`", REFERENCE))
def test_declarations_in_the_reference_parse(statement: str) -> None:
    build(parse(f"{statement}\np"))


def test_the_precedence_table_is_in_order() -> None:
    rows = re.search(r"\| Operators \|.*?\n\n", REFERENCE, re.DOTALL)
    assert rows is not None
    order = ["a if c else b", "`or`", "`and`", "`not`", "`<`", "`+` `-`", "`*` `/`", "`+x`", "`**`", "`x[i]`", "`f(x)`"]
    places = [rows[0].index(cell) for cell in order]
    assert places == sorted(places)
    # Each row binds more weakly than the one below it.
    assert parse("1 if a or b and not c < d + e*-f**g[0] else 2").dump() == (
        "(if 1 (or a (and b (not (compare < c (+ d (* e (neg (** f (select g 0))))))))) 2)"
    )
