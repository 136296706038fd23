"""Keras' own tests of its losses pass when the losses are compiled formulas.

`keras/src/losses/losses_test.py` and `loss_test.py` come with the keras wheel. Every expected number here is Keras'. What is
replaced is `call`, the loss of each sample; weights, masks, dtypes and reductions go the way of Keras' base class, and what the
formula returns has to fit it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import keras
import keras_suite
import numpy as np
import pytest
import tensorflow as tf
from keras_formulas import FORMULAS


class Reason(Enum):
    """Why a test of Keras says nothing about formulas; the second part must stand in its failure, so that nothing else hides there."""

    CTC = "CTC sums over alignments by a recursion along time, which the language does not have", "has no attribute 'CTC'"
    REFUSAL = "asserts that an operation of Keras refuses shapes or axes which formulas accept", "not raised", "DID NOT RAISE"
    NO_LOSS = "asserts facts about helpers of Keras; no loss takes part", ""

    @property
    def text(self) -> str:
        return self.value[0]

    def explains(self, outcome: dict[str, Any]) -> bool:
        if self is Reason.NO_LOSS:
            return not outcome["evaluated"] and not outcome["constructed"]
        return any(sign in outcome["failure"] for sign in self.value[1:])


NOT_APPLICABLE = {
    "CTCTest.test_config": Reason.CTC,
    "CTCTest.test_correctness": Reason.CTC,
    "CTCTest.test_dtype_arg": Reason.CTC,
    "BinaryCrossentropyTest.test_shape_mismatch": Reason.REFUSAL,
    "CategoricalCrossentropyTest.test_shape_mismatch": Reason.REFUSAL,
    "LossTest.test_get_method": Reason.NO_LOSS,
    "LossTest.test_pickle": Reason.NO_LOSS,
    "LossTest.test_squeeze_or_expand": Reason.NO_LOSS,
}
# On PyTorch these two compare values; elsewhere they assert that Keras takes no other axis than the last.
OTHER_AXES = {
    "SparseCategoricalCrossentropyTest.test_binary_segmentation_different_axis": Reason.REFUSAL,
    "SparseCategoricalCrossentropyTest.test_multi_class_segmentation_different_axis": Reason.REFUSAL,
}

TESTS = [(file, name) for file in keras_suite.FILES for name, _ in keras_suite.cases(file)]
BACKENDS = ["tensorflow", *(pytest.param(name, marks=pytest.mark.long) for name in ("torch", "jax"))]


@cache
def everything(backend: str, *more: str) -> dict[str, Any]:
    """Run Keras' tests on a backend in a process of their own."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    script = [sys.executable, str(Path(keras_suite.__file__)), *more]
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def outcomes(backend: str, kind: str = "right") -> dict[str, dict[str, Any]]:
    """Return what became of Keras' tests: file -> test -> outcome."""
    return (everything(backend, "wrong") if backend == "tensorflow" else everything(backend))[kind]


def reason_for(name: str, backend: str) -> Reason | None:
    return NOT_APPLICABLE.get(name) or (None if backend == "torch" else OTHER_AXES.get(name))


def verdict(name: str, outcome: dict[str, Any], backend: str) -> tuple[str, str]:
    """Return "passed", "not applicable" or "failed", and why."""
    reason = reason_for(name, backend)
    if reason is not None:
        if reason.explains(outcome):
            return "not applicable", reason.text
        return "failed", f"this is not '{reason.text}':\n{outcome['failure'] or 'it passes with a formula'}"
    if outcome["failure"]:
        return "failed", outcome["failure"]
    saved = name.endswith(".test_config") and outcome["constructed"]
    return ("passed", "") if outcome["evaluated"] or saved else ("failed", "no formula was evaluated")


@pytest.mark.parametrize(("file", "name"), TESTS, ids=[name for _, name in TESTS])
def test_of_keras_passes_with_the_formula(file: str, name: str) -> None:
    found, why = verdict(name, outcomes("tensorflow")[file][name], "tensorflow")
    if found == "not applicable":
        pytest.skip(why)
    assert found == "passed", why


@pytest.mark.parametrize("backend", BACKENDS)
def test_counts(backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = {(file, name): verdict(name, outcome, backend) for file, tests in outcomes(backend).items() for name, outcome in tests.items()}
    assert list(found) == TESTS
    counts = Counter(kind for kind, _ in found.values())
    shown = ", ".join(f"{counts[kind]} {kind}" for kind in ("passed", "not applicable", "failed"))
    with capsys.disabled():
        print(f"\nKeras' tests of losses on {backend}: {shown}")
        for (_, name), (kind, why) in found.items():
            if kind != "passed":
                print(f"  {kind}: {name}: {why}")
    assert counts["failed"] == 0
    assert {why for kind, why in found.values() if kind == "not applicable"} <= {reason.text for reason in Reason}
    assert set(NOT_APPLICABLE) | set(OTHER_AXES) <= {name for _, name in found}


def test_every_class_of_keras_is_replaced() -> None:
    classes = {
        name for name, found in vars(keras.losses).items()
        if isinstance(found, type) and issubclass(found, keras.losses.Loss) and found is not keras.losses.Loss
    }  # fmt: skip
    assert classes - set(FORMULAS) == {"CTC"}


def test_a_formula_one_percent_off_fails_tests_of_every_class() -> None:
    """So that what passes above has been looked at: replacement, weights, masks and all."""
    failed: Counter[str] = Counter()
    for tests in outcomes("tensorflow", "wrong").values():
        for name, outcome in tests.items():
            failed[name.split(".")[0]] += bool(outcome["failure"]) and reason_for(name, "tensorflow") is None
    assert sorted(name for name, count in failed.items() if not count) == ["CTCTest"]


# ------------------------------------------------------------------- options and gradients, which Keras' tests leave out
RNG = np.random.default_rng(7)
REAL, SHARE = RNG.normal(size=(4, 3, 5)), RNG.uniform(0.05, 0.95, size=(4, 3, 5))
BITS = (RNG.uniform(size=(4, 3, 5)) > 0.5) * 1.0
# One-hot along both last axes: TensorFlow's gradient of the cross-entropy of logits holds only for labels that sum to 1.
ONE_HOT = np.stack([np.eye(5)[RNG.permutation(5)] for _ in range(4)])
SQUARE = RNG.normal(size=(4, 5, 5))
LABELS = np.array([[0, 3, 1], [2, 4, 0], [1, 1, 3], [4, 2, 2]])
UNIT = (lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True))(RNG.normal(size=(6, 5)))
PAIRS = np.array([0, 1, 0, 1, 2, 2])

OPTIONS = [
    ("MeanSquaredError", {}, REAL, SHARE),
    ("MeanAbsoluteError", {}, REAL, SHARE),
    ("MeanAbsolutePercentageError", {}, REAL, SHARE),
    ("MeanSquaredLogarithmicError", {}, SHARE, 3 * SHARE[::-1]),
    ("LogCosh", {}, REAL, SHARE),
    ("Poisson", {}, SHARE, 3 * SHARE[::-1]),
    ("KLDivergence", {}, SHARE, SHARE[::-1]),
    ("CategoricalHinge", {}, BITS, REAL),
    *((name, {}, labels, REAL) for name in ("Hinge", "SquaredHinge") for labels in (BITS, 2 * BITS - 1)),
    *(("CosineSimilarity", {"axis": axis}, REAL, SHARE) for axis in (-1, 1, 2)),
    *(("Huber", {"delta": delta}, REAL, SHARE) for delta in (0.3, 1.0)),
    *(
        ("BinaryCrossentropy", {"from_logits": logits, "label_smoothing": smoothing, "axis": axis}, BITS, REAL if logits else SHARE)
        for logits in (False, True) for smoothing in (0.0, 0.2) for axis in (-1, 1)
    ),
    *(
        (
            "BinaryFocalCrossentropy",
            {"apply_class_balancing": balanced, "alpha": 0.3, "gamma": 1.7, "from_logits": logits, "label_smoothing": part, "axis": axis},
            BITS, REAL if logits else SHARE,
        )
        for balanced in (False, True) for logits in (False, True) for part, axis in ((0.0, -1), (0.2, 1))
    ),
    *(
        (name, {**more, "from_logits": logits, "label_smoothing": smoothing, "axis": axis}, ONE_HOT, SQUARE if logits else np.abs(SQUARE))
        for name, more in (("CategoricalCrossentropy", {}), ("CategoricalFocalCrossentropy", {"alpha": 0.3, "gamma": 1.7}))
        for logits in (False, True) for smoothing, axis in ((0.0, -1), (0.2, -1), (0.2, 1))
    ),
    *(
        ("SparseCategoricalCrossentropy", {"from_logits": logits, "ignore_class": ignored}, LABELS, REAL if logits else SHARE)
        for logits in (False, True) for ignored in (None, 1)
    ),
    *(("CategoricalGeneralizedCrossEntropy", {"q": q}, LABELS, SHARE) for q in (0.3, 0.9)),
    *(("Dice", {"axis": axis}, BITS, SHARE) for axis in (None, 1, (1, 2))),
    *(("Tversky", {"alpha": 0.3, "beta": 0.6, "axis": axis}, BITS, SHARE) for axis in (None, 1, (1, 2))),
    *(("Circle", {"gamma": 12.0, "margin": 0.3, "remove_diagonal": removed}, PAIRS, UNIT) for removed in (False, True)),
]  # fmt: skip


IDS = [f"{name}-{options}" for name, options, *_ in OPTIONS]


def per_sample(loss: keras.losses.Loss, y: np.ndarray, p: np.ndarray) -> tuple[tf.Tensor, tf.Tensor, Any]:
    """Return the loss of each sample, the gradient of its sum by the prediction, and its mask."""
    prediction = tf.constant(p, loss.dtype)
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        value = loss.call(tf.constant(y, loss.dtype), prediction)
    mask = getattr(value, "_keras_mask", None)
    return value, tape.gradient(value, prediction), None if mask is None else mask.numpy()


on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the gradients compared with are TensorFlow's")


@on_tensorflow
@pytest.mark.parametrize(("name", "options", "y", "p"), OPTIONS, ids=IDS)
def test_value_mask_and_gradient_are_those_of_keras(name: str, options: dict[str, Any], y: np.ndarray, p: np.ndarray) -> None:
    options = {**options, "dtype": "float64", "reduction": None}
    value, gradient, mask = per_sample(keras_suite.CLASSES[name](**options), y, p)
    expected, expected_gradient, expected_mask = per_sample(getattr(keras.losses, name)(**options), y, p)
    # Keras' log_cosh takes log 2 in float32, whatever the dtype of the loss.
    near = 1e-8 if name == "LogCosh" else 1e-12
    np.testing.assert_allclose(value, expected, rtol=near, atol=near, strict=True)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-12, atol=1e-12, strict=True)
    np.testing.assert_equal(mask, expected_mask)


@on_tensorflow
@pytest.mark.parametrize(("dtype", "share"), [("bfloat16", 0.04), ("float16", 0.005)])
@pytest.mark.parametrize(("name", "options", "y", "p"), OPTIONS, ids=IDS)
def test_half_precision_is_kept_and_near_keras_in_double(
    name: str, options: dict[str, Any], y: np.ndarray, p: np.ndarray, dtype: str, share: float
) -> None:
    """bfloat16 has 8 significant bits and float16 has 11; ``share`` is some ten units in the last place, in parts of the largest."""
    found = per_sample(keras_suite.CLASSES[name](**options, dtype=dtype, reduction=None), y, p)[:2]
    expected = per_sample(getattr(keras.losses, name)(**options, dtype="float64", reduction=None), y, p)[:2]
    for ours, reference in zip(found, expected, strict=True):
        assert ours.dtype == dtype
        np.testing.assert_allclose(tf.cast(ours, "float64"), reference, rtol=0, atol=share * np.abs(reference).max())
