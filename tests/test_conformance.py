"""The cases in grammar/conformance: data that any implementation of the language can run, run here on this one."""

from __future__ import annotations

import time
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

import mpmath
import numpy as np
import pytest
from lark import Lark, Token, Tree

import losscompiler
from losscompiler.errors import ERROR_CODES, FormulaError
from losscompiler.functions import FUNCTIONS, LANGUAGE, Kind
from losscompiler.graph.axes import dropped
from losscompiler.graph.build import build
from losscompiler.graph.constants import constant_values
from losscompiler.graph.node import reachable
from losscompiler.graph.precise import evaluate
from losscompiler.graph.shapes import align
from losscompiler.syntax import limits, parse, print_formula, tree
from losscompiler.syntax.parser import _NewlineFilter, grammar_text

NOT_ABOUT_TEXT = {"shape-mismatch", "bad-expression"}
"""Codes of errors that need data, or a SymPy expression."""


def cases(name: str) -> list[dict[str, Any]]:
    text = files("losscompiler.grammar").joinpath(f"conformance/{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["case"]


def text_of(case: dict[str, Any]) -> str:
    """Return the text of a case; long texts are written as parts, some of them repeated."""
    if "text" in case:
        return str(case["text"])
    return "".join(part if isinstance(part, str) else part["repeat"] * part["times"] for part in case["parts"])


def named(name: str) -> list[Any]:
    return [pytest.param(case, id=case.get("name") or case["text"].replace("\n", "; ")) for case in cases(name)]


def compile_text(text: str) -> Any:
    """Run the stages that look at the text alone."""
    graph = build(parse(text))
    constant_values([graph.loss], graph.source)
    return graph


# ------------------------------------------------------------------------------------------------------ accepted, rejected
@pytest.mark.parametrize("case", named("accepted"))
def test_accepted(case: dict[str, Any]) -> None:
    formula = parse(text_of(case))
    if "tree" in case:
        assert formula.dump() == case["tree"].strip()
        assert parse(print_formula(formula)).dump() == formula.dump()
    begin = time.perf_counter()
    compile_text(text_of(case))
    assert time.perf_counter() - begin < 5


@pytest.mark.parametrize("case", named("rejected"))
def test_rejected(case: dict[str, Any]) -> None:
    text = text_of(case)
    with pytest.raises(FormulaError) as caught:
        compile_text(text)
    error = caught.value
    assert (error.code, error.lineno, error.offset, error.end_offset) == (case["code"], case["lineno"], case["offset"], case["end_offset"])
    if "says" in case:
        assert case["says"] in str(error)
    assert error.hint, "every message says what to do"
    assert error.text == text.split("\n")[error.lineno - 1].rstrip("\r")


# -------------------------------------------------------------------------------------------------------------- values
def exact(value: Any) -> Any:
    """Return a number or nested lists as mpmath's numbers."""
    array = np.array(value, dtype=object)
    return mpmath.mpf(array.item()) if array.ndim == 0 else np.vectorize(mpmath.mpf, otypes=[object])(array)


def each(function: Any) -> Any:
    return np.vectorize(function, otypes=[object])


def origin(case: dict[str, Any], values: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Evaluate the independent expression that a case's numbers come from."""
    return np.asarray(eval(case["origin"], {"mp": mpmath.mp, "np": np, "each": each, **values}), dtype=object)


def assert_close(found: Any, expected: Any, relative: float) -> None:
    found, expected = np.array(found, dtype=float), np.array(expected, dtype=float)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=relative, atol=relative)


@pytest.mark.parametrize("case", named("values"))
def test_numbers_come_from_their_origin(case: dict[str, Any]) -> None:
    with mpmath.workdps(50):
        values = {name: exact(value) for name, value in {**case.get("data", {}), **case.get("params", {})}.items()}
        assert_close(origin(case, values), case["value"], 1e-15)
        if "convention" in case:
            return
        step = mpmath.mpf(10) ** -20
        for name, expected in case.get("gradients", {}).items():
            point = np.asarray(values[name], dtype=object)
            slopes = np.empty(point.shape, dtype=object)
            for index in np.ndindex(*point.shape):
                totals = []
                for sign in (1, -1):
                    moved = point.copy()
                    moved[index] += sign * step
                    totals.append(mpmath.fsum(origin(case, {**values, name: moved if moved.ndim else moved.item()}).reshape(-1)))
                slopes[index] = (totals[0] - totals[1]) / (2 * step)
            assert_close(slopes, expected, 1e-14)


@pytest.mark.parametrize("case", named("values"))
def test_values(case: dict[str, Any]) -> None:
    graph = build(parse(case["text"]))
    with mpmath.workdps(50):
        values = {name: exact(value) for name, value in {**case.get("data", {}), **case.get("params", {})}.items()}
        aligned = align(graph, {name: np.shape(value) for name, value in values.items()})
        shaped = {name: np.reshape(value, aligned[name]) if np.ndim(value) else value for name, value in values.items()}
        (value,) = evaluate([graph.loss], shaped)
        axes = dropped(graph.loss.axes)
        array = np.asarray(value, dtype=object)
        cut = tuple(range(array.ndim)) if axes == "all" else axes
        assert_close(np.squeeze(array, axis=cut) if array.ndim else array, case["value"], 1e-15)


@pytest.mark.parametrize("case", named("values"))
def test_values_and_gradients_in_float64(case: dict[str, Any]) -> None:
    loss = losscompiler.compile_loss(case["text"], findings="ignore")
    found = loss.value_and_gradients(case.get("data", {}), case.get("params", {}), dtype="float64")
    assert_close(found.value, case["value"], 1e-12)
    gradients = case.get("gradients", {})
    assert set(found.gradients) == set(gradients)
    for name, expected in gradients.items():
        assert_close(found.gradients[name], expected, 1e-12)


# ------------------------------------------------------------------------------------------------------------ coverage
@cache
def plain_parser() -> Lark:
    """Return the grammar's own parser, without this package's tree."""
    return Lark(grammar_text(), parser="lalr", lexer="contextual", postlex=_NewlineFilter(), keep_all_tokens=True)


def test_every_rule_and_token_of_the_grammar_has_an_accepted_case() -> None:
    parser = plain_parser()
    shown = [rule for rule in parser.rules if rule.alias or not (rule.options.expand1 or rule.origin.name.startswith("_"))]
    rules = {str(rule.alias or rule.origin.name) for rule in shown}
    tokens = {terminal.name for terminal in parser.terminals} - set(parser.ignore_tokens)
    seen: set[str] = set()
    for case in cases("accepted"):
        if "text" in case:
            parsed = parser.parse(case["text"])
            seen |= {str(node.data) for node in parsed.iter_subtrees()}
            seen |= {token.type for token in parsed.scan_values(lambda value: isinstance(value, Token))}
    assert rules | tokens <= seen, f"no accepted case for {sorted((rules | tokens) - seen)}"
    assert isinstance(parsed, Tree)


def test_every_error_about_a_text_has_a_rejected_case() -> None:
    assert {case["code"] for case in cases("rejected")} == set(ERROR_CODES) - NOT_ABOUT_TEXT


def calls(text: str) -> set[str]:
    formula = parse(text)
    roots = [*formula.statements, formula.loss]
    return {LANGUAGE[node.function].name for root in roots for node in tree.postorder(root) if isinstance(node, tree.Call)}


def test_every_function_has_a_value_and_every_derivative_a_gradient() -> None:
    valued, derived = set(), set()
    for case in cases("values"):
        valued |= calls(case["text"])
        if case.get("gradients"):
            derived |= calls(case["text"])
    language = {row.name for row in LANGUAGE.values()}
    assert language <= valued, f"no value for {sorted(language - valued)}"
    smooth = {row.name for row in LANGUAGE.values() if any(text != "0" for text in (*row.partials, *row.adjoints)) or row.inline}
    assert smooth <= derived, f"no gradient for {sorted(smooth - derived)}"


def test_every_operation_a_text_can_make_has_a_value() -> None:
    made = {node.op for case in cases("values") for node in reachable([build(parse(case["text"])).loss])}
    categories = ("Arithmetic", "Comparisons", "Logic and selection")
    operators = {name for name, row in FUNCTIONS.items() if row.internal and row.category in categories}
    structural = {"select", "range", "gather", "vector", "matmul", "broadcast_to"}
    assert operators | structural <= made, f"no value for {sorted((operators | structural) - made)}"


@pytest.mark.parametrize("name", sorted(LANGUAGE))
def test_a_synonym_is_its_function(name: str) -> None:
    row = LANGUAGE[name]
    symbols = ", ".join(["p", "y", "p*y"][: len(row.arguments) - bool(row.whole)])
    arguments = {"one_hot": "y, 3", "arange": "3"}.get(row.name, f"2, {symbols}" if row.whole else symbols)
    one, other = (build(parse(f"{called}({arguments})")).loss for called in (name, row.name))
    assert (one.op, one.attrs, len(one.args)) == (other.op, other.attrs, len(other.args))


# -------------------------------------------------------------------------------------------------------------- limits
LIMITS = {
    "length": limits.LENGTH,
    "depth": limits.DEPTH,
    "operations": limits.OPERATIONS,
    "digits": limits.DIGITS,
    "exponent": limits.DECIMAL_EXPONENT,
}


@pytest.mark.parametrize("limit", sorted(LIMITS))
def test_each_limit_has_a_text_at_it_and_one_beyond(limit: str) -> None:
    accepted = [case for case in cases("accepted") if case.get("limit") == limit]
    rejected = [case for case in cases("rejected") if case.get("limit") == limit]
    assert accepted
    assert rejected
    assert all(case["size"] == LIMITS[limit] for case in accepted)
    assert all(case["size"] == LIMITS[limit] + 1 for case in rejected)


def test_a_function_is_elementwise_or_has_an_adjoint() -> None:
    for row in FUNCTIONS.values():
        assert row.kind is Kind.ELEMENTWISE or row.adjoints or row.inline or row.internal
