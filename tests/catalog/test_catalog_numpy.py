"""Every entry of the catalogue gives the same numbers as a NumPy module as it does as a Keras module."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from catalog_case import Case
from catalog_references import CASES

import losscompiler as lc


@cache
def compiled(key: str) -> Any:
    return lc.compile_loss(lc.catalog[key], findings="ignore", name=key)


def test_every_entry_has_data_to_be_compared_at() -> None:
    assert {case.key for case in CASES} == set(lc.catalog)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_numpy_and_keras_agree(case: Case) -> None:
    loss, arrays = compiled(case.key), case.data()
    expected = loss.value_and_gradients(
        {name: arrays[name] for name in loss.graph.data}, {name: arrays[name] for name in loss.parameters}, dtype="float64"
    )
    found = loss.numpy().value_and_gradients(**arrays)
    np.testing.assert_allclose(found.value, expected.value, rtol=1e-11, atol=1e-12 * largest(expected.value))
    for name, exact in expected.gradients.items():
        assert found.gradients[name].shape == exact.shape
        np.testing.assert_allclose(found.gradients[name], exact, rtol=1e-9, atol=1e-11 * largest(exact), err_msg=name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_single_precision_goes_in_and_comes_out(case: Case) -> None:
    loss, arrays = compiled(case.key), case.data()
    exact = loss.numpy().value_and_gradients(**arrays)
    single = loss.numpy().value_and_gradients(**{name: array.astype("float32") for name, array in arrays.items()})
    assert {single.value.dtype, *(gradient.dtype for gradient in single.gradients.values())} == {np.dtype("float32")}
    np.testing.assert_allclose(single.value, exact.value, rtol=case.single, atol=case.single * largest(exact.value))
    for name, gradient in exact.gradients.items():
        near = case.single * max(largest(gradient), 0.1)
        np.testing.assert_allclose(single.gradients[name], gradient, rtol=case.single, atol=near, err_msg=name)


def largest(array: Any) -> float:
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))
