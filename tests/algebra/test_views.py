"""The SymPy view: exact, readable, bounded; and SymPy expressions as formulas."""

from __future__ import annotations

import random
import time

import mpmath
import pytest
import sympy

import losscompiler as lc
from losscompiler.algebra.from_sympy import to_text
from losscompiler.graph.precise import Arithmetic, evaluate
from losscompiler.pipeline import Stages

FORMULAS = (
    "(log(y) - log(p))**2 + a*p",
    "-(y*log(sigmoid(p)) + (1 - y)*log(1 - sigmoid(p)))",
    "param delta > 0 = 1\nr = abs(y - p)\nr**2/2 if r <= delta else delta*(r - delta/2)",
    "param alpha in (0, 2) = 1\nparam c > 0 = 1\nr = (p - y)/c\nabs(alpha - 2)/alpha*((r**2/abs(alpha - 2) + 1)**(alpha/2) - 1)",
    "param nu > 2 = 5\nlgamma(nu/2) - lgamma((nu + 1)/2) + 0.5*log(nu*pi) + 0.5*(nu + 1)*log1p((y - p)**2/nu)",
    "max(0, 1 - y*p) + min(p, y, a)",
    "where(y > 0.5 and not p < 0, xlogy(y, p), hypot(p, y))",
    "log_ndtr(p) + erfcx(p) + erf(p)*ndtr(y)",
    "softplus(p) - y*p + 1e-3*expm1(p)*log1p(y)",
    "clip(p, 0.2, 0.8) + (y < p)*3 + sign(p)*heaviside(y - p)",
    "p/p + 0*log(y) + a - a",
)


def value_at(stages: Stages, seed: int) -> tuple[dict[str, mpmath.mpf], mpmath.mpf]:
    generator = random.Random(seed)
    point = {name: mpmath.mpf(generator.uniform(0.1, 0.9)) for name in stages.graph.data}
    for name, parameter in stages.graph.parameters.items():
        point[name] = mpmath.mpf(generator.uniform(0.1, 0.4)) + (parameter.bounds[0] or 0)
    return point, evaluate([stages.graph.loss], point, Arithmetic())[0]


@pytest.mark.parametrize("formula", FORMULAS)
def test_expression_has_the_value_of_the_graph(formula: str) -> None:
    loss = lc.compile_loss(formula, findings="ignore")
    with mpmath.workdps(40):
        for seed in range(3):
            point, expected = value_at(loss.stages, seed)
            numbers = {loss.symbols[name]: sympy.Float(value, 40) for name, value in point.items()}
            got = loss.expression.xreplace(numbers).doit().evalf(35)
            assert abs(mpmath.mpf(str(got)) - expected) <= mpmath.mpf(10) ** -25 * (1 + abs(expected))


@pytest.mark.parametrize("formula", FORMULAS)
def test_from_graph_to_sympy_and_back_keeps_value_and_symbols(formula: str) -> None:
    loss = lc.compile_loss(formula, findings="ignore")
    params = {name: lc.Parameter(parameter.init) for name, parameter in loss.parameters.items()}
    again = lc.compile_loss(loss.expression, params, findings="ignore")
    assert set(again.graph.data) == set(loss.graph.data)
    with mpmath.workdps(40):
        for seed in range(3):
            point, expected = value_at(loss.stages, seed)
            (got,) = evaluate([again.graph.loss], point, Arithmetic())
            assert abs(got - expected) <= mpmath.mpf(10) ** -35 * (1 + abs(expected))


@pytest.mark.parametrize("formula", FORMULAS[:10])
def test_shown_derivative_is_the_one_that_sympy_finds(formula: str) -> None:
    """SymPy differentiates the expression itself; functions of ours know their derivative from the table."""
    loss = lc.compile_loss(formula, findings="ignore")
    with mpmath.workdps(40):
        for name in loss.derivatives:
            symbol = loss.symbols[name]
            theirs = sympy.diff(loss.expression, symbol)
            for seed in range(2):
                point, _ = value_at(loss.stages, seed)
                numbers = {loss.symbols[key]: sympy.Float(value, 40) for key, value in point.items()}
                got, expected = (e.xreplace(numbers).doit().evalf(30) for e in (loss.derivatives[name], theirs))
                assert abs(got - expected) <= 1e-20 * (1 + abs(expected)), (name, got, expected)


@pytest.mark.parametrize(
    ("formula", "name", "expected"),
    [
        ("(log(y) - log(p))**2 + a*p", "a", "p"),
        ("(log(y) - log(p))**2 + a*p", "p", "a - 2*(-log(p) + log(y))/p"),
        ("-sum(y*log_softmax(p))", "p", "-y + softmax(p)*sum(y)"),
        ("logsumexp(p) - p[y]", "p", "-one_hot(y, count(p)) + softmax(p)"),
        ("prediction w, l\nbeta*(w - l)", "beta", "-l + w"),
        ("softplus(p) - y*p", "p", "-y + sigmoid(p)"),
        ("-log(sigmoid(a*p))", "a", "-p*sigmoid(-a*p)"),
        ("mean((y - p)**2)", "p", "-2*(-p + y)/count((-p + y)**2)"),
    ],
)
def test_derivative_as_sympy_prints_it(formula: str, name: str, expected: str) -> None:
    assert str(lc.compile_loss(formula, findings="ignore").derivatives[name]) == expected


@pytest.mark.parametrize(
    ("formula", "name", "expected"),
    [
        ("(log(y) - log(p))**2 + a*p", "p", "a - 2*(log(y) - log(p))/p"),
        ("(log(y) - log(p))**2 + a*p", "a", "p"),
        ("(y - p)**2", "p", "-2*(y - p)"),
        ("-sum(y*log_softmax(p))", "p", "softmax(p)*sum(y) - y"),
        ("logsumexp(p/T) - (p/T)[y]", "T", "-sum((softmax(p/T) - one_hot(y, count(p/T)))*p/T**2)"),
        ("mean((y - 3*p)**2)", "p", "-6*(y - 3*p)/count((y - 3*p)**2)"),
        ("sqrt(mean((y - 3*p)**2))", "p", "-3*((y - 3*p)/(sqrt(count(y - 3*p))*norm(y - 3*p)) if norm(y - 3*p) > 0 else 0)"),
        ("-log(softmax(p)[y])", "p", "softmax(p) - one_hot(y, count(p))"),
        ("-(y*log(p) + (1 - y)*log(1 - p))", "p", "-(y - 1)/(1 - p) - y/p"),
        ("r = abs(y - p)\nr**2/2 if r <= delta else delta*(r - delta/2)", "delta", "0 if r <= delta else r - delta"),
        ("((y - p)/s)**2/2 + log(s)", "s", "1/s - (y - p)**2/s**3"),
        ("prediction m, s\ns + ((y - m)*exp(-s))**2/2", "s", "1 - (y - m)**2*exp(-s)**2"),
    ],
)
def test_derivative_is_written_as_a_person_would(formula: str, name: str, expected: str) -> None:
    assert lc.compile_loss(formula, findings="ignore").derivatives.text(name) == expected


def test_derivatives_of_any_order() -> None:
    loss = lc.compile_loss("param a = 1\nexp(a*p)*y", findings="ignore")
    a, p, y = (loss.symbols[name] for name in "apy")
    assert sympy.simplify(loss.derivative("p", "a") - sympy.exp(a * p) * (1 + a * p) * y) == 0
    assert sympy.simplify(loss.derivative("a", "a", "a") - p**3 * sympy.exp(a * p) * y) == 0
    assert loss.derivative("p", "p") == loss.derivative("p", "p")
    with pytest.raises(lc.ArgumentError, match="not by 'y'"):
        loss.derivative("y")


def test_mapping_and_latex() -> None:
    loss = lc.compile_loss("param a > 0 = 1\na*(y - p)**2", findings="ignore")
    assert list(loss.derivatives) == ["p", "a"]
    assert len(loss.derivatives) == 2
    with pytest.raises(KeyError):
        loss.derivatives["y"]
    assert r"\frac{\partial L}{\partial a} &= " in loss.latex()
    assert loss._repr_latex_().startswith("$$")
    assert loss.symbols["a"].is_positive
    assert loss.symbols["p"].is_real
    assert loss.expression.free_symbols == set(loss.symbols.values())


def test_nothing_is_simplified_away_in_the_expression() -> None:
    loss = lc.compile_loss("a*p/a + 0*log(b) + p/p", findings="ignore")
    assert {str(symbol) for symbol in loss.expression.free_symbols} == {"a", "b", "p"}


def test_what_is_too_large_for_paper_is_said_and_at_once() -> None:
    lines = ["r0 = p + 1"] + [f"r{k} = r{k - 1}*r{k - 1} + r{k - 1}" for k in range(1, 40)]
    start = time.perf_counter()
    loss = lc.compile_loss("\n".join([*lines, "r39"]), findings="ignore")
    with pytest.raises(lc.BudgetError, match="source"):
        _ = loss.derivatives["p"]
    with pytest.raises(lc.BudgetError):
        _ = loss.expression
    assert "too long to write out" in loss.derivatives.text("p")
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (lambda a, p, y: (y - p) ** 2 / a, "(y - p)**2/a"),
        (lambda a, p, y: sympy.Max(0, 1 - y * p) + sympy.Abs(p), "max(0, 1 - y*p) + abs(p)"),
        (lambda a, p, y: sympy.Piecewise((p, p > 1), (2.5 * y, True)), "p if p > 1 else 2.5*y"),
        (lambda a, p, y: sympy.exp(-p) * sympy.loggamma(y) + sympy.pi + sympy.E, "exp(-p)*lgamma(y) + pi + exp(1)"),
        (lambda a, p, y: sympy.sqrt(2) * p + sympy.Rational(1, 3) * y + sympy.log(p, 2), "2**0.5*p + y/3 + log(p)/log(2)"),
        (lambda a, p, y: sympy.sign(p) * sympy.tanh(y) * sympy.Heaviside(p), "sign(p)*tanh(y)*heaviside(p)"),
    ],
)
def test_sympy_expressions_enter_like_text(expression, text: str) -> None:  # type: ignore[no-untyped-def]
    a, p, y = sympy.symbols("a p y", real=True)
    ours = Stages(to_text(expression(a, p, y)))
    written = Stages(text)
    with mpmath.workdps(30):
        point, _ = value_at(ours, 5)
        point |= {name: mpmath.mpf("0.3") for name in "apy" if name not in point}
        got, expected = (evaluate([stages.graph.loss], point, Arithmetic())[0] for stages in (ours, written))
        assert abs(got - expected) < 1e-15


@pytest.mark.parametrize(
    "expression",
    [
        sympy.Symbol("__import__('os')"), sympy.Symbol("a b") + 1, sympy.zeta(sympy.Symbol("p")), sympy.Integral(sympy.Symbol("p")),
        sympy.I * sympy.Symbol("p"), sympy.Piecewise((sympy.Symbol("p"), sympy.Symbol("p") > 0)), sympy.Function("f")(sympy.Symbol("p")),
        sympy.nan, sympy.zoo,
    ],
    ids=str,
)  # fmt: skip
def test_what_has_no_counterpart_is_refused(expression: sympy.Expr) -> None:
    with pytest.raises(lc.FormulaError) as caught:
        lc.compile_loss(expression)
    assert caught.value.code in ("bad-expression", "unknown-name", "unknown-function")


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        ("p/sum(p)", "p"), ("dot(normalize(p), normalize(y))", "p"), ("-sum(y*log_softmax(p/T))", "T"), ("sqrt(mean((y - 3*p)**2))", "p"),
        ("z = normalize(p)\ns = z @ transpose(z)/tau\nlogsumexp(s) - diag(s)", "tau"), ("sum((y - p)**2)**2", "p"),
        ("u = p - mean(p, axis=0)\nmean(u**2, axis=all)*sum(y*p, axis=all)", "p"), ("std(p) + max(p)*mean(p)", "p"),
    ],
)  # fmt: skip
def test_text_of_a_tensor_derivative_computes_what_runs(formula: str, name: str) -> None:
    """The text is compiled as a loss of its own; its value is the gradient of the sum that the program computes."""
    import numpy as np

    generator = np.random.default_rng(3)
    data = {"y": generator.uniform(0.2, 0.9, (3, 3)), "p": generator.uniform(0.2, 0.9, (3, 3))}
    loss = lc.compile_loss(formula, findings="ignore")
    params = dict.fromkeys(loss.parameters, 0.7)
    used = {key: data[key] for key in loss.graph.data}
    expected = loss.value_and_gradients(used, params, dtype="float64").gradients[name]
    head = "\n".join(formula.splitlines()[:-1])
    shown = lc.compile_loss(f"{head}\n{loss.derivatives.text(name)}", params, findings="ignore")
    got = shown.value_and_gradients({key: data[key] for key in shown.graph.data}, params, dtype="float64").value
    np.testing.assert_allclose(np.sum(got) if name in params else np.broadcast_to(got, (3, 3)), expected, rtol=1e-9, atol=1e-12)


def test_mixed_derivatives_commute() -> None:
    loss = lc.compile_loss("logsumexp(p/T) - (p/T)[y]", findings="ignore")
    assert loss.derivatives.text("p", "T") == loss.derivatives.text("T", "p")


def test_what_has_no_second_derivative_says_so() -> None:
    with pytest.raises(lc.ArgumentError, match="no closed form"):
        lc.compile_loss("prod(p)", findings="ignore").derivative("p", "p")
