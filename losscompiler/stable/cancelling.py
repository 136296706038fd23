"""Arithmetic of products for rules in which factors cancel."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.terms import Product, chained, product_of, sum_of

_ONE = Fraction(1)
ONE = Product(_ONE, ())
_THROUGH = frozenset({"add", "sub", "neg", "mul", "div", "pow", "sqrt", "where"})


def atom(node: Node, exponent: Fraction | int = 1) -> Product:
    """Return a power of a node that is not looked into."""
    return Product(_ONE, ((node, _ONE if exponent == 1 else Fraction(exponent)),))


def raised(product: Product, exponent: int) -> Product:
    """Return a whole power of a product."""
    return Product(product.coefficient**exponent, tuple((base, n * exponent) for base, n in product.powers))


def ratio(one: Product, other: Product) -> Fraction | None:
    """Return the quotient of two products if it is a rational number."""
    same = len(one.powers) == len(other.powers) and all(other.exponent(base) == exponent for base, exponent in one.powers)
    return one.coefficient / other.coefficient if same else None


class Presence:
    """Tells whether one of some operations occurs among the terms and factors of a node."""

    def __init__(self, operations: Iterable[str]) -> None:
        self.operations = frozenset(operations)
        self._known: dict[int, bool] = {}

    def within(self, node: Node) -> bool:
        """Look at the node itself and through sums, products, powers and choices; what was asked before is remembered."""
        stack = [node]
        while stack:
            here = stack[-1]
            below = () if here.op not in _THROUGH or here.op in self.operations else here.args
            waiting = [arg for arg in below if arg.index not in self._known]
            if waiting and here.index not in self._known:
                stack.extend(waiting)
                continue
            stack.pop()
            self._known[here.index] = here.op in self.operations or any(self._known[arg.index] for arg in below)
        return self._known[node.index]


def debt(product: Product) -> Fraction:
    """Return how many varying factors stand below the line, with multiplicity."""
    return sum((-exponent for base, exponent in product.powers if exponent < 0 and not base.constant), Fraction(0))


def cancels(one: Product, other: Product) -> bool:
    """Tell whether two products have fewer factors below the line together than apart."""
    return debt(one.times(other)) < debt(one) + debt(other)


def products_of(graph: Graph, root: Node) -> list[Product]:
    """Return the terms of a sum as products."""
    return list(_products_of(graph, root))


@lru_cache(maxsize=32)
def _products_of(graph: Graph, root: Node) -> tuple[Product, ...]:
    parts = sum_of(graph, root)
    products = [(term.scale, product_of(graph, term.node)) for term in parts.terms]
    found = [product if scale == 1 else Product(scale * product.coefficient, product.powers) for scale, product in products]
    return (*found, Product(parts.constant, ())) if parts.constant else tuple(found)


def added(graph: Graph, parts: Iterable[Node]) -> Node:
    """Return the sum of nodes."""
    nodes = list(parts)
    return chained(graph, "add", nodes) if nodes else graph.const(0)


def multiplied_out(graph: Graph, terms: Sequence[Product], operations: Container[str]) -> list[Product]:
    """Return terms in which brackets are multiplied out whose own terms hold one of some operations as a factor, none if there are none.

    No power grows by that: x**2*(x**2*a - b) stays, since x**4 overflows where x**2 does not.
    """
    found: list[Product] = []
    for term in terms:
        brackets = [base for base, exponent in term.powers if exponent == 1 and base.op in ("add", "sub")]
        inside = products_of(graph, brackets[0]) if len(brackets) == 1 else []
        apart = [term]
        if any(base.op in operations for part in inside for base, _ in part.powers):
            outside = term.times(atom(brackets[0]), -1)
            if not any(exponent * outside.exponent(base) > 0 for part in inside for base, exponent in part.powers):
                apart = [part.times(outside) for part in inside]
        found += apart
    return found if len(found) > len(terms) else []
