"""What an import costs: nothing heavy before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_imports_neither_sympy_nor_keras() -> None:
    assert not {"sympy", "keras", "tensorflow", "numpy", "scipy", "lark"} & modules_after("import losscompiler")


def test_compiling_imports_neither_sympy_nor_keras() -> None:
    code = "import losscompiler as lc\nlc.compile_loss('(y - p)**2')"
    assert not {"sympy", "keras", "tensorflow"} & modules_after(code)


def test_deriving_imports_no_keras() -> None:
    made = "import losscompiler as lc\nloss = lc.compile_loss('a*(y - p)**2', findings='ignore')"
    code = f"{made}\nloss.summary(), loss.source(), loss.source('numpy'), loss.explain()"
    assert not {"keras", "tensorflow", "scipy"} & modules_after(code)


def test_numbers_by_numpy_import_no_keras() -> None:
    code = "import losscompiler as lc\nf = lc.compile_loss('a*(y - p)**2', findings='ignore').numpy()\nf.value_and_gradients([1.0], [2.0])"
    assert not {"keras", "tensorflow", "scipy"} & modules_after(code)


def test_the_public_names_all_resolve() -> None:
    import losscompiler

    assert all(getattr(losscompiler, name) is not None for name in losscompiler.__all__)
    assert set(losscompiler.__all__) <= set(dir(losscompiler))
