"""A loss as JSON types, as it stands in saved files, and back.

What is read comes from a file, and a file can be damaged or hostile: every entry is checked before it is used, whatever is
wrong with it raises an `ArgumentError` that names the entry, and nothing in it is ever evaluated as code. The formula is
text in the loss language, which its grammar refuses or accepts as it does in `compile_loss`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from losscompiler.errors import ArgumentError
from losscompiler.graph.build import Interface
from losscompiler.graph.parameter import Parameter

CONFIG_VERSION = 1
"""Version of what `to_config` writes; raised when its entries or their meaning change. `from_config` reads every version up to it."""

_ENTRIES = ("version", "formula", "name", "targets", "predictions", "inputs", "parameters", "constants")
_ENTRIES_OF_PARAMETER = ("init", "bounds", "shape", "trainable", "regularizer", "closed")
_DEEPEST = 64
"""Lists and dictionaries inside each other. NumPy has arrays of at most 64 axes; Python's own stack ends at about 1000."""


def to_config(text: str, name: str, interface: Interface) -> dict[str, Any]:
    """Return what makes the same loss again.

    Raises:
        ArgumentError: if a regularizer cannot be written.
    """
    parameters = interface.parameters
    return {
        "version": CONFIG_VERSION,
        "formula": text,
        "name": name,
        "targets": None if interface.targets is None else list(interface.targets),
        "predictions": None if interface.predictions is None else list(interface.predictions),
        "inputs": list(interface.inputs),
        "parameters": None if parameters is None else {name: parameter.config() for name, parameter in parameters.items()},
        "constants": {name: value.tolist() if hasattr(value, "tolist") else value for name, value in (interface.constants or {}).items()},
    }


def from_config(config: Any) -> tuple[str, str, Interface]:
    """Return (text, name, interface) of what `to_config` wrote; constants are numbers and nested lists.

    Raises:
        ArgumentError: if a newer version wrote it, or an entry is missing, unknown or of a wrong type.
    """
    _check_depth(config)
    table = _table(config, "the loss")
    version = table.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise _damaged("version", f"must be a positive integer, not {_shown(version)}")
    if version > CONFIG_VERSION:
        raise ArgumentError(
            f"this loss was saved by a newer version (config {_shown(version)}, known {CONFIG_VERSION}). Update losscompiler."
        )
    _check_entries(table, _ENTRIES, "the loss")
    parameters = table["parameters"]
    interface = Interface(
        None if table["targets"] is None else _names(table["targets"], "targets"),
        None if table["predictions"] is None else _names(table["predictions"], "predictions"),
        _names(table["inputs"], "inputs"),
        None if parameters is None else {name: _parameter(fact, name) for name, fact in _table(parameters, "parameters").items()},
        {name: _numbers(value, f"constants.{name}") for name, value in _table(table["constants"], "constants").items()},
    )  # fmt: skip
    return _text(table["formula"], "formula"), _text(table["name"], "name"), interface


def _parameter(config: Any, name: str) -> Parameter:
    place = f"parameters.{name}"
    table = _table(config, place)
    _check_entries(table, _ENTRIES_OF_PARAMETER, place)
    _numbers(table["init"], f"{place}.init")
    for key in ("bounds", "closed"):
        if not isinstance(table[key], list | tuple) or len(table[key]) != 2:
            raise _damaged(f"{place}.{key}", f"must be a list of two, not {_shown(table[key])}")
    for side in table["bounds"]:
        if side is not None:
            _numbers(side, f"{place}.bounds")
    for flag in (*table["closed"], table["trainable"]):
        if not isinstance(flag, bool):
            raise _damaged(place, f"needs true or false for 'closed' and 'trainable', not {_shown(flag)}")
    if not isinstance(table["shape"], list | tuple):
        raise _damaged(f"{place}.shape", f"must be a list, not {_shown(table['shape'])}")
    regularizer = table["regularizer"]
    if isinstance(regularizer, Mapping):
        # Keras writes the last two of regularizers in the form of `keras.regularizers.serialize`.
        _check_entries(regularizer, ("class_name", "config"), f"{place}.regularizer", ("module", "registered_name"))
        _text(regularizer["class_name"], f"{place}.regularizer.class_name")
        _table(regularizer["config"], f"{place}.regularizer.config")
        try:
            json.dumps(regularizer, allow_nan=False)
        except (TypeError, ValueError):
            raise _damaged(f"{place}.regularizer", "must hold texts and finite numbers") from None
    elif regularizer is not None:
        _text(regularizer, f"{place}.regularizer")
    return Parameter.from_config(dict(table))


# -- one entry
def _table(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _damaged(place, f"must be a table of named entries, not {_shown(value)}")
    return value


def _check_entries(table: Mapping[str, Any], wanted: tuple[str, ...], place: str, possible: tuple[str, ...] = ()) -> None:
    missing = [key for key in wanted if key not in table]
    unknown = [key for key in table if key not in (*wanted, *possible)]
    if missing:
        raise _damaged(place, f"lacks the entry '{missing[0]}'")
    if unknown:
        raise _damaged(place, f"has the unknown entry {_shown(unknown[0])}")


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise _damaged(place, f"must be text, not {_shown(value)}")
    return value


def _names(value: Any, place: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise _damaged(place, f"must be a list of names, not {_shown(value)}")
    return tuple(_text(name, place) for name in value)


def _numbers(value: Any, place: str) -> Any:
    if isinstance(value, list | tuple):
        return [_numbers(item, place) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _damaged(place, f"must hold numbers, not {_shown(value)}")
    return value


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        if depth > _DEEPEST:
            raise _damaged("the loss", f"is nested more than {_DEEPEST} levels deep")
        nested = [item.values() if isinstance(item, Mapping) else item for item in level if isinstance(item, Mapping | list | tuple)]
        level, depth = [item for items in nested for item in items], depth + 1


def _shown(value: Any) -> str:
    if isinstance(value, int) and abs(value) > 10**18:
        return "a number of more than 18 digits"  # Python refuses to write out very long ones
    text = repr(value) if isinstance(value, str | int | float | None) else type(value).__name__
    return text if len(text) <= 60 else f"{text[:60]}..."


def _damaged(place: str, what: str) -> ArgumentError:
    return ArgumentError(f"the saved loss cannot be read: {place} {what}. The file is damaged, or losscompiler did not write it.")
