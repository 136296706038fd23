"""An emitted module runs with Keras alone, and user text cannot get out of its docstring."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from losscompiler.pipeline import Stages

WITHOUT_THE_PACKAGE = """
import importlib.abc, json, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("losscompiler", "sympy", "lark"):
            raise ImportError(f"{name} must not be needed")

sys.meta_path.insert(0, Refuse())
import keras, numpy as np
import emitted

x = np.linspace(-1, 1, 32, dtype="float32").reshape(32, 1)
y = 2 * x + 1
net = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
target = keras.layers.Input((1,))
layer = emitted.ScaledError(initial={"s": 2.0})
endpoint = keras.Model([net.inputs[0], target], layer([target, net.outputs[0]]))
keras.saving.register_keras_serializable("test")(emitted.ScaledError)
before = {name: float(value) for name, value in layer.parameters.items()}
endpoint.compile(keras.optimizers.SGD(0.05), loss=lambda _, value: value)
history = endpoint.fit([x, y], np.zeros_like(y), batch_size=32, epochs=30, verbose=0).history["loss"]
after = {name: float(value) for name, value in layer.parameters.items()}
d_p, d_s = emitted.gradients(keras.ops.convert_to_tensor(y), keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(np.float32(2)))
print(json.dumps({"before": before, "after": after, "first": history[0], "last": history[-1], "d_s": float(d_s)}))
"""


def test_source_trains_in_a_process_without_this_package(tmp_path: Path) -> None:
    source = Stages("param s > 0 = 1\n((y - p)/s)**2/2 + log(s)", name="scaled error").generated.text
    (tmp_path / "emitted.py").write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_PACKAGE], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "TF_CPP_MIN_LOG_LEVEL": "3", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    x = np.linspace(-1, 1, 32)
    assert found["before"]["s"] == pytest.approx(2, rel=1e-6)
    assert found["last"] < found["first"]
    assert found["after"]["s"] != pytest.approx(2, rel=1e-3)
    # d/ds of r**2/(2 s**2) + log s is -r**2/s**3 + 1/s, with r = x + 1 and s = 2.
    assert found["d_s"] == pytest.approx(np.sum(-((x + 1) ** 2) / 8 + 1 / 2), rel=1e-5)


@pytest.mark.parametrize(
    "comment",
    ['"""', '\\"""', "'''", "\\", '\\"\\"\\"', "\x00", "\x0c", "\u2028 import os", "{0.__class__}", "%s", '"""\\nimport os\\n"""'],
)
def test_comments_stay_inside_the_docstring(comment: str) -> None:
    source = Stages(f"# {comment}\n(y - p)**2 # {comment}").generated.text
    module = ast.parse(source)
    assert [type(statement) for statement in module.body[:5]] == [ast.Expr, ast.Import, ast.Import, ast.Import, ast.ImportFrom]
    assert "os" not in [alias.name for node in ast.walk(module) if isinstance(node, ast.Import) for alias in node.names]


@pytest.mark.parametrize(
    "name",
    [
        "lambda", "class", "ops", "keras", "np", "loss", "upstream", "dtype", "sum_to", "self", "DATA", "t1", "kept", "d_p",
        "align_target", "value_and_pullback", "importlib",
    ],
)  # fmt: skip
def test_names_that_python_or_the_module_uses_are_safe(name: str) -> None:
    stages = Stages(f"param {name} = 2\n(y - {name}*p)**2 + {name}**2")
    module = stages.module
    y, p = np.array([[1.0], [2.0]], "float32"), np.array([[0.5], [1.5]], "float32")
    value, pullback = module.value_and_pullback(y, p, np.float32(2))
    np.testing.assert_allclose(value, (y - 2 * p) ** 2 + 4, rtol=1e-6)
    d_p, d_name = pullback(np.ones_like(y))
    np.testing.assert_allclose(d_p, -4 * (y - 2 * p), rtol=1e-6)
    np.testing.assert_allclose(d_name, np.sum(-2 * p * (y - 2 * p) + 4), rtol=1e-6)


@pytest.mark.parametrize("title", ["", "1", "class", "a b", "ÄÖ", "x\ny", '"""', "None", "FormulaLayer", "π"])
def test_any_name_of_a_loss_makes_a_class(title: str) -> None:
    generated = Stages("(y - p)**2", name=title).generated
    assert isinstance(getattr(generated.load(), generated.layer), type)


def test_lines_show_in_tracebacks() -> None:
    module = Stages("(y - p)**2").module
    import linecache

    assert "def value_and_pullback" in "".join(linecache.getlines(module.value.__code__.co_filename))
