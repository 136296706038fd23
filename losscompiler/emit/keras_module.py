"""A program as a Python module for Keras that runs without this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import ModuleType

from losscompiler.emit.folding import fold
from losscompiler.emit.module import ModuleWriter, load_module, return_tuple
from losscompiler.emit.prelude import keras_library
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.program import Program, RowProgram

_THIRD_PARTY = {"import keras", "import numpy as np", "from keras import ops"}


@dataclass(frozen=True)
class KerasModule:
    """Emitted source, and how to get a module of it.

    The module has ``value_and_pullback(*data, *parameters)``, ``value``, ``gradients``, ``loss`` (the value with its
    analytic derivative attached) and a layer class named ``layer``.
    """

    text: str
    layer: str

    def load(self) -> ModuleType:
        """Return the source as a module; its lines show in tracebacks."""
        return load_module(self.text, self.layer)


def emit_keras(
    loss: LossGraph, program: Program, *, name: str, derivatives: Mapping[str, str], rows: RowProgram | None = None
) -> KerasModule:
    """Write the module of a program.

    Args:
        loss: the loss, for its text and the facts about its parameters.
        program: what to compute.
        name: what the loss is called; the layer class is named after it.
        derivatives: the text of each derivative, for the docstring.
        rows: what to compute where some data have length 1 along the last axis, if that is something else.
    """
    writer = _KerasWriter(loss, program, name, derivatives, rows)
    return KerasModule(writer.text(), writer.title)


@cache
def _layer_class() -> str:
    text = files("losscompiler").joinpath("runtime/keras_layer.py").read_text(encoding="utf-8")
    return text[text.index("class FormulaLayer") :].rstrip()


class _KerasWriter(ModuleWriter):
    floatx = "keras.config.floatx()"

    def text(self) -> str:
        """Return the whole module."""
        functions = [*self._value_and_pullback_of_rows(), self._value_and_pullback(), self._value(), self._gradients(), self._loss()]
        used = self.writer.used | {"bounded", "maximum", "minimum", "pull_back", "unbounded"}
        imports, definitions = keras_library().needed(used)
        standard = sorted(set(imports) - _THIRD_PARTY)
        header = "\n\n".join("\n".join(group) for group in (standard, sorted(_THIRD_PARTY, key=len)) if group)
        blocks = [f"{self._docstring()}\n\n{header}", self._tables(), *definitions, *functions, _layer_class(), self._class()]
        return "\n\n\n".join(blocks) + "\n"

    def _conversion(self) -> list[str]:
        names = [self.program.names[name] for name in (*self.loss.data, *self.loss.parameters)]
        if self.program.wide or not names:
            return []  # `double_inside` does
        # PyTorch multiplies no array of NumPy by a tensor.
        self.writer.used.add("alike")
        return [f"{', '.join(names)}{',' if len(names) == 1 else ''} = alike({self.arguments})"]

    def _loss(self) -> str:
        order = {name: position for position, name in enumerate(self.loss.variables)}
        returned = [
            f"found[{order[name]}]" if name in order else f"ops.zeros_like({self.program.names[name]})"
            for name in (*self.loss.data, *self.loss.parameters)
        ]
        return "\n".join(
            [
                f"def loss({self.arguments}):",
                '    """Return the loss; its derivative is the analytic one, by data that are no predictions it is 0."""',
                "",
                "    @ops.custom_gradient",
                f"    def forward({self.arguments}):",
                f"        loss, pullback = value_and_pullback({self.arguments})",
                "",
                "        def backward(*upstreams, upstream=None):",
                "            found = pull_back(value_and_pullback, pullback, upstreams, upstream)",
                fold(f"            {return_tuple(returned)}"),
                "",
                "        return loss, backward",
                "",
                f"    return forward({self.arguments})",
            ]
        )

    def _class(self) -> str:
        return "\n".join(
            [
                f"class {self.title}(FormulaLayer):",
                '    """The loss as a layer with trainable parameters."""',
                "",
                "    DATA = DATA",
                "    PREDICTIONS = PREDICTIONS",
                "    PARAMETERS = PARAMETERS",
                "",
                "    def formula(self, *arrays):",
                '        """Return the loss of data and parameters."""',
                "        return loss(*arrays)",
            ]
        )
