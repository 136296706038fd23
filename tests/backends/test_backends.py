"""What docs/BACKENDS.md says of the backend at hand is what the probes find, and trajectories agree with NumPy's and each other's."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
from all_probes import PROBES
from probe import BACKENDS, Cell, Probe, outcome
from table import MOST_APART, PAGE, cells, trajectory
from trajectory import SHOWN, by_hand

BACKEND = keras.backend.backend()
WRITTEN = PAGE.read_text(encoding="utf-8")


# --------------------------------------------------------------------------------------------------------------- the page
@pytest.mark.parametrize(
    "probe", [pytest.param(probe, id=probe.function.__name__, marks=pytest.mark.long if BACKEND in probe.long else ()) for probe in PROBES]
)
def test_the_page_says_what_the_probe_finds(probe: Probe) -> None:
    assert cells(WRITTEN, BACKEND)[probe.title] == outcome(probe), "run: python tests/backends/table.py"


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_page_lists_every_probe_and_nothing_else(backend: str) -> None:
    assert list(cells(WRITTEN, backend)) == [probe.title for probe in PROBES], "run: python tests/backends/table.py"


def test_titles_are_unambiguous() -> None:
    titles = [probe.title for probe in PROBES]
    assert len(set(titles)) == len(titles)
    assert not [title for title in titles if "|" in title]


# -------------------------------------------------------------------------------------------------------------- a probe
def test_a_failing_probe_fails() -> None:
    def broken() -> None:
        raise ValueError("it does not work")

    with pytest.raises(ValueError, match="it does not work"):
        outcome(Probe("title", "group", broken))
    assert outcome(Probe("title", "group", broken, lacking={BACKEND: "of this"})) == Cell("no", "of this")


def test_a_probe_that_passes_where_it_should_fail_is_noticed() -> None:
    with pytest.raises(AssertionError, match=f"works on {BACKEND} now"):
        outcome(Probe("title", "group", lambda: None, lacking={BACKEND: "of this"}))


# --------------------------------------------------------------------------------------------------------- trajectories
@cache
def trained(backend: str) -> dict[str, list[float]]:
    """Return the trajectory on a backend, trained in a process of its own."""
    script = str(Path(__file__).with_name("trajectory.py"))
    known = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, script], env=known, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def same(found: dict[str, list[float]], expected: dict[str, list[float]], near: float = MOST_APART) -> None:
    assert list(found) == list(expected) == list(SHOWN)
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], rtol=near, err_msg=name)


def test_the_trajectory_is_that_of_numpy() -> None:
    same(trained(BACKEND), by_hand())


def test_the_page_shows_the_trajectory_of_numpy() -> None:
    same(trajectory(WRITTEN, "numpy"), by_hand(), near=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_page_shows_the_same_trajectory_for_every_backend(backend: str) -> None:
    same(trajectory(WRITTEN, backend), trained(BACKEND), near=2 * MOST_APART)


@pytest.mark.parametrize("other", [backend for backend in BACKENDS if backend != BACKEND])
def test_another_backend_trains_alike(other: str) -> None:
    if importlib.util.find_spec(other) is None:
        pytest.skip(f"{BACKENDS[other]} is not installed")
    same(trained(BACKEND), trained(other))
