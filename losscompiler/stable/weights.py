"""Logarithms that are multiplied by what may vanish together with their argument: 0*log(0) is 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from losscompiler.graph.node import Graph, Node, reachable
from losscompiler.graph.parameter import Parameter
from losscompiler.stable.rules import Rule
from losscompiler.stable.signs import Signs
from losscompiler.stable.terms import chained, product_of

WEIGHTED_LOGS = Rule(
    "0*log(0)", "x*log(x)", "x*weighted_log(x, x)", 1e-9, 1e9, "the limit of x*log(x) at 0; Kullback & Leibler 1951 take it for 0"
)  # fmt: skip
_LOGS = {"log": "weighted_log", "log1p": "weighted_log1p"}
_CHAIN = ("mul", "div", "neg")
_MOST_FACTORS, _MOST_TERMS = 16, 12


class WeightedLogs:
    """Tells a logarithm what it is multiplied by."""

    def __init__(self, graph: Graph, parameters: Mapping[str, Parameter]) -> None:
        self.graph = graph
        self.signs = Signs(parameters)

    def apply(self, node: Node) -> Node | None:
        """Return a product whose logarithms are 0 where their argument and the other factors are 0, or ``None``."""
        if node.op not in ("mul", "div"):
            return None
        factors = self._above(node)
        if factors is None:
            return None
        for factor in factors:
            logs = self._logs(factor)
            if not logs:
                continue
            others = [other for other in factors if other is not factor and other.op != "const" and not self._logs(other)]
            weights = [other for other in others if self._may_vanish(other)]
            if weights:
                weight = chained(self.graph, "mul", weights)
                new = {log.index: self._weighted(log, weight, weights) for log in logs}
                return self._rebuilt(node, {factor.index: self._rebuilt(factor, new, (*_CHAIN, "add", "sub"))}, _CHAIN)
        return None

    def _above(self, root: Node) -> list[Node] | None:
        """Return the factors above the line."""
        found: list[Node] = []
        stack = [(root, True)]
        while stack:
            node, above = stack.pop()
            if len(found) + len(stack) > _MOST_FACTORS:
                return None
            if node.op in ("mul", "div"):
                stack += [(node.args[1], above if node.op == "mul" else not above), (node.args[0], above)]
            elif node.op == "neg":
                stack.append((node.args[0], above))
            elif above:
                found.append(node)
        return found

    def _logs(self, factor: Node) -> list[Node]:
        """Return the logarithms of what may be 0 that a factor is or adds up."""
        found: list[Node] = []
        stack, steps = [factor], 0
        while stack and steps < 2 * _MOST_TERMS:
            node = stack.pop()
            steps += 1
            if node.op in ("add", "sub", "neg") or (node.op in ("mul", "div") and any(arg.op == "const" for arg in node.args)):
                stack.extend(node.args)
            elif node.op in _LOGS and self._may_be_infinite(node):
                found.append(node)
        return found

    def _weighted(self, log: Node, weight: Node, weights: list[Node]) -> Node:
        inside = log.args[0]
        if log.op == "log" and inside.op == "div" and inside.args[1] in weights:
            # What vanishes with the weight stands above the line: y*log(p/y) is -y*log(y/p).
            turned = self.graph.simple("div", inside.args[1], inside.args[0])
            return self.graph.simple("neg", self.graph.simple("weighted_log", turned, weight))
        return self.graph.simple(_LOGS[log.op], inside, weight)

    def _may_be_infinite(self, log: Node) -> bool:
        inside = log.args[0]
        if log.op == "log":
            return not self.signs.positive(inside, closed=False)
        return not self.signs.nonnegative(inside)

    def _may_vanish(self, node: Node) -> bool:
        if node.op == "pow":
            return self._may_vanish(node.args[0]) and self.signs.positive(node.args[1])
        return not (node.constant or self.signs.positive(node, closed=False))

    def _rebuilt(self, root: Node, new: Mapping[int, Node], through: tuple[str, ...]) -> Node:
        """Return a node with others in place of some below it, as far as certain operations reach."""
        if root.index in new:
            return new[root.index]
        if root.op not in through:
            return root
        args = [self._rebuilt(arg, new, through) for arg in root.args]
        if all(arg is old for arg, old in zip(args, root.args, strict=True)):
            return root
        return self.graph.simple(root.op, *args, span=root.span, **root.attributes)


def without_empty_quotients(graph: Graph, roots: Sequence[Node]) -> dict[int, Node]:
    """Return, for every node below the roots, what stands in its place where y/p, whose logarithm y multiplies, is 0 for y = p = 0."""
    nodes = reachable(roots)
    shares = {share.index: node.args[1] for node in nodes if node.op == "weighted_log" for share in _shares_of_weight(graph, *node.args)}
    inside = [node.args[0].args for node in nodes if node.op == "weighted_log" and _vanishes_with_weight(graph, *node.args)]
    empty: dict[int, list[Node]] = {}
    for above, below in inside:
        empty.setdefault(below.index, []).append(above)
    done: dict[int, Node] = {}
    for node in nodes:
        args = [done[arg.index] for arg in node.args]
        among = empty.get(node.args[1].index, []) if node.op == "div" else []
        vanishing = next((above for above in among if _share_a_factor(graph, node.args[0], above)), None)
        if node.index in shares:
            (x, y), weight = args, shares[node.index]
            done[node.index] = graph.simple("div", x, _unless_none(graph, graph.simple("add", x, y), done.get(weight.index, weight)))
        elif vanishing is None:
            done[node.index] = graph.over(node, args)
        else:
            weight = done.get(vanishing.index, vanishing)
            done[node.index] = graph.simple("div", args[0], _unless_none(graph, args[1], weight))
    return done


def _unless_none(graph: Graph, below: Node, weight: Node) -> Node:
    """Return a denominator, and 1 where it and the weight are 0: a quotient of equal numbers is then exactly 1 elsewhere."""
    none = graph.make("and", *(graph.make("eq", side, graph.const(0)) for side in (below, weight)))
    return graph.make("where", none, graph.const(1), below)


def _shares_of_weight(graph: Graph, inside: Node, weight: Node) -> list[Node]:
    """Return the factors x/(x + y) of which x and the weight have a factor in common."""
    return [base for base, _ in product_of(graph, inside).powers if base.op == "share" and _share_a_factor(graph, base.args[0], weight)]


def _vanishes_with_weight(graph: Graph, inside: Node, weight: Node) -> bool:
    """Tell whether a quotient of which both sides may be 0 has a factor of the weight above the line."""
    return inside.op == "div" and not inside.args[1].constant and _share_a_factor(graph, inside.args[0], weight)


def _share_a_factor(graph: Graph, one: Node, other: Node) -> bool:
    left, right = product_of(graph, one), product_of(graph, other)
    return any(exponent > 0 and right.exponent(base) > 0 for base, exponent in left.powers)
