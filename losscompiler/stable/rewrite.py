"""Application of rewrite rules to a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Graph, Node, reachable
from losscompiler.graph.parameter import Parameter
from losscompiler.stable.choices import without_decided
from losscompiler.stable.dispersions import DISPERSIONS
from losscompiler.stable.patterns import instance, match, tops
from losscompiler.stable.rules import LOWERING, RULES, Rule
from losscompiler.stable.transformations import FINISHING, GUARDING, MERGING, PREPARING, TRANSFORMATIONS, Step
from losscompiler.stable.weights import without_empty_quotients

_BY_DERIVATION = ("difference of sigmoids", "cosine by a sine", "cosine by the size of a sine")
_OF_DERIVATIVES = tuple(rule for rule in RULES if rule.name in _BY_DERIVATION or (rule.pattern.startswith("log(") and rule.y is None))
"""What derivation may bring in: logarithms of bases, slopes of arcs, and two sigmoids where terms between them have cancelled."""

_DEEPEST = 8
"""How often what a rule makes may itself be rewritten."""


def rewrite(
    graph: Graph, roots: Sequence[Node], rules: Sequence[Rule], steps: Sequence[tuple[Rule, Step]] = ()
) -> tuple[dict[int, Node], list[tuple[Rule, Node]]]:
    """Apply rules below the roots, operands first, until none fits.

    Args:
        graph: where nodes are made.
        roots: what to rewrite.
        rules: patterns with their replacements.
        steps: rules that no pattern can state, each with the function that carries it out where it can.

    Returns:
        For every node below the roots what stands in its place, and the rules that fired with the node they replaced.
    """
    return _Rewriting(graph, rules, steps).below(roots)


class _Rewriting:
    """One pass over a graph; what rules make is rewritten in its turn."""

    def __init__(self, graph: Graph, rules: Sequence[Rule], steps: Sequence[tuple[Rule, Step]]) -> None:
        self.graph = graph
        self.steps = steps
        self.by_operation: dict[str, list[tuple[Rule, frozenset[str]]]] = {}
        for rule in rules:
            for operation, operands in tops(rule.pattern).items():
                self.by_operation.setdefault(operation, []).append((rule, operands))
        self.done: dict[int, Node] = {}
        self.fired: list[tuple[Rule, Node]] = []

    def below(self, roots: Sequence[Node]) -> tuple[dict[int, Node], list[tuple[Rule, Node]]]:
        for node in reachable(roots):
            if node.index not in self.done:
                self.done[node.index] = self._settled(self._with_operands(node), node, 0)
        return self.done, self.fired

    def _with_operands(self, node: Node) -> Node:
        """Return a node over what stands in place of its operands."""
        if all(self.done[arg.index] is arg for arg in node.args):
            return node
        # Choices by the same condition inside each other, and signs of signs, come from the rules, not from the user.
        make = self.graph.simple if node.op in ("where", "add", "sub", "neg") else self.graph.make
        return make(node.op, *(self.done[arg.index] for arg in node.args), span=node.span, **dict(node.attrs))

    def _settled(self, new: Node, node: Node, depth: int) -> Node:
        """Return a node, whose operands are settled, after the rules that fit; ``node`` is what was written."""
        for _ in range(4):
            step = _apply(self.graph, new, self.by_operation.get(new.op, ())) or _carry_out(new, self.steps)
            if step is None:
                break
            self.fired.append((step[0], node))
            new = self._settle_new(step[1], node, depth)
        self.done.setdefault(new.index, new)
        return new

    def _settle_new(self, new: Node, node: Node, depth: int) -> Node:
        """Return what a rule has made over operands that are settled."""
        if depth == _DEEPEST:
            return new
        for arg in new.args:
            if arg.index not in self.done:
                self.done[arg.index] = self._settled(self._settle_new(arg, node, depth + 1), node, depth + 1)
        return self._with_operands(new)


def _carry_out(node: Node, steps: Sequence[tuple[Rule, Step]]) -> tuple[Rule, Node] | None:
    if node.constant:
        return None
    for rule, step in steps:
        other = step(node)
        if other is not None and other is not node and _keeps_shape(node, other):
            return rule, other
    return None


def _apply(graph: Graph, node: Node, rules: Sequence[tuple[Rule, frozenset[str]]]) -> tuple[Rule, Node] | None:
    if node.constant:
        return None
    present = {arg.op for arg in node.args}
    for rule, operands in rules:
        matched = match(rule.pattern, node) if operands <= present else None
        if matched is not None:
            new = instance(graph, rule.replacement, matched, node.span)
            if _keeps_shape(node, new):
                return rule, new
    return None


def _keeps_shape(node: Node, new: Node) -> bool:
    """Tell whether everything that gives a node its shape still stands in what replaces it."""
    # Names that begin with '#' belong to results of single nodes, such as ranges, which are made anew.
    return {name for name, _ in node.axes if not name.startswith("#")} <= {name for name, _ in new.axes}


def economise(graph: Graph, roots: Sequence[Node]) -> dict[int, Node]:
    """Return, for every node below the roots of a derived program, what stands in its place.

    Powers are brought together first, while they are still powers; then cheaper forms of equal accuracy replace them. The
    derivative of a power by its exponent has brought in logarithms, which are rewritten as those of the loss were.
    """
    merged, _ = rewrite(graph, roots, _OF_DERIVATIVES, [(each.rule, each.begin(graph, {})) for each in MERGING])
    cheap, _ = rewrite(graph, list(merged.values()), LOWERING)
    return {index: cheap[node.index] for index, node in merged.items()}


def guard(loss: LossGraph, roots: Sequence[Node]) -> dict[int, Node]:
    """Return, for every node below the roots of a derived program, what stands in its place where something may overflow."""
    varying = {**{name: Parameter() for name in loss.predictions}, **loss.parameters}
    done, _ = rewrite(loss.graph, roots, (), [(each.rule, each.begin(loss.graph, varying)) for each in GUARDING])
    place = without_empty_quotients(loss.graph, list(done.values()))
    return {index: place[node.index] for index, node in done.items()}


def stabilise(loss: LossGraph) -> tuple[LossGraph, list[tuple[Rule, Node]]]:
    """Return the loss in accurate forms, before it is differentiated, and the rules that fired.

    Gradients are derived from the rewritten loss: the derivative of log_sigmoid is accurate where that of
    log(sigmoid) is 0/0.
    """
    written = [loss.loss, *loss.definitions.values()]
    first, fired = _with_dispersions(loss, written)
    steps = [(each.rule, each.begin(loss.graph, loss.parameters)) for each in TRANSFORMATIONS]
    done, later = rewrite(loss.graph, [first[node.index] for node in written], RULES, steps)
    fired += later
    wanted = [done[first[node.index].index] for node in written]
    last, also = rewrite(loss.graph, wanted, (), [(each.rule, each.begin(loss.graph, loss.parameters)) for each in FINISHING])
    decided = without_decided(loss.graph, [last[node.index] for node in wanted])
    value, *others = (decided[last[node.index].index] for node in wanted)
    return replace(loss, loss=value, definitions=dict(zip(loss.definitions, others, strict=True))), [*fired, *also]


def _with_dispersions(loss: LossGraph, written: Sequence[Node]) -> tuple[dict[int, Node], list[tuple[Rule, Node]]]:
    """Return likelihoods of counts by their dispersion, before logarithms are taken inside; other losses as they are."""
    steps = [(each.rule, each.begin(loss.graph, loss.parameters)) for each in PREPARING]
    done, fired = rewrite(loss.graph, written, (), steps)
    if any(rule is DISPERSIONS for rule, _ in fired):
        return done, fired
    return {node.index: node for node in written}, []
