"""``.keras`` files that are damaged or hostile: this package's errors come out, and nothing in them is run."""

from __future__ import annotations

import base64
import json
import marshal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as array

import losscompiler as lc

FORMULA = "param a in (0, 1) = 0.5\nparam w[p] > 0 = 2\nsum(w*(y - p)**2) + a*mean(p)"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    params = {"b": lc.Parameter(1.0, regularizer=keras.regularizers.L2(0.1))}
    text = FORMULA.splitlines()[-1] + " + b*mean(abs(p))"
    loss = lc.compile_loss("\n".join([*FORMULA.splitlines()[:-1], text]), params, findings="ignore")
    model = lc.LossModel(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]), loss)
    model.compile("sgd")
    model.fit(np.ones((4, 2)), np.ones((4, 2)), verbose=0)
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    model.save(path)
    return path


def damaged(saved: Path, folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Write the file again with another config."""
    path = folder / "damaged.keras"
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config["config"])
                content = json.dumps(config).encode()
            new.writestr(name, content)
    return path


def of_layer(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda config: change(config["loss"]["config"])


def of_loss(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda config: change(config["loss"]["config"]["loss"])


def test_the_file_itself_is_sound(saved: Path, tmp_path: Path) -> None:
    assert lc.load_model(damaged(saved, tmp_path, lambda config: None)).parameters.keys() == {"a", "b", "w"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (of_loss(lambda loss: loss.update(version=99)), "saved by a newer version .config 99, known 1.. Update losscompiler"),
        (of_loss(lambda loss: loss.pop("formula")), "lacks the entry 'formula'"),
        (of_loss(lambda loss: loss.update(parameters=[1])), "parameters must be a table"),
        (of_loss(lambda loss: loss["parameters"]["b"].pop("bounds")), "parameters.b lacks the entry 'bounds'"),
        (of_loss(lambda loss: loss.update(run="os.system")), "unknown entry 'run'"),
        (of_layer(lambda layer: layer.pop("loss")), "the config of a LossLayer cannot be read: 'loss'"),
        (of_layer(lambda layer: layer.update(loss=3)), "the loss must be a table of named entries, not 3"),
        (of_layer(lambda layer: layer.update(gradient="symbolic")), "gradient must be one of"),
        (of_layer(lambda layer: layer.update(initial=[1])), "the config of a LossLayer cannot be read"),
        (of_layer(lambda layer: layer.update(initial={"b": "high"})), "the config of a LossLayer cannot be read"),
        (of_layer(lambda layer: layer.update(initial={"a": 7})), "lies outside its bounds"),
        (of_layer(lambda layer: layer.update(initial={"nobody": 7})), "there is no parameter 'nobody'"),
        (of_layer(lambda layer: layer.update(surprise=1)), "the config of a LossLayer cannot be read"),
        (of_layer(lambda layer: layer.update(name=3)), "the config of a LossLayer cannot be read"),
        (lambda config: config.pop("loss"), "the config of a LossModel has no 'loss'"),
        (lambda config: config.pop("net"), "the config of a LossModel has no 'net'"),
        (lambda config: config.update(net=None), "the config of a LossModel has no 'net'"),
        (lambda config: config.update(loss=config["net"]), "loss must be a compiled loss, not Sequential"),
    ],
)
def test_what_is_wrong_is_named(saved: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str) -> None:
    with pytest.raises(lc.ArgumentError, match=message):
        lc.load_model(damaged(saved, tmp_path, change))


def code(marker: Path) -> str:
    """Return Python code that would leave a marker, as Keras writes functions."""
    function = compile(f"open({str(marker)!r}, 'w')", "<hostile>", "eval")
    return base64.b64encode(marshal.dumps(function)).decode()


@pytest.mark.parametrize(
    "change",
    [
        lambda loss, marker: loss.update(formula=f"__import__('pathlib').Path({str(marker)!r}).touch()"),
        lambda loss, marker: loss.update(formula=f"y - p\nopen({str(marker)!r}, 'w')"),
        lambda loss, marker: loss["parameters"]["b"].update(regularizer=f"lambda x: open({str(marker)!r}, 'w')"),
        lambda loss, marker: loss["parameters"]["b"].update(
            regularizer={"class_name": "__lambda__", "config": {"value": [code(marker), None, None]}}
        ),
        lambda loss, marker: loss["parameters"]["b"].update(
            regularizer={"module": "builtins", "class_name": "function", "config": {"value": "open"}, "registered_name": "open"}
        ),
        lambda loss, marker: loss["parameters"]["b"].update(
            regularizer={"module": "pathlib", "class_name": "Path", "config": {"x": str(marker)}, "registered_name": None}
        ),
        lambda loss, marker: loss["parameters"]["b"].update(
            regularizer={"module": "keras.layers", "class_name": "Dense", "config": {"units": 3}, "registered_name": None}
        ),
        lambda loss, marker: loss["parameters"]["b"].update(
            regularizer={"module": "keras.utils", "class_name": "get_file", "config": {"fname": str(marker)}, "registered_name": None}
        ),
    ],
)
def test_nothing_hostile_is_run(saved: Path, tmp_path: Path, change: Callable[[dict[str, Any], Path], Any]) -> None:
    marker = tmp_path / "was_here"
    with pytest.raises(lc.LossCompilerError):
        lc.load_model(damaged(saved, tmp_path, of_loss(lambda loss: change(loss, marker))))
    assert not marker.exists()


@pytest.mark.parametrize("formula", ["p + " * 50_000 + "y", "(" * 30_000 + "p" + ")" * 30_000, "9**9**9**9*p"], ids=lambda text: text[:6])
def test_a_huge_formula_is_refused(saved: Path, tmp_path: Path, formula: str) -> None:
    with pytest.raises(lc.FormulaLimitError):
        lc.load_model(damaged(saved, tmp_path, of_loss(lambda loss: loss.update(formula=formula))))


def test_weights_of_another_loss_are_refused(saved: Path, tmp_path: Path) -> None:
    # By the names of parameters: a and b have the same shape, and would be exchanged silently.
    def rename(loss: dict[str, Any]) -> None:
        loss["formula"] = loss["formula"].replace("param a ", "param c ").replace("a*mean(p)", "c*mean(p)")

    with pytest.raises(ValueError, match="the file lacks weights of the parameters b, c, w"):
        lc.load_model(damaged(saved, tmp_path, of_loss(rename)))


def test_a_regularizer_that_cannot_be_saved_is_refused_at_once() -> None:
    loss = lc.compile_loss("a*(y - p)**2", {"a": lc.Parameter(1.0, regularizer=lambda x: x)}, findings="ignore")
    with pytest.raises(lc.ArgumentError, match="register_keras_serializable"):
        loss.layer()


@keras.saving.register_keras_serializable(package="losscompiler_tests")
class Decay(keras.regularizers.Regularizer):
    """A regularizer of one's own."""

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def __call__(self, x: Any) -> Any:
        return self.strength * keras.ops.sum(x)

    def get_config(self) -> dict[str, Any]:
        return {"strength": self.strength}


def test_a_registered_regularizer_of_ones_own_is_saved_by_name(tmp_path: Path) -> None:
    loss = lc.compile_loss("a*(y - p)**2", {"a": lc.Parameter(3.0, regularizer=Decay(0.5))}, findings="ignore")
    model = lc.LossModel(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), loss)
    model.compile("sgd")
    model.save(tmp_path / "model.keras")
    again = lc.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(array(again.losses[0]), 1.5)
