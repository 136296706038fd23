"""Power series of expressions, against SymPy's, and where denominators vanish."""

from __future__ import annotations

import mpmath
import pytest
import sympy

import losscompiler as lc
from losscompiler.graph.precise import evaluate
from losscompiler.stable.close_conditions import NotAnalyticError
from losscompiler.stable.series import Expansion
from losscompiler.stable.zeros import poles

VALUES = {"y": 1.3, "p": 0.7, "a": 0.45, "b": 1.7, "c": 2.2}


def expansion(formula, name, centre="0"):
    """Return a loss, and its expansion in a symbol around a number or another symbol."""
    loss = lc.compile_loss(formula, findings="ignore").graph
    graph = loss.graph
    point = graph.const(int(centre)) if centre.lstrip("-").isdigit() else graph.symbol(centre, loss.loss.axes)
    if not centre.lstrip("-").isdigit():
        point = next(node for node in _symbols(loss) if node.name == centre)

    def vanishes(node):
        with mpmath.workdps(60):
            return abs(evaluate([node], {key: mpmath.mpf(value) for key, value in VALUES.items()})[0]) < mpmath.mpf("1e-40")

    return loss, Expansion(graph, name, point, vanishes, 4000, frozenset())


def _symbols(loss):
    from losscompiler.graph.node import reachable

    return [node for node in reachable([loss.loss]) if node.op == "symbol"]


@pytest.mark.parametrize(
    ("formula", "name", "centre"),
    [
        ("(p**a - 1)/a", "a", "0"),
        ("sin(p)/p", "p", "0"),
        ("(exp(a*p) - 1 - a*p)/a**2", "a", "0"),
        ("(1 + a*p)**(1/a)", "a", "0"),
        ("p/(exp(p) - 1)", "p", "0"),
        ("(y - p)/(log(y) - log(p))", "p", "y"),
        ("log(1 + p)/p + tanh(p)/p", "p", "0"),
        ("(p**(1 - a) - 1)/(1 - a)", "a", "1"),
        ("sqrt(1 + a*p)*exp(-p**2)", "p", "0"),
        ("lgamma(1 + p)/p", "p", "0"),
        ("atan(p)/sinh(p)", "p", "0"),
        ("1/p**2 - 1/sin(p)**2", "p", "0"),
        ("where(y > 0, (p**a - 1)/a, a)", "a", "0"),
    ],
)
def test_coefficients_are_those_of_sympy(formula, name, centre):
    """Five coefficients at one point of the other symbols, in 30 digits; SymPy differentiates or expands the same text."""
    loss, series = expansion(formula, name, centre)
    x = sympy.Symbol("x")
    others = {key: sympy.Float(value, 60) for key, value in VALUES.items() if key != name}
    at = others[centre] if centre in others else sympy.Integer(centre)
    namespace = {"lgamma": sympy.loggamma, "where": lambda condition, then, otherwise: then, name: x + at, **others}
    expected = sympy.sympify(formula.replace("where(y > 0,", "where(True,"), locals=namespace)
    with mpmath.workdps(60):
        function = sympy.lambdify(x, expected, "mpmath")
        # The derivative at 0 by Cauchy's integral over a circle, in which the removable singularity does not matter.
        radius, count = mpmath.mpf("0.05"), 64
        units = [mpmath.expjpi(mpmath.mpf(2 * k) / count) for k in range(count)]
        samples = [(unit, function(radius * unit)) for unit in units]
        for order in range(5):
            truth = mpmath.fsum((value / unit**order).real for unit, value in samples) / count / radius**order
            node = series.coefficient(loss.loss, order)
            found = mpmath.mpf(0) if node is None else evaluate([node], {key: mpmath.mpf(value) for key, value in VALUES.items()})[0]
            assert abs(found - truth) < mpmath.mpf("1e-25") * max(1, abs(truth)), (order, found, truth)


@pytest.mark.parametrize(("formula", "order"), [("1/p", -1), ("exp(p)/p**2", -2), ("1/(p*sin(p))", -2), ("p**3/sin(p)", 2)])
def test_the_first_order_of_a_pole_or_zero(formula, order):
    loss, series = expansion(formula, "p")
    assert series.first(loss.loss) == order


@pytest.mark.parametrize(
    "formula", ["abs(p)", "sqrt(p)", "log(p)", "exp(1/p)", "floor(p)", "where(p > 0, p, p**2)", "relu(p)", "abs(p)**a"]
)
def test_what_is_not_analytic_is_refused(formula):
    loss, series = expansion(formula, "p")
    with pytest.raises(NotAnalyticError):
        [series.coefficient(loss.loss, order) for order in range(3)]


@pytest.mark.parametrize(
    ("formula", "name", "expected"),
    [
        ("1/a", "a", [0]),
        ("1/(a*(a - 1))", "a", [0, 1]),
        ("1/(2 - a)", "a", [2]),
        ("1/(3*a + 6)", "a", [-2]),
        ("1/(log(y) - log(p))", "p", [1.3]),
        ("1/log(p)", "p", [1]),
        ("1/(1 + a*p)", "p", [-1 / 0.45]),
        ("1/(a**2 - 4)", "a", [2, -2]),
        ("p**(-1/2)", "p", [0]),
        ("1/exp(a)", "a", []),
        ("1/(p**2 + 1)", "a", []),
        ("1/abs(a - 2)", "a", [2]),
    ],
)
def test_zeros_of_denominators(formula, name, expected):
    loss = lc.compile_loss(formula + " + 0*a + 0*p + 0*y", findings="ignore").graph
    values = {key: mpmath.mpf(value) for key, value in VALUES.items()}
    found = [float(evaluate([centre], values)[0]) for centre in poles(loss.graph, loss.loss, name)]
    assert sorted(found) == pytest.approx(sorted(expected))
