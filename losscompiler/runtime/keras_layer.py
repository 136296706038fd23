"""A loss with parameters as a Keras layer; emitted modules copy this class, `LossLayer` derives from it."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from losscompiler.runtime.keras_functions import bounded, unbounded


class FormulaLayer(keras.layers.Layer):
    """A loss as a layer: called on data in the order of ``DATA``, it returns the loss before any mean is taken.

    Every parameter is one weight. A bounded parameter is a smooth function of its weight, so that no optimizer step can
    leave the bounds; `parameters` shows what it means, not the weight. The loss is computed in ``keras.config.floatx()``
    whatever the dtype policy, as Keras' own losses are.
    """

    DATA = ()
    PREDICTIONS = ()
    PARAMETERS = {}

    def __init__(self, initial=None, **kwargs):
        kwargs.setdefault("dtype", keras.config.floatx())
        super().__init__(**kwargs)
        self.initial = dict(initial or {})
        unknown = sorted(set(self.initial) - set(self.PARAMETERS))
        if unknown:
            raise ValueError(f"there is no parameter {unknown[0]!r}; the loss has {sorted(self.PARAMETERS)}.")
        self._parameter_weights = {}
        if all(isinstance(length, int) for fact in self.PARAMETERS.values() for length in fact["shape"]):
            self._make_weights(())

    def __call__(self, *data, **kwargs):
        if len(data) == 1 and isinstance(data[0], dict):
            data = [data[0][name] for name in self.DATA]
        elif len(data) == 1 and isinstance(data[0], (list, tuple)):
            data = data[0]
        if len(data) != len(self.DATA):
            raise ValueError(f"the loss is called on {', '.join(self.DATA)}; got {len(data)} arrays.")
        return super().__call__(list(data), **kwargs)

    def _make_weights(self, shapes):
        for name, fact in self.PARAMETERS.items():
            lengths = [n if isinstance(n, int) else shapes[self.DATA.index(n)][-1] for n in fact["shape"]]
            start = np.broadcast_to(np.asarray(self.initial.get(name, fact["initial"]), "float64"), lengths)
            self._parameter_weights[name] = self.add_weight(
                name=name,
                shape=tuple(lengths),
                initializer=lambda shape, dtype=None, start=start, bounds=fact["bounds"]: ops.convert_to_tensor(
                    unbounded(start, *bounds), dtype
                ),
                trainable=fact["trainable"],
                regularizer=self._regularizer(fact),
            )

    def _regularizer(self, fact):
        found = keras.regularizers.get(fact["regularizer"])
        return None if found is None else lambda weight: found(bounded(weight, *fact["bounds"]))

    def build(self, shapes):
        """Make the weights whose length is that of a prediction's last axis."""
        if not self._parameter_weights:
            self._make_weights(shapes)

    def constrained(self):
        """Return the parameters as tensors, by name: what the formula means by them."""
        return {name: bounded(ops.convert_to_tensor(weight), *self.PARAMETERS[name]["bounds"]) for name, weight in self._parameter_weights.items()}

    @property
    def parameters(self):
        """Current values of the parameters by name, as NumPy arrays; bounded ones lie inside their bounds."""
        return {name: ops.convert_to_numpy(value) for name, value in self.constrained().items()}

    def set_parameters(self, **values):
        """Set parameters to values, as the formula means them."""
        for name, value in values.items():
            if name not in self._parameter_weights:
                raise ValueError(f"there is no parameter {name!r}; the loss has {sorted(self._parameter_weights)}.")
            weight = self._parameter_weights[name]
            lower, upper = self.PARAMETERS[name]["bounds"]
            value = np.broadcast_to(np.asarray(value, "float64"), weight.shape)
            if (lower is not None and np.any(value <= lower)) or (upper is not None and np.any(value >= upper)):
                raise ValueError(f"{name} = {value} lies outside its bounds ({lower}, {upper}).")
            weight.assign(unbounded(value, lower, upper))

    def call(self, data):
        """Return the loss of data given in the order of ``DATA``."""
        arrays = [ops.cast(array, self.compute_dtype) for array in data]
        return self.formula(*arrays, *(ops.cast(value, self.compute_dtype) for value in self.constrained().values()))

    def formula(self, *arrays):
        """Return the loss of data and parameters, with its analytic derivative."""
        raise NotImplementedError("a subclass gives the formula")

    def get_config(self):
        """Return what makes the layer again."""
        return {**super().get_config(), "initial": {name: np.asarray(value).tolist() for name, value in self.initial.items()}}
