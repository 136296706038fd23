"""The exact messages of typical mistakes. Reading the table is the way to judge them; change one here when you improve it."""

from __future__ import annotations

import traceback

import pytest

from losscompiler.errors import FormulaError, FormulaSyntaxError
from losscompiler.graph.build import build
from losscompiler.graph.constants import constant_values
from losscompiler.syntax import parse

MESSAGES = [
    (
        "# nothing",
        """
the program is empty: it has no expression
  1 | # nothing
    | ^^^^^^^^^
Write a loss such as (y - p)**2.
""",
    ),
    (
        "r = y - p",
        """
'r' is defined, but the last statement must be an expression, the loss itself
  1 | r = y - p
    | ^^^^^^^^^
End the program with a line such as r.
""",
    ),
    (
        "y - p\n+ 1",
        """
this expression is not the last statement, so it would have no effect
  1 | y - p
    | ^^^^^
Give it a name ('r = ...'), or join the lines inside brackets.
""",
    ),
    (
        "np.log(p)",
        """
'.' is not part of the language
  1 | np.log(p)
    |   ^
Values have no attributes and functions no module: write log(p), not np.log(p).
""",
    ),
    (
        "(y − p)**2",
        """
'−' (MINUS SIGN) is not an operator
  1 | (y − p)**2
    |    ^
Write - instead.
""",
    ),
    (
        "|y - p|",
        """
'|' is not an operator
  1 | |y - p|
    | ^
Write abs(x) for an absolute value, 'or' between conditions.
""",
    ),
    (
        "p²",
        """
'²' is a superscript digit
  1 | p²
    | ^^
Write a power as p**2.
""",
    ),
    (
        "2p",
        """
an operator is missing before 'p'
  1 | 2p
    |  ^
Multiplication is always written: 2*p.
""",
    ),
    (
        "y (p + 1)",
        """
'y' is the target, not a function
  1 | y (p + 1)
    | ^
Multiplication is always written: y*(...).
""",
    ),
    (
        "log(x)(y)",
        """
an operator is missing before '('
  1 | log(x)(y)
    |       ^
Multiplication is always written: log(x)*(y).
""",
    ),
    (
        "log p",
        """
an operator is missing before 'p'
  1 | log p
    |     ^
Multiplication is always written: log*p. Arguments stand in parentheses: log(p).
""",
    ),
    (
        "a(y + 1)",
        """
'a' is a symbol, not a function
  1 | a(y + 1)
    | ^
Multiplication is always written: a*(...).
""",
    ),
    (
        "r = y - p\nr ** * 2",
        """
a value is missing between '**' and '*'
  2 | r ** * 2
    |      ^
Put a value there.
""",
    ),
    (
        "mean((y - p)**2",
        """
'(' is never closed
  1 | mean((y - p)**2
    |     ^
Add the missing ')'.
""",
    ),
    (
        "r = (y - p\nr**2",
        """
'(' is never closed
  1 | r = (y - p
    |     ^
Add the missing ')'.
""",
    ),
    (
        "(y - p]",
        """
']' cannot close '('
  1 | (y - p]
    | ^     ^
Close it with ')'.
""",
    ),
    (
        "y - p)",
        """
')' closes nothing
  1 | y - p)
    |      ^
Remove it, or open the bracket before it.
""",
    ),
    (
        "y -",
        """
the text ends in the middle of an expression
  1 | y -
    |   ^
Put a value after '-'.
""",
    ),
    (
        "y -\np",
        """
the line ends in the middle of an expression
  1 | y -
    |   ^
Complete it, or put the whole expression in brackets to continue it on the next line.
""",
    ),
    (
        "y = = p",
        """
a value is missing between '=' and '='
  1 | y = = p
    |     ^
Put a value there.
""",
    ),
    (
        "y := p",
        """
':=' is not an operator
  1 | y := p
    |   ^^
Define with '=', as in r = y - p.
""",
    ),
    (
        "if y > 0: p",
        """
a value is missing before 'if'
  1 | if y > 0: p
    | ^^
A choice is written 'a if condition else b', or where(condition, a, b).
""",
    ),
    (
        "p if y",
        """
the text ends in the middle of an expression
  1 | p if y
    |      ^
A choice is written 'a if condition else b', or where(condition, a, b).
""",
    ),
    (
        "y + not p",
        """
'not' binds more weakly than the operator before it
  1 | y + not p
    |     ^^^
Put it in parentheses: (not ...).
""",
    ),
    (
        "p[0, 1]",
        """
a comma cannot stand here
  1 | p[0, 1]
    |    ^
A subscript takes one index or range, along the last axis: p[0], p[1:].
""",
    ),
    (
        "p[]",
        """
nothing stands between '[' and ']'
  1 | p[]
    |   ^
Write an index, as in p[0].
""",
    ),
    (
        "p[1.5]",
        """
a position must be a whole number
  1 | p[1.5]
    |   ^^^
Write p[0] for the first element of the last axis, p[-1] for the last.
""",
    ),
    (
        "a[0]*p",
        """
'a' is a scalar and has no elements to select
  1 | a[0]*p
    | ^^^^
Declare its length: param a[3].
""",
    ),
    (
        "1e400*p",
        """
this number is larger than float64 holds, about 1.8e308
  1 | 1e400*p
    | ^^^^^
Write a smaller number, or inf.
""",
    ),
    (
        "9**9**9**9*(y - p)",
        """
this constant overflows: it is infinite or larger than float64 holds (about 1.8e308)
  1 | 9**9**9**9*(y - p)
    |    ^^^^^^^
Write a smaller constant, or inf if you mean it.
""",
    ),
    (
        "log(-1)*p",
        """
this constant has no real value
  1 | log(-1)*p
    | ^^^^^^^
Check the signs of its arguments.
""",
    ),
    (
        "lgama(p)",
        """
there is no function 'lgama'
  1 | lgama(p)
    | ^^^^^
Did you mean 'lgamma'?
""",
    ),
    (
        "factorial(p)",
        """
there is no function 'factorial'
  1 | factorial(p)
    | ^^^^^^^^^
Write exp(lgamma(n + 1)), or lgamma(n + 1) for its logarithm.
""",
    ),
    (
        "log(y, p)",
        """
log takes 1 argument, got 2
  1 | log(y, p)
    | ^^^^^^^^^
Write log(x).
""",
    ),
    (
        "where(y > 0, p)",
        """
where takes 3 arguments, got 2
  1 | where(y > 0, p)
    | ^^^^^^^^^^^^^^^
Write where(condition, x, y).
""",
    ),
    (
        "sum(p, axs=0)",
        """
sum has no argument 'axs'
  1 | sum(p, axs=0)
    |        ^^^^^
It takes axis=, where=, weights=.
""",
    ),
    (
        "sum(p, axis=y)",
        """
axis must be a whole number, several different ones in parentheses, or all
  1 | sum(p, axis=y)
    |             ^
Write axis=-1 for the last axis, axis=0 for the batch, axis=(0, 1) or axis=all.
""",
    ),
    (
        "max(p, y, axis=0)",
        """
max of several values is elementwise and takes no axis=
  1 | max(p, y, axis=0)
    |           ^^^^^^
Reduce one value (max(x, axis=...)), or drop the keyword.
""",
    ),
    (
        "one_hot(y, p)",
        """
one_hot needs its length as a whole number or as count(x)
  1 | one_hot(y, p)
    |            ^
Write a number such as 10, or count(p).
""",
    ),
    (
        "(y, p)",
        """
a tuple is not a value
  1 | (y, p)
    | ^^^^^^
Write a vector as [a, b]; tuples stand after axis= only.
""",
    ),
    (
        "param scale = 1\nscael*(y - p)",
        """
there is no 'scael': it is neither data, parameter nor definition
  2 | scael*(y - p)
    | ^^^^^
Did you mean 'scale'? Parameters are declared: param scael = 1.
""",
    ),
    (
        "param a\n(y - р)**2*a",
        """
'р' (U+0440 CYRILLIC SMALL LETTER ER) looks like 'p' but is another name
  2 | (y - р)**2*a
    |      ^
Write 'p'.
""",
    ),
    (
        "param a\nlog*a*p",
        """
'log' is a function; it has no value without a call
  2 | log*a*p
    | ^^^
Write log(...), or declare 'param log'.
""",
    ),
    (
        "__x*p",
        """
'__x' begins with two underscores
  1 | __x*p
    | ^^^
Names of this kind are not part of the language; choose another.
""",
    ),
    (
        "d = r**2\nr = y - p\nd + r",
        """
'r' is used before its definition
  1 | d = r**2
    |     ^
  2 | r = y - p
    | ^
Move its definition above this line; definitions cannot go in circles.
""",
    ),
    (
        "r = y - p\nr = r**2\nr",
        """
'r' is defined twice
  2 | r = r**2
    | ^
  1 | r = y - p
    | ^
Choose another name for one of them.
""",
    ),
    (
        "y = p + 1\n(y - p)**2",
        """
'y' is the target and cannot be redefined
  1 | y = p + 1
    | ^
Choose another name, or declare the target under another name ('target ...') first.
""",
    ),
    (
        "param a in (1, 0)\na*p",
        """
the lower bound 1 must be below the upper bound 0
  1 | param a in (1, 0)
    |         ^^^^^^^^^
Write 'in (lower, upper)'.
""",
    ),
    (
        "param a in 0, 1\na*p",
        """
a bracket is expected after 'in', not '0'
  1 | param a in 0, 1
    |            ^
Write in (lower, upper).
""",
    ),
    (
        "param a > 0 = -1\na*p",
        """
the initial value -1 lies outside (0, inf)
  1 | param a > 0 = -1
    |               ^^
Start inside the bounds, with the declared shape.
""",
    ),
    (
        "param a > 0 < 1\na*p",
        """
a parameter has one interval
  1 | param a > 0 < 1
    |             ^
Bound both sides with 'in (lower, upper)', as in 'param a in (0, 1) = 0.5'.
""",
    ),
    (
        "param a[0]\na*p",
        """
a parameter's shape is made of positive whole numbers or a prediction's name
  1 | param a[0]
    |         ^
Write w[3] for three elements, w[p] for one element a column of p.
""",
    ),
    (
        "param a = y\na*p",
        """
'y' is not constant
  1 | param a = y
    |           ^
Bounds and initial values are made of numbers and pi.
""",
    ),
    (
        "let a = 1\na*p",
        """
'let' is not a word of the language
  1 | let a = 1
    | ^^^
Define a value as 'r = y - p', declare a parameter as 'param a = 1'.
""",
    ),
    (
        "p in (0, 1)",
        """
'in' bounds parameters only
  1 | p in (0, 1)
    |   ^^
Compare as in 0 < p < 1; bound a parameter as in 'param a in (0, 1)'.
""",
    ),
    (
        "1_000*p",
        """
a number has no underscores
  1 | 1_000*p
    |  ^^^^
Write its digits without a break.
""",
    ),
    (
        "a_rather_long_name_of_a_parameter*(y - p)**2 + another_rather_long_name*abs(y - p) + lgama(y + 1)*digamma(p) - 1",
        """
there is no function 'lgama'
  1 | y - p)**2 + another_rather_long_name*abs(y - p) + lgama(y + 1)*digamma(p) - 1
    |                                                   ^^^^^
Did you mean 'lgamma'?
""",
    ),
]


def compile_text(text: str) -> None:
    graph = build(parse(text))
    constant_values([graph.loss], graph.source)


def error_of(text: str) -> FormulaError:
    with pytest.raises(FormulaError) as caught:
        compile_text(text)
    return caught.value


@pytest.mark.parametrize(("text", "message"), MESSAGES, ids=[repr(text) for text, _ in MESSAGES])
def test_message(text: str, message: str) -> None:
    assert str(error_of(text)) == message.strip("\n")


@pytest.mark.parametrize("text", [text for text, _ in MESSAGES])
def test_a_message_is_a_sentence_and_a_hint(text: str) -> None:
    error = error_of(text)
    assert error.message
    assert not error.message.endswith(".")
    assert error.hint.endswith((".", "?"))
    assert error.hint[0].isupper()


def test_python_draws_the_caret_of_a_syntax_error() -> None:
    error = error_of("r = y - p\nr ** * 2")
    assert isinstance(error, FormulaSyntaxError)
    drawn = "".join(traceback.format_exception_only(error))
    assert 'File "<loss>", line 2' in drawn
    assert "    r ** * 2\n         ^\n" in drawn


def test_line_ends_of_every_kind_count_as_one() -> None:
    for end in ("\n", "\r\n", "\r"):
        error = error_of(f"r = y - p{end}{end}r ** * 2")
        assert (error.lineno, error.offset, error.text) == (3, 6, "r ** * 2")


def test_an_error_survives_pickling() -> None:
    import pickle

    error = error_of("y - р + p*a_name(")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.lineno, again.offset) == (type(error), str(error), error.lineno, error.offset)
