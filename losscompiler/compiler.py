"""The pipeline: one visible line a stage."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from losscompiler.derivative import Gradients, gradients
from losscompiler.emit import KerasModule, emit_keras
from losscompiler.emit.prelude import prelude_names
from losscompiler.errors import ArgumentError, BudgetError, FindingError, LossWarning, UntrainedLossError
from losscompiler.graph.build import DEFAULT_PREDICTIONS, DEFAULT_TARGETS, Interface, build, check_names
from losscompiler.graph.constants import constant_values
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Node
from losscompiler.graph.parameter import Parameter
from losscompiler.program import Program, schedule
from losscompiler.stable import stabilise
from losscompiler.stable.rewrite import rewrite
from losscompiler.stable.rules import LOWERING
from losscompiler.syntax import parse, print_formula

if TYPE_CHECKING:
    from losscompiler.verify.evaluate import Evaluation

_FINDINGS = ("warn", "raise", "ignore")


def compile_loss(
    formula: Any,
    params: Mapping[str, Any] | None = None,
    *,
    targets: Sequence[str] | None = None,
    predictions: Sequence[str] | None = None,
    inputs: Sequence[str] = (),
    constants: Mapping[str, Any] | None = None,
    name: str | None = None,
    findings: str = "warn",
) -> CompiledLoss:
    """Compile a loss.

    Args:
        formula: loss text, or a SymPy expression.
        params: learnable parameters by name: a number (the initial value) or a `Parameter`. Given, or with a ``param``
            statement in the text, every other unknown name is an error; otherwise unknown names are learnable scalars.
        targets: names of targets; ``y`` or ``y_true`` if left out.
        predictions: names of predictions; ``p`` or ``y_pred`` if left out.
        inputs: names of further data.
        constants: fixed numbers or arrays by name.
        name: what to call the loss; names the emitted layer class.
        findings: "warn" issues each finding as a `LossWarning`, "raise" raises a `FindingError` at the first, "ignore"
            only lists them in ``loss.findings``.

    Returns:
        The compiled loss, which needs no Keras until a layer is asked for.

    Raises:
        FormulaError: about the text, with its place (`FormulaSyntaxError`, `FormulaNameError`, `FormulaCallError`,
            `FormulaLimitError`, `ParameterError`).
        ArgumentError: about the other arguments.
        FindingError: with ``findings="raise"``.
    """
    if findings not in _FINDINGS:
        raise ArgumentError(f"findings must be one of {', '.join(map(repr, _FINDINGS))}, not {findings!r}.")
    interface = _interface(params, targets, predictions, inputs, constants)
    text = _text_of(formula)
    tree = parse(text, f"<{name or 'loss'}>")
    graph = build(tree, interface)
    values = constant_values([graph.loss, *graph.definitions.values()], graph.source)
    del values  # checked: every constant subexpression is finite
    loss = CompiledLoss(graph, interface, name or "loss")
    _report(loss, findings)
    return loss


def _text_of(formula: Any) -> str:
    if isinstance(formula, str):
        return formula
    text = getattr(formula, "formula", None)
    if isinstance(text, str) and not isinstance(formula, CompiledLoss):
        return text
    from losscompiler.algebra.from_sympy import is_expression, to_text

    if is_expression(formula):
        return to_text(formula)
    raise ArgumentError(f"formula must be text or a SymPy expression, not {type(formula).__name__}.")


def _interface(
    params: Mapping[str, Any] | None,
    targets: Sequence[str] | None,
    predictions: Sequence[str] | None,
    inputs: Sequence[str],
    constants: Mapping[str, Any] | None,
) -> Interface:
    def roles(names: Sequence[str] | None, argument: str, default: tuple[str, ...]) -> tuple[str, ...] | None:
        checked = None if names is None else check_names(names, argument)
        # The default written out is still the default: such a name is data only where it occurs.
        return None if checked == default[:1] else checked

    parameters = None
    if params is not None:
        if not isinstance(params, Mapping):
            raise ArgumentError(f"params must be a mapping from names to numbers or Parameters, not {type(params).__name__}.")
        parameters = {check_names(n, "params")[0]: v if isinstance(v, Parameter) else Parameter(v) for n, v in params.items()}
    return Interface(
        roles(targets, "targets", DEFAULT_TARGETS), roles(predictions, "predictions", DEFAULT_PREDICTIONS), check_names(inputs, "inputs"),
        parameters, _constants(constants),
    )  # fmt: skip


def _constants(constants: Mapping[str, Any] | None) -> dict[str, Any]:
    if not constants:
        return {}
    import numpy as np

    result: dict[str, Any] = {}
    for name, value in constants.items():
        try:
            array = np.asarray(value, dtype="float64")
        except (TypeError, ValueError):
            raise ArgumentError(f"constant '{name}' must be a number or an array of numbers, not {value!r}.") from None
        if np.isnan(array).any():
            raise ArgumentError(f"constant '{name}' holds NaN.")
        result[check_names(name, "constants")[0]] = float(array) if array.ndim == 0 else array
    return result


def _report(loss: CompiledLoss, findings: str) -> None:
    if findings == "ignore":
        return
    for finding in loss.findings:
        if finding.severity != "warning":
            continue
        if findings == "raise":
            raise FindingError(str(finding))
        warnings.warn(str(finding), LossWarning, stacklevel=3)


class CompiledLoss:
    """A loss, its derivatives, and everything that can be made of them.

    Attributes:
        name: what the loss is called.
        graph: the loss as a shared expression graph, as written.
    """

    def __init__(self, graph: LossGraph, interface: Interface, name: str) -> None:
        self.name = name
        self.graph = graph
        self._interface = interface

    # -- what it is
    @property
    def formula(self) -> str:
        """The text that was compiled."""
        return self.graph.source.text

    @property
    def parameters(self) -> dict[str, Parameter]:
        """What is learned, by name."""
        return dict(self.graph.parameters)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets."""
        return self.graph.targets

    @property
    def predictions(self) -> tuple[str, ...]:
        """Names of the predictions."""
        return self.graph.predictions

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of further data."""
        return self.graph.inputs

    # -- stages, each made when it is first asked for
    @cached_property
    def _stable(self) -> tuple[LossGraph, list[Any]]:
        return stabilise(self.graph)

    @cached_property
    def _gradients(self) -> Gradients:
        stable, _ = self._stable
        return gradients(stable.graph, stable.loss, stable.variables)

    @cached_property
    def _program(self) -> Program:
        stable, _ = self._stable
        found = self._gradients
        roots = [found.value, *(node for node in found.by_name.values() if node is not None), *stable.definitions.values()]
        done, _ = rewrite(stable.graph, roots, LOWERING)

        def lowered(node: Node | None) -> Node | None:
            return None if node is None else done[node.index]

        cheap = replace(found, value=done[found.value.index], by_name={name: lowered(node) for name, node in found.by_name.items()})
        definitions = {name: done[node.index] for name, node in stable.definitions.items()}
        return schedule(replace(stable, loss=cheap.value, definitions=definitions), cheap, prelude_names())

    @cached_property
    def _module(self) -> KerasModule:
        program = self._program
        roots = [program.value, *(node for node in program.gradients.values() if node is not None)]
        constants = constant_values(roots, self.graph.source)
        return emit_keras(self.graph, program, constants, name=self.name, derivatives={})

    @cached_property
    def module(self) -> ModuleType:
        """The emitted Keras module, loaded."""
        return self._module.load()

    @cached_property
    def findings(self) -> tuple[Any, ...]:
        """What is wrong with the loss."""
        return ()

    def source(self, target: str = "keras") -> str:
        """Return the emitted module's text."""
        if target != "keras":
            raise ArgumentError(f"target must be 'keras', not {target!r}.")
        return self._module.text

    def value_and_gradients(
        self, data: Mapping[str, Any], params: Mapping[str, Any] | None = None, *, reduction: str = "none", dtype: str = "float32"
    ) -> Evaluation:
        """Evaluate the loss and all its gradients without a model."""
        from losscompiler.verify.evaluate import value_and_gradients

        return value_and_gradients(self, data, params, reduction=reduction, dtype=dtype)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise UntrainedLossError("use LossModel")
