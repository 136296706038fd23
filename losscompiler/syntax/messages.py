"""What to say about text that the grammar does not accept: one message for each kind of mistake."""

from __future__ import annotations

import re
import unicodedata

from lark import Token

from losscompiler.errors import FormulaError, FormulaSyntaxError
from losscompiler.source import Source, Span

_CHARACTERS = {
    ".": ("'.' is not part of the language", "Values have no attributes and functions no module: write log(p), not np.log(p)."),
    "'": ("quotes are not part of the language", "Write names and numbers without quotes."),
    '"': ("quotes are not part of the language", "Write names and numbers without quotes."),
    "&": ("'&' is not an operator", "Write 'and'."),
    "|": ("'|' is not an operator", "Write 'or', and abs(x) for an absolute value."),
    "!": ("'!' is not an operator", "Write 'not', or lgamma(n + 1) for the logarithm of a factorial."),
    "~": ("'~' is not an operator", "Write 'not'."),
    "%": ("'%' is not an operator", "Write x - n*floor(x/n) for a remainder."),
    "{": ("braces are not part of the language", "Group with parentheses."),
    "}": ("braces are not part of the language", "Group with parentheses."),
    "\\": ("'\\' is not part of the language", "Lines go on inside brackets; names are written out, as in alpha."),
    "√": ("'√' is not an operator", "Write sqrt(x)."),
    "∑": ("'∑' is not an operator", "Write sum(x)."),
    "∞": ("'∞' is not a number", "Write inf."),
    "?": ("'?' is not an operator", "Write 'a if condition else b'."),
}
_LOOKALIKES = {
    "−": "-", "–": "-", "—": "-", "×": "*", "·": "*", "∙": "*", "⋅": "*", "∗": "*", "÷": "/", "∕": "/", "≤": "<=",
    "≥": ">=", "≠": "!=", "，": ",", "（": "(", "）": ")", "；": ";", "：": ":", "＝": "=", "＋": "+", "＊": "*",
}  # fmt: skip
_VALUE_TOKENS = ("NAME", "NUMBER", "LPAR", "LSQB")
_ENDS_VALUE = re.compile(r"[\w)\].]$")


def _before(source: Source, start: int) -> str:
    """Return the text before an offset on its line, without blanks at the end."""
    lineno, column = source.position(start)
    return source.line(lineno)[: column - 1].rstrip()


def explain_character(source: Source, start: int) -> FormulaError:
    """Return the error for a character that begins no token."""
    character = source.text[start]
    span = Span(start, start + 1)
    if character in _LOOKALIKES:
        plain = _LOOKALIKES[character]
        return FormulaSyntaxError(
            "unexpected-character", f"'{character}' ({unicodedata.name(character)}) is not an operator", source, span,
            f"Write {plain} instead.",
        )  # fmt: skip
    if character in "²³¹⁴⁵⁶⁷⁸⁹⁰":
        return FormulaSyntaxError(
            "superscript", f"'{character}' is not an operator", source, span,
            f"Write a power as **{unicodedata.digit(character)}.",
        )  # fmt: skip
    if character in _CHARACTERS:
        message, hint = _CHARACTERS[character]
        return FormulaSyntaxError("unexpected-character", message, source, span, hint)
    if character.isprintable() and not character.isspace():
        shown = f"'{character}' (U+{ord(character):04X})" if ord(character) > 126 else f"'{character}'"
        # The contextual lexer refuses a known token in an impossible place; then the place is what is wrong.
        if character.isalnum() or character in "=<>()[],:;@+-*/^_":
            return explain_token(source, Token("NAME" if character.isalnum() or character == "_" else "OTHER", character, start_pos=start))
        return FormulaSyntaxError("unexpected-character", f"{shown} is not part of the language", source, span, "Remove it.")
    return FormulaSyntaxError(
        "unexpected-character", f"the character U+{ord(character):04X} is not part of the language", source, span, "Remove it."
    )


def explain_token(source: Source, token: Token) -> FormulaError:
    """Return the error for a token that cannot stand where it stands."""
    start = token.start_pos if token.start_pos is not None else len(source.text)
    if token.type == "$END":
        end = len(source.text.rstrip())
        return FormulaSyntaxError(
            "unexpected-end", "the text ends in the middle of an expression", source, Span(max(0, end - 1), max(1, end)),
            "Complete it, for example with a value after the last operator.",
        )  # fmt: skip
    span = Span(start, start + len(token))
    before = _before(source, start)
    if token.type == "NEWLINE":
        if not before:
            span = Span(max(0, start - 1), start)
        else:
            lineno, _ = source.position(start)
            line_start = start - (source.position(start)[1] - 1)
            span = Span(line_start + len(before) - 1, line_start + len(before))
        return FormulaSyntaxError(
            "unexpected-end", "the line ends in the middle of an expression", source, span,
            "Put the whole expression in brackets to continue it on the next line.",
        )  # fmt: skip
    shown = str(token)
    if token.type in ("RPAR", "RSQB"):
        return _explain_closing(source, span, shown)
    if token.type in _VALUE_TOKENS and _ENDS_VALUE.search(before) and not re.search(r"\b(if|else|and|or|not|in)$", before):
        return _explain_side_by_side(source, span, before)
    if token.type == "EQUAL":
        return FormulaSyntaxError(
            "unexpected-token", "'=' defines a name and cannot stand here", source, span,
            "Compare with ==; define with a name alone on the left, as in r = y - p.",
        )  # fmt: skip
    if token.type == "COMMA":
        return FormulaSyntaxError(
            "unexpected-token", "a comma cannot stand here", source, span,
            "A subscript takes one index along the last axis, as in p[0]; a program has one loss.",
        )  # fmt: skip
    return FormulaSyntaxError(
        "unexpected-token", f"'{shown}' cannot stand here", source, span, "Put a value or an operator before it, or remove it."
    )


def _explain_closing(source: Source, span: Span, shown: str) -> FormulaError:
    opened = 0
    for character in source.text[: span.start]:
        opened += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
    if opened <= 0:
        return FormulaSyntaxError("unmatched-bracket", f"'{shown}' closes nothing", source, span, "Remove it, or open the bracket before it.")
    return FormulaSyntaxError(
        "unexpected-token", f"'{shown}' cannot stand here: a value is missing before it, or another bracket is open", source, span,
        "Complete the expression before it, and close brackets with their own kind.",
    )  # fmt: skip


def _explain_side_by_side(source: Source, span: Span, before: str) -> FormulaError:
    left = re.search(r"[\w.]+$|[)\]]$", before)
    token = source.slice(span)
    written = f"{left.group() if left else '...'}*{token}"
    if token in ("(", "["):
        written += "..."
    return FormulaSyntaxError(
        "implicit-multiplication", f"there is no operator between two values here, before '{token}'", source, span,
        f"Multiplication is always written: {written}.",
    )  # fmt: skip
