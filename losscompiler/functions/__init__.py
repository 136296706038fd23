"""The one table of functions."""

from losscompiler.functions.row import Function, Kind
from losscompiler.functions.table import FUNCTIONS, LANGUAGE, lookup

__all__ = ["FUNCTIONS", "LANGUAGE", "Function", "Kind", "lookup"]
