"""A program as a Python module for Keras that runs without this package."""

from __future__ import annotations

import keyword
import linecache
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import count
from types import ModuleType
from typing import Any

from losscompiler.emit.expression import ExpressionWriter
from losscompiler.emit.prelude import prelude, prelude_names
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import reachable
from losscompiler.graph.shapes import lookup_tables
from losscompiler.program import Program

_numbers = count(1)
_LONGEST_LINE = 118
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
        filename = f"<losscompiler {self.layer} {next(_numbers)}>"
        linecache.cache[filename] = (len(self.text), None, self.text.splitlines(keepends=True), filename)
        module = ModuleType(f"losscompiler_{self.layer}")
        # The text is this package's own: user text occurs in it only as escaped docstrings and checked identifiers.
        exec(compile(self.text, filename, "exec"), module.__dict__)
        return module


def emit_keras(
    loss: LossGraph, program: Program, constants: Mapping[int, Any], *, name: str, derivatives: Mapping[str, str]
) -> KerasModule:
    """Write the module of a program.

    Args:
        loss: the loss, for its text and the facts about its parameters.
        program: what to compute.
        constants: 50-digit values of constant nodes, by index.
        name: what the loss is called; the layer class is named after it.
        derivatives: the text of each derivative, for the docstring.
    """
    writer = _ModuleWriter(loss, program, constants, _class_name(name), derivatives)
    return KerasModule(writer.text(), writer.layer)


def _class_name(name: str) -> str:
    words = re.findall(r"[^\W_]+", name)
    identifier = "".join(word[0].upper() + word[1:] for word in words)
    if not identifier.isidentifier() or keyword.iskeyword(identifier) or not identifier.isascii():
        return "Loss"
    return identifier if identifier != "FormulaLayer" else "Loss"


def _escape(text: str) -> str:
    """Return user text as it may stand inside a docstring: no escape, quote or control character has an effect."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(c if c == "\n" or c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


@cache
def _layer_class() -> str:
    text = files("losscompiler").joinpath("runtime/keras_layer.py").read_text(encoding="utf-8")
    return text[text.index("class FormulaLayer") :].rstrip()


class _ModuleWriter:
    def __init__(self, loss: LossGraph, program: Program, constants: Mapping[int, Any], layer: str, derivatives: Mapping[str, str]) -> None:
        self.loss = loss
        self.program = program
        self.layer = layer
        self.derivatives = derivatives
        names = {
            node.index: program.names[node.name]
            for node in reachable([program.value, program.upstream, *(g for g in program.gradients.values() if g is not None)])
            if node.op == "symbol"
        }
        names |= {assignment.node.index: assignment.name for assignment in (*program.forward, *program.backward)}
        self.writer = ExpressionWriter(names, constants)
        self.data = [program.names[name] for name in loss.data]
        self.parameters = [program.names[name] for name in loss.parameters]
        self.arguments = ", ".join([*self.data, *self.parameters])

    def text(self) -> str:
        """Return the whole module."""
        functions = [self._value_and_pullback(), self._value(), self._gradients(), self._loss()]
        used = self.writer.used | {"bounded", "unbounded"}
        imports, definitions = prelude(frozenset(used))
        standard = sorted(set(imports) - _THIRD_PARTY)
        header = "\n\n".join("\n".join(group) for group in (standard, sorted(_THIRD_PARTY, key=len)) if group)
        blocks = [f"{self._docstring()}\n\n{header}", self._tables(), *definitions, *functions, _layer_class(), self._class()]
        return "\n\n\n".join(blocks) + "\n"

    # -- text for people
    def _docstring(self) -> str:
        indent = "\n    "
        lines = [f'"""{self.layer}: a loss with learnable parameters, compiled from its formula by losscompiler.', ""]
        lines.append("    " + _escape(self.loss.source.text.strip()).replace("\n", indent))
        if self.derivatives:
            lines += ["", "Derivatives:", ""]
            lines += ["    " + _escape(f"d/d{name} = {text}").replace("\n", indent) for name, text in self.derivatives.items()]
        lines += ["", *self._roles(), '"""']
        return "\n".join(line.rstrip() for line in lines)

    def _roles(self) -> list[str]:
        roles = [("Targets", self.loss.targets), ("Predictions", self.loss.predictions), ("Inputs", self.loss.inputs)]
        lines = [f"{role}: {', '.join(_escape(name) for name in names)}." for role, names in roles if names]
        if self.loss.parameters:
            facts = [
                f"{_escape(name)} = {parameter.init}{f' in {parameter.interval()}' if parameter.bounded else ''}"
                for name, parameter in self.loss.parameters.items()
            ]
            lines.append(f"Parameters: {'; '.join(facts)}.")
        return lines

    def _tables(self) -> str:
        lines = [f"DATA = {_literal(self.loss.data)}", f"PREDICTIONS = {_literal(self.loss.predictions)}"]
        if not self.loss.parameters:
            lines.append("PARAMETERS = {}")
        else:
            lines.append("PARAMETERS = {")
            for name, parameter in self.loss.parameters.items():
                fact = {
                    # What is not trained needs no smooth map into its bounds, which would move it off them.
                    "initial": parameter.init, "bounds": parameter.bounds if parameter.trainable else (None, None),
                    "shape": parameter.shape, "trainable": parameter.trainable,
                    "regularizer": parameter.config()["regularizer"],
                }  # fmt: skip
                lines.append(f"    {_literal(name)}: {_literal(fact)},")
            lines.append("}")
        if self.loss.constants:
            arrays = ", ".join(f"{name!r}: np.array({value.tolist()!r})" for name, value in self.loss.constants.items())
            lines.append(f"CONSTANTS = {{{arrays}}}")
        return "\n".join(lines)

    # -- functions
    def _value_and_pullback(self) -> str:
        program, write = self.program, self.writer.write
        body: list[str] = []
        forward = [f"{a.name} = {write(a.node, named=False)}" for a in program.forward]
        value_is_named = program.value.index in self.writer.names
        value = write(program.value)
        if program.value.constant or program.value.op == "symbol":
            self.writer.uses_dtype = True
        backward = [f"{a.name} = {write(a.node, named=False)}" for a in program.backward]
        returned = []
        taken = {*program.names.values(), *(a.name for a in (*program.forward, *program.backward)), *prelude_names()}
        variables = list(zip(self.loss.variables, [program.names[name] for name in self.loss.variables], strict=True))
        for name, identifier in variables:
            node = program.gradients[name]
            if node is None:
                returned.append(f"ops.zeros_like({identifier})")
                continue
            text = write(node)
            if len(variables) > 1 and not text.isidentifier() and len(text) > 24:
                local = f"d_{identifier}"
                while local in taken:
                    local += "_"
                taken.add(local)
                backward.append(f"{local} = {text}")
                text = local
            returned.append(text)
        body += self._alignment()
        if self.loss.constants:
            self.writer.uses_dtype = True
        if self.writer.uses_dtype:
            like = next(iter([*(program.names[n] for n in self.loss.predictions), *self.data, *self.parameters]), None)
            body.append(f"dtype = {like}.dtype" if like else "dtype = keras.config.floatx()")
        body += [f"{program.names[name]} = ops.convert_to_tensor(CONSTANTS[{name!r}], dtype)" for name in self.loss.constants]
        body += forward
        if program.value.constant:
            value = f"ops.convert_to_tensor({value}, dtype)"
        pull: list[str] = []
        if program.dropped != ():
            axes = None if program.dropped == "all" else program.dropped
            body.append(f"kept = {value}")
            body.append(f"loss = drop_axes(kept, {axes!r})")
            pull.append("upstream = restore_axes(upstream, kept)")
            self.writer.used |= {"drop_axes", "restore_axes"}
        elif not (value_is_named and value == "loss"):
            body.append(f"loss = {value}")
        pull += backward
        line = f"return {', '.join(returned)}"
        fits = len(returned) > 1 and len(line) + 8 <= _LONGEST_LINE
        pull.append(line if fits else _tuple(returned))
        what = ", ".join(identifier for _, identifier in variables)
        if program.wide:
            self.writer.used.add("double_inside")
        lines = [
            *(["@double_inside"] if program.wide else []),
            f"def value_and_pullback({self.arguments}):",
            f'    """Return the loss, and the function that takes a gradient of the loss back to ({what})."""',
            *(_fold(f"    {line}") for line in body),
            "",
            "    def pullback(upstream):",
            *(_fold(f"        {line}") for line in pull),
            "",
            "    return loss, pullback",
        ]
        return "\n".join(lines)

    def _alignment(self) -> list[str]:
        predictions = [self.program.names[name] for name in self.loss.predictions]
        lines: list[str] = []
        if not predictions:
            return lines
        like = ", ".join(predictions)
        used = {node.name for node in reachable([self.program.value]) if node.op == "symbol"}
        tables = lookup_tables(self.program.value)
        for names, function in ((self.loss.targets, "align_target"), (self.loss.inputs, "align_input")):
            for name in names:
                if name in used and name not in tables:
                    lines.append(f"{self.program.names[name]} = {function}({self.program.names[name]}, {like})")
                    self.writer.used.add(function)
        return lines

    def _value(self) -> str:
        return f'def value({self.arguments}):\n    """Return the loss."""\n    return value_and_pullback({self.arguments})[0]'

    def _gradients(self) -> str:
        arguments = f"{self.arguments}, " if self.arguments else ""
        return (
            f"def gradients({arguments}upstream=None):\n"
            f'    """Return the gradients of the sum of the loss, or of the sum of upstream * loss."""\n'
            f"    loss, pullback = value_and_pullback({self.arguments})\n"
            f"    return pullback(ops.ones_like(loss) if upstream is None else upstream)"
        )

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
                "            found = pullback(upstreams[0] if upstream is None else upstream)",
                _fold(f"            {_tuple(returned)}"),
                "",
                "        return loss, backward",
                "",
                f"    return forward({self.arguments})",
            ]
        )

    def _class(self) -> str:
        return "\n".join(
            [
                f"class {self.layer}(FormulaLayer):",
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


def _tuple(items: list[str]) -> str:
    return f"return ({', '.join(items)}{',' if len(items) == 1 else ''})"


def _literal(value: object) -> str:
    """Return a literal with double quotes, as the rest of the module has them."""
    text = repr(value)
    return text if '"' in text else text.replace("'", '"')


def _fold(line: str) -> str:
    """Break a line that is too long at its outermost operators."""
    if len(line) <= _LONGEST_LINE:
        return line
    indent = len(line) - len(line.lstrip())
    match = re.match(r"(\s*)(return |[\w]+ = )(.*)$", line, re.DOTALL)
    if match is None:
        return line
    head, body = match.group(1) + match.group(2), match.group(3)
    parts = _outer_parts(body)
    if len(parts) < 2:
        return line
    pad = " " * (indent + 4)
    lines, current = [], ""
    for part in parts:
        if current and len(pad) + len(current) + len(part) > _LONGEST_LINE:
            lines.append(current.rstrip())
            current = part.lstrip()
        else:
            current += part
    lines.append(current)
    joined = "\n".join(pad + text for text in lines)
    return f"{head}(\n{joined}\n{' ' * indent})"


def _outer_parts(body: str) -> list[str]:
    """Cut an expression before each + and - (or after each comma of a tuple) that stands outside all brackets."""
    tuple_form = body.startswith("(") and body.endswith(")") and _closes(body) == len(body) - 1 and "," in body
    inner = body[1:-1] if tuple_form else body
    parts, depth, start = [], 0, 0
    for i, c in enumerate(inner):
        depth += (c in "([") - (c in ")]")
        if depth == 0 and tuple_form and c == ",":
            parts.append(inner[start : i + 1] + " ")
            start = i + 1
        elif depth == 0 and not tuple_form and inner[i : i + 3] in (" + ", " - "):
            parts.append(inner[start : i + 1])
            start = i + 1
    parts.append(inner[start:])
    return [part if not tuple_form else part.lstrip() for part in parts if part.strip()]


def _closes(body: str) -> int:
    depth = 0
    for i, c in enumerate(body):
        depth += (c in "([") - (c in ")]")
        if depth == 0:
            return i
    return -1
