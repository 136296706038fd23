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

What is smaller than the smallest normal float32 may be flushed to 0 by any of them, and costs nothing. Where the truth is
exactly 0 the unit is at least 2**-46 of the output's usual size: by so much rounding the inputs moves it at a minimum.
On two cores it takes
about a minute, with --xla three, and --regenerate five (half of that where gmpy2 is installed).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from accuracy_contestants import CONTESTANTS, DEFAULT, QUICK, Outputs
from accuracy_corpus import CASES, Case
from accuracy_references import Reference, Status, load_references, regenerate, stale

_SMALLEST_NORMAL = float(np.finfo("float32").tiny)
_ZERO = 1e-45
_OFF_CULP = 20.0

Array = np.ndarray[Any, Any]


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
        return "value" if row == 0 else f"d/d{self.case.arguments[self.case.wanted[row - 1]]}"

    def worst(self, count: int) -> list[str]:
        """Describe the worst points, non-finite ones first, at most three of each output."""
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
    with np.errstate(all="ignore"):
        usual = np.nanmedian(np.where(truth == 0, np.nan, np.abs(truth)), axis=1, keepdims=True)
    # At a minimum rounding the inputs moves an output of 0 by a square of the rounding.
    unit = np.where(np.abs(truth) < _ZERO, np.maximum(unit, 2.0**-46 * np.nan_to_num(usual)), unit)
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
        if not self.judgements:
            return f"{name:<20}{0:>9}"
        culps = np.concatenate([j.finite_culp for j in self.judgements])
        outputs = sum(int(j.judged.sum()) for j in self.judgements)
        points, bad, off = (sum(column) for column in zip(*((j.points, j.bad, int(j.off.sum())) for j in self.judgements), strict=True))
        tail = f"{np.percentile(culps, 99.9):>12.3g}{culps.max():>11.3g}{self.seconds:>8.0f}"
        return f"{name:<20}{len(self.judgements):>9}{points:>8}{bad:>7}{outputs:>9}{off:>11}{tail}"


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
    parser.add_argument("--quick", action="store_true", help=f"only {' and '.join(QUICK)}")
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
    missing = stale(names, references)
    if missing:
        sys.exit(f"no references for {', '.join(missing)}: run with --regenerate")
    warnings.simplefilter("ignore")
    chosen = options.contestants or (QUICK if options.quick else DEFAULT)
    if options.xla:
        chosen = (*chosen, *(name for name in CONTESTANTS if name.endswith("-xla") and name not in chosen))
    start = time.perf_counter()
    scores = run_all([CASES[name] for name in names], references, chosen)
    statuses = np.concatenate([references[name].status.ravel() for name in names])
    print(f"{len(names)} formulas, {sum(len(references[name].points) for name in names)} points; outputs left out: ", end="")
    reasons = {Status.OUT_OF_RANGE: "beyond float32", Status.UNDEFINED: "infinite or undefined", Status.KINK: "at kinks"}
    print(", ".join(f"{int((statuses == status).sum())} {reason}" for status, reason in reasons.items()))
    print(f"{'contestant':<20}{'formulas':>9}{'points':>8}{'bad':>7}{'outputs':>9}{'off > 1 %':>11}", end="")
    print(f"{'99.9 % culp':>12}{'max culp':>11}{'seconds':>8}")
    for name, score in scores.items():
        print(score.line(name))
    for name, score in scores.items():
        for reason in dict.fromkeys(score.failures.values()):
            print(f"{name} has no answer for {', '.join(case for case, why in score.failures.items() if why == reason)}: {reason}")
    if options.verbose:
        last = [name for name in scores if name.startswith("ours")] or list(scores)
        print_table(last[0], scores[last[0]], options.worst)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
