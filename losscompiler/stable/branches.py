"""Functions of a choice taken in its branches: 1 - (p if y == 1 else 1 - p) is 1 - p if y == 1 else p.

In a branch of its own a function meets what it is of, and the other rules find it there.
"""

from __future__ import annotations

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.rules import Rule

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


def _is_open(choice: Node) -> bool:
    return choice.op == "where" and any(branch.op in _MET and not branch.constant for branch in choice.args[1:])
