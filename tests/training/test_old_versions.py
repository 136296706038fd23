"""What earlier versions saved can be loaded and goes on as it did then.

Each folder of ``tests/fixtures`` was written once, by the version in its name; `write_version` says how.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

import losscompiler as lc
from losscompiler.graph.config import CONFIG_VERSION
from losscompiler.pipeline import Stages

FIXTURES = Path(__file__).parents[1] / "fixtures"
sys.path.insert(0, str(FIXTURES))
import write_version  # noqa: E402

VERSIONS = sorted(FIXTURES.glob("version_*"))
every_version = pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)


def assert_numbers(found: Any, expected: Any) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, dict):
            assert_numbers(found[name], value)
        else:
            assert_allclose(found[name], value, rtol=2e-5, atol=1e-6, err_msg=name)


def keras_of(path: Path) -> tuple[int, ...]:
    """Return the release of Keras that wrote a file; earlier ones do not know all options of its layers."""
    with zipfile.ZipFile(path) as archive:
        return release(json.loads(archive.read("metadata.json"))["keras_version"])


def release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


def test_there_is_a_file_of_every_version_of_the_config() -> None:
    written = {json.loads((folder / "loss.json").read_text())["version"] for folder in VERSIONS}
    assert written == set(range(1, CONFIG_VERSION + 1))


@every_version
def test_a_model_predicts_as_it_did_and_trains_on(folder: Path) -> None:
    if release(keras.__version__) < keras_of(folder / "model.keras"):
        pytest.skip("a later Keras wrote the file")
    model = lc.load_model(folder / "model.keras")
    expected = json.loads((folder / "numbers.json").read_text())
    assert_numbers(write_version.numbers(model), expected["when saved"])
    assert_numbers(write_version.train(model, 2), expected["history of two more epochs"])
    assert_numbers(write_version.numbers(model), expected["after them"])


@every_version
def test_its_numbers_are_those_of_numpy(folder: Path) -> None:
    found = json.loads((folder / "numbers.json").read_text())["when saved"]
    _, y = write_version.data()
    p, (a, b, w) = np.array(found["predictions"]), found["parameters"].values()
    # FORMULA by hand, its mean over samples, and the regularizer 0.1 a**2
    loss = np.sum(w * np.sqrt(1 + ((y - p) / 0.5) ** 2) - np.log(w), axis=1) + a * np.mean(np.abs(p), axis=1) + (b - 1) * 2
    assert_allclose(found["evaluation"]["loss"], loss.mean() + 0.1 * a**2, rtol=1e-5)
    assert_allclose(found["evaluation"]["mae"], np.abs(y - p).mean(), rtol=1e-5)


@every_version
def test_the_config_of_a_loss_makes_the_same_loss(folder: Path) -> None:
    config = json.loads((folder / "loss.json").read_text())
    loss = Stages.from_config(config)
    assert json.loads(json.dumps(loss.config())) == config | {"version": CONFIG_VERSION}
    assert loss.text == write_version.FORMULA


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    config = json.loads((VERSIONS[-1] / "loss.json").read_text())
    with pytest.raises(lc.ArgumentError, match=r"newer version \(config \d+, known \d+\). Update losscompiler"):
        Stages.from_config(config | {"version": CONFIG_VERSION + 1, "entries of the future": []})
