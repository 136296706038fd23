"""Several devices follow the trajectory of one on the same global batches, parameters of the loss included.

Devices are configured before a backend starts, so that `trajectories` runs in processes of its own.

What the engines themselves do not do, for any Keras model (Keras 3.15): ``MirroredStrategy`` trains neither with
``jit_compile=True`` nor with ``steps_per_execution > 1``; ``DataParallel`` on JAX refuses batches that do not divide evenly,
and over several processes ``predict`` on arrays. JAX runs several processes on CPUs by its Gloo collectives, which it takes
by default.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import trajectories
from devices import TWO_DEVICES_OF_JAX
from numpy.testing import assert_allclose

SCRIPT = Path(trajectories.__file__)
EXAMPLE = Path(__file__).parents[2] / "examples" / "two_devices.py"
# Before 3.15 Keras adds activity regularizers up over a batch instead of averaging them, so that shares are no means.
OLD_KERAS = tuple(map(int, importlib.metadata.version("keras").split(".")[:2])) < (3, 15)
CASES = tuple(case for case in trajectories.CASES if not (OLD_KERAS and "activities" in case))
EVEN = tuple(case for case in CASES if not case.startswith(("uneven", "an empty")))
needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")


def start(backend: str, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if arguments[0] == "parallel":
        environment |= TWO_DEVICES_OF_JAX
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1])


@cache
def trained(backend: str, how: str, cases: tuple[str, ...]) -> dict[str, Any]:
    return finished(start(backend, how, *cases))


def assert_same(found: Any, expected: Any, where: str = "") -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert_same(found[name], value, f"{where}/{name}")
    elif isinstance(expected, list) and expected and isinstance(expected[0], list):
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(one, other, f"{where}[{i}]")
    else:
        assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=where)


def assert_parameters_moved(found: dict[str, Any]) -> None:
    for case, trajectory in found.items():
        for name, values in trajectory["history"].items():
            assert values[0] != values[1], (case, name)


@pytest.mark.tensorflow
def test_two_replicas_train_as_one_device_does() -> None:
    cases = tuple(case for case in CASES if case in ("weighted", "uneven", "an empty share of activities"))
    found = trained("tensorflow", "mirrored", cases)
    assert_parameters_moved(found)
    assert_same(found, {case: trajectories.trajectory(case) for case in cases})


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_two_replicas_in_every_case(case: str) -> None:
    assert_same(trained("tensorflow", "mirrored", CASES)[case], trained("tensorflow", "one", CASES)[case])


CLIPPING = """
import contextlib, json, warnings
import keras
import tensorflow as tf
import losscompiler as lc
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
found = []
for scope in (contextlib.nullcontext, tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope):
    for options, own in (({}, None), ({"clipnorm": 1.0}, None), ({}, keras.optimizers.SGD(clipvalue=0.5))):
        with scope(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = lc.LossModel(keras.Sequential([keras.layers.Dense(1)]), lc.compile_loss("a*(y - p)**2", findings="ignore"))
            model.compile(keras.optimizers.SGD(0.1, **options), parameter_optimizer=own)
        found.append([str(warning.message)[:44] for warning in caught if "clips" in str(warning.message)])
print(json.dumps(found))
"""


def test_clipping_on_several_replicas_is_warned_of() -> None:
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", CLIPPING], env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    *none, by_norm, by_value = json.loads(done.stdout.splitlines()[-1])
    assert none == [[], [], [], []]
    assert by_norm == ["the optimizer clips gradients by clipnorm. O"]
    assert by_value == ["the optimizer clips gradients by clipvalue. "]


@pytest.mark.long
@needs_jax
@pytest.mark.parametrize("case", EVEN)
def test_two_devices_of_jax(case: str) -> None:
    assert_same(trained("jax", "parallel", EVEN)[case], trained("jax", "one", EVEN)[case])


@pytest.mark.long
@needs_jax
def test_two_processes_of_jax() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    processes = [start("jax", "processes", address, str(number), *EVEN) for number in range(2)]
    try:
        first, second = map(finished, processes)
    finally:
        for process in processes:
            process.kill()
    expected = trained("jax", "one", EVEN)
    assert_same(first, expected)
    assert_same(second, expected)


@pytest.mark.long
def test_the_example_shows_equal_trajectories(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, EXAMPLE], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    *_, logged, weights = done.stdout.splitlines()
    assert float(logged.rsplit(maxsplit=1)[1]) < 1e-5
    assert float(weights.rsplit(maxsplit=1)[1]) < 1e-5
    rows = [line.split() for line in done.stdout.splitlines() if line[:1].isdigit()]
    assert len(rows) == 8
    for _, *numbers in rows:
        assert_allclose([float(n) for n in numbers[:3]], [float(n) for n in numbers[3:]], rtol=2e-5)
