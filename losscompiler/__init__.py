"""Losses that learn: a formula as text becomes its derivatives, a list of what is wrong with it, and a Keras layer.

Importing this package imports neither SymPy nor Keras; each is imported when first needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from losscompiler.catalog import catalog
    from losscompiler.compiler import CompiledLoss, compile_loss
    from losscompiler.errors import (
        ArgumentError,
        BudgetError,
        FindingError,
        FormulaCallError,
        FormulaError,
        FormulaLimitError,
        FormulaNameError,
        FormulaSyntaxError,
        GradientMismatchError,
        LossCompilerError,
        LossWarning,
        MissingPackageError,
        ParameterError,
        ShapeError,
        UntrainedLossError,
    )
    from losscompiler.graph.parameter import Parameter
    from losscompiler.training import LossLayer, LossModel, TrainingBackup, export_with_loss, load_model

__version__ = "0.1.0"

_HOMES = {
    "compile_loss": "losscompiler.compiler",
    "CompiledLoss": "losscompiler.compiler",
    "Parameter": "losscompiler.graph.parameter",
    "LossLayer": "losscompiler.training",
    "LossModel": "losscompiler.training",
    "TrainingBackup": "losscompiler.training",
    "export_with_loss": "losscompiler.training",
    "load_model": "losscompiler.training",
    "catalog": "losscompiler.catalog",
} | dict.fromkeys(
    (
        "ArgumentError", "BudgetError", "FindingError", "FormulaCallError", "FormulaError", "FormulaLimitError", "FormulaNameError",
        "FormulaSyntaxError", "GradientMismatchError", "LossCompilerError", "LossWarning", "MissingPackageError", "ParameterError",
        "ShapeError", "UntrainedLossError",
    ),
    "losscompiler.errors",
)  # fmt: skip

__all__ = [
    "ArgumentError",
    "BudgetError",
    "CompiledLoss",
    "FindingError",
    "FormulaCallError",
    "FormulaError",
    "FormulaLimitError",
    "FormulaNameError",
    "FormulaSyntaxError",
    "GradientMismatchError",
    "LossCompilerError",
    "LossLayer",
    "LossModel",
    "LossWarning",
    "MissingPackageError",
    "Parameter",
    "ParameterError",
    "ShapeError",
    "TrainingBackup",
    "UntrainedLossError",
    "catalog",
    "compile_loss",
    "export_with_loss",
    "load_model",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
