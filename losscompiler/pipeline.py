"""The stages of compilation, in order, each made when it is first asked for.

    text -> Formula -> LossGraph -> (stable) LossGraph -> Gradients -> Program -> KerasModule

Everything above (layers, checks, reports, `CompiledLoss`) reads its stages here, so that what is shown, what is checked
and what is trained are the same objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from types import ModuleType
from typing import Any

from losscompiler.algebra.derivatives import Derivatives
from losscompiler.derivative import Gradients, gradients
from losscompiler.emit import KerasModule, NumpyModule, emit_keras, emit_numpy
from losscompiler.emit.prelude import prelude_names
from losscompiler.graph.build import Interface, build
from losscompiler.graph.config import from_config, to_config
from losscompiler.graph.constants import constant_values
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Node
from losscompiler.graph.printing import node_text
from losscompiler.graph.shapes import infer_known
from losscompiler.program import Program, RowProgram, schedule
from losscompiler.stable import Rule, economise, guard, loses_digits, mend, stabilise, with_harmless_operands
from losscompiler.stable.means import inside_means
from losscompiler.stable.rows import of_one_row, of_rows, one_a_row
from losscompiler.syntax import parse
from losscompiler.syntax.tree import Formula

_MOST_SHOWN, _LONGEST_SHOWN = 24, 600
"""Derivatives in the docstring of an emitted module, and characters of each: beyond that the code itself is clearer."""


class Stages:
    """A loss on its way from text to module.

    Args:
        text: the loss.
        interface: what was said about its names beside the text.
        name: what to call it.

    Raises:
        FormulaError: if the text is wrong; the graph is built at once, later stages cannot fail.
    """

    def __init__(self, text: str, interface: Interface | None = None, name: str = "loss") -> None:
        self.text = text
        self.interface = interface or Interface()
        self.name = name
        self.formula: Formula = parse(text, f"<{name}>")
        self.graph: LossGraph = build(self.formula, self.interface)
        # Refuse constants that overflow here, with their place, and not in the middle of a training run.
        constant_values([self.graph.loss, *self.graph.definitions.values()], self.graph.source)
        infer_known(self.graph)

    @cached_property
    def _stabilised(self) -> tuple[LossGraph, list[tuple[Rule, Node]]]:
        return stabilise(self.graph)

    @property
    def stable(self) -> LossGraph:
        """The loss in accurate forms; what is differentiated."""
        return self._stabilised[0]

    @property
    def fired(self) -> list[tuple[Rule, Node]]:
        """The rewrite rules that fired, with the nodes that they replaced."""
        return self._stabilised[1]

    @cached_property
    def mended(self) -> tuple[LossGraph, list[tuple[Rule, Node]]]:
        """The accurate forms with their removable singularities mended, and what was done: what programs come from."""
        mended, repairs = mend(self.stable, self.graph)
        return (stabilise(mended)[0] if repairs else mended), repairs

    @cached_property
    def gradients(self) -> Gradients:
        """Adjoints of all predictions and parameters."""
        return gradients(self.stable.graph, self.stable.loss, self.stable.variables)

    @cached_property
    def derivatives(self) -> Derivatives:
        """The same gradients as people write them."""
        return Derivatives(self.stable, self.gradients)

    @cached_property
    def program(self) -> Program:
        """Value and gradients as one straight-line program."""
        stable, repairs = self.mended
        found = gradients(stable.graph, stable.loss, stable.variables) if repairs else self.gradients
        return _lowered(stable, found, self.graph, bool(repairs))

    @cached_property
    def _of_rows(self) -> tuple[RowProgram | None, list[tuple[Rule, Node]]]:
        names = one_a_row(self.graph)
        if not names:
            return None, []
        written = of_one_row(self.graph, names)
        stable, fired = stabilise(written)
        stable, repairs = mend(stable, written)
        stable = stabilise(stable)[0] if repairs else stable
        if node_text(stable.loss) == node_text(inside_means(self.mended[0].loss)[0]):
            return None, []
        rows = of_rows(stable, names, self.graph)
        shaped = of_rows(of_one_row(self.graph, names), names, self.graph)
        program = _lowered(rows, gradients(rows.graph, rows.loss, rows.variables), shaped, bool(repairs))
        # The shape of a loss is what its text says, whatever lengths its data have.
        return RowProgram(names, replace(program, dropped=self.program.dropped)), [*fired, *repairs]

    @property
    def row_program(self) -> RowProgram | None:
        """The program for data that turn out to have one number a row; ``None`` if it would be no other."""
        return self._of_rows[0]

    @property
    def changes(self) -> list[tuple[Rule, Node]]:
        """All rules that fired and singularities that were mended, for every program."""
        return [*self.fired, *self.mended[1], *self._of_rows[1]]

    @cached_property
    def generated(self) -> KerasModule:
        """The emitted Keras module as text, with its derivatives in the docstring."""
        return emit_keras(self.graph, self.program, name=self.name, derivatives=self._shown_derivatives, rows=self.row_program)

    @cached_property
    def generated_numpy(self) -> NumpyModule:
        """The emitted NumPy module as text, with its derivatives in the docstring."""
        return emit_numpy(self.graph, self.program, name=self.name, derivatives=self._shown_derivatives, rows=self.row_program)

    @property
    def _shown_derivatives(self) -> dict[str, str]:
        variables = self.graph.variables if len(self.graph.variables) <= _MOST_SHOWN else ()
        shown = {name: self.derivatives.text(name) for name in variables}
        return {name: text if len(text) <= _LONGEST_SHOWN else "(long; see pullback below)" for name, text in shown.items()}

    @cached_property
    def module(self) -> ModuleType:
        """The emitted module, loaded; importing it imports Keras."""
        return self.generated.load()

    @cached_property
    def numpy_module(self) -> ModuleType:
        """The emitted NumPy module, loaded.

        Raises:
            MissingPackageError: if the loss has special functions and SciPy is not installed.
        """
        return self.generated_numpy.load()

    # -- saving
    def config(self) -> dict[str, Any]:
        """Return what makes the same stages again, as JSON types.

        Raises:
            ArgumentError: if a regularizer of the caller's own cannot be written.
        """
        return to_config(self.text, self.name, self.interface)

    @classmethod
    def from_config(cls, config: Any) -> Stages:
        """Return the stages that `config` described.

        Raises:
            ArgumentError: if a newer version wrote the config, or it is damaged.
            FormulaError: if its formula is wrong.
        """
        text, name, interface = from_config(config)
        return cls(text, replace(interface, constants=fixed_constants(interface.constants)), name)

    def __reduce__(self) -> tuple[Any, ...]:
        return Stages.from_config, (self.config(),)


def _lowered(stable: LossGraph, found: Gradients, written: LossGraph, mended: bool) -> Program:
    """Return the program of derivatives: merged, guarded and in the precision that it needs, which what is mended always does."""
    wanted = [found.value, *(node for node in found.by_name.values() if node is not None)]
    place = economise(stable.graph, [*wanted, *stable.definitions.values()])
    guarded = guard(stable, list(place.values()))
    place = {index: guarded[node.index] for index, node in place.items()}
    wide = mended or loses_digits(written, [place[node.index] for node in wanted])
    harmless = with_harmless_operands(stable.graph, [place[node.index] for node in wanted])
    place = {index: harmless.get(node.index, node) for index, node in place.items()}
    by_name = {name: None if node is None else place[node.index] for name, node in found.by_name.items()}
    lowered = replace(found, value=place[found.value.index], by_name=by_name)
    definitions = {name: place[node.index] for name, node in stable.definitions.items()}
    program = schedule(replace(stable, loss=lowered.value, definitions=definitions), lowered, prelude_names())
    return replace(program, wide=wide)


def fixed_constants(constants: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return constants as floats and float64 arrays.

    Raises:
        ArgumentError: if one is not a number, or NaN.
    """
    from losscompiler.errors import ArgumentError
    from losscompiler.graph.build import check_names

    result: dict[str, Any] = {}
    if constants is not None and not isinstance(constants, Mapping):
        raise ArgumentError(f"constants must be a mapping from names to numbers or arrays, not {type(constants).__name__}.")
    if constants:
        import numpy as np

        for name, value in constants.items():
            try:
                array = np.asarray(value, dtype="float64")
            except (TypeError, ValueError):
                raise ArgumentError(f"constant '{name}' must be a number or an array of numbers, not {value!r}.") from None
            if np.isnan(array).any():
                raise ArgumentError(f"constant '{name}' holds NaN.")
            result[check_names([name], "constants")[0]] = float(array) if array.ndim == 0 else array
    return result
