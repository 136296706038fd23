"""Current values of parameters, as people read them: by name, and as entries of training logs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

LARGEST_LOGGED = 32
"""Parameters of more elements are logged by their smallest, mean and largest element."""


class ParameterValues(dict[str, Any]):
    """Parameters by name. Under the torch backend it can be called too, as ``torch.nn.Module.parameters`` is.

    There every Keras layer is a ``torch.nn.Module``, whose own ``zero_grad()`` calls ``self.parameters()``.
    """

    def __init__(self, owner: Any, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._owner = owner

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
            ``parameter_loss``.
    """
    entries: dict[str, Any] = {}
    for name, value in values.items():
        key = f"parameter_{name}" if name in taken else name
        shape = tuple(value.shape)
        if not shape:
            entries[key] = value
        elif int(np.prod(shape)) <= LARGEST_LOGGED:
            for index in np.ndindex(*shape):
                entries[f"{key}[{','.join(map(str, index))}]"] = value[index]
        else:
            entries |= {f"{key}[{what}]": reduce(value) for what, reduce in (("min", ops.min), ("mean", ops.mean), ("max", ops.max))}
    return entries
