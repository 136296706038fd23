"""Expression trees to graph nodes, through the table of functions and nothing else."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

from losscompiler.errors import FormulaCallError, FormulaNameError, FormulaSyntaxError
from losscompiler.functions import FUNCTIONS, LANGUAGE, Function, Kind, lookup
from losscompiler.graph.axes import AxisArgument
from losscompiler.graph.node import Attribute, Graph, Node
from losscompiler.source import Source, Span
from losscompiler.syntax import parse, tree

_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "div", "**": "pow", "@": "matmul"}
_COMPARISONS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
_LARGEST_ORDER = 20
_ELEMENTWISE_OF = {"max": "maximum", "min": "minimum"}
_MASK_FILL: dict[str, int | str] = {
    "sum": 0, "norm": 0, "prod": 1, "max": "-inf", "min": "inf", "logsumexp": "-inf", "softmax": "-inf", "log_softmax": "-inf",
}  # fmt: skip
"""What stands in a reduction for elements that ``where`` leaves out."""


@dataclass
class Keywords:
    """Keyword arguments of a reduction, resolved."""

    axis: AxisArgument = -1
    where: Node | None = None
    weights: Node | None = None


@dataclass
class ExpressionBuilder:
    """Turns expression trees into nodes of one graph.

    Attributes:
        graph: where nodes are made.
        source: the text that trees come from; the place of errors.
        resolve: gives the node of a name.
        make: `Graph.make` for a user's text, `Graph.simple` for derivatives.
        keywords: what reductions use where nothing is written: the texts of the table inherit their caller's.
        internal: whether the compiler's own functions may be called, as the texts of the table do.
        span: the span of every node where the text is not the user's.
        attrs: attributes that the compiler's own structural functions inherit from the node that a text is about.
        not_functions: says what a name that is called is, if it is no function.
    """

    graph: Graph
    source: Source
    resolve: Callable[[tree.Name], Node]
    make: Callable[..., Node]
    keywords: Keywords = field(default_factory=Keywords)
    internal: bool = False
    span: Span | None = None
    attrs: dict[str, Attribute] = field(default_factory=dict)
    not_functions: Callable[[str], str] = lambda name: ""

    # -- entry
    def build(self, root: tree.Expression) -> Node:
        """Return the node of an expression."""
        return self._walk(root)

    def _walk(self, root: tree.Expression) -> Node:
        """Evaluate a tree bottom-up without recursion."""
        done: dict[int, Node] = {}
        stack: list[tuple[tree.Expression, bool]] = [(root, False)]
        while stack:
            node, expanded = stack.pop()
            if expanded:
                done[id(node)] = self._node(node, done)
                continue
            stack.append((node, True))
            if isinstance(node, tree.Call):
                self._check_call(node)
                below: tuple[tree.Expression, ...] = (*node.arguments, *(k.value for k in node.keywords if k.name != "axis"))
            elif isinstance(node, tree.Subscript):
                below = (node.base,) if _literal_index(node.index) is not None else (node.base, node.index)
            else:
                below = tree.children(node)  # type: ignore[assignment]
            stack.extend((child, False) for child in reversed(below))
        return done[id(root)]

    def _at(self, node: tree.Node) -> Span:
        return self.span or node.span

    def _node(self, node: tree.Expression, done: dict[int, Node]) -> Node:
        span = self._at(node)
        match node:
            case tree.Number():
                return self.graph.const(node.value, span)
            case tree.Name():
                return self.resolve(node)
            case tree.Prefix():
                inner = done[id(node.operand)]
                if node.operator == "not":
                    return self.make("not", self.condition(inner, span), span=span)
                inner = self.number(inner, span)
                return inner if node.operator == "+" else self.make("neg", inner, span=span)
            case tree.Binary():
                left, right = done[id(node.left)], done[id(node.right)]
                if node.operator in ("and", "or"):
                    return self.make(node.operator, self.condition(left, span), self.condition(right, span), span=span)
                return self.make(_ARITHMETIC[node.operator], self.number(left, span), self.number(right, span), span=span)
            case tree.Compare():
                return self._compare(node, [self.number(done[id(part)], span) for part in node.operands], span)
            case tree.Conditional():
                return self.make(
                    "where", self.condition(done[id(node.condition)], span), self.number(done[id(node.then)], span),
                    self.number(done[id(node.otherwise)], span), span=span,
                )  # fmt: skip
            case tree.Call():
                return self._call(node, done)
            case tree.Subscript():
                return self._subscript(node, done)
            case tree.Vector():
                items = [self.number(done[id(item)], span) for item in node.items]
                # Elements that are arrays have lengths of their own; they stand one after the other.
                return self._chain("concat", items, span) if any(item.axes for item in items) else self.make("vector", *items, span=span)
            case tree.Tuple():
                raise FormulaSyntaxError(
                    "not-a-value", "a tuple is not a value", self.source, span, "Write a vector as [a, b]; tuples stand after axis= only."
                )
            case tree.Slice():
                raise FormulaSyntaxError(
                    "bad-subscript", "the ends of a range must be whole numbers", self.source, span, "Write x[1:], x[:-1] or x[0:3]."
                )
            case tree.Keyword():
                raise AssertionError("keyword arguments are read with their call")

    # -- conditions and numbers
    def condition(self, node: Node, span: Span) -> Node:
        """Return a value as a condition: itself, or whether it is not 0."""
        return node if node.boolean else self.make("ne", node, self.graph.const(0, span), span=span)

    def number(self, node: Node, span: Span) -> Node:
        """Return a value as a number: itself, or 0 and 1 for a condition."""
        return self.make("number", node, span=span) if node.boolean else node

    def _compare(self, node: tree.Compare, operands: list[Node], span: Span) -> Node:
        links = [
            self.make(_COMPARISONS[operator], left, right, span=span)
            for operator, left, right in zip(node.operators, operands, operands[1:], strict=False)
        ]
        result = links[0]
        for link in links[1:]:
            result = self.make("and", result, link, span=span)
        return result

    # -- calls
    def _check_call(self, node: tree.Call) -> Function:
        """Return the function's row after its name, argument count and keywords are found right."""
        row = FUNCTIONS.get(node.function) if self.internal else None
        row = row or lookup(node.function)
        if row is None:
            what = self.not_functions(node.function)
            if what:
                raise FormulaNameError(
                    "not-a-function", f"'{node.function}' is {what}, not a function", self.source, node.name_span,
                    f"Multiplication is always written: {node.function}*(...).",
                )  # fmt: skip
            hint = _hint_for_missing(node.function)
            raise FormulaNameError("unknown-function", f"there is no function '{node.function}'", self.source, node.name_span, hint)
        self._check_arity(node, row)
        for position, keyword in enumerate(node.keywords):
            if keyword.name not in row.keywords:
                takes = f"It takes {', '.join(f'{name}=' for name in row.keywords)}." if row.keywords else "It takes no keyword arguments."
                raise FormulaCallError(
                    "unknown-keyword", f"{node.function} has no argument '{keyword.name}'", self.source, keyword.span, takes
                )
            if any(other.name == keyword.name for other in node.keywords[:position]):
                raise FormulaCallError("unknown-keyword", f"'{keyword.name}' is given twice", self.source, keyword.span, "Give it once.")
        return row

    def _check_arity(self, node: tree.Call, row: Function) -> None:
        given = len(node.arguments)
        least, most = row.arity
        if row.name in _ELEMENTWISE_OF or row.name in ("maximum", "minimum", "concat"):
            least, most = min(least, 2), max(given, least, 2)
        if row.name in _ELEMENTWISE_OF and given >= 2 and node.keywords:
            raise FormulaCallError(
                "bad-argument", f"{node.function} of several values is elementwise and takes no {node.keywords[0].name}=", self.source,
                node.keywords[0].span, f"Reduce one value ({node.function}(x, axis=...)), or drop the keyword.",
            )  # fmt: skip
        if not least <= given <= most:
            chained = row.name in _ELEMENTWISE_OF or row.name in ("maximum", "minimum", "concat")
            wanted = f"at least {least}" if chained else str(least) if least == most else f"{least} to {most}"
            plural = "" if wanted.endswith("1") else "s"
            raise FormulaCallError(
                "arity", f"{node.function} takes {wanted} argument{plural}, got {given}", self.source, self._at(node),
                f"Write {node.function}({', '.join(row.arguments)}).",
            )  # fmt: skip

    def _call(self, node: tree.Call, done: dict[int, Node]) -> Node:
        row = FUNCTIONS.get(node.function) if self.internal else None
        row = row or LANGUAGE[node.function]
        span = self._at(node)
        arguments = [done[id(argument)] for argument in node.arguments]
        if row.name == "where":
            condition, *branches = arguments
            return self.make("where", self.condition(condition, span), *(self.number(branch, span) for branch in branches), span=span)
        if row.name in ("any", "all"):
            arguments = [self.condition(argument, span) for argument in arguments]
        else:
            arguments = [self.number(argument, span) for argument in arguments]
        if row.name == "heaviside" and len(arguments) == 1:
            arguments.append(self.graph.const(Fraction(1, 2), span))
        if row.whole:
            self._check_order(node, row, arguments[row.arguments.index(row.whole)])
        if row.name in ("one_hot", "arange"):
            self._check_size(node, arguments[-1])
        if len(arguments) >= 2 and (row.name in _ELEMENTWISE_OF or row.name in ("maximum", "minimum", "concat")):
            return self._chain(_ELEMENTWISE_OF.get(row.name, row.name), arguments, span)
        if row.kind in (Kind.REDUCTION, Kind.ALONG_AXIS) and row.keywords:
            return self.reduction(row, arguments, self._read_keywords(node, row, done), span)
        return self.apply(row, arguments, Keywords(), span)

    def _chain(self, op: str, arguments: list[Node], span: Span) -> Node:
        result = arguments[0]
        for argument in arguments[1:]:
            result = self.make(op, result, argument, span=span)
        return result

    def apply(self, row: Function, arguments: list[Node], keywords: Keywords, span: Span) -> Node:
        """Return a function of nodes, expanding what the table defines inline."""
        if not row.inline:
            attrs = self.attrs if row.internal and row.kind is Kind.STRUCTURAL else {}
            return self.make(row.name, *arguments, span=span, **attrs)
        return self.expand(row.definition, dict(zip(row.arguments, arguments, strict=True)), keywords, span)

    def expand(
        self, text: str, names: dict[str, Node], keywords: Keywords, span: Span | None, attrs: dict[str, Attribute] | None = None
    ) -> Node:
        """Return the node of a text of the table, with its names bound to nodes."""
        formula = _table_text(text)
        inner = ExpressionBuilder(
            self.graph, formula.source, lambda name: names[name.name] if name.name in names else _constant(self.graph, name.name, span),
            self.make, keywords, internal=True, span=span, attrs=attrs or {},
        )  # fmt: skip
        return inner.number(inner.build(formula.loss), span or Span(0, 1))

    # -- reductions
    def _read_keywords(self, node: tree.Call, row: Function, done: dict[int, Node]) -> Keywords:
        inherited = self.keywords
        keywords = Keywords(
            inherited.axis, inherited.where if "where" in row.keywords else None, inherited.weights if "weights" in row.keywords else None
        )
        for keyword in node.keywords:
            if keyword.name == "axis":
                keywords.axis = self._axis(keyword.value)
            elif keyword.name == "where":
                keywords.where = self.condition(done[id(keyword.value)], self._at(keyword))
            else:
                keywords.weights = self.number(done[id(keyword.value)], self._at(keyword))
        if row.name in ("cumsum", "logcumsumexp", "sort", "flip", "argmax", "argmin") and not isinstance(keywords.axis, int):
            raise FormulaCallError(
                "bad-argument", f"{node.function} runs along one axis", self.source, self._at(node), "Write axis= with one whole number."
            )
        return keywords

    def _axis(self, value: tree.Expression) -> AxisArgument:
        if isinstance(value, tree.Name) and value.name == "all":
            return "all"
        items = value.items if isinstance(value, tree.Tuple) else (value,)
        numbers = [_literal_integer(item) for item in items]
        if any(number is None or abs(number) > 31 for number in numbers) or len(set(numbers)) != len(numbers):
            raise FormulaCallError(
                "bad-argument", "axis must be a whole number, several different ones in parentheses, or all", self.source, self._at(value),
                "Write axis=-1 for the last axis, axis=0 for the batch, axis=(0, 1) or axis=all.",
            )  # fmt: skip
        return tuple(number for number in numbers if number is not None) if isinstance(value, tree.Tuple) else numbers[0] or 0

    def reduction(self, row: Function, arguments: list[Node], keywords: Keywords, span: Span) -> Node:
        """Return a reduction or a function along an axis, with ``where`` and ``weights`` worked in."""
        if row.name == "std" and keywords.weights is not None:
            return self._weighted_std(arguments[0], keywords, span)
        if row.inline:
            return self.apply(row, arguments, keywords, span)
        if len(arguments) > 1:
            return self.make(row.name, *arguments, span=span, axis=keywords.axis)
        (x,) = arguments
        if row.name in ("sum", "mean") and keywords.weights is not None:
            return self._weighted(row.name, x, keywords, span)
        if keywords.where is None:
            return self._reduce(row.name, x, keywords.axis, span)
        mask = keywords.where
        if row.name == "count":
            return self._reduce("sum", self._spread(self.number(mask, span), x, span), keywords.axis, span)
        if row.name == "mean":
            total = self._reduce("sum", self._masked(x, mask, 0, span), keywords.axis, span)
            return self.make(
                "div", total, self._reduce("sum", self._spread(self.number(mask, span), x, span), keywords.axis, span), span=span
            )
        return self._reduce(row.name, self._masked(x, mask, _MASK_FILL[row.name], span), keywords.axis, span)

    def _reduce(self, op: str, x: Node, axis: AxisArgument, span: Span) -> Node:
        if not x.axes:
            return self._of_one_number(op, x, span)
        return self.make(op, x, span=span, axis=axis)

    def _of_one_number(self, op: str, x: Node, span: Span) -> Node:
        """Return what a reduction, or a function along an axis, makes of a single number."""
        if op == "norm":
            return self.make("abs", x, span=span)
        # Sums, means, extremes, running sums and orders of one number are that number.
        fixed = {"count": 1, "softmax": 1, "log_softmax": 0, "argmax": 0, "argmin": 0}.get(op)
        return x if fixed is None else self.graph.const(fixed, span)

    def _masked(self, x: Node, mask: Node, fill: int | str, span: Span) -> Node:
        other = self.graph.const(0 if fill == 0 else 1 if fill == 1 else "inf", span)
        return self.make("where", mask, x, self.make("neg", other, span=span) if fill == "-inf" else other, span=span)

    def _spread(self, part: Node, like: Node, span: Span) -> Node:
        """Return a mask or weight at the full shape of what it selects, so that its elements are counted right."""
        return part if part.axes == like.axes else self.make("broadcast_to", part, self.make("mul", part, like, span=span), span=span)

    def _weighted(self, op: str, x: Node, keywords: Keywords, span: Span) -> Node:
        assert keywords.weights is not None
        weights = self._spread(keywords.weights, x, span)
        product = self.make("mul", keywords.weights, x, span=span)
        if keywords.where is not None:
            weights = self._masked(weights, keywords.where, 0, span)
            product = self._masked(product, keywords.where, 0, span)
        total = self._reduce("sum", product, keywords.axis, span)
        return total if op == "sum" else self.make("div", total, self._reduce("sum", weights, keywords.axis, span), span=span)

    def _weighted_std(self, x: Node, keywords: Keywords, span: Span) -> Node:
        """Return sqrt(var(x)) as a norm, whose derivative is 0 where all values are equal."""
        assert keywords.weights is not None
        deviation = self.make("sub", x, self._weighted("mean", x, keywords, span), span=span)
        product = self.make("mul", self.make("sqrt", keywords.weights, span=span), deviation, span=span)
        weights = self._spread(keywords.weights, x, span)
        if keywords.where is not None:
            product, weights = (self._masked(part, keywords.where, 0, span) for part in (product, weights))
        total = self._reduce("sum", weights, keywords.axis, span)
        return self.make("div", self._reduce("norm", product, keywords.axis, span), self.make("sqrt", total, span=span), span=span)

    # -- arguments that must be numbers
    def _check_order(self, node: tree.Call, row: Function, order: Node) -> None:
        value = order.value if order.op == "const" else None
        if not (isinstance(value, Fraction) and value.denominator == 1 and 0 <= value <= _LARGEST_ORDER):
            raise FormulaCallError(
                "bad-argument", f"the order of {row.name} must be a whole number from 0 to {_LARGEST_ORDER}", self.source,
                self._at(node.arguments[0]), f"Write {row.name}({', '.join(['1', *row.arguments[1:]])}).",
            )  # fmt: skip

    def _check_size(self, node: tree.Call, size: Node) -> None:
        value = size.value if size.op == "const" else None
        if size.op != "count" and not (isinstance(value, Fraction) and value.denominator == 1 and 0 < value <= 1_000_000):
            raise FormulaCallError(
                "bad-argument", f"{node.function} needs its length as a whole number or as count(x)", self.source,
                self._at(node.arguments[-1]), "Write a number such as 10, or count(p).",
            )  # fmt: skip

    # -- subscripts
    def _subscript(self, node: tree.Subscript, done: dict[int, Node]) -> Node:
        span = self._at(node)
        base = self.number(done[id(node.base)], span)
        if not base.axes and not self.internal:
            what, hint = "this value is a scalar", "Subscripts select along the last axis of data or of a vector."
            if base.op == "symbol":
                what, hint = f"'{base.name}' is a scalar", f"Declare its length: param {base.name}[3]."
            raise FormulaSyntaxError("bad-subscript", f"{what} and has no elements to select", self.source, span, hint)
        literal = _literal_index(node.index)
        if isinstance(literal, int):
            return self.make("select", base, span=span, index=literal)
        if literal is not None:
            return self.make("range", base, span=span, start=literal[0], stop=literal[1])
        index = done[id(node.index)]
        if index.constant and index.op != "vector":
            raise FormulaSyntaxError(
                "bad-subscript", "a position must be a whole number", self.source, self._at(node.index),
                "Write p[0] for the first element of the last axis, p[-1] for the last.",
            )  # fmt: skip
        return self.make("gather", base, self.number(index, span), span=span)


def _constant(graph: Graph, name: str, span: Span | None) -> Node:
    return graph.const(name, span)


@cache
def _table_text(text: str) -> tree.Formula:
    return parse(text, "<table of functions>")


def _literal_integer(node: tree.Expression | None) -> int | None:
    sign = 1
    while isinstance(node, tree.Prefix) and node.operator in "+-":
        sign = -sign if node.operator == "-" else sign
        node = node.operand
    if isinstance(node, tree.Number) and node.value.denominator == 1 and node.value < 2**31:
        return sign * int(node.value)
    return None


def _literal_index(node: tree.Expression) -> int | tuple[int | None, int | None] | None:
    """Return a literal position or range, or ``None`` for an index that is computed."""
    if not isinstance(node, tree.Slice):
        return _literal_integer(node)
    ends = [_literal_integer(end) for end in (node.start, node.stop)]
    if any(written is not None and end is None for written, end in zip((node.start, node.stop), ends, strict=True)):
        return None
    return ends[0], ends[1]


_ABSENT = {
    **dict.fromkeys(("factorial", "fact"), "Write exp(lgamma(n + 1)), or lgamma(n + 1) for its logarithm."),
    **dict.fromkeys(
        ("gamma", "Gamma", "tgamma"), "Write exp(lgamma(x)), or lgamma(x) for its logarithm; gamma itself is an ordinary name: gamma*x."
    ),
    **dict.fromkeys(("binomial", "binom", "comb"), "Write exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1))."),
    **dict.fromkeys(("int", "trunc", "fix"), "Write floor(x), or sign(x)*floor(abs(x)) to round towards 0."),
    **dict.fromkeys(("float", "cast", "array", "tensor"), "Numbers are all of one kind; drop the call."),
    **dict.fromkeys(("mod", "fmod", "remainder"), "Write x - n*floor(x/n)."),
    "median": "Write sort(x)[k], with the position k in the middle.",
    "divide": "Write x/y.", "multiply": "Write x*y.", "subtract": "Write x - y.",
}  # fmt: skip
"""What to write for well-known functions that the language does not have."""


def _hint_for_missing(name: str) -> str:
    if name in _ABSENT:
        return _ABSENT[name]
    close = difflib.get_close_matches(name, sorted(LANGUAGE), n=1, cutoff=0.65)
    return f"Did you mean '{close[0]}'?" if close else "The functions are listed in the language reference."
