"""Sums and products taken apart: what a node adds up and what it multiplies, however that is written.

``a - b/2``, ``-(b/2 - a)`` and ``a + b*(-0.5)`` are one sum, ``(x/s)**2``, ``x**2/s**2`` and ``x*x/(s*s)`` one product.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

from losscompiler.graph.node import Graph, Node

_MOST_TERMS, _MOST_FACTORS = 12, 16
_LARGEST_BITS = 256

Key: TypeAlias = tuple[tuple[int, Fraction], ...]
"""What is the same for two products of the same factors."""


@dataclass(frozen=True)
class Product:
    """A rational coefficient times powers with rational exponents, in the order of the text; no base stands twice."""

    coefficient: Fraction
    powers: tuple[tuple[Node, Fraction], ...]

    @property
    def key(self) -> Key:
        """The factors in an order of their own."""
        return tuple(sorted((base.index, exponent) for base, exponent in self.powers))

    def exponent(self, base: Node) -> Fraction:
        """Return the exponent of a base, 0 where it does not occur."""
        return next((exponent for other, exponent in self.powers if other is base), Fraction(0))

    def times(self, other: Product, sign: int = 1) -> Product:
        """Return the product with another, or with its inverse."""
        powers = {pair[0].index: pair for pair in self.powers}
        for base, exponent in other.powers:
            known, more = powers.get(base.index), exponent if sign > 0 else -exponent
            powers[base.index] = (base, more if known is None else known[1] + more)
        coefficient = self.coefficient
        if other.coefficient != 1:
            coefficient = coefficient * other.coefficient if sign > 0 else coefficient / other.coefficient
        return Product(coefficient, tuple([pair for pair in powers.values() if pair[1]]))


@dataclass(frozen=True)
class Term:
    """One term of a sum: ``scale`` times ``node``, which is ``scale`` times its own coefficient times its factors.

    Attributes:
        scale: the rational number by which the node is multiplied.
        node: what stands in the text, without signs and rational factors around it where that takes no new node.
        coefficient: the whole rational factor.
        key: the other factors.
    """

    scale: Fraction
    node: Node
    coefficient: Fraction
    key: Key


@dataclass(frozen=True)
class Sum:
    """A rational constant and terms in the order of the text."""

    constant: Fraction
    terms: tuple[Term, ...]

    def without(self, gone: Container[int]) -> Sum:
        """Return the sum without the terms at some positions."""
        return Sum(self.constant, tuple(term for i, term in enumerate(self.terms) if i not in gone))

    @property
    def parts(self) -> list[tuple[Fraction, Node]]:
        """The terms as `total` takes them."""
        return [(term.scale, term.node) for term in self.terms]


def single(node: Node) -> Product:
    """Return the product whose only factor is a node."""
    return Product(Fraction(1), ((node, Fraction(1)),))


@lru_cache(maxsize=256)
def product_of(graph: Graph, root: Node) -> Product:
    """Return a node as a product; one that has very many factors is its own only factor."""
    coefficient = Fraction(1)
    powers: dict[int, tuple[Node, Fraction]] = {}
    stack: list[tuple[Node, Fraction]] = [(root, Fraction(1))]
    steps = 0
    while stack:
        node, exponent = stack.pop()
        steps += 1
        if steps > 2 * _MOST_FACTORS or max(coefficient.numerator.bit_length(), coefficient.denominator.bit_length()) > _LARGEST_BITS:
            return Product(Fraction(1), ((root, Fraction(1)),))
        whole = exponent.denominator == 1
        if whole and node.op == "mul":
            stack += [(node.args[1], exponent), (node.args[0], exponent)]
        elif whole and node.op == "div":
            stack += [(node.args[1], -exponent), (node.args[0], exponent)]
        elif whole and node.op == "neg":
            coefficient *= Fraction(-1) ** int(exponent)
            stack.append((node.args[0], exponent))
        elif whole and node.op == "const" and isinstance(node.value, Fraction) and node.value != 0 and abs(exponent) < 9:
            coefficient *= node.value ** int(exponent)
        elif whole and _exponent(node) is not None:
            stack.append((node.args[0], exponent * (_exponent(node) or 0)))
        else:
            if whole and node.op == "sub" and node.args[0].index > node.args[1].index:
                # a - b and b - a are one factor up to its sign.
                node = graph.simple("sub", node.args[1], node.args[0])
                coefficient *= Fraction(-1) ** int(exponent)
            known = powers.get(node.index, (node, Fraction(0)))[1]
            powers[node.index] = (node, known + exponent)
    return Product(coefficient, tuple((base, exponent) for base, exponent in powers.values() if exponent))


def _exponent(node: Node) -> Fraction | None:
    """Return the constant exponent of a power or root."""
    if node.op == "sqrt":
        return Fraction(1, 2)
    value = node.args[1].value if node.op == "pow" and node.args[1].op == "const" else None
    return value if isinstance(value, Fraction) and abs(value) < 9 and value != 0 else None


def whole_exponent(node: Node) -> int | None:
    """Return the exponent of a power that is a whole number."""
    value = node.args[1].value if node.op == "pow" and node.args[1].op == "const" else None
    return int(value) if isinstance(value, Fraction) and value.denominator == 1 else None


def power_product(graph: Graph, product: Product) -> Node:
    """Return a product as a node."""
    above = [_power(graph, base, exponent) for base, exponent in product.powers if exponent > 0]
    below = [_power(graph, base, -exponent) for base, exponent in product.powers if exponent < 0]
    number = product.coefficient
    if not above or (abs(number.numerator) != 1 and number.denominator == 1):
        above.insert(0, graph.const(abs(number)))
        number = Fraction(1 if number > 0 else -1)
    result = chained(graph, "mul", above)
    if below:
        result = graph.simple("div", result, chained(graph, "mul", below))
    return scaled(graph, result, number)


def _power(graph: Graph, base: Node, exponent: Fraction) -> Node:
    if exponent == Fraction(1, 2):
        return graph.simple("sqrt", base)
    return graph.simple("pow", base, graph.const(exponent))


def chained(graph: Graph, op: str, nodes: Iterable[Node]) -> Node:
    """Return nodes joined by one operation, from the left."""
    first, *others = nodes
    for other in others:
        first = graph.simple(op, first, other)
    return first


def scaled(graph: Graph, node: Node, factor: Fraction) -> Node:
    """Return a node times a rational number."""
    if factor < 0:
        return graph.simple("neg", scaled(graph, node, -factor))
    if factor.numerator == 1 and factor != 1:
        return graph.simple("div", node, graph.const(factor.denominator))
    return node if factor == 1 else graph.simple("mul", graph.const(factor), node)


@lru_cache(maxsize=64)
def sum_of(graph: Graph, root: Node) -> Sum:
    """Return a node as a sum; of one with very many terms the last ones are told apart."""
    constant = Fraction(0)
    terms: list[Term] = []
    stack: list[tuple[Node, Fraction]] = [(root, Fraction(1))]
    while stack:
        node, scale = stack.pop()
        if node.op in ("add", "sub") and len(terms) + len(stack) < _MOST_TERMS:
            stack += [(node.args[0], scale), (node.args[1], scale if node.op == "add" else -scale)]
            continue
        inner = _peeled(node)
        if inner is not None:
            stack.append((inner[1], scale * inner[0]))
        elif node.op == "const" and isinstance(node.value, Fraction):
            constant += scale * node.value
        else:
            product = product_of(graph, node) if node.op in ("mul", "div", "pow") else Product(Fraction(1), ((node, Fraction(1)),))
            terms.append(Term(scale, node, scale * product.coefficient, product.key))
    return Sum(constant, tuple(reversed(terms)))


def _peeled(node: Node) -> tuple[Fraction, Node] | None:
    """Return a rational factor at the top of a node and what it multiplies."""
    if node.op == "neg":
        return Fraction(-1), node.args[0]
    if node.op not in ("mul", "div"):
        return None
    left, right = node.args
    if right.op == "const" and isinstance(right.value, Fraction) and right.value != 0:
        return (right.value if node.op == "mul" else 1 / right.value), left
    if left.op == "const" and isinstance(left.value, Fraction) and left.value != 0 and node.op == "mul":
        return left.value, right
    return None


def total(graph: Graph, constant: Fraction, terms: Iterable[tuple[Fraction, Node]]) -> Node:
    """Return the node of a sum."""
    result: Node | None = None
    for scale, node in terms:
        if result is None:
            result = scaled(graph, node, scale)
        else:
            result = graph.simple("add" if scale > 0 else "sub", result, scaled(graph, node, abs(scale)))
    if result is None:
        return graph.const(constant)
    if constant == 0:
        return result
    return graph.simple("add" if constant > 0 else "sub", result, graph.const(abs(constant)))


def coefficients(parts: Iterable[Term]) -> Mapping[Key, Fraction]:
    """Return the rational factor of each kind of term."""
    found: dict[Key, Fraction] = {}
    for part in parts:
        found[part.key] = found.get(part.key, Fraction(0)) + part.coefficient
    return found
