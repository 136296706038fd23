"""What to say about text that the grammar does not accept: one message for each kind of mistake."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from lark import Token

from losscompiler.errors import FormulaError, FormulaSyntaxError
from losscompiler.source import Source, Span

_CHARACTERS = {
    ".": ("'.' is not part of the language", "Values have no attributes and functions no module: write log(p), not np.log(p)."),
    "'": ("quotes are not part of the language", "Write names and numbers without quotes."),
    '"': ("quotes are not part of the language", "Write names and numbers without quotes."),
    "&": ("'&' is not an operator", "Write 'and'."),
    "|": ("'|' is not an operator", "Write abs(x) for an absolute value, 'or' between conditions."),
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
_PAIRS = {
    "<>": "Write != for 'not equal'.", "=<": "Write <= for 'at most'.", "=>": "Write >= for 'at least'.", "===": "Write == to compare.",
    ":=": "Define with '=', as in r = y - p.", "//": "Write floor(x/y) for an integer quotient.", "->": "Define with '=', as in r = y - p.",
    "+=": "A name is defined once: give the new value a new name.", "-=": "A name is defined once: give the new value a new name.",
    "*=": "A name is defined once: give the new value a new name.", "/=": "Write != for 'not equal'.",
}  # fmt: skip
_FOREIGN = {
    **dict.fromkeys(("let", "var", "const", "set"), "Define a value as 'r = y - p', declare a parameter as 'param a = 1'."),
    **dict.fromkeys(("params", "parameter", "parameters", "learnable"), "Declare a parameter as 'param a = 1'."),
    **dict.fromkeys(("targets", "label", "labels"), "Declare targets as 'target y'."),
    **dict.fromkeys(("predictions", "predict", "output", "outputs"), "Declare predictions as 'prediction p'."),
    "inputs": "Declare inputs as 'input w'.",
    "def": "Define a value as 'r = y - p'; the language has no functions of the user's own.",
    "return": "The last line is the loss; write the expression alone.",
    **dict.fromkeys(("import", "from", "for", "while", "class", "print"), "A loss is made of expressions, definitions and declarations."),
}
_VALUES = ("NAME", "NUMBER", "LPAR", "LSQB")
_ENDS_OF_VALUES = ("NAME", "NUMBER", "RPAR", "RSQB")
_CLOSING = {"(": ")", "[": "]"}
_CONDITIONAL_HINT = "A choice is written 'a if condition else b', or where(condition, a, b)."
_LONGEST_QUOTE = 24


@dataclass
class Context:
    """What stands before the place where reading stopped.

    Attributes:
        previous: the token before it.
        statement: the first token of its statement.
        brackets: the brackets open there, innermost last, each with the token before it.
        colons: how many colons the innermost bracket holds so far.
    """

    previous: Token | None = None
    statement: Token | None = None
    brackets: list[tuple[Token, Token | None]] = field(default_factory=list)
    colons: int = 0

    def add(self, token: Token) -> None:
        """Move past a token."""
        if token.type in ("LPAR", "LSQB"):
            self.brackets.append((token, self.previous))
            self.colons = 0
        elif token.type in ("RPAR", "RSQB") and self.brackets:
            self.brackets.pop()
            self.colons = 0
        elif token.type == "COLON":
            self.colons += 1
        ends = token.type in ("NEWLINE", "SEMICOLON") and not self.brackets
        self.statement = None if ends else self.statement or token
        self.previous = None if ends else token

    @property
    def after_value(self) -> bool:
        """Whether a value ends just before the place."""
        return self.previous is not None and self.previous.type in _ENDS_OF_VALUES

    @property
    def opened_by(self) -> str:
        """The type of the token before the innermost open bracket: a name before a call's."""
        before = self.brackets[-1][1] if self.brackets else None
        return before.type if before is not None else ""


def span_of(token: Token) -> Span:
    """Return the place of a token."""
    start = token.start_pos or 0
    return Span(start, start + len(token))


def explain_character(source: Source, start: int) -> FormulaError:
    """Return the error for a character that begins no token."""
    character = source.text[start]
    span = Span(start, start + 1)

    def error(message: str, hint: str) -> FormulaError:
        return FormulaSyntaxError("unexpected-character", message, source, span, hint)

    if character in _LOOKALIKES:
        return error(f"'{character}' ({unicodedata.name(character)}) is not an operator", f"Write {_LOOKALIKES[character]} instead.")
    if character == "." and source.text[start + 1 : start + 2] in ("*", "/", "^"):
        return error("'.' is not part of the language", "Operators are elementwise already: write * / ** without a dot.")
    if character in _CHARACTERS:
        return error(*_CHARACTERS[character])
    if character.isdecimal():
        name = unicodedata.name(character)
        return error(f"'{character}' ({name}) is not a digit of the language", "Write numbers with the digits 0 to 9.")
    if character.isprintable() and not character.isspace() and not unicodedata.category(character).startswith("M"):
        number = f" (U+{ord(character):04X})" if ord(character) > 126 else ""
        return error(f"'{character}'{number} is not part of the language", "Remove it.")
    return error(f"the character U+{ord(character):04X} is not part of the language", "Remove it.")


def explain_name(source: Source, token: Token) -> FormulaError | None:
    """Return the error for a name with characters that names do not have, or ``None``."""
    span = span_of(token)
    kinds = {c: unicodedata.decomposition(c).partition(" ")[0] for c in token if unicodedata.category(c) == "No"}
    if kinds:
        at = next(i for i, c in enumerate(token) if c in kinds)
        base = str(token)[:at]
        plain = "".join(str(unicodedata.digit(c, 0)) for c in str(token)[at:] if c in kinds)
        kind = kinds[token[at]]
        if kind == "<super>":
            return FormulaSyntaxError(
                "superscript", f"'{token[at]}' is a superscript digit", source, span, f"Write a power as {base or '(...)'}**{plain}."
            )
        if kind == "<sub>":
            return FormulaSyntaxError(
                "superscript", f"'{token[at]}' is a subscript digit", source, span, f"Write an index as {base or 'x'}{plain}."
            )
        return FormulaSyntaxError(
            "unexpected-character", f"'{token[at]}' (U+{ord(token[at]):04X}) is not part of the language",
            source, Span(span.start + at, span.start + at + 1), "Write numbers with the digits 0 to 9, as in 1/2.",
        )  # fmt: skip
    for at, c in enumerate(token):
        if c in _INVISIBLE or not f"x{unicodedata.normalize('NFKC', c)}".isidentifier():
            place = Span(span.start + at, span.start + at + 1)
            return FormulaSyntaxError(
                "unexpected-character", f"the character U+{ord(c):04X} cannot stand in a name", source, place,
                "Remove it: names are made of letters, digits and underscores.",
            )  # fmt: skip
    return None


_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10))))
"""Characters that Unicode counts as parts of names and draws as nothing."""


def explain_token(source: Source, token: Token, context: Context, expected: frozenset[str] = frozenset()) -> FormulaError:
    """Return the error for a token that cannot stand where it stands.

    Args:
        source: the text.
        token: the token; its type is "$END" at the end of the text.
        context: what stands before it.
        expected: types of the tokens that could stand there.
    """
    if token.type == "$END":
        return _explain_end(source, context, expected)
    span = span_of(token)
    if context.brackets and _runs_on(source, context.brackets[-1][0], span.start, len(context.brackets)):
        return _unclosed(source, context.brackets[-1][0])
    if token.type == "NEWLINE":
        return FormulaSyntaxError(
            "unexpected-end", "the line ends in the middle of an expression", source, _last(source, context),
            _CONDITIONAL_HINT if context.after_value and "ELSE" in expected
            else "Complete it, or put the whole expression in brackets to continue it on the next line.",
        )  # fmt: skip
    if token.type in ("RPAR", "RSQB"):
        return _explain_closing(source, token, context, expected)
    if token.type in _VALUES:
        name_error = explain_name(source, token) if token.type == "NAME" else None
        if name_error is not None:
            return name_error
    foreign = _foreign_operator(source, span, context)
    if foreign is not None:
        return foreign
    if context.after_value:
        if token.type in _VALUES:
            return _explain_side_by_side(source, token, context)
        return _explain_after_value(source, token, context, expected)
    return _explain_missing_value(source, token, context)


def _foreign_operator(source: Source, span: Span, context: Context) -> FormulaError | None:
    """Return the error for two tokens that make an operator of another language."""
    ahead = Span(span.start, span.end + 1)
    behind = Span(span_of(context.previous).start, span.end) if context.previous is not None else ahead
    for pair in (behind, ahead):
        written = source.slice(pair)
        if written in _PAIRS:
            return FormulaSyntaxError("unexpected-token", f"'{written}' is not an operator", source, pair, _PAIRS[written])
    return None


def _last(source: Source, context: Context) -> Span:
    if context.previous is not None:
        return span_of(context.previous)
    end = len(source.text.rstrip())
    return Span(max(0, end - 1), max(1, end))


def _unclosed(source: Source, opening: Token) -> FormulaError:
    return FormulaSyntaxError(
        "unclosed-bracket", f"'{opening}' is never closed", source, span_of(opening), f"Add the missing '{_CLOSING[str(opening)]}'."
    )


def _runs_on(source: Source, opening: Token, start: int, depth: int) -> bool:
    """Tell whether a bracket opened on an earlier line is never closed: then that is the mistake, not the token it led to."""
    if "\n" not in source.text[opening.start_pos : start] and "\r" not in source.text[opening.start_pos : start]:
        return False
    comment, within = False, depth
    for character in source.text[start:]:
        if comment or character == "#":
            comment = character not in "\r\n"
        elif character in "([":
            within += 1
        elif character in ")]":
            within -= 1
            if within < depth:
                return False
    return True


def _explain_end(source: Source, context: Context, expected: frozenset[str]) -> FormulaError:
    if context.brackets:
        return _unclosed(source, context.brackets[-1][0])
    hint = f"Put a value after '{context.previous}'." if context.previous is not None else "Write a loss such as (y - p)**2."
    if (context.after_value and "ELSE" in expected) or (context.previous is not None and context.previous.type in ("IF", "ELSE")):
        hint = _CONDITIONAL_HINT
    return FormulaSyntaxError("unexpected-end", "the text ends in the middle of an expression", source, _last(source, context), hint)


def _explain_closing(source: Source, token: Token, context: Context, expected: frozenset[str]) -> FormulaError:
    span, previous = span_of(token), context.previous
    if not context.brackets:
        return FormulaSyntaxError(
            "unmatched-bracket", f"'{token}' closes nothing", source, span, "Remove it, or open the bracket before it."
        )
    opening = context.brackets[-1][0]
    if str(token) != _CLOSING[str(opening)] and context.opened_by != "IN":
        return FormulaSyntaxError(
            "unmatched-bracket", f"'{token}' cannot close '{opening}'", source, span, f"Close it with '{_CLOSING[str(opening)]}'.",
            (span_of(opening),),
        )  # fmt: skip
    if context.opened_by == "IN":
        message, hint = "an interval has two bounds", "Write in (lower, upper), with square brackets where a bound is a legal value."
    elif previous is opening:
        message = f"nothing stands between '{opening}' and '{token}'"
        hint = "Write a value there."
        if str(opening) == "[":
            hint = "Write an index, as in p[0]." if context.opened_by in _ENDS_OF_VALUES else "Write the elements, as in [0, 1]."
    elif context.after_value and "ELSE" in expected:
        message, hint = f"'{token}' stands where 'else' is expected", _CONDITIONAL_HINT
    else:
        message, hint = f"a value is missing between '{previous}' and '{token}'", "Put a value there."
    return FormulaSyntaxError("unexpected-token", message, source, span, hint)


def _explain_side_by_side(source: Source, token: Token, context: Context) -> FormulaError:
    span, previous = span_of(token), context.previous
    assert previous is not None

    def unexpected(message: str, hint: str) -> FormulaError:
        return FormulaSyntaxError("unexpected-token", message, source, span, hint)

    first = context.statement is previous and previous.type == "NAME" and not context.brackets
    if first and str(previous) in _FOREIGN and token.type in ("NAME", "NUMBER"):
        return FormulaSyntaxError(
            "unexpected-token", f"'{previous}' is not a word of the language", source, span_of(previous), _FOREIGN[str(previous)]
        )
    if first and str(previous) in ("param", "target", "prediction", "input"):
        example = "param a in (0, 1) = 0.5" if str(previous) == "param" else f"{previous} a, b"
        return unexpected(f"a name is expected after '{previous}', not '{token}'", f"Write '{example}'.")
    if context.opened_by == "IN":
        return unexpected(f"a comma is missing before '{token}'", "Write in (lower, upper).")
    if context.brackets and token.type == "NAME" and source.text[span.end :].lstrip()[:1] == "=" != source.text[span.end :].lstrip()[1:2]:
        return unexpected(f"a comma is missing before '{token}'", f"Separate arguments with commas: (..., {token}=...).")
    adjacent = previous.type == "NUMBER" and span_of(previous).end == span.start
    if adjacent and token.type == "NUMBER":
        return unexpected("a number has one decimal point", "Write it as in 0.5.")
    if adjacent and token.startswith("_"):
        return unexpected("a number has no underscores", "Write its digits without a break.")
    hint = f"Multiplication is always written: {_quote_left(source, context)}*{_quote_right(source, token)}."
    if adjacent and token in ("e", "E"):
        hint += " An exponent has digits, as in 1e-3."
    elif previous.type == "NAME" and len(previous) > 1 and token.type in ("NAME", "NUMBER"):
        hint += f" Arguments stand in parentheses: {previous}({token})."
    return FormulaSyntaxError("implicit-multiplication", f"an operator is missing before '{token}'", source, span, hint)


def _quote_left(source: Source, context: Context) -> str:
    """Return the value that ends before the place, shortened in its brackets."""
    previous = context.previous
    assert previous is not None
    end = span_of(previous).end
    if previous.type not in ("RPAR", "RSQB"):
        return str(previous)
    text, depth, start = source.text, 0, end
    while start > 0:
        start -= 1
        depth += (text[start] in ")]") - (text[start] in "([")
        # A bracket right behind another or behind a name belongs to it: a(x)[0].
        if depth == 0 and text[start] in "([" and not (start and (text[start - 1] in ")]")):
            break
    while start > 0 and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    quote = text[start:end]
    return quote if len(quote) <= _LONGEST_QUOTE and quote.isprintable() else "(...)"


def _quote_right(source: Source, token: Token) -> str:
    """Return the value that begins at a token, shortened in its brackets."""
    start = token.start_pos or 0
    if token.type not in ("LPAR", "LSQB"):
        return str(token)
    depth = 0
    for index, character in enumerate(source.text[start : start + _LONGEST_QUOTE]):
        depth += (character in "([") - (character in ")]")
        if depth == 0:
            return source.text[start : start + index + 1].replace("\n", " ").replace("\r", " ")
    return f"{token}...{_CLOSING[str(token)]}"


def _explain_after_value(source: Source, token: Token, context: Context, expected: frozenset[str]) -> FormulaError:
    """Return the error for something other than a value behind a value."""
    declares = context.statement is not None and context.statement.type == "PARAM" and not context.brackets
    message, hint = f"'{token}' cannot stand here", "Put a value before it, or remove it."
    if token.type == "EQUAL":
        message = "'=' defines a name and cannot stand here"
        hint = "Compare with ==; define with a name alone on the left, as in r = y - p."
    elif "ELSE" in expected and token.type in ("COMMA", "SEMICOLON", "IF", "COLON"):
        message, hint = f"'{token}' stands where 'else' is expected", _CONDITIONAL_HINT
    elif token.type == "COMMA":
        message = "a comma cannot stand here"
        if declares:
            hint = "Declare each parameter on its own line, or after ';'."
        elif context.brackets:
            hint = "A subscript takes one index or range, along the last axis: p[0], p[1:]."
        else:
            hint = "A program has one loss; several values make a vector [a, b]."
    elif token.type == "COLON":
        message = "':' cannot stand here"
        hint = "A range has a start and a stop, and no step: p[0:3]." if context.colons else "It stands in ranges only: p[1:]."
        if not context.brackets:
            hint += " " + _CONDITIONAL_HINT
    elif token.type == "COMPARISON" and declares:
        message, hint = "a parameter has one interval", "Bound both sides with 'in (lower, upper)', as in 'param a in (0, 1) = 0.5'."
    elif token.type == "SEMICOLON":
        message, hint = "';' cannot stand inside brackets", "Close the bracket before it, or separate arguments with commas."
    elif token.type == "ELSE":
        message, hint = "there is no 'if' before this 'else'", _CONDITIONAL_HINT
    elif token.type == "IN":
        message, hint = "'in' bounds parameters only", "Compare as in 0 < p < 1; bound a parameter as in 'param a in (0, 1)'."
    elif token.type in ("ROLE", "PARAM"):
        message, hint = f"'{token}' begins a declaration and cannot stand here", "Put each declaration on its own line, or after ';'."
    elif token.type == "NOT":
        message, hint = "an operator is missing before 'not'", "Write 'and not' or 'or not'."
    return FormulaSyntaxError("unexpected-token", message, source, span_of(token), hint)


def _explain_missing_value(source: Source, token: Token, context: Context) -> FormulaError:
    """Return the error for a token that stands where a value is expected."""
    previous = context.previous
    hint = "Put a value there." if previous is not None else "Put a value before it, or remove it."
    if token.type in _VALUES:
        message, hint = f"'{token}' cannot stand here", "Remove it, or put an operator before it."
        if previous is not None and previous.type == "IN":
            message, hint = f"a bracket is expected after 'in', not '{token}'", "Write in (lower, upper)."
        elif context.statement is not None and context.statement.type in ("ROLE", "PARAM"):
            message, hint = f"a name is expected after '{previous}', not '{token}'", "Names are letters, digits and underscores: target y."
    elif token.type == "NOT":
        message, hint = "'not' binds more weakly than the operator before it", "Put it in parentheses: (not ...)."
    elif token.type in ("IF", "ELSE"):
        message, hint = f"a value is missing before '{token}'", _CONDITIONAL_HINT
    elif token.type in ("ROLE", "PARAM"):
        message, hint = f"'{token}' begins a declaration and cannot stand here", "Put each declaration on its own line, or after ';'."
    elif token.type == "IN":
        message, hint = "'in' is a word of the language, not a name", "Choose another name; 'in' bounds parameters: param a in (0, 1)."
    elif previous is None:
        message = f"a value is missing before '{token}'"
    else:
        message = f"a value is missing between '{previous}' and '{token}'"
    return FormulaSyntaxError("unexpected-token", message, source, span_of(token), hint)
