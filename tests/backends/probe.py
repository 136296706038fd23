"""What a probe is: a small function that passes on a backend or does not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import keras

BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
VALUES, TRAINING, FILES = GROUPS = ("Values and derivatives", "Training", "Saving and serving")


class Cell(NamedTuple):
    """What the table says of a feature on a backend: "yes", "no" or "-" (there is no such thing), and what else to say."""

    mark: str
    note: str = ""


@dataclass(frozen=True)
class Probe:
    """A feature of the package, and how to tell whether it works.

    Attributes:
        title: the feature, as the table names it.
        group: heading in the table.
        function: raises where the feature does not work.
        lacking: by backend, why it does not work there; the probe is run all the same, and must fail.
        absent: by backend, why there is nothing to run.
        remarks: by backend, under which condition it works.
        long: backends on which it takes minutes.
    """

    title: str
    group: str
    function: Callable[[], None]
    lacking: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)
    long: tuple[str, ...] = ()


PROBES: list[Probe] = []


def probe(title: str, group: str, **facts: object) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a function as the probe of a feature."""

    def register(function: Callable[[], None]) -> Callable[[], None]:
        PROBES.append(Probe(title, group, function, **facts))  # type: ignore[arg-type]
        return function

    return register


def outcome(found: Probe) -> Cell:
    """Run a probe on the backend at hand.

    Raises:
        Exception: whatever the probe raises where it should pass.
        AssertionError: if it passes where the feature is said to be lacking.
    """
    backend = keras.backend.backend()
    if backend in found.absent:
        return Cell("-", found.absent[backend])
    try:
        found.function()
    except Exception:
        if backend in found.lacking:
            return Cell("no", found.lacking[backend])
        raise
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert backend not in found.lacking, f"'{found.title}' works on {backend} now: say so, and run tests/backends/table.py"
    return Cell("yes", found.remarks.get(backend, ""))


def in_a_process(code: str, *arguments: str, **environment: str) -> str:
    """Run code in a process of its own, on the backend at hand unless told otherwise, and return the last line that it prints."""
    known = {**os.environ, "KERAS_BACKEND": keras.backend.backend(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=known | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]
