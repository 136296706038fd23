"""The sizes beyond which a text is refused: every stage stays fast below them (see the normative minimums in the reference)."""

LENGTH = 65_536
"""Characters of a text."""

DEPTH = 200
"""Nesting of brackets, function calls, powers and conditionals. Chains of one precedence (``a + b + c``) count once."""

OPERATIONS = 20_000
"""Distinct operations of a loss after common subexpressions are shared."""

DECIMAL_EXPONENT = 308
"""Largest power of ten of a number literal: the range of float64."""

DIGITS = 400
"""Significant digits of a number literal."""
