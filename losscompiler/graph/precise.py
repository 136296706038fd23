"""Evaluation of a graph in arithmetic of any precision, on scalars and arrays.

This is the meaning of the language, executed: every function is mpmath's own or its exact definition in the table, and
nothing is rearranged for stability. Derivatives, emitted code and rewrites are judged against it.
Values outside a function's real domain are NaN, poles and overflows are infinite, as in IEEE arithmetic.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.graph.axes import leaf
from losscompiler.graph.expressions import ExpressionBuilder, Keywords
from losscompiler.graph.node import Graph, Node, reachable
from losscompiler.source import Source

_FAR = 1_000_000
_LARGEST_EXPONENT = 10_000_000
"""Powers of e beyond this are infinite: exact arithmetic on their exponents would have no end."""

_LARGEST_REFLECTION = 10_000
"""Digamma and its derivatives are not evaluated below minus this: their domain is x > 0."""


class Arithmetic:
    """Elementwise operations in one mpmath context."""

    def __init__(self, context: Any = None) -> None:
        import mpmath

        self.context = mpmath.mp if context is None else context
        self.inf, self.nan = self.context.inf, self.context.nan

    def number(self, value: Any) -> Any:
        """Return a Python, NumPy or rational number in this arithmetic, exactly where it is binary."""
        if isinstance(value, Fraction):
            return self.context.mpf(value.numerator) / value.denominator
        if isinstance(value, str):
            return {"pi": +self.context.pi, "inf": self.inf}[value]
        return self.context.mpf(value) if not isinstance(value, bool) else self.context.mpf(int(value))

    def real(self, function: Callable[..., Any], *values: Any) -> Any:
        """Apply a function with IEEE's answers for what mpmath refuses."""
        if any(value != value for value in values):
            return self.nan
        try:
            result = function(*values)
        except (ZeroDivisionError, ValueError, OverflowError, TypeError, NotImplementedError):
            return self.nan
        except Exception as error:  # mpmath.NoConvergence derives from Exception alone
            if type(error).__name__ != "NoConvergence":
                raise
            return self.nan
        if type(result).__name__ in ("mpc", "complex"):
            return result.real if result.imag == 0 else self.nan
        return result

    # -- operators
    def div(self, x: Any, y: Any) -> Any:
        """Return x/y; infinite at a pole."""
        if y == 0:
            return self.nan if x == 0 or x != x else (self.inf if x > 0 else -self.inf)
        return x / y

    def pow(self, x: Any, y: Any) -> Any:
        """Return the real power x**y."""
        if y == 0:
            return self.number(1)
        if x == 0:
            return self.number(0) if y > 0 else self.inf
        if x in (self.inf, -self.inf) or y in (self.inf, -self.inf):
            return self.real(self._power_of_infinite, x, y)
        if x < 0 and y != self.context.floor(y):
            return self.nan
        growth = y * self.context.log(abs(x))
        if growth > _LARGEST_EXPONENT:
            return self.inf
        return self.number(0) if growth < -_LARGEST_EXPONENT else x**y

    def _power_of_infinite(self, x: Any, y: Any) -> Any:
        return self.number(float(x) ** float(y))

    def exp(self, x: Any) -> Any:
        """Return the exponential; infinite or 0 beyond every reasonable exponent."""
        if x > _LARGEST_EXPONENT:
            return self.inf
        return self.number(0) if x < -_LARGEST_EXPONENT else self.context.exp(x)

    def log(self, x: Any) -> Any:
        """Return the real logarithm."""
        if x == 0:
            return -self.inf
        return self.context.log(x) if x > 0 else self.nan

    def softplus(self, x: Any) -> Any:
        """Return log(1 + exp(x)); its definition overflows where it does not."""
        return max(x, self.number(0)) + self.context.log1p(self.exp(-abs(x)))

    def logaddexp(self, x: Any, y: Any) -> Any:
        """Return log(exp(x) + exp(y)); its definition overflows where it does not."""
        high, low = max(x, y), min(x, y)
        return high if abs(high) == self.inf else high + self.context.log1p(self.exp(low - high))

    def erfcx(self, x: Any) -> Any:
        """Return exp(x**2)*erfc(x); far out by its asymptotic series (Abramowitz & Stegun 7.1.23)."""
        if x <= _FAR:
            return (self.exp(x * x) if x < 0 else self.context.exp(x * x)) * self.context.erfc(x)
        square = 2 * x * x
        return (1 - 1 / square + 3 / square**2 - 15 / square**3) / (x * self.context.sqrt(self.context.pi))

    def scaled_bessel(self, order: int, x: Any) -> Any:
        """Return exp(-abs(x))*I_order(x); far out by its asymptotic series (Abramowitz & Stegun 9.7.1)."""
        size = abs(x)
        if size <= _FAR:
            return self.context.exp(-size) * self.context.besseli(order, x)
        series, term = self.number(1), self.number(1)
        for k in range(1, 9):
            term *= -(4 * order**2 - (2 * k - 1) ** 2) / (k * 8 * size)
            series += term
        return (-1 if order % 2 and x < 0 else 1) * series / self.context.sqrt(2 * self.context.pi * size)

    def loggamma(self, x: Any) -> Any:
        """Return log(abs(gamma(x)))."""
        if x <= 0 and x == self.context.floor(x):
            return self.inf
        # The real function: the logarithm of the absolute value.
        return self.context.loggamma(x).real if x < 0 else self.context.loggamma(x)

    def digamma(self, x: Any) -> Any:
        """Return the derivative of loggamma."""
        return self.polygamma(0, x)

    def polygamma(self, n: Any, x: Any) -> Any:
        """Return the n-th derivative of digamma."""
        # Far on the negative side mpmath's reflection takes time in proportion to x.
        if x <= 0 and (x == self.context.floor(x) or x < -_LARGEST_REFLECTION):
            return self.nan
        return self.context.psi(int(n), x)

    def exp_moment(self, k: Any, x: Any) -> Any:
        """Return the integral of t**k*exp(t*x) over 0 < t < 1, by parts."""
        k = int(k)
        if x == 0 or abs(x) == self.inf:
            return self.number(Fraction(1, k + 1)) if x == 0 else self.inf if x > 0 else self.number(0)
        with self.context.workprec(self.context.prec + self._lost_by_parts(k, x)):
            end = self.exp(x)
            moment = (end - 1) / x
            for i in range(1, k + 1):
                moment = (end - i * moment) / x
        return +moment

    def log1p_moment(self, k: Any, x: Any) -> Any:
        """Return the integral of t**k/(1 + t*x)**(k + 1) over 0 < t < 1, by parts."""
        k = int(k)
        if x == 0 or not -1 < x < self.inf:
            return self.number(Fraction(1, k + 1)) if x == 0 else self.number(0) if x == self.inf else self.inf if x == -1 else self.nan
        with self.context.workprec(self.context.prec + self._lost_by_parts(k, x)):
            moment = self.context.log1p(x) / x
            for i in range(1, k + 1):
                moment = (moment - 1 / (i * (1 + x) ** i)) / x
        return +moment

    def asinh_moment(self, k: Any, x: Any) -> Any:
        """Return the integral of t**(2*k)/(1 + t**2*x**2)**(k + 1/2) over 0 < t < 1, by parts."""
        k = int(k)
        if x == 0 or abs(x) == self.inf:
            return self.number(Fraction(1, 2 * k + 1)) if x == 0 else self.number(0)
        with self.context.workprec(self.context.prec + self._lost_by_parts(k, x)):
            moment, root = self.context.asinh(x) / x, self.context.sqrt(1 + x * x)
            for i in range(1, k + 1):
                moment = (moment - 1 / ((2 * i - 1) * root ** (2 * i - 1))) / (x * x)
        return +moment

    def _lost_by_parts(self, k: int, x: Any) -> int:
        """Return how many bits k integrations by parts, each with a division by x, may lose."""
        return (k + 1) * (16 + 2 * max(0, -int(self.context.mag(x))))

    def binet(self, k: Any, x: Any) -> Any:
        """Return the k-th derivative of lgamma(x) - ((x - 1/2)*log(x) - x + log(2*pi)/2) for x > 0."""
        if not x > 0:
            return self.nan
        if k == 0:
            return self.loggamma(x) - ((x - self.number(Fraction(1, 2))) * self.log(x) - x + self.log(2 * self.context.pi) / 2)
        if k == 1:
            return self.digamma(x) - self.log(x) + 1 / (2 * x)
        leading = self.context.factorial(k - 2) / x ** (k - 1) + self.context.factorial(k - 1) / (2 * x**k)
        return self.polygamma(k - 1, x) - (-1) ** int(k) * leading

    def inverse_binet(self, k: Any, x: Any) -> Any:
        """Return the k-th derivative of ``binet(0, 1/x)``, by that of Stirling's series where its terms fall fast enough."""
        k = int(k)
        if x < 0:
            return self.nan
        bits = self.context.prec
        total, term, n = self.number(0), self.number(0), 1
        while n < 2 * bits:
            number = self.context.bernoulli(n + 1) / (n * (n + 1))
            term = self.context.ff(n, k) * number * x ** (n - k) if n >= k else self.number(0)
            total += term
            if n > k and abs(term) <= self.context.ldexp(abs(total), -bits):
                return total
            n += 2
        if k == 0:
            return self.binet(0, 1 / x)
        chain = [math.comb(k - 1, j - 1) * math.factorial(k) // math.factorial(j) for j in range(1, k + 1)]
        with self.context.workprec(2 * bits):
            return (-1) ** k * sum(number * x ** -(k + j) * self.binet(j, 1 / x) for j, number in enumerate(chain, 1))

    def guarded(self, name: str) -> Callable[..., Any]:
        """Return an mpmath function whose argument is kept where its value has a reasonable exponent."""
        function = getattr(self.context, name)

        def apply(*values: Any) -> Any:
            if abs(values[-1]) > _LARGEST_EXPONENT and values[-1] not in (self.inf, -self.inf):
                if name in ("sinh", "i1", "expm1"):
                    return self.inf if values[-1] > 0 else (-self.number(1) if name == "expm1" else -self.inf)
                if name in ("cosh", "i0"):
                    return self.inf
            return function(*values)

        return apply


_OPERATORS: dict[str, Callable[..., Any]] = {"add": operator.add, "sub": operator.sub, "neg": operator.neg}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "lt": lambda x, y: x < y, "le": lambda x, y: x <= y, "gt": lambda x, y: x > y, "ge": lambda x, y: x >= y,
    "eq": lambda x, y: x == y, "ne": lambda x, y: x != y, "and": lambda x, y: bool(x and y), "or": lambda x, y: bool(x or y),
}  # fmt: skip


def _elementwise(arithmetic: Arithmetic, op: str) -> Callable[..., Any]:
    if op in _COMPARE:
        return _COMPARE[op]
    simple: dict[str, Callable[..., Any]] = {
        "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "neg": lambda x: -x, "not": lambda x: not x,
        "number": lambda x: arithmetic.number(bool(x)), "where": lambda c, x, y: x if c else y, "stop_gradient": lambda x: x,
        "mul": lambda x, y: x * y, "div": arithmetic.div, "pow": arithmetic.pow, "exp": arithmetic.exp, "log": arithmetic.log,
        "softplus": arithmetic.softplus, "log_sigmoid": lambda x: -arithmetic.softplus(-x), "logaddexp": arithmetic.logaddexp,
        "relu": lambda x: max(x, arithmetic.number(0)), "lgamma": arithmetic.loggamma, "digamma": arithmetic.digamma,
        "maximum": lambda x, y: arithmetic.nan if x != x or y != y else max(x, y),
        "minimum": lambda x, y: arithmetic.nan if x != x or y != y else min(x, y),
        "i0": lambda x: arithmetic.guarded("besseli")(0, x), "i1": lambda x: arithmetic.guarded("besseli")(1, x),
        "polygamma": arithmetic.polygamma, "binet": arithmetic.binet,
        "inverse_binet": arithmetic.inverse_binet, "erfcx": arithmetic.erfcx,
        "polygamma_difference": lambda n, x, d: arithmetic.polygamma(n, x + d) - arithmetic.polygamma(n, x),
        "i0e": lambda x: arithmetic.scaled_bessel(0, x), "i1e": lambda x: arithmetic.scaled_bessel(1, x),
        "exp_moment": arithmetic.exp_moment, "log1p_moment": arithmetic.log1p_moment,
        "asinh_moment": arithmetic.asinh_moment,
    }  # fmt: skip
    if op in simple:
        function = simple[op]
        return function if op in ("where", "number", "not", "stop_gradient") else lambda *values: arithmetic.real(function, *values)
    row = FUNCTIONS[op]
    if row.mpmath:
        guarded = arithmetic.guarded(row.mpmath)
        return lambda *values: arithmetic.real(guarded, *values)
    _, root = definition_graph(op)
    return lambda *values: evaluate([root], dict(zip(row.arguments, values, strict=True)), arithmetic)[0]


@cache
def definition_graph(op: str, axis: Any = -1) -> tuple[Graph, Node]:
    """Return the definition of a function as a graph over its arguments; one along axes looks along ``axis``."""
    row = FUNCTIONS[op]
    graph = Graph()
    builder = ExpressionBuilder(graph, Source(""), lambda name: graph.const(name.name), graph.make, internal=True)
    names = {name: graph.symbol(name, leaf("x")) for name in row.arguments}
    return graph, builder.expand(row.definition, names, Keywords(axis), None)


def evaluate(roots: Sequence[Node], values: Mapping[str, Any], arithmetic: Arithmetic | None = None) -> list[Any]:
    """Return the values of nodes.

    Args:
        roots: what to evaluate.
        values: numbers or object arrays by symbol; numbers must be of the arithmetic.
        arithmetic: mpmath at its current precision if left out.

    Returns:
        For each root a number, a bool, or an array of them.
    """
    arithmetic = arithmetic or Arithmetic()
    done: dict[int, Any] = {}
    for node in reachable(roots):
        if node.op == "const":
            done[node.index] = arithmetic.number(node.value)
        elif node.op == "symbol":
            done[node.index] = values[node.name]
        else:
            done[node.index] = apply(arithmetic, node, [done[arg.index] for arg in node.args])
    return [done[root.index] for root in roots]


def apply(arithmetic: Arithmetic, node: Node, operands: list[Any]) -> Any:
    """Return the value of one node from the values of its operands."""
    from losscompiler.graph import precise_tensor

    tensor = precise_tensor.OPERATIONS.get(node.op)
    if tensor is not None:
        return tensor(arithmetic, node, *operands)
    row = FUNCTIONS[node.op]
    if row.kind in (Kind.ALONG_AXIS, Kind.REDUCTION):
        _, root = definition_graph(node.op, node.attr("axis"))
        return evaluate([root], dict(zip(row.arguments, operands, strict=True)), arithmetic)[0]
    if node.op in _OPERATORS:
        # On arrays NumPy's own loop; mpmath's numbers know infinity and NaN.
        return _OPERATORS[node.op](*operands)
    function = _elementwise(arithmetic, node.op)
    if all(not hasattr(operand, "shape") for operand in operands):
        return function(*operands)
    import numpy as np

    return np.asarray(np.frompyfunc(function, len(operands), 1)(*operands), dtype=object)
