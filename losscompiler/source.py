"""The text of a loss and places in it; the one renderer of carets."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field

_WIDEST_EXCERPT = 100
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of character offsets, ``start <= i < end``, into a source text."""

    start: int
    end: int

    def union(self, other: Span) -> Span:
        """Return the smallest span that covers both."""
        return Span(min(self.start, other.start), max(self.end, other.end))


@dataclass(frozen=True)
class Source:
    """A loss as its user wrote it.

    Offsets count characters from 0; ``lineno`` and ``offset`` as users see them count from 1, as in Python's
    ``SyntaxError``.
    """

    text: str
    name: str = "<loss>"
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = [0] + [end.end() for end in _LINE_END.finditer(self.text)]
        object.__setattr__(self, "_starts", tuple(starts))

    def position(self, start: int) -> tuple[int, int]:
        """Return (line number, column) of a character offset, both counted from 1."""
        start = min(max(start, 0), len(self.text))
        line = bisect.bisect_right(self._starts, start) - 1
        return line + 1, start - self._starts[line] + 1

    def line(self, lineno: int) -> str:
        """Return a line (counted from 1) without its end."""
        begin = self._starts[lineno - 1]
        end = self._starts[lineno] if lineno < len(self._starts) else len(self.text)
        return self.text[begin:end].rstrip("\r\n")

    def slice(self, span: Span) -> str:
        """Return the text of a span."""
        return self.text[span.start : span.end]

    def excerpt(self, span: Span, *others: Span) -> str:
        """Draw the line of a span with carets under it, and under other spans that begin on the same line.

        Lines longer than the screen are cut around the first span; control characters are shown as spaces so that the
        carets stay under their text.
        """
        lineno, column = self.position(span.start)
        line = self.line(lineno)
        first = max(0, column - 1 - _WIDEST_EXCERPT // 2) if len(line) > _WIDEST_EXCERPT else 0
        shown = "".join(c if c.isprintable() else " " for c in line[first : first + _WIDEST_EXCERPT])
        marks = [" "] * (len(shown) + 1)
        for marked in (span, *others):
            begin = self.position(marked.start)[1] - 1 - first
            width = max(1, min(marked.end - marked.start, len(line) - first - begin))
            for place in range(max(0, begin), min(begin + width, len(marks))):
                marks[place] = "^"
        prefix = f"  {lineno} | "
        return f"{prefix}{shown}\n{' ' * (len(prefix) - 2)}| {''.join(marks).rstrip()}"

    def excerpts(self, spans: tuple[Span, ...]) -> str:
        """Draw the lines of several spans, each line once."""
        by_line: dict[int, list[Span]] = {}
        for span in spans:
            by_line.setdefault(self.position(span.start)[0], []).append(span)
        return "\n".join(self.excerpt(*group) for group in by_line.values())
