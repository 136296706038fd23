"""Branches that are not taken get harmless operands, so that derivatives of any order through a choice are those of the taken branch.

A choice computes both branches. Its first derivatives are choices too, so that an infinite one on the other branch is not looked
at. But where the emitted program is differentiated once more, by the backend, that branch's derivative is multiplied by 0, and
0 times infinity is NaN. So an operation that stands in one branch alone, and is undefined or infinite somewhere, is computed
from its operands where the condition holds, and from a number that it can take elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, TypeAlias

from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.graph import axes as ax
from losscompiler.graph.expressions import ExpressionBuilder
from losscompiler.graph.node import Graph, Node, reachable
from losscompiler.graph.precise import evaluate
from losscompiler.source import Source
from losscompiler.stable.terms import chained
from losscompiler.syntax import parse

Guards: TypeAlias = frozenset[tuple[Node, bool]]
"""Conditions with the value that each has wherever a node counts."""

_GROWING = frozenset({"exp", "expm1", "cosh", "sinh", "i0", "i1", "exp_moment"})
"""Functions without a domain whose value or derivatives are infinite for large arguments."""

_MOST_CONDITIONS = 16
"""Parts of a compound condition that are looked at."""

_CANDIDATES = (Fraction(1), Fraction(1, 2), Fraction(0), Fraction(2), Fraction(-1))


def with_harmless_operands(graph: Graph, roots: Sequence[Node]) -> dict[int, Node]:
    """Return, for every node below the roots of a program, what stands in its place."""
    guards = _guards(roots)
    done: dict[int, Node] = {}
    stack = list(roots)
    while stack:
        node = stack[-1]
        harmless = None if _is_polynomial(node) else _harmless(node.op)
        conditions = sorted(guards[node.index], key=lambda guard: guard[0].index) if harmless else []
        missing = [other for other in (*node.args, *(condition for condition, _ in conditions)) if other.index not in done]
        if node.index not in done and missing:
            stack.extend(missing)
            continue
        stack.pop()
        if node.index in done:
            continue
        args = [done[arg.index] for arg in node.args]
        if conditions and harmless:
            # A condition that had more axes than the operation would give them to it.
            alike = [guard for guard in conditions if ax.covers(node.axes, guard[0].axes)]
            longer = [guard for guard in conditions if guard not in alike]
            taken = _all(graph, [(done[condition.index], holds) for condition, holds in alike]) if alike else None
            taken_somewhere = _all(graph, [(done[condition.index], holds) for condition, holds in longer]) if longer else None
            for position, number in enumerate(harmless):
                arg = args[position]
                if number is None or arg.constant:
                    continue
                somewhere = None if taken_somewhere is None else graph.make("any_to", taken_somewhere, arg)
                both = [condition for condition in (taken, somewhere) if condition is not None]
                args[position] = graph.simple("where", chained(graph, "and", both), arg, graph.const(number))
        done[node.index] = graph.over(node, args)
    return done


def without_decided(graph: Graph, roots: Sequence[Node]) -> dict[int, Node]:
    """Return, for every node below the roots, what stands in its place without choices inside of a branch that decides them."""
    guards = _guards(roots)
    done: dict[int, Node] = {}
    for node in reachable(roots):
        args = [done[arg.index] for arg in node.args]
        decided = next((holds for condition, holds in guards[node.index] if node.op == "where" and condition is node.args[0]), None)
        if decided is not None and ax.broadcast(*(arg.axes for arg in args)) == args[1 if decided else 2].axes:
            done[node.index] = args[1 if decided else 2]
            continue
        done[node.index] = graph.over(node, args)
    return done


def _is_polynomial(node: Node) -> bool:
    """Tell whether a node is a power that is finite everywhere."""
    exponent = node.args[1].value if node.op == "pow" and node.args[1].op == "const" else None
    return isinstance(exponent, Fraction) and exponent.denominator == 1 and exponent >= 0


def _guards(roots: Sequence[Node]) -> dict[int, Guards]:
    """Return for each node the conditions under which alone it counts: what all of its uses have in common."""
    found: dict[int, Guards | None] = {root.index: frozenset() for root in roots}
    for node in reversed(reachable(roots)):
        here = found[node.index] or frozenset()
        for position, arg in enumerate(node.args):
            mine = here | _known(node.args[0], position == 1) if node.op == "where" and position else _passed_on(here, node)
            before = found.get(arg.index)
            found[arg.index] = mine if before is None else before & mine
    return {index: guards or frozenset() for index, guards in found.items()}


def _passed_on(guards: Guards, node: Node) -> Guards:
    """Return the conditions that hold for whatever an operand of a node gives to its value."""
    row = FUNCTIONS[node.op]
    if not guards or row.kind is Kind.ELEMENTWISE:
        return guards
    # What adds up rows or moves elements takes them from where a condition of those elements does not hold.
    kept = node.axes if row.kind is Kind.REDUCTION else ax.SCALAR
    return frozenset(guard for guard in guards if guard[0].axes <= kept)


def _known(condition: Node, holds: bool) -> Guards:
    """Return a condition with its value, and what follows from it for the conditions that it combines."""
    found: list[tuple[Node, bool]] = []
    stack = [(condition, holds)]
    while stack and len(found) < _MOST_CONDITIONS:
        condition, holds = stack.pop()
        found.append((condition, holds))
        if condition.op == "not":
            stack.append((condition.args[0], not holds))
        elif condition.op == ("and" if holds else "or"):
            stack += [(part, holds) for part in condition.args]
    return frozenset(found)


def _all(graph: Graph, conditions: Sequence[tuple[Node, bool]]) -> Node:
    return chained(graph, "and", [condition if holds else graph.simple("not", condition) for condition, holds in conditions])


@cache
def _harmless(op: str) -> tuple[Fraction | None, ...] | None:
    """Return a number for each argument at which a function and its partials are finite; ``None`` for one that may be anything.

    ``None`` alone stands for functions that are finite everywhere, and for the few of whose arguments no candidate will do.
    """
    row = FUNCTIONS.get(op)
    if row is None or row.kind is not Kind.ELEMENTWISE or not row.partials or (not row.domain and op not in _GROWING):
        return None
    mentioned = set(row.arguments) if not row.domain else {name for text in row.domain for name in re.findall(r"\w+", text)}
    critical = [name for name in row.arguments if name != row.whole and name in mentioned]
    import mpmath

    for number in _CANDIDATES:
        graph = Graph(Source(op))
        values = {name: graph.const(0 if name == row.whole else number) for name in row.arguments}
        values["f"] = graph.make(op, *(values[name] for name in row.arguments))

        try:
            legal = all(_value(text, graph, values) for text in row.domain if "integer" not in text)
            if legal and all(mpmath.isfinite(_value(text, graph, values)) for text in ("f", *row.partials)):
                return tuple(number if name in critical else None for name in row.arguments)
        except (ArithmeticError, ValueError):
            continue
    return None


def _value(text: str, graph: Graph, values: Mapping[str, Node]) -> Any:
    """Return the value of a row's text."""
    named = lambda name: values.get(name.name) or graph.const(name.name)  # noqa: E731
    (found,) = evaluate([ExpressionBuilder(graph, Source(text), named, graph.make, internal=True).build(parse(text).loss)], {})
    return found
