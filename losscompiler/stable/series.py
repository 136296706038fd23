"""Power series of an expression in one symbol around a point, with coefficients that are expressions in the other symbols.

Coefficients are made on demand, order by order. Those of a function g(h) follow from its derivative in the table of
functions: with f = g(h), the product rule on f' = g'(h) h' gives k f_k as a sum over j of j h_j d_(k-j), where d are the
coefficients of g'(h), which may hold f itself, but only up to order k - 1 (Griewank & Walther 2008, chapter 13).
A quotient lowers the order by that of its denominator's first coefficient other than 0, so that 0/0 resolves by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.graph import axes as ax
from losscompiler.graph.expressions import ExpressionBuilder, Keywords
from losscompiler.graph.node import Graph, Node, reachable
from losscompiler.source import Source
from losscompiler.stable.close_conditions import CloseConditions, NotAnalyticError
from losscompiler.stable.terms import coefficients, power_product, product_of, sum_of, total

_HIGHEST_ZERO = 4
"""Order up to which a denominator may vanish."""
_COUNTS = frozenset({"count", "eye_like"})
"""Functions of a shape alone."""


class Expansion:
    """The series of expressions in one symbol around a centre.

    Args:
        graph: where coefficients are made.
        name: the symbol.
        centre: the point, an expression in other symbols.
        vanishes: tells whether an expression in the other symbols is 0 for all their values.
        most: how many nodes the coefficients may add to the graph.
        indifferent: conditions, by index, between branches that are equal wherever both are defined; they need no series.

    Raises:
        NotAnalyticError: from any method, where there is no such series.
    """

    def __init__(
        self, graph: Graph, name: str, centre: Node, vanishes: Callable[[Node], bool], most: int, indifferent: frozenset[int]
    ) -> None:
        self.graph = graph
        self.name = name
        self.centre = centre
        self.vanishes = vanishes
        self.most = len(graph) + most
        self._coefficients: dict[tuple[int, int], Node | None] = {}
        self._lowest: dict[int, int] = {}
        self._moving: dict[int, bool] = {}
        self._conditions = CloseConditions(graph, self._moves, self._start_of, vanishes, indifferent)
        self._builder = ExpressionBuilder(graph, Source(""), _no_name, graph.simple, internal=True)

    def coefficient(self, node: Node, order: int) -> Node | None:
        """Return the coefficient of (symbol - centre)**order in a node; ``None`` for 0."""
        if not self._moves(node):
            return node if order == 0 and not node.is_number(0) else None
        if order < self.lowest(node):
            return None
        key = node.index, order
        if key not in self._coefficients:
            found = self._computed(node, order)
            if len(self.graph) > self.most:
                raise NotAnalyticError
            if found is not None and (found.is_number(0) or (found.op != "const" and self.vanishes(found))):
                found = None
            if found is not None and found.op in ("mul", "div"):
                found = _cancelled(self.graph, found)
            elif found is not None and found.op in ("add", "sub"):
                found = _collected(self.graph, found)
            self._coefficients[key] = found
        return self._coefficients[key]

    def lowest(self, node: Node) -> int:
        """Return an order below which all coefficients are 0."""
        if not self._moves(node):
            return 0
        if node.index not in self._lowest:
            self._lowest[node.index] = self._lowest_of(node)
        return self._lowest[node.index]

    def first(self, node: Node) -> int:
        """Return the order of the first coefficient other than 0."""
        low = self.lowest(node)
        for order in range(low, low + _HIGHEST_ZERO + 1):
            if self.coefficient(node, order) is not None:
                return order
        raise NotAnalyticError

    def unchanged(self) -> list[Node]:
        """Return conditions under which the branches of choices are those of the series."""
        return self._conditions.unchanged()

    def exponents(self, root: Node) -> list[Node]:
        """Return by how much the exponents of powers of other symbols move with the symbol, written as exponentials."""
        found = []
        for node in reachable([root]):
            if node.op == "pow" and self._moves(node.args[1]) and not self._moves(node.args[0]):
                rate = self.coefficient(node.args[1], 1) if self.lowest(node.args[1]) >= 0 else None
                if rate is not None:
                    found.append(self.graph.simple("mul", rate, _logarithm(self.graph, node.args[0])))
        return list(dict.fromkeys(found))

    def _start_of(self, node: Node) -> Node:
        return self.coefficient(node, 0) or self.graph.const(0)

    # -- orders
    def _lowest_of(self, node: Node) -> int:
        match node.op:
            case "add" | "sub" | "where":
                return min(self.lowest(arg) for arg in node.args if not arg.boolean)
            case "neg" | "sum" | "mean":
                return self.lowest(node.args[0])
            case "mul":
                return self.lowest(node.args[0]) + self.lowest(node.args[1])
            case "div":
                return self.lowest(node.args[0]) - self.first(node.args[1])
            case "relative_difference" | "contrast" | "log_of_quotient":
                return self.lowest(self._quotient_of(node))
            case "pow" if _whole(node.args[1]) is not None:
                exponent = _whole(node.args[1]) or 0
                return exponent * (self.lowest(node.args[0]) if exponent > 0 else self.first(node.args[0]))
        return 0

    def _moves(self, node: Node) -> bool:
        if node.index not in self._moving:
            inside = node.op not in _COUNTS and any(self._moves(arg) for arg in node.args[: 1 if node.op == "broadcast_to" else None])
            self._moving[node.index] = node.name == self.name if node.op == "symbol" else inside
        return self._moving[node.index]

    # -- coefficients
    def _computed(self, node: Node, order: int) -> Node | None:
        match node.op:
            case "symbol":
                return self.centre if order == 0 else self.graph.const(1) if order == 1 else None
            case "add" | "sub":
                return self._sum(node.op, self.coefficient(node.args[0], order), self.coefficient(node.args[1], order))
            case "neg":
                return self._sum("sub", None, self.coefficient(node.args[0], order))
            case "mul":
                return self._product(node.args[0], node.args[1], order)
            case "div":
                return self._quotient(node, order)
            case "pow":
                return self._power(node, order)
            case "where":
                return self._choice(node, order)
            case "sum" | "mean":
                return self._reduced(node, order)
            case "weighted_log" | "weighted_log1p" as op if order or self.lowest(node.args[1]) < 0:
                # Only its value at the centre, beside a weight that is finite there, is that of a function that may be 0 times infinity.
                return self.coefficient(self.graph.simple(op.removeprefix("weighted_"), node.args[0]), order)
            case "relative_difference" | "contrast" | "log_of_quotient":
                return self.coefficient(self._quotient_of(node), order)
            case "logsumexp":
                total = self.graph.simple("sum", self.graph.simple("exp", node.args[0]), span=None, **node.attributes)
                return self.coefficient(self.graph.simple("log", total), order)
        if FUNCTIONS[node.op].kind is not Kind.ELEMENTWISE or not FUNCTIONS[node.op].partials or node.boolean:
            raise NotAnalyticError
        return self._function(node, order)

    def _quotient_of(self, node: Node) -> Node:
        """Return a function of a quotient by the quotient, which resolves where both of its sides vanish."""
        if node.op == "relative_difference":
            x, y = node.args
            return self.graph.simple("div", self.graph.simple("sub", x, y), y)
        if node.op == "contrast":
            x, y = node.args
            return self.graph.simple("div", self.graph.simple("sub", x, y), self.graph.simple("add", x, y))
        x, y, t, _ = node.args
        return self.graph.simple("log1p", self.graph.simple("div", self.graph.simple("sub", x, y), self.graph.simple("add", y, t)))

    def _reduced(self, node: Node, order: int) -> Node | None:
        (x,) = node.args
        part = self.coefficient(x, order)
        if part is None:
            return None
        # A coefficient that has lost axes still counts once for every element along them.
        part = part if ax.covers(part.axes, x.axes) else self.graph.make("broadcast_to", part, x)
        return self.graph.simple(node.op, part, span=None, **node.attributes)

    def _sum(self, op: str, left: Node | None, right: Node | None) -> Node | None:
        if right is None:
            return left
        if left is None:
            return right if op == "add" else self.graph.simple("neg", right)
        return self.graph.simple(op, left, right)

    def _times(self, left: Node | None, right: Node | None) -> Node | None:
        return None if left is None or right is None else self.graph.simple("mul", left, right)

    def _product(self, left: Node, right: Node, order: int) -> Node | None:
        total: Node | None = None
        for i in range(self.lowest(left), order - self.lowest(right) + 1):
            total = self._sum("add", total, self._times(self.coefficient(left, i), self.coefficient(right, order - i)))
        return total

    def _quotient(self, node: Node, order: int) -> Node | None:
        above, below = node.args
        first = self.first(below)
        leading = self.coefficient(below, first)
        assert leading is not None
        total = self.coefficient(above, order + first)
        for j in range(1, order - self.lowest(node) + 1):
            total = self._sum("sub", total, self._times(self.coefficient(below, first + j), self.coefficient(node, order - j)))
        if total is not None and leading.op == "const" and isinstance(leading.value, Fraction):
            return self.graph.simple("mul", self.graph.const(1 / leading.value), total)
        return None if total is None else self.graph.simple("div", total, leading)

    def _power(self, node: Node, order: int) -> Node | None:
        base, exponent = node.args
        whole = _whole(exponent)
        # Whether the base is 0 or infinite at the centre; its first order is not asked for, since it may rest on this power.
        singular = self.lowest(base) < 0 or self.coefficient(base, 0) is None
        if whole is not None and singular:
            if whole < 0:
                inverse = self.graph.simple("div", self.graph.const(1), self.graph.simple("pow", base, self.graph.const(-whole)))
                return self.coefficient(inverse, order)
            rest = self.graph.simple("pow", base, self.graph.const(whole - 1))
            return self._product(base, rest, order)
        if self._moves(exponent) and not self._moves(base) and self.lowest(exponent) >= 0 and _positive(self.coefficient(exponent, 0)):
            return self._exponential(base, exponent, node, order)
        if self._moves(exponent):
            # The exponent may have a pole where the logarithm has a zero, as in (1 + x*z)**(1/x).
            logarithm = self.graph.simple("log", base)
            return self.coefficient(self.graph.simple("exp", self.graph.simple("mul", exponent, logarithm)), order)
        return self._function(node, order)

    def _exponential(self, base: Node, exponent: Node, node: Node, order: int) -> Node | None:
        """Return a coefficient of a power of a base that stays, whose exponent is positive at the centre; 0*log(0) is 0 in it."""
        start = self.coefficient(exponent, 0)
        if order == 0 and start is not None:
            return self.graph.simple("pow", base, start)
        logarithm = _logarithm(self.graph, base)
        total: Node | None = None
        for j in range(1, order + 1):
            part = self._times(self.coefficient(node, order - j), self._times(self.coefficient(exponent, j), logarithm))
            total = self._sum("add", total, self._times(self.graph.const(Fraction(j, order)), part))
        return total

    def _choice(self, node: Node, order: int) -> Node | None:
        condition, then, otherwise = node.args
        holds = self._conditions.at_centre(condition)
        if isinstance(holds, bool):
            return self.coefficient(then if holds else otherwise, order)
        left, right = self.coefficient(then, order), self.coefficient(otherwise, order)
        if left is None and right is None:
            return None
        zero = self.graph.const(0)
        return self.graph.simple("where", holds, left or zero, right or zero)

    def _function(self, node: Node, order: int) -> Node | None:
        row = FUNCTIONS[node.op]
        if any(self.lowest(arg) < 0 and self.first(arg) < 0 for arg in node.args):
            raise NotAnalyticError
        if order == 0:
            return self._start(node)
        names = dict(zip(row.arguments, node.args, strict=True)) | {"f": node}
        total: Node | None = None
        for arg, text in zip(node.args, row.partials, strict=True):
            if text == "0" or not self._moves(arg):
                continue
            slope = self._builder.expand(text, names, Keywords(), None)
            for j in range(1, order + 1):
                part = self._times(self.coefficient(arg, j), self.coefficient(slope, order - j))
                share = self._times(self.graph.const(Fraction(j, order)), part)
                total = self._sum("add", total, share)
        return total

    def _start(self, node: Node) -> Node:
        """Return a function's value at the centre, where its argument must be inside the region in which it is smooth."""
        zero = self.graph.const(0)
        args = [self.coefficient(arg, 0) or zero for arg in node.args]
        if node.op == "abs" and args[0] is zero:
            # The slope there, which has none, raises.
            return zero
        singular = node.op in ("log", "sqrt", "sign", "abs_slope", "cbrt", "pow") and args[0] is zero
        if singular or (FUNCTIONS[node.op].kink and node.op not in ("abs", "sign", "abs_slope")):
            raise NotAnalyticError
        if any(not arg.constant for arg in args):
            return self.graph.simple(node.op, *args, span=None, **node.attributes)
        return _folded(self.graph, node, args)


def _folded(graph: Graph, node: Node, args: list[Node]) -> Node:
    """Return a function of constants, by its value where that is simple."""
    known = {"exp": (0, 1), "expm1": (0, 0), "log": (1, 0), "log1p": (0, 0), "sin": (0, 0), "cos": (0, 1), "sinh": (0, 0), "cosh": (0, 1),
             "tanh": (0, 0), "atan": (0, 0), "asin": (0, 0), "asinh": (0, 0), "atanh": (0, 0), "tan": (0, 0)}  # fmt: skip
    at, value = known.get(node.op, (None, None))
    if at is not None and args[0].is_number(at):
        return graph.const(value)  # type: ignore[arg-type]  # the table's second numbers are integers
    return graph.simple(node.op, *args, span=None, **node.attributes)


def _whole(exponent: Node) -> int | None:
    if exponent.op == "const" and isinstance(exponent.value, Fraction) and exponent.value.denominator == 1 and abs(exponent.value) <= 8:
        return int(exponent.value)
    return None


def _logarithm(graph: Graph, base: Node) -> Node:
    """Return the logarithm of a base by which it is multiplied."""
    if base.op == "sub" and base.args[0].is_number(1):
        return graph.simple("weighted_log1p", graph.simple("neg", base.args[1]), base)
    return graph.simple("weighted_log", base, base)


def _cancelled(graph: Graph, node: Node) -> Node:
    """Return a product without the factors that stand on both sides of the line, as those of a logarithm of y/p at p = y do."""
    product, factors, stack = product_of(graph, node), 0, [node]
    while stack:
        part = stack.pop()
        if part.op in ("mul", "div", "neg"):
            stack.extend(part.args)
        elif part.op == "pow" and (whole := _whole(part.args[1])) is not None:
            factors += abs(whole)
        else:
            factors += part.op != "const"
    return power_product(graph, product) if sum(abs(exponent) for _, exponent in product.powers) < factors else node


def _collected(graph: Graph, node: Node) -> Node:
    """Return a sum whose terms of the same factors are one."""
    parts = sum_of(graph, node)
    whole = coefficients(parts.terms)
    if len(whole) == len(parts.terms):
        return node
    first = {term.key: term for term in reversed(parts.terms)}
    terms = [(whole[term.key] / (term.coefficient / term.scale), term.node) for term in first.values() if whole[term.key]]
    return total(graph, parts.constant, reversed(terms))


def _positive(exponent: Node | None) -> bool:
    return exponent is not None and exponent.op == "const" and isinstance(exponent.value, Fraction) and exponent.value > 0


def _no_name(name: object) -> Node:
    raise AssertionError(f"{name} is bound by the caller")
