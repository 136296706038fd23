"""What is read from files: every entry is checked, nothing is evaluated, and only this package's errors come out."""

from __future__ import annotations

import ast
import copy
import json
import random
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import losscompiler as lc
from losscompiler.pipeline import Stages


def config() -> dict[str, Any]:
    """Return a config in which every kind of entry occurs."""
    params = {"a": lc.Parameter([0.25, 0.5], bounds=(0, 1), regularizer="l2"), "b": lc.Parameter(-1.0, bounds=(None, 0), trainable=False)}
    loss = lc.compile_loss(
        "sum(a*k*(t - q)**2) + b*sum(v*q)", params, targets=["t"], predictions=["q"], inputs=["v"], constants={"k": [1, 3]},
        name="every entry", findings="ignore",
    )  # fmt: skip
    return json.loads(json.dumps(loss.stages.config()))


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the config with one entry set, or deleted if the value is ``...``."""
    made = config()
    *folders, last = path.split("/")
    table = made
    for folder in folders:
        table = table[folder]
    if value is ...:
        del table[last]
    else:
        table[last] = value
    return made


def short(value: Any) -> str:
    """Return the name of a case; Python refuses to write very long numbers out."""
    return ascii(value[:30]) if isinstance(value, str) else type(value).__name__


def test_it_makes_the_same_loss_again() -> None:
    again = Stages.from_config(config())
    assert json.loads(json.dumps(again.config())) == config()
    assert again.graph.parameters["a"].init == (0.25, 0.5)
    np.testing.assert_array_equal(again.graph.constants["k"], [1.0, 3.0])


def nested(depth: int) -> Any:
    value: Any = 1.0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("version", ..., "version must be a positive integer, not None"),
        ("version", "1", "version must be a positive integer, not '1'"),
        ("version", 0, "version must be a positive integer"),
        ("version", True, "version must be a positive integer"),
        ("version", 2, r"saved by a newer version \(config 2, known 1\). Update losscompiler"),
        ("version", 10**5000, "saved by a newer version .config a number of more than 18 digits"),
        ("formula", ..., "the loss lacks the entry 'formula'"),
        ("formula", 7, "formula must be text, not 7"),
        ("formula", None, "formula must be text, not None"),
        ("name", ["x"], "name must be text, not list"),
        ("surprise", 1, "the loss has the unknown entry 'surprise'"),
        ("targets", "t", "targets must be a list of names, not 't'"),
        ("targets", [1], "targets must be text, not 1"),
        ("targets", ["t + 1"], "must hold names such as 'y', not 't \\+ 1'"),
        ("predictions", ["t"], "declared as"),
        ("inputs", None, "inputs must be a list of names, not None"),
        ("inputs", {"v": 1}, "inputs must be a list of names, not dict"),
        ("parameters", [], "parameters must be a table of named entries, not list"),
        ("parameters", {"a": 1}, "parameters.a must be a table of named entries, not 1"),
        ("parameters", {1: {}}, "parameters must be a table"),
        ("parameters/__import__", config()["parameters"]["b"], "must hold names such as 'y'"),
        ("parameters/a/init", ..., "parameters.a lacks the entry 'init'"),
        ("parameters/a/init", None, "parameters.a.init must hold numbers, not None"),
        ("parameters/a/init", ["0.5", 0.5], "parameters.a.init must hold numbers, not '0.5'"),
        ("parameters/a/init", [[0.5], [0.5, 0.5]], "differ in length"),
        ("parameters/a/init", [0.5, 7.0], "lies outside"),
        ("parameters/a/init", float("nan"), "must be finite"),
        ("parameters/b/init", -(10**400), "must be a number"),
        ("parameters/a/init", nested(70), "nested more than 64 levels deep"),
        ("parameters/a/bounds", [0], "parameters.a.bounds must be a list of two"),
        ("parameters/a/bounds", [1, 0], "must be below"),
        ("parameters/a/bounds", [0, "1"], "parameters.a.bounds must hold numbers, not '1'"),
        ("parameters/a/shape", "p", "parameters.a.shape must be a list, not 'p'"),
        ("parameters/a/shape", [-2], "shape must hold positive integers"),
        ("parameters/a/shape", [True], "shape must hold positive integers"),
        ("parameters/a/closed", [0, 1], "needs true or false"),
        ("parameters/a/trainable", "yes", "needs true or false"),
        ("parameters/a/regularizer", 3, "parameters.a.regularizer must be text, not 3"),
        ("parameters/a/regularizer", {"class_name": "L2"}, "lacks the entry 'config'"),
        ("parameters/a/regularizer", {"class_name": "L2", "config": {}, "run": 1}, "unknown entry 'run'"),
        ("parameters/a/regularizer", {"class_name": "L2", "config": {"l2": float("inf")}}, "must hold texts and finite numbers"),
        ("parameters/a/surprise", 1, "parameters.a has the unknown entry 'surprise'"),
        ("constants", None, "constants must be a table"),
        ("constants/k", "1", "constants.k must hold numbers, not '1'"),
        ("constants/k", [[1], [2, 3]], "constant 'k' must be a number or an array"),
        ("constants/a b", 1, "must hold names such as 'y'"),
    ],
    ids=short,
)
def test_what_is_wrong_is_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(lc.ArgumentError, match=message):
        Stages.from_config(changed(path, value))


@pytest.mark.parametrize("whole", [None, [], "text", 3, [["version", 1]]])
def test_what_is_no_table_at_all_is_refused(whole: Any) -> None:
    with pytest.raises(lc.ArgumentError, match="must be a table of named entries"):
        Stages.from_config(whole)


@pytest.mark.parametrize(
    ("formula", "error"),
    [
        ("__import__('os').system('true')", lc.FormulaSyntaxError),
        ("().__class__.__base__.__subclasses__()", lc.FormulaSyntaxError),
        ("__import__", lc.FormulaNameError),
        ("q + \ud800", lc.FormulaSyntaxError),
        ("q + 1\x00", lc.FormulaSyntaxError),
        ("(" * 100_000, lc.FormulaLimitError),
        ("(" * 30_000 + "q" + ")" * 30_000, lc.FormulaLimitError),
        ("q" + " + q" * 50_000, lc.FormulaLimitError),
        ("9**9**9**9*q", lc.FormulaLimitError),
        ("", lc.FormulaSyntaxError),
    ],
    ids=short,
)
def test_a_hostile_formula_is_text_that_the_grammar_refuses(formula: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        Stages.from_config(changed("formula", formula))


def test_a_hostile_name_is_only_a_name() -> None:
    name = 'x"""\nraise SystemExit\nclass \\" Loss\\u0022'
    stages = Stages.from_config(changed("name", name))
    assert stages.name == name
    statements = ast.parse(stages.generated.text).body
    assert {type(node) for node in statements} <= {ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.FunctionDef, ast.ClassDef}
    assert all(isinstance(node.value, ast.Constant) for node in statements if isinstance(node, ast.Expr))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every entry, those of tables and lists included."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in inner for found in [(*path, key), *places(item, (*path, key))]]


PLACES = places(config())
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("__import__('os')"), st.just([]), st.just({}),
    st.recursive(st.one_of(st.none(), st.integers(), st.text(max_size=3)), lambda inner: st.lists(inner, max_size=3), max_leaves=5),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), st.one_of(st.just(...), JUNK)), min_size=1, max_size=3))
def test_whatever_is_changed_only_errors_of_this_package_come_out(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    made = config()
    for path, value in changes:
        table: Any = made
        try:
            for key in path[:-1]:
                table = table[key]
            if value is ...:
                del table[path[-1]]
            else:
                table[path[-1]] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):
            pass  # an earlier change took the place away
    with suppress(lc.LossCompilerError):
        Stages.from_config(made)


def test_bytes_that_changed_in_the_file_are_refused_too() -> None:
    generator, text = random.Random(0), json.dumps(config())
    for _ in range(200):
        i = generator.randrange(len(text))
        try:
            made = json.loads(text[:i] + chr(generator.randrange(32, 127)) + text[i + 1 :])
        except ValueError:
            continue
        with suppress(lc.LossCompilerError):
            Stages.from_config(made)
