"""Keras' own tests of its losses, run with every loss replaced by a compiled formula.

As a script, in a process of its own, it prints one JSON object: "right" -> file -> test -> outcome; with the argument ``wrong`` also
"wrong" -> ..., where every formula is made 1 % too large. Keras' tests clear Keras' global state, so they run in no process that
does anything else.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import traceback
import unittest
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import keras
from keras import ops
from keras.src.backend import set_keras_mask
from keras.src.losses.loss import squeeze_or_expand_to_same_rank
from keras_formulas import FORMULAS, Formula, circle_to_references, formula_of

from losscompiler.pipeline import Stages

FILES = ("losses_test", "loss_test")

# --------------------------------------------------------------------------------------------------------- evaluation


@dataclass
class Count:
    """How much of this package a test has used since the last reset."""

    evaluated: int = 0
    constructed: int = 0


used = Count()
wrong = False


@cache
def stages_of(text: str) -> Stages:
    return Stages(text)


def too_large(text: str) -> str:
    *above, loss = text.splitlines()
    return "\n".join([*above, f"1.01*({loss})"])


def evaluate(formula: Formula, *data: Any) -> Any:
    """Return the loss by the emitted module: data and parameters in the dtype of the predictions, which come last."""
    stages = stages_of(too_large(formula.text) if wrong else formula.text)
    dtype = data[-1].dtype
    assert set(formula.values) == set(stages.graph.parameters)
    values = [ops.convert_to_tensor(formula.values[name], dtype) for name in stages.graph.parameters]
    used.evaluated += 1
    return stages.module.loss(*data, *values)


# --------------------------------------------------------------------------------------------------------- the classes
class ByFormula:
    """What a loss class of Keras becomes when its formula is compiled: everything but `call` is Keras'."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        used.constructed += 1

    def call(self, y_true: Any, y_pred: Any) -> Any:
        # As LossFunctionWrapper.call does for every loss: labels of shape (batch,) meet predictions of shape (batch, 1).
        y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        return per_sample(type(self).__name__, y_true, y_pred, self._fn_kwargs)


def per_sample(name: str, y_true: Any, y_pred: Any, options: dict[str, Any]) -> Any:
    """Return the loss of each sample, with the mask that Keras' function of that class sets."""
    if name == "SparseCategoricalCrossentropy" and len(y_true.shape) < len(y_pred.shape):
        # The language gives labels a trailing axis; classes that lie elsewhere need it there.
        y_true = ops.expand_dims(y_true, options["axis"])
    loss = evaluate(formula_of(name, options), y_true, y_pred)
    if options.get("ignore_class") is not None:
        set_keras_mask(loss, ops.reshape(ops.not_equal(y_true, options["ignore_class"]), ops.shape(loss)))
    if name == "Circle":
        set_keras_mask(loss, loss > 0)
    return loss


def replaced(name: str) -> type:
    """Return a loss class of Keras with the formula in place of its function; it saves and loads under its own name."""
    made = type(name, (ByFormula, getattr(keras.losses, name)), {"__module__": __name__})
    return keras.saving.register_keras_serializable(package="peers")(made)


def as_float(array: Any) -> Any:
    return ops.convert_to_tensor(array, keras.config.floatx())


def circle(y_true: Any, y_pred: Any, *, ref_labels: Any, ref_embeddings: Any, remove_diagonal: bool, gamma: float, margin: float) -> Any:
    assert not remove_diagonal
    return evaluate(circle_to_references(gamma, margin), *map(as_float, (y_true, ref_labels, y_pred, ref_embeddings)))


def functional(name: str, **defaults: Any) -> Callable[..., Any]:
    def function(y_true: Any, y_pred: Any, **options: Any) -> Any:
        y_true, y_pred = squeeze_or_expand_to_same_rank(as_float(y_true), as_float(y_pred))
        return per_sample(name, y_true, y_pred, {**defaults, **options})

    return function


CLASSES = {name: replaced(name) for name in FORMULAS}
FUNCTIONS = {
    "mean_squared_error": functional("MeanSquaredError"),
    "sparse_categorical_crossentropy": functional("SparseCategoricalCrossentropy", from_logits=False, ignore_class=None),
    "circle": circle,
}
"""The functions that Keras' tests call; any other is an AttributeError there."""


class ExampleLoss(keras.losses.Loss):
    """The loss of Keras' tests of its base class."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        used.constructed += 1

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return evaluate(Formula("(y - p)**2", {}), y_true, y_pred)


# ----------------------------------------------------------------------------------------------------------- the tests
@cache
def suite(file: str) -> ModuleType:
    """Return a module of Keras' tests under a name of its own, with its losses replaced."""
    path = Path(keras.src.losses.__file__).with_name(f"{file}.py")
    spec = importlib.util.spec_from_file_location(f"keras_peer_{file}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if file == "losses_test":
        module.losses = SimpleNamespace(**CLASSES, **FUNCTIONS)
    else:
        module.ExampleLoss = ExampleLoss
    return module


def cases(file: str) -> Iterator[tuple[str, unittest.TestCase]]:
    """Yield Keras' tests by name, in the order of the file."""
    for name, found in vars(suite(file)).items():
        if isinstance(found, type) and issubclass(found, unittest.TestCase):
            for method in sorted(unittest.TestLoader().getTestCaseNames(found)):
                yield f"{name}.{method}", found(method)


@dataclass
class Outcome:
    """What became of one test.

    Attributes:
        failure: the traceback, or "".
        evaluated: how many compiled formulas it evaluated.
        constructed: how many replaced classes it made.
    """

    failure: str = ""
    evaluated: int = 0
    constructed: int = 0


def run(case: unittest.TestCase) -> Outcome:
    """Run one test, also where a mark of pytest skips it: Keras' functions lack something on a backend, formulas do not."""
    used.evaluated = used.constructed = 0
    result = unittest.TestResult()
    try:
        case.run(result)
        failure = "\n".join(text for _, text in (*result.errors, *result.failures))
    except BaseException:
        # pytest.raises without an error raises what no unittest runner knows.
        failure = traceback.format_exc()
    return Outcome(failure, used.evaluated, used.constructed)


def main() -> None:
    global wrong
    found = {}
    for kind in ("right", *sys.argv[1:]):
        wrong = kind == "wrong"
        found[kind] = {file: {name: asdict(run(case)) for name, case in cases(file)} for file in FILES}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
