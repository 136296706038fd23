"""docs/BACKENDS.md: what works on which backend, as the probes find it.

``python tests/backends/table.py`` runs every probe on every backend and writes the page; with ``--here`` it prints what the
probes find on the backend at hand, as JSON.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from all_probes import PROBES
from probe import BACKENDS, GROUPS, Cell, outcome
from trajectory import EPOCHS, SHOWN, by_hand, on_this_backend

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "BACKENDS.md"
HEAD = """\
# What works on which backend

One emitted program runs on every backend of Keras: `KERAS_BACKEND=tensorflow`, `jax` or `torch`. TensorFlow comes with the package;
`pip install jax` or `pip install torch` adds another. What `keras.ops` lacks, or rounds to float32, comes from the backend's own
functions (`losscompiler/runtime`).

This page is made by `python tests/backends/table.py`: every row is a probe of `tests/backends` that passes where the page says "yes",
fails where it says "no", and is not run where it says "-". The tests hold the page against the backend that they run on; the
continuous integration runs them on all three.
"""
SIDE_BY_SIDE = """\
## Side by side

A Student-t likelihood whose scale `s` and tail `nu` are learned, by plain gradient descent (`tests/backends/trajectory.py`). NumPy's
column is written by hand in float64; the others train in float32. They agree to 1e-5.
"""
VERSIONS = ("tensorflow", "jax", "torch", "keras", "numpy")
MOST_APART = 1e-5
"""How far, relatively, the trajectories of two backends in float32 may be apart."""


# -------------------------------------------------------------------------------------------------------------- running
def here() -> dict[str, Any]:
    """Return what the probes find on the backend at hand, and the trajectory there."""
    cells: dict[str, Cell] = {}
    for found in PROBES:
        print(found.title, file=sys.stderr, flush=True)
        cells[found.title] = outcome(found)
    return {"cells": cells, "trajectory": on_this_backend()}


def on_all() -> dict[str, dict[str, Any]]:
    """Return the same for every backend, each in a process of its own."""
    missing = [name for name in BACKENDS if importlib.util.find_spec(name) is None]
    if missing:
        raise SystemExit(f"the page needs every backend; install {', '.join(missing)}.")
    found = {}
    for backend in BACKENDS:
        print(f"--- {backend}", file=sys.stderr, flush=True)
        done = subprocess.run(
            [sys.executable, __file__, "--here"], env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        found[backend] = json.loads(done.stdout.splitlines()[-1])
    return found


# -------------------------------------------------------------------------------------------------------------- writing
def page(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page."""
    notes: list[str] = []
    lines = [HEAD]
    for group in GROUPS:
        lines += [f"## {group}", "", f"| | {' | '.join(BACKENDS.values())} |", "| --- |" + " --- |" * len(BACKENDS)]
        for title in [probe.title for probe in PROBES if probe.group == group]:
            marks = [_with_note(Cell(*found[backend]["cells"][title]), notes) for backend in BACKENDS]
            lines.append(f"| {title} | {' | '.join(marks)} |")
        lines.append("")
    lines += [*(f"{number}. {note}" for number, note in enumerate(notes, 1)), ""]
    lines += [SIDE_BY_SIDE, f"| epoch | | NumPy | {' | '.join(BACKENDS.values())} |", "| --- | --- |" + " --- |" * (len(BACKENDS) + 1)]
    columns = [by_hand(), *(found[backend]["trajectory"] for backend in BACKENDS)]
    for epoch in range(1, EPOCHS + 1):
        for name in SHOWN:
            lines.append(f"| {epoch} | {name} | {' | '.join(f'{column[name][epoch - 1]:.6f}' for column in columns)} |")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in VERSIONS)
    return "\n".join([*lines, "", f"Made with {versions}.", ""])


def _with_note(cell: Cell, notes: list[str]) -> str:
    if not cell.note:
        return cell.mark
    if cell.note not in notes:
        notes.append(cell.note)
    return f"{cell.mark} ({notes.index(cell.note) + 1})"


# -------------------------------------------------------------------------------------------------------------- reading
def cells(text: str, backend: str) -> dict[str, Cell]:
    """Return what a page says of a backend, by the titles of the probes."""
    notes = dict(re.findall(r"^(\d+)\. (.*)$", text, re.MULTILINE))
    found = {}
    for title, *marks in _rows(text, 1 + len(BACKENDS)):
        mark, _, number = marks[list(BACKENDS).index(backend)].partition(" ")
        found[title] = Cell(mark, notes[number.strip("()")] if number else "")
    return found


def trajectory(text: str, backend: str) -> dict[str, list[float]]:
    """Return the trajectory that a page shows for a backend, or for "numpy"."""
    column = 2 + ["numpy", *BACKENDS].index(backend)
    found: dict[str, list[float]] = {name: [] for name in SHOWN}
    for row in _rows(text, 3 + len(BACKENDS)):
        found[row[1]].append(float(row[column]))
    return found


def _rows(text: str, columns: int) -> list[list[str]]:
    """Return the rows of all tables of so many columns, without headings."""
    tables = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    headings = ("", "---", "epoch")
    return [row for row in tables if len(row) == columns and row[0] not in headings]


if __name__ == "__main__":
    if sys.argv[1:] == ["--here"]:
        report = json.dumps(here())
        print(f"\n{report}")
    else:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(on_all()), encoding="utf-8")
