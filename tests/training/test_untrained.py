"""A loss handed to ``model.compile(loss=...)`` must not stay silently untrained."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as array

import losscompiler as lc
from losscompiler.training.keras_internals import inside_compiled_loss

X, Y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")


@pytest.mark.parametrize("eagerly", [False, True])
@pytest.mark.parametrize("layer", [False, True])
@pytest.mark.parametrize("params", [{"a": 1.0}, {}])
def test_keras_cannot_train_by_it(layer: bool, eagerly: bool, params: dict) -> None:
    loss = lc.compile_loss("a*(y - p)**2" if params else "(y - p)**2", params, findings="ignore")
    net = keras.Sequential([keras.layers.Dense(1)])
    net.compile("sgd", loss=lc.LossLayer(loss) if layer else loss, run_eagerly=eagerly)
    for method in (net.fit, net.evaluate):
        with pytest.raises(lc.UntrainedLossError, match="LossModel"):
            method(X, Y, verbose=0)


def test_among_several_losses_too() -> None:
    loss = lc.LossLayer(lc.compile_loss("a*(y - p)**2", findings="ignore"))
    x = keras.Input((2,))
    net = keras.Model(x, [keras.layers.Dense(1)(x), keras.layers.Dense(1)(x)])
    net.compile("sgd", loss=["mse", loss])
    with pytest.raises(lc.UntrainedLossError, match="LossModel"):
        net.fit(X, [Y, Y], verbose=0)


def test_a_call_of_ones_own_is_no_compiled_loss() -> None:
    layer = lc.LossLayer(lc.compile_loss("a*(y - p)**2", findings="ignore"))
    with keras.name_scope("loss"):
        assert not inside_compiled_loss()
        np.testing.assert_allclose(array(layer(Y, 3 * Y)), 4 * Y)
