"""The measure of accuracy in float32: what it finds, what it forgives, and that it says where."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import losscompiler as lc
from losscompiler.verify.check import compare
from losscompiler.verify.sampling import Batch, sample
from losscompiler.verify.tally import Settings

SETTINGS = Settings("float64", 1e-8, 0)


def program_that(loss, change):
    """Return the loss's program, whose gradients in float32 are changed."""

    def value_and_pullback(*arrays):
        value, pullback = loss.module.value_and_pullback(*arrays)

        def changed(upstream):
            found = pullback(upstream)
            return tuple(change(g) for g in found) if "float32" in str(upstream.dtype) else found

        return value, changed

    return SimpleNamespace(value_and_pullback=value_and_pullback, value=loss.module.value)


def checked(change, formula="(y - p)**2*a"):
    loss = lc.compile_loss(formula, findings="ignore")
    return compare(loss.graph, program_that(loss, change), sample(loss.graph, points=20, seed=0), SETTINGS)


def test_an_honest_program_stays_within_a_few_units():
    check = checked(lambda g: g)
    assert check.ok
    assert all(0 <= row.single.culp < 4 and row.single.off == 0 and row.single.points > 20 for row in check.rows)


@pytest.mark.parametrize(
    ("change", "least", "off"),
    [
        (lambda g: g * 1.001, 1e3, False),
        (lambda g: g * 1.05, 1e5, True),
        (lambda g: -g, 1e6, True),
        (lambda g: g * float("nan"), np.inf, True),
        (lambda g: g * (1 + 40 * 2.0**-23), 16, False),
    ],
    ids=["0.1 %", "5 %", "sign", "nan", "40 units"],
)
def test_errors_that_only_float32_has(change, least, off):
    check = checked(change)
    assert check.ok, "the derivatives are right in float64"
    row = check["p"]
    assert row.single.culp >= least
    assert (row.single.off > 0) is off
    assert "least accurate in float32" in str(check)
    assert ("float32 is off" in row.notes()) is off
    assert set(row.single.values) == {"y", "p", "a"}


def test_what_rounding_the_inputs_explains_is_forgiven():
    """y - p for y near p: an error of one rounding of y is 16,000 units of the result, and one of the input."""
    loss = lc.compile_loss("y - p", findings="ignore")
    arrays = {"y": np.array([1.0, 1.0]), "p": np.array([1.0 + 2**-10, 3.0])}
    batch = Batch({name: x.astype("float32").astype("float64") for name, x in arrays.items()}, "data", separate=True)

    def shifted(*arrays):
        value, pullback = loss.module.value_and_pullback(*arrays)
        return (value + 2.0**-24 if "float32" in str(value.dtype) else value), pullback

    program = SimpleNamespace(value_and_pullback=shifted, value=loss.module.value)
    check = compare(loss.graph, program, [batch], SETTINGS)
    assert check.value.single.culp <= 1.0


def test_the_worst_inputs_are_named():
    """A program that squares in float32 overflows only at the largest input, and that is the one named."""
    loss = lc.compile_loss("sqrt(p**2 + 1)", findings="ignore")
    from keras import ops

    def naive(p):
        root = ops.sqrt(ops.square(p) + 1.0)
        return root, lambda upstream: (upstream * p / root,)

    program = SimpleNamespace(value_and_pullback=naive, value=lambda p: naive(p)[0])
    batch = Batch({"p": np.array([1.0, 2.0, 2.0**66])}, "data", separate=True)
    check = compare(loss.graph, program, [batch], SETTINGS)
    assert check.value.single.culp == np.inf
    assert check.value.single.values == {"p": 2.0**66}
    assert check.value.single.off == 1


def test_numbers_beyond_float32_are_not_judged_there():
    loss = lc.compile_loss("log(p)", findings="ignore")
    check = loss.check_gradients({"p": np.array([1e200, 2e200])})
    assert check.ok
    assert check["p"].single is None


def test_reductions_and_broadcasting_are_measured_too():
    check = lc.compile_loss("param w[p]\nmean(w*(y - p)**2)", findings="ignore").check_gradients(samples=16)
    assert check.ok
    assert all(row.single.points for row in check.rows)


def test_the_table_has_the_column():
    check = lc.compile_loss("(y - p)**2", findings="ignore").check_gradients(samples=8)
    assert "float32" in str(check).splitlines()[2]
    assert check.to_dict()["gradients"][0]["single"]["culp"] == check["p"].single.culp
