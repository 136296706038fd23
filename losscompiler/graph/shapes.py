"""Shapes of all values, once the shapes of data are known; `None` stands for a length that is not known yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from losscompiler.errors import ShapeError
from losscompiler.functions import FUNCTIONS, Kind
from losscompiler.graph.loss_graph import LossGraph
from losscompiler.graph.node import Node, reachable
from losscompiler.source import Source, Span

Shape: TypeAlias = tuple[int | None, ...]


def show(shape: Shape) -> str:
    """Return a shape as users write it; unknown lengths are question marks."""
    inside = ", ".join("?" if length is None else str(length) for length in shape)
    return f"({inside},)" if len(shape) == 1 else f"({inside})"


def align(loss: LossGraph, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Give targets and inputs whose rank is one less than the predictions' a trailing axis of length 1.

    A target gets it whatever the sizes; one of a rank more whose last axis has length 1 loses that. An input gets it
    if its lengths can be those of the predictions' leading axes; other inputs, and those that are only looked up by
    position, stay as they are: they are tables.
    """
    aligned = dict(shapes)
    predictions = [shapes[name] for name in loss.predictions]
    if not predictions:
        return aligned
    rank = max(len(shape) for shape in predictions)
    lead = next(shape[:-1] for shape in predictions if len(shape) == rank)
    tables = lookup_tables(loss.loss)
    for name in (*loss.targets, *loss.inputs):
        shape = shapes[name]
        if name in loss.targets and name not in tables and len(shape) == rank + 1 > 1 and shape[-1] == 1:
            aligned[name] = shape[:-1]
            continue
        if len(shape) != rank - 1 or name in tables:
            continue
        fits = all(n == m or n is None or m is None for n, m in zip(shape, lead, strict=True))
        table = None in lead and None not in shape
        if name in loss.targets or (fits and not table):
            aligned[name] = (*shape, 1)
    return aligned


def complete(loss: LossGraph, data: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return the shapes of data together with those of parameters and constants, by name."""
    shapes = dict(data)
    for name, parameter in loss.parameters.items():
        shapes[name] = tuple((data[n] or (1,))[-1] if isinstance(n, str) else n for n in parameter.shape)
    return shapes | {name: tuple(value.shape) for name, value in loss.constants.items()}


def lookup_tables(value: Node) -> frozenset[str]:
    """Return the symbols that occur only as what positions are looked up in: they have no sample axis."""
    looked_up: set[str] = set()
    otherwise: set[str] = set()
    for node in reachable([value]):
        for position, arg in enumerate(node.args):
            if arg.op == "symbol":
                (looked_up if node.op == "gather" and position == 0 else otherwise).add(arg.name)
    return frozenset(looked_up - otherwise)


def infer(loss: LossGraph, shapes: Mapping[str, Shape]) -> dict[int, Shape]:
    """Return the shape of every node of a loss.

    Args:
        loss: the loss.
        shapes: shapes of all data, parameters and constants by name, as they are given.

    Raises:
        ShapeError: where shapes do not fit, with both shapes and both places.
    """
    aligned = align(loss, shapes)
    checker = _Checker(loss.source, aligned, _sample_names(loss, shapes, aligned))
    for node in reachable([loss.loss]):
        checker.visit(node)
    return checker.shapes


def infer_known(loss: LossGraph) -> None:
    """Check the shapes that are known before any data: those of parameters, constants and literals among themselves.

    Raises:
        ShapeError: where they do not fit.
    """
    shapes: dict[str, Shape] = {
        name: tuple(None if isinstance(n, str) else n for n in parameter.shape) for name, parameter in loss.parameters.items()
    }
    shapes |= {name: tuple(value.shape) for name, value in loss.constants.items()}
    checker = _Checker(loss.source, shapes, frozenset())
    known: set[int] = set()
    for node in reachable([loss.loss]):
        if node.op == "const" or (node.op == "symbol" and node.name in shapes) or (node.args and all(a.index in known for a in node.args)):
            checker.visit(node)
            known.add(node.index)


def _sample_names(loss: LossGraph, shapes: Mapping[str, Shape], aligned: Mapping[str, Shape]) -> frozenset[str]:
    """Return the data that have one entry a sample: all but the inputs that are tables."""
    ranks = [len(shapes[name]) for name in loss.predictions]
    batch = next((shapes[name][0] for name in loss.predictions if shapes[name]), None)
    tables = lookup_tables(loss.loss)

    def sampled(name: str) -> bool:
        shape = aligned[name]
        return bool(shape) and name not in tables and (len(shape) == max(ranks, default=0) or shape[0] in (None, batch))

    return frozenset((*loss.targets, *loss.predictions, *(name for name in loss.inputs if sampled(name)))) - tables


@dataclass
class _Checker:
    source: Source
    leaves: Mapping[str, Shape]
    samples: frozenset[str]

    def __post_init__(self) -> None:
        self.shapes: dict[int, Shape] = {}
        self.sampled: set[int] = set()

    def visit(self, node: Node) -> None:
        if node.op == "const":
            self.shapes[node.index] = ()
        elif node.op == "symbol":
            self.shapes[node.index] = tuple(self.leaves[node.name])
            if node.name in self.samples:
                self.sampled.add(node.index)
        else:
            self.shapes[node.index] = self._operation(node, [self.shapes[arg.index] for arg in node.args])
            if node.op not in ("count", "arange") and any(arg.index in self.sampled for arg in node.args):
                self.sampled.add(node.index)

    def _operation(self, node: Node, shapes: list[Shape]) -> Shape:
        row = FUNCTIONS[node.op]
        if row.shape:
            return _RULES[row.shape](self, node, shapes)
        kind = row.kind
        if kind is Kind.REDUCTION:
            return self._reduced(node, shapes[0])
        if kind is Kind.ALONG_AXIS:
            self._axes(node, shapes[0])
            return shapes[0] or (1,)
        return self._broadcast(node, shapes)

    # -- rules
    def _broadcast(self, node: Node, shapes: Sequence[Shape]) -> Shape:
        result: Shape = ()
        self._check_ranks(node, shapes)
        for position, shape in enumerate(shapes):
            joined = _join(result, shape)
            if joined is None:
                other = next(k for k in range(position) if _join(shapes[k], shape) is None)
                raise self._mismatch(node, other, position, shapes, "do not broadcast")
            result = joined
        return result

    def _check_ranks(self, node: Node, shapes: Sequence[Shape]) -> None:
        """Refuse two values of samples whose ranks differ: broadcast from the right, samples would meet other samples."""
        sampled = [k for k, arg in enumerate(node.args) if arg.index in self.sampled and any(length != 1 for length in shapes[k])]
        for k in sampled[1:]:
            if len(shapes[k]) != len(shapes[sampled[0]]):
                raise self._mismatch(
                    node, sampled[0], k, shapes, "have different ranks, so that samples would meet other samples",
                    "Give the data the same number of axes, with length 1 where there is one value for all.",
                )  # fmt: skip

    def _mismatch(self, node: Node, first: int, second: int, shapes: Sequence[Shape], what: str, hint: str = "") -> ShapeError:
        spans = [node.args[k].span for k in (first, second)]
        texts = [_quote(self.source, span) for span in spans]
        notes = tuple(span for span in spans if span is not None)
        return ShapeError(
            "shape-mismatch", f"{texts[0]} of shape {show(shapes[first])} and {texts[1]} of shape {show(shapes[second])} {what}",
            self.source, node.span or Span(0, 1),
            hint or "Shapes meet from the right, and each pair of lengths must be equal or hold a 1.", notes,
        )  # fmt: skip

    def _error(self, node: Node, message: str, hint: str) -> ShapeError:
        return ShapeError("shape-mismatch", message, self.source, node.span or Span(0, 1), hint)

    def _axes(self, node: Node, shape: Shape) -> tuple[int, ...]:
        axis = node.attr("axis")
        shape = shape or (1,)
        rank = len(shape)
        if axis == "all":
            return tuple(range(rank))
        axes = axis if isinstance(axis, tuple) else (axis,)
        for one in axes:
            if not isinstance(one, int) or not -rank <= one < rank:
                raise self._error(
                    node, f"axis {one} does not exist: {_quote(self.source, node.args[0].span)} has shape {show(shape)}",
                    f"Axes of this value run from {-rank} to {rank - 1}.",
                )  # fmt: skip
        found = tuple(one % rank for one in axes if isinstance(one, int))
        if len(set(found)) != len(found):
            what = f"an axis is named twice: with shape {show(shape)}, {axis} are not different axes"
            raise self._error(node, what, "Name each axis once.")
        return found

    def _reduced(self, node: Node, shape: Shape) -> Shape:
        axes = self._axes(node, shape)
        return tuple(1 if position in axes else length for position, length in enumerate(shape or (1,)))

    def _last(self, node: Node, shape: Shape) -> int | None:
        if not shape:
            raise self._error(
                node, f"{_quote(self.source, node.args[0].span)} is a single number and has no elements to select",
                "Select from a prediction, from data or from a vector parameter.",
            )  # fmt: skip
        return shape[-1]

    def _select(self, node: Node, shapes: list[Shape]) -> Shape:
        length, index = self._last(node, shapes[0]), node.attr("index")
        if length is not None and isinstance(index, int) and not -length <= index < length:
            raise self._error(
                node, f"position {index} does not exist: the last axis of {_quote(self.source, node.args[0].span)} has length {length}",
                f"Positions run from 0 to {length - 1}, or from {-length} to -1.",
            )  # fmt: skip
        return (*shapes[0][:-1], 1)

    def _range(self, node: Node, shapes: list[Shape]) -> Shape:
        length = self._last(node, shapes[0])
        if length is None:
            return (*shapes[0][:-1], None)
        start, stop = node.attr("start"), node.attr("stop")
        return (*shapes[0][:-1], len(range(*slice(start, stop).indices(length))))

    def _gather(self, node: Node, shapes: list[Shape]) -> Shape:
        base, index = shapes
        self._last(node, base)
        if len(base) == 1:
            return index
        lead = _join(base[:-1], index[:-1]) if len(index) == len(base) else None
        if lead is None:
            raise self._mismatch(node, 0, 1, shapes, "do not fit: positions need the leading axes of what they are looked up in")
        return (*lead, index[-1])

    def _one_hot(self, node: Node, shapes: list[Shape]) -> Shape:
        labels = shapes[0]
        return (*(labels[:-1] if labels and labels[-1] == 1 else labels), self._size(node.args[1]))

    def _arange(self, node: Node, shapes: list[Shape]) -> Shape:
        return (self._size(node.args[0]),)

    def _size(self, node: Node) -> int | None:
        if node.op == "const" and isinstance(node.value, Fraction):
            return int(node.value)
        if node.op == "count":
            shape = self.shapes[node.args[0].index] or (1,)
            total = 1
            for axis in self._axes(node, shape):
                length = shape[axis]
                if length is None:
                    return None
                total *= length
            return total
        return None

    def _vector(self, node: Node, shapes: list[Shape]) -> Shape:
        lead = self._broadcast(node, shapes)
        if not lead:
            return (len(shapes),)
        lengths = [shape[-1] if shape else 1 for shape in shapes]
        total = None if None in lengths else sum(length for length in lengths if length is not None)
        return (*lead[:-1], total)

    def _concat(self, node: Node, shapes: list[Shape]) -> Shape:
        a, b = (shape or (1,) for shape in shapes)
        lead = _join(a[:-1], b[:-1])
        if lead is None:
            raise self._mismatch(node, 0, 1, shapes, "do not fit: all axes but the last must broadcast")
        return (*lead, None if a[-1] is None or b[-1] is None else a[-1] + b[-1])

    def _matmul(self, node: Node, shapes: list[Shape]) -> Shape:
        a, b = shapes
        if len(a) < 2 or len(b) < 2:
            raise self._mismatch(node, 0, 1, shapes, "cannot be multiplied as matrices: each needs at least two axes")
        lead = _join(a[:-2], b[:-2])
        if lead is None or (a[-1] != b[-2] and None not in (a[-1], b[-2])):
            raise self._mismatch(node, 0, 1, shapes, "cannot be multiplied as matrices: columns of the first must match rows of the second")
        return (*lead, a[-2], b[-1])

    def _matrix(self, node: Node, shape: Shape) -> Shape:
        if len(shape) < 2:
            raise self._error(
                node, f"{node.op} needs a matrix, but {_quote(self.source, node.args[0].span)} has shape {show(shape)}",
                "It works on the last two axes.",
            )  # fmt: skip
        return shape

    def _transpose(self, node: Node, shapes: list[Shape]) -> Shape:
        shape = self._matrix(node, shapes[0])
        return (*shape[:-2], shape[-1], shape[-2])

    def _square_like(self, node: Node, shapes: list[Shape]) -> Shape:
        return self._matrix(node, shapes[0])

    def _number(self, node: Node, shapes: list[Shape]) -> Shape:
        self._axes(node, shapes[0])
        return ()

    def _diag(self, node: Node, shapes: list[Shape]) -> Shape:
        return (*self._matrix(node, shapes[0])[:-1], 1)

    def _like(self, node: Node, shapes: list[Shape]) -> Shape:
        return shapes[1]


_RULES: dict[str, Callable[[_Checker, Node, list[Shape]], Shape]] = {
    "number": _Checker._number,
    "select": _Checker._select, "range": _Checker._range, "gather": _Checker._gather, "one_hot": _Checker._one_hot,
    "arange": _Checker._arange, "vector": _Checker._vector, "concat": _Checker._concat, "matmul": _Checker._matmul,
    "transpose": _Checker._transpose, "diag": _Checker._diag, "square_like": _Checker._square_like, "like": _Checker._like,
}  # fmt: skip
"""Shape rules by the name that a row of the table gives."""


def _join(a: Shape, b: Shape) -> Shape | None:
    """Broadcast two shapes, or return ``None``."""
    rank = max(len(a), len(b))
    wide_a, wide_b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    result: list[int | None] = []
    for n, m in zip(wide_a, wide_b, strict=True):
        if n == m or m == 1:
            result.append(n)
        elif n == 1 or n is None:
            result.append(m)
        elif m is None:
            result.append(n)
        else:
            return None
    return tuple(result)


def _quote(source: Source, span: Span | None) -> str:
    text = source.slice(span) if span is not None else ""
    text = " ".join(text.split())
    return f"'{text if len(text) <= 30 else text[:27] + '...'}'" if text else "a value"
