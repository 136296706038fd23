"""The largest errors that the reference states hold, and none is large."""

from __future__ import annotations

import importlib.util
import tomllib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow  # on which the errors are measured
STATED = tomllib.loads(files("losscompiler.grammar").joinpath("function_errors.toml").read_text(encoding="utf-8"))


def benchmark():
    path = Path(__file__).parents[2] / "benchmarks" / "function_errors.py"
    spec = importlib.util.spec_from_file_location("function_errors", path)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


MEASURING = benchmark()
NAMES = sorted(MEASURING.MEASURED)


def test_every_function_is_stated():
    assert sorted(STATED) == NAMES, "run: python benchmarks/function_errors.py"


@pytest.mark.parametrize("name", NAMES)
def test_no_error_is_large(name):
    """Twice what the backend's own tanh has."""
    assert max(STATED[name].values()) <= 8


@pytest.mark.parametrize("name", NAMES)
def test_stated_errors_hold(name):
    """At a few points of all magnitudes, operation by operation; other processors may round differently by a unit or two."""
    row = MEASURING.MEASURED[name]
    order = 1 if row.whole else None
    where = MEASURING.points(row, order, 6)
    assert len(where.truth) >= 10
    found = MEASURING.errors(row, order, where, "eager")
    assert np.max(found) <= STATED[name]["eager"] + 2


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_stated_errors_hold_under_xla(name):
    row = MEASURING.MEASURED[name]
    order = 1 if row.whole else None
    found = MEASURING.errors(row, order, MEASURING.points(row, order, 20), "xla")
    assert np.max(found) <= STATED[name]["xla"] + 2
