"""`Formula` to `LossGraph`: what every name means."""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from losscompiler.errors import ArgumentError, FormulaLimitError, FormulaNameError, ParameterError
from losscompiler.functions import LANGUAGE
from losscompiler.graph import axes as ax
from losscompiler.graph.constants import constant_value
from losscompiler.graph.expressions import ExpressionBuilder
from losscompiler.graph.loss_graph import Hazard, LossGraph
from losscompiler.graph.node import Graph, Node, operations, reachable
from losscompiler.graph.parameter import Parameter
from losscompiler.source import Source, Span
from losscompiler.syntax import limits, tree

DEFAULT_TARGETS = ("y", "y_true")
DEFAULT_PREDICTIONS = ("p", "y_pred")
_ROLES = ("target", "prediction", "input")
_CONSTANTS = ("pi", "inf")
_KNOWN_NUMBERS = {
    "e": "exp(1)", "E": "exp(1)", "Pi": "pi", "PI": "pi", "π": "pi", "Inf": "inf", "infinity": "inf", "oo": "inf", "True": "1",
    "False": "0",
}  # fmt: skip
_MISSING = ("nan", "none", "null")
_CONSTANT_HINT = "Bounds and initial values are made of numbers and pi."
_NOWHERE = Span(0, 0)


@dataclass(frozen=True)
class Interface:
    """What the caller of ``compile_loss`` said about names, beside the text.

    ``None`` for a role means that nothing was said, and the default names count.
    """

    targets: tuple[str, ...] | None = None
    predictions: tuple[str, ...] | None = None
    inputs: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] | None = None
    constants: Mapping[str, Any] | None = None


def build(formula: tree.Formula, interface: Interface | None = None) -> LossGraph:
    """Resolve every name of a formula and return its graph.

    Raises:
        FormulaNameError, FormulaCallError, FormulaSyntaxError, FormulaLimitError, ParameterError: with the place.
        ArgumentError: if the interface contradicts the text.
    """
    return _Builder(formula, interface or Interface()).run()


class _Builder:
    def __init__(self, formula: tree.Formula, interface: Interface) -> None:
        self.formula = formula
        self.source: Source = formula.source
        self.interface = interface
        self.graph = Graph(formula.source)
        self.roles: dict[str, str] = {}
        self.parameters: dict[str, Parameter] = {}
        self.constants: dict[str, Any] = dict(interface.constants or {})
        self.places: dict[str, Span] = {}
        self.definitions: dict[str, Node] = {}
        self.defined_at: dict[str, Span] = {}
        self.used: set[str] = set()
        self.implicit: list[str] = []
        self.hazards: list[Hazard] = []
        self.skeletons: dict[str, str] = {}
        self.strict = interface.parameters is not None or any(isinstance(s, tree.ParameterDeclaration) for s in formula.statements)
        self.builder = ExpressionBuilder(self.graph, self.source, self._resolve, self.graph.make, not_functions=self._what)

    # -- the pipeline of this stage
    def run(self) -> LossGraph:
        self._declare_roles()
        self._find_definitions()
        self._declare_parameters()
        self.graph.vectors = frozenset(name for name, parameter in self.parameters.items() if len(parameter.shape) == 1) | {
            name for name, value in self.constants.items() if len(getattr(value, "shape", ())) == 1
        }
        for statement in self.formula.statements:
            if isinstance(statement, tree.Definition):
                self.definitions[statement.name.name] = self.builder.build(statement.value)
        loss = self.builder.number(self.builder.build(self.formula.loss), self.formula.loss.span)
        self._check_size(loss)
        self._check_given_parameters()
        return LossGraph(
            source=self.source,
            graph=self.graph,
            loss=loss,
            targets=self._data_of("target"),
            predictions=self._data_of("prediction"),
            inputs=self._data_of("input"),
            parameters=self.parameters,
            constants={name: value for name, value in self.constants.items() if getattr(value, "shape", ()) != ()},
            definitions=self.definitions,
            unused_definitions=tuple(name for name in self.definitions if name not in self.used),
            implicit=tuple(self.implicit),
            hazards=tuple(self.hazards),
            places=self.defined_at | self.places,
        )

    def _check_size(self, loss: Node) -> None:
        size = operations([loss])
        if size > limits.OPERATIONS:
            raise FormulaLimitError(
                "too-large", f"the loss has {size:,} operations; the limit is {limits.OPERATIONS:,}", self.source, self.formula.loss.span,
                "Sums over data are written with reductions such as sum(...) and vector parameters.",
            )  # fmt: skip

    def _data_of(self, role: str) -> tuple[str, ...]:
        names = [name for name, given in self.roles.items() if given == role]
        declared = [name for name in names if name not in self._defaults]
        # Default names are data only where they occur.
        return tuple(name for name in names if name in declared or name in self.used)

    # -- declarations
    def _declare_roles(self) -> None:
        given: dict[str, list[tuple[str, Span]]] = {role: [] for role in _ROLES}
        for role, names in zip(_ROLES, (self.interface.targets, self.interface.predictions, self.interface.inputs), strict=True):
            given[role] += [(_checked_name(name, f"{role}s"), _NOWHERE) for name in names or ()]
        for statement in self.formula.statements:
            if isinstance(statement, tree.Roles):
                given[statement.role] += [(name.name, name.span) for name in statement.names]
        for role, declared in given.items():
            for name, span in declared:
                if name in self.roles and (span is not _NOWHERE or self.roles[name] != role):
                    if span is _NOWHERE:
                        raise ArgumentError(f"'{name}' is declared as {self.roles[name]} and as {role}.")
                    if self.places.get(name, _NOWHERE) is not _NOWHERE or self.roles[name] != role:
                        raise self._twice("redefinition", f"'{name}' is declared twice", name, span)
                self._check_free(name, span)
                self.roles[name] = role
                self.places[name] = span
        taken = (
            {n.name.name for n in self.formula.statements if isinstance(n, tree.ParameterDeclaration)}
            | set(self.interface.parameters or {})
            | set(self.constants)
        )
        self._defaults: set[str] = set()
        for role, names in (("target", DEFAULT_TARGETS), ("prediction", DEFAULT_PREDICTIONS)):
            if not given[role]:
                for name in names:
                    if name not in self.roles and name not in taken:
                        self.roles[name] = role
                        self._defaults.add(name)

    def _check_free(self, name: str, span: Span) -> None:
        if name in _CONSTANTS:
            raise FormulaNameError("redefinition", f"'{name}' is a constant of the language", self.source, span, "Choose another name.")
        if name in self.constants:
            raise ArgumentError(f"'{name}' is given as a constant and declared in the text.")

    def _find_definitions(self) -> None:
        for statement in self.formula.statements:
            if not isinstance(statement, tree.Definition):
                continue
            name, span = statement.name.name, statement.name.span
            if name in self.defined_at:
                raise self._twice("redefinition", f"'{name}' is defined twice", name, span)
            if name in self.roles:
                role = self.roles[name]
                hint = f"Choose another name, or declare the {role} under another name ('{role} ...') first."
                notes = (self.places[name],) if self.places.get(name, _NOWHERE) is not _NOWHERE else ()
                raise FormulaNameError("shadows-data", f"'{name}' is the {role} and cannot be redefined", self.source, span, hint, notes)
            if name in (self.interface.parameters or {}):
                raise FormulaNameError(
                    "shadows-data", f"'{name}' is a parameter and cannot be redefined", self.source, span, "Choose another name."
                )
            self._check_free(name, span)
            self.defined_at[name] = span

    def _declare_parameters(self) -> None:
        for name, parameter in (self.interface.parameters or {}).items():
            _checked_name(name, "params")
            if name in self.roles:
                raise ArgumentError(f"'{name}' is given as a parameter, but it is the {self.roles[name]}.")
            if name in self.constants:
                raise ArgumentError(f"'{name}' is given both as a parameter and as a constant.")
            self.parameters[name] = parameter
        for statement in self.formula.statements:
            if not isinstance(statement, tree.ParameterDeclaration):
                continue
            name, span = statement.name.name, statement.name.span
            if name in self.defined_at:
                first, second = sorted((self.defined_at[name], span), key=lambda s: s.start)
                raise FormulaNameError(
                    "redefinition", f"'{name}' is declared and defined", self.source, second, "Choose another name.", (first,)
                )
            if name in self.roles or name in self.places:
                raise self._twice("redefinition", f"'{name}' is declared twice", name, span)
            self._check_free(name, span)
            self.places[name] = span
            declared = self._parameter(statement)
            self._point_out_default(name, span)
            # What the caller passes wins over the text, so that one text serves several starting values.
            self.parameters.setdefault(name, declared)

    def _point_out_default(self, name: str, span: Span) -> None:
        """Point out a parameter with the default name of data, where nothing else is declared to be such data."""
        for role, names in (("target", DEFAULT_TARGETS), ("prediction", DEFAULT_PREDICTIONS)):
            declared = any(given == role and other not in self._defaults for other, given in self.roles.items())
            if name in names[:1] and not declared:
                self.hazards.append(
                    Hazard(
                        "name-hazard", name, f"'{name}' is a learnable parameter here, not the {role}, whose default name it is",
                        f"Name the parameter otherwise, or declare the {role}: '{role} t'.", span,
                    )
                )  # fmt: skip

    def _parameter(self, statement: tree.ParameterDeclaration) -> Parameter:
        shape = tuple(self._dimension(dimension) for dimension in statement.shape)
        bounds, closed = (None, None), (True, True)
        interval = statement.interval
        if interval is not None:
            bounds = tuple(None if end is None else self._constant(end, "bad-interval") for end in (interval.lower, interval.upper))  # type: ignore[assignment]
            closed = (interval.closed_lower, interval.closed_upper)
        init: Any = None
        if statement.initial is not None:
            init = self._initial(statement.initial)
        try:
            Parameter(bounds=bounds, closed=closed)
        except ArgumentError as error:
            place = interval.span if interval else statement.span
            raise ParameterError("bad-interval", f"{error}".rstrip("."), self.source, place, "Write 'in (lower, upper)'.") from None
        try:
            return Parameter(init, bounds=bounds, shape=shape, closed=closed)
        except ArgumentError as error:
            place = statement.initial.span if statement.initial is not None else statement.span
            hint = "Start inside the bounds, with the declared shape."
            raise ParameterError("bad-initial", f"{error}".rstrip("."), self.source, place, hint) from None

    def _initial(self, node: tree.Expression) -> Any:
        """Return an initial value: a number, or lists of numbers for vector literals."""
        if isinstance(node, tree.Vector):
            return [self._initial(item) for item in node.items]
        return self._constant(node, "bad-initial")

    def _dimension(self, dimension: tree.Number | tree.Name) -> int | str:
        if isinstance(dimension, tree.Number):
            if dimension.value.denominator == 1 and 0 < dimension.value <= 2**24:
                return int(dimension.value)
        elif self.roles.get(dimension.name) == "prediction":
            self.used.add(dimension.name)
            return dimension.name
        raise ParameterError(
            "bad-shape", "a parameter's shape is made of positive whole numbers or a prediction's name", self.source, dimension.span,
            "Write w[3] for three elements, w[p] for one element a column of p.",
        )  # fmt: skip

    def _constant(self, node: tree.Expression, code: str) -> float:
        """Return the number that a constant expression means."""

        def refuse(name: tree.Name) -> Node:
            if name.name in _CONSTANTS:
                return self.graph.const(name.name, name.span)
            raise ParameterError(code, f"'{name.name}' is not constant", self.source, name.span, _CONSTANT_HINT)

        constant = ExpressionBuilder(self.graph, self.source, refuse, self.graph.make).build(node)
        value = constant_value(constant, self.source)
        if value is None:
            raise ParameterError(code, "this is not a single number", self.source, node.span, _CONSTANT_HINT)
        if math.isinf(value) and code == "bad-initial":
            raise ParameterError(code, "an initial value must be finite", self.source, node.span, "Write a number.")
        return value

    def _check_given_parameters(self) -> None:
        for name, parameter in (self.interface.parameters or {}).items():
            for length in parameter.shape:
                if isinstance(length, str) and self.roles.get(length) != "prediction":
                    raise ArgumentError(f"the shape of parameter '{name}' names '{length}', which is not a prediction.")

    # -- names
    def _resolve(self, node: tree.Name) -> Node:
        name, span = node.name, node.span
        if name in self.definitions:
            self.used.add(name)
            return self.definitions[name]
        if name in self.defined_at:
            raise FormulaNameError(
                "use-before-definition", f"'{name}' is used before its definition", self.source, span,
                "Move its definition above this line; definitions cannot go in circles.", (self.defined_at[name],),
            )  # fmt: skip
        if name in self.constants:
            return self._given_constant(name, span)
        if name in self.roles or name in self.parameters:
            return self._symbol(name, span)
        if name in _CONSTANTS:
            return self.graph.const(name, span)
        return self._unknown(name, span)

    def _symbol(self, name: str, span: Span) -> Node:
        self.used.add(name)
        if self.places.get(name, _NOWHERE) is _NOWHERE:
            self.places[name] = span
        parameter = self.parameters.get(name)
        axes = ax.SCALAR if parameter is not None and not parameter.shape else ax.leaf(name)
        return self.graph.symbol(name, axes, span)

    def _given_constant(self, name: str, span: Span) -> Node:
        self.used.add(name)
        value = self.constants[name]
        if getattr(value, "shape", ()) != ():
            return self.graph.symbol(name, ax.leaf(name), span)
        number = float(value)
        if math.isinf(number):
            inf = self.graph.const("inf", span)
            return inf if number > 0 else self.graph.make("neg", inf, span=span)
        return self.graph.const(Fraction(repr(number)), span)

    def _unknown(self, name: str, span: Span) -> Node:
        twin = self._look_alike(name)
        if self.strict:
            raise self._unknown_error(name, span, twin)
        found = self._hazard(name, twin)
        if found is not None:
            message, hint = found
            self.hazards.append(Hazard("name-hazard", name, message, f"{hint}, or declare 'param {name}'.", span))
        self.implicit.append(name)
        self.parameters[name] = Parameter(1.0)
        return self._symbol(name, span)

    @staticmethod
    def _hazard(name: str, twin: str | None) -> tuple[str, str] | None:
        """Return what a name that becomes a parameter may have been meant to be, and how to write that."""
        here = f"'{name}' is a learnable parameter here"
        if name in _KNOWN_NUMBERS:
            return f"{here}, not a constant", f"Write {_KNOWN_NUMBERS[name]} for the constant"
        if name.lower() in _MISSING:
            return f"{here}, not a missing value", "Leave points out by where(condition, a, b) or where="
        if name in LANGUAGE:
            return f"{here}, not the function {name}(...)", f"Call the function as {name}(...)"
        if twin:
            return (
                f"'{name}' ({_describe(name)}) looks like '{twin}' but is another name, here a learnable parameter",
                f"Write '{twin}' if you mean it",
            )
        return None

    def _unknown_error(self, name: str, span: Span, twin: str | None) -> FormulaNameError:
        if twin:
            return FormulaNameError(
                "unknown-name",
                f"'{name}' ({_describe(name)}) looks like '{twin}' but is another name",
                self.source,
                span,
                f"Write '{twin}'.",
            )
        if name in _KNOWN_NUMBERS:
            return FormulaNameError(
                "unknown-name", f"there is no '{name}'", self.source, span, f"Write {_KNOWN_NUMBERS[name]} for the constant."
            )
        if name in LANGUAGE:
            return FormulaNameError(
                "function-as-value", f"'{name}' is a function; it has no value without a call", self.source, span,
                f"Write {name}(...), or declare 'param {name}'.",
            )  # fmt: skip
        known = sorted(
            {*self.parameters, *self.definitions, *(n for n in self.roles if n not in self._defaults or n in self.used), *_CONSTANTS}
        )
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"Did you mean '{close[0]}'? " if close else ""
        return FormulaNameError(
            "unknown-name", f"there is no '{name}': it is neither data, parameter nor definition", self.source, span,
            f"{hint}Parameters are declared: param {name} = 1.",
        )  # fmt: skip

    def _look_alike(self, name: str) -> str | None:
        if not self.skeletons:
            for known in sorted({*self.roles, *self.parameters, *self.defined_at}):
                self.skeletons.setdefault(_skeleton(known), known)
        skeleton = _skeleton(name)
        other = self.skeletons.setdefault(skeleton, name)
        if other != name:
            return other
        return skeleton if skeleton != name and skeleton in LANGUAGE else None

    def _what(self, name: str) -> str:
        """Say what a name that is called is, if it is no function."""
        if name in self.roles:
            return f"the {self.roles[name]}"
        if name in self.parameters:
            return "a parameter"
        if name in self.defined_at:
            return "a definition"
        if name in _CONSTANTS:
            return "a constant"
        return "a symbol" if len(name) == 1 else ""

    def _twice(self, code: str, message: str, name: str, span: Span) -> FormulaNameError:
        first = self.defined_at.get(name) or self.places.get(name, _NOWHERE)
        notes = () if first is _NOWHERE else (first,)
        return FormulaNameError(code, message, self.source, span, "Choose another name for one of them.", notes)


# Letters of other scripts that most fonts draw like a Latin one (Unicode Technical Standard 39, the common ones).
_CONFUSABLE = str.maketrans(
    "асԁеһіјӏорԛѕԝхуАВСЕНІЈКМОРЅТХΑΒΕΖΗΙΚΜΝΟΡΤΥΧνοεαρτυχγικ", "acdehijlopqswxyABCEHIJKMOPSTXABEZHIKMNOPTYXvoeaptuxyik"
)


def _skeleton(name: str) -> str:
    return unicodedata.normalize("NFKC", name).translate(_CONFUSABLE)


def _describe(name: str) -> str:
    for character in name:
        if ord(character) > 127:
            return f"U+{ord(character):04X} {unicodedata.name(character, 'unnamed')}"
    return "the same letters"


def _checked_name(name: Any, argument: str) -> str:
    if not isinstance(name, str) or not name.isidentifier() or name.startswith("__"):
        raise ArgumentError(f"{argument} must hold names such as 'y', not {name!r}.")
    return unicodedata.normalize("NFKC", name)


def check_names(names: Sequence[str] | str, argument: str) -> tuple[str, ...]:
    """Return a caller's list of names, normalised; a single string counts as one name."""
    if not isinstance(names, str) and not isinstance(names, Iterable):
        raise ArgumentError(f"{argument} must hold names such as 'y', not {names!r}.")
    return tuple(_checked_name(name, argument) for name in ((names,) if isinstance(names, str) else names))


def free_symbols(loss: LossGraph) -> frozenset[str]:
    """Return the names that the loss really depends on."""
    return frozenset(node.name for node in reachable([loss.loss]) if node.op == "symbol")
