"""Current values of parameters, as people read them: by name, and as entries of training logs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NoReturn

import keras
import numpy as np
from keras import ops

from losscompiler.errors import ArgumentError

LARGEST_LOGGED = 32
"""Parameters of more elements are logged by their smallest, mean and largest element."""


class ParameterValues(Mapping[str, Any]):
    """Values of parameters by name, to read: a snapshot, which training does not change and which changes no parameter.

    Under the torch backend it can be called too, as ``torch.nn.Module.parameters`` is. There every Keras layer is a
    ``torch.nn.Module``, whose own ``zero_grad()`` calls ``self.parameters()``.
    """

    def __init__(self, owner: Any, values: Mapping[str, Any]) -> None:
        self._owner = owner
        self._values = {name: np.array(value) for name, value in values.items()}
        for array in self._values.values():
            array.flags.writeable = False

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)

    def __setitem__(self, name: str, value: Any) -> NoReturn:
        """Raise: the snapshot could not change the parameter.

        Raises:
            ArgumentError: always.
        """
        raise ArgumentError(f"parameters are read here and set by set_parameters({name}={value!r}).")

    def __call__(self, recurse: bool = True) -> Any:
        """Return the weights as torch parameters."""
        if keras.backend.backend() != "torch":
            raise TypeError("parameters is a property: write .parameters, not .parameters().")
        return keras.layers.Layer.parameters(self._owner, recurse)


def log_entries(values: Mapping[str, Any], taken: Collection[str]) -> dict[str, Any]:
    """Return parameters as scalar entries of training logs: ``a``, ``w[0]``, ``W[1,2]``.

    Args:
        values: tensors by name.
        taken: names of entries that are there already, such as "loss"; a parameter of such a name is logged as
            ``parameter_loss``. So is one whose name Keras' callbacks give to entries of their own: "learning_rate", and
            all that begin with "val_".
    """
    entries: dict[str, Any] = {}
    for name, value in values.items():
        key = f"parameter_{name}" if name in taken or name == "learning_rate" or name.startswith("val_") else name
        shape = tuple(value.shape)
        if not shape:
            entries[key] = value
        elif int(np.prod(shape)) <= LARGEST_LOGGED:
            for index in np.ndindex(*shape):
                entries[f"{key}[{','.join(map(str, index))}]"] = value[index]
        else:
            entries |= {f"{key}[{what}]": reduce(value) for what, reduce in (("min", ops.min), ("mean", ops.mean), ("max", ops.max))}
    return entries
