"""Emitted modules against files that a person has read.

What a module copies from the runtime is replaced by one line naming it, so that a golden file holds what was generated.
To accept a change: python tests/emit/test_golden.py
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from losscompiler.emit.prelude import prelude_names
from losscompiler.pipeline import Stages

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


def generated_part(source: str) -> str:
    """Return a module's text with everything that is copied from the runtime named in one line."""
    blocks = []
    for block in source.split("\n\n\n"):
        name = re.match(r"(?:def|class) (\w+)|(\w+) = backend_function", block)
        found = name and (name[1] or name[2])
        blocks.append(f"# {found}: as in the runtime" if found in prelude_names() - {"loss"} else block)
    return re.sub(r"(?<=runtime)\n\n\n(?=# \w+: as)", "\n", "\n\n\n".join(blocks))


@pytest.mark.parametrize("name", LOSSES)
def test_emitted_module_is_the_one_that_was_read(name: str) -> None:
    assert generated_part(Stages(LOSSES[name], name=name).generated.text) == (GOLDEN / f"{name}.py.txt").read_text()


@pytest.mark.parametrize("name", LOSSES)
def test_golden_file_is_small_enough_to_read(name: str) -> None:
    assert len((GOLDEN / f"{name}.py.txt").read_text().splitlines()) < 110


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for title, text in LOSSES.items():
        (GOLDEN / f"{title}.py.txt").write_text(generated_part(Stages(text, name=title).generated.text))
