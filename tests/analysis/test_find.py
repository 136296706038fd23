"""The stage as a whole: every code, the order, the time, and that it leaves no trace."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probing import found

import losscompiler as lc
from losscompiler.analysis import FINDING_CODES, Finding, find
from losscompiler.graph.build import Interface, build
from losscompiler.graph.parameter import Parameter
from losscompiler.syntax import parse

EXAMPLES = {
    "name-hazard": "(y - e*p)**2",
    "implicit-parameter": "(y - a*p)**2",
    "unused-definition": "r = y - p\np**2",
    "no-effect": "param a\n(y - p)**2",
    "unused-data": "input w\n(y - p)**2",
    "no-prediction": "y**2",
    "unbounded-below": "a*p",
    "collapses": "param a > 0\na*p**2",
    "runs-to-bound": "param m > 0\np**2 + m",
    "redundant": "(y - a*b*p)**2",
    "domain": "log(p)",
    "undefined-start": "param a = 0\np/a",
    "vanishing-gradient": "param a = 0\n(y - a**2*p)**2",
    "initial-on-bound": "param a in [0, 1] = 0\n(y - a*p)**2",
    "kink": "abs(p)",
    "convex": "p**2",
}


def test_every_code_has_an_example_and_a_meaning() -> None:
    assert set(EXAMPLES) == set(FINDING_CODES)
    assert all(FINDING_CODES.values())


@pytest.mark.parametrize("code", FINDING_CODES)
def test_every_code_is_found(code: str) -> None:
    assert found(EXAMPLES[code], code)


def test_a_finding_shows_what_where_and_what_to_do() -> None:
    (finding,) = found("r = y - p\nr**2 + log(p)", "domain")
    assert str(finding).splitlines() == [
        "log(p) needs p > 0, and a prediction may leave that range",
        "  2 | r**2 + log(p)",
        "    |        ^^^^^^",
        "Give the model's output the activation softplus or exp, or apply that in the loss; or limit p with max, min or clip.",
    ]
    assert (finding.code, finding.severity, finding.symbol, finding.lineno, finding.offset) == ("domain", "warning", "p", 2, 8)


def test_findings_stand_in_the_order_of_the_text() -> None:
    for formula in [*EXAMPLES.values(), "x = log(p) + unused\nz = x\nabs(y - a*b*p) + log(y)*c"]:
        places = [finding.span.start for finding in found(formula)]
        assert places == sorted(places)


def test_findings_do_not_change_from_run_to_run() -> None:
    formula = "abs(y - a*b*p) + log(y)*c + lgamma(d) + p/y"
    assert found(formula) == found(formula)


def test_the_graph_is_left_as_it_was() -> None:
    loss = build(parse("(log(y) - log(p))**2 + a*p"))
    before = len(loss.graph)
    find(loss)
    assert len(loss.graph) == before
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quiet, loud = (lc.compile_loss("(log(y) - log(p))**2 + a*p", findings=mode) for mode in ("ignore", "warn"))
    assert quiet.source() == loud.source()


def test_warnings_reach_the_user_and_notes_do_not() -> None:
    with pytest.warns(lc.LossWarning) as caught:
        loss = lc.compile_loss("abs(y - p)*a")
    told = {str(warning.message).splitlines()[0] for warning in caught}
    assert told == {finding.message for finding in loss.findings if finding.severity == "warning"}
    assert any(finding.code == "kink" for finding in loss.findings)
    with pytest.raises(lc.FindingError, match="'a'"):
        lc.compile_loss("abs(y - p)*a", findings="raise")


def test_a_clean_loss_has_no_warnings() -> None:
    for formula in ("(y - p)**2", "param s > 0 = 1\n((y - p)/s)**2/2 + log(s)", "softplus(p) - y*p", "logsumexp(p) - p[y]"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            lc.compile_loss(formula)


def test_constants_and_arrays_take_part() -> None:
    options = {"constants": {"k": np.array([1.0, 2.0, 3.0]), "c": 2.0}}
    loss = build(parse("sum(k*w*(y - p)**2)/c"), Interface(parameters={"w": Parameter(1.0)}, **options))
    assert {finding.code for finding in find(loss)} >= {"unbounded-below"}


def test_codes_are_documented() -> None:
    from losscompiler.analysis.finding import finding
    from losscompiler.source import Source, Span

    with pytest.raises(ValueError, match="undocumented"):
        finding("no-such-code", "note", "", "", "", Source("p"), Span(0, 1))


HOSTILE = {
    "thousands of kinks": " + ".join(f"abs(p - {i})" for i in range(3_000)),
    "thousands of logarithms": " + ".join(f"log(p + {i}*y)" for i in range(2_500)),
    "thousands of parameters": " + ".join(f"a{i}*p" for i in range(3_000)),
    "twenty parameters in large powers": "+".join(f"a{i}*(y - p)**{2 * i}" for i in range(18)),
    "nested exponentials": "exp(" * 90 + "p" + ")" * 90,
    "nested logarithms": "log(" * 90 + "p" + ")" * 90,
    "nested choices": "".join(f"where(p > {i}, p*{i}, " for i in range(90)) + "p" + ")" * 90,
    "a tower of powers": "**".join(["p"] * 90),
    "huge constants": "1e300*(y - a*p)**2*1e300 + 1e-300/a",
    "undefined everywhere": "log(-1 - p**2) + sqrt(-1 - a**2)",
    "divisions by nothing": "p/(a - a) + 0**p/0**a",
    "an infinite loss": "inf*p - inf*a",
    "special functions": "+".join(f"i1e(a*p + {i})*polygamma({i + 1}, y**2 + 1)" for i in range(15)),
    "slow special functions": "sum(erfinv(tanh(p*a + b)) + polygamma(3, exp(c*p)) + i1(p), axis=all)",
    "just probed": "; ".join(f"x{i + 1} = sin(x{i}*a{i % 18}) + p" if i else "x1 = p*a0" for i in range(97)) + "; x97**2",
    "just probed, with reductions": "; ".join(f"x{i + 1} = logsumexp(x{i}*a{i % 18} + p)*p" if i else "x1 = p*a0" for i in range(77))
    + "; x77**2",
    "many unbounded": "+".join(f"lgamma(a{i} + exp(p))" for i in range(18)),
    "a computed position": "w = [1, 2, 3]; w[floor(a*p)]",
    "an axis that may not be there": "sum(p, axis=5)*a",
    "a large parameter": "param w[16777216]\nsum(w)*p",
    "a long line of names": "+".join(f"log(b{i})" for i in range(1_500)) + "+p",
    "matrices": "sum(p @ transpose(p) @ p @ transpose(p), axis=all)*a",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_loss_takes_long_or_raises(name: str) -> None:
    loss = build(parse(HOSTILE[name]))
    found("(y - a*p)**2")  # whatever is imported or parsed once
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        began = time.process_time()
        findings = find(loss)
        took = time.process_time() - began
    assert all(isinstance(finding, Finding) for finding in findings)
    assert sum(len(str(finding)) for finding in findings) < 100_000
    # Half a second on an idle machine; what this guards against takes minutes.
    assert took < 2.5


LEAVES = st.sampled_from(["y", "p", "a", "b", "2", "0.5", "-1", "0", "1e200", "inf", "pi"])
FUNCTIONS = st.sampled_from(
    ["exp", "log", "sqrt", "abs", "sigmoid", "lgamma", "tanh", "sum", "mean", "max", "logsumexp", "softmax", "floor", "norm", "relu",
     "atanh", "stop_gradient", "cumsum", "digamma", "acosh", "log1p", "sort"]
)  # fmt: skip


def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**"]), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
        st.tuples(FUNCTIONS, inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"(({t[0]}) if ({t[1]}) > 0 else ({t[2]}))"),
        st.tuples(inner, inner).map(lambda t: f"max({t[0]}, {t[1]})"),
        inner.map(lambda x: f"({x})[0]"),
        inner.map(lambda x: f"(({x}) @ transpose({x}))"),
    )


@settings(max_examples=150, deadline=None)
@given(st.recursive(LEAVES, grow, max_leaves=8))
def test_any_legal_loss_gets_findings_and_nothing_else(formula: str) -> None:
    try:
        loss = build(parse(formula))
    except lc.LossCompilerError:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for finding in find(loss):
            assert finding.code in FINDING_CODES
            assert finding.message
