"""Text to tree and back: the parser runs ``grammar/loss.lark``, the printer inverts it."""

from losscompiler.syntax.parser import parse
from losscompiler.syntax.printer import print_expression, print_formula

__all__ = ["parse", "print_expression", "print_formula"]
