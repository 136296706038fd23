"""Fast evaluation for probes: against SciPy, and against the meaning of the language in 50 digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import scipy.special as sp

from losscompiler.analysis.floats import Plan
from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.graph.axes import leaf
from losscompiler.graph.node import Graph
from losscompiler.graph.precise import evaluate

X = np.array([-40.0, -3.7, -1.0, -0.3, 0.2, 0.9, 1.0, 3.0, 12.5, 80.0, 600.0])


def value_of(op: str, *arrays: np.ndarray, **attrs: int) -> np.ndarray:
    graph = Graph()
    names = [f"x{position}" for position in range(len(arrays))]
    node = graph.make(op, *(graph.symbol(name, leaf("x")) for name in names), **attrs)
    return Plan([node]).values(dict(zip(names, arrays, strict=True)))[0]


@pytest.mark.parametrize(
    ("op", "reference", "where"),
    [
        ("lgamma", sp.gammaln, X > 0), ("digamma", sp.digamma, (X > -30) & (X != -1)), ("erf", sp.erf, X < 99), ("erfc", sp.erfc, X < 20),
        ("erfcx", sp.erfcx, X > -10), ("erfinv", sp.erfinv, abs(X) < 1), ("ndtr", sp.ndtr, X < 99), ("log_ndtr", sp.log_ndtr, X < 5),
        ("i0e", sp.i0e, X < 700), ("i1e", sp.i1e, X < 700), ("i1", sp.i1, abs(X) < 500), ("sigmoid", sp.expit, X > -700),
        ("log_sigmoid", sp.log_expit, X < 30), ("log_i0", lambda x: np.log(sp.i0e(x)) + abs(x), X < 700),
    ],
)  # fmt: skip
def test_special_functions_are_scipys(op, reference, where) -> None:
    x = X[where]
    np.testing.assert_allclose(value_of(op, x), reference(x), rtol=2e-8, atol=1e-300)


@pytest.mark.parametrize("order", [1, 2, 5])
def test_polygamma_is_scipys(order: int) -> None:
    x = X[X > 0]
    np.testing.assert_allclose(value_of("polygamma", np.full(x.shape, float(order)), x), sp.polygamma(order, x), rtol=1e-9)


@pytest.mark.parametrize(
    "row",
    [row for row in FUNCTIONS.values() if row.kind is Kind.ELEMENTWISE and not row.inline and row.name != "number"],
    ids=lambda row: row.name,
)
def test_every_function_means_the_same(row) -> None:
    random = np.random.default_rng(0)
    graph = Graph()
    node = graph.make(row.name, *(graph.symbol(name, leaf("x")) for name in row.arguments))
    values = {name: 1.5 * random.normal(size=(5, 2)) for name in row.arguments}
    if row.whole:
        values[row.whole] = np.full((5, 2), 2.0)
        values |= {name: abs(value) for name, value in values.items() if name in ("x", "d")}
    if row.name == "log_zero_inflated":
        share = random.uniform(0.05, 0.95, size=(5, 2))
        values = {"v": share, "x": values["x"], "w": 1 - share}
    if row.name == "unit_slope_difference":
        values["w"] = values["u"] - values["v"]
    if row.name == "log_of_quotient":
        values = {name: abs(value) for name, value in values.items()}
    precise = np.frompyfunc(mpmath.mpf, 1, 1)
    with mpmath.workdps(50):
        expected = evaluate([node], {name: precise(value) for name, value in values.items()})[0]
    np.testing.assert_allclose(Plan([node]).values(values)[0], np.asarray(expected, dtype=float), rtol=1e-8)


@pytest.mark.parametrize("axis", [-1, 0, "all"])
@pytest.mark.parametrize("op", ["sum", "mean", "prod", "max", "min", "logsumexp", "softmax", "log_softmax", "norm", "count"])
def test_reductions_mean_the_same(op: str, axis) -> None:
    random = np.random.default_rng(1)
    graph = Graph()
    node = graph.make(op, graph.symbol("x", leaf("x")), axis=axis)
    x = random.normal(size=(3, 4))
    expected = np.asarray(evaluate([node], {"x": x.astype(object)})[0], dtype=float)
    got = Plan([node]).values({"x": x})[0]
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_functions_along_axes_mean_the_same() -> None:
    random = np.random.default_rng(2)
    x = random.normal(size=(4, 4))
    for op, attrs in [("cumsum", {"axis": 0}), ("flip", {"axis": -1}), ("sort", {"axis": -1}), ("logcumsumexp", {"axis": 0}),
                      ("argmax", {"axis": -1}),
                      ("select", {"index": -1}), ("range", {"start": 1, "stop": None}), ("triu", {}), ("tril", {}), ("diag", {}),
                      ("eye_like", {}),
                      ("transpose", {}), ("products_of_others", {"axis": -1})]:  # fmt: skip
        graph = Graph()
        node = graph.make(op, graph.symbol("x", leaf("x")), **attrs)
        expected = np.asarray(evaluate([node], {"x": np.frompyfunc(mpmath.mpf, 1, 1)(x)})[0], dtype=float)
        np.testing.assert_allclose(Plan([node]).values({"x": x})[0], expected, rtol=1e-12, err_msg=op)


def test_shapes_that_do_not_fit_are_told() -> None:
    graph = Graph()
    node = graph.make("add", graph.symbol("x", leaf("x")), graph.symbol("y", leaf("y")))
    with pytest.raises(ValueError, match="broadcast"):
        Plan([node]).values({"x": np.ones((2, 3)), "y": np.ones((2, 4))})
