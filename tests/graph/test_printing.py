"""Graph to text: few parentheses, and the same value when it is read again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from losscompiler.graph.build import build
from losscompiler.graph.node import Graph
from losscompiler.graph.precise import evaluate
from losscompiler.graph.printing import expanded_size, in_language, node_text
from losscompiler.syntax import parse


def text_of(formula: str, **options) -> str:
    return node_text(build(parse(formula)).loss, **options)


@pytest.mark.parametrize(
    ("formula", "written"),
    [
        ("(log(y)-log(p))**2 + a*p", "(log(y) - log(p))**2 + a*p"),
        ("-(p**2)", "-p**2"),
        ("(-p)**2", "(-p)**2"),
        ("a-(b-c)", "a - (b - c)"),
        ("a+(b-c)", "a + b - c"),
        ("a*(b/c)", "a*b/c"),
        ("a/(b*c)", "a/(b*c)"),
        ("a/(b/c)", "a/(b/c)"),
        ("2**-p", "2**-p"),
        ("(2**p)**3", "(2**p)**3"),
        ("2**(p**3)", "2**p**3"),
        ("p**(1/3)", "p**(1/3)"),
        ("where(y>0, p, a)*2", "(p if y > 0 else a)*2"),
        ("where(y>0, p, where(p<1, a, b))", "p if y > 0 else a if p < 1 else b"),
        ("where(y>0, where(p<1, a, b), p)", "(a if p < 1 else b) if y > 0 else p"),
        ("(y < 0)*p", "(y < 0)*p"),
        ("(y < 0) < p", "(y < 0) < p"),
        ("not (y < 0 and p < 0)", "not (y < 0 and p < 0)"),
        ("(y < 0 or a < 0) and p < 0", "(y < 0 or a < 0) and p < 0"),
        ("maximum(p, 0)", "max(p, 0)"),
        ("max(p)", "max(p)"),
        ("sum(p, axis=-1)", "sum(p)"),
        ("sum(p, axis=0)", "sum(p, axis=0)"),
        ("mean(p, axis=(0, 1))", "mean(p, axis=(0, 1))"),
        ("max(p, axis=all)", "max(p, axis=all)"),
        ("p[0] + p[1:] - p[:-1]", "p[0] + p[1:] - p[:-1]"),
        ("(p + 1)[y]", "(p + 1)[y]"),
        ("[1, a, -2/3]*p", "[1, a, -2/3]*p"),
        ("(p @ transpose(p))*2", "(p @ transpose(p))*2"),
        ("p @ (transpose(p)*2)", "p @ (transpose(p)*2)"),
        ("0.1*p + 1e-7 + 1e300*y", "0.1*p + 1e-7 + 1e300*y"),
        ("p*0.30000000000000004", "p*0.30000000000000004"),
        ("p/7*(2/7)", "p/7*(2/7)"),
        ("-inf*p + pi", "-inf*p + pi"),
    ],
)
def test_text_is_as_a_person_writes_it(formula: str, written: str) -> None:
    assert text_of(formula) == written


LEAVES = st.sampled_from(["y", "p", "a", "2", "0.5", "1/3", "-3", "1e-7", "pi"])


def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
        st.tuples(inner, st.sampled_from(["<", ">=", "==", "and", "or"]), inner).map(lambda t: f"(({t[0]}) {t[1]} ({t[2]}))"),
        st.tuples(inner, st.sampled_from(["2", "-1", "p"])).map(lambda t: f"({t[0]})**({t[1]})"),
        inner.map(lambda x: f"-({x})"),
        inner.map(lambda x: f"(not ({x}))"),
        st.tuples(st.sampled_from(["tanh", "abs", "sigmoid"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"(({t[0]}) if ({t[1]}) else ({t[2]}))"),
        st.tuples(inner, inner).map(lambda t: f"max({t[0]}, {t[1]})"),
    )


@settings(max_examples=150, deadline=None)
@given(st.recursive(LEAVES, grow, max_leaves=12))
def test_text_read_again_has_the_same_value(formula: str) -> None:
    first = build(parse(formula)).loss
    again = build(parse(node_text(first, limit=10_000))).loss
    import mpmath

    with mpmath.workdps(40):
        values = {name: mpmath.mpf(value) for name, value in {"y": 0.7, "p": 1.3, "a": -0.4}.items()}
        one, other = (evaluate([root], values)[0] for root in (first, again))
        one, other = mpmath.mpf(one), mpmath.mpf(other)
        same = one == other or (mpmath.isnan(one) and mpmath.isnan(other)) or abs(one - other) <= mpmath.mpf(10) ** -30 * abs(one)
    assert same, (formula, node_text(first))


def test_size_counts_every_place_of_a_shared_expression() -> None:
    # (p + 1) is one node and stands twice: 2*3 + 1.
    assert expanded_size(build(parse("(p + 1)*(p + 1)")).loss) == 7


def test_a_text_larger_than_the_limit_is_cut_from_inside() -> None:
    text = text_of("(log(y) - log(p))**2 + a*exp(p*y + tanh(p - 1))", limit=8)
    assert "..." in text
    assert text.startswith("(")
    assert len(text) < 60


def test_a_doubling_graph_is_cut_in_no_time() -> None:
    graph = Graph()
    x = graph.symbol("p", frozenset())
    for _ in range(5_000):
        x = graph.make("add", x, x)
    assert len(node_text(x)) < 10_000


def test_a_long_chain_needs_no_recursion() -> None:
    graph = Graph()
    x = graph.symbol("p", frozenset())
    for _ in range(5_000):
        x = graph.make("sin", x)
    assert node_text(x, limit=10_000) == "sin(" * 5_000 + "p" + ")" * 5_000


def test_names_stand_for_subexpressions() -> None:
    loss = build(parse("r = y - p\nr**2"))
    assert node_text(loss.loss, names={loss.definitions["r"].index: "r"}) == "r**2"


def test_the_compilers_own_functions_are_told() -> None:
    graph = Graph()
    p = graph.symbol("p", frozenset())
    assert in_language(graph.make("add", p, p))
    assert not in_language(graph.make("sum_to", p, p))
    assert node_text(graph.make("sum_to", p, p)) == "sum_to(p, p)"


def test_numbers_stay_exact() -> None:
    for number in ("1e-7", "0.1", "1/3", "123456789.123", "2.5e-30", "1e22", "7e-5", "1000000"):
        node = build(parse(f"{number}*p")).loss.args[0]
        again = build(parse(f"{node_text(node)}*p")).loss.args[0]
        assert node.value == again.value


def test_arrays_keep_their_value() -> None:
    formula = "sum((p - mean(p, axis=0))*y, axis=(0, 1)) + logsumexp(p) + p[y] - p[1]"
    first, again = (build(parse(text)).loss for text in (formula, text_of(formula)))
    p, y = np.arange(6.0).reshape(2, 3).astype(object), np.array([[1.0], [0.0]], dtype=object)
    (one,), (other,) = (evaluate([root], {"p": p, "y": y}) for root in (first, again))
    assert np.array_equal(np.asarray(one, dtype=float), np.asarray(other, dtype=float))
