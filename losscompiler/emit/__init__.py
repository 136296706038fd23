"""Program to source text."""

from losscompiler.emit.keras_module import KerasModule, emit_keras
from losscompiler.emit.numpy_module import NumpyModule, emit_numpy

__all__ = ["KerasModule", "NumpyModule", "emit_keras", "emit_numpy"]
