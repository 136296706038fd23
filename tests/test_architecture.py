"""The house: imports point downward, and only the rooms that train import Keras."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "losscompiler"

# From the ground up: a room may import what stands before it, and itself.
ORDER = (
    "source", "errors", "functions", "syntax", "graph", "derivative", "analysis", "stable", "algebra", "program", "emit", "pipeline",
    "runtime", "verify", "training", "catalog", "report", "compiler", "testing", "demo", "cli",
)  # fmt: skip
KERAS_ROOMS = {"runtime", "training"}
HEAVY = {"keras", "tensorflow", "jax", "torch"}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, bool]]:
    """Return (module, whether it stands at module level) of every import, those inside functions included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    top = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        found += [(name, id(node) in top) for name in imported(node) if id(node) not in typing_only]
    return found


def imported(node: ast.AST) -> list[str]:
    """Return the modules that a statement imports; ``from package import module`` names the module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    package = node.module or ""
    folder = ROOT.joinpath(*package.split("."))
    return [f"{package}.{alias.name}" if (folder / f"{alias.name}.py").exists() else package for alias in node.names]


def targets(path: Path) -> list[str]:
    return [name.split(".")[1] for name, _ in imports(path) if name.startswith("losscompiler.")]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downward(path: Path) -> None:
    room = room_of(path)
    assert room in ORDER, f"the room {room} has no place in the order"
    allowed = set(ORDER[: ORDER.index(room) + 1]) | {"grammar"}
    upward = [target for target in targets(path) if target not in allowed]
    assert not upward, f"{path.relative_to(ROOT)} imports upward: {upward}"
    assert "losscompiler" not in [name for name, _ in imports(path)], "rooms import each other, not the facade"


def test_a_room_has_no_circle_inside() -> None:
    edges: dict[str, set[str]] = {}
    for path in modules():
        name = "losscompiler." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        # A package's __init__ gathers its modules; importing the package from inside would be the circle.
        edges[name] = {target for target, top in imports(path) if target.startswith("losscompiler.") and target != name and top}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"circle: {' -> '.join([*trail, name])}"
        if name not in done:
            for target in edges.get(name, ()):
                visit(target, (*trail, name))
            done.add(name)

    for name in edges:
        visit(name, ())


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_training_imports_keras(path: Path) -> None:
    heavy = [name for name, top in imports(path) if top and name.split(".")[0] in HEAVY]
    assert room_of(path) in KERAS_ROOMS or not heavy


def test_nothing_evaluates_user_text() -> None:
    for path in modules():
        calls = [
            node.func.id
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        ]
        forbidden = {"eval", "sympify", "parse_expr", "lambdify"} | ({"exec"} if path.name != "module.py" else set())
        assert not forbidden & set(calls), path


def test_no_room_for_odds_and_ends() -> None:
    assert not [path for path in PACKAGE.rglob("*") if path.stem in ("utils", "helpers", "misc", "common")]


def test_every_package_is_shipped() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in PACKAGE.rglob("__init__.py")} | {"losscompiler.grammar"}
    assert listed == found
