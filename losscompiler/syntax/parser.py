"""Text to `Formula`, through the LALR parser that Lark makes of ``grammar/loss.lark``."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from importlib.resources import files
from threading import Lock
from typing import Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from losscompiler.errors import FormulaError, FormulaLimitError, FormulaNameError, FormulaSyntaxError
from losscompiler.source import Source, Span
from losscompiler.syntax import limits, tree
from losscompiler.syntax.messages import Context, explain_character, explain_name, explain_token, span_of

RESERVED = frozenset({"if", "else", "and", "or", "not", "in"})
_LARGEST, _SMALLEST = Fraction(2**1024 - 2**970), Fraction(1, 2**1075)
"""What lies above the one or up to the other leaves float64 when it is rounded."""
_ONE_AT_A_TIME = Lock()
"""The parser is built once, and its tree builder keeps the state of one text."""


class _NewlineFilter:
    """Drops newlines inside brackets, as Python does, and remembers what was read for the sake of messages."""

    always_accept = ("NEWLINE",)

    def __init__(self) -> None:
        self.context = Context()

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        self.context = Context()
        for token in stream:
            if not (token.type == "NEWLINE" and self.context.brackets):
                yield token
                # Only after the parser has taken the token: an error finds what stands before it.
                self.context.add(token)


class _Raised(Exception):  # noqa: N818, it is a carrier and never seen
    """Carries an error of this package out of Lark, which wraps what callbacks raise."""

    def __init__(self, error: FormulaError) -> None:
        self.error = error


class _TreeBuilder(Transformer[Token, Any]):
    """Builds tree nodes while the parser reduces, bottom up, and tracks their nesting."""

    def __init__(self) -> None:
        super().__init__()
        self.source = Source("")
        self.depths: dict[int, tuple[tree.Node, int]] = {}

    def begin(self, source: Source) -> None:
        self.source, self.depths = source, {}

    # -- helpers
    def _nest(self, node: Any, *below: tree.Node, chain: tree.Node | None = None) -> Any:
        """Record the nesting of ``node``; a ``chain`` child of the same precedence adds no level."""
        # A node may be rewrapped by parentheses, so the last recorded depth of an id is the valid one.
        depth = 1 + max((self.depths.get(id(child), (child, 0))[1] for child in below), default=0)
        if chain is not None:
            depth = max(depth, self.depths.get(id(chain), (chain, 0))[1])
        if depth > limits.DEPTH:
            raise _Raised(
                FormulaLimitError(
                    "too-deep",
                    f"the expression is nested deeper than {limits.DEPTH} levels",
                    self.source,
                    node.span,
                    "Name inner parts with definitions such as 'r = y - p'.",
                )
            )
        self.depths[id(node)] = (node, depth)
        return node

    def _fail(self, kind: type[FormulaError], code: str, message: str, span: Span, hint: str = "") -> _Raised:
        return _Raised(kind(code, message, self.source, span, hint))

    def _name(self, token: Token) -> tree.Name:
        span = span_of(token)
        error = explain_name(self.source, token)
        if error is not None:
            raise _Raised(error)
        name = unicodedata.normalize("NFKC", str(token))
        if name in RESERVED:
            raise self._fail(
                FormulaSyntaxError, "unexpected-token", f"'{name}' is a word of the language, not a value", span,
                "Put a value here.",
            )  # fmt: skip
        if name.startswith("__"):
            raise self._fail(
                FormulaNameError, "dunder-name", f"'{name}' begins with two underscores", span,
                "Names of this kind are not part of the language; choose another.",
            )  # fmt: skip
        return tree.Name(span, name)

    # -- atoms
    def number(self, parts: list[Token]) -> tree.Number:
        token = parts[0]
        mantissa, _, exponent = str(token).lower().partition("e")
        decimals = mantissa.partition(".")[2]
        # Python refuses to read integers of thousands of digits, so zeros in front are dropped first.
        digits = mantissa.replace(".", "").lstrip("0")
        if not digits:
            return tree.Number(span_of(token), Fraction(0), str(token))
        sign, power = exponent[:1] == "-", exponent.lstrip("+-").lstrip("0") or "0"
        magnitude = len(digits) - len(decimals) + (-1 if sign else 1) * int(power[:8])
        if len(digits) > limits.DIGITS:
            raise self._out_of_range(token, f"this number has more than {limits.DIGITS} digits", "Write fewer digits: float64 holds 17.")
        value = Fraction(0)
        if abs(magnitude) < limits.DECIMAL_EXPONENT + 40:
            value = int(digits) * Fraction(10) ** (magnitude - len(digits))
        if value > _LARGEST or magnitude > limits.DECIMAL_EXPONENT + 1:
            raise self._out_of_range(token, "this number is larger than float64 holds, about 1.8e308", "Write a smaller number, or inf.")
        if value <= _SMALLEST:
            raise self._out_of_range(token, "this number is smaller than float64 holds, about 5e-324", "Write 0, or a larger number.")
        return tree.Number(span_of(token), value, str(token))

    def _out_of_range(self, token: Token, message: str, hint: str) -> _Raised:
        return self._fail(FormulaLimitError, "number-too-large", message, span_of(token), hint)

    def name(self, parts: list[Token]) -> tree.Name:
        return self._name(parts[0])

    def parenthesised(self, parts: list[Any]) -> Any:
        opening, inner, closing = parts
        wrapped = replace(inner, span=span_of(opening).union(span_of(closing)))
        return self._nest(wrapped, inner)

    def vector(self, parts: list[Any]) -> Any:
        items = tuple(part for part in parts if not isinstance(part, Token))
        return self._nest(tree.Vector(span_of(parts[0]).union(span_of(parts[-1])), items), *items)

    def tuple(self, parts: list[Any]) -> Any:
        items = tuple(part for part in parts if not isinstance(part, Token))
        return self._nest(tree.Tuple(span_of(parts[0]).union(span_of(parts[-1])), items), *items)

    def keyword(self, parts: list[Any]) -> Any:
        name = self._name(parts[0])
        return self._nest(tree.Keyword(name.span.union(parts[2].span), name.name, parts[2]), parts[2])

    def call(self, parts: list[Any]) -> Any:
        token = parts[0]
        inner = [part for part in parts if not isinstance(part, Token)]
        positional = tuple(part for part in inner if not isinstance(part, tree.Keyword))
        keywords = tuple(part for part in inner if isinstance(part, tree.Keyword))
        last_positional = max((i for i, part in enumerate(inner) if not isinstance(part, tree.Keyword)), default=-1)
        first_keyword = next((i for i, part in enumerate(inner) if isinstance(part, tree.Keyword)), len(inner))
        if last_positional > first_keyword:
            raise self._fail(
                FormulaSyntaxError, "unexpected-token", "a positional argument follows a keyword argument",
                inner[last_positional].span, "Put arguments with a name last.",
            )  # fmt: skip
        name = self._name(token)
        return self._nest(tree.Call(name.span.union(span_of(parts[-1])), name.name, name.span, positional, keywords), *inner)

    def slice(self, parts: list[Any]) -> tree.Slice:
        colon = next(i for i, part in enumerate(parts) if isinstance(part, Token))
        start = parts[0] if colon == 1 else None
        stop = parts[colon + 1] if colon + 1 < len(parts) else None
        span = span_of(parts[colon])
        for end in (start, stop):
            span = span if end is None else span.union(end.span)
        node: tree.Slice = self._nest(tree.Slice(span, start, stop), *(end for end in (start, stop) if end is not None))
        return node

    def select(self, parts: list[Any]) -> Any:
        base, _, index, closing = parts
        return self._nest(tree.Subscript(base.span.union(span_of(closing)), base, index), index, chain=base)

    # -- operators
    def binary(self, parts: list[Any]) -> Any:
        left, token, right = parts
        operator = "**" if token == "^" else str(token)
        node = tree.Binary(left.span.union(right.span), operator, left, right)
        return self._nest(node, right, chain=left) if operator != "**" else self._nest(node, left, right)

    def logical(self, parts: list[Any]) -> Any:
        left, token, right = parts
        return self._nest(tree.Binary(left.span.union(right.span), str(token), left, right), right, chain=left)

    def prefix(self, parts: list[Any]) -> Any:
        token, operand = parts
        return self._nest(tree.Prefix(span_of(token).union(operand.span), str(token), operand), operand)

    def compare(self, parts: list[Any]) -> Any:
        operands = tuple(parts[::2])
        operators = tuple(str(token) for token in parts[1::2])
        return self._nest(tree.Compare(operands[0].span.union(operands[-1].span), operators, operands), *operands)

    def conditional(self, parts: list[Any]) -> Any:
        then, _, condition, _, otherwise = parts
        node = tree.Conditional(then.span.union(otherwise.span), then, condition, otherwise)
        return self._nest(node, then, condition, otherwise)

    # -- statements
    def roles(self, parts: list[Token]) -> tree.Roles:
        names = tuple(self._name(part) for part in parts[1:] if part.type == "NAME")
        return tree.Roles(span_of(parts[0]).union(names[-1].span), str(parts[0]), names)

    def shape(self, parts: list[Any]) -> list[Any]:
        return [part for part in parts if not isinstance(part, Token)]

    def range_interval(self, parts: list[Any]) -> tree.Interval:
        _, opening, lower, _, upper, closing = parts
        span = span_of(parts[0]).union(span_of(closing))
        return tree.Interval(span, lower, upper, opening == "[", closing == "]")

    def half_interval(self, parts: list[Any]) -> tree.Interval:
        token, bound = parts
        span = span_of(token).union(bound.span)
        if token in ("==", "!="):
            raise self._fail(
                FormulaSyntaxError, "unexpected-token", f"'{token}' does not bound a parameter", span_of(token),
                "Bound it with > >= < <= or 'in (lower, upper)', and give its initial value after '='.",
            )  # fmt: skip
        above = token[0] == ">"
        closed = len(token) == 2
        return tree.Interval(span, bound if above else None, None if above else bound, above and closed, not above and closed)

    def initial(self, parts: list[Any]) -> Any:
        return parts[0], parts[1]

    def parameter(self, parts: list[Any]) -> tree.ParameterDeclaration:
        name = self._name(parts[1])
        span = span_of(parts[0]).union(name.span)
        shape: tuple[Any, ...] = ()
        interval = initial = None
        for part in parts[2:]:
            if isinstance(part, list):
                shape, span = tuple(part), span.union(part[-1].span)
            elif isinstance(part, tree.Interval):
                interval, span = part, span.union(part.span)
            else:
                initial, span = part[1], span.union(part[1].span)
        return tree.ParameterDeclaration(span, name, shape, interval, initial)

    def definition(self, parts: list[Any]) -> tree.Definition:
        name = self._name(parts[0])
        return tree.Definition(name.span.union(parts[2].span), name, parts[2])

    def start(self, parts: list[Any]) -> list[Any]:
        return [part for part in parts if not isinstance(part, Token)]


@cache
def grammar_text() -> str:
    """Return the normative grammar, as shipped."""
    return files("losscompiler.grammar").joinpath("loss.lark").read_text(encoding="utf-8")


@cache
def _lark() -> tuple[Lark, _TreeBuilder, _NewlineFilter]:
    builder, newlines = _TreeBuilder(), _NewlineFilter()
    parser = Lark(
        grammar_text(), parser="lalr", lexer="contextual", postlex=newlines,
        transformer=builder, keep_all_tokens=True, maybe_placeholders=False,
    )  # fmt: skip
    return parser, builder, newlines


def _check_length(source: Source) -> None:
    if len(source.text) > limits.LENGTH:
        raise FormulaLimitError(
            "too-long",
            f"the text has {len(source.text):,} characters; the limit is {limits.LENGTH:,}",
            source,
            Span(limits.LENGTH, limits.LENGTH + 1),
            "Sums over data are written with reductions such as sum(...) and vector parameters.",
        )


def _check_depth(source: Source) -> None:
    """Refuse deep bracket nesting before the parser spends time on it."""
    depth = 0
    comment = False
    for index, character in enumerate(source.text):
        if character in "\r\n":
            comment = False
        elif character == "#":
            comment = True
        elif not comment and character in "([":
            depth += 1
            if depth > limits.DEPTH:
                raise FormulaLimitError(
                    "too-deep", f"brackets are nested deeper than {limits.DEPTH} levels", source,
                    Span(index, index + 1), "Name inner parts with definitions such as 'r = y - p'.",
                )  # fmt: skip
        elif not comment and character in ")]":
            depth -= 1


def _translate(error: UnexpectedInput, source: Source, context: Context) -> FormulaError:
    """Make this package's error of one of Lark's."""
    if isinstance(error, UnexpectedCharacters):
        return explain_character(source, error.pos_in_stream or 0)
    assert isinstance(error, UnexpectedToken)
    return explain_token(source, error.token, context, frozenset(error.expected))


def parse(text: str, name: str = "<loss>") -> tree.Formula:
    """Parse a loss.

    Args:
        text: an expression, or statements of which the last is the loss.
        name: what to call the text in error messages.

    Returns:
        The tree, with the span of every node.

    Raises:
        FormulaSyntaxError, FormulaNameError, FormulaLimitError: with the place and a hint.
    """
    source = Source(text, name)
    _check_length(source)
    _check_depth(source)
    with _ONE_AT_A_TIME:
        parser, builder, newlines = _lark()
        builder.begin(source)
        try:
            statements: list[Any] = parser.parse(text)  # type: ignore[assignment]
        except UnexpectedInput as error:
            raise _translate(error, source, newlines.context) from None
        except VisitError as error:
            if isinstance(error.orig_exc, _Raised):
                raise error.orig_exc.error from None
            raise
        except _Raised as error:
            raise error.error from None
        finally:
            builder.depths = {}
    return _arrange(source, statements)


def _arrange(source: Source, statements: list[Any]) -> tree.Formula:
    """Separate the loss from what stands before it."""
    if not statements:
        raise FormulaSyntaxError(
            "empty", "the program is empty: it has no expression", source, Span(0, max(1, len(source.text.split("\n")[0]))),
            "Write a loss such as (y - p)**2.",
        )  # fmt: skip
    *before, loss = statements
    for statement in before:
        if not isinstance(statement, tree.Roles | tree.ParameterDeclaration | tree.Definition):
            raise FormulaSyntaxError(
                "statement-after-loss", "this expression is not the last statement, so it would have no effect", source,
                statement.span, "Give it a name ('r = ...'), or join the lines inside brackets.",
            )  # fmt: skip
    if isinstance(loss, tree.Roles | tree.ParameterDeclaration | tree.Definition):
        what = f"'{loss.name.name}' is defined, but " if isinstance(loss, tree.Definition) else ""
        raise FormulaSyntaxError(
            "no-loss", f"{what}the last statement must be an expression, the loss itself", source, loss.span,
            f"End the program with a line such as {loss.name.name if isinstance(loss, tree.Definition) else '(y - p)**2'}.",
        )  # fmt: skip
    return tree.Formula(source, tuple(before), loss)
