"""Printing a tree and parsing the text gives the tree again, over the whole grammar."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from losscompiler.source import Source, Span
from losscompiler.syntax import parse, print_expression, print_formula, tree
from losscompiler.syntax.parser import RESERVED

AT = Span(0, 0)
NAMES = st.one_of(
    st.sampled_from(["p", "y", "a", "alpha_1", "_b", "lambda", "E", "target", "param", "input", "iff", "android"]),
    st.sampled_from(["α", "наклон", "x1", "हिन्दी"]),
    st.from_regex(r"[a-z][a-z0-9_]{0,3}", fullmatch=True).filter(lambda name: name not in RESERVED),
)
NUMBERS = st.sampled_from(["0", "1", "2", "0.5", ".5", "1.", "1e3", "1.5E-3", "2e+1", "007", "3.14159"])
OPERATORS = ["+", "-", "*", "/", "@", "**", "and", "or"]


def number(literal: str) -> tree.Number:
    text = literal.rstrip(".") if "e" not in literal.lower() else literal
    return tree.Number(AT, Fraction(text if text[0] != "." else "0" + text), literal)


def name(text: str) -> tree.Name:
    return tree.Name(AT, text)


def calls(inner: st.SearchStrategy[tree.Expression]) -> st.SearchStrategy[tree.Expression]:
    axes = st.one_of(inner, st.lists(inner, min_size=1, max_size=3).map(lambda items: tree.Tuple(AT, tuple(items))))
    keywords = st.lists(st.builds(lambda word, value: tree.Keyword(AT, word, value), st.sampled_from(["axis", "where"]), axes), max_size=2)
    return st.builds(
        lambda function, arguments, keywords: tree.Call(AT, function, AT, tuple(arguments), tuple(keywords)),
        NAMES, st.lists(inner, max_size=3), keywords,
    )  # fmt: skip


def compares(inner: st.SearchStrategy[tree.Expression]) -> st.SearchStrategy[tree.Expression]:
    return st.lists(inner, min_size=2, max_size=4).flatmap(
        lambda operands: st.lists(
            st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), min_size=len(operands) - 1, max_size=len(operands) - 1
        ).map(lambda operators: tree.Compare(AT, tuple(operators), tuple(operands)))
    )


def larger(inner: st.SearchStrategy[tree.Expression]) -> st.SearchStrategy[tree.Expression]:
    slices = st.builds(lambda start, stop: tree.Slice(AT, start, stop), st.none() | inner, st.none() | inner)
    return st.one_of(
        st.builds(lambda operator, operand: tree.Prefix(AT, operator, operand), st.sampled_from(["+", "-", "not"]), inner),
        st.builds(lambda operator, left, right: tree.Binary(AT, operator, left, right), st.sampled_from(OPERATORS), inner, inner),
        compares(inner),
        st.builds(lambda then, condition, otherwise: tree.Conditional(AT, then, condition, otherwise), inner, inner, inner),
        calls(inner),
        st.builds(lambda base, index: tree.Subscript(AT, base, index), inner, inner | slices),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: tree.Vector(AT, tuple(items))),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: tree.Tuple(AT, tuple(items))),
    )


EXPRESSIONS = st.recursive(NUMBERS.map(number) | NAMES.map(name), larger, max_leaves=25)
SIMPLE = st.recursive(
    NUMBERS.map(number) | NAMES.map(name),
    lambda inner: st.builds(lambda operator, left, right: tree.Binary(AT, operator, left, right), st.sampled_from("+-*/"), inner, inner),
    max_leaves=4,
)


@st.composite
def intervals(draw: st.DrawFn) -> tree.Interval:
    lower, upper = draw(st.sampled_from([(True, True), (True, False), (False, True)]))
    closed = st.booleans()
    return tree.Interval(
        AT, draw(SIMPLE) if lower else None, draw(SIMPLE) if upper else None, lower and draw(closed), upper and draw(closed)
    )


STATEMENTS = st.one_of(
    st.builds(
        lambda role, names: tree.Roles(AT, role, tuple(map(name, names))),
        st.sampled_from(["target", "prediction", "input"]), st.lists(NAMES, min_size=1, max_size=3),
    ),
    st.builds(
        lambda declared, shape, interval, initial: tree.ParameterDeclaration(AT, name(declared), tuple(shape), interval, initial),
        NAMES, st.lists(NAMES.map(name) | NUMBERS.map(number), max_size=2), st.none() | intervals(), st.none() | EXPRESSIONS,
    ),
    st.builds(lambda defined, value: tree.Definition(AT, name(defined), value), NAMES, EXPRESSIONS),
)  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True)
@given(EXPRESSIONS)
def test_an_expression_survives_printing(expression: tree.Expression) -> None:
    assert tree.dump(parse(print_expression(expression)).loss) == tree.dump(expression)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(STATEMENTS, max_size=4), EXPRESSIONS)
def test_a_program_survives_printing(statements: list[tree.Statement], loss: tree.Expression) -> None:
    formula = tree.Formula(Source(""), tuple(statements), loss)  # type: ignore[arg-type]
    assert parse(print_formula(formula)).dump() == formula.dump()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(EXPRESSIONS, st.randoms(use_true_random=False))
def test_blanks_comments_and_brackets_change_nothing(expression: tree.Expression, random: object) -> None:
    text = print_expression(expression)
    spaced = "".join(c + random.choice([" ", "  ", "\t", "\n", " # rest\n"]) if c in " ()[]," else c for c in text)  # type: ignore[attr-defined]
    assert parse(f"(\n({spaced}) # loss\n)").loss.__class__ is parse(text).loss.__class__
    assert parse(f"(\n({spaced}) # loss\n)").dump() == parse(text).dump()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(EXPRESSIONS)
def test_every_span_is_the_text_of_its_node(expression: tree.Expression) -> None:
    formula = parse(print_expression(expression))
    for node in tree.postorder(formula.loss):
        if isinstance(node, tree.Slice | tree.Tuple | tree.Keyword):
            continue
        assert tree.dump(parse(formula.source.slice(node.span)).loss) == tree.dump(node)  # type: ignore[arg-type]


def test_fewest_parentheses() -> None:
    for text in ("a - (b - c)", "(a**b)**c", "a**b**c", "(-a)**b", "-a**b", "a*(b + c)", "(a if b else c) + d", "not (a or b)"):
        assert print_expression(parse(text).loss) == text


@pytest.mark.parametrize("text", ["(((a)))", "((a)) + (b*c)", "(a)"])
def test_needless_parentheses_go(text: str) -> None:
    assert "(" not in print_expression(parse(text).loss)
