"""Quotients that are 0/0 at a point: rewritten as expected, equal to what was written, and right at the point itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import mpmath
import numpy as np
import pytest

import losscompiler as lc
from losscompiler.graph.precise import evaluate
from losscompiler.graph.printing import node_text
from losscompiler.stable.gamma_differences import GAMMA_DIFFERENCES
from losscompiler.stable.moment_sums import MOMENT_SUMS
from losscompiler.stable.remainders import REMAINDERS
from losscompiler.stable.removable import QUOTIENTS
from losscompiler.stable.rewrite import rewrite
from losscompiler.stable.transformations import MERGING, TRANSFORMATIONS

DIGITS = 200
EVERY = (*TRANSFORMATIONS, *MERGING)


@dataclass(frozen=True)
class Case:
    """A loss as its users write it.

    Attributes:
        text: the formula.
        form: what it is rewritten to.
        at: a point at which it is 0/0.
        near: symbols that are moved to approach that point.
        ranges: where other points are drawn, by symbol; (0.1, 3) if left out.
    """

    text: str
    form: str
    at: dict[str, float]
    near: tuple[str, ...]
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)


REAL = (-3.0, 3.0)
CASES = {
    "box_cox": Case(
        "param l\n(p**l - 1)/l",
        "weighted_log(p, 1)*exp_moment(0, l*weighted_log(p, 1)) if p > 0 else (p**l - 1)/l",
        {"p": 2.0, "l": 0.0}, ("l",), {"l": REAL},
    ),
    "box_cox_term_by_term": Case(
        "param l\np**l/l - 1/l",
        "weighted_log(p, 1)*exp_moment(0, l*weighted_log(p, 1)) if p > 0 else p**l/l - 1/l",
        {"p": 2.0, "l": 0.0}, ("l",), {"l": REAL},
    ),
    "box_cox_difference": Case(
        "param l >= 0\nparam c > 0\nparam d > 0\n(c**l - d**l)/l*p",
        "((c**l - d**l)/l if l*log(c) < -1 and l*log(d) < -1 else log(c)*exp_moment(0, l*log(c)) - log(d)*exp_moment(0, l*log(d)))*p",
        {"p": 2.0, "l": 0.0, "c": 3.0, "d": 0.5}, ("l",),
    ),
    "generalized_crossentropy": Case(
        "param q in [0, 1]\n(1 - sigmoid(p)**q)/q",
        "-log_sigmoid(p)*exp_moment(0, q*log_sigmoid(p))",
        {"p": 1.0, "q": 0.0}, ("q",), {"p": REAL},
    ),
    "tempered_log": Case(
        "param t\n(p**(1 - t) - 1)/(t - 1)",
        "-weighted_log(p, 1)*exp_moment(0, (1 - t)*weighted_log(p, 1)) if p > 0 else (p**(1 - t) - 1)/(t - 1)",
        {"p": 2.0, "t": 1.0}, ("t",),
    ),
    "tempered_exp": Case(
        "param t\n(1 + (1 - t)*p)**(1/(1 - t))",
        "exp(p*log1p_moment(0, (1 - t)*p)) if 1 + (1 - t)*p > 0 else (1 + (1 - t)*p)**(1/(1 - t))",
        {"p": 2.0, "t": 1.0}, ("t",), {"t": (0.1, 1.3)},
    ),
    "compound_interest": Case(
        "param n > 0\nparam x > 0\n(1 + x/n)**n*p",
        "exp(x*log1p_moment(0, x/n))*p",
        {"p": 1.0, "n": 1e+30, "x": 1.0}, (),
    ),
    "constant_risk_aversion": Case(
        "param a\n(1 - exp(-a*p))/a",
        "p*exp_moment(0, -a*p)",
        {"p": 2.0, "a": 0.0}, ("a",), {"a": REAL},
    ),
    "tukey_g_and_h": Case(
        "param g\nparam h\n(exp(g*p) - 1)/g*exp(h*p**2/2)",
        "p*exp_moment(0, g*p)*exp(h*p**2/2)",
        {"p": 1.0, "g": 0.0, "h": 0.1}, ("g",), {"g": REAL},
    ),
    "linex": Case(
        "param a\nr = p - y\n2/a**2*(exp(a*r) - a*r - 1)",
        "2*(p - y)**2*(exp_moment(0, a*(p - y)) - exp_moment(1, a*(p - y)))",
        {"p": 1.5, "y": 1.0, "a": 0.0}, ("a",), {"a": REAL},
    ),
    "linex_term_by_term": Case(
        "param a\nexp(a*p)/a**2 - p/a - 1/a**2",
        "p**2*(exp_moment(0, a*p) - exp_moment(1, a*p))",
        {"p": 1.5, "a": 0.0}, ("a",), {"a": REAL},
    ),
    "generalized_pareto": Case(
        "param s > 0\nparam xi\nlog(s) + (1 + 1/xi)*log(1 + xi*p/s)",
        "log(s) + (p/s + xi*p/s)*log1p_moment(0, xi*p/s)",
        {"p": 1.0, "s": 2.0, "xi": 0.0}, ("xi",),
    ),
    "generalized_extreme_value": Case(
        "param xi\nt = (1 + xi*p)**(-1/xi)\nt - (1 + xi)*log(t)",
        "(exp(-p*log1p_moment(0, xi*p)) if 1 + xi*p > 0 else (1 + xi*p)**(-1/xi)) - (1 + xi)*(-p*log1p_moment(0, xi*p) "
        "if 1 + xi*p > 0 else log((1 + xi*p)**(-1/xi)))",
        {"p": 1.0, "xi": 0.0}, ("xi",),
    ),
    "quotient_of_two": Case(
        "param a\n(exp(a*p) - 1)/(exp(a) - 1)",
        "p*exp_moment(0, a*p)/exp_moment(0, a)",
        {"p": 2.0, "a": 0.0}, ("a",), {"a": REAL},
    ),
    "truncated_exponential": Case(
        "param a\na*exp(-a*p)/(1 - exp(-a))",
        "exp(-a*p)/exp_moment(0, -a)",
        {"p": 0.5, "a": 0.0}, ("a",), {"a": REAL},
    ),
    "pareto_of_second_kind": Case(
        "param a\nparam b\n(1 - (1 + a*p)**(-b))/a",
        "b*p*log1p_moment(0, a*p)*exp_moment(0, -b*weighted_log1p(a*p, 1)) if 1 + a*p > 0 else (1 - (1 + a*p)**-b)/a",
        {"p": 2.0, "a": 0.0, "b": 1.5}, ("a",),
    ),
    "richards": Case(
        "param q >= 0\n(1 + q*exp(-p))**(-1/q)",
        "exp(-exp(-p)*log1p_moment(0, q*exp(-p)))",
        {"p": 0.5, "q": 0.0}, ("q",),
    ),
    "negative_binomial_share": Case(
        "param r > 0\nr*log(r/(r + p))",
        "-p*log1p_moment(0, p/r)",
        {"p": 1.0, "r": 1e+30}, (),
    ),
    "cauchy": Case(
        "param c > 0\nc**2/2*log(1 + (p/c)**2)",
        "p**2/2*log1p_moment(0, (p/c)**2)",
        {"p": 1.0, "c": 1e+20}, (),
    ),
    "fair": Case(
        "param c > 0\nc**2*(abs(p)/c - log(1 + abs(p)/c))",
        "-p**2*(log1p_moment(1, abs(p)/c) - 1/(1 + abs(p)/c))",
        {"p": 1.0, "c": 1e+20}, (),
    ),
    "von_mises_fisher": Case(
        "param k >= 0\nlog(4*pi*sinh(k)/k) - k*p",
        "log(4*pi) + log_sinhc(k) - k*p",
        {"p": 0.5, "k": 0.0}, ("k",),
    ),
    "continuous_bernoulli": Case(
        "log(2*atanh(1 - 2*p)/(1 - 2*p))",
        "log(reciprocal_mean(2 - 2*p) + reciprocal_mean(2*p))",
        {"p": 0.5}, ("p",), {"p": (0.1, 0.9)},
    ),
    "inverse_hyperbolic_sine": Case(
        "param c\nlog(c*p + sqrt((c*p)**2 + 1))/c",
        "p*asinh_moment(0, c*p)",
        {"p": 2.0, "c": 0.0}, ("c",), {"c": REAL},
    ),
}  # fmt: skip


def compiled(text):
    return lc.compile_loss(text, findings="ignore")


def at(loss, point, digits=DIGITS):
    """Return the loss as written at a point, in many digits."""
    with mpmath.workdps(digits):
        return evaluate([loss.graph.loss], {name: mpmath.mpf(value) for name, value in point.items()})[0]


def drawn(case, count=20):
    """Return points of a case's ranges, also some that are close to where it is 0/0."""
    random = np.random.default_rng(len(case.text))
    for i in range(count):
        point = {name: mpmath.mpf(random.uniform(*case.ranges.get(name, (0.1, 3.0)))) for name in case.at}
        if i % 3 == 0:
            point |= {name: case.at[name] + mpmath.mpf(10) ** -random.integers(2, 20) for name in case.near}
        yield point


def limits(case, loss, distance="1e-40"):
    """Return value and derivatives as written, close to the point where it is 0/0."""
    h = mpmath.mpf(10) ** -60
    with mpmath.workdps(DIGITS):
        close = {name: mpmath.mpf(value) + (mpmath.mpf(distance) if name in case.near else 0) for name, value in case.at.items()}
        value = at(loss, close)
        slopes = {}
        for name in loss.graph.variables:
            ahead, behind = (at(loss, close | {name: close[name] + sign * h}) for sign in (1, -1))
            slopes[name] = (ahead - behind) / (2 * h)
    return value, slopes


@pytest.mark.parametrize("name", CASES)
def test_the_form(name):
    loss = compiled(CASES[name].text)
    assert node_text(loss.stages.stable.loss, 4000) == CASES[name].form


@pytest.mark.parametrize("name", CASES)
def test_both_forms_are_equal_in_50_digits(name):
    loss = compiled(CASES[name].text)
    form = loss.stages.stable.loss
    with mpmath.workdps(DIGITS):
        for point in drawn(CASES[name]):
            expected, found = evaluate([loss.graph.loss, form], point)
            assert abs(found - expected) <= mpmath.mpf("1e-50") * (1 + abs(expected)), point


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradients_at_the_point(name, dtype):
    """Against the limit of what was written, whose distance from the point is 1e-40."""
    case, tolerance = CASES[name], {"float32": 2e-6, "float64": 2e-13}[dtype]
    loss = compiled(case.text)
    rows = {symbol: np.array([value]) for symbol, value in case.at.items() if symbol in loss.graph.data}
    found = loss.value_and_gradients(rows, {symbol: case.at[symbol] for symbol in loss.parameters}, dtype=dtype)
    value, slopes = limits(case, loss)
    np.testing.assert_allclose(float(found.value[0]), float(value), rtol=tolerance)
    for symbol, slope in slopes.items():
        np.testing.assert_allclose(float(np.ravel(found.gradients[symbol])[0]), float(slope), rtol=tolerance, atol=1e-37, err_msg=symbol)


@pytest.mark.parametrize("exponent", [-3.0, -2.0, 1.0, 2.0, 3.0, 4.0])
@pytest.mark.parametrize(
    ("text", "value", "slope"),
    [
        ("(p**a - 1)/a", lambda p, a: (p**a - 1) / a, lambda p, a: p ** (a - 1)),
        ("p**a/a - 1/a", lambda p, a: (p**a - 1) / a, lambda p, a: p ** (a - 1)),
        ("(1 + p/a)**a", lambda p, a: (1 + p / a) ** a, lambda p, a: (1 + p / a) ** (a - 1)),
    ],
)
def test_negative_bases_keep_whole_exponents(text, value, slope, exponent):
    """What was written has a value there, and by pow in float64 it is the same."""
    p = np.array([-0.25, -3.75, -40.0])
    found = compiled(f"param a\n{text}").value_and_gradients({"p": p}, {"a": exponent}, dtype="float64")
    np.testing.assert_allclose(found.value, value(p, exponent), rtol=1e-14)
    np.testing.assert_allclose(found.gradients["p"], slope(p, exponent), rtol=1e-14)


def test_a_base_of_0_is_what_was_written():
    found = compiled("param a > 0 = 0.5\n(p**a - 1)/a").value_and_gradients({"p": [0.0]}, dtype="float64")
    assert found.value == -2.0
    assert found.gradients["a"] == 4.0


@pytest.mark.parametrize(
    "text",
    [
        "param a\n(exp(a*p) - 1)/y", "param nu > 0\n(nu + 1)/2*log1p(p**2/nu)", "(p**3 - 1)/3", "param a\n(p**a - 2)/a",
        "param a\n(p**a - 1)/y", "param a\n(2 + p/a)**a", "param a\n(1 + a*p)**(2/y)", "log(p/(p + y))", "exp(p) - p - 2",
    ],
)  # fmt: skip
def test_what_has_no_such_point_is_left_alone(text):
    assert not {rule.name for rule, _ in compiled(text).stages.fired} & {"quotient that is 0/0 at a point"}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("exp(p - y) - (p - y) - 1", "expm1mx(p - y)"),
        ("3*exp(p) - 3 - 3*p + y", "3*expm1mx(p) + y"),
        ("expm1(p) - p", "expm1mx(p)"),
        ("p - log(1 + p)", "-log1pmx(p)"),
        ("exp(y)*log1p(p) - p*exp(y)", "exp(y)*log1pmx(p)"),
    ],
)
def test_remainders(text, form):
    loss = compiled(text)
    assert node_text(loss.stages.stable.loss) == form
    with mpmath.workdps(DIGITS):
        for x in ("1e-20", "0.3", "7"):
            expected, found = evaluate([loss.graph.loss, loss.stages.stable.loss], {"p": mpmath.mpf(x), "y": mpmath.mpf("0.1")})
            assert abs(found - expected) <= mpmath.mpf("1e-50") * (1 + abs(expected))


# -- derivatives
@pytest.mark.parametrize(
    ("text", "name", "derivative"),
    [
        ("param l\n(p**l - 1)/l", "p", "p**l/p if p > 0 else p**(l - 1)"),
        ("param a\n(1 - exp(-a*p))/a", "p", "exp(-a*p)"),
        ("param a\nlog(1 + a*p)/a", "p", "1/(1 + a*p)"),
        ("param a > 0\nasinh(a*p)/a", "p", "1/(1 + (a*p)**2)**0.5"),
    ],
)
def test_neighbouring_integrals_are_added_up(text, name, derivative):
    assert compiled(text).derivatives.text(name) == derivative


@pytest.mark.parametrize("k", [0, 1, 2])
@pytest.mark.parametrize(("function", "power"), [("exp_moment", 1), ("log1p_moment", 1), ("asinh_moment", 2)])
def test_sums_of_neighbours_in_50_digits(function, power, k):
    """At any order and with any common factor, as the product rule makes them: d/dp of p**m*f(k, p)."""
    order = power * (k + 1) if function != "asinh_moment" else 2 * k + 1
    loss = compiled(f"p**{order}*{function}({k}, p)")
    with mpmath.workdps(120):
        for x in (mpmath.mpf("1e-5"), mpmath.mpf("0.7"), mpmath.mpf(30)):
            shown = evaluate([loss.derivatives.node("p")], {"p": x})[0]
            h = mpmath.mpf("1e-30")
            ahead, behind = (evaluate([loss.graph.loss], {"p": x + sign * h})[0] for sign in (1, -1))
            assert abs(shown - (ahead - behind) / (2 * h)) <= mpmath.mpf("1e-50") * (1 + abs(shown))


# -- the examples of the rules
@pytest.mark.parametrize("rule", [QUOTIENTS, REMAINDERS, GAMMA_DIFFERENCES, MOMENT_SUMS], ids=lambda rule: rule.name)
def test_the_example_of_a_rule(rule):
    """Both sides are equal in 50 digits over the range, and the rule makes one of the other."""
    left, right = (compiled(re.sub(r"\bx\b", "p", text)) for text in (rule.pattern, rule.replacement))
    with mpmath.workdps(120):
        for x in (rule.low, rule.low + 1e-6, 0.3, 2.7, rule.high):
            expected, found = (evaluate([loss.graph.loss], {"p": mpmath.mpf(x)})[0] for loss in (left, right))
            assert abs(found - expected) <= mpmath.mpf("1e-50") * (1 + abs(expected))
    done, fired = rewrite(left.graph.graph, [left.graph.loss], (), [(each.rule, each.begin(left.graph.graph, {})) for each in EVERY])
    assert rule in [found for found, _ in fired]
    assert node_text(done[left.graph.loss.index]) == node_text(right.graph.loss)
