"""Whatever text comes in, only this package's errors come out, at a place inside the text, within a second."""

from __future__ import annotations

import contextlib
import gc
import random
import time
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import losscompiler
from losscompiler.errors import FormulaError, LossCompilerError
from losscompiler.graph.build import build
from losscompiler.graph.constants import constant_values
from losscompiler.syntax import parse

SEEDS = (
    "(y - p)**2", "abs(y - p)", "(log(y) - log(p))**2 + a*p", "-(y*log(p) + (1 - y)*log1p(-p))", "max(q*(y - p), (q - 1)*(y - p))",
    "param q in (0, 1) = 0.5\nmax(q*(y - p), (q - 1)*(y - p))",
    "param delta > 0 = 1\nr = abs(y - p)\nr**2/2 if r <= delta else delta*(r - delta/2)",
    "param alpha in (0, 2) = 1\nparam c > 0 = 1\nr = (p - y)/c\nabs(alpha - 2)/alpha*((r**2/abs(alpha - 2) + 1)**(alpha/2) - 1)",
    "prediction m, s\nlog(s) + ((y - m)/s)**2/2", "m = p[0]; s = softplus(p[1])\nlog(s) + ((y - m)/s)**2/2", "-log_softmax(p/t)[y]",
    "logsumexp(p) - p[y]", "param w[3] > 0 = [1, 2, 0.5]\nw[y]*-log_softmax(p)[y]", "input w\nw*(y - p)**2",
    "target a, b\nprediction q\n(a - q)*(b - q)", "param W[8, 4] = 1\nsum((p @ W)**2)",
    "lgamma(r) + lgamma(y + 1) - lgamma(y + r) - r*log(r/(r + p)) - y*log(p/(r + p))", "mean((y - p)**2, axis=0, where=y > 0, weights=w)",
    "sum(p, axis=(0, 1)) + sum(p, axis=all)", "0 < y <= 1 and not p > 2 or y == p != 3", "where(y > 0, log(p), 0)",
    "log(p) if p > 0 else -inf if y else pi", "clip(p, 1e-7, 1 - 1e-7)", "2**-1*p^2 + .5*p - 1.*y", "9**9**9*(y - p)",
    "exp(exp(exp(10)))*p", "polygamma(1, p) + heaviside(y) + one_hot(y, 10)", "sort(p)[1:] - sort(p)[:-1]", "[p, y, 3]*[1, 2, 3]",
    "std(p, weights=y) + var(p, where=y)", "# a comment\nr = (\n  y - p\n)\nr**2 # the loss\n", "cumsum(p, axis=0)*arange(count(p))",
    "gamma*lgamma(p) + beta(p, y)", "1 - (2*sum(y*p) + 1)/(sum(y) + sum(p) + 1)", "i0e(p)*i1(y) + log_i0(k*p)",
    "stop_gradient(p)*p + xlogy(y, p)", "triu(p @ transpose(p)) - eye_like(p)", "erfcx(p) + log_ndtr(y) - erfinv(p)",
    "concat(p, y) + diff(p) + flip(y)", "α*p + β", "lambda*(y - p)**2", "a = 1; b = a + 1; c = b*a; c*p",
    "param t >= 1 = 3\nparam u <= 2\nparam v in [-pi, pi) = pi/2\nt*u*v*p", "tanh(sinh(asin(p)))",
    "max(p, axis=-1, where=y != 0) - min(p)", "p[-1] + p[0:2] + p[:]", "digamma(-1e15 + 0.5)*p", "round(1e300) + floor(-2.5)",
    "(-8)**(1/3)*p", "atan2(y, p)/hypot(y, p)", "norm(p)*dot(p, y)",
)  # fmt: skip
TOKENS = (
    "(", ")", "[", "]", "((", "))", ",", ";", "\n", "=", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "**", "^", "@", ":", "#",
    ".", "..", "if", "else", " if ", " else ", " and ", " or ", "not ", " in ", "param ", "target ", "prediction ", "input ", "param a",
    "0", "1", "-1", "1e400", "1e-400", "1e308", "0.1", "9**9", "inf", "pi", "p", "y", "a", "e", "log", "log(", "sum(", "where(", "max(",
    "axis=", "axis=all", "where=", "weights=", "(0, 1)", "[0]", "[1:]", "[y]", "__", "__class__", "é", "е", "р", "²", "½", "\u0301",
    "\u200b", "\ufeff", "\u00a0", "\u2028", "\u0000", "\u000c", "\r", "\t", "٣", "ﬁ", "𝑥", "हि", "😀", "\ud800", "'", "\"", "\\", "|", "{",
    "}", "%", "$", "~", "!", "?", "—", "−", "×", "exp(", "lgamma(", "gamma(", "factorial(", "polygamma(", "one_hot(", "std(", "i0(",
    "erfinv(", "tan(", "round(", "0/0", "1/0", "log(-1)", "(y - p)", "r = ", "a = a", "pi = 3",
)  # fmt: skip


@contextlib.contextmanager
def within_seconds(limit: float, text: str) -> Iterator[None]:
    """Make sure that work ends within some seconds of this process's own time, whatever else the machine does."""
    # Going through what thousands of other tests left in memory is no part of the work.
    gc.disable()
    begin = time.process_time()
    try:
        yield
    finally:
        spent = time.process_time() - begin
        gc.enable()
    assert spent < limit, f"{text[:200]!r} takes {spent:.1f} s"


def check(text: str) -> str:
    """Run the stages that look at the text and return the code of its error, or an empty string."""
    found: LossCompilerError | None = None
    with within_seconds(1, text):
        try:
            graph = build(parse(text))
            constant_values([graph.loss, *graph.definitions.values()], graph.source)
        except LossCompilerError as error:
            found = error
    if found is None:
        return ""
    assert isinstance(found, FormulaError), repr(found)
    check_place(text, found)
    return found.code


def check_place(text: str, error: FormulaError) -> None:
    assert 0 <= error.span.start <= error.span.end <= len(text) + 1, text
    for note in error.notes:
        assert 0 <= note.start < note.end <= len(text), text
    assert error.lineno >= 1
    assert error.offset >= 1
    assert (error.end_lineno, error.end_offset) >= (error.lineno, error.offset)
    assert error.offset <= len(error.text) + 1
    if error.span.start < len(text) and text[error.span.start] not in "\r\n":
        assert error.text[error.offset - 1] == text[error.span.start]
    assert error.hint
    assert "^" in str(error)


def mutate(text: str, random: random.Random) -> str:
    """Return the text after a few small changes."""
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        at = random.randrange(len(text) + 1)
        end = min(len(text), at + random.choice((1, 1, 1, 2, 3, 6)))
        match random.randrange(7):
            case 0:
                text = text[:at] + random.choice(TOKENS) + text[at:]
            case 1:
                text = text[:at] + text[end:]
            case 2:
                text = text[:at] + random.choice(TOKENS) + text[end:]
            case 3:
                text = text[:end] + text[at:end] * random.choice((1, 1, 1, 3, 40)) + text[end:]
            case 4:
                other = random.choice(SEEDS)
                begin = random.randrange(len(other))
                text = text[:at] + other[begin : begin + random.randrange(1, 12)] + text[at:]
            case 5:
                character = chr(random.choice((random.randrange(32, 127), random.randrange(0x250), random.randrange(0x10000))))
                text = text[:at] + character + text[at:]
            case _:
                text = text[:at] + random.choice("()[]") + text[at:end] + random.choice("()[]") + text[end:]
    return text


@pytest.mark.parametrize("text", SEEDS)
def test_seeds_are_in_the_language_or_refused_for_a_constant(text: str) -> None:
    assert check(text) in ("", "number-too-large", "constant-undefined")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(SEEDS), st.randoms(use_true_random=False))
def test_mutated_formulas(seed: str, random: random.Random) -> None:
    check(mutate(seed, random))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(TOKENS), max_size=12).map("".join))
@example("\ud800")
@example("\x00")
@example("(" * 10_000)
@example("p" + "²" * 100)
@example("0" * 5000)
@example("1e" + "9" * 5000)
@example("." * 1000)
@example("polygamma(3, -1e300 + 0.5)")
@example("polygamma(20, 1e-300)")
def test_token_soup(text: str) -> None:
    check(text)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=40))
def test_any_text(text: str) -> None:
    check(text)


def test_many_names_take_linear_time() -> None:
    check("+".join(f"a{i}" for i in range(4000)))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_thousand_mutated_formulas(seed: int) -> None:
    source = random.Random(seed)
    found: dict[str, int] = {}
    for _ in range(10_000):
        code = check(mutate(source.choice(SEEDS), source))
        found[code] = found.get(code, 0) + 1
    # Enough survive to reach the later stages, and the mutations reach most kinds of error.
    assert found[""] > 500
    assert len(found) > 20


PATHOLOGICAL = {
    "many undeclared conditions": " or ".join(f"a{i}" for i in range(1600)),
    "many elementwise maxima": f"max({','.join(f'p-{i}' for i in range(1000))})",
    "many predictions": f"prediction {','.join(f't{i}' for i in range(400))}\n{'+'.join(f't{i}**2' for i in range(400))}",
    "rationals that double in length": "b0=0.5\n" + "\n".join(f"b{i}=b{i - 1}*b{i - 1}" for i in range(1, 25)) + "\nb24*p",
    "sums of rationals that double": "b0=1/3\n" + "\n".join(f"b{i}=b{i - 1}*b{i - 1}+1/7" for i in range(1, 25)) + "\nb24*p",
    "a product of long decimals": "p*" + "*".join(["0.123456789"] * 600),
    "a product of 300 factors": "*".join(f"(a{i}+p)" for i in range(300)),
    "definitions in a chain": "b0=p\n" + "\n".join(f"b{i}=b{i - 1}*b{i - 1}+a{i}" for i in range(1, 300)) + "\nb299",
    "a matrix function of a number": "triu(1)*p",
}


@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_pathological_texts_end_soon_in_every_view(name: str) -> None:
    """Compilation with findings, and the page for people; a generous limit, since machines are noisy."""
    with within_seconds(5, PATHOLOGICAL[name]), contextlib.suppress(LossCompilerError):
        loss = losscompiler.compile_loss(PATHOLOGICAL[name], findings="ignore")
        assert loss.summary()
        assert loss.source()
