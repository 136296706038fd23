"""The README's code runs and prints what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_first_example_stands_at_the_top_and_prints_what_it_says(tmp_path: Path) -> None:
    lines = README.splitlines()
    assert lines.index("```python") < 10
    assert lines.index("```", lines.index("```python")) < 25
    printed = run(BLOCKS[0], tmp_path).splitlines()
    said = [match[1] for line in BLOCKS[0].splitlines() if (match := re.search(r"^print\(.*\) +# (.*)$", line))]
    assert printed[:3] == said[:3]
    table = "\n".join(printed)
    for symbol in ("(value)", "p", "a"):
        assert re.search(rf"^{re.escape(symbol)} +\d+ ", table, re.MULTILINE), table
    assert table.splitlines()[3].startswith("all gradients agree")


def test_training_example_learns_the_noise(tmp_path: Path) -> None:
    printed = run(BLOCKS[1], tmp_path)
    said = re.search(r"print\(round.*# (\S+?),", BLOCKS[1])
    assert said is not None
    assert printed.split()[-1] == said[1]
    assert (tmp_path / "half_trained.keras").exists()


def test_fit_without_keras_finds_what_was_put_in(tmp_path: Path) -> None:
    printed = run(BLOCKS[2], tmp_path)
    said = re.search(r"^print\(.*\) +# (.*)$", BLOCKS[2], re.MULTILINE)
    assert said is not None
    assert printed.strip() == said[1]


def test_shown_finding_is_the_one_that_is_printed() -> None:
    from losscompiler.cli import main

    block = README[README.index("warning: the loss has no minimum") :]
    shown = block[: block.index("```")].strip()
    import contextlib
    import io

    captured = io.StringIO()
    with contextlib.redirect_stdout(captured):
        main(["derive", "(log(y) - log(p))**2 + a*p"])
    assert [line.strip() for line in shown.splitlines()] == [
        line.strip() for line in captured.getvalue().splitlines() if line.strip() in {part.strip() for part in shown.splitlines()}
    ][-len(shown.splitlines()) :]


def test_shown_error_is_the_one_that_is_raised() -> None:
    import losscompiler as lc

    block = README[README.index("losscompiler.errors.FormulaNameError: ") :]
    shown = block[: block.index("```")].strip().removeprefix("losscompiler.errors.FormulaNameError: ")
    with pytest.raises(lc.FormulaNameError) as caught:
        lc.compile_loss("lgama(p) - y*log(p)")
    assert str(caught.value) == shown


@pytest.mark.parametrize("mark", ["main", "tests"])
def test_commands_are_marked_for_the_continuous_check(mark: str) -> None:
    assert re.search(rf"<!-- {mark} -->\n```sh\n.*\.venv.*\n```", README)
