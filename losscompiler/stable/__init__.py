"""Forms that are accurate in floating point, in place of those that a user wrote."""

from losscompiler.stable.powers import merge_powers
from losscompiler.stable.rewrite import economise, rewrite, stabilise
from losscompiler.stable.rules import LOWERING, RULES, Rule

__all__ = ["LOWERING", "RULES", "Rule", "economise", "merge_powers", "rewrite", "stabilise"]
