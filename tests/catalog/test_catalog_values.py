"""Every entry of the catalogue gives its library's value and gradients."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from catalog_case import Case, evaluate, missing, rounds
from catalog_references import CASES

import losscompiler as lc

AUTOMATIC, DIFFERENCES = 1e-9, 2e-6


@cache
def compiled(key: str) -> Any:
    return lc.compile_loss(lc.catalog[key], findings="ignore", name=key)


def ours(case: Case, dtype: str) -> Any:
    loss = compiled(case.key)
    arrays = case.data()
    params = {name: arrays.pop(name) for name in loss.parameters}
    return loss.value_and_gradients(arrays, params, reduction=case.reduction, dtype=dtype)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_entry_agrees_with_its_library(case: Case) -> None:
    if missing(case):
        pytest.skip(missing(case))
    loss = compiled(case.key)
    names = [*loss.predictions, *loss.parameters]
    expected, got = evaluate(case, names), ours(case, "float64")
    np.testing.assert_allclose(
        got.value, expected.value, rtol=case.single if rounds(case) else case.digits, atol=case.single if rounds(case) else 1e-12
    )
    for name in names:
        largest = np.abs(expected.gradients[name]).max()
        near = case.single if rounds(case) else DIFFERENCES if name in expected.by_differences else AUTOMATIC
        assert got.gradients[name].shape == expected.gradients[name].shape
        np.testing.assert_allclose(got.gradients[name], expected.gradients[name], rtol=near, atol=near * max(largest, 0.1), err_msg=name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_entry_keeps_its_digits_in_single_precision(case: Case) -> None:
    exact, single = ours(case, "float64"), ours(case, "float32")
    np.testing.assert_allclose(single.value, exact.value, rtol=case.single, atol=case.single)
    for name, gradient in exact.gradients.items():
        np.testing.assert_allclose(
            single.gradients[name], gradient, rtol=case.single, atol=case.single * max(np.abs(gradient).max(), 0.1), err_msg=name
        )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_parameters_are_not_checked_at_their_initial_values(case: Case) -> None:
    arrays = case.data()
    for name, parameter in compiled(case.key).parameters.items():
        assert not np.allclose(arrays[name], np.asarray(parameter.init)), name


# Concatenation, pairs, gathering and sorting along axes of unknown length; the others take minutes.
QUICK = {"nt_xent", "supcon", "sparse_categorical_crossentropy_ignore", "dist"}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a graph of unknown batch length is TensorFlow's")
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.id, marks=() if case.key in QUICK else pytest.mark.long) for case in CASES if case.number == 0]
)
def test_an_entry_runs_in_a_graph_that_does_not_know_the_batch(case: Case) -> None:
    import tensorflow as tf

    loss, arrays, expected = compiled(case.key), case.data(), ours(case, "float64")
    names = [*loss.graph.data, *loss.parameters]
    lead = {name: [None] if name in loss.graph.data and arrays[name].ndim else [] for name in names}
    signature = [tf.TensorSpec([*lead[name], *arrays[name].shape[len(lead[name]) :]], tf.float64) for name in names]

    @tf.function(input_signature=signature)
    def run(*tensors: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = tf.reduce_mean(loss.module.loss(*tensors))
        return value, tape.gradient(value, tensors)

    value, gradients = run(*(tf.constant(arrays[name]) for name in names))
    np.testing.assert_allclose(value, expected.value, rtol=1e-9, atol=1e-12)
    for name, gradient in zip(names, gradients, strict=True):
        if name in expected.gradients:
            exact = expected.gradients[name]
            np.testing.assert_allclose(gradient, exact, rtol=1e-8, atol=1e-9 * max(np.abs(exact).max(), 1e-3), err_msg=name)
