"""Functions of a choice taken in its branches: 1 - (p if y == 1 else 1 - p) is 1 - p if y == 1 else p.

In a branch of its own a function meets what it is of, and the other rules find it there.
"""

from __future__ import annotations

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.rules import Rule
from losscompiler.stable.terms import product_of, sum_of, total

BRANCHES = Rule(
    "function of a choice", "log(where(x > 0, 1 - exp(-x), 1 - x))", "where(x > 0, log1mexp(-x), log1p(-x))", -80, 80,
    "both sides are the same in each branch, where the other rules apply",
)  # fmt: skip
_FUNCTIONS = frozenset({"log", "log1p", "log1mexp"})
_MET = frozenset({
    "add", "sub", "neg", "exp", "expm1", "sigmoid", "softmax", "ndtr", "erfc", "tanh", "pow", "where", "cosh", "share",
})  # fmt: skip
"""Operations for whose complement or logarithm there are rules."""


def into_branches(graph: Graph, node: Node) -> Node | None:
    """Return a choice of functions for a function of a choice, where a branch holds something that the function may meet."""
    if node.op in _FUNCTIONS:
        (inside,) = node.args
        if inside.op in ("add", "sub"):
            return _exponential_in_branches(graph, node.op, inside)
        negative = inside.op == "neg"
        choice = inside.args[0] if negative else inside
        if not _is_open(choice):
            return None
        branches = [graph.simple("neg", branch) if negative else branch for branch in choice.args[1:]]
        return graph.simple("where", choice.args[0], *(graph.simple(node.op, branch) for branch in branches))
    if node.op in ("add", "sub"):
        left, right = node.args
        if left.constant and _is_open(right):
            return graph.simple("where", right.args[0], *(graph.simple(node.op, left, branch) for branch in right.args[1:]))
        if right.constant and _is_open(left):
            return graph.simple("where", left.args[0], *(graph.simple(node.op, branch, right) for branch in left.args[1:]))
    return None


def _exponential_in_branches(graph: Graph, function: str, inside: Node) -> Node | None:
    """Return a function of a sum with w*where(c, x, y) as a choice, if x or y is an exponential."""
    parts = sum_of(graph, inside)
    for position, term in enumerate(parts.terms):
        whole = product_of(graph, term.node)
        for choice, exponent in whole.powers:
            if choice.op == "where" and exponent == 1 and any(branch.op == "exp" for branch in choice.args[1:]):
                others = parts.without({position})
                values = [_with(graph, term.node, choice, branch) for branch in choice.args[1:]]
                sums = [total(graph, parts.constant, [*others.parts, (term.scale, value)]) for value in values]
                return graph.simple("where", choice.args[0], *(graph.simple(function, value) for value in sums))
    return None


def _with(graph: Graph, product: Node, old: Node, new: Node) -> Node:
    """Return a product with one factor in place of another."""
    if product is old:
        return new
    if product.op not in ("mul", "div", "neg"):
        return product
    return graph.simple(product.op, *(_with(graph, arg, old, new) for arg in product.args))


def _is_open(choice: Node) -> bool:
    return choice.op == "where" and any(branch.op in _MET and not branch.constant for branch in choice.args[1:])
