"""The gradient check is itself checked: wrong gradients in place of the emitted ones must fail, under the right name."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from keras import ops

import losscompiler as lc
from losscompiler.functions import FUNCTIONS
from losscompiler.stable import RULES
from losscompiler.verify.check import compare
from losscompiler.verify.sampling import Batch, sample
from losscompiler.verify.tally import Settings

ELEMENTWISE = "(log(y) - log(p))**2 + a*p"
TWO_HEADS = "prediction m, s\nparam b = 0.5\nsum((y - m)**2*exp(-s) + b*s)"
SETTINGS = Settings("float64", 1e-8, 0)


def compiled(formula):
    return lc.compile_loss(formula, findings="ignore")


def check_with(loss, change, batches=None):
    """Check a loss whose pullback's gradients, by name, went through ``change``."""
    names = loss.graph.variables

    def value_and_pullback(*arrays):
        value, pullback = loss.module.value_and_pullback(*arrays)

        def wrong(upstream):
            found = dict(zip(names, pullback(upstream), strict=True))
            return tuple(change(found, upstream)[name] for name in names)

        return value, wrong

    program = SimpleNamespace(value=loss.module.value, value_and_pullback=value_and_pullback)
    return compare(loss.graph, program, batches or sample(loss.graph, points=40, seed=1), SETTINGS)


def on(name, function):
    return lambda found, upstream: {**found, name: function(found[name])}


def nan_at_one_point(gradient):
    flat = np.array(gradient).reshape(-1)
    flat[flat.size // 2] = np.nan
    return ops.convert_to_tensor(flat.reshape(gradient.shape), gradient.dtype)


WRONG = {
    "0.1 % off": lambda g: g * 1.001,
    "a flipped sign": lambda g: -g,
    "a factor of 2": lambda g: 2.0 * g,
    "zero": ops.zeros_like,
    "NaN at one point": nan_at_one_point,
    "infinite": lambda g: g / 0.0,
    "rounded to float32": lambda g: ops.cast(ops.cast(g, "float32"), "float64"),
    "shifted by 1e-6": lambda g: g + 1e-6,
}


@pytest.mark.parametrize("formula", [ELEMENTWISE, TWO_HEADS])
def test_right_gradients_pass(formula):
    loss = compiled(formula)
    check = check_with(loss, lambda found, upstream: found)
    assert check.ok, str(check)
    assert all(row.points >= 5 and row.error_mpmath < 1e-12 for row in check.rows)
    check.assert_ok()


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize(("formula", "name"), [(ELEMENTWISE, "p"), (ELEMENTWISE, "a"), (TWO_HEADS, "s"), (TWO_HEADS, "b")])
def test_a_wrong_gradient_fails_under_its_name(formula, name, what):
    loss = compiled(formula)
    check = check_with(loss, on(name, WRONG[what]))
    assert not check[name].ok, f"{what} passed:\n{check}"
    assert all(row.ok for row in check.rows if row.symbol != name), str(check)
    with pytest.raises(lc.GradientMismatchError, match=rf"(?s)1 of \d checks fail.*\n{name} at ") as caught:
        check.assert_ok()
    assert "mpmath" in str(caught.value)


def test_swapped_gradients_of_two_predictions_fail_under_both_names():
    loss = compiled(TWO_HEADS)
    check = check_with(loss, lambda found, upstream: {**found, "m": found["s"], "s": found["m"]})
    assert [row.symbol for row in check.rows if not row.ok] == ["m", "s"]


def test_a_gradient_without_its_sum_over_the_batch_fails():
    """d(a*p)/da is upstream*p before it is summed to the scalar a."""
    loss = compiled("a*p")
    arrays = {"p": np.array([0.3, 0.7, 1.1]), "a": np.array(2.0)}

    def unsummed(found, upstream):
        return {**found, "a": upstream * arrays["p"]}

    check = check_with(loss, unsummed, (Batch(arrays, "data"),))
    assert not check["a"].ok
    assert "shape (3,)" in check["a"].problem
    assert check["p"].ok


def test_a_gradient_without_its_sum_over_columns_fails():
    """Of (y - p)**2 with p of one column and y of four, the gradient by p sums over the columns."""
    loss = compiled("(y - p)**2")
    arrays = {"y": np.arange(12.0).reshape(3, 4), "p": np.array([[0.5], [1.5], [2.5]])}
    batches = (Batch(arrays, "data"),)

    def first_column(found, upstream):
        return {"p": (upstream * 2.0 * (arrays["p"] - arrays["y"]))[:, :1]}

    def all_columns(found, upstream):
        return {"p": upstream * 2.0 * (arrays["p"] - arrays["y"])}

    assert check_with(loss, lambda found, upstream: found, batches).ok
    assert not check_with(loss, first_column, batches)["p"].ok
    assert "shape (3, 4)" in check_with(loss, all_columns, batches)["p"].problem


def test_shapes_that_broadcast_are_among_the_samples():
    """So that a sum that is missing shows without any data from the user."""
    batches = [batch for batch in sample(compiled("(y - p)**2*a").graph, points=10, seed=0) if not batch.separate]
    shapes = {(batch.arrays["y"].shape, batch.arrays["p"].shape) for batch in batches}
    assert any(len(y) == len(p) - 1 for y, p in shapes)
    assert any(batch.arrays["a"].shape == () for batch in batches)


def test_a_wrong_gradient_at_targets_of_one_class_only_fails():
    """Where a condition on the target holds exactly the loss is smooth in p: such points are no kinks."""
    loss = compiled("where(y == 1, -log(p), -log(1 - p))")
    arrays = {"y": np.array([1.0, 0.0, 1.0, 0.0]), "p": np.array([0.2, 0.3, 0.6, 0.9])}
    wrong = on("p", lambda g: ops.where(arrays["y"] == 1.0, -g, g))
    check = check_with(loss, wrong, (Batch(arrays, "data"),))
    assert check["p"].wrong == 2
    assert check["p"].kinks == 0


def test_a_nan_on_a_kink_fails_but_another_subgradient_does_not():
    loss = compiled("abs(y - p)")
    arrays = {"y": np.array([1.0, 2.0, 3.0]), "p": np.array([1.0, 1.5, 4.0])}
    batches = (Batch(arrays, "data"),)

    def at_tie(value):
        return on("p", lambda g: ops.where(arrays["y"] == arrays["p"], ops.cast(value, g.dtype), g))

    other = check_with(loss, at_tie(0.5), batches)
    assert other.ok
    assert (other["p"].kinks, other["p"].other_convention, other["p"].points) == (1, 1, 2)
    nan = check_with(loss, at_tie(float("nan")), batches)
    assert not nan["p"].ok
    assert "on kinks" in nan["p"].problem


def test_a_wrong_value_fails():
    """A constant that is added has no gradient, so only the value can tell."""
    loss = compiled(ELEMENTWISE)

    def value_and_pullback(*arrays):
        value, pullback = loss.module.value_and_pullback(*arrays)
        return value + 1e-3, pullback

    program = SimpleNamespace(value=loss.module.value, value_and_pullback=value_and_pullback)
    check = compare(loss.graph, program, sample(loss.graph, points=20, seed=0), SETTINGS)
    assert not check.value.ok
    assert all(row.ok for row in check.rows)


@pytest.mark.parametrize(
    ("function", "partial"), [("log", "2/x"), ("exp", "f*x"), ("softplus", "sigmoid(-x)"), ("lgamma", "log(x)"), ("abs", "1")]
)
def test_a_wrong_row_of_the_table_fails(monkeypatch, function, partial):
    monkeypatch.setitem(FUNCTIONS, function, replace(FUNCTIONS[function], partials=(partial,)))
    check = compiled(f"{function}(p) - y").check_gradients(samples=20)
    assert not check["p"].ok, str(check)


def test_a_wrong_adjoint_in_the_table_fails(monkeypatch):
    monkeypatch.setitem(FUNCTIONS, "logsumexp", replace(FUNCTIONS["logsumexp"], adjoints=("u*exp(x)",)))
    assert not compiled("logsumexp(p) - y*p[0]").check_gradients(samples=8)["p"].ok


def test_a_wrong_rewrite_fails(monkeypatch):
    """The truth is the formula as written, so that rules of the stable forms are judged too."""
    wrong = replace(next(rule for rule in RULES if rule.name == "log of sigmoid"), replacement="log_sigmoid(-x)")
    # The package's name ``rewrite`` is the function; the module stands in sys.modules.
    monkeypatch.setattr(sys.modules["losscompiler.stable.rewrite"], "RULES", (wrong,))
    check = compiled("-log(sigmoid(p))*y").check_gradients(samples=20)
    assert not check["p"].ok
    assert not check.value.ok


def test_what_cannot_be_checked_fails():
    check = compiled("sqrt(-1 - p**2) + a").check_gradients(samples=5)
    assert not check.ok
    with pytest.raises(lc.GradientMismatchError, match="NOT CHECKED: no point was found"):
        check.assert_ok()


def test_only_points_without_a_derivative_fail():
    check = compiled("log(p)").check_gradients({"p": [-1.0, -2.0]})
    assert "NOT CHECKED" in check["p"].problem
