"""A graph evaluated in float64, fast enough to be asked hundreds of times.

Ordinary functions are NumPy's; the rest is `precise` in double arithmetic, function by function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from losscompiler.analysis.float_tails import thin_tails
from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.graph.node import Node, reachable
from losscompiler.graph.precise import Arithmetic, apply, definition_graph

_EXACT = frozenset({
    "symbol", "const", "neg", "abs", "sign", "abs_slope", "where", "number", "maximum", "minimum", "relu", "select", "gather", "floor",
    "ceil", "round", "count", "arange", "one_hot", "argmax", "argmin",
})  # fmt: skip
"""Operations that round nothing."""
_SMALLEST_NORMAL = 1.1754943508222875e-38
_SLOW, _MOVED = 3000, 15
"""What functions that NumPy does not have cost, in functions that it has: with mpmath's numbers, and without."""


def _axis(node: Node) -> Any:
    axis = node.attr("axis")
    return None if axis == "all" else axis


def _axes(node: Node, x: Any) -> Sequence[int]:
    """Return the axes that a reduction runs over."""
    import numpy as np

    axis = _axis(node)
    return range(np.ndim(x) or 1) if axis is None else axis if isinstance(axis, tuple) else (axis,)


@cache
def _functions() -> dict[str, Callable[..., Any]]:
    """Return NumPy's functions by operation."""
    from statistics import NormalDist

    import numpy as np

    normal = NormalDist()

    def reduction(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda node, x: function(np.atleast_1d(x), axis=_axis(node), keepdims=True)

    def logsumexp(node: Node, x: Any) -> Any:
        x = np.atleast_1d(x)
        top = np.max(x, axis=_axis(node), keepdims=True)
        shift = np.where(np.isfinite(top), top, 0.0)
        return np.log(np.sum(np.exp(x - shift), axis=_axis(node), keepdims=True)) + shift

    def softmax(node: Node, x: Any) -> Any:
        e = np.exp(np.atleast_1d(x) - np.max(np.atleast_1d(x), axis=_axis(node), keepdims=True))
        return e / np.sum(e, axis=_axis(node), keepdims=True)

    def logcumsumexp_adjoint(node: Node, u: Any, x: Any, f: Any) -> Any:
        axis = int(str(node.attr("axis")))
        return np.exp(x) * np.flip(np.cumsum(np.flip(u * np.exp(-f), axis), axis=axis), axis)

    def sum_to(node: Node, x: Any, like: Any) -> Any:
        shape = np.shape(like)
        x = np.sum(x, axis=tuple(range(max(0, np.ndim(x) - len(shape)))))
        cut = tuple(axis for axis, length in enumerate(shape) if length == 1 and np.shape(x)[axis] != 1)
        return np.sum(x, axis=cut, keepdims=True) if cut else x

    def any_to(node: Node, x: Any, like: Any) -> Any:
        # A condition with fewer axes than what it is meant for is broadcast to it.
        shape = np.shape(like)
        return sum_to(node, np.asarray(x, dtype=float), np.empty(shape[max(0, len(shape) - np.ndim(x)) :])) > 0

    def each(function: Callable[[float], float]) -> Callable[..., Any]:
        def safe(x: float) -> float:
            try:
                return function(x)
            except (ValueError, OverflowError):
                return math.inf if x >= 0 or x == math.floor(x) else math.nan

        mapped = np.frompyfunc(safe, 1, 1)
        return lambda node, x: np.asarray(mapped(np.asarray(x, dtype=float)), dtype=float)

    def log_ndtr(x: float) -> float:
        if x > -30:
            return math.log(0.5 * math.erfc(-x / math.sqrt(2)))
        # The asymptotic series, Abramowitz & Stegun 26.2.12: relative error below 1e-10 here.
        return -0.5 * x * x - math.log(-x) - 0.5 * math.log(2 * math.pi) + math.log1p(-1 / x**2 + 3 / x**4 - 15 / x**6)

    def erfcx(x: float) -> float:
        if x < 25:
            return math.exp(x * x) * math.erfc(x)
        # Abramowitz & Stegun 7.1.23.
        return (1 - 1 / (2 * x**2) + 3 / (4 * x**4)) / (x * math.sqrt(math.pi))

    def erfinv(x: float) -> float:
        # inv_cdf is Wichura's AS 241, good to about 1e-16.
        return normal.inv_cdf((x + 1) / 2) / math.sqrt(2) if -1 < x < 1 else math.copysign(math.inf, x) if abs(x) == 1 else math.nan

    def i1e(x: Any) -> Any:
        # The trapezoidal rule on Abramowitz & Stegun 9.6.19 converges geometrically; 9.7.1 where the integrand is too narrow for it.
        size = np.abs(np.asarray(x, dtype=float))
        angles = np.linspace(0, np.pi, 257)
        weights = np.where((angles == 0) | (angles == np.pi), 0.5, 1.0) / 256
        near = np.sum(weights * np.exp(np.minimum(size, 500.0)[..., None] * (np.cos(angles) - 1)) * np.cos(angles), axis=-1)
        far = np.maximum(size, 500.0)
        return np.sign(x) * np.where(size < 500, near, (1 - 3 / (8 * far) - 15 / (128 * far**2)) / np.sqrt(2 * np.pi * far))

    def polygamma(order: Any, x: Any) -> Any:
        n = int(np.max(order))
        if n == 0:
            return digamma(x)
        # Abramowitz & Stegun 6.4.6 up to x + 30, and 6.4.11 there.
        x = np.asarray(x, dtype=float)
        z = x + 30.0
        total = math.factorial(n) * np.sum(1 / (x[..., None] + np.arange(30)) ** (n + 1), axis=-1)
        total = total + math.factorial(n - 1) / z**n + math.factorial(n) / (2 * z ** (n + 1))
        for k, bernoulli in enumerate((1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66), 1):
            total = total + bernoulli * math.factorial(2 * k + n - 1) / math.factorial(2 * k) / z ** (2 * k + n)
        return total if n % 2 else -total

    def log_i0(x: Any) -> Any:
        size = np.abs(x)
        far = np.maximum(size, 700.0)
        # Abramowitz & Stegun 9.7.1 beyond the range of i0 itself.
        return np.where(size < 700, np.log(np.i0(np.minimum(size, 700.0))), far - 0.5 * np.log(2 * np.pi * far) + np.log1p(1 / (8 * far)))

    def digamma(x: Any) -> Any:
        low = np.asarray(x) < 0.5
        z = np.where(low, 1 - x, x) + 10.0
        # Abramowitz & Stegun 6.3.18 at z >= 10, brought back by 6.3.5 and reflected by 6.3.7.
        value = np.log(z) - 0.5 / z - 1 / (12 * z**2) + 1 / (120 * z**4) - 1 / (252 * z**6) + 1 / (240 * z**8) - 1 / (132 * z**10)
        for step in range(1, 11):
            value = value - 1 / (z - step)
        return np.where(low, value - np.pi / np.tan(np.pi * x), value)

    def exp_moment(order: Any, x: Any) -> Any:
        # Gauss and Legendre's rule near 0, integration by parts far from it.
        k, x = int(np.max(order)), np.asarray(x, dtype=float)
        near = np.abs(x) < 8 + k
        far = np.where(near, 8.0 + k, x)
        moment = np.expm1(far) / far
        for i in range(1, k + 1):
            moment = (np.exp(far) - i * moment) / far
        return np.where(near, integral(lambda t: t**k * np.exp(t * np.where(near, x, 0.0)[..., None])), moment)

    def log1p_moment(order: Any, x: Any) -> Any:
        k, x = int(np.max(order)), np.asarray(x, dtype=float)
        near = np.abs(np.log1p(x)) < 3
        # Under the integral 1 + t*x becomes exp(s*u), which is smooth for every x.
        u = np.log1p(np.where(near & (x != 0), x, 1.0))
        mean = np.where(x == 0, 1.0, u / np.expm1(u))
        close = integral(lambda s: (-np.expm1(-s * u[..., None]) / u[..., None]) ** k)
        close = np.where(x == 0, 1 / (k + 1), mean ** (k + 1) * close)
        far = np.where(near, 30.0, x)
        moment = np.log1p(far) / far
        for i in range(1, k + 1):
            moment = (moment - 1 / (i * (1 + far) ** i)) / far
        return np.where(near, close, np.where(x == np.inf, 0.0, moment))

    def asinh_moment(order: Any, x: Any) -> Any:
        k, size = int(np.max(order)), np.abs(np.asarray(x, dtype=float))
        near = size < 1
        far = np.where(near, 1.0, size)
        moment = np.arcsinh(far) / far
        for i in range(1, k + 1):
            moment = (moment - 1 / ((2 * i - 1) * np.hypot(1, far) ** (2 * i - 1))) / far**2
        close = np.where(near, size, 0.0)[..., None]
        return np.where(near, integral(lambda t: t ** (2 * k) / (1 + (t * close) ** 2) ** (k + 0.5)), moment)

    nodes, weights = np.polynomial.legendre.leggauss(24)

    def integral(function: Callable[[Any], Any]) -> Any:
        return np.sum(weights / 2 * function((nodes + 1) / 2), axis=-1)

    def expm1mx(x: Any) -> Any:
        near = np.abs(x) < 2
        return np.where(near, x * x * (exp_moment(0, np.where(near, x, 0.0)) - exp_moment(1, np.where(near, x, 0.0))), np.expm1(x) - x)

    def exp_mean_slope(x: Any) -> Any:
        below = exp_moment(1, -np.abs(x)) / exp_moment(0, -np.abs(x))
        return np.where(np.asarray(x) > 0, 1 - below, below)

    def log_exp_mean(x: Any) -> Any:
        near = np.abs(x) < 1
        close = np.where(near, x, 1.0)
        series = np.log1p(sum((close / 2) ** (2 * k) / math.factorial(2 * k + 1) for k in range(1, 10)))
        return np.where(near, close / 2 + series, np.maximum(x, 0.0) + np.log(exp_moment(0, -np.abs(x))))

    def reciprocal_exp_mean(x: Any) -> Any:
        return np.exp(-np.maximum(x, 0.0)) / exp_moment(0, -np.abs(x))

    plain: dict[str, Callable[..., Any]] = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide, "pow": np.power, "neg": np.negative, "exp": np.exp,
        "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "logaddexp": np.logaddexp, "sqrt": np.sqrt, "cbrt": np.cbrt, "hypot": np.hypot,
        "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2,
        "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "abs": np.abs,
        "sign": np.sign, "abs_slope": np.sign, "relu": lambda x: np.where(x > 0, x, 0.0), "maximum": np.maximum, "minimum": np.minimum,
        "floor": np.floor,
        "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high), "ceil": np.ceil, "round": np.rint, "lt": np.less,
        "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal, "and": np.logical_and,
        "or": np.logical_or, "not": np.logical_not, "number": lambda x: np.asarray(x, dtype=float), "where": np.where,
        "stop_gradient": lambda x: x, "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "log_sigmoid": lambda x: -np.logaddexp(0, -x),
        "softplus": lambda x: np.logaddexp(0, x), "xlogy": lambda x, y: np.where(x == 0, 0.0, x * np.log(y)),
        "log1mexp": lambda x: np.log(-np.expm1(x)), "i0": np.i0, "log_i0": log_i0, "i0e": lambda x: np.exp(log_i0(x) - np.abs(x)),
        "digamma": digamma, "polygamma": polygamma, "i1e": i1e, "i1": lambda x: i1e(x) * np.exp(np.abs(x)),
        "exp_moment": exp_moment, "log1p_moment": log1p_moment, "asinh_moment": asinh_moment, "expm1mx": expm1mx,
        "log_exp_mean": log_exp_mean, "reciprocal_exp_mean": reciprocal_exp_mean, "exp_mean_slope": exp_mean_slope,
        "log1pmx": lambda x: np.where(np.abs(x) < 2, -expm1mx(np.log1p(x)), np.log1p(x) - x),
        "polygamma_difference": lambda order, x, d: polygamma(order, x + d) - polygamma(order, x),
        "matmul": np.matmul, "transpose": lambda x: np.swapaxes(x, -1, -2),
        "broadcast_to": lambda x, like: np.broadcast_to(x, np.shape(like)),
    }  # fmt: skip
    table: dict[str, Callable[..., Any]] = {op: _without_node(function) for op, function in plain.items()}
    return table | thin_tails(lambda x: each(log_ndtr)(None, x), lambda x: each(erfcx)(None, x)) | {
        "sum": reduction(np.sum), "mean": reduction(np.mean), "prod": reduction(np.prod), "max": reduction(np.max),
        "min": reduction(np.min), "any": reduction(np.any), "all": reduction(np.all), "logsumexp": logsumexp,
        "softmax": softmax, "sum_to": sum_to, "any_to": any_to,
        "log_softmax": lambda node, x: np.atleast_1d(x) - logsumexp(node, x), "erf": each(math.erf), "erfc": each(math.erfc),
        "norm": lambda node, x: np.sqrt(np.sum(np.atleast_1d(x) ** 2, axis=_axis(node), keepdims=True)), "lgamma": each(math.lgamma),
        "log_ndtr": each(log_ndtr), "erfcx": each(erfcx), "erfinv": each(erfinv),
        "ndtr": each(lambda x: 0.5 * math.erfc(-x / math.sqrt(2))),
        "cumsum": lambda node, x: np.cumsum(np.atleast_1d(x), axis=node.attr("axis")),
        "logcumsumexp": lambda node, x: np.logaddexp.accumulate(np.atleast_1d(x), axis=node.attr("axis")),
        "logcumsumexp_adjoint": logcumsumexp_adjoint,
        "flip": lambda node, x: np.flip(x, node.attr("axis")),
        "select": lambda node, x: np.take(np.atleast_1d(x), [node.attr("index")], axis=-1), "triu": lambda node, x: np.triu(x),
        "range": lambda node, x: np.atleast_1d(x)[..., slice(node.attr("start"), node.attr("stop"))], "tril": lambda node, x: np.tril(x),
        "eye_like": lambda node, x: np.broadcast_to(np.eye(*np.shape(x)[-2:]), np.shape(x)),
        "diag": lambda node, x: np.diagonal(x, axis1=-2, axis2=-1)[..., None],
        "count": lambda node, x: float(np.prod([np.shape(np.atleast_1d(x))[axis] for axis in _axes(node, x)])),
    }  # fmt: skip


def _without_node(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda node, *operands: function(*operands)


class Plan:
    """Nodes in the order of their evaluation, for repeated evaluation of some roots.

    Attributes:
        cost: roughly what one evaluation takes, in NumPy calls.
    """

    def __init__(self, roots: Sequence[Node]) -> None:
        self.roots = tuple(roots)
        self.nodes = reachable(self.roots)
        self.cost = sum(_cost(node) for node in self.nodes)

    @property
    def slow(self) -> bool:
        """Whether a function is evaluated by mpmath, element by element."""
        return any(_cost(node) == _SLOW for node in self.nodes)

    def values(self, values: Mapping[str, Any], *, single: bool = False, noise: Any = None) -> list[Any]:
        """Return the roots as float64 arrays.

        Args:
            values: numbers and arrays by symbol.
            single: round the result of every operation to float32.
            noise: a random generator; the result of every operation is then moved by a unit of float64 in a random direction.

        Raises:
            ValueError, IndexError, OverflowError: if the shapes of the values, or positions among them, do not fit the graph.
        """
        import mpmath
        import numpy as np

        known = _functions()
        done: dict[int, Any] = {}
        with np.errstate(all="ignore"), mpmath.workprec(53):
            for node in self.nodes:
                if node.op == "const":
                    done[node.index] = _constant(node)
                elif node.op == "symbol":
                    done[node.index] = values[node.name]
                else:
                    function = known.get(node.op) or _otherwise(node)
                    done[node.index] = function(node, *(done[arg.index] for arg in node.args))
                if single and not node.boolean:
                    rounded = np.asarray(np.asarray(done[node.index], "float32"), float)
                    # Most devices flush what is smaller than the smallest normal number.
                    done[node.index] = np.where(np.abs(rounded) < _SMALLEST_NORMAL, 0.0, rounded)
                    if node.op == "div" and node.args[0].op == "div":
                        done[node.index] = _divided_at_once(done[node.index], done[node.args[0].args[1].index], done[node.args[1].index])
                if noise is not None and node.op not in _EXACT and not node.boolean:
                    done[node.index] = done[node.index] * (1 + 2.0**-52 * noise.choice([-1.0, 1.0], np.shape(done[node.index])))
        return [np.asarray(done[root.index], dtype=float) for root in self.roots]


def _divided_at_once(quotient: Any, first: Any, second: Any) -> Any:
    """Return (a/b)/c, NaN where b*c leaves the range of float32: XLA computes a/(b*c)."""
    import numpy as np

    below = np.abs(np.asarray(np.asarray(first * second, "float32"), float))
    lost = (below < _SMALLEST_NORMAL) | np.isinf(below)
    return np.where(lost & (first != 0) & (second != 0) & np.isfinite(first) & np.isfinite(second), np.nan, quotient)


def _otherwise(node: Node) -> Callable[..., Any]:
    """Return how a function is evaluated that NumPy does not have."""
    row = FUNCTIONS[node.op]
    if row.kind is not Kind.ELEMENTWISE:
        return _moved
    return _defined if row.definition else _slowly


def _cost(node: Node) -> int:
    if not node.args or node.op in _functions():
        return 1
    return _SLOW if _otherwise(node) is _slowly else _MOVED


def _defined(node: Node, *operands: Any) -> Any:
    """Return the value of a function by its definition in more elementary ones."""
    (value,) = _definition(node.op).values(dict(zip(FUNCTIONS[node.op].arguments, operands, strict=True)))
    return value


@cache
def _definition(op: str) -> Plan:
    return Plan([definition_graph(op)[1]])


def _constant(node: Node) -> float:
    if isinstance(node.value, str):
        return math.pi if node.value == "pi" else math.inf
    try:
        return float(node.value)  # type: ignore[arg-type]  # a constant that is no text is a Fraction
    except OverflowError:
        return math.copysign(math.inf, node.value)  # type: ignore[arg-type]  # as above


def _moved(node: Node, *operands: Any) -> Any:
    """Return the value of a function along axes: it moves numbers and adds them, in whatever arithmetic they are."""
    import mpmath
    import numpy as np

    result = apply(Arithmetic(mpmath.fp), node, [np.asarray(x, dtype=float) for x in operands])
    return np.asarray(result, dtype=float)


def _slowly(node: Node, *operands: Any) -> Any:
    """Return the value of a function in mpmath's arithmetic, element by element."""
    import numpy as np

    arithmetic = Arithmetic()
    number = np.frompyfunc(arithmetic.number, 1, 1)
    numbers = [np.asarray(number(np.asarray(x, dtype=float)), dtype=object) for x in operands]
    result = apply(arithmetic, node, [x.item() if x.ndim == 0 else x for x in numbers])
    return np.asarray(result, dtype=float)
