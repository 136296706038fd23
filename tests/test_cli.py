"""The command line, as scripts and people use it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from losscompiler.cli import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_derive_shows_derivatives_and_findings(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "derive", "(log(y) - log(p))**2 + a*p")
    assert (code, err) == (0, "")
    assert "d/da = p" in out
    assert "d/dp = a - 2*(log(y) - log(p))/p" in out
    assert "warning" in out


def test_json_holds_what_scripts_need(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "derive", "--json", "param a in (0, 1) = 0.5\na*(y - p)**2")
    facts = json.loads(out)
    assert code == 0
    assert facts["ok"] is True
    assert facts["parameters"] == {"a": {"init": 0.5, "bounds": [0.0, 1.0], "shape": []}}
    assert set(facts["derivatives"]) == {"p", "a"}
    assert all({"code", "severity", "message", "lineno", "offset"} <= set(finding) for finding in facts["findings"])


def test_strict_turns_warnings_into_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "derive", "--strict", "(y - p)**2 + a*p")[0] == 1
    assert run(capsys, "derive", "--strict", "(y - p)**2")[0] == 0


@pytest.mark.parametrize("command", ["derive", "explain", "emit", "check"])
def test_errors_show_the_place_and_exit_with_1(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, err = run(capsys, command, "(y - p)**2 + lgama(p)")
    assert (code, out) == (1, "")
    assert "unknown-function" in err
    assert "^^^^^" in err
    assert "lgamma" in err


@pytest.mark.parametrize("formula", ["-log(p)", "-p", "-(y - p)", "-p*y", "-1e-3*p**2"])
def test_a_formula_may_begin_with_a_minus(capsys: pytest.CaptureFixture[str], formula: str) -> None:
    if formula == "-p":
        formula = "-p + 0"  # -p alone is the option
    code, out, _ = run(capsys, "derive", "--json", formula)
    assert (code, json.loads(out)["formula"]) == (0, formula)


def test_errors_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "derive", "--json", "r = y - p\nr ** * 2")
    facts = json.loads(out)
    assert code == 1
    assert (facts["ok"], facts["code"], facts["lineno"], facts["offset"]) == (False, "unexpected-token", 2, 6)


def test_explain_shows_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "explain", "-log(sigmoid(p))*y")
    assert code == 0
    for word in ("tree", "graph", "log of sigmoid", "derivatives", "def value_and_pullback", "operations", "findings"):
        assert word in out
    code, out, _ = run(capsys, "explain", "--json", "-log(sigmoid(p))*y")
    assert json.loads(out)["rules"] == ["log of sigmoid"]


def test_emit_writes_a_module(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "loss.py"
    code, out, err = run(capsys, "emit", "(y - p)**2", "-o", str(target))
    assert (code, out) == (0, "")
    assert "wrote" in err
    compile(target.read_text(), str(target), "exec")
    assert run(capsys, "emit", "(y - p)**2")[1] == target.read_text()
    assert run(capsys, "emit", "(y - p)**2", "-o", str(tmp_path / "no" / "where.py"))[0] == 2


def test_emit_writes_for_numpy(capsys: pytest.CaptureFixture[str]) -> None:
    import losscompiler as lc

    code, out, _ = run(capsys, "emit", "--target", "numpy", "(y - p)**2 + erf(p)")
    assert (code, out) == (0, lc.compile_loss("(y - p)**2 + erf(p)", findings="ignore").source("numpy"))
    code, out, _ = run(capsys, "emit", "(y - p)**2", "--json", "--target", "numpy")
    assert "import keras" not in json.loads(out)["source"]


def test_formula_from_a_file_and_from_standard_input(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    path = tmp_path / "loss.txt"
    path.write_text("param a > 0 = 2\na*abs(y - p)")
    assert "a = 2 in (0, inf)" in run(capsys, "derive", f"@{path}")[1]
    monkeypatch.setattr("sys.stdin", io.StringIO("(y - p)**2"))
    assert "d/dp" in run(capsys, "derive", "-")[1]
    assert run(capsys, "derive", f"@{tmp_path / 'missing'}")[0] == 2


def test_parameters_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "a = 3" in run(capsys, "derive", "a*(y - p)**2", "-p", "a=3")[1]
    assert run(capsys, "derive", "a*(y - p)**2", "-p", "a=x")[0] == 2
    code, _, err = run(capsys, "derive", "a*(y - p)**2", "-p", "b=3")
    assert code == 1
    assert "unknown-name" in err


def test_catalog_lists_searches_and_shows(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "catalog")
    assert code == 0
    assert len(out.splitlines()) >= 80
    code, out, _ = run(capsys, "catalog", "barron")
    assert (code, "param alpha" in out, "Barron" in out) == (0, True, True)
    code, out, _ = run(capsys, "catalog", "--json", "quantile")
    assert 0 < len(json.loads(out)["entries"]) < 30
    code, out, err = run(capsys, "catalog", "nothing like it")
    assert (code, out) == (1, "")
    assert "no published loss" in err


def test_formula_from_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert "d/dalpha" in run(capsys, "derive", "catalog:barron")[1]
    code, _, err = run(capsys, "derive", "catalog:baron")
    assert code == 2
    assert "barron" in err


def test_check_passes_and_reports(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "check", "(log(y) - log(p))**2 + a*p", "--samples", "8")
    assert code == 0
    assert "p" in out
    code, out, _ = run(capsys, "check", "--json", "(y - p)**2", "--samples", "8")
    assert (code, json.loads(out)["ok"]) == (0, True)


@pytest.mark.parametrize(
    "arguments",
    [[], ["derive"], ["nonsense", "p"], ["emit", "p", "--target", "jax"], ["check", "p", "--samples", "0"], ["demo", "--epochs", "-1"]],
)
def test_wrong_calls_exit_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_demo_learns_the_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "demo", "--json", "--epochs", "8")
    result = json.loads(out)
    assert code == 0
    assert result["gradients_ok"] is True
    assert result["after"]["loss"] < result["before"]["loss"]
    assert result["after"]["s"] != result["before"]["s"]


def test_the_installed_command_survives_a_closed_pipe() -> None:
    command = f"{sys.executable} -m losscompiler.cli explain '(y - p)**2 + a*p' | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("1. text")
    assert "Traceback" not in done.stderr
