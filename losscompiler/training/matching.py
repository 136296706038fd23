"""Which of the arrays that Keras hands around is which of a loss's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from losscompiler.errors import ArgumentError
from losscompiler.graph.loss_graph import LossGraph


def match_data(loss: LossGraph, x: Any, y: Any, y_pred: Any, output_names: Sequence[str] = ()) -> dict[str, Any]:
    """Return the loss's data by name.

    Args:
        loss: the loss, for its names.
        x, y: what ``fit`` was given. Targets come from y: the array itself, a tuple or list in the order of the loss, or
            a dictionary by name. Inputs come from a dictionary x or y by name; those of a tuple are moved before, see
            `inputs_beside_y`.
        y_pred: the net's output. Predictions come from a dictionary by name, from several outputs by their names if
            all are known by the loss's names, else by position.
        output_names: names of the net's outputs, if it has any.

    Raises:
        ArgumentError: if something is missing or ambiguous.
    """
    return _targets(loss, y) | match_predictions(loss, y_pred, output_names) | match_inputs(loss, x, y)


def _targets(loss: LossGraph, y: Any) -> dict[str, Any]:
    names = loss.targets
    if not names:
        return {}
    wanted = ", ".join(names)
    if y is None:
        raise ArgumentError(f"the loss has the target {wanted}, but there is no y. Call fit(x, y).")
    if isinstance(y, Mapping):
        missing = [name for name in names if name not in y]
        if missing:
            raise ArgumentError(f"y has no entry for the target '{missing[0]}'; it has {_list(y)}. Name its entries {wanted}.")
        return {name: y[name] for name in names}
    if isinstance(y, tuple | list):
        if len(y) != len(names):
            raise ArgumentError(f"the loss has {len(names)} targets ({wanted}), but y has {len(y)} arrays.")
        return dict(zip(names, y, strict=True))
    if len(names) > 1:
        raise ArgumentError(f"the loss has the targets {wanted}, but y is one array. Pass a tuple in this order or a dictionary by name.")
    return {names[0]: y}


def match_predictions(loss: LossGraph, y_pred: Any, output_names: Sequence[str] = ()) -> dict[str, Any]:
    """Return the loss's predictions by name; see `match_data`."""
    places = _places(loss, y_pred, output_names)
    return {name: y_pred if place is None else y_pred[place] for name, place in places.items()}


def _places(loss: LossGraph, y_pred: Any, output_names: Sequence[str]) -> dict[str, Any]:
    """Return the key or the position of each prediction among the net's outputs; ``None`` for its one output."""
    names = loss.predictions
    wanted = ", ".join(names)
    if isinstance(y_pred, Mapping):
        if len(names) == len(y_pred) == 1:
            return {names[0]: next(iter(y_pred))}
        missing = [name for name in names if name not in y_pred]
        if missing:
            raise ArgumentError(
                f"the net has no output '{missing[0]}'; it has {_list(y_pred)}. Name its outputs as the loss does: {wanted}."
            )
        return {name: name for name in names}
    if isinstance(y_pred, tuple | list):
        if len(output_names) == len(y_pred) and set(names) <= set(output_names):
            return {name: list(output_names).index(name) for name in names}
        if len(y_pred) != len(names):
            raise ArgumentError(
                f"the loss has {len(names)} predictions ({wanted}), but the net has {len(y_pred)} outputs. "
                "Let the net return as many, or a dictionary by name."
            )
        return {name: place for place, name in enumerate(names)}
    if len(names) > 1:
        raise ArgumentError(
            f"the loss has the predictions {wanted}, but the net has one output. Let the net return a dictionary by name, "
            "or read columns of one prediction in the formula: m = p[0]."
        )
    return {names[0]: None}


def metric_targets(loss: LossGraph, y: Any, y_pred: Any, output_names: Sequence[str] = ()) -> Any:
    """Return what metrics compare the net's outputs with, in the form of y_pred.

    An entry of y with the name of an output is compared with that output, as in Keras. Otherwise the only target belongs
    to every output, and of several the first belongs to the first prediction, the second to the second. An output without
    any gets ``None``, and can have no metric.

    Raises:
        ArgumentError: if which target belongs to which output is open.
    """
    targets = _targets(loss, y) if loss.targets else {}
    if not targets:
        return {name: value for name, value in y.items() if name not in loss.inputs} or None if isinstance(y, Mapping) else y
    several = isinstance(y_pred, Mapping | tuple | list)
    named = y if isinstance(y, Mapping) else {}
    names = list(y_pred) if isinstance(y_pred, Mapping) else list(output_names)
    by_name = {place: named[name] for place, name in enumerate(names) if name in named}
    if not several:
        return by_name.get(0, next(iter(targets.values())))
    keys = list(y_pred) if isinstance(y_pred, Mapping) else list(range(len(y_pred)))
    found = dict.fromkeys(keys, next(iter(targets.values()))) if len(targets) == 1 else {}
    if len(targets) > 1 and not by_name:
        places = _places(loss, y_pred, output_names)
        if len(places) not in (1, len(targets)):
            raise ArgumentError(
                f"metrics of {len(places)} predictions ({', '.join(places)}) and {len(targets)} targets ({', '.join(targets)}): "
                "which belong together is open. Give y as a dictionary with a further entry of the name of each output that has a metric."
            )
        found = dict(zip(places.values(), targets.values(), strict=False))
    found |= {keys[place]: value for place, value in by_name.items()}
    return {key: found.get(key) for key in keys} if isinstance(y_pred, Mapping) else [found.get(key) for key in keys]


def metric_weights(loss: LossGraph, sample_weight: Any, y_pred: Any, output_names: Sequence[str] = ()) -> Any:
    """Return the weights of samples that belong to each output, in the form of y_pred; ``None`` unless each target has its own."""
    names = loss.targets
    by_name = isinstance(sample_weight, Mapping) and set(sample_weight) == set(names)
    by_position = isinstance(sample_weight, tuple | list) and len(sample_weight) == len(names)
    if len(names) < 2 or not (by_name or by_position) or not isinstance(y_pred, Mapping | tuple | list):
        return None
    return metric_targets(loss, sample_weight, y_pred, output_names)


def match_inputs(loss: LossGraph, x: Any, y: Any) -> dict[str, Any]:
    """Return the loss's inputs by name; see `match_data`."""
    found: dict[str, Any] = {}
    for name in loss.inputs:
        source = next((data for data in (x, y) if isinstance(data, Mapping) and name in data), None)
        if source is None:
            entries = " and ".join(f"{what} has {_list(data)}" for what, data in (("x", x), ("y", y)) if isinstance(data, Mapping))
            missing = f"data for the loss's input '{name}' are missing" + (f": {entries}" if entries else "")
            raise ArgumentError(
                f"{missing}. Pass a dictionary with an entry '{name}' as x or as y, "
                f"such as fit({{'x': x, '{name}': {name}}}, y), or a tuple of the net's and the loss's inputs, such as fit((x, {name}), y)."
            )
        found[name] = source[name]
    return found


def _list(data: Mapping[str, Any]) -> str:
    return ", ".join(map(str, data)) or "none"


def split_x(loss: LossGraph, x: Any, net_inputs: Sequence[str] | None) -> tuple[Any, dict[str, Any]]:
    """Return what of x is for the net, and by name what is for the loss.

    Args:
        loss: the loss, for the names of its inputs.
        x: an array, a dictionary by name, or a tuple or list of the net's inputs followed by the loss's.
        net_inputs: names of the net's inputs; ``None`` if the net does not say. Of a net that does not, a dictionary or
            tuple of which one array is left is taken for a net of one array.
    """
    names = loss.inputs
    if not names or not isinstance(x, Mapping | tuple | list):
        return x, {}
    if isinstance(x, Mapping):
        rest: Any = {name: value for name, value in x.items() if name not in names or name in (net_inputs or ())}
        mine = {name: value for name, value in x.items() if name in names}
    else:
        count = len(x) - len(names) if net_inputs is None else len(net_inputs)
        if count < 1 or len(x) != count + len(names):
            return x, {}
        rest, mine = x[:count], dict(zip(names, x[count:], strict=True))
    if len(rest) == 1 and (net_inputs is None or len(net_inputs) == 1):
        rest = next(iter(rest.values() if isinstance(rest, Mapping) else rest))
    return rest, mine


def inputs_beside_y(loss: LossGraph, x: Any, y: Any, net_inputs: Sequence[str] | None) -> tuple[Any, Any]:
    """Return (x, y) such that x holds no positional inputs of the loss: they become entries of y."""
    if not isinstance(x, tuple | list) or (isinstance(y, Mapping) and all(name in y for name in loss.inputs)):
        return x, y
    rest, mine = split_x(loss, x, net_inputs)
    return (rest, {**(y if isinstance(y, Mapping) else _targets(loss, y)), **mine}) if mine else (x, y)
