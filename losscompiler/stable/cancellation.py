"""Terms of a sum that cancel exactly: what a derivative adds in one place and takes away in another.

By the product rule a derivative often holds the same term twice with opposite signs. In floating point their difference is
rounding noise, which is all that is left where the rest is small; so they are taken out before anything is computed.
"""

from __future__ import annotations

from fractions import Fraction

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.rules import Rule

CANCELLATION = Rule(
    "terms that cancel", "x*exp(x)/2 + exp(x) - exp(x)*x/2", "exp(x)", -80, 80, "Hearn 1985: like terms of a sum, by their factors"
)
_MOST_TERMS, _MOST_FACTORS = 40, 40
_WHOLE = (2, 3, 4)


class Cancellation:
    """Takes out terms that cancel.

    Two terms are alike if they have the same factors but for a rational number. Factors are compared by what they are and
    not by how they are written: exp(-x/2) and exp(-(x/2)) are one.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._monomials: dict[int, tuple[Fraction, int]] = {}
        self._numbers: dict[tuple[object, ...], int] = {}

    def apply(self, node: Node) -> Node | None:
        """Return a sum without the terms that cancel, or ``None`` if none do."""
        if node.op not in ("add", "sub"):
            return None
        terms = _terms(node)
        if terms is None:
            return None
        groups: dict[int, list[tuple[Node, Fraction]]] = {}
        for term, sign in terms:
            coefficient, key = self._monomial(term)
            groups.setdefault(key, []).append((term, sign * coefficient))
        if all(sum(share for _, share in group) for group in groups.values()):
            return None
        result: Node | None = None
        for term, sign in terms:
            group = groups[self._monomial(term)[1]]
            if sum(share for _, share in group) == 0:
                continue
            if result is None:
                result = term if sign > 0 else self.graph.simple("neg", term)
            else:
                result = self.graph.simple("add" if sign > 0 else "sub", result, term)
        # A sum that vanishes altogether, or loses an operand that gave it its shape, is left as it is.
        return result if result is not None and result.axes == node.axes else None

    def _monomial(self, root: Node) -> tuple[Fraction, int]:
        """Return a node as a rational number and the number of the rest, which like terms share."""
        stack = [root]
        while root.index not in self._monomials:
            node = stack[-1]
            # Operands first, so that the depth of a formula is not that of Python's stack.
            unknown = [arg for arg in _compared(node) if arg.index not in self._monomials]
            if unknown:
                stack += unknown
            else:
                self._monomials[node.index] = self._factored(node)
                stack.pop()
        return self._monomials[root.index]

    def _factored(self, root: Node) -> tuple[Fraction, int]:
        coefficient = Fraction(1)
        factors: dict[int, int] = {}
        stack = [(root, 1)]
        steps = 0
        while stack:
            node, exponent = stack.pop()
            steps += 1
            if steps > _MOST_FACTORS:
                return Fraction(1), self._number("node", root.index)
            if node.op in ("mul", "div"):
                stack += [(node.args[0], exponent), (node.args[1], exponent if node.op == "mul" else -exponent)]
            elif node.op == "neg":
                coefficient = -coefficient
                stack.append((node.args[0], exponent))
            elif node.op == "const" and isinstance(node.value, Fraction) and node.value != 0:
                coefficient *= node.value**exponent
            elif node.op == "pow" and node.args[1].op == "const" and node.args[1].value in _WHOLE:
                stack += [(node.args[0], exponent)] * int(str(node.args[1].value))
            else:
                key = self._identity(node)
                factors[key] = factors.get(key, 0) + exponent
        return coefficient, self._number("product", *sorted((key, power) for key, power in factors.items() if power))

    def _identity(self, node: Node) -> int:
        compared = _compared(node)
        if not compared:
            return self._number("node", node.index)
        return self._number(node.op, node.attrs, *(self._monomials[arg.index] for arg in compared))

    def _number(self, *key: object) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


def _compared(node: Node) -> tuple[Node, ...]:
    """Return the operands by which an operation is compared with others; a sum is itself alone."""
    return () if node.op in ("add", "sub") else node.args


def _terms(root: Node) -> list[tuple[Node, int]] | None:
    """Return the terms of a sum with their signs, in the order of the text; ``None`` for very many."""
    terms: list[tuple[Node, int]] = []
    stack = [(root, 1)]
    while stack:
        node, sign = stack.pop()
        if node.op in ("add", "sub"):
            stack += [(node.args[1], sign if node.op == "add" else -sign), (node.args[0], sign)]
        elif node.op == "neg":
            stack.append((node.args[0], -sign))
        else:
            terms.append((node, sign))
        if len(terms) > _MOST_TERMS:
            return None
    return terms
