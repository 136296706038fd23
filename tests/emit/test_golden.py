"""Emitted modules against files that a person has read.

What a module copies from the runtime is replaced by one line naming it, so that a golden file holds what was generated.
To accept a change: python tests/emit/test_golden.py
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import losscompiler as lc
from losscompiler.emit.prelude import prelude_names

GOLDEN = Path(__file__).parents[1] / "golden"
LOSSES = {
    "log_error_with_weight": "(log(y) - log(p))**2 + a*p",
    "huber_with_learned_delta": "param delta > 0 = 1\nr = abs(y - p)\nr**2/2 if r <= delta else delta*(r - delta/2)",
    "general_robust": (
        "# Barron 2019\nparam alpha in (0, 2) = 1\nparam c > 0 = 1\nr = (p - y)/c\n"
        "abs(alpha - 2)/alpha*((r**2/abs(alpha - 2) + 1)**(alpha/2) - 1)"
    ),
    "cross_entropy_with_temperature": "param T > 0 = 1\nlogsumexp(p/T) - (p/T)[y]",
    "student_t": (
        "param s > 0 = 1\nparam nu > 2 = 30\nz = (y - p)/s\n"
        "log(s) + lgamma(nu/2) - lgamma((nu + 1)/2) + log(nu*pi)/2 + (nu + 1)/2*log1p(z**2/nu)"
    ),
}

FILES = {f"{name}.py.txt": (name, "keras") for name in LOSSES} | {
    f"{name}.numpy.py.txt": (name, "numpy") for name in ("cross_entropy_with_temperature", "student_t")
}

COPIED = prelude_names() - {"loss", "DATA", "PREDICTIONS", "PARAMETERS", "CONSTANTS"}


def generated_part(source: str) -> str:
    """Return a module's text with everything that is copied from the runtime named in one line."""
    blocks = []
    for block in source.split("\n\n\n"):
        name = re.match(r"(?:def|class) (\w+)|(\w+) = ", block)
        found = name and (name[1] or name[2])
        blocks.append(f"# {found}: as in the runtime" if found in COPIED else block)
    return re.sub(r"(?<=runtime)\n\n\n(?=# \w+: as)", "\n", "\n\n\n".join(blocks))


def generated(file: str) -> str:
    name, target = FILES[file]
    return generated_part(lc.compile_loss(LOSSES[name], name=name, findings="ignore").source(target))


@pytest.mark.parametrize("file", FILES)
def test_emitted_module_is_the_one_that_was_read(file: str) -> None:
    assert generated(file) == (GOLDEN / file).read_text()


@pytest.mark.parametrize("file", FILES)
def test_golden_file_is_small_enough_to_read(file: str) -> None:
    assert len((GOLDEN / file).read_text().splitlines()) < 150


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for file in FILES:
        (GOLDEN / file).write_text(generated(file))
