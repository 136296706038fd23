"""Every elementwise row of the table: value, derivative, definition and emitted code, against others' implementations.

Values come from SciPy, NumPy and mpmath, derivatives from mpmath's numerical differentiation and from ``sympy.diff``.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import scipy.special
import scipy.stats
import sympy

import losscompiler as lc
from losscompiler.functions import FUNCTIONS, LANGUAGE, Kind, lookup
from losscompiler.graph.expressions import ExpressionBuilder, Keywords
from losscompiler.graph.node import Graph
from losscompiler.graph.precise import Arithmetic, apply, definition_graph, evaluate
from losscompiler.source import Source
from losscompiler.syntax import parse

ROWS = {name: row for name, row in FUNCTIONS.items() if row.kind is Kind.ELEMENTWISE}
BOOLEAN = {name for name, row in ROWS.items() if row.boolean} | {"number"}
NUMERIC = [name for name in ROWS if name not in BOOLEAN]

# What arguments are drawn from: intervals inside the domain, away from poles. Rows that are not named take (-3, 3).
RANGES = {
    "log": [(0.05, 20)], "log2": [(0.05, 20)], "log10": [(0.05, 20)], "log1p": [(-0.9, 20)], "log1mexp": [(-20, -1e-3)],
    "xlogy": [(-3, 3), (0.05, 20)], "sqrt": [(0.01, 20)], "asin": [(-0.95, 0.95)], "acos": [(-0.95, 0.95)], "acosh": [(1.05, 20)],
    "atanh": [(-0.95, 0.95)], "logit": [(0.02, 0.98)], "erfinv": [(-0.95, 0.95)], "lgamma": [(0.05, 20)], "digamma": [(0.05, 20)],
    "polygamma": [(1, 1), (0.05, 20)], "lbeta": [(0.05, 9), (0.05, 9)], "beta": [(0.05, 9), (0.05, 9)], "i1": [(-6, 6)], "i0": [(-6, 6)],
    "inverse_binet": [(1, 1), (0.3, 9)], "log_i0e": [(-9, 9)], "cosine_distance": [(0.2, 3), (-3, 3), (-3, 3), (0.2, 3)],
    "i0e": [(-9, 9)], "i1e": [(-9, 9)], "log_i0": [(-9, 9)], "erfcx": [(-3, 5)], "log_ndtr": [(-30, 5)], "sigmoid": [(-20, 20)],
    "softplus": [(-20, 20)], "log_sigmoid": [(-20, 20)], "div": [(-3, 3), (0.2, 3)], "pow": [(0.05, 5), (-3, 3)], "tan": [(-1.4, 1.4)],
    "reciprocal": [(0.1, 9)], "clip": [(-3, 3), (-1, -0.5), (0.5, 1)], "logaddexp": [(-20, 20), (-20, 20)],
    "lgamma_difference": [(0.05, 9), (0.05, 9)], "polygamma_difference": [(1, 1), (0.05, 9), (0.05, 9)], "binet": [(1, 1), (0.05, 9)],
    "exp_moment": [(1, 1), (-9, 9)], "log1p_moment": [(1, 1), (-0.9, 20)], "log1pmx": [(-0.9, 20)], "asinh_moment": [(1, 1), (-20, 20)],
    "bessel_ratio": [(-9, 9)], "bessel_ratio_complement": [(-9, 9)], "weighted_log": [(0.05, 20), (-3, 3)],
    "weighted_log1p": [(-0.9, 20), (-3, 3)], "powm1": [(0.05, 5), (-3, 3)], "arc_ratio": [(-0.9, 3)],
    "entropy_of_quotient": [(0.2, 3), (0.2, 3), (0.2, 3)], "relative_difference": [(-3, 3), (0.2, 3)],
    "squared_root_difference": [(0.2, 3), (0.2, 3), (0, 1)], "contrast": [(0.2, 3), (0.2, 3)],
    "log_of_quotient": [(0.2, 3), (0.2, 3), (0.2, 3), (-3, 3)],
    "weighted_power": [(0.05, 5), (-3, 3), (-3, 3)],
    "weighted_reciprocal": [(0.2, 3), (-3, 3)], "share": [(0.2, 3), (0.2, 3)], "log_cloglog": [(-20, 3)], "log_softplus": [(-20, 20)],
    "reciprocal_expm1": [(0.1, 9)], "weighted_logaddexp": [(-9, 9), (-9, 9), (0.1, 9), (0.1, 9)],
    "log_zero_inflated": [(0.05, 0.95), (-20, 20), (0.05, 0.95)], "log_logit_inflated": [(-9, 9), (-20, -0.01)],
    "atan_remainder": [(-9, 9)], "sine_remainder": [(-9, 9)], "unit_slope_difference": [(-3, 3), (-3, 3), (0.1, 3), (0, 1)],
    "scaled_ndtr_slope": [(-4, 5)], "log_ndtr_and_square": [(-20, 5), (-9, 9), (0, 1)], "reciprocal_mean": [(0.01, 9)],
    "log_cosh_remainder": [(-9, 9)], "log1p_tanh": [(-0.9, 0.9), (-20, 20)],
    "scaled_logaddexp": [(-9, 9), (-9, 9), (0.2, 3)],
    "langevin": [(0.3, 9)], "log_sinhc": [(0.3, 9)], "logistic_entropy": [(-20, 20)], "log_ndtr_difference": [(-3, -0.1), (0.1, 3)],
    "log_expected_improvement": [(-3, 3), (0.2, 3)],
}  # fmt: skip

# The same functions by somebody else. Rows that are not named stand under their own name in NumPy or SciPy.
OTHERS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative, "pow": np.power,
    "where": lambda c, x, y: np.where(c != 0, x, y), "stop_gradient": lambda x: x,
    "exp_difference": lambda x, total: np.exp(x - total), "reciprocal": np.reciprocal, "relu": lambda x: np.maximum(x, 0),
    "sigmoid": scipy.special.expit, "log_sigmoid": scipy.special.log_expit, "softplus": lambda x: np.logaddexp(x, 0),
    "log1mexp": lambda x: scipy.special.logsumexp([0 * x, x], axis=0, b=np.array([[1.0], [-1.0]])),
    "log_cosh": lambda x: np.logaddexp(x, -x) - np.log(2),
    "lgamma": scipy.special.gammaln, "lbeta": scipy.special.betaln, "log_i0": lambda x: np.log(scipy.special.i0(x)),
    "inverse_binet": lambda k, x: -(scipy.special.digamma(1 / x) + np.log(x) + x / 2) / x**2,
    "log_i0e": lambda x: np.log(scipy.special.i0(x)) - x,
    "cosine_distance": lambda a, b, c, d: 1 - np.cos(np.arctan2(b, a) - np.arctan2(d, c)),
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "beta": scipy.special.beta, "i0": scipy.special.i0, "polygamma": scipy.special.polygamma,
    "lgamma_difference": lambda x, d: scipy.special.gammaln(x + d) - scipy.special.gammaln(x),
    "polygamma_difference": lambda n, x, d: scipy.special.polygamma(n, x + d) - scipy.special.polygamma(n, x),
    "binet": lambda k, x: scipy.special.digamma(x) - np.log(x) + 1 / (2 * x),
    "exp_moment": lambda k, x: scipy.special.hyp1f1(k + 1, k + 2, x) / (k + 1),
    "log1p_moment": lambda k, x: scipy.special.hyp2f1(k + 1, k + 1, k + 2, -x) / (k + 1),
    "asinh_moment": lambda k, x: scipy.special.hyp2f1(k + 0.5, k + 0.5, k + 1.5, -(x**2)) / (2 * k + 1),
    "expm1mx": lambda x: np.expm1(x) - x, "log1pmx": lambda x: np.log1p(x) - x,
    "bessel_ratio": lambda x: scipy.special.i1e(x) / scipy.special.i0e(x),
    "bessel_ratio_complement": lambda x: 1 - scipy.special.i1e(x) / scipy.special.i0e(x),
    "weighted_log": lambda x, weight: np.log(x), "weighted_log1p": lambda x, weight: np.log1p(x),
    "weighted_reciprocal": lambda x, weight: np.reciprocal(x), "share": lambda x, y: x / (x + y),
    "sech_squared": lambda x: np.cosh(x) ** -2, "relative_difference": lambda x, y: x / y - 1,
    "squared_root_difference": lambda x, y, d: (np.power(x, 0.5) - np.power(y, 0.5)) ** 2,
    "entropy_of_quotient": lambda x, y, t: scipy.special.rel_entr(x + t, y + t),
    "contrast": lambda x, y: np.tanh(np.log(x / y) / 2),
    "log_of_quotient": lambda x, y, t, weight: np.log1p((x - y) / (y + t)), "weighted_power": lambda x, y, weight: np.power(x, y),
    "reciprocal_expm1": lambda x: 1 / np.expm1(x),
    "weighted_logaddexp": lambda x, y, v, w: scipy.special.logsumexp([x, y], axis=0, b=[v, w]),
    "log_exp_mean": lambda x: np.log(scipy.special.exprel(x)), "reciprocal_exp_mean": lambda x: 1 / scipy.special.exprel(x),
    "exp_mean_slope": lambda x: scipy.special.hyp1f1(2, 3, x) / (2 * scipy.special.exprel(x)),
    "arc_ratio": lambda x: np.where(x < 1, np.arccos(np.minimum(x, 1)), np.arccosh(np.maximum(x, 1))) / np.sqrt(np.abs(1 - x**2)),
    "scaled_sigmoid": lambda w, x: w * scipy.special.expit(x), "scaled_square": lambda w, x: w * x**2, "abs_slope": np.sign,
    "log_cloglog": lambda x: np.log(-np.expm1(-np.exp(x))), "log_softplus": lambda x: np.log(np.logaddexp(x, 0)),
    "log_zero_inflated": lambda v, x, w: np.log1p(v * np.expm1(x)), "log1p_tanh": lambda y, x: np.log1p(y * np.tanh(x)),
    "atan_remainder": lambda x: np.arctan(x) - x / (1 + x**2),
    "sine_remainder": lambda x: np.sign(x) * x**2 * scipy.special.spherical_jn(1, np.abs(x)),
    "unit_slope_difference": lambda u, v, d, w: np.sin(np.arctan2(u, d)) - np.sin(np.arctan2(v, d)),
    "log_ndtr_and_square": lambda x, u, w: scipy.special.log_ndtr(x) + w,
    "scaled_ndtr_slope": lambda x: x + np.exp(scipy.stats.norm.logpdf(x) - scipy.special.log_ndtr(x)),
    "reciprocal_mean": lambda x: scipy.special.hyp2f1(1, 1, 2, 1 - x),
    "log_cosh_remainder": lambda x: 2 * np.logaddexp(x, -x) - 2 * np.log(2) - x * np.tanh(x),
    "log_logit_inflated": lambda q, x: np.log(scipy.special.expit(q) + scipy.special.expit(-q) * np.exp(x)),
    "scaled_logaddexp": lambda x, y, k: np.logaddexp(k * x, k * y) / k,
    "langevin": lambda x: 1 / np.tanh(x) - 1 / x, "log_sinhc": lambda x: np.log(np.sinh(x) / x),
    "logistic_entropy": lambda x: scipy.special.entr(scipy.special.expit(x)) + scipy.special.entr(scipy.special.expit(-x)),
    "sigmoid_difference": lambda x, y: scipy.special.expit(y) - scipy.special.expit(x),
    "ndtr_difference": lambda x, y: scipy.special.ndtr(y) - scipy.special.ndtr(x),
    "log_ndtr_difference": lambda x, y: np.log(scipy.special.ndtr(y) - scipy.special.ndtr(x)),
    "ndtr_in_improvement": lambda x: scipy.special.ndtr(x) / (x * scipy.special.ndtr(x) + scipy.stats.norm.pdf(x)),
    "improvement_gap": lambda x: x + scipy.special.ndtr(x) / (x * scipy.special.ndtr(x) + scipy.stats.norm.pdf(x)),
    "density_in_improvement": lambda x: scipy.stats.norm.pdf(x) / (x * scipy.special.ndtr(x) + scipy.stats.norm.pdf(x)),
    "log_expected_improvement": lambda x, s: np.log(x * scipy.special.ndtr(x / s) + s * scipy.stats.norm.pdf(x / s)),
}  # fmt: skip
COMPARISONS = {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal}


def other(name):
    found = OTHERS.get(name) or getattr(np, name, None) or getattr(scipy.special, name, None)
    assert found is not None, f"no independent implementation of {name}: name one in OTHERS"
    return found


def points(name, count=24):
    """Return arrays for the arguments of a row; the last point of two arguments is a pair of whole numbers."""
    random = np.random.default_rng(sum(map(ord, name)))
    ranges = RANGES.get(name) or [(-3, 3)] * len(ROWS[name].arguments)
    columns = [np.full(count, float(low)) if low == high else random.uniform(low, high, count) for low, high in ranges]
    if name == "where":
        columns[0] = (columns[0] > 0).astype(float)
    if name == "log_zero_inflated":
        columns[0] = np.round(1024 * columns[0]) / 1024
        columns[2] = 1 - columns[0]
    if name == "unit_slope_difference":
        columns[:2] = [np.round(1024 * column) / 1024 for column in columns[:2]]
        columns[3] = columns[0] - columns[1]
    if name == "log_ndtr_and_square":
        columns[:2] = [np.round(1024 * column) / 1024 for column in columns[:2]]
        columns[2] = (columns[0] ** 2 - columns[1] ** 2) / 2
    if name == "squared_root_difference":
        columns[:2] = [np.round(1024 * column) / 1024 for column in columns[:2]]
        columns[2] = columns[0] - columns[1]
    return columns


def precise(name, *columns, digits=50):
    """Return a row's values in mpmath, by its definition where the table has one."""
    row = ROWS[name]
    with mpmath.workdps(digits):
        arithmetic = Arithmetic()
        arrays = [np.array([mpmath.mpf(float(x)) for x in column], dtype=object) for column in columns]
        if row.definition:
            graph, root = definition_graph(name)
            return evaluate([root], dict(zip(row.arguments, arrays, strict=True)), arithmetic)[0]
        graph = Graph()
        return evaluate([node_of(graph, name)], dict(zip(row.arguments, arrays, strict=True)), arithmetic)[0]


def node_of(graph, name, text=None):
    """Return the node of a row, or of a text of its over its arguments and ``f``."""
    row = ROWS[name]
    arguments = {argument: graph.symbol(argument, frozenset({("x", frozenset())})) for argument in row.arguments}
    order = arguments | {row.whole: graph.const(1)} if row.whole else arguments
    if name == "where":
        order["condition"] = graph.make("ne", arguments["condition"], graph.const(0))
    value = graph.make(name, *(order[argument] for argument in row.arguments)) if not row.inline else None
    if text is None and value is not None:
        return value
    builder = ExpressionBuilder(graph, Source(""), lambda symbol: graph.const(symbol.name), graph.make, internal=True)
    return builder.expand(text or row.definition, order if value is None else order | {"f": value}, Keywords(), None)


def numbers(values):
    return np.array([float(x) for x in values])


# -- values
@pytest.mark.parametrize("name", NUMERIC)
def test_value_is_that_of_others(name):
    columns = points(name)
    np.testing.assert_allclose(numbers(precise(name, *columns)), other(name)(*columns), rtol=2e-12, atol=1e-14)


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_are_those_of_numpy(name):
    x, y = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0])
    with mpmath.workdps(30):
        found = apply(Arithmetic(), node_of(Graph(), name), [x.astype(object), y.astype(object)])
    np.testing.assert_array_equal(found.astype(bool), COMPARISONS[name](x, y))


@pytest.mark.parametrize("name", [name for name in NUMERIC if ROWS[name].mpmath and ROWS[name].definition])
def test_definition_is_the_function_of_mpmath(name):
    columns = points(name)
    function = getattr(mpmath, ROWS[name].mpmath)
    with mpmath.workdps(60):
        for value, *arguments in zip(precise(name, *columns, digits=60), *columns, strict=True):
            assert mpmath.almosteq(value, function(*map(mpmath.mpf, arguments)), rel_eps=mpmath.mpf("1e-50"))


@pytest.mark.parametrize("name", [name for name in NUMERIC if ROWS[name].range != (-np.inf, np.inf)])
def test_value_lies_in_its_range(name):
    low, high = ROWS[name].range
    values = numbers(precise(name, *points(name, 60)))
    slack = 1e-12
    assert np.all((values >= low - slack) & (values <= high + slack))


# -- derivatives
DERIVATIVES = [(name, position) for name in NUMERIC for position, text in enumerate(ROWS[name].partials) if text != "0"]


def partial(name, position, columns):
    graph = Graph()
    root = node_of(graph, name, ROWS[name].partials[position])
    with mpmath.workdps(50):
        arrays = [np.array([mpmath.mpf(float(x)) for x in column], dtype=object) for column in columns]
        found = evaluate([root], dict(zip(ROWS[name].arguments, arrays, strict=True)), Arithmetic())[0]
        return np.broadcast_to(np.asarray(found, dtype=object), columns[0].shape)


@pytest.mark.parametrize(("name", "position"), DERIVATIVES)
def test_partial_is_the_slope(name, position):
    """At 12 points in 50 digits, by central differences of 110-digit values."""
    columns = [column[:12] for column in points(name)]
    found = partial(name, position, columns)
    with mpmath.workdps(110):
        h = mpmath.mpf("1e-30")
        ahead, behind = (shifted(name, position, columns, sign * h) for sign in (1, -1))
        for value, up, down in zip(found, ahead, behind, strict=True):
            assert abs(value - (up - down) / (2 * h)) <= mpmath.mpf("1e-40") * (1 + abs(value)), (name, position)


def shifted(name, position, columns, step):
    row = ROWS[name]
    arrays = [np.array([mpmath.mpf(float(x)) for x in column], dtype=object) for column in columns]
    arrays[position] = arrays[position] + step
    root = definition_graph(name)[1] if row.definition else node_of(Graph(), name)
    return evaluate([root], dict(zip(row.arguments, arrays, strict=True)), Arithmetic())[0]


SYMPY = [(name, position) for name, position in DERIVATIVES if ROWS[name].sympy and name not in ("maximum", "minimum")]


@pytest.mark.parametrize(("name", "position"), SYMPY)
def test_partial_is_that_of_sympy(name, position):
    row = ROWS[name]
    names = sympy.symbols(row.arguments, real=True)
    arguments = [sympy.Integer(1) if argument.name == row.whole else argument for argument in names]
    derivative = sympy.diff(getattr(sympy, row.sympy)(*arguments), names[position])
    columns = [column[:4] for column in points(name)]
    found = partial(name, position, columns)
    for i in range(4):
        at = {symbol: sympy.Float(float(column[i]), 40) for symbol, column in zip(names, columns, strict=True)}
        with mpmath.workdps(40):
            expected = mpmath.mpf(str(derivative.evalf(30, subs=at)))
            assert abs(found[i] - expected) <= mpmath.mpf("1e-24") * (1 + abs(expected))


@pytest.mark.parametrize("name", [name for name in NUMERIC if ROWS[name].monotone])
def test_a_monotone_function_rises_or_falls(name):
    columns = points(name)
    columns[0] = np.sort(columns[0])
    assert np.all(np.sign(np.diff(numbers(precise(name, *columns)))) == ROWS[name].monotone)


# -- emitted code
INFIX = {"add": "p + q", "sub": "p - q", "mul": "p*q", "div": "p/q", "neg": "-p", "pow": "p**q"}


def emitted(name):
    row = ROWS[name]
    symbols = ["p", "q", "r"][: len(row.arguments)]
    arguments = ["1", *symbols[1:]] if row.whole else symbols
    text = INFIX.get(name) or f"{name}({', '.join(arguments)})"
    used = [symbol for symbol in symbols if symbol in arguments]
    loss = lc.compile_loss(f"prediction {', '.join(used)}\n{text}", findings="ignore")
    return loss, used


@pytest.mark.parametrize("name", [name for name in NUMERIC if name in LANGUAGE or name in INFIX])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 2e-13), ("float32", 1e-5)])
def test_emitted_code_is_accurate(name, dtype, tolerance):
    """Value and derivatives, on a moderate range, against 50 digits at the rounded points."""
    columns = [column.astype(dtype).astype("float64") for column in points(name)]
    loss, used = emitted(name)
    data = dict(zip(("p", "q", "r"), columns, strict=False))
    found = loss.value_and_gradients({symbol: data[symbol] for symbol in used}, dtype=dtype)
    assert found.value.dtype == dtype
    expected = numbers(precise(name, *columns))
    np.testing.assert_allclose(found.value, expected, rtol=tolerance, atol=tolerance * max(1e-3, np.median(abs(expected))))
    if ROWS[name].inline:
        return
    for position, symbol in enumerate(("p", "q", "r")[: len(columns)]):
        if symbol in used and ROWS[name].partials[position] != "0":
            slope = numbers(partial(name, position, columns))
            size = max(1e-3, np.median(abs(slope)))
            np.testing.assert_allclose(found.gradients[symbol], slope, rtol=2 * tolerance, atol=2 * tolerance * size)


@pytest.mark.parametrize(
    ("formula", "points", "expected"),
    [
        ("log_sigmoid(p)", [-100.0, 80.0], [-100.0, -1.8048513878454153e-35]),
        ("softplus(p)", [-80.0, 100.0], [1.8048513878454153e-35, 100.0]),
        ("sigmoid(p)", [-80.0, 100.0], [1.8048513878454153e-35, 1.0]),
        ("log1mexp(p)", [-1e-8, -80.0], [-18.420680748952367, -1.8048513878454153e-35]),
        ("erfcx(p)", [20.0, 1e4], [0.028174348253165627, 5.6418958072531e-05]),
        ("log_ndtr(p)", [-30.0, -1e3], [-454.3212439563432, -500007.8266948124]),
        ("i0e(p)", [500.0], [0.017845710014217757]),
        ("log_i0(p)", [500.0], [495.9737943]),
        ("hypot(p, p)", [1e25, 1e-30], [1.4142135623730951e25, 1.4142135623730951e-30]),
        ("logaddexp(p, p)", [300.0, -300.0], [300.6931471805599, -299.3068528194401]),
        ("expm1(p)", [1e-12], [1.0000000000005e-12]),
        ("xlogy(p, p)", [0.0, 2.0], [0.0, 1.3862943611198906]),
        ("cbrt(p)", [-8.0, 27.0], [-2.0, 3.0]),
        ("log_i0(p)", [1e-3, 0.1, 1.9], [2.4999998432806813e-07, 0.0024984392338762889, 0.75506047476550642]),
    ],
)
def test_far_out_in_float32(formula, points, expected):
    """Where a naive form overflows, underflows or cancels in float32; expected numbers from SciPy in float64 and mpmath."""
    value = lc.compile_loss(formula, findings="ignore").value_and_gradients({"p": points}).value
    np.testing.assert_allclose(value, expected, rtol=2e-6)


@pytest.mark.parametrize(
    "formula", ["hypot(0.1, p)", "clip(0.1, -1, p)", "where(p > 0, 0.1, 0.3)", "0.1", "max(p, 0.1)", "logaddexp(0.1, p)"]
)
def test_constants_are_not_rounded_to_float32(formula):
    """Keras makes float32 of a Python number that meets no tensor, and 0.1 is not 0.1 there."""
    loss = lc.compile_loss(f"prediction p\n{formula}", findings="ignore")
    with mpmath.workdps(30):
        expected = float(np.ravel(evaluate([loss.graph.loss], {"p": mpmath.mpf("0.05")})[0])[0])
    found = loss.value_and_gradients({"p": [0.05]}, dtype="float64").value
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_clip_with_limits_that_cross():
    """min(max(x, low), high) is high wherever low > high, and so is its derivative; by autodiff of that form."""
    loss = lc.compile_loss("prediction p, l, h\nclip(p, l, h)", findings="ignore")
    found = loss.value_and_gradients({"p": [-3.0, 0.0, 3.0], "l": [1.0] * 3, "h": [-1.0] * 3})
    np.testing.assert_array_equal(found.value, [-1, -1, -1])
    for name, slope in {"p": 0, "l": 0, "h": 1}.items():
        np.testing.assert_array_equal(found.gradients[name], [slope] * 3)


# -- texts and names
@pytest.mark.parametrize("name", FUNCTIONS)
def test_texts_of_a_row_are_in_the_language(name):
    row = FUNCTIONS[name]
    prose = {"x > 0 or y is an integer", "ties"}
    for text in (*row.partials, *row.adjoints, *row.domain, row.kink, row.definition):
        if text and text not in prose:
            parse(text)
    assert not row.kink or row.convention, "a kink needs a convention"
    assert row.category
    assert row.summary


@pytest.mark.parametrize("name", ROWS)
def test_a_row_has_a_partial_for_each_argument(name):
    row = ROWS[name]
    assert row.inline or len(row.partials) == len(row.arguments)


def test_names_are_unambiguous():
    names = [name for row in FUNCTIONS.values() if not row.internal for name in (row.name, *row.synonyms)]
    assert len(names) == len(set(names)) == len(LANGUAGE)
    for row in FUNCTIONS.values():
        for name in row.synonyms:
            assert row.internal or lookup(name) is row
    assert lookup("add") is None, "operators are no functions of the language"
    assert lookup("ln") is FUNCTIONS["log"]


@pytest.mark.parametrize("name", [name for name in NUMERIC if ROWS[name].domain and len(ROWS[name].arguments) == 1])
def test_the_domain_is_where_the_function_is_real_and_finite(name):
    """On both sides of the edge of every condition."""
    row = ROWS[name]
    graph = Graph()
    symbol = graph.symbol("x", frozenset())
    with mpmath.workdps(30):
        for x in (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0):
            conditions = []
            for text in row.domain:
                builder = ExpressionBuilder(graph, Source(text), lambda name: symbol, graph.make)
                conditions.append(evaluate([builder.build(parse(text).loss)], {"x": mpmath.mpf(x)})[0])
            value = precise(name, [x], digits=30)[0]
            if all(conditions):
                assert mpmath.isfinite(value), (name, x)
            elif name not in ("lgamma", "digamma"):  # these go on between their poles
                assert not mpmath.isfinite(value), (name, x)
