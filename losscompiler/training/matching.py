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
            a dictionary by name. Inputs come from a dictionary x or y by name.
        y_pred: the net's output. Predictions come from a dictionary by name, from several outputs by their names if
            all are known by the loss's names, else by position.
        output_names: names of the net's outputs, if it has any.

    Raises:
        ArgumentError: if something is missing or ambiguous.
    """
    return _targets(loss, y) | match_predictions(loss, y_pred, output_names) | _inputs(loss, x, y)


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
    names = loss.predictions
    wanted = ", ".join(names)
    if isinstance(y_pred, Mapping):
        if len(names) == len(y_pred) == 1:
            return {names[0]: next(iter(y_pred.values()))}
        missing = [name for name in names if name not in y_pred]
        if missing:
            raise ArgumentError(
                f"the net has no output '{missing[0]}'; it has {_list(y_pred)}. Name its outputs as the loss does: {wanted}."
            )
        return {name: y_pred[name] for name in names}
    if isinstance(y_pred, tuple | list):
        if len(output_names) == len(y_pred) and set(names) <= set(output_names):
            return {name: y_pred[list(output_names).index(name)] for name in names}
        if len(y_pred) != len(names):
            raise ArgumentError(
                f"the loss has {len(names)} predictions ({wanted}), but the net has {len(y_pred)} outputs. "
                "Let the net return as many, or a dictionary by name."
            )
        return dict(zip(names, y_pred, strict=True))
    if len(names) > 1:
        raise ArgumentError(
            f"the loss has the predictions {wanted}, but the net has one output. Let the net return a dictionary by name, "
            "or read columns of one prediction in the formula: m = p[0]."
        )
    return {names[0]: y_pred}


def _inputs(loss: LossGraph, x: Any, y: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in loss.inputs:
        source = next((data for data in (x, y) if isinstance(data, Mapping) and name in data), None)
        if source is None:
            raise ArgumentError(
                f"data for the loss's input '{name}' are missing. Pass a dictionary with an entry '{name}' as x or as y, "
                f"such as fit({{'x': x, '{name}': {name}}}, y)."
            )
        found[name] = source[name]
    return found


def _list(data: Mapping[str, Any]) -> str:
    return ", ".join(map(str, data)) or "none"


def without_inputs(loss: LossGraph, data: Any, wanted: Sequence[str] = ()) -> Any:
    """Return a dictionary without the entries that belong to the loss only; anything else as it is."""
    if not isinstance(data, Mapping):
        return data
    return {name: value for name, value in data.items() if name not in loss.inputs or name in wanted}


def bare(data: Any) -> Any:
    """Return the one array of a dictionary, tuple or list of one; anything else as it is."""
    if isinstance(data, Mapping) and len(data) == 1:
        return next(iter(data.values()))
    if isinstance(data, tuple | list) and len(data) == 1:
        return data[0]
    return data
