"""Every row of the table in emitted NumPy code: it has a name there, and its value and adjoint are those of 50-digit arithmetic."""

from __future__ import annotations

import ast
from functools import cache
from itertools import product

import mpmath
import numpy as np
import pytest
import scipy.special
from emitted_formulas import CASES

from losscompiler.derivative import gradients
from losscompiler.emit import emit_numpy
from losscompiler.emit.numpy_text import numpy_library, numpy_text
from losscompiler.emit.prelude import keras_library, library, names_read, prelude_names
from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.graph.axes import leaf
from losscompiler.graph.expressions import ExpressionBuilder
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Graph, reachable
from losscompiler.graph.precise import evaluate
from losscompiler.graph.shapes import align
from losscompiler.program import schedule
from losscompiler.source import Source
from losscompiler.syntax import parse

DIGITS = 50
TOLERANCE = {"float64": 2e-13, "float32": 1e-5}
NAMES = ("p", "q", "r", "s")
CANCELS = {
    "weighted_logaddexp": "v*exp(x) + w*exp(y) > abs(v*exp(x))/4 and abs(x) < 100 and abs(y) < 100",
    "inverse_binet": "x < 0.1 or x > 0.3",
}
"""What has to hold of points besides the domain: where it does not, rounded arguments alone change the value."""
FOLLOWING = {"squared_root_difference": {"r": ("p", "q")}, "unit_slope_difference": {"s": ("p", "q")}}
"""Arguments, by their letters, that are the differences of two others."""
POINTS = (-1e3, -40.0, -4.5, -2.5, -0.7, -0.3, 0.0, 0.2, 0.25, 0.75, 0.9, 1.5, 3.0, 7.5, 40.0, 1e3)
MOST_POINTS = 800

EMITTED = {name: row for name, row in FUNCTIONS.items() if not row.inline}
ELEMENTWISE = {name: row for name, row in EMITTED.items() if row.kind is Kind.ELEMENTWISE}


# -- names
def attributes(code):
    """Return what a piece of code takes from NumPy and SciPy, as pairs such as ("np", "log")."""
    return {
        (node.value.id, node.attr)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("np", "special")
    }


@pytest.mark.parametrize("name", [name for name, row in EMITTED.items() if row.keras])
def test_a_row_has_a_name_in_numpy(name):
    """Whoever adds a row gets its NumPy form for nothing if its Keras function is plain array code, and is told here if not."""
    functions, call = numpy_library(), numpy_text(FUNCTIONS[name].keras)
    _, definitions = functions.needed(names_read(call))
    code = "\n".join([call, *definitions])
    homes = {"np": np, "special": scipy.special}
    missing = [f"{home}.{found}" for home, found in attributes(code) if not hasattr(homes[home], found)]
    assert not missing, f"say in runtime/numpy_functions.py what these are in NumPy: {missing}"
    foreign = names_read(code) & ({*keras_library().imports, "backend_function"} - {*functions.imports})
    assert not foreign, f"write a NumPy version in runtime/numpy_functions.py: {sorted(foreign)} are not imported there"
    written_out = {"number", "range"}  # a cast and a subscript
    assert attributes(call) or call in functions.definitions or name in written_out


def test_what_replaces_a_keras_function_takes_the_same_arguments():
    """Both are called by the same text."""
    keras, numpy = keras_library().definitions, library("numpy_functions.py").definitions
    replaced = [name for name in numpy if name in keras and numpy[name].startswith("def ") and keras[name].startswith("def ")]
    assert "sort_adjoint" in replaced
    for name in replaced:
        own, theirs = (ast.parse(text[name]).body[0].args for text in (numpy, keras))
        assert ast.dump(own) == ast.dump(theirs), name


# -- numbers
def assert_exact(graph, arrays, dtype):
    """Compare the NumPy program of a loss, and all its gradients under random upstream gradients, with 50 digits."""
    found = gradients(graph.graph, graph.loss, graph.variables)
    program = schedule(graph, found, prelude_names())
    wanted = {name: node for name, node in program.gradients.items() if node is not None}
    module = emit_numpy(graph, program, name="row", derivatives={}).load()
    arrays = {name: np.asarray(array, dtype) for name, array in arrays.items()}
    value, pullback = module.value_and_pullback(*arrays.values())
    upstream = np.random.default_rng(0).uniform(0.5, 1.5, value.shape).astype(dtype)
    with mpmath.workdps(DIGITS):
        shapes = align(graph, {name: array.shape for name, array in arrays.items()})  # labels beside their predictions
        symbols = {name: exactly(array.reshape(shapes[name])) for name, array in arrays.items()}
        symbols |= {name: exactly(array) for name, array in graph.constants.items()}
        kept = evaluate([program.value], symbols)[0]
        symbols[program.upstream.name] = exactly(upstream.reshape(np.shape(kept)))
        exact = evaluate([program.value, *wanted.values()], symbols)
    assert value.dtype == dtype
    close(value, np.reshape(lowered(exact[0]), value.shape), TOLERANCE[dtype])
    pulled = dict(zip(graph.variables, pullback(upstream), strict=True))
    for name, expected in zip(wanted, exact[1:], strict=True):
        assert pulled[name].dtype == dtype
        assert pulled[name].shape == arrays[name].shape
        close(pulled[name], np.broadcast_to(lowered(expected), arrays[name].shape), 2 * TOLERANCE[dtype], name)


def close(got, expected, tolerance, name="value"):
    sizes = np.abs(expected[np.isfinite(expected)])
    typical = np.median(sizes) if sizes.size else 0.0
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * max(1e-3, typical), err_msg=name)


def exactly(array):
    return np.frompyfunc(lambda x: mpmath.mpf(float(x)), 1, 1)(np.asarray(array, dtype=object)) if array.ndim else mpmath.mpf(float(array))


def lowered(values):
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and huge numbers on their way through float()
        return np.asarray(np.frompyfunc(float, 1, 1)(np.asarray(values, dtype=object)), dtype="float64")


# -- elementwise rows
def elementwise(name):
    """Return a row applied to symbols as a loss: conditions are given as symbols above 0, and become numbers."""
    row = ELEMENTWISE[name]
    graph = Graph(Source(name))
    symbols = dict(zip(row.arguments, (graph.symbol(letter, leaf("p")) for letter in NAMES), strict=False))
    conditions = {"and": row.arguments, "or": row.arguments, "not": row.arguments, "number": row.arguments, "where": ("condition",)}
    arguments = []
    for argument in row.arguments:
        node = symbols[argument]
        if argument == row.whole:
            node = graph.const(1)
        elif argument in conditions.get(name, ()):
            node = graph.make("gt", node, graph.const(0))
        arguments.append(node)
    root = graph.make(name, *arguments)
    used = tuple(letter for letter in NAMES if any(node.op == "symbol" and node.name == letter for node in reachable([root])))
    return LossGraph(
        source=Source(name), graph=graph, loss=graph.make("number", root) if row.boolean else root, targets=(), predictions=used,
        inputs=(), parameters={}, constants={}, definitions={}, unused_definitions=(), implicit=(), hazards=(),
    ), dict(zip(row.arguments, arguments, strict=True))  # fmt: skip


def inside(name, loss, arguments):
    """Return combinations of `POINTS` at which a row is defined, real and smooth, with its partial derivatives."""
    row = ELEMENTWISE[name]
    combined = np.array(list(product(POINTS, repeat=len(loss.predictions))))
    if len(combined) > MOST_POINTS:
        combined = np.random.default_rng(0).choice(combined, MOST_POINTS, replace=False)
    columns = dict(zip(loss.predictions, combined.T, strict=True))
    columns |= {letter: columns[first] - columns[second] for letter, (first, second) in FOLLOWING.get(name, {}).items()}
    builder = ExpressionBuilder(loss.graph, Source(""), lambda symbol: arguments[symbol.name], loss.graph.make, internal=True)
    stated = [text for text in row.domain if "integer" not in text]
    conditions = [builder.build(parse(text).loss) for text in (*stated, *filter(None, [CANCELS.get(name)]))]
    kinks = [builder.build(parse(row.kink).loss)] if row.kink else []
    found = gradients(loss.graph, loss.loss, loss.predictions)
    slopes = [node for node in found.local.values() if node is not None]
    with mpmath.workdps(DIGITS):
        symbols = {letter: exactly(column) for letter, column in columns.items()} | {found.upstream.name: mpmath.mpf(1)}
        shape = next(iter(columns.values())).shape
        values = [np.broadcast_to(np.asarray(x, dtype=object), shape) for x in evaluate([*conditions, *kinks, loss.loss, *slopes], symbols)]
    good = np.ones(shape, bool)
    for position, value in enumerate(values):
        if position < len(conditions):
            good &= value.astype(bool)
        elif position < len(conditions) + len(kinks):
            good &= ~value.astype(bool)
        else:
            good &= np.abs(lowered(value)) < 1e12
    assert good.sum() >= 3, f"too few of the points lie in the domain of {name}"
    return {letter: column[good] for letter, column in columns.items()}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_elementwise_row_is_that_of_50_digits(name, dtype):
    loss, arguments = elementwise(name)
    assert_exact(loss, inside(name, loss, arguments), dtype)


# -- the other rows
@cache
def stages(name):
    return CASES[name].loss(name).stages


def test_the_cases_use_every_function_and_every_adjoint():
    """Rows that only rewriting makes are elementwise, and tested one by one above."""
    used = {node.op for name in CASES for node in reachable(roots(stages(name).program))}
    missing = {name for name, row in EMITTED.items() if row.kind is not Kind.ELEMENTWISE or not row.internal} - used
    assert not missing, f"add a loss to emitted_formulas.py whose program uses {sorted(missing)}"


def roots(program):
    return [program.value, *(node for node in program.gradients.values() if node is not None)]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", CASES)
def test_a_case_is_that_of_50_digits(name, dtype):
    assert_exact(stages(name).stable, CASES[name].arrays, dtype)
