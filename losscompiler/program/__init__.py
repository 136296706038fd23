"""From a graph to straight-line programs: value and gradients together."""

from losscompiler.program.program import Assignment, Program
from losscompiler.program.schedule import schedule

__all__ = ["Assignment", "Program", "schedule"]
