"""From a graph to straight-line programs: value and gradients together."""

from losscompiler.program.program import Assignment, Program, RowProgram
from losscompiler.program.schedule import schedule

__all__ = ["Assignment", "Program", "RowProgram", "schedule"]
