"""Shapes of data and parameters for which a loss has a value, found by trying."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import product
from typing import TypeAlias

from losscompiler.errors import ShapeError
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Node, reachable
from losscompiler.graph.shapes import infer

Shapes: TypeAlias = dict[str, tuple[int, ...]]

_ROWS = 3
_COLUMNS = 4
_LONGEST = 64
"""Longest axis that is tried: losses for longer ones need data from their user."""
_MOST_TRIES = 4_000


def label_nodes(loss: LossGraph) -> dict[str, tuple[Node, ...]]:
    """Return the data that count positions, with the nodes in which they do: y in p[y] and in one_hot(y, 3)."""
    found: dict[str, list[Node]] = {}
    for node in reachable([loss.loss]):
        position = {"gather": 1, "one_hot": 0}.get(node.op)
        if position is None:
            continue
        for below in reachable([node.args[position]]):
            if below.op == "symbol" and below.name in loss.data:
                found.setdefault(below.name, []).append(node)
    return {name: tuple(nodes) for name, nodes in found.items()}


def node_shapes(loss: LossGraph, shapes: Mapping[str, tuple[int, ...]]) -> dict[int, tuple[int, ...]] | None:
    """Return the shape of every node, or ``None`` if the shapes do not fit the loss."""
    constants = {name: tuple(value.shape) for name, value in loss.constants.items()}
    try:
        found = infer(loss, {**shapes, **constants})
    except ShapeError:
        return None
    if any(length == 0 for shape in found.values() for length in shape):
        return None  # a range of no elements, as p[1:] of a single column
    return {index: tuple(length or 0 for length in shape) for index, shape in found.items()}


def positions(nodes: tuple[Node, ...], shapes: Mapping[int, tuple[int, ...]]) -> int:
    """Return how many positions labels may count: the shortest axis that they are looked up in."""
    return min(shapes[node.args[0].index if node.op == "gather" else node.index][-1] for node in nodes)


def candidate_shapes(loss: LossGraph) -> Iterator[Shapes]:
    """Yield assignments of shapes that fit a loss, common ones first.

    Predictions are tried as (rows, columns), (rows,), (rows, 1), as matrices and stacks of matrices, all alike and with one of
    them narrower; targets and inputs alike, as labels, as columns and, for inputs, as vectors along the last axis.
    Lengths that the text names (vector literals, shapes of parameters, positions) are tried before others.
    """
    tries = 0
    for columns in _columns(loss):
        rows = _ROWS if columns != _ROWS else _ROWS + 2
        for predictions in _prediction_shapes(loss.predictions, rows, columns):
            widest = max(predictions.values(), key=lambda shape: (len(shape), shape), default=(rows, columns))
            parameters = _parameter_shapes(loss, predictions)
            targets, inputs = _data_shapes(widest), (*_data_shapes(widest), widest[-1:], ())
            for target, chosen in product(targets, product(inputs, repeat=min(2, len(loss.inputs)))):
                tries += 1
                if tries > _MOST_TRIES:
                    return
                given = {name: chosen[min(i, 1)] for i, name in enumerate(loss.inputs)}
                shapes = {**dict.fromkeys(loss.targets, target), **predictions, **given}
                shapes = {**{name: shapes[name] for name in loss.data}, **parameters}
                if node_shapes(loss, shapes) is not None:
                    yield shapes
                if not loss.targets:
                    break


def _columns(loss: LossGraph) -> list[int]:
    """Return lengths of the last axis to try: those that the text names, then a few."""
    named: set[int] = set()
    for parameter in loss.parameters.values():
        named |= {length for length in parameter.shape if isinstance(length, int)}
    for value in loss.constants.values():
        named |= set(value.shape)
    for node in reachable([loss.loss]):
        if node.op == "vector":
            named.add(len(node.args))
        elif node.op in ("one_hot", "arange") and isinstance(node.args[-1].attrs[0][1] if node.args[-1].op == "const" else None, Fraction):
            named.add(int(node.args[-1].value))  # type: ignore[arg-type]
        elif node.op == "select" and isinstance(index := node.attr("index"), int):
            named.add(index + 1 if index >= 0 else -index)
    fitting = sorted((length for length in named if 1 < length <= _LONGEST), reverse=True)
    return [*fitting, *(length for length in (_COLUMNS, 2, 3, 5, 6, 8) if length not in fitting)]


def _prediction_shapes(names: tuple[str, ...], rows: int, columns: int) -> Iterator[Shapes]:
    for shape in ((rows, columns), (rows,), (rows, 1), (columns, columns), (2, rows, columns), (2, columns, columns)):
        alike: Shapes = dict.fromkeys(names, shape)
        yield alike
        if len(names) > 1 and shape == (rows, columns):
            yield from ({**alike, name: (rows, 1)} for name in names)


def _data_shapes(widest: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return shapes of data beside predictions of a shape: equal, without the last axis, with a last axis of 1, or wider."""
    if len(widest) < 2:
        return (widest,)
    wider = (*widest[:-1], _COLUMNS)
    found = [widest, wider, widest[:-1]] if widest[-1] == 1 else [widest, widest[:-1], (*widest[:-1], 1), wider]
    return tuple(dict.fromkeys(found))


def _parameter_shapes(loss: LossGraph, predictions: Shapes) -> Shapes:
    return {
        name: tuple(predictions[length][-1] if isinstance(length, str) else length for length in parameter.shape)
        for name, parameter in loss.parameters.items()
    }
