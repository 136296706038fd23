"""Functions along axes on object arrays: the tensor half of `precise`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from losscompiler.graph.node import Node
    from losscompiler.graph.precise import Arithmetic


def _np() -> Any:
    import numpy as np

    return np


def _array(x: Any) -> Any:
    np = _np()
    return np.asarray(x, dtype=object)


def _axis(node: Node) -> Any:
    axis = node.attr("axis")
    return None if axis == "all" else axis


def _valid(x: Any, axis: Any) -> Any:
    """Return a scalar as an array of shape (1,), so that it has a last axis."""
    return x.reshape(1) if x.ndim == 0 else x


def _reduce(name: str) -> Callable[..., Any]:
    def apply(arithmetic: Arithmetic, node: Node, x: Any) -> Any:
        x, axis = _valid(_array(x), None), _axis(node)
        return getattr(_np(), name)(x, axis=axis, keepdims=True)

    return apply


def _mean(arithmetic: Arithmetic, node: Node, x: Any) -> Any:
    number = _count(arithmetic, node, x)
    return _map(lambda total: arithmetic.div(total, number), _reduce("sum")(arithmetic, node, x))


def _count(arithmetic: Arithmetic, node: Node, x: Any) -> Any:
    shape, axis = _valid(_array(x), None).shape, _axis(node)
    counted = shape if axis is None else [shape[one] for one in (axis if isinstance(axis, tuple) else (axis,))]
    return arithmetic.number(int(_np().prod(counted, dtype=int)))


def _map(function: Callable[..., Any], *arrays: Any) -> Any:
    np = _np()
    return np.asarray(np.frompyfunc(function, len(arrays), 1)(*arrays), dtype=object)


def _truth(name: str) -> Callable[..., Any]:
    def apply(arithmetic: Arithmetic, node: Node, x: Any) -> Any:
        x = _valid(_array(x), None).astype(bool)
        return getattr(_np(), name)(x, axis=_axis(node), keepdims=True).astype(object)

    return apply


def _logsumexp(arithmetic: Arithmetic, node: Node, x: Any) -> Any:
    return _map(arithmetic.log, _reduce("sum")(arithmetic, node, _map(arithmetic.exp, _array(x))))


def _norm(arithmetic: Arithmetic, node: Node, x: Any) -> Any:
    return _map(arithmetic.context.sqrt, _reduce("sum")(arithmetic, node, _array(x) ** 2))


def _softmax(arithmetic: Arithmetic, node: Node, x: Any) -> Any:
    e = _valid(_map(arithmetic.exp, _array(x)), None)
    return _map(arithmetic.div, e, _np().sum(e, axis=_axis(node), keepdims=True))


def _log_softmax(arithmetic: Arithmetic, node: Node, x: Any) -> Any:
    return _array(x) - _logsumexp(arithmetic, node, x)


def _along(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def apply(arithmetic: Arithmetic, node: Node, x: Any) -> Any:
        return function(_valid(_array(x), None), node.attr("axis"))

    return apply


def _logcumsumexp(arithmetic: Arithmetic, node: Node, x: Any) -> Any:
    return _map(arithmetic.log, _np().cumsum(_map(arithmetic.exp, _valid(_array(x), None)), axis=node.attr("axis")))


def _position(name: str) -> Callable[..., Any]:
    def apply(arithmetic: Arithmetic, node: Node, x: Any) -> Any:
        np = _np()
        found = getattr(np, name)(_valid(_array(x), None), axis=node.attr("axis"))
        return _map(arithmetic.number, np.expand_dims(found, node.attr("axis")).astype(object))

    return apply


def _select(arithmetic: Arithmetic, node: Node, x: Any) -> Any:
    index = int(node.attr("index"))  # type: ignore[arg-type]
    x = _array(x)
    return x[..., index : index + 1 if index != -1 else None]


def _range(arithmetic: Arithmetic, node: Node, x: Any) -> Any:
    return _array(x)[..., slice(node.attr("start"), node.attr("stop"))]


def _gather(arithmetic: Arithmetic, node: Node, x: Any, i: Any) -> Any:
    np = _np()
    x, i = _array(x), np.asarray(_map(int, _array(i)), dtype=int)
    if x.ndim == 1:
        return _array(x[i])
    lead = np.broadcast_shapes(x.shape[:-1], i.shape[:-1])
    return np.take_along_axis(np.broadcast_to(x, (*lead, x.shape[-1])), np.broadcast_to(i, (*lead, i.shape[-1])), axis=-1)


def _one_hot(arithmetic: Arithmetic, node: Node, y: Any, n: Any) -> Any:
    np = _np()
    size = int(np.asarray(n).reshape(-1)[0])
    y = _array(y)
    y = y if y.ndim and y.shape[-1] == 1 else y.reshape(*y.shape, 1)
    return _map(lambda value, position: arithmetic.number(int(value) == position), y, np.arange(size).astype(object))


def _vector(arithmetic: Arithmetic, node: Node, *items: Any) -> Any:
    np = _np()
    arrays = [_array(item) for item in items]
    if all(array.ndim == 0 for array in arrays):
        return _array([array.item() for array in arrays])
    return np.concatenate(np.broadcast_arrays(*(_valid(array, None) for array in arrays)), axis=-1)


def _arange(arithmetic: Arithmetic, node: Node, n: Any) -> Any:
    np = _np()
    return _map(arithmetic.number, np.arange(int(np.asarray(n).reshape(-1)[0])).astype(object))


def _concat(arithmetic: Arithmetic, node: Node, a: Any, b: Any) -> Any:
    np = _np()
    a, b = _valid(_array(a), None), _valid(_array(b), None)
    lead = np.broadcast_shapes(a.shape[:-1], b.shape[:-1])
    return np.concatenate([np.broadcast_to(a, (*lead, a.shape[-1])), np.broadcast_to(b, (*lead, b.shape[-1]))], axis=-1)


def _matmul(arithmetic: Arithmetic, node: Node, a: Any, b: Any) -> Any:
    return _np().matmul(_array(a), _array(b))


def _where(keep: Callable[[Any], Any]) -> Callable[..., Any]:
    def apply(arithmetic: Arithmetic, node: Node, x: Any) -> Any:
        x = _array(x)
        rows, columns = x.shape[-2:]
        offset = _np().arange(columns)[None, :] - _np().arange(rows)[:, None]
        return _np().where(keep(offset), x, arithmetic.number(0))

    return apply


def _eye_like(arithmetic: Arithmetic, node: Node, x: Any) -> Any:
    x = _array(x)
    return _map(arithmetic.number, _np().broadcast_to(_np().eye(*x.shape[-2:], dtype=int), x.shape).astype(object))


def _broadcast_to(arithmetic: Arithmetic, node: Node, x: Any, like: Any) -> Any:
    return _np().broadcast_to(_array(x), _np().shape(like))


def sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    """Sum an array over the axes along which an array of ``shape`` was broadcast to it."""
    np = _np()
    x = _array(x)
    lead = x.ndim - len(shape)
    if lead > 0:
        x = np.sum(x, axis=tuple(range(lead)))
    cut = tuple(axis for axis, length in enumerate(shape) if length == 1 and np.shape(x)[axis] != 1)
    return np.sum(_array(x), axis=cut, keepdims=True) if cut else x


def _sum_to(arithmetic: Arithmetic, node: Node, x: Any, like: Any) -> Any:
    result = sum_to(x, _np().shape(like))
    return result.item() if getattr(result, "shape", None) == () else result


def _any_to(arithmetic: Arithmetic, node: Node, x: Any, like: Any) -> Any:
    # A condition with fewer axes than what it is meant for is broadcast to it.
    np = _np()
    shape = np.shape(like)
    found = np.asarray(sum_to(np.asarray(x, dtype=int), shape[max(0, len(shape) - np.ndim(x)) :])) > 0
    return bool(found) if found.ndim == 0 else found


def _products_of_others(arithmetic: Arithmetic, node: Node, x: Any) -> Any:
    np = _np()
    x, axis = _array(x), _axis(node)
    result = np.empty(x.shape, dtype=object)
    for index in np.ndindex(*x.shape):
        others = x.copy()
        others[index] = arithmetic.number(1)
        kept = np.prod(others, axis=axis, keepdims=True)
        result[index] = np.broadcast_to(kept, x.shape)[index]
    return result


def _logcumsumexp_adjoint(arithmetic: Arithmetic, node: Node, u: Any, x: Any, f: Any) -> Any:
    np = _np()
    axis = node.attr("axis")
    weights = _array(u) * _map(arithmetic.exp, -_array(f))
    return _map(arithmetic.exp, _array(x)) * np.flip(np.cumsum(np.flip(weights, axis), axis=axis), axis)


def _sort_adjoint(arithmetic: Arithmetic, node: Node, u: Any, x: Any) -> Any:
    np = _np()
    axis = node.attr("axis")
    order = np.argsort(_array(x), axis=axis, kind="stable")
    result = np.empty(_array(x).shape, dtype=object)
    np.put_along_axis(result, order, np.broadcast_to(_array(u), result.shape), axis=axis)
    return result


def _unselect(arithmetic: Arithmetic, node: Node, u: Any, x: Any) -> Any:
    np = _np()
    x = _array(x)
    result = np.full(x.shape, arithmetic.number(0), dtype=object)
    attrs = dict(node.attrs)
    if "index" in attrs:
        result[..., attrs["index"]] = np.broadcast_to(_array(u), (*x.shape[:-1], 1))[..., 0]
    else:
        result[..., slice(attrs["start"], attrs["stop"])] = u
    return result


def _gather_adjoint(arithmetic: Arithmetic, node: Node, u: Any, x: Any, i: Any) -> Any:
    np = _np()
    x, i, u = _array(x), np.asarray(_map(int, _array(i)), dtype=int), _array(u)
    result = np.full(x.shape, arithmetic.number(0), dtype=object)
    u = np.broadcast_to(u, np.broadcast_shapes(u.shape, i.shape))
    for index in np.ndindex(*u.shape):
        position = i[tuple(k if n > 1 else 0 for k, n in zip(index[-i.ndim :], i.shape, strict=True))]
        place = (position,) if x.ndim == 1 else (*(k if n > 1 else 0 for k, n in zip(index[:-1], x.shape[:-1], strict=True)), position)
        result[place] += u[index]
    return result


def _unconcat(first: bool) -> Callable[..., Any]:
    def apply(arithmetic: Arithmetic, node: Node, u: Any, part: Any) -> Any:
        u, shape = _array(u), _np().shape(part)
        length = shape[-1] if shape else 1
        result = sum_to(u[..., :length] if first else u[..., u.shape[-1] - length :], shape)
        return result if shape else _array(result).item()

    return apply


def _flip(x: Any, axis: Any) -> Any:
    return _np().flip(x, axis)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "sum": _reduce("sum"), "prod": _reduce("prod"), "max": _reduce("max"), "min": _reduce("min"), "mean": _mean, "count": _count,
    "any": _truth("any"), "all": _truth("all"), "logsumexp": _logsumexp, "norm": _norm, "softmax": _softmax, "log_softmax": _log_softmax,
    "cumsum": _along(lambda x, axis: _np().cumsum(x, axis=axis)), "sort": _along(lambda x, axis: _np().sort(x, axis=axis, kind="stable")),
    "flip": _along(_flip), "logcumsumexp": _logcumsumexp, "argmax": _position("argmax"), "argmin": _position("argmin"), "select": _select,
    "range": _range, "gather": _gather, "one_hot": _one_hot, "vector": _vector, "arange": _arange, "concat": _concat, "matmul": _matmul,
    "transpose": lambda arithmetic, node, x: _np().swapaxes(_array(x), -1, -2),
    "diag": lambda arithmetic, node, x: _np().sum(_where(lambda offset: offset == 0)(arithmetic, node, x), axis=-1, keepdims=True),
    "eye_like": _eye_like, "triu": _where(lambda offset: offset >= 0), "tril": _where(lambda offset: offset <= 0),
    "broadcast_to": _broadcast_to, "sum_to": _sum_to, "any_to": _any_to, "products_of_others": _products_of_others,
    "logcumsumexp_adjoint": _logcumsumexp_adjoint, "sort_adjoint": _sort_adjoint, "unselect": _unselect,
    "gather_adjoint": _gather_adjoint, "unconcat_first": _unconcat(True), "unconcat_last": _unconcat(False),
}  # fmt: skip
