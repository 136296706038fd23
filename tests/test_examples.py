"""Every script in examples/ runs, and its figures are what its docstring says."""

from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

SCRIPTS = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
NAMES = [script.stem for script in SCRIPTS]
# It splits the CPU into devices before TensorFlow starts; tests/training/test_distribution.py runs it by itself.
IN_THIS_PROCESS = [name for name in NAMES if name != "two_devices"]


@cache
def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"losscompiler_example_{name}", SCRIPTS[NAMES.index(name)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def figures(name: str) -> Any:
    return load(name).main()


def test_there_are_examples() -> None:
    assert len(NAMES) >= 7


@pytest.mark.long
@pytest.mark.parametrize("name", IN_THIS_PROCESS)
def test_it_says_what_it_is_for_and_reports_finite_figures(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = load(name)
    assert module.__doc__
    assert len(module.__doc__.splitlines()) > 3
    found = figures(name)
    numbers = list(numbers_in(found))
    assert numbers
    assert np.all(np.isfinite(numbers))
    if "show" in vars(module):
        assert "epochs" in inspect.signature(module.main).parameters
        capsys.readouterr()
        module.show(found)
        printed = capsys.readouterr().out
        assert 5 < len(printed.splitlines()) < 30
        assert "nan" not in printed.split()


def numbers_in(found: Any) -> Any:
    if isinstance(found, dict):
        for inner in found.values():
            yield from numbers_in(inner)
    elif isinstance(found, list):
        for inner in found:
            yield from numbers_in(inner)
    elif not isinstance(found, str):
        yield float(found)


def test_a_script_runs_by_itself(tmp_path: Path) -> None:
    script = SCRIPTS[NAMES.index("trainable_parameter")]
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert "by NumPy" in done.stdout
    assert "\b" not in done.stdout  # a progress bar


# ---------------------------------------------------------------------------------------------- the figures, one by one
def test_trainable_parameter() -> None:
    found = figures("trainable_parameter")
    assert found["difference"] < 1e-6  # from one step by NumPy
    assert found["free"] < -0.5
    assert 0 < found["bounded"] < 0.5


def test_endpoint_layer() -> None:
    found = figures("endpoint_layer")
    assert found["difference"] < 1e-6  # from one step by NumPy
    assert found["loaded"] == 0
    assert found["apart"] < 1e-6


def test_resume_training() -> None:
    found = figures("resume_training")
    assert found["epochs"] == 3  # the fourth to the sixth
    assert found["difference"] < 1e-6
    assert found["loss"] < 1e-6


@pytest.mark.long
def test_learned_temperature() -> None:
    found = figures("learned_temperature")
    assert found["trainable_weights"] == 1
    assert found["temperature"] == pytest.approx(found["temperature_by_scipy"], rel=1e-3)
    assert found["temperature"] > 1.2
    assert found["after"]["negative_log_likelihood"] < found["before"]["negative_log_likelihood"] - 0.01
    assert found["after"]["calibration_error"] < found["before"]["calibration_error"]
    assert found["accuracy"] > 0.9


def test_expected_calibration_error_of_a_case_worked_by_hand() -> None:
    error = load("learned_temperature").expected_calibration_error
    # Sure to 0.8 four times and right three times; sure to 0.6 twice and right once: (4*0.05 + 2*0.1)/6.
    logits = np.log(np.array([[0.8, 0.2]] * 4 + [[0.6, 0.4]] * 2))
    assert error(logits, np.array([0, 0, 0, 1, 0, 1])) == pytest.approx(0.4 / 6)
    assert error(logits, np.array([0, 0, 0, 1, 0, 1]), temperature=1e6) == pytest.approx(1 / 6, rel=1e-5)  # sure to 1/2, right 4 of 6 times


@pytest.mark.long
def test_multitask_uncertainty() -> None:
    found = figures("multitask_uncertainty")
    assert found["learned"]["accuracy"] > found["plain"]["accuracy"] + 0.15
    assert found["learned"]["accuracy"] > found["from_zero"]["accuracy"] + 0.15
    assert found["learned"]["ink_error"] < 0.85 * found["guess"]["ink_error"]
    # Where the derivative by s_ink vanishes, exp(s_ink) is the mean of the squared errors.
    assert found["deviation"]["s_ink"] == pytest.approx(found["ink_error_in_training"], rel=0.05)
    assert "w_digit -> 0" in found["finding"]
    assert "w_ink -> 0" in found["finding"]


@pytest.mark.long
def test_heteroscedastic_regression() -> None:
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import KFold

    found = figures("heteroscedastic_regression")
    assert found["free"]["seen"] < found["linked"]["seen"] - 0.01
    assert found["linked"]["seen"] < found["constant"]["seen"] - 0.01
    assert found["linked"]["gain"] > 0.01
    assert found["free"]["gain"] < found["linked"]["gain"]
    assert found["learned"]["linked"]["slope"] > 0.1

    # The constant model has a closed solution, least squares; with it the likelihood is log(s) + (log(2 pi) + 1)/2.
    x, y = load_diabetes(return_X_y=True)
    seen, unseen = [], []
    for train, test in KFold(3, shuffle=True, random_state=0).split(x):
        fitted = LinearRegression().fit(x[train], y[train])
        variance = np.mean((y[train] - fitted.predict(x[train])) ** 2)
        seen.append((np.log(2 * np.pi * variance) + 1) / 2)
        unseen += list((np.log(2 * np.pi * variance) + (y[test] - fitted.predict(x[test])) ** 2 / variance) / 2)
    assert found["constant"]["seen"] == pytest.approx(np.mean(seen), abs=0.01)
    assert found["constant"]["unseen"] == pytest.approx(np.mean(unseen), abs=0.01)


@pytest.mark.long
def test_focal_loss() -> None:
    found = figures("focal_loss")
    learned, fixed = found["learned"], found["fixed"]
    assert 4 < learned["gamma"] < 5
    assert 0.9 < learned["alpha"] < 1
    assert learned["loss"] < min(row["loss"] for row in fixed.values())
    assert learned["loss"] < 0.1 * fixed[2.0]["loss"]
    assert learned["auc_test"] < max(row["auc_test"] for row in fixed.values())
    assert learned["false_alarms"] > 0.3
    assert found["validated_gamma"] == max(fixed, key=lambda gamma: fixed[gamma]["auc_validation"])
    assert len(found["findings"]) == 1
    assert "gamma -> 5" in found["findings"][0]


@pytest.mark.long
def test_metric_learning() -> None:
    found = figures("metric_learning")
    assert found["before"]["accuracy"] < 0.4
    assert found["after"]["accuracy"] > 0.94
    assert found["after"]["accuracy"] > found["principal_components"] + 0.1
    assert found["pixels"] == pytest.approx(0.986, abs=0.002)  # scikit-learn alone
    assert 0 < found["after"]["tau"] < 0.2
    assert found["loss"][1] < found["loss"][0]
