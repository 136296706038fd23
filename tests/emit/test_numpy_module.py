"""What an emitted NumPy module takes and returns, and that user text cannot get out of its docstring."""

from __future__ import annotations

import ast
import sys
import warnings

import numpy as np
import pytest

import losscompiler as lc
from losscompiler.pipeline import Stages


def module(formula, **options):
    return lc.compile_loss(formula, findings="ignore", **options).stages.numpy_module


# -- dtypes
SINGLE, DOUBLE, HALF = (np.array([1.0, 2.0], dtype) for dtype in ("float32", "float64", "float16"))


@pytest.mark.parametrize(
    ("y", "p", "a", "dtype"),
    [
        (SINGLE, SINGLE, 0.5, "float32"),
        (DOUBLE, DOUBLE, 0.5, "float64"),
        ([1.0, 2.0], SINGLE, 2, "float32"),
        (np.array([1, 2]), SINGLE, np.float32(0.5), "float32"),
        (np.array([True, False]), SINGLE, 0.5, "float32"),
        (DOUBLE, SINGLE, 0.5, "float64"),
        (SINGLE, SINGLE, np.float64(0.5), "float64"),
        ([1, 2], [3, 4], 1, "float64"),
        (HALF, HALF, 0.5, "float32"),
    ],
)
@pytest.mark.parametrize("formula", ["a*(y - p)**2", "a*sum(where(y > p, 0.1, 0.3)*p)", "lgamma(p + a) - lgamma(p) + 0*y"])
def test_arrays_decide_in_what_precision_all_is_computed(formula, y, p, a, dtype):
    value, pullback = module(formula).value_and_pullback(y, p, a)
    assert isinstance(value, np.ndarray)
    for array in (value, *pullback(np.ones(value.shape, "float64"))):
        assert array.dtype == dtype


def test_a_loss_that_loses_digits_in_float32_is_computed_in_float64_as_in_keras():
    """By Stirling's formula it is (log(2*pi) + log(p))/2; its terms are 1e7, where float32 has steps of 1."""
    loss = lc.compile_loss("lgamma(p) - p*log(p) + p + log(p)", findings="ignore")
    assert loss.program.wide
    p = np.array([1e6], "float32")
    found = loss.numpy().value_and_gradients(p)
    np.testing.assert_allclose(found.value, np.log(2e6 * np.pi) / 2, rtol=1e-6)
    np.testing.assert_allclose(found.gradients["p"], 0.5e-6, rtol=1e-4)
    assert found.value.dtype == found.gradients["p"].dtype == "float32"


# -- arguments and results
def test_a_person_can_work_with_it():
    m = module("param a in (0, 1) = 0.25\na*(y - p)**2")
    assert (m.DATA, m.PREDICTIONS) == (("y", "p"), ("p",))
    assert m.PARAMETERS["a"]["initial"] == 0.25
    assert m.PARAMETERS["a"]["bounds"] == (0.0, 1.0)
    y, p = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    np.testing.assert_array_equal(m.value(y, p, 0.5), [2.0, 4.5])
    np.testing.assert_array_equal(m.loss(p=p, y=y, a=0.5), [2.0, 4.5])
    d_p, d_a = m.gradients(y=y, p=p, a=0.5)
    np.testing.assert_array_equal(d_p, [2.0, 3.0])
    assert d_a == 13.0
    mean_p, mean_a = m.gradients(y, p, 0.5, upstream=1 / 2)
    np.testing.assert_array_equal(mean_p, [1.0, 1.5])
    assert mean_a == 6.5


def test_the_facts_about_parameters_are_those_of_the_keras_module():
    stages = Stages("param s > 0 = 1\nparam w[3] = [1, 2, 3]\nparam W[p] in (0, 1) = 0.5\nsum(w*W*p)/s")
    for name in ("DATA", "PREDICTIONS", "PARAMETERS"):
        assert getattr(stages.numpy_module, name) == getattr(stages.module, name)


@pytest.mark.parametrize(("arguments", "named"), [((1.0, 2.0), {}), ((1.0, 2.0, 0.5, 3.0), {}), ((1.0, 2.0), {"b": 1.0})])
def test_wrong_arguments_are_errors_of_the_call(arguments, named):
    with pytest.raises(TypeError, match="argument"):
        module("a*(y - p)**2").value_and_pullback(*arguments, **named)


def test_an_upstream_gradient_of_another_shape_is_an_error():
    with pytest.raises(ValueError, match="broadcast"):
        module("(y - p)**2").gradients([1.0, 2.0], [3.0, 4.0], upstream=[1.0, 2.0, 3.0])


@pytest.mark.parametrize("formula", ["p + q", "p", "sum(p)", "prediction p\n2", "p*mean(q)"])
def test_results_share_no_memory(formula):
    m = module(formula if "prediction" in formula else f"prediction p, q\n{formula}")
    arrays = [np.array([1.0, 2.0]) for _ in m.DATA]
    value, pullback = m.value_and_pullback(*arrays)
    results = [value, *pullback(np.ones(value.shape))]
    for array in results:
        array += 1  # none is read-only
    for i, one in enumerate(results):
        assert not any(np.shares_memory(one, other) for other in (*arrays, *results[:i]))


def test_nan_and_infinity_pass_in_silence():
    """As with tensors; and the branch not taken contributes nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        m = module("log(p) if y > 0 else p/0*y + exp(800*p)")
        value, pullback = m.value_and_pullback(np.array([1.0, 1.0, -1.0]), np.array([0.0, -1.0, 2.0]))
        np.testing.assert_array_equal(value, [-np.inf, np.nan, np.nan])
        (slope,) = pullback(1.0)
    np.testing.assert_array_equal(slope[:2], [np.inf, -1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = module("log(p) if p > 0 else p").gradients(np.array([-1.0, 0.0, 2.0]))[0]
    np.testing.assert_array_equal(found, [1.0, 1.0, 0.5])


def test_a_loss_of_nothing():
    assert module("prediction p\nparam a = 2\n3").value([1.0, 2.0], 2.0) == 3
    assert module("param a = 2\na**2").gradients(3.0)[0] == 6


def test_equal_elements_keep_their_order_in_a_sort_of_any_length():
    """NumPy's default sort is stable for short arrays only."""
    p = np.random.default_rng(0).integers(0, 3, 1000).astype(float)
    order = sorted(range(1000), key=lambda i: p[i])  # Python's own sort is stable
    np.testing.assert_array_equal(module("sum(arange(1000)*sort(p))").gradients(p)[0][order], np.arange(1000.0))


# -- text
@pytest.mark.parametrize(
    "comment", ['"""', '\\"""', "'''", "\\", '\\"\\"\\"', "\x00", "\u2028 import os", "ops.log(x)", '"""\\nimport os\\n"""']
)
def test_comments_stay_inside_the_docstring(comment):
    loss = lc.compile_loss(f"# {comment}\n(y - p)**2 # {comment}", findings="ignore")
    text = ast.parse(loss.source("numpy"))
    assert isinstance(text.body[0], ast.Expr)
    imported = {alias.name for node in ast.walk(text) if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"functools", "inspect", "numpy"}
    assert ast.get_docstring(text) == ast.get_docstring(ast.parse(loss.source())), "formulas are shown as they were written"


@pytest.mark.parametrize(
    "name",
    [
        "lambda", "class", "ops", "np", "special", "scipy", "loss", "upstream", "dtype", "sum_to", "t1", "kept", "d_p", "functools",
        "inspect", "math", "value_and_pullback", "on_arrays", "sigmoid", "relu", "cast", "lgamma", "stop_gradient", "erf", "α", "wrapped",
    ],
)  # fmt: skip
def test_names_that_python_or_the_module_uses_are_safe(name):
    m = module(f"param {name} = 2\nsoftplus(y - {name}*p) + {name}*lgamma(p) + erf({name}) + sigmoid(p)")
    plain = module("param a = 2\nsoftplus(y - a*p) + a*lgamma(p) + erf(a) + sigmoid(p)")
    y, p = np.array([[1.0], [2.0]]), np.array([[0.5], [1.5]])
    for found, expected in zip((m.value(y, p, 2), *m.gradients(y, p, 2)), (plain.value(y, p, 2), *plain.gradients(y, p, 2)), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_scipy_is_imported_where_it_is_needed_only():
    assert "scipy" not in lc.compile_loss("a*(y - p)**2 + logsumexp(p)", findings="ignore").source("numpy")
    assert "from scipy import special" in lc.compile_loss("lgamma(p)", findings="ignore").source("numpy")


def test_a_missing_scipy_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(lc.MissingPackageError, match=r"pip install 'losscompiler\[numpy\]'"):
        lc.compile_loss("lgamma(p)", findings="ignore").numpy()
    assert lc.compile_loss("p**2", findings="ignore").numpy()([3.0]) == 9


def test_lines_show_in_tracebacks():
    import linecache

    m = module("(y - p)**2")
    assert "@on_arrays" in "".join(linecache.getlines(m.value.__code__.co_filename))


@pytest.mark.parametrize("target", ["jax", "", None, "Keras"])
def test_an_unknown_target_is_an_error(target):
    with pytest.raises(lc.ArgumentError, match="'keras' or 'numpy'"):
        lc.compile_loss("(y - p)**2").source(target)
