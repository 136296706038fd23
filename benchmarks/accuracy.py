"""Numerical accuracy in float32: formulas as users write them, against references in arithmetic of hundreds of digits.

Run: python benchmarks/accuracy.py [-v] [--only NAME ...] [--contestants NAME ...] [--quick] [--xla]
     python benchmarks/accuracy.py --regenerate [--only NAME ...]

Each formula of `accuracy_corpus` is evaluated with all its derivatives on its grid by every contestant and compared with cached
references (`accuracy_references` made them; ``--regenerate`` makes those again that a change of the corpus left behind, or
those that ``--only`` names). For each contestant it prints

    points      at which at least one output has a finite truth within float32's range
    bad         points at which such an output came out as NaN or infinite
    off > 1 %   outputs (values and derivatives) that are wrong by more than 1 % and by more than 20 culp, non-finite ones included
    culp        error in units of what the format can do: |got - truth| / max(ulp32(truth), 2**-23 * sum |x * dg/dx|): one unit is
                the rounding of the result, or what rounding the inputs alone may cause, so that an ill-conditioned zero
                crossing is not held against anyone. The 99.9th percentile and the largest, of the finite outputs.

What is smaller than the smallest normal float32 may be flushed to 0 by any of them, and costs nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from accuracy_corpus import CASES, Case
from accuracy_references import Status, truth_at

CACHE = Path(__file__).parent / "data" / "accuracy.npz"
_TARGET = "y"
"""The one argument by which nothing is differentiated."""
_SMALLEST_NORMAL = float(np.finfo("float32").tiny)
_OFF_CULP = 20.0

Array = np.ndarray[Any, Any]
Outputs = list[Array]
"""The value at each point, then the derivative by each wanted argument."""
Contestant = Callable[[Case, Array], Outputs]


# --------------------------------------------------------------------------------------------------------- references
@dataclass(frozen=True)
class Reference:
    """The cached truth of one case: the points, and for each output (rows) and point the number, its condition and status."""

    points: Array
    outputs: Array
    conditions: Array
    status: Array
    digest: str


def wanted(case: Case) -> list[int]:
    """Return the positions of the arguments by which derivatives are judged."""
    return [i for i, name in enumerate(case.arguments) if name != _TARGET]


def load_references() -> dict[str, Reference]:
    if not CACHE.exists():
        return {}
    with np.load(CACHE) as data:
        names = sorted({key.split("/")[0] for key in data.files})
        return {
            name: Reference(*(data[f"{name}/{part}"] for part in ("points", "outputs", "conditions", "status")), str(data[f"{name}/digest"]))
            for name in names
        }


def save_references(references: dict[str, Reference]) -> None:
    CACHE.parent.mkdir(exist_ok=True)
    arrays: dict[str, Any] = {}
    for name, reference in sorted(references.items()):
        if name in CASES:
            for part in ("points", "outputs", "conditions", "status", "digest"):
                arrays[f"{name}/{part}"] = np.asarray(getattr(reference, part))
    np.savez_compressed(CACHE, **arrays)


def compute_reference(name: str) -> tuple[str, Reference, float]:
    start = time.perf_counter()
    case = CASES[name]
    points = case.points()
    truths = [truth_at(case.function, [float(v) for v in point], wanted(case)) for point in points]
    outputs = np.array([truth.outputs for truth in truths], "float64").T
    # Only the size of a condition number matters: 8 digits, and a range that float32 does not have.
    conditions = np.minimum(np.array([truth.conditions for truth in truths], "float64").T, 3e38).astype("float32")
    status = np.array([truth.status for truth in truths], "uint8").T
    return name, Reference(points, outputs, conditions, status, case.digest()), time.perf_counter() - start


def regenerate(names: Sequence[str], forced: bool) -> None:
    references = load_references()
    stale = [name for name in names if forced or name not in references or references[name].digest != CASES[name].digest()]
    with get_context("fork").Pool(min(2, os.cpu_count() or 1)) as pool:
        for name, reference, seconds in pool.imap_unordered(compute_reference, stale):
            references[name] = reference
            unknown = int((reference.status == Status.UNDEFINED).sum())
            print(f"{name:<36}{len(reference.points):>5} points{seconds:>8.1f} s{unknown:>6} outputs without a truth", flush=True)
            save_references(references)
    print(f"{len(stale)} made again; {CACHE} has {CACHE.stat().st_size / 1e6:.2f} MB")


# -------------------------------------------------------------------------------------------------------- contestants
def _compiled(case: Case) -> Any:
    import losscompiler as lc

    return lc.compile_loss(case.text, findings="ignore")


def _columns(case: Case, points: Array, dtype: str = "float32") -> dict[str, Array]:
    return {name: np.ascontiguousarray(points[:, i]).astype(dtype) for i, name in enumerate(case.arguments)}


def _ours(mode: str) -> Contestant:
    """The program that trains, called as the emitted module's layer calls it; parameters are arrays of points too."""

    def run(case: Case, points: Array) -> Outputs:
        import tensorflow as tf

        loss = _compiled(case)
        module = loss.module
        columns = _columns(case, points)

        def program(*tensors: Any) -> Any:
            value, pullback = module.value_and_pullback(*tensors)
            return value, pullback(tf.ones_like(value))

        call = program if mode == "eager" else tf.function(program, jit_compile=mode == "xla")
        value, gradients = call(*(tf.constant(columns[name]) for name in (*loss.graph.data, *loss.graph.parameters)))
        by_name = dict(zip(loss.graph.variables, gradients, strict=True))
        return [value.numpy(), *(by_name[case.arguments[i]].numpy() for i in wanted(case))]

    return run


def _tensorflow(dtype: str = "float32", *, xla: bool = False, guarded: bool = False) -> Contestant:
    """Automatic differentiation of the formula as it is written: the graph before any rewriting, operation by operation."""

    def run(case: Case, points: Array) -> Outputs:
        import tensorflow as tf

        graph = _compiled(case).graph
        columns = _columns(case, points, dtype)
        operations = _tensorflow_operations(guarded)

        def program(*tensors: Any) -> Any:
            symbols = dict(zip(case.arguments, tensors, strict=True))
            variables = [symbols[case.arguments[i]] for i in wanted(case)]
            with tf.GradientTape() as tape:
                tape.watch(variables)
                value = _evaluate(graph.loss, symbols, operations, dtype) + tf.zeros_like(tensors[0])
                total = tf.reduce_sum(value)
            return value, tape.gradient(total, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)

        call = tf.function(program, jit_compile=True) if xla else program
        value, gradients = call(*(tf.constant(columns[name]) for name in case.arguments))
        return [value.numpy(), *(gradient.numpy() for gradient in gradients)]

    return run


def _evaluate(root: Any, symbols: dict[str, Any], operations: dict[str, Callable[..., Any]], dtype: str) -> Any:
    """Evaluate a graph as it was written with a table of operations."""
    import tensorflow as tf
    from losscompiler.graph.node import reachable

    done: dict[int, Any] = {}
    for node in reachable([root]):
        if node.op == "symbol":
            done[node.index] = symbols[node.name]
        elif node.op == "const":
            number = {"pi": np.pi, "inf": np.inf}[node.value] if isinstance(node.value, str) else float(node.value)
            done[node.index] = tf.constant(number, dtype)
        elif node.op == "number":
            done[node.index] = tf.cast(done[node.args[0].index], dtype)
        else:
            done[node.index] = operations[node.op](*(done[arg.index] for arg in node.args))
    return done[root.index]


def _tensorflow_operations(guarded: bool) -> dict[str, Callable[..., Any]]:
    import tensorflow as tf

    m = tf.math
    table: dict[str, Callable[..., Any]] = {
        "add": m.add, "sub": m.subtract, "mul": m.multiply, "div": m.divide, "neg": m.negative, "pow": m.pow,
        "lt": m.less, "le": m.less_equal, "gt": m.greater, "ge": m.greater_equal, "eq": m.equal, "ne": m.not_equal,
        "and": m.logical_and, "or": m.logical_or, "not": m.logical_not, "where": tf.where,
        "exp": m.exp, "log": m.log, "sqrt": m.sqrt, "abs": m.abs, "sign": m.sign, "sin": m.sin, "cos": m.cos, "tan": m.tan,
        "sinh": m.sinh, "cosh": m.cosh, "tanh": m.tanh, "asin": m.asin, "acos": m.acos, "atan": m.atan, "asinh": m.asinh,
        "acosh": m.acosh, "atanh": m.atanh, "sigmoid": m.sigmoid, "erf": m.erf, "erfc": m.erfc, "lgamma": m.lgamma,
        "digamma": m.digamma, "i0": m.special.bessel_i0, "maximum": m.maximum, "minimum": m.minimum,
        "ndtr": lambda x: 0.5 * m.erfc(x * -np.sqrt(0.5)),
        # TensorFlow has no such function in core; this is its definition.
        "log1p": m.log1p, "expm1": m.expm1, "softplus": m.softplus,
    }  # fmt: skip
    if guarded:
        # What is found in most training code: logarithms and roots kept off 0, quotients that give 0 at a pole, bounded exponents.
        table["log"] = lambda x: m.log(m.maximum(x, tf.constant(1e-7, x.dtype)))
        table["sqrt"] = lambda x: m.sqrt(m.maximum(x, tf.constant(1e-12, x.dtype)))
        table["div"] = m.divide_no_nan
        table["exp"] = lambda x: m.exp(m.minimum(x, tf.constant(80.0, x.dtype)))
    return table


def _lambdify(case: Case, points: Array) -> Outputs:
    """SymPy's value and ``sympy.diff``, turned into NumPy and SciPy calls by ``sympy.lambdify``."""
    import sympy
    from scipy import special

    loss = _compiled(case)
    symbols = [loss.symbols[name] for name in case.arguments]
    expression = loss.expression
    outputs = [expression, *(sympy.diff(expression, symbols[i]) for i in wanted(case))]
    ours = {"sigmoid": special.expit, "ndtr": special.ndtr, "i0": special.i0, "i1": special.i1, "atan2": np.arctan2}
    outputs = [output.replace(lambda e: type(e).__name__ == "ndtr", lambda e: sympy.erfc(-e.args[0] / sympy.sqrt(2)) / 2) for output in outputs]
    call = sympy.lambdify(symbols, outputs, modules=[ours, "scipy", "numpy"])
    columns = _columns(case, points)
    with np.errstate(all="ignore"):
        found = call(*(columns[name] for name in case.arguments))
    return [np.broadcast_to(np.asarray(result, "float32"), len(points)) for result in found]


CONTESTANTS: dict[str, Contestant] = {
    "tensorflow": _tensorflow(),
    "tensorflow-guarded": _tensorflow(guarded=True),
    "tensorflow-float64": _tensorflow("float64"),
    "tensorflow-xla": _tensorflow(xla=True),
    "lambdify": _lambdify,
    "ours": _ours("eager"),
    "ours-graph": _ours("graph"),
    "ours-xla": _ours("xla"),
}
_DEFAULT = ("tensorflow", "tensorflow-guarded", "tensorflow-float64", "lambdify", "ours", "ours-graph")
_QUICK = ("tensorflow", "ours")


# ------------------------------------------------------------------------------------------------------------ judging
@dataclass(frozen=True)
class Judgement:
    """How far one contestant's outputs for one case are from the truth; arrays have outputs as rows and points as columns."""

    case: Case
    reference: Reference
    got: Array
    culp: Array
    judged: Array

    @property
    def points(self) -> int:
        return int(self.judged.any(axis=0).sum())

    @property
    def nonfinite(self) -> Array:
        return self.judged & ~np.isfinite(self.got)

    @property
    def bad(self) -> int:
        return int(self.nonfinite.any(axis=0).sum())

    @property
    def off(self) -> Array:
        with np.errstate(invalid="ignore"):
            fine = (np.abs(self.got - self.reference.outputs) <= 0.01 * np.abs(self.reference.outputs)) | (self.culp <= _OFF_CULP)
        return self.judged & ~fine

    @property
    def finite_culp(self) -> Array:
        return self.culp[self.judged & np.isfinite(self.got)]

    def severity(self) -> tuple[int, int, float]:
        return self.bad, int(self.off.sum()), float(self.finite_culp.max(initial=0.0))

    def output_name(self, row: int) -> str:
        return "value" if row == 0 else f"d/d{self.case.arguments[wanted(self.case)[row - 1]]}"

    def worst(self, count: int) -> list[str]:
        """Describe the worst points, non-finite ones first, at most two of each output unless there is but one."""
        rank = np.where(self.judged, np.where(np.isfinite(self.got), self.culp, np.inf), -1.0)
        lines: list[str] = []
        rows: dict[int, int] = {}
        for flat in np.argsort(-rank, axis=None, kind="stable"):
            row, column = np.unravel_index(flat, rank.shape)
            if len(lines) >= count or rank[row, column] <= _OFF_CULP:
                break
            rows[row] = rows.get(row, 0) + 1
            if rows[row] <= 3:
                lines.append(self.describe(int(row), int(column)))
        return lines

    def describe(self, row: int, column: int) -> str:
        point = ", ".join(f"{name}={value:.9g}" for name, value in zip(self.case.arguments, self.reference.points[column], strict=True))
        got, truth = self.got[row, column], self.reference.outputs[row, column]
        return f"{self.output_name(row):<9} at {point}: got {got:.7g}, truth {truth:.7g}, culp {self.culp[row, column]:.3g}"


def judge(case: Case, reference: Reference, outputs: Outputs) -> Judgement:
    got = np.array([np.broadcast_to(output, len(reference.points)) for output in outputs], "float64")
    truth = reference.outputs
    ulp = np.spacing(np.abs(truth).astype("float32")).astype("float64")
    unit = np.maximum(np.maximum(ulp, 2.0**-23 * reference.conditions.astype("float64")), _SMALLEST_NORMAL)
    with np.errstate(invalid="ignore", over="ignore"):
        culp = np.abs(got - truth) / unit
    return Judgement(case, reference, got, culp, reference.status == Status.TRUE)


@dataclass
class Score:
    """One contestant's results over all cases."""

    judgements: list[Judgement]
    failures: dict[str, str]
    seconds: float = 0.0

    def line(self, name: str) -> str:
        culps = np.concatenate([j.finite_culp for j in self.judgements]) if self.judgements else np.zeros(1)
        outputs = sum(int(j.judged.sum()) for j in self.judgements)
        return (
            f"{name:<20}{len(self.judgements):>9}{sum(j.points for j in self.judgements):>8}{sum(j.bad for j in self.judgements):>7}{outputs:>9}"
            f"{sum(int(j.off.sum()) for j in self.judgements):>11}{np.percentile(culps, 99.9):>12.3g}{culps.max():>11.3g}{self.seconds:>8.0f}"
        )


def run_all(cases: Sequence[Case], references: dict[str, Reference], names: Sequence[str]) -> dict[str, Score]:
    scores = {name: Score([], {}) for name in names}
    for case in cases:
        for name, score in scores.items():
            start = time.perf_counter()
            try:
                score.judgements.append(judge(case, references[case.name], CONTESTANTS[name](case, references[case.name].points)))
            except Exception as error:  # a contestant may refuse a formula: lambdify cannot print some, XLA lacks kernels
                score.failures[case.name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:160]
            score.seconds += time.perf_counter() - start
    return scores


def print_table(name: str, score: Score, worst: int) -> None:
    print(f"\n{name}, formulas by severity")
    print(f"{'formula':<36}{'points':>7}{'bad':>6}{'outputs':>9}{'off > 1 %':>11}{'max culp':>11}")
    for j in sorted(score.judgements, key=Judgement.severity, reverse=True):
        bad, off, culp = j.severity()
        print(f"{j.case.name:<36}{j.points:>7}{bad:>6}{int(j.judged.sum()):>9}{off:>11}{culp:>11.3g}")
        for line in j.worst(worst):
            print(f"    {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-v", "--verbose", action="store_true", help="a table by formula, with the worst points of the last contestant")
    parser.add_argument("--worst", type=int, default=4, help="how many points of each formula -v shows")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="formulas whose name contains one of these")
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, metavar="NAME", help=", ".join(CONTESTANTS))
    parser.add_argument("--quick", action="store_true", help=f"only {' and '.join(_QUICK)}")
    parser.add_argument("--xla", action="store_true", help="the compiled contestants too")
    parser.add_argument("--regenerate", action="store_true", help="make references again instead of running")
    options = parser.parse_args()
    names = [name for name in CASES if not options.only or any(part in name for part in options.only)]
    if not names:
        sys.exit(f"no formula is called like {', '.join(options.only)}; there are {', '.join(CASES)}")
    if options.regenerate:
        regenerate(names, forced=options.only is not None)
        return
    references = load_references()
    stale = [name for name in names if name not in references or references[name].digest != CASES[name].digest()]
    if stale:
        sys.exit(f"no references for {', '.join(stale)}: run with --regenerate")
    warnings.simplefilter("ignore")
    chosen = options.contestants or (_QUICK if options.quick else _DEFAULT)
    if options.xla:
        chosen = (*chosen, *(name for name in CONTESTANTS if name.endswith("-xla") and name not in chosen))
    start = time.perf_counter()
    scores = run_all([CASES[name] for name in names], references, chosen)
    statuses = np.concatenate([references[name].status.ravel() for name in names])
    print(f"{len(names)} formulas, {sum(len(references[name].points) for name in names)} points; outputs left out: ", end="")
    reasons = {Status.OUT_OF_RANGE: "beyond float32", Status.UNDEFINED: "infinite or undefined", Status.KINK: "at kinks"}
    print(", ".join(f"{int((statuses == status).sum())} {reason}" for status, reason in reasons.items()))
    print(f"{'contestant':<20}{'formulas':>9}{'points':>8}{'bad':>7}{'outputs':>9}{'off > 1 %':>11}{'99.9 % culp':>12}{'max culp':>11}{'seconds':>8}")
    for name, score in scores.items():
        print(score.line(name))
    for name, score in scores.items():
        for failed, reason in score.failures.items():
            print(f"{name} has no answer for {failed}: {reason}")
    if options.verbose:
        last = [name for name in scores if name.startswith("ours")] or list(scores)
        print_table(last[0], scores[last[0]], options.worst)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
