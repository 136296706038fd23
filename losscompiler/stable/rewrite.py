"""Application of rewrite rules to a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from losscompiler.graph.axes import leaf
from losscompiler.graph.expressions import ExpressionBuilder, Keywords
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Graph, Node, reachable
from losscompiler.source import Source
from losscompiler.stable.rules import LOWERING, RULES, Rule
from losscompiler.stable.transformations import MERGING, TRANSFORMATIONS, Step
from losscompiler.syntax import parse

_VARIABLE = "x"


@cache
def _pattern(text: str) -> Node:
    graph = Graph()
    # An array: of a single number a reduction is that number, and a pattern would lose it.
    x = graph.symbol(_VARIABLE, leaf(_VARIABLE))
    builder = ExpressionBuilder(graph, Source(text), lambda name: x, graph.make, internal=True)
    return builder.build(parse(text).loss)


def _match(pattern: Node, node: Node, found: dict[str, Node], axes: list[object]) -> bool:
    """Tell whether a node has the pattern's form; ``found`` receives what stands for ``x``, ``axes`` the axis."""
    if pattern.op == "symbol":
        return found.setdefault(_VARIABLE, node) is node
    if pattern.op == "neg" and pattern.args[0].op == "symbol" and node.op != "neg":
        return False
    if pattern.op != node.op or len(pattern.args) != len(node.args):
        return False
    if pattern.op == "const":
        return bool(pattern.value == node.value)
    axis = dict(node.attrs).get("axis")
    if axis is not None:
        axes.append(axis)
    return all(_match(part, arg, found, axes) for part, arg in zip(pattern.args, node.args, strict=True))


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
    by_operation: dict[str, list[Rule]] = {}
    for rule in rules:
        by_operation.setdefault(_pattern(rule.pattern).op, []).append(rule)
    done: dict[int, Node] = {}
    fired: list[tuple[Rule, Node]] = []
    for node in reachable(roots):
        new = node
        if any(done[arg.index] is not arg for arg in node.args):
            new = graph.make(node.op, *(done[arg.index] for arg in node.args), span=node.span, **dict(node.attrs))
        for _ in range(4):
            step = _apply(graph, new, by_operation.get(new.op, ())) or _carry_out(new, steps)
            if step is None:
                break
            fired.append((step[0], node))
            new = step[1]
        done[node.index] = new
    return done, fired


def _carry_out(node: Node, steps: Sequence[tuple[Rule, Step]]) -> tuple[Rule, Node] | None:
    if node.constant:
        return None
    for rule, step in steps:
        other = step(node)
        if other is not None and other is not node:
            return rule, other
    return None


def _apply(graph: Graph, node: Node, rules: Sequence[Rule]) -> tuple[Rule, Node] | None:
    if node.constant:
        return None
    for rule in rules:
        found: dict[str, Node] = {}
        axes: list[object] = []
        if _match(_pattern(rule.pattern), node, found, axes) and len(set(axes)) <= 1:
            builder = ExpressionBuilder(graph, Source(rule.replacement), _no_name, graph.simple, internal=True)
            keywords = Keywords(axis=axes[0] if axes else -1)  # type: ignore[arg-type]
            return rule, builder.expand(rule.replacement, found, keywords, node.span)
    return None


def _no_name(name: object) -> Node:
    raise AssertionError(f"{name} is bound by the caller")


def economise(graph: Graph, roots: Sequence[Node]) -> dict[int, Node]:
    """Return, for every node below the roots of a derived program, what stands in its place.

    Powers are brought together first, while they are still powers; then cheaper forms of equal accuracy replace them.
    """
    merged, _ = rewrite(graph, roots, (), [(each.rule, each.begin(graph, {})) for each in MERGING])
    cheap, _ = rewrite(graph, list(merged.values()), LOWERING)
    return {index: cheap[node.index] for index, node in merged.items()}


def stabilise(loss: LossGraph) -> tuple[LossGraph, list[tuple[Rule, Node]]]:
    """Return the loss in accurate forms, before it is differentiated, and the rules that fired.

    Gradients are derived from the rewritten loss: the derivative of log_sigmoid is accurate where that of
    log(sigmoid) is 0/0.
    """
    steps = [(each.rule, each.begin(loss.graph, loss.parameters)) for each in TRANSFORMATIONS]
    done, fired = rewrite(loss.graph, [loss.loss, *loss.definitions.values()], RULES, steps)
    definitions = {name: done[node.index] for name, node in loss.definitions.items()}
    return replace(loss, loss=done[loss.loss.index], definitions=definitions), fired
