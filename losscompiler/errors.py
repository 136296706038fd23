"""Every error and warning of this package, and the table of their codes.

An error about a loss text says what was found, where, and how to mend it. It carries ``code`` (a key of
`ERROR_CODES`), ``lineno`` and ``offset`` (both counted from 1), ``end_lineno``, ``end_offset``, ``text`` (the line) and
``hint``. Whatever text comes in, nothing but a `LossCompilerError` comes out.
"""

from __future__ import annotations

from losscompiler.source import Source, Span

ERROR_CODES: dict[str, str] = {
    "empty": "the program has no statement",
    "no-loss": "the last statement is not an expression",
    "statement-after-loss": "an expression stands before the last statement",
    "unexpected-character": "a character that the language does not have",
    "unexpected-token": "a token where the grammar wants another",
    "unexpected-end": "the text ends in the middle of an expression",
    "unclosed-bracket": "a bracket is never closed",
    "unmatched-bracket": "a closing bracket without an opening one of its kind",
    "implicit-multiplication": "two values stand side by side without an operator",
    "superscript": "a superscript or subscript digit",
    "too-long": "the text is longer than the limit",
    "too-deep": "expressions are nested deeper than the limit",
    "too-large": "the loss has more operations than the limit",
    "number-too-large": "a number or a constant expression leaves the range of float64",
    "constant-undefined": "a constant expression has no real value",
    "unknown-function": "a function that the language does not have",
    "not-a-function": "a symbol or definition is called as a function",
    "arity": "a function is called with the wrong number of arguments",
    "unknown-keyword": "a keyword argument that the function does not take",
    "bad-argument": "an argument has a form that the function cannot take",
    "unknown-name": "a name that is neither data, parameter nor definition",
    "function-as-value": "a function's name is used without a call",
    "dunder-name": "a name that begins with two underscores",
    "use-before-definition": "a name is used before the statement that defines it",
    "redefinition": "a name is defined or declared twice",
    "shadows-data": "a definition takes the name of data or of a parameter",
    "bad-interval": "the bounds of a parameter are empty or not constant",
    "bad-initial": "an initial value is not constant or lies outside its bounds",
    "bad-shape": "the shape of a parameter is not made of positive integers or a prediction's name",
    "not-a-value": "a tuple or a range stands where a value is wanted",
    "bad-subscript": "a subscript that is neither an integer, a range of integers nor integer data, or one of a scalar",
    "shape-mismatch": "shapes that do not broadcast or do not fit a function",
    "bad-expression": "a SymPy expression that has no counterpart in the language",
}
"""Codes of errors about a loss text, with what each means. The reference and the conformance cases are tested against it."""


class LossCompilerError(Exception):
    """Base class of every error that this package raises."""


class FormulaError(LossCompilerError):
    """An error at a place of a loss text.

    Attributes:
        code: key of `ERROR_CODES`.
        message: one sentence on what was found.
        hint: one sentence on what to do, or an empty string.
        span: character offsets in the whole text.
        lineno, offset, end_lineno, end_offset: the span as line and column, counted from 1.
        text: the line that the span begins in.
    """

    def __init__(self, code: str, message: str, source: Source, span: Span, hint: str = "", notes: tuple[Span, ...] = ()) -> None:
        if code not in ERROR_CODES:
            raise ValueError(f"undocumented error code {code!r}")
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.source = source
        self.span = span
        self.notes = notes
        self.filename = source.name
        self.lineno, self.offset = source.position(span.start)
        self.end_lineno, self.end_offset = source.position(max(span.end, span.start))
        self.text = source.line(self.lineno)
        self.msg = f"{message}. {hint}" if hint else message

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.code, self.message, self.source, self.span, self.hint, self.notes)

    def __str__(self) -> str:
        # Places inside the span say more than the span itself: the two operands, not the whole sum.
        inside = all(self.span.start <= note.start and note.end <= self.span.end for note in self.notes)
        parts = [self.message, self.source.excerpts(self.notes if self.notes and inside else (self.span, *self.notes))]
        if self.hint:
            parts.append(self.hint)
        return "\n".join(parts)


class FormulaSyntaxError(FormulaError, SyntaxError):  # type: ignore[misc]  # places are never None here
    """The text does not follow the grammar. Python draws the caret, since it is a `SyntaxError`."""

    def __init__(self, code: str, message: str, source: Source, span: Span, hint: str = "", notes: tuple[Span, ...] = ()) -> None:
        FormulaError.__init__(self, code, message, source, span, hint, notes)
        self.print_file_and_line = None


class FormulaNameError(FormulaError):
    """A name or function is unknown, used too early, defined twice, or taken."""


class FormulaCallError(FormulaError):
    """A function is called with arguments that it cannot take."""


class FormulaLimitError(FormulaError):
    """The text, or a number in it, is larger than the normative limits allow."""


class ParameterError(FormulaError):
    """A parameter's bounds, initial value or shape do not make sense."""


class ShapeError(FormulaError):
    """Shapes of data or parameters do not fit each other or a function."""


class ArgumentError(LossCompilerError, ValueError):
    """An argument of this package's own functions is wrong: an unknown name, a missing array, an unknown option."""


class UntrainedLossError(LossCompilerError, TypeError):
    """A loss with parameters was handed to Keras in a place where Keras would never train them."""


class GradientMismatchError(LossCompilerError, AssertionError):
    """An analytic gradient disagrees with automatic differentiation or with 50-digit arithmetic."""


class MissingPackageError(LossCompilerError, ImportError):
    """What was asked for needs a package that is not installed."""


class BudgetError(LossCompilerError):
    """An algebraic view of the loss would be larger or slower than its budget allows."""


class FindingError(LossCompilerError):
    """A finding, when ``compile_loss`` was told to raise on findings."""


class LossWarning(UserWarning):
    """The Python warning that is issued for every finding of severity "warning"."""
