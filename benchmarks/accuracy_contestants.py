"""Ways to get value and derivatives of a formula in float32: this package, TensorFlow, Keras, SymPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from accuracy_corpus import Case

Array = np.ndarray[Any, Any]
Outputs = list[Array]
"""The value at each point, then the derivative by each wanted argument."""
Contestant = Callable[[Case, Array], Outputs]


def _compiled(case: Case) -> Any:
    import losscompiler as lc

    return lc.compile_loss(case.text, findings="ignore")


def _columns(case: Case, points: Array, dtype: str = "float32") -> dict[str, Array]:
    """Return the array of each symbol: one number a point, or one row where the case has vectors."""
    columns = {name: np.ascontiguousarray(points[:, i]).astype(dtype) for i, name in enumerate(case.arguments)}
    if case.stack:
        elements = {element for names in case.stack.values() for element in names}
        stacked = {name: np.stack([columns[element] for element in names], axis=-1) for name, names in case.stack.items()}
        # A parameter and a label meet every element of their point's row.
        return {**stacked, **{name: column[:, None] for name, column in columns.items() if name not in elements}}
    return columns


def _by_argument(case: Case, gradients: dict[str, Array]) -> Outputs:
    """Return the derivative by each wanted argument from the gradients by symbol."""
    found: dict[str, Array] = {}
    for name, gradient in gradients.items():
        if name in case.stack:
            found |= {element: gradient[:, i] for i, element in enumerate(case.stack[name])}
        else:
            found[name] = gradient.reshape(len(gradient))
    return [found[case.arguments[i]] for i in case.wanted]


def _ours(mode: str) -> Contestant:
    """The program that trains, called as the emitted module's layer calls it; parameters are arrays of points too."""

    def run(case: Case, points: Array) -> Outputs:
        import tensorflow as tf

        loss = _compiled(case)
        module = loss.module
        columns = _columns(case, points)

        def program(*tensors: Any) -> Any:
            value, pullback = module.value_and_pullback(*tensors)
            return value, pullback(tf.ones_like(value))

        call = program if mode == "eager" else tf.function(program, jit_compile=mode == "xla")
        value, gradients = call(*(tf.constant(columns[name]) for name in (*loss.graph.data, *loss.graph.parameters)))
        by_name = {name: gradient.numpy() for name, gradient in zip(loss.graph.variables, gradients, strict=True)}
        return [value.numpy().reshape(len(points)), *_by_argument(case, by_name)]

    return run


def _tensorflow(dtype: str = "float32", *, xla: bool = False, guarded: bool = False) -> Contestant:
    """Automatic differentiation of the formula as it is written: the graph before any rewriting, operation by operation."""

    def run(case: Case, points: Array) -> Outputs:
        import tensorflow as tf

        graph = _compiled(case).graph
        columns = _columns(case, points, dtype)
        operations = _tensorflow_operations(guarded)

        def program(*tensors: Any) -> Any:
            symbols = dict(zip(columns, tensors, strict=True))
            variables = [symbols[name] for name in graph.variables]
            with tf.GradientTape() as tape:
                tape.watch(variables)
                value = _evaluate(graph.loss, symbols, operations, dtype)
                total = tf.reduce_sum(value)
            return value, tape.gradient(total, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)

        call = tf.function(program, jit_compile=True) if xla else program
        value, gradients = call(*(tf.constant(column) for column in columns.values()))
        by_name = {name: gradient.numpy() for name, gradient in zip(graph.variables, gradients, strict=True)}
        return [value.numpy().reshape(len(points)), *_by_argument(case, by_name)]

    return run


def _evaluate(root: Any, symbols: dict[str, Any], operations: dict[str, Callable[..., Any]], dtype: str) -> Any:
    """Evaluate a graph as it was written with a table of operations."""
    import tensorflow as tf

    from losscompiler.graph.node import reachable

    done: dict[int, Any] = {}
    for node in reachable([root]):
        if node.op == "symbol":
            done[node.index] = symbols[node.name]
        elif node.op == "const":
            number = {"pi": np.pi, "inf": np.inf}[node.value] if isinstance(node.value, str) else float(node.value)
            done[node.index] = tf.constant(number, dtype)
        elif node.op == "number":
            done[node.index] = tf.cast(done[node.args[0].index], dtype)
        else:
            done[node.index] = operations[node.op](*(done[arg.index] for arg in node.args), **node.attributes)
    return done[root.index]


def _tensorflow_operations(guarded: bool) -> dict[str, Callable[..., Any]]:
    import tensorflow as tf

    m = tf.math
    table: dict[str, Callable[..., Any]] = {
        "add": m.add, "sub": m.subtract, "mul": m.multiply, "div": m.divide, "neg": m.negative, "pow": m.pow,
        "lt": m.less, "le": m.less_equal, "gt": m.greater, "ge": m.greater_equal, "eq": m.equal, "ne": m.not_equal,
        "and": m.logical_and, "or": m.logical_or, "not": m.logical_not, "where": tf.where,
        "exp": m.exp, "log": m.log, "sqrt": m.sqrt, "abs": m.abs, "sign": m.sign, "sin": m.sin, "cos": m.cos, "tan": m.tan,
        "sinh": m.sinh, "cosh": m.cosh, "tanh": m.tanh, "asin": m.asin, "acos": m.acos, "atan": m.atan, "asinh": m.asinh,
        "acosh": m.acosh, "atanh": m.atanh, "sigmoid": m.sigmoid, "erf": m.erf, "erfc": m.erfc, "lgamma": m.lgamma,
        "digamma": m.digamma, "i0": m.special.bessel_i0, "maximum": m.maximum, "minimum": m.minimum,
        "ndtr": lambda x: 0.5 * m.erfc(x * -np.sqrt(0.5)),
        "sum": lambda x, axis: m.reduce_sum(x, axis, keepdims=True), "mean": lambda x, axis: m.reduce_mean(x, axis, keepdims=True),
        "softmax": lambda x, axis: tf.nn.softmax(x, axis), "log1p": m.log1p,
        "gather": lambda x, i: tf.gather(x, tf.cast(i, "int32"), axis=-1, batch_dims=1),
    }  # fmt: skip
    if guarded:
        # What is found in most training code: logarithms and roots kept off 0, quotients that give 0 at a pole, bounded exponents.
        table["log"] = lambda x: m.log(m.maximum(x, tf.constant(1e-7, x.dtype)))
        table["sqrt"] = lambda x: m.sqrt(m.maximum(x, tf.constant(1e-12, x.dtype)))
        table["div"] = m.divide_no_nan
        table["exp"] = lambda x: m.exp(m.minimum(x, tf.constant(80.0, x.dtype)))
    return table


def _keras_functions() -> dict[str, Callable[..., Any]]:
    """Return what Keras has of its own, by case, on tensors in the order of the case's arguments (vectors in that of its stacks)."""
    import keras
    import tensorflow as tf
    from keras import ops

    def column(x: Any) -> Any:
        return ops.expand_dims(x, -1)

    def crossentropy(y: Any, p: Any) -> Any:
        return keras.losses.binary_crossentropy(column(y), column(p), from_logits=True)

    def labels(y: Any, p: Any) -> Any:
        return keras.losses.sparse_categorical_crossentropy(tf.cast(y[:, 0], "int32"), p, from_logits=True)

    return {
        "softplus": lambda p: ops.softplus(p),
        "binary_crossentropy_exponential": crossentropy,
        "binary_crossentropy_sigmoid": crossentropy,
        "binary_crossentropy_probability": lambda y, p: keras.losses.binary_crossentropy(column(y), column(p)),
        "focal_logits": lambda p, g: ops.power(ops.sigmoid(-p), g) * -ops.log_sigmoid(p),
        "logistic_margin": lambda y, p: ops.softplus(-y * p),
        "log_one_minus_exp": lambda p: ops.log(-ops.expm1(-p)),
        "log_cosh": lambda y, p: keras.losses.log_cosh(column(y), column(p)),
        "norm_of_two": lambda a, b: ops.hypot(a, b),
        "norm_of_three": lambda p: ops.norm(p, axis=-1),
        "log_sum_exp": lambda p: ops.logsumexp(p, axis=-1),
        "softmax_crossentropy": labels,
        "softmax_crossentropy_spelled_out": lambda y, p: keras.losses.categorical_crossentropy(y, p, from_logits=True),
        "squared_logarithmic_error": lambda y, p: keras.losses.mean_squared_logarithmic_error(column(y), column(p)),
        "variance_of_three": lambda p: ops.var(p, axis=-1),
        "cosine_distance": lambda y, p: 1.0 + keras.losses.cosine_similarity(y, p),
    }


def _keras(case: Case, points: Array) -> Outputs:
    """The function that Keras has for it, differentiated automatically."""
    import tensorflow as tf

    function = _keras_functions().get(case.name)
    if function is None:
        raise NotImplementedError("Keras has no function of its own")
    graph = _compiled(case).graph
    columns = _columns(case, points)
    tensors = {name: tf.constant(column) for name, column in columns.items()}
    with tf.GradientTape() as tape:
        variables = [tensors[name] for name in graph.variables]
        tape.watch(variables)
        names = list(dict.fromkeys(next((s for s, e in case.stack.items() if a in e), a) for a in case.arguments))
        value = function(*(tensors[name] for name in names))
        total = tf.reduce_sum(value)
    gradients = tape.gradient(total, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    by_name = {name: gradient.numpy() for name, gradient in zip(graph.variables, gradients, strict=True)}
    return [value.numpy().reshape(len(points)), *_by_argument(case, by_name)]


def _lambdify(case: Case, points: Array) -> Outputs:
    """SymPy's value and ``sympy.diff``, turned into NumPy and SciPy calls by ``sympy.lambdify``."""
    import sympy
    from scipy import special

    if case.stack:
        raise NotImplementedError("SymPy's scalars have no rows")
    loss = _compiled(case)
    symbols = [loss.symbols[name] for name in case.arguments]
    expression = loss.expression
    outputs = [expression, *(sympy.diff(expression, symbols[i]) for i in case.wanted)]
    ours = {"sigmoid": special.expit, "ndtr": special.ndtr, "i0": special.i0, "i1": special.i1}
    call = sympy.lambdify(symbols, outputs, modules=[ours, "scipy", "numpy"])
    columns = _columns(case, points)
    with np.errstate(all="ignore"):
        found = call(*(columns[name] for name in case.arguments))
    return [np.broadcast_to(np.asarray(result, "float32"), len(points)) for result in found]


CONTESTANTS: dict[str, Contestant] = {
    "tensorflow": _tensorflow(),
    "tensorflow-guarded": _tensorflow(guarded=True),
    "tensorflow-float64": _tensorflow("float64"),
    "tensorflow-xla": _tensorflow(xla=True),
    "keras": _keras,
    "lambdify": _lambdify,
    "ours": _ours("eager"),
    "ours-graph": _ours("graph"),
    "ours-xla": _ours("xla"),
}
DEFAULT = ("tensorflow", "tensorflow-guarded", "tensorflow-float64", "keras", "lambdify", "ours", "ours-graph")
QUICK = ("tensorflow", "ours")
