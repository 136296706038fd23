"""The two ways in which people have always asked for this: a parameter in a loss under ``fit(x, y)``, and y as an input."""

from __future__ import annotations

import runpy
from pathlib import Path

import keras
import numpy as np
import pytest

import losscompiler as lc

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_a_trainable_parameter_under_fit() -> None:
    found = runpy.run_path(str(EXAMPLES / "trainable_parameter.py"))["main"]()
    assert found["difference"] < 1e-6
    assert found["free"] < 0 < found["bounded"] < 0.5
    assert found["last"] < found["first"]


def test_the_loss_as_an_endpoint_of_the_graph() -> None:
    found = runpy.run_path(str(EXAMPLES / "endpoint_layer.py"))["main"]()
    assert found["difference"] < 1e-6
    assert found["loaded"] == 0
    assert found["apart"] < 1e-7


@pytest.mark.parametrize("form", ["model", "endpoint"])
def test_every_step_reads_the_weights_before_it_writes_them(form: str) -> None:
    # No gradient of a*p depends on its own weight; without a stated order TensorFlow gets about a third of these wrong.
    x = np.linspace(0, 1, 16, dtype="float32")[:, None]
    for _ in range(12):
        loss = lc.compile_loss("a*p", {"a": 1.5}, findings="ignore")
        inputs = keras.Input((1,))
        p = keras.layers.Dense(1, kernel_initializer="ones")(inputs)
        if form == "model":
            model = lc.LossModel(keras.Model(inputs, p), loss)
            model.compile(keras.optimizers.SGD(0.25))
            history = model.fit(x, batch_size=16, verbose=0).history
        else:
            model = keras.Model(inputs, lc.LossLayer(loss)(p))
            model.compile(keras.optimizers.SGD(0.25), loss=lambda _, value: value)
            history = model.fit(x, x, batch_size=16, verbose=0).history
        # by hand: loss = 1.5*0.5; kernel -= 0.25*1.5*0.5; bias -= 0.25*1.5; a -= 0.25*0.5
        assert history["loss"] == pytest.approx([0.75])
        assert [float(np.squeeze(weight)) for weight in model.get_weights()] == pytest.approx([0.8125, -0.375, 1.375])
