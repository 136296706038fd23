"""What is wrong with a loss before it costs a training run: LossGraph to findings."""

from losscompiler.analysis.find import find
from losscompiler.analysis.finding import FINDING_CODES, Finding

__all__ = ["FINDING_CODES", "Finding", "find"]
