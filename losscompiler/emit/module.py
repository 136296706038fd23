"""What emitted modules of all targets have in common: text about the loss, its program, and how a text becomes a module."""

from __future__ import annotations

import keyword
import linecache
import re
import sys
from collections.abc import Mapping
from itertools import count
from types import ModuleType

from losscompiler.emit.expression import ExpressionWriter
from losscompiler.emit.folding import LONGEST_LINE, fold
from losscompiler.emit.prelude import prelude_names
from losscompiler.graph.constants import constant_values
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import reachable
from losscompiler.graph.shapes import lookup_tables
from losscompiler.program import Program, RowProgram

_numbers = count(1)

_OF_ROWS = "value_and_pullback_of_rows"


def load_module(text: str, name: str) -> ModuleType:
    """Return emitted source as a module; its lines show in tracebacks."""
    number = next(_numbers)
    filename = f"<losscompiler {name} {number}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    module = ModuleType(f"losscompiler_{name}_{number}")
    # torch.compile imports by name what the functions that it compiles read.
    sys.modules[module.__name__] = module
    # The text is this package's own: user text occurs in it only as escaped docstrings and checked identifiers.
    exec(compile(text, filename, "exec"), module.__dict__)
    return module


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


class ModuleWriter:
    """Writes what the modules of all targets have in common, as code over ``ops``."""

    floatx: str
    """The dtype of a loss without data and parameters, as an expression of the target."""

    def __init__(
        self, loss: LossGraph, program: Program, name: str, derivatives: Mapping[str, str], rows: RowProgram | None = None
    ) -> None:
        self.loss = loss
        self.rows = rows
        self.of_rows = None if rows is None else type(self)(loss, rows.program, name, derivatives)
        self.only_where = ""
        if self.of_rows is not None and rows is not None:
            single = [program.names[name] for name in rows.names]
            self.of_rows.only_where = f"{' and '.join(single)} {'has' if len(single) == 1 else 'have'} length 1 along the last axis"
        self.program = program
        self.title = _class_name(name)
        self.derivatives = derivatives
        names = {
            node.index: program.names[node.name]
            for node in reachable([program.value, program.upstream, *(g for g in program.gradients.values() if g is not None)])
            if node.op == "symbol"
        }
        names |= {assignment.node.index: assignment.name for assignment in (*program.forward, *program.backward)}
        roots = [program.value, *(node for node in program.gradients.values() if node is not None)]
        self.writer = ExpressionWriter(names, constant_values(roots, loss.source, check=False))
        self.data = [program.names[name] for name in loss.data]
        self.parameters = [program.names[name] for name in loss.parameters]
        self.arguments = ", ".join([*self.data, *self.parameters])

    # -- text for people
    def _docstring(self) -> str:
        indent = "\n    "
        lines = [f'"""{self.title}: a loss with learnable parameters, compiled from its formula by losscompiler.', ""]
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
            texts = {name: str(value.tolist()).replace("inf", "np.inf") for name, value in self.loss.constants.items()}
            lines.append(f"CONSTANTS = {{{', '.join(f'{name!r}: np.array({text})' for name, text in texts.items())}}}")
        return "\n".join(lines)

    # -- functions
    def _value_and_pullback(self, name: str = "value_and_pullback") -> str:
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
        for variable, identifier in variables:
            node = program.gradients[variable]
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
        body += self._conversion()
        body += self._alignment()
        if self.rows is not None:
            self.writer.used.add("one_a_row")
            body.append(f"if one_a_row({', '.join(program.names[name] for name in self.rows.names)}):")
            body.append(f"    return {_OF_ROWS}({self.arguments})")
        if self.loss.constants:
            self.writer.uses_dtype = True
        if self.writer.uses_dtype:
            like = next(iter([*(program.names[n] for n in self.loss.predictions), *self.data, *self.parameters]), None)
            body.append(f"dtype = {like}.dtype" if like else f"dtype = {self.floatx}")
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
        fits = len(returned) > 1 and len(line) + 8 <= LONGEST_LINE
        pull.append(line if fits else return_tuple(returned))
        what = ", ".join(identifier for _, identifier in variables)
        where = f", where {self.only_where}" if self.only_where else ""
        if program.wide:
            self.writer.used.add("double_inside")
        lines = [
            *(["@double_inside"] if program.wide else []),
            f"def {name}({self.arguments}):",
            f'    """Return the loss, and the function that takes a gradient of the loss back to ({what}){where}."""',
            *(fold(f"    {line}") for line in body),
            "",
            "    def pullback(upstream):",
            *(fold(f"        {line}") for line in pull),
            "",
            "    return loss, pullback",
        ]
        return "\n".join(lines)

    def _value_and_pullback_of_rows(self) -> list[str]:
        """Return the second program as a function, if there is one."""
        if self.of_rows is None:
            return []
        text = self.of_rows._value_and_pullback(_OF_ROWS)
        self.writer.used |= self.of_rows.writer.used
        return [text]

    def _conversion(self) -> list[str]:
        """Return the lines that make tensors of whatever comes in."""
        return []

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


def return_tuple(items: list[str]) -> str:
    """Return the statement that returns a tuple, even of one item."""
    return f"return ({', '.join(items)}{',' if len(items) == 1 else ''})"


def _literal(value: object) -> str:
    """Return a literal with double quotes, as the rest of the module has them."""
    text = repr(value)
    return text if '"' in text else text.replace("'", '"')
