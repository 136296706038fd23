"""Emitted modules in processes that cannot import this package give the numbers that it gives here.

A NumPy module may import NumPy and SciPy alone; a Keras module runs on every backend of Keras.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from emitted_formulas import CASES

FRESH = """
import importlib, importlib.abc, pickle, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in sys.argv[2].split(","):
            raise ImportError(f"{name} must not be needed")

sys.meta_path.insert(0, Refuse())
import numpy as np

convert = back = np.asarray
if sys.argv[1] == "keras":
    import keras

    convert, back = keras.ops.convert_to_tensor, keras.ops.convert_to_numpy
found = {}
for name, arrays, upstream in pickle.load(sys.stdin.buffer):
    module = importlib.import_module(name)
    tensors = [convert(array) for array in arrays]
    value, pulled = module.value(*tensors), module.gradients(*tensors, upstream=convert(upstream))
    found[name] = (np.asarray(back(value)), [np.asarray(back(gradient)) for gradient in pulled])
    assert np.array_equal(back(module.loss(*tensors)), found[name][0], equal_nan=True), name
pickle.dump(found, sys.stdout.buffer)
"""
REFUSED = ("losscompiler", "lark")  # PyTorch itself imports SymPy
FRAMEWORKS = ("keras", "tensorflow", "jax", "torch")
TOLERANCE = {"float64": 1e-12, "float32": 3e-5}


def run_fresh(folder: Path, target: str, dtype: str, refused: tuple[str, ...], **environment: str) -> dict:
    """Return value and gradients of every case as a fresh process computes them from nothing but emitted text."""
    work = []
    for name, case in CASES.items():
        (folder / f"{name}.py").write_text(case.loss(name).source(target), encoding="utf-8")
        work.append((name, [np.asarray(array, dtype) for array in case.arrays.values()], upstream(name).astype(dtype)))
    done = subprocess.run(
        [sys.executable, "-c", FRESH, target, ",".join(refused)], cwd=folder, input=pickle.dumps(work), capture_output=True, check=False,
        env={"PATH": os.defpath, "TF_CPP_MIN_LOG_LEVEL": "3", "HOME": str(folder), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return pickle.loads(done.stdout)


@cache
def here(name: str) -> tuple:
    """Return value and gradients as this package evaluates them, in float64."""
    case = CASES[name]
    loss = case.loss(name)
    data = {key: case.arrays[key] for key in loss.graph.data}
    found = loss.value_and_gradients(data, {key: case.arrays[key] for key in loss.parameters}, dtype="float64")
    return found.value, found.gradients


def upstream(name: str) -> np.ndarray:
    return np.ones(here(name)[0].shape)


def assert_same(found: dict, dtype: str) -> None:
    for name in CASES:
        value, gradients = here(name)
        got, pulled = found[name]
        assert got.dtype == dtype
        np.testing.assert_allclose(got, value, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * largest(value), err_msg=name)
        for (symbol, exact), gradient in zip(gradients.items(), pulled, strict=True):
            near = TOLERANCE[dtype] * largest(exact)
            assert gradient.dtype == dtype
            np.testing.assert_allclose(gradient, exact, rtol=TOLERANCE[dtype], atol=near, err_msg=f"{name}: {symbol}")


def largest(array: np.ndarray) -> float:
    finite = np.abs(array[np.isfinite(array)])
    return float(finite.max(initial=0.0))


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_numpy_module_needs_numpy_and_scipy_alone(dtype: str, tmp_path: Path) -> None:
    assert_same(run_fresh(tmp_path, "numpy", dtype, (*REFUSED, "sympy", "mpmath", *FRAMEWORKS)), dtype)


@pytest.mark.parametrize(
    "backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.long), pytest.param("torch", marks=pytest.mark.long)]
)
def test_a_keras_module_runs_on_every_backend(backend: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    found = run_fresh(tmp_path, "keras", "float32", REFUSED, KERAS_BACKEND=backend)
    assert_same(found, "float32")
