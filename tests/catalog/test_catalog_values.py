"""Every entry of the catalogue gives its library's value and gradients."""

from __future__ import annotations

from functools import cache
from typing import Any

import against_keras
import against_paper
import against_scipy
import against_torch
import numpy as np
import pytest
from catalog_case import CASES, Case, available, evaluate

import losscompiler as lc

SOURCES = (against_keras, against_paper, against_scipy, against_torch)
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
    if not available(case):
        pytest.skip("PyTorch is not installed")
    loss = compiled(case.key)
    names = [*loss.predictions, *loss.parameters]
    expected, got = evaluate(case, names), ours(case, "float64")
    np.testing.assert_allclose(got.value, expected.value, rtol=case.digits, atol=1e-12)
    for name in names:
        largest = np.abs(expected.gradients[name]).max()
        near = DIFFERENCES if name in expected.by_differences else AUTOMATIC
        assert got.gradients[name].shape == expected.gradients[name].shape
        np.testing.assert_allclose(got.gradients[name], expected.gradients[name], rtol=near, atol=near * max(largest, 0.1), err_msg=name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_entry_keeps_its_digits_in_single_precision(case: Case) -> None:
    exact, single = ours(case, "float64"), ours(case, "float32")
    np.testing.assert_allclose(single.value, exact.value, rtol=case.single, atol=case.single)
    for name, gradient in exact.gradients.items():
        np.testing.assert_allclose(single.gradients[name], gradient, rtol=case.single, atol=case.single * max(np.abs(gradient).max(), 0.1), err_msg=name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_parameters_are_not_checked_at_their_initial_values(case: Case) -> None:
    arrays = case.data()
    for name, parameter in compiled(case.key).parameters.items():
        assert not np.allclose(arrays[name], np.asarray(parameter.init)), name
