"""A loss with parameters as a Keras layer; emitted modules copy this class, `LossLayer` derives from it."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from losscompiler.runtime.keras_functions import bounded, maximum, minimum, unbounded


class FormulaLayer(keras.layers.Layer):
    """A loss as a layer: called on data in the order of ``DATA``, it returns the loss before any mean is taken.

    A subclass gives ``DATA`` and ``PREDICTIONS`` (names), ``PARAMETERS`` (by name: initial value, bounds, shape, whether it
    trains, regularizer) and ``formula``.

    Every parameter is one weight. A bounded parameter is a smooth function of its weight, so that no optimizer step can
    leave the bounds; `parameters` shows what it means, not the weight. The loss is computed in ``keras.config.floatx()``
    whatever the dtype policy, as Keras' own losses are, unless the layer is given a ``dtype`` of its own.

    The layer trains as a part of a model that has the targets among its inputs and the layer's value as its output,
    compiled with a loss that returns its second argument (a registered function, if the model is to be saved or
    cloned). Given to ``compile(loss=layer)`` it is called but never trained: Keras takes no weights from a loss.
    """

    def __init__(self, initial=None, **kwargs):
        kwargs.setdefault("dtype", keras.config.floatx())
        super().__init__(**kwargs)
        self.supports_masking = True
        self.initial = {name: np.asarray(self._legal(name, value)).tolist() for name, value in (initial or {}).items()}
        self._parameter_weights = {}
        if not self.open_lengths:
            self._make_weights({})

    def __call__(self, *data, **kwargs):
        """Return the loss of data given one by one, as a list, or as a dictionary by name."""
        return super().__call__(self._as_list(data), **kwargs)

    def _as_list(self, data):
        """Return the data of a call in the order of ``DATA``."""
        if len(data) == 1 and isinstance(data[0], dict):
            missing = [name for name in self.DATA if name not in data[0]]
            if missing:
                raise ValueError(f"data for {missing[0]!r} are missing; the loss is called on {', '.join(self.DATA)}.")
            data = [data[0][name] for name in self.DATA]
        elif len(data) == 1 and isinstance(data[0], (list, tuple)):
            data = data[0]
        if len(data) != len(self.DATA):
            raise ValueError(f"the loss is called on {', '.join(self.DATA)}; got {len(data)} arrays.")
        return list(data)

    @property
    def open_lengths(self):
        """Names of predictions whose last axis is as long as some parameter."""
        return {n for fact in self.PARAMETERS.values() for n in fact["shape"] if isinstance(n, str)}

    def _make_weights(self, lengths):
        unknown = [name for name in sorted(self.open_lengths) if lengths.get(name) is None]
        if unknown:
            raise ValueError(f"a parameter is as long as the last axis of {unknown[0]!r}, whose length is unknown.")
        for name, fact in self.PARAMETERS.items():
            shape = tuple(n if isinstance(n, int) else int(lengths[n]) for n in fact["shape"])
            initial = np.broadcast_to(np.asarray(self.initial.get(name, fact["initial"]), "float64"), shape)
            start = unbounded(initial, *fact["bounds"])
            self._parameter_weights[name] = self.add_weight(
                name=name,
                shape=shape,
                initializer=lambda shape, dtype=None, start=start: ops.convert_to_tensor(start, dtype),
                trainable=fact["trainable"],
                regularizer=self._regularizer(fact),
            )

    def _regularizer(self, fact):
        found, inside = keras.regularizers.get(fact["regularizer"]), self._inside
        if found is None:
            return None

        class OfParameter(keras.regularizers.Regularizer):
            """Acts on the parameter that a weight stands for."""

            def __call__(self, weight):
                return found(inside(weight, *fact["bounds"]))

        return OfParameter()

    def build(self, shapes):
        """Make the weights whose length is that of a prediction's last axis; ``shapes`` are those of the data."""
        if not self._parameter_weights:
            self._make_weights({name: shape[-1] for name, shape in zip(self.DATA, shapes, strict=True) if name in self.open_lengths})

    @staticmethod
    def _inside(weight, lower, upper):
        """Return `bounded`, kept off the bounds themselves, which rounding would reach."""
        value = bounded(weight, lower, upper)
        dtype = keras.backend.standardize_dtype(value.dtype)
        # NumPy does not describe bfloat16, whose exponents are those of float32.
        tiny = float(np.finfo("float32" if dtype == "bfloat16" else dtype).tiny)

        def inward(bound, side):
            return side * tiny if bound == 0 else float(np.nextafter(np.asarray(bound, dtype), np.asarray(side * np.inf, dtype)))

        if lower is not None:
            value = maximum(value, inward(lower, 1))
        if upper is not None:
            value = minimum(value, inward(upper, -1))
        return value

    def constrained(self):
        """Return the parameters as tensors, by name: what the formula means by them."""
        return {
            name: self._inside(ops.convert_to_tensor(weight), *self.PARAMETERS[name]["bounds"])
            for name, weight in self._parameter_weights.items()
        }

    @property
    def parameters(self):
        """Current values of the parameters by name, as NumPy arrays; bounded ones lie inside their bounds."""
        return {name: ops.convert_to_numpy(value) for name, value in self.constrained().items()}

    def set_parameters(self, /, **values):
        """Set parameters to values, as the formula means them; a value on a bound is moved just inside."""
        legal = {name: self._legal(name, value) for name, value in values.items()}
        for name, value in legal.items():
            if name not in self._parameter_weights:
                lengths = " and ".join(map(repr, sorted(self.open_lengths)))
                raise ValueError(f"{name!r} has no value yet: the weights wait for the length of {lengths}. Call the layer first.")
            weight = self._parameter_weights[name]
            weight.assign(unbounded(np.broadcast_to(value, weight.shape), *self.PARAMETERS[name]["bounds"]))

    def _legal(self, name, value):
        if name not in self.PARAMETERS:
            raise ValueError(f"there is no parameter {name!r}; the loss has {sorted(self.PARAMETERS)}.")
        lower, upper = self.PARAMETERS[name]["bounds"]
        try:
            value = np.asarray(value, "float64")
        except (TypeError, ValueError):
            raise ValueError(f"{name} must be a number or an array of numbers, not {value!r}.") from None
        shape = self.PARAMETERS[name]["shape"]
        fits = all(m in (1, n) or isinstance(n, str) for m, n in zip(value.shape[::-1], shape[::-1], strict=False))
        if value.ndim > len(shape) or not fits:
            expected = f"has the shape [{', '.join(map(str, shape))}]" if shape else "is a number"
            raise ValueError(f"{name} {expected}; a value of shape {value.shape} does not fit.")
        if not np.all(np.isfinite(value)):
            raise ValueError(f"{name} must be finite, not {value}.")
        if (lower is not None and np.any(value < lower)) or (upper is not None and np.any(value > upper)):
            raise ValueError(f"{name} = {value} lies outside its bounds ({lower}, {upper}).")
        return value

    def call(self, data):
        """Return the loss of data given in the order of ``DATA``."""
        # Keras describes a list of one tensor by the tensor.
        arrays = [ops.cast(array, self.compute_dtype) for array in (data if isinstance(data, (list, tuple)) else [data])]
        return self._in_order(self.formula(*arrays, *(ops.cast(value, self.compute_dtype) for value in self.constrained().values())))

    @staticmethod
    def _in_order(loss):
        """Return the loss; its backward pass starts once it is computed.

        Where a gradient does not depend on its own weight, as that of a in a*p, TensorFlow's graph optimizer forgets that
        the forward pass reads the weight before the update writes it, and about every third step uses the new value.
        """
        if keras.backend.backend() != "tensorflow":
            return loss
        import tensorflow as tf

        @ops.custom_gradient
        def forward(loss):
            def backward(upstream):
                with tf.control_dependencies([loss]):
                    return tf.identity(upstream)

            return loss, backward

        return forward(loss)

    def compute_mask(self, data, masks):
        """Return where every masked prediction is valid."""
        masks = masks if isinstance(masks, (list, tuple)) else [masks]
        found = [mask for name, mask in zip(self.DATA, masks, strict=False) if name in self.PREDICTIONS and mask is not None]
        valid = found[0] if found else None
        for mask in found[1:]:
            valid = ops.logical_and(valid, mask)
        return valid

    def formula(self, *arrays):
        """Return the loss of data and parameters, with its analytic derivative."""
        raise NotImplementedError("a subclass gives the formula")

    def get_config(self):
        """Return what makes the layer again."""
        return {**super().get_config(), "initial": dict(self.initial)}
