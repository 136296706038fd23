"""`compile_loss` and what it returns."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from losscompiler.analysis import Finding, find
from losscompiler.errors import ArgumentError, FindingError, LossWarning, UntrainedLossError
from losscompiler.graph.build import Interface, check_names
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.parameter import Parameter
from losscompiler.pipeline import Stages, fixed_constants

if TYPE_CHECKING:
    import sympy

    from losscompiler.algebra.derivatives import Derivatives
    from losscompiler.program import Program
    from losscompiler.training import LossLayer
    from losscompiler.verify.check import GradientCheck
    from losscompiler.verify.evaluate import Evaluation
    from losscompiler.verify.numpy_loss import NumpyLoss

_FINDINGS = ("warn", "raise", "ignore")


def compile_loss(
    formula: Any,
    params: Mapping[str, Any] | None = None,
    *,
    targets: Sequence[str] = ("y",),
    predictions: Sequence[str] = ("p",),
    inputs: Sequence[str] = (),
    constants: Mapping[str, Any] | None = None,
    name: str | None = None,
    findings: str = "warn",
) -> CompiledLoss:
    """Compile a loss.

    Args:
        formula: loss text, a SymPy expression, or an entry of the catalogue.
        params: learnable parameters by name: a number (the initial value) or a `Parameter`. Given, or with a ``param``
            statement in the text, every other unknown name is an error; otherwise unknown names are learnable scalars.
            A parameter given here replaces the declaration of that name in the text.
        targets: names of targets. With the default, ``y`` and ``y_true`` are targets where they occur.
        predictions: names of predictions. With the default, ``p`` and ``y_pred`` are predictions where they occur.
        inputs: names of further data.
        constants: fixed numbers or arrays by name.
        name: what to call the loss; it names the emitted layer class.
        findings: "warn" issues each finding of that severity as a `LossWarning`, "raise" raises a `FindingError` for the
            first, "ignore" only lists them in ``loss.findings``.

    Returns:
        The compiled loss, which needs no Keras until a layer or numbers are asked for.

    Raises:
        FormulaError: about the text, with its place (`FormulaSyntaxError`, `FormulaNameError`, `FormulaCallError`,
            `FormulaLimitError`, `ParameterError`).
        ArgumentError: about the other arguments.
        FindingError: with ``findings="raise"``.
    """
    if findings not in _FINDINGS:
        raise ArgumentError(f"findings must be one of {', '.join(map(repr, _FINDINGS))}, not {findings!r}.")
    interface = Interface(
        _role(targets, "targets", "y"), _role(predictions, "predictions", "p"), check_names(inputs, "inputs"), _parameters(params),
        fixed_constants(constants),
    )  # fmt: skip
    if name is not None and not isinstance(name, str):
        raise ArgumentError(f"name must be text, not {name!r}.")
    text, title = _text_of(formula)
    loss = CompiledLoss(Stages(text, interface, name or title or "loss"))
    _report(loss, findings)
    return loss


def _role(names: Sequence[str], argument: str, default: str) -> tuple[str, ...] | None:
    """Return declared names; ``None`` for the default, whose names are data only where they occur."""
    checked = check_names(names, argument)
    return None if checked == (default,) else checked


def _parameters(params: Mapping[str, Any] | None) -> dict[str, Parameter] | None:
    if params is None:
        return None
    if not isinstance(params, Mapping):
        raise ArgumentError(f"params must be a mapping from names to numbers or Parameters, not {type(params).__name__}.")
    return {check_names([name], "params")[0]: value if isinstance(value, Parameter) else Parameter(value) for name, value in params.items()}


def _text_of(formula: Any) -> tuple[str, str | None]:
    """Return the text of a formula and what it is called."""
    if isinstance(formula, str):
        return formula, None
    text = getattr(formula, "formula", None)
    if isinstance(text, str):
        return text, getattr(formula, "key", None) or getattr(formula, "name", None)
    from losscompiler.algebra.from_sympy import is_expression, to_text

    if is_expression(formula):
        return to_text(formula), None
    raise ArgumentError(f"formula must be text or a SymPy expression, not {type(formula).__name__}.")


def _report(loss: CompiledLoss, findings: str) -> None:
    if findings == "ignore":
        return
    for finding in loss.findings:
        if finding.severity == "warning":
            if findings == "raise":
                raise FindingError(str(finding))
            warnings.warn(str(finding), LossWarning, stacklevel=3)


class CompiledLoss:
    """A loss, its derivatives, and everything that can be made of them."""

    def __init__(self, stages: Stages) -> None:
        self.stages = stages

    # -- what it is
    @property
    def name(self) -> str:
        """What the loss is called."""
        return self.stages.name

    @property
    def formula(self) -> str:
        """The text that was compiled."""
        return self.stages.text

    @property
    def graph(self) -> LossGraph:
        """The loss as a shared expression graph, as written."""
        return self.stages.graph

    @property
    def parameters(self) -> dict[str, Parameter]:
        """What is learned, by name: initial values, bounds and shapes."""
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

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the loss, or worth knowing, in the order of the text."""
        return find(self.graph)

    # -- algebra
    @cached_property
    def symbols(self) -> dict[str, sympy.Symbol]:
        """The SymPy symbols of ``expression`` and ``derivatives`` by name; they are real, and positive where bounds say so."""
        from losscompiler.algebra.to_sympy import symbols_of

        return symbols_of(self.graph)

    @cached_property
    def expression(self) -> sympy.Expr:
        """The loss as a SymPy expression, as written: nothing is simplified.

        Raises:
            BudgetError: if it is too large to be written out.
        """
        from losscompiler.algebra.to_sympy import to_sympy

        return to_sympy(self.graph.loss, self.symbols, evaluate=False)

    @property
    def derivatives(self) -> Derivatives:
        """First derivatives by prediction and parameter, as SymPy expressions.

        Without reductions: of each element. With reductions: of the sum of the loss.
        """
        return self.stages.derivatives

    def derivative(self, *names: str) -> sympy.Expr:
        """Return a derivative of any order: ``derivative("p", "a")`` is d2L/dp da.

        Without reductions it is that of each element. With reductions it is that of the sum of the loss; by two array
        variables, such as ("p", "p"), it is then the Hessian summed over its columns, the diagonal only where elements do
        not mix.

        Raises:
            ArgumentError: if a name is neither a prediction nor a parameter.
            BudgetError: if the expression is too large to be written out.
        """
        return self.derivatives.of(*names)

    def latex(self) -> str:
        """Return the loss and its first derivatives as LaTeX."""
        from losscompiler.algebra.derivatives import latex_of

        return latex_of(self.graph, self.derivatives, self.expression, self.graph.variables)

    # -- text for people
    def summary(self) -> str:
        """Return the loss, its names, derivatives and findings as text."""
        from losscompiler.report.summary import summary

        return summary(self.stages, self.findings)

    def explain(self) -> str:
        """Return every stage of the compilation as text."""
        from losscompiler.report.explain import explain

        return explain(self.stages, self.findings)

    def __repr__(self) -> str:
        return f"<CompiledLoss {self.name}: {' '.join(self.formula.split())[:80]}>"

    def _repr_latex_(self) -> str:
        return f"$${self.latex()}$$"

    # -- code
    @property
    def program(self) -> Program:
        """Value and all gradients as one straight-line program."""
        return self.stages.program

    @property
    def module(self) -> ModuleType:
        """The emitted Keras module, loaded."""
        return self.stages.module

    def source(self, target: str = "keras") -> str:
        """Return a Python module that computes the loss and its gradients without this package.

        For both targets it has ``value(*data, *parameters)``, ``gradients``, ``value_and_pullback`` and ``loss``, in the order
        of its ``DATA`` and ``PARAMETERS``, which give each parameter's initial value, bounds and shape.

        Args:
            target: "keras": functions on ``keras.ops`` for any of its backends, and a layer class with trainable parameters;
                "numpy": functions on NumPy arrays, which need NumPy 2 alone, and SciPy if the loss has special functions.

        Raises:
            ArgumentError: if there is no such target.
        """
        if target == "keras":
            return self.stages.generated.text
        if target == "numpy":
            return self.stages.generated_numpy.text
        raise ArgumentError(f"target must be 'keras' or 'numpy', not {target!r}.")

    def layer(self, **options: Any) -> LossLayer:
        """Return the loss as a Keras layer with trainable parameters; see `LossLayer` for the options."""
        from losscompiler.training import LossLayer

        return LossLayer(self, **options)

    # -- numbers
    def numpy(self) -> NumpyLoss:
        """Return the loss as a function of NumPy arrays, ``f(y, p, a=0.3)``, that needs no Keras; see `NumpyLoss`.

        Raises:
            MissingPackageError: if the loss has special functions and SciPy is not installed.
        """
        from losscompiler.verify.numpy_loss import NumpyLoss

        return NumpyLoss(self)

    def value_and_gradients(
        self, data: Mapping[str, Any], params: Mapping[str, Any] | None = None, *, reduction: str = "none", dtype: str = "float32"
    ) -> Evaluation:
        """Evaluate the loss and all its gradients without a model, by the program that trains.

        Args:
            data: arrays of targets, predictions and inputs by name.
            params: values of parameters by name; those left out take their initial values.
            reduction: "none", or "mean" or "sum" over every element of the loss.
            dtype: "float32" or "float64".

        Returns:
            ``.value``, and ``.gradients[name]`` of its sum by every prediction and parameter (for a bounded parameter by
            the constrained value), as NumPy arrays.

        Raises:
            ArgumentError: if an array is missing, unknown or not numeric, or an option is unknown.
            ShapeError: if shapes do not fit.
        """
        from losscompiler.verify.evaluate import value_and_gradients

        return value_and_gradients(self, data, params, reduction=reduction, dtype=dtype)

    def check_gradients(
        self, data: Mapping[str, Any] | None = None, params: Mapping[str, Any] | None = None, **options: Any
    ) -> GradientCheck:
        """Compare every analytic derivative with automatic differentiation and with 50-digit arithmetic.

        Args:
            data: arrays by name; points drawn from the loss's domain if left out.
            params: values of parameters; initial and random ones if left out.
            options: see `losscompiler.verify.check_gradients`.
        """
        from losscompiler.verify.check import check_gradients

        return check_gradients(self, data, params, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise: Keras would call the loss but never train its parameters.

        Raises:
            UntrainedLossError: always.
        """
        raise UntrainedLossError(
            "a compiled loss cannot be given to model.compile(loss=...): Keras would call it but never train its parameters. "
            "Wrap the model instead: model = losscompiler.LossModel(net, loss); model.compile(optimizer)."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return CompiledLoss, (self.stages,)
