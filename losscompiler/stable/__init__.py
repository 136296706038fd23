"""Forms that are accurate in floating point, in place of those that a user wrote."""

from losscompiler.stable.rewrite import stabilise
from losscompiler.stable.rules import RULES, Rule

__all__ = ["RULES", "Rule", "stabilise"]
