"""Checks of what was derived: against automatic differentiation and against high-precision arithmetic."""

from losscompiler.verify.check import check_gradients
from losscompiler.verify.gradient_check import GradientCheck, Point, SymbolCheck

__all__ = ["GradientCheck", "Point", "SymbolCheck", "check_gradients"]
