"""`LossModel` trains as Keras does with a loss written by hand: the same losses, weights and parameter after every epoch.

Most cases run eagerly, which is faster than tracing them; that traced steps do the same is tested first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
from keras_training import FORMULA, SAMPLES, START, WEIGHT, X, Y, assert_same, dense, ours, recorded, theirs, with_same_weights

import losscompiler as lc

BACKEND = keras.backend.backend()
LABELS = np.greater(Y, np.median(Y)).astype("float32") + 1  # classes 1 and 2, positive as log(y) needs


def sgd(**options: Any) -> Any:
    return keras.optimizers.SGD(0.05, **options)


def both(make: Callable[[], Any], compile_options: dict, fit: Callable[[], dict], net: Callable[[], Any] = dense) -> list[dict]:
    return [recorded(model(make(), net, **compile_options), **fit()) for model in (ours, theirs)]


@pytest.fixture(scope="module")
def plain() -> dict:
    """The training that every option below has to change."""
    return recorded(ours(sgd()), x=X, y=Y, batch_size=8)


# ------------------------------------------------------------------------------------------------------------- compile
JIT_ON_TORCH = pytest.mark.skipif(BACKEND == "torch", reason="torch.compile needs a C++ compiler, and a minute")
STEPS_ON_TORCH = pytest.mark.skipif(BACKEND == "torch", reason="Keras' torch trainer refuses steps_per_execution")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"run_eagerly": True},
        {"jit_compile": False},
        {"jit_compile": "auto"},
        pytest.param({"jit_compile": True}, marks=JIT_ON_TORCH),
        pytest.param({"steps_per_execution": 2}, marks=STEPS_ON_TORCH),
        pytest.param({"steps_per_execution": 3, "jit_compile": True}, marks=[JIT_ON_TORCH, STEPS_ON_TORCH]),
    ],
    ids=str,
)
def test_ways_to_run(options: dict, plain: dict) -> None:
    found, expected = both(sgd, options, lambda: {"x": X, "y": Y, "batch_size": 8})
    assert_same(found, expected)
    assert_same(found, plain)


OPTIMIZERS = {
    "clipnorm": lambda: sgd(clipnorm=0.1),
    "clipvalue": lambda: sgd(clipvalue=0.05),
    "global_clipnorm": lambda: sgd(global_clipnorm=0.2),
    "weight decay": lambda: sgd(weight_decay=0.5),
    "AdamW": lambda: keras.optimizers.AdamW(0.02, weight_decay=0.5),
    "momentum": lambda: sgd(momentum=0.9, nesterov=True),
    "average": lambda: sgd(use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2),
    "accumulation": lambda: sgd(gradient_accumulation_steps=2),
    "fixed loss scale": lambda: sgd(loss_scale_factor=64.0, momentum=0.5),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(sgd(clipnorm=0.1), initial_scale=1024.0, dynamic_growth_steps=2),
    "schedule": lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.05, 2, 0.5)),
    "Nadam": lambda: keras.optimizers.Nadam(0.02),
    "Lion": lambda: keras.optimizers.Lion(0.01),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_optimizers(kind: str, plain: dict) -> None:
    found, expected = both(OPTIMIZERS[kind], {"run_eagerly": True}, lambda: {"x": X, "y": Y, "batch_size": 8})
    assert_same(found, expected)
    assert found["weight 0"] != pytest.approx(plain["weight 0"], rel=1e-4)
    assert kind == "weight decay" or found["a"] != pytest.approx(plain["a"], rel=1e-4)


# ---------------------------------------------------------------------------------------------------------------- data
class Sequence(keras.utils.PyDataset):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, i: int) -> tuple:
        rows = slice(8 * i, 8 * i + 8)
        return X[rows], Y[rows], WEIGHT[rows]


def batches() -> Iterator[tuple]:
    while True:
        for i in range(3):
            yield Sequence()[i]


def dataset() -> Any:
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((X, Y, WEIGHT)).batch(8)


DATA = {
    "sample weights": lambda: {"x": X, "y": Y, "sample_weight": WEIGHT, "batch_size": 8},
    "an uneven last batch": lambda: {"x": X, "y": Y, "sample_weight": WEIGHT, "batch_size": 7},
    "a column of weights": lambda: {"x": X, "y": Y, "sample_weight": WEIGHT[:, None], "batch_size": 8},
    "class weights": lambda: {"x": X, "y": LABELS, "class_weight": {1: 0.2, 2: 3.0}, "batch_size": 8},
    "tf.data": lambda: {"x": dataset()},
    "a generator": lambda: {"x": batches(), "steps_per_epoch": 3},
    "PyDataset": lambda: {"x": Sequence()},
    "a split": lambda: {"x": X, "y": Y, "sample_weight": WEIGHT, "validation_split": 0.25, "batch_size": 8},
    "weighted validation": lambda: {"x": X, "y": Y, "validation_data": (X[:9], 2 * Y[:9], WEIGHT[:9]), "validation_freq": 2},
    "validation by tf.data": lambda: {"x": X, "y": Y, "validation_data": dataset()},
    "later epochs": lambda: {"x": X, "y": Y, "sample_weight": WEIGHT, "initial_epoch": 1, "epochs": 4},
    "shuffled": lambda: keras.utils.set_random_seed(8) or {"x": X, "y": Y, "shuffle": True, "batch_size": 8},
}


@pytest.mark.parametrize("kind", DATA)
def test_data(kind: str, plain: dict) -> None:
    options = {"metrics": ["mae"], "weighted_metrics": ["mse"], "run_eagerly": kind not in ("sample weights", "tf.data")}
    found, expected = both(sgd, options, DATA[kind])
    assert {"mae", "mse"} < expected.keys()
    assert_same(found, expected)
    assert found["a"] != pytest.approx(plain["a"], rel=1e-4)


def test_the_last_axis_is_averaged_before_the_weights_count(plain: dict) -> None:
    y = np.concatenate([Y, 2 * Y], axis=1)
    found, expected = both(sgd, {"run_eagerly": True}, lambda: {"x": X, "y": y, "sample_weight": WEIGHT}, lambda: dense(2))
    assert_same(found, expected)


def masked() -> keras.Model:
    layers = [keras.layers.Embedding(7, 4, mask_zero=True), keras.layers.Dense(2, "softplus")]
    return with_same_weights(keras.Sequential([keras.Input((5,)), *layers]))


WORDS = np.random.default_rng(1).integers(1, 7, (SAMPLES, 5))
WORDS[np.arange(5) >= np.random.default_rng(2).integers(1, 6, (SAMPLES, 1))] = 0
STEPS = np.random.default_rng(3).uniform(0.5, 2, (SAMPLES, 5, 2)).astype("float32")


@pytest.mark.parametrize("weight", [None, WEIGHT[:, None] * np.ones((1, 5), "float32"), STEPS[:, :, 0]], ids=["", "samples", "steps"])
def test_masks(weight: Any) -> None:
    options = {"metrics": ["mae"], "weighted_metrics": ["mse"], "run_eagerly": True}
    found, expected = both(sgd, options, lambda: {"x": WORDS, "y": STEPS, "sample_weight": weight}, masked)
    assert_same(found, expected)
    unmasked = recorded(ours(sgd(), masked, run_eagerly=True), x=np.maximum(WORDS, 1), y=STEPS, sample_weight=weight)
    assert found["a"] != pytest.approx(unmasked["a"], rel=1e-4)


# ------------------------------------------------------------------------------------------------------ single batches
@pytest.mark.parametrize("options", [{}, {"metrics": ["mae"]}], ids=["loss", "metrics"])
def test_single_batches_return_what_keras_returns(options: dict) -> None:
    model, reference = ours(sgd(), **options), theirs(sgd(), **options)
    for rows in (slice(0, 8), slice(8, 24)):
        data = {"x": X[rows], "y": Y[rows], "sample_weight": WEIGHT[rows]}
        for method in ("train_on_batch", "test_on_batch"):
            found, expected = (getattr(each, method)(**data) for each in (model, reference))
            assert np.shape(found) == np.shape(expected) == ((2,) if options else ())
            np.testing.assert_allclose(found, expected, rtol=1e-5)
            found, expected = (getattr(each, method)(**data, return_dict=True) for each in (model, reference))
            assert_same(found, expected)
    np.testing.assert_allclose(model.predict_on_batch(X), reference.predict_on_batch(X), rtol=1e-5)
    np.testing.assert_allclose(float(model.parameters["a"]), keras.ops.convert_to_numpy(reference.a), rtol=1e-6)
    classes = [each.train_on_batch(X, LABELS, class_weight={1: 0.2, 2: 3.0}) for each in (model, reference)]
    np.testing.assert_allclose(*classes, rtol=1e-5)
    found, expected = (each.evaluate(X, Y, verbose=0) for each in (model, reference))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_loop_of_ones_own_needs_no_compile() -> None:
    model, reference = lc.LossModel(dense(), lc.compile_loss(FORMULA, {"a": START}, findings="ignore")), theirs(sgd())
    value = model.compute_loss(X, Y, model(X), WEIGHT)
    expected = reference.compute_loss(X, Y, reference(X), WEIGHT)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(value), keras.ops.convert_to_numpy(expected), rtol=1e-6)
