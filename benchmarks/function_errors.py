"""The largest error of every elementwise function of the table in float32, run op by op and compiled by XLA.

Run: python benchmarks/function_errors.py [--only NAME ...]

Each function is evaluated as emitted Keras code calls it, on TensorFlow, at points that cover its domain: all magnitudes of
float32, dense ones where functions change, and for two arguments close and distant pairs. Truth is the function's definition
in arithmetic of as many digits as it takes. The error is in units of what float32 can do,

    abs(got - truth) / max(ulp(truth), 2**-23 * sum(abs(x * df/dx))):

one unit is the last bit of the result, or what rounding the arguments alone may change, where that is more. What is
smaller than the smallest normal number may be flushed to 0. Functions of a whole order are measured at orders 0 to 3.
The results are written to ``grammar/function_errors.toml``, from which the language reference takes them; it takes minutes.
"""

from __future__ import annotations

import argparse
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import mpmath
import numpy as np

from losscompiler.emit.expression import ExpressionWriter
from losscompiler.emit.prelude import keras_library
from losscompiler.functions import FUNCTIONS, Function, Kind
from losscompiler.graph.axes import leaf
from losscompiler.graph.constants import constant_values
from losscompiler.graph.expressions import ExpressionBuilder, Keywords
from losscompiler.graph.node import Graph, Node
from losscompiler.graph.precise import evaluate
from losscompiler.source import Source
from losscompiler.syntax import parse

RESULTS = Path(__file__).parents[1] / "grammar" / "function_errors.toml"
MODES = ("eager", "xla")
ORDERS = (0, 1, 2, 3)
_UNIT, _SMALLEST, _LARGEST = 2.0**-23, float(np.finfo("float32").tiny), float(np.finfo("float32").max)
_DIGITS = (50, 100, 200, 400)
_STEP = mpmath.mpf(10) ** -30

Array = np.ndarray[Any, Any]

UNMEASURED = frozenset({
    "where", "stop_gradient", "number", "abs_slope",  # round nothing
    "add", "sub", "mul", "div", "neg", "share",  # are the processor's own
    "ndtr_in_improvement", "density_in_improvement", "improvement_gap",  # whose definitions have no digits left far out
    "log_zero_inflated",  # its third argument is what the first is missing to 1, with digits that no float32 has
    "squared_root_difference", "unit_slope_difference", "log_ndtr_and_square",  # their last arguments follow from the others
})  # fmt: skip
MEASURED: dict[str, Function] = {
    name: row
    for name, row in FUNCTIONS.items()
    if row.kind is Kind.ELEMENTWISE and not row.boolean and name not in UNMEASURED
}
"""Functions of the language, and those that only the compiler writes, whose value is computed."""


@dataclass(frozen=True)
class Points:
    """Where a function is measured.

    Attributes:
        columns: float32 values of each argument, but for a whole order.
        truth: the true values.
        units: what one unit of error is at each point.
    """

    columns: list[Array]
    truth: list[Any]
    units: Array


def application(row: Function, order: int | None) -> tuple[Graph, Node, list[str]]:
    """Return a function applied to symbols, with a whole order filled in, and the symbols' names."""
    graph = Graph(Source(row.name))
    names = [name for name in row.arguments if name != row.whole]
    arguments = {name: graph.symbol(name, leaf("x")) for name in names}
    if row.whole:
        arguments[row.whole] = graph.const(order or 0)
    if not row.inline:
        return graph, graph.make(row.name, *(arguments[name] for name in row.arguments)), names
    builder = ExpressionBuilder(graph, Source(""), lambda name: graph.const(name.name), graph.make, internal=True)
    return graph, builder.expand(row.definition, arguments, Keywords(), None), names


def emitted(row: Function, order: int | None) -> Callable[..., Any]:
    """Return a function as emitted Keras code computes it."""
    graph, root, names = application(row, order)
    symbols = {graph.symbol(name, leaf("x")).index: name for name in names}
    writer = ExpressionWriter(symbols, constant_values([root], Source(row.name)))
    text = writer.write(root)
    imports, definitions = keras_library().needed(writer.used)
    body = f"def function({', '.join(names)}):\n    dtype = {names[0]}.dtype\n    return {text}"
    namespace: dict[str, Any] = {}
    code = "\n\n".join(["\n".join([*imports, "import keras", "from keras import ops"]), *definitions, body])
    exec(compile(code, f"<{row.name}>", "exec"), namespace)
    return namespace["function"]  # type: ignore[no-any-return]


def _pool(random: np.random.Generator, count: int) -> Array:
    """Return numbers of all magnitudes and signs."""
    parts = (
        10.0 ** random.uniform(-37, 38, count), 10.0 ** random.uniform(-4, 4, count), random.uniform(0, 2, count),
        random.uniform(0, 20, count), random.uniform(0, 100, count),
    )  # fmt: skip
    fixed = np.array([0, 0.5, 1, 2, 3, 10, 1 - 2.0**-24, 1 + 2.0**-23, _SMALLEST, _LARGEST])
    values = np.concatenate([*parts, fixed])
    return np.concatenate([values, -values]).astype("float32") + np.float32(0)  # without a negative zero


def _flushed(values: Array) -> Array:
    """Return numbers with those below the smallest normal one as 0, as processors may take them."""
    return np.where(np.abs(values) < _SMALLEST, np.float32(0), values)


def candidates(row: Function, count: int) -> list[Array]:
    """Return values of the arguments: of one all magnitudes, of several also pairs that are close, and whole numbers."""
    random = np.random.default_rng(zlib.crc32(row.name.encode()))
    width = len([name for name in row.arguments if name != row.whole])
    first = random.permutation(_pool(random, count))
    if width == 1:
        return [first]
    columns = [first, *(random.permutation(first) for _ in range(width - 1))]
    near = first * (1 + random.choice([-1.0, 1.0], first.size) * 10.0 ** random.uniform(-7, 0, first.size))
    choice = random.integers(0, 4, first.size)
    second = np.select([choice == 0, choice == 1, choice == 2], [near, -near, np.round(columns[1])], columns[1])
    with np.errstate(over="ignore"):
        return [first, _flushed(np.nan_to_num(second).astype("float32")), *columns[2:]]


def points(row: Function, order: int | None, count: int = 400) -> Points:
    """Return where a function is measured, with the truth, for those of its candidates at which it is defined."""
    _, root, names = application(row, order)
    flat = row.partials and all(text == "0" for text in row.partials)
    kept: list[tuple[float, ...]] = []
    truths, units = [], []
    for numbers in dict.fromkeys(zip(*(column.tolist() for column in candidates(row, count)), strict=True)):
        values = dict(zip(names, numbers, strict=True))
        truth = _settled(root, values) if inside(row, values) else None
        if truth is None or not abs(truth) <= _LARGEST:
            continue
        condition = 0.0 if flat else _condition(root, names, numbers)
        kept.append(numbers)
        truths.append(truth)
        ulp = float(np.spacing(np.float32(min(abs(truth), _LARGEST / 2))))
        units.append(max(ulp, _UNIT * condition, _SMALLEST))
    return Points([np.array(column, "float32") for column in zip(*kept, strict=True)], truths, np.array(units))


def inside(row: Function, numbers: dict[str, float]) -> bool:
    """Tell whether a row's conditions on its arguments hold."""
    graph = Graph(Source(row.name))

    def resolve(name: Any) -> Node:
        return graph.symbol(name.name, leaf("x")) if name.name in row.arguments else graph.const(name.name)

    builder = ExpressionBuilder(graph, Source(""), resolve, graph.make)
    conditions = [builder.build(parse(text).loss) for text in row.domain if "integer" not in text]
    return all(evaluate(conditions, {name: mpmath.mpf(number) for name, number in numbers.items()}))


def _value(root: Node, values: dict[str, Any]) -> Any:
    (found,) = evaluate([root], values)
    return found


def _settled(root: Node, numbers: dict[str, float]) -> Any:
    """Return a value in which two precisions agree, or ``None`` where the function is not defined."""
    before = None
    for digits in _DIGITS:
        with mpmath.workdps(digits):
            here = _value(root, {name: mpmath.mpf(number) for name, number in numbers.items()})
            if not mpmath.isfinite(here):
                return None
            if before is not None and abs(here - before) <= abs(here) * mpmath.mpf(10) ** -20:
                return here
            before = here
    return before


def _condition(root: Node, names: list[str], numbers: tuple[float, ...]) -> float:
    """Return the sum of abs(x * df/dx) over the arguments."""
    total = mpmath.mpf(0)
    with mpmath.workdps(100):
        exact = [mpmath.mpf(number) for number in numbers]
        here = _value(root, dict(zip(names, exact, strict=True)))
        for i, x in enumerate(exact):
            moved = _value(root, dict(zip(names, [*exact[:i], x * (1 + _STEP), *exact[i + 1 :]], strict=True)))
            total += abs(moved - here) / _STEP
        return float(total) if mpmath.isfinite(total) else 0.0


def errors(row: Function, order: int | None, where: Points, mode: str) -> Array:
    """Return the error at each point in units."""
    import tensorflow as tf

    function = emitted(row, order)
    call = tf.function(function, jit_compile=True, autograph=False) if mode == "xla" else function
    got = np.broadcast_to(np.asarray(call(*(tf.constant(column) for column in where.columns))), len(where.truth))
    with mpmath.workdps(50):
        wrong = [abs(mpmath.mpf(float(g)) - t) if np.isfinite(g) else mpmath.inf for g, t in zip(got, where.truth, strict=True)]
        return np.nan_to_num(np.array([float(w / u) for w, u in zip(wrong, where.units, strict=True)]), nan=np.inf)


def measured(row: Function, count: int = 400) -> Iterator[tuple[str, float, str]]:
    """Yield for each mode the largest error of a function, and where it is."""
    orders = ORDERS if row.whole else (None,)
    places = {order: points(row, order, count) for order in orders}
    for mode in MODES:
        worst, place = 0.0, ""
        for order, where in places.items():
            found = errors(row, order, where, mode)
            at = int(np.argmax(found))
            if found[at] >= worst:
                worst = float(found[at])
                place = ", ".join(f"{column[at]:.9g}" for column in ([np.full(at + 1, order)] if row.whole else []) + where.columns)
        yield mode, worst, place


def load() -> dict[str, dict[str, float]]:
    """Return the results that are written down."""
    import tomllib

    return tomllib.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=MEASURED, help="functions to measure again")
    options = parser.parse_args()
    results = load()
    for name in options.only or MEASURED:
        found = {}
        for mode, worst, place in measured(MEASURED[name]):
            found[mode] = float(f"{worst:.2g}")
            print(f"{name:<24}{mode:<6}{worst:>10.3g} at {place}", flush=True)
        results[name] = found
    lines = ["# The largest error of each function in float32, in units of what float32 can do; written by benchmarks/function_errors.py."]
    for name in sorted(set(results) & set(MEASURED)):
        lines += ["", f"[{name}]", *(f"{mode} = {results[name][mode]}" for mode in MODES)]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
