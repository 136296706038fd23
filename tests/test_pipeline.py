"""What is shown, what is emitted and what is saved are one thing."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import sympy

import losscompiler as lc
from losscompiler.pipeline import Stages

SHOWN = (
    "(log(y) - log(p))**2 + a*p",
    "-(y*log(sigmoid(p)) + (1 - y)*log(1 - sigmoid(p)))",
    "param delta > 0 = 1\nr = abs(y - p)\nr**2/2 if r <= delta else delta*(r - delta/2)",
    "param alpha in (0, 2) = 1\nparam c > 0 = 1\nr = (p - y)/c\nabs(alpha - 2)/alpha*((r**2/abs(alpha - 2) + 1)**(alpha/2) - 1)",
    "param nu > 2 = 5\nlgamma(nu/2) - lgamma((nu + 1)/2) + 0.5*log(nu*pi) + 0.5*(nu + 1)*log1p((y - p)**2/nu)",
    "max(0, a - y*p) + hypot(p, y)*b",
)


@pytest.mark.parametrize("formula", SHOWN)
def test_shown_derivatives_equal_what_runs(formula: str) -> None:
    loss = lc.compile_loss(formula, findings="ignore")
    generator = np.random.default_rng(0)
    y, p = generator.uniform(0.1, 0.9, (2, 7))
    params = {name: (parameter.bounds[0] or 0) + 0.7 for name, parameter in loss.parameters.items()}
    found = loss.value_and_gradients({"y": y, "p": p}, params, dtype="float64").gradients
    for name, shown in loss.derivatives.items():
        point = [{loss.symbols[k]: v for k, v in (params | {"y": y_i, "p": p_i}).items()} for y_i, p_i in zip(y, p, strict=True)]
        expected = np.array([float(sympy.sympify(shown.xreplace(numbers)).doit()) for numbers in point])
        np.testing.assert_allclose(found[name], expected if name == "p" else expected.sum(), rtol=1e-9)


@pytest.mark.parametrize("formula", SHOWN)
def test_text_of_a_derivative_compiles_to_the_same_numbers(formula: str) -> None:
    loss = lc.compile_loss(formula, findings="ignore")
    head = "\n".join(line for line in formula.splitlines()[:-1] if not line.startswith("param"))
    params = {name: 0.7 + (parameter.bounds[0] or 0) for name, parameter in loss.parameters.items()}
    data = {"y": [0.3, 0.6], "p": [0.5, 0.2]}
    again = lc.compile_loss(f"{head}\n{loss.derivatives.text('p')}", params, findings="ignore")
    got = again.value_and_gradients({name: data[name] for name in again.graph.data}, params, dtype="float64").value
    want = loss.value_and_gradients(data, params, dtype="float64").gradients["p"]
    np.testing.assert_allclose(got, want, rtol=1e-9)


def test_config_makes_the_same_loss_again() -> None:
    loss = lc.compile_loss(
        "w*abs(y - q) + k*t", {"w": lc.Parameter(0.25, bounds=(0, None), closed=(False, True), trainable=False)},
        predictions=("q",), inputs=("t",), constants={"k": 3}, name="weighted",
    )  # fmt: skip
    again = Stages.from_config(loss.stages.config())
    assert again.config() == loss.stages.config()
    assert again.generated.text == loss.source()
    assert again.graph.parameters == loss.parameters


def test_config_of_a_newer_version_is_refused() -> None:
    config = lc.compile_loss("(y - p)**2").stages.config() | {"version": 99}
    with pytest.raises(lc.ArgumentError, match="newer version"):
        Stages.from_config(config)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, lambda loss: pickle.loads(pickle.dumps(loss))])
def test_copies_and_pickles_compute_the_same(duplicate) -> None:  # type: ignore[no-untyped-def]
    loss = lc.compile_loss("param a > 0 = 2\na*(y - p)**2 + k[0]", constants={"k": np.array([1.0, 2.0])}, findings="ignore")
    _ = loss.module
    data = {"y": [1.0], "p": [3.0]}
    again = duplicate(loss)
    assert again.value_and_gradients(data).value == loss.value_and_gradients(data).value == pytest.approx(9)


def test_a_constant_may_hold_infinities() -> None:
    loss = lc.compile_loss("min(k[0], (y - p)**2) + max(k[1], 0)", constants={"k": [np.inf, -np.inf]}, findings="ignore")
    for again in (loss, pickle.loads(pickle.dumps(loss))):
        np.testing.assert_allclose(again.value_and_gradients({"y": [1.0], "p": [3.0]}).value, [4.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"findings": "loud"}, "findings must be one of"),
        ({"params": [1, 2]}, "params must be a mapping"),
        ({"params": {"a": "x"}}, "init must be a number"),
        ({"params": {"1a": 1}}, "must hold names"),
        ({"constants": {"k": [float("nan")]}}, "holds NaN"),
        ({"constants": {"k": "text"}}, "must be a number"),
        ({"params": {"p": 1}, "predictions": ("p", "q")}, "is the prediction"),
        ({"predictions": ("y",), "targets": ("y", "z")}, "declared as"),
    ],
)
def test_wrong_arguments_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(lc.ArgumentError, match=message):
        lc.compile_loss("(y - p)**2", **options)  # type: ignore[arg-type]


def test_formula_of_another_kind_is_refused() -> None:
    with pytest.raises(lc.ArgumentError, match="text or a SymPy expression"):
        lc.compile_loss(3.5)


def test_a_compiled_loss_can_be_compiled_again_with_other_values() -> None:
    loss = lc.compile_loss("param a = 2\na*(y - p)**2", findings="ignore")
    again = lc.compile_loss(loss, {"a": 5.0}, findings="ignore")
    assert again.parameters["a"].init == 5.0


def test_a_switched_off_source_target_is_named() -> None:
    with pytest.raises(lc.ArgumentError, match="target must be"):
        lc.compile_loss("(y - p)**2").source(target="fortran")
