"""Program to source text."""

from losscompiler.emit.module import KerasModule, emit_keras

__all__ = ["KerasModule", "emit_keras"]
