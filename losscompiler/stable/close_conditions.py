"""Conditions close to a point: which branch of a choice a power series is of."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from losscompiler.graph.node import Graph, Node

_COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})


class NotAnalyticError(Exception):
    """An expression has no power series at a point, or none that this arithmetic finds."""


class CloseConditions:
    """Conditions of expressions that move with one symbol, close to a centre.

    Args:
        graph: where conditions are made.
        moves: tells whether a node moves with the symbol.
        start: returns a node's value at the centre.
        vanishes: tells whether an expression in the other symbols is 0 for all their values.
        indifferent: conditions, by index, between branches that are equal wherever both are defined.

    Attributes:
        asked: the comparisons that move with the symbol, each with what it is at the centre; farther away they may be something else.
    """

    def __init__(
        self,
        graph: Graph,
        moves: Callable[[Node], bool],
        start: Callable[[Node], Node],
        vanishes: Callable[[Node], bool],
        indifferent: frozenset[int],
    ) -> None:
        self.graph = graph
        self.moves, self.start, self.vanishes = moves, start, vanishes
        self.indifferent = indifferent
        self.asked: dict[int, tuple[Node, Node | bool]] = {}

    def at_centre(self, condition: Node) -> Node | bool:
        """Return a condition close to the centre; it must not change there, but for the equality that singles out the centre.

        Raises:
            NotAnalyticError: if it changes there.
        """
        if not self.moves(condition) or condition.index in self.indifferent:
            return condition
        if condition.op in _COMPARISONS:
            left, right = map(self.start, condition.args)
            if left is right or self.vanishes(self.graph.simple("sub", left, right)):
                if condition.op in ("eq", "ne"):
                    return condition.op == "ne"
                raise NotAnalyticError
            decided = _compared(condition.op, left, right)
            found = self.graph.simple(condition.op, left, right) if decided is None else decided
            self.asked[condition.index] = condition, found
            return found
        if condition.op in ("and", "or"):
            return self._decided(condition)
        if condition.op == "not":
            return self._combined("not", [self.at_centre(condition.args[0])])
        raise NotAnalyticError

    def unchanged(self) -> list[Node]:
        """Return conditions under which all comparisons are what they are at the centre."""
        make, result = self.graph.simple, []
        for condition, there in self.asked.values():
            if isinstance(there, bool):
                result.append(condition if there else make("not", condition))
            else:
                both, neither = make("and", condition, there), make("and", make("not", condition), make("not", there))
                result.append(make("or", both, neither))
        return result

    def _decided(self, condition: Node) -> Node | bool:
        """Return two conditions combined; that one of them changes at the centre does not matter where the other decides."""
        parts: list[Node | bool] = []
        for part in condition.args:
            try:
                parts.append(self.at_centre(part))
            except NotAnalyticError:
                continue
        if len(parts) < len(condition.args) and (condition.op == "or") not in [part for part in parts if isinstance(part, bool)]:
            raise NotAnalyticError
        return self._combined(condition.op, parts)

    def _combined(self, op: str, parts: list[Node | bool]) -> Node | bool:
        """Return conditions combined, of which some are known."""
        nodes = [part for part in parts if not isinstance(part, bool)]
        known = [part for part in parts if isinstance(part, bool)]
        if op == "not":
            return self.graph.simple("not", nodes[0]) if nodes else not known[0]
        deciding = op == "or"
        if deciding in known or not nodes:
            return deciding if deciding in known else not deciding
        return nodes[0] if len(nodes) == 1 else self.graph.simple(op, *nodes)


def _compared(op: str, left: Node, right: Node) -> bool | None:
    """Return what a comparison of two different numbers is; ``None`` if they are not rational numbers."""
    one, other = (node.value if node.op == "const" else None for node in (left, right))
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return {"lt": one < other, "le": one <= other, "gt": one > other, "ge": one >= other, "eq": one == other, "ne": one != other}[op]
    return None
