"""The command line: ``losscompiler derive|explain|emit|check|catalog|demo``.

Exit codes: 0 all is well; 1 the loss is wrong (an error in the text, findings with --strict, a failed check); 2 the call is wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from losscompiler.compiler import CompiledLoss, compile_loss
from losscompiler.errors import FormulaError, LossCompilerError

OK, WRONG, USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = _parser()
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args([f" {word}" if _is_formula(word) else word for word in given])
    if getattr(options, "formula", "")[:1] == " " and options.formula[1:] in given:
        options.formula = options.formula[1:]
    # Keras and TensorFlow log on import; a command line shows its own output only.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except LossCompilerError as error:
        _show_error(error, options)
        return WRONG
    except BrokenPipeError:
        # The reader has left, as in `losscompiler explain ... | head`; Python would complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        print(f"losscompiler: {error}", file=sys.stderr)
        return USAGE


def _is_formula(word: str) -> bool:
    """Tell whether a word that begins with a minus is a formula, such as -log(p), and no option."""
    return re.match(r"-(?!$|-|[pho]$|p\w+=)", word) is not None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="losscompiler", description="Losses that learn: derivatives, findings, Keras code and checks for a loss given as text."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    formula = argparse.ArgumentParser(add_help=False)
    formula.add_argument("formula", help="the loss text; - reads standard input, @FILE a file, catalog:KEY a published loss")
    formula.add_argument(
        "-p", "--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter's initial value; may be repeated"
    )
    formula.add_argument("--json", action="store_true", help="print JSON for scripts")
    formula.add_argument("--strict", action="store_true", help="exit with 1 if there are findings of severity warning")
    for name, run, text in (
        ("derive", _derive, "show derivatives and findings"),
        ("explain", _explain, "show what every stage of the compilation made"),
        ("emit", _emit, "print a Keras or NumPy module that runs without this package"),
        ("check", _check, "compare all gradients with automatic differentiation and 50-digit arithmetic"),
    ):
        command = commands.add_parser(name, parents=[formula], help=text, description=text)
        command.set_defaults(run=run)
        if name == "emit":
            command.add_argument(
                "--target", choices=("keras", "numpy"), default="keras", help="what the module is written for (keras)"
            )
            command.add_argument("-o", "--output", metavar="FILE", help="write to a file instead of standard output")
        if name == "check":
            command.add_argument("--samples", type=_positive, default=64, help="random points (64)")
            command.add_argument("--seed", type=int, default=0, help="seed of the random points (0)")
    shelf = commands.add_parser("catalog", help="list published losses, or show one", description=_catalog.__doc__)
    shelf.add_argument("word", nargs="?", default="", help="a key to show one loss, or a word to search for")
    shelf.add_argument("--json", action="store_true", help="print JSON for scripts")
    shelf.set_defaults(run=_catalog)
    demo = commands.add_parser("demo", help="train a model and a loss parameter on real data", description=_demo.__doc__)
    demo.add_argument("--epochs", type=_positive, default=40, help="passes over the data (40)")
    demo.add_argument("--json", action="store_true", help="print JSON for scripts")
    demo.set_defaults(run=_demo)
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _show_error(error: LossCompilerError, options: argparse.Namespace) -> None:
    if getattr(options, "json", False):
        facts: dict[str, Any] = {"ok": False, "error": type(error).__name__, "message": str(error)}
        if isinstance(error, FormulaError):
            facts |= {
                "code": error.code, "message": error.message, "hint": error.hint, "lineno": error.lineno, "offset": error.offset,
                "end_lineno": error.end_lineno, "end_offset": error.end_offset,
            }  # fmt: skip
        print(json.dumps(facts, ensure_ascii=False))
        return
    code = f" [{error.code}]" if isinstance(error, FormulaError) else ""
    print(f"error{code}: {error}", file=sys.stderr)


def _compile(options: argparse.Namespace) -> CompiledLoss:
    params = {}
    for given in options.param:
        name, separator, value = given.partition("=")
        try:
            params[name.strip()] = float(value)
        except ValueError:
            raise OSError(f"--param takes NAME=NUMBER, not {given!r}") from None
        if not separator:
            raise OSError(f"--param takes NAME=NUMBER, not {given!r}")
    return compile_loss(_read(options.formula), params or None, findings="ignore")


def _read(formula: str) -> str:
    if formula == "-":
        return sys.stdin.read()
    if formula.startswith("catalog:"):
        from losscompiler.catalog import catalog

        try:
            return catalog[formula.removeprefix("catalog:")].formula
        except KeyError as error:
            raise OSError(str(error.args[0])) from None
    if formula.startswith("@"):
        try:
            return Path(formula[1:]).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise OSError(f"{formula[1:]} is not UTF-8 text") from None
    return formula


def _facts(loss: CompiledLoss) -> dict[str, Any]:
    """Return a loss as JSON types."""
    return {
        "ok": True,
        "formula": loss.formula,
        "targets": loss.targets,
        "predictions": loss.predictions,
        "inputs": loss.inputs,
        "parameters": {
            name: {"init": parameter.init, "bounds": parameter.bounds, "shape": parameter.shape}
            for name, parameter in loss.parameters.items()
        },
        "derivatives": {name: loss.derivatives.text(name) for name in loss.derivatives},
        "findings": [_finding(finding) for finding in loss.findings],
    }


def _finding(finding: Any) -> dict[str, Any]:
    return {
        "code": finding.code, "severity": finding.severity, "message": finding.message, "hint": finding.hint, "symbol": finding.symbol,
        "lineno": finding.lineno, "offset": finding.offset,
    }  # fmt: skip


def _verdict(loss: CompiledLoss, options: argparse.Namespace) -> int:
    return WRONG if options.strict and any(finding.severity == "warning" for finding in loss.findings) else OK


def _derive(options: argparse.Namespace) -> int:
    loss = _compile(options)
    print(json.dumps(_facts(loss), ensure_ascii=False) if options.json else loss.summary())
    return _verdict(loss, options)


def _explain(options: argparse.Namespace) -> int:
    loss = _compile(options)
    if options.json:
        program = loss.program
        facts = _facts(loss) | {
            "tree": loss.stages.formula.dump(),
            "rules": [rule.name for rule, _ in loss.stages.fired],
            "operations": {"value": program.value_operations, "value_and_gradients": program.total_operations},
        }
        print(json.dumps(facts, ensure_ascii=False))
    else:
        print(loss.explain())
    return _verdict(loss, options)


def _emit(options: argparse.Namespace) -> int:
    loss = _compile(options)
    source = loss.source(options.target)
    if options.output:
        Path(options.output).write_text(source, encoding="utf-8")
    if options.json:
        print(json.dumps({"ok": True, "file": options.output} if options.output else {"ok": True, "source": source}, ensure_ascii=False))
    elif not options.output:
        print(source, end="")
    else:
        print(f"wrote {options.output}", file=sys.stderr)
    return _verdict(loss, options)


def _check(options: argparse.Namespace) -> int:
    loss = _compile(options)
    report = loss.check_gradients(samples=options.samples, seed=options.seed)
    print(json.dumps({"ok": report.ok} | report.to_dict(), ensure_ascii=False) if options.json else str(report))
    return _verdict(loss, options) if report.ok else WRONG


def _catalog(options: argparse.Namespace) -> int:
    """List the published losses that ship with the package; a key shows one of them whole."""
    from losscompiler.catalog import catalog

    if options.word in catalog:
        entry = catalog[options.word]
        if options.json:
            print(json.dumps({"ok": True, **dataclasses.asdict(entry)}, ensure_ascii=False))
        else:
            facts = [("source", entry.source), ("checked against", ", ".join(entry.checked_against)), ("notes", entry.notes)]
            print("\n".join([entry.title, *(f"{label}: {text}" for label, text in facts if text), "", entry.formula.strip()]))
        return OK
    rows = catalog.rows(options.word)
    if options.json:
        print(json.dumps({"ok": bool(rows), "entries": rows}, ensure_ascii=False))
    elif rows:
        width = max(len(row["key"]) for row in rows)
        print("\n".join(f"{row['key']:<{width}}  {row['family']:<16}{row['title']}" for row in rows))
    else:
        print(f"no published loss matches '{options.word}'; losscompiler catalog lists all {len(catalog)}", file=sys.stderr)
    return OK if rows else WRONG


def _demo(options: argparse.Namespace) -> int:
    """Fit scikit-learn's diabetes data with a loss whose shape is learned together with the model."""
    from losscompiler.demo import run_demo

    try:
        result = run_demo(epochs=options.epochs, quiet=options.json)
    except ModuleNotFoundError as error:
        if error.name != "sklearn":
            raise
        print("losscompiler: the demo needs scikit-learn: pip install 'losscompiler[demo]'", file=sys.stderr)
        return USAGE
    if options.json:
        print(json.dumps(result))
    return OK


if __name__ == "__main__":
    sys.exit(main())
