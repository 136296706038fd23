"""Collection of like factors and like terms, for text that people read: 2*(x/(4*x)) is written 1/2.

This is for display only. It may cancel a factor, which changes where an expression is defined, so what runs never
passes through it.
"""

from __future__ import annotations

from fractions import Fraction

from losscompiler.graph.node import Graph, Node

_LONGEST, _MOST_FACTORS, _MOST_BITS = 40, 400, 2_000


def collected(graph: Graph, node: Node) -> Node:
    """Return a node with the factors or terms at its top collected; its operands are collected already."""
    if node.op in ("mul", "div"):
        found = _factors(node)
        return node if found is None else _product(graph, *found)
    if node.op in ("add", "sub"):
        return _sum(graph, node)
    return node


def _factors(root: Node) -> tuple[Fraction, dict[int, tuple[Node, int]]] | None:
    """Return (rational factor, {index: (base, whole exponent)}) of a product, in the order of the text.

    ``None`` for a product of very many factors, which shared subexpressions make quickly, or of very long numbers.
    """
    coefficient = Fraction(1)
    factors: dict[int, tuple[Node, int]] = {}
    stack: list[tuple[Node, int]] = [(root, 1)]
    steps = 0
    while stack:
        node, exponent = stack.pop()
        steps += 1
        if steps > _MOST_FACTORS or max(coefficient.numerator.bit_length(), coefficient.denominator.bit_length()) > _MOST_BITS:
            return None
        if node.op == "mul":
            stack += [(node.args[1], exponent), (node.args[0], exponent)]
        elif node.op == "div":
            stack += [(node.args[1], -exponent), (node.args[0], exponent)]
        elif node.op == "neg":
            coefficient = -coefficient
            stack.append((node.args[0], exponent))
        elif node.op == "const" and isinstance(node.value, Fraction) and node.value != 0:
            coefficient *= node.value**exponent
        else:
            base, power = _power(node)
            known = factors.get(base.index, (base, 0))[1]
            factors[base.index] = (base, known + exponent * power)
    return coefficient, factors


def _power(node: Node) -> tuple[Node, int]:
    if node.op == "pow" and node.args[1].op == "const":
        value = node.args[1].value
        if isinstance(value, Fraction) and value.denominator == 1 and 0 < value < 10:
            return node.args[0], int(value)
    return node, 1


def _product(graph: Graph, coefficient: Fraction, factors: dict[int, tuple[Node, int]]) -> Node:
    bare = abs(coefficient.numerator) == 1
    number = abs(coefficient.numerator) if bare else coefficient.numerator
    above = _chain(graph, number, [(base, power) for base, power in factors.values() if power > 0])
    below = _chain(graph, coefficient.denominator, [(base, -power) for base, power in factors.values() if power < 0])
    result = above if below.is_number(1) else graph.make("div", above, below)
    return graph.make("neg", result) if bare and coefficient < 0 else result


def _chain(graph: Graph, number: int, factors: list[tuple[Node, int]]) -> Node:
    parts = [base if power == 1 else graph.make("pow", base, graph.const(power)) for base, power in factors]
    if number != 1 or not parts:
        parts.insert(0, graph.const(number))
    result = parts[0]
    for part in parts[1:]:
        result = graph.make("mul", result, part)
    return result


def _sum(graph: Graph, root: Node) -> Node:
    """Add up terms that differ by a rational factor only; a sum without like terms stays as it is."""
    terms: dict[int, tuple[Node, Fraction]] = {}
    count = 0
    stack: list[tuple[Node, int]] = [(root, 1)]
    while stack:
        node, sign = stack.pop()
        if node.op in ("add", "sub"):
            stack += [(node.args[1], sign if node.op == "add" else -sign), (node.args[0], sign)]
            continue
        count += 1
        if count > _LONGEST:
            return root
        base, factor = _term(graph, node)
        known = terms.get(base.index, (base, Fraction(0)))[1]
        terms[base.index] = (base, known + sign * factor)
    if len(terms) == count:
        return root
    result: Node | None = None
    for base, factor in terms.values():
        if factor != 0:
            part = _scaled(graph, base, abs(factor))
            if result is None:
                result = part if factor > 0 else graph.make("neg", part)
            else:
                result = graph.make("add" if factor > 0 else "sub", result, part)
    return graph.const(0) if result is None else result


def _term(graph: Graph, node: Node) -> tuple[Node, Fraction]:
    if node.op == "const" and isinstance(node.value, Fraction):
        return graph.const(1), node.value
    if node.op not in ("mul", "div", "neg"):
        return node, Fraction(1)
    found = _factors(node)
    if found is None:
        return node, Fraction(1)
    return _product(graph, Fraction(1), found[1]), found[0]


def _scaled(graph: Graph, base: Node, factor: Fraction) -> Node:
    found = None if factor == 1 else (Fraction(1), {}) if base.is_number(1) else _factors(base)
    if factor == 1 or found is None:
        return base if factor == 1 else graph.make("mul", graph.const(factor), base)
    return _product(graph, factor, found[1])
