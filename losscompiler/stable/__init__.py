"""Forms that are accurate in floating point, in place of those that a user wrote."""

from losscompiler.stable.choices import with_harmless_operands
from losscompiler.stable.precision import loses_digits
from losscompiler.stable.rewrite import economise, guard, rewrite, stabilise
from losscompiler.stable.rules import LOWERING, RULES, Rule
from losscompiler.stable.singularities import mend
from losscompiler.stable.transformations import FINISHING, GUARDING, MERGING, PREPARING, TRANSFORMATIONS, Transformation

__all__ = [
    "FINISHING", "GUARDING", "LOWERING", "MERGING", "PREPARING", "RULES", "TRANSFORMATIONS", "Rule", "Transformation", "economise", "guard",
    "loses_digits", "mend", "rewrite", "stabilise", "with_harmless_operands",
]  # fmt: skip
