"""A program as a Python module that needs NumPy alone, and SciPy where the loss has special functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

from losscompiler.emit.folding import fold
from losscompiler.emit.module import ModuleWriter, load_module
from losscompiler.emit.numpy_text import numpy_library, numpy_text
from losscompiler.emit.prelude import names_read
from losscompiler.errors import MissingPackageError
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.program import Program, RowProgram


@dataclass(frozen=True)
class NumpyModule:
    """Emitted source, and how to get a module of it.

    The module has ``value_and_pullback(*data, *parameters)``, ``value``, ``gradients`` and ``loss`` (the value, by the name
    that Keras modules have for it) on NumPy arrays.
    """

    text: str
    name: str

    def load(self) -> ModuleType:
        """Return the source as a module; its lines show in tracebacks.

        Raises:
            MissingPackageError: if the loss has special functions and SciPy is not installed.
        """
        try:
            return load_module(self.text, f"{self.name}_numpy")
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] != "scipy":
                raise
            raise MissingPackageError(
                "this loss has special functions, which NumPy code takes from SciPy, and SciPy is not installed: "
                "pip install 'losscompiler[numpy]'."
            ) from None


def emit_numpy(
    loss: LossGraph, program: Program, *, name: str, derivatives: Mapping[str, str], rows: RowProgram | None = None
) -> NumpyModule:
    """Write the NumPy module of a program; the arguments are those of `emit_keras`."""
    writer = _NumpyWriter(loss, program, name, derivatives, rows)
    return NumpyModule(writer.text(), writer.title)


def _translated(code: str) -> str:
    """Return Keras code as NumPy code; lines that names of SciPy make too long are broken."""
    return "\n".join(fold(line) for line in numpy_text(code).split("\n"))


class _NumpyWriter(ModuleWriter):
    floatx = '"float64"'

    def text(self) -> str:
        """Return the whole module."""
        programs = [f"@on_arrays\n{code}" for code in (*self._value_and_pullback_of_rows(), self._value_and_pullback())]
        functions = [_translated(code) for code in (*programs, self._value(), self._gradients())]
        functions.append("# A Keras module attaches the derivative to this one, for automatic differentiation.\nloss = value")
        imports, definitions = numpy_library().needed(frozenset().union(*map(names_read, [self._tables(), *functions])))
        third_party = [line for line in ("import numpy as np", "from scipy import special") if line in imports]
        standard = sorted(set(imports) - set(third_party))
        header = "\n\n".join("\n".join(group) for group in (standard, third_party) if group)
        return "\n\n\n".join([f"{self._docstring()}\n\n{header}", self._tables(), *definitions, *functions]) + "\n"
