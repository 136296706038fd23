"""Lines of emitted code that are too long, broken where a person would break them."""

from __future__ import annotations

import re

LONGEST_LINE = 118


def fold(line: str) -> str:
    """Break a line that is too long at its outermost operators."""
    if len(line) <= LONGEST_LINE:
        return line
    indent = len(line) - len(line.lstrip())
    match = re.match(r"(\s*)(return |[\w]+ = )(.*)$", line, re.DOTALL)
    if match is None:
        return line
    head, body = match.group(1) + match.group(2), match.group(3)
    parts = _outer_parts(body)
    if len(parts) < 2:
        return line
    pad = " " * (indent + 4)
    lines, current = [], ""
    for part in parts:
        if current and len(pad) + len(current) + len(part) > LONGEST_LINE:
            lines.append(current.rstrip())
            current = part.lstrip()
        else:
            current += part
    lines.append(current)
    joined = "\n".join(pad + text for text in lines)
    return f"{head}(\n{joined}\n{' ' * indent})"


def _outer_parts(body: str) -> list[str]:
    """Cut an expression before each + and - (or after each comma of a tuple) that stands outside all brackets."""
    tuple_form = body.startswith("(") and body.endswith(")") and _closes(body) == len(body) - 1 and "," in body
    inner = body[1:-1] if tuple_form else body
    parts, depth, start = [], 0, 0
    for i, c in enumerate(inner):
        depth += (c in "([") - (c in ")]")
        if depth == 0 and tuple_form and c == ",":
            parts.append(inner[start : i + 1] + " ")
            start = i + 1
        elif depth == 0 and not tuple_form and inner[i : i + 3] in (" + ", " - "):
            parts.append(inner[start : i + 1])
            start = i + 1
    parts.append(inner[start:])
    return [part if not tuple_form else part.lstrip() for part in parts if part.strip()]


def _closes(body: str) -> int:
    depth = 0
    for i, c in enumerate(body):
        depth += (c in "([") - (c in ")]")
        if depth == 0:
            return i
    return -1
