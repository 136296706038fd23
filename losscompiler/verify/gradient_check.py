"""What a gradient check found, as a table."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from losscompiler.errors import GradientMismatchError

_HEADINGS = ("symbol", "points", "autodiff", "mpmath", "float32", "kinks", "notes")
_LONGEST_VALUES = 240
_REMARKABLE = 16.0
"""Culp in float32 beyond which the table says at which inputs."""


@dataclass(frozen=True)
class Point:
    """One place at which a derivative was compared.

    Attributes:
        values: numbers (or nested lists) of all data and parameters by name.
        entry: position in the derivative where symbols are arrays, else ().
        analytic: the derivative as the emitted program computes it.
        autodiff: the backend's.
        truth: the one in high precision; NaN where there is none.
    """

    values: dict[str, Any]
    entry: tuple[int, ...]
    analytic: float
    autodiff: float
    truth: float

    def __str__(self) -> str:
        values = ", ".join(f"{name} = {_short(value)}" for name, value in self.values.items())
        where = f", entry {list(self.entry)}" if self.entry else ""
        return f"{values}{where}: analytic {self.analytic:.10g}, autodiff {self.autodiff:.10g}, mpmath {self.truth:.10g}"


@dataclass(frozen=True)
class SinglePrecision:
    """How accurate a value or derivative is in float32.

    Attributes:
        points: where it was compared with high precision.
        culp: largest error, in units of the rounding of the result or of what rounding the inputs may cause.
        off: points at which it is NaN, infinite, or wrong by more than 1 % and 64 culp.
        values: all data and parameters at the worst point, by name.
        entry: position there in the derivative where symbols are arrays, else ().
        got: what came out there.
        truth: what should have.
    """

    points: int
    culp: float
    off: int
    values: dict[str, Any]
    entry: tuple[int, ...]
    got: float
    truth: float

    def __str__(self) -> str:
        values = ", ".join(f"{name} = {_short(value)}" for name, value in self.values.items())
        where = f", entry {list(self.entry)}" if self.entry else ""
        return f"{values}{where}: float32 {self.got:.8g}, truth {self.truth:.8g}, {self.culp:.3g} culp"


@dataclass(frozen=True)
class SymbolCheck:
    """How the derivative by one symbol compares.

    Attributes:
        symbol: the prediction or parameter.
        points: smooth points at which all three were compared.
        error_autodiff: largest relative error against automatic differentiation, where that is right itself.
        error_mpmath: largest relative error against high precision.
        kinks: points on a kink, compared with the convention of automatic differentiation only.
        other_convention: of these, where automatic differentiation takes another subgradient.
        autodiff_wrong: points at which automatic differentiation is NaN, infinite or wrong and the analytic derivative is right.
        undefined: points left out, since no derivative exists there.
        rounded: points at which the formula as written loses its digits; errors there, up to 0.1 %, are not counted.
        wrong: points at which the analytic derivative is wrong or NaN.
        worst: the worst point; of a failing symbol, one at which it fails.
        problem: why the symbol fails, or an empty string.
        single: how accurate it is in float32; ``None`` where nothing could be compared.
    """

    symbol: str
    points: int
    error_autodiff: float
    error_mpmath: float
    kinks: int = 0
    other_convention: int = 0
    autodiff_wrong: int = 0
    undefined: int = 0
    rounded: int = 0
    wrong: int = 0
    worst: Point | None = None
    problem: str = ""
    single: SinglePrecision | None = None

    @property
    def ok(self) -> bool:
        """Whether the derivative is right wherever it was compared, and was compared somewhere."""
        return not self.problem

    def notes(self) -> str:
        """Return what else there is to say, in words."""
        parts = [self.problem] if self.problem else []
        if self.autodiff_wrong:
            parts.append(f"autodiff is NaN or wrong at {self.autodiff_wrong}")
        if self.other_convention:
            parts.append(f"autodiff takes another subgradient at {self.other_convention} kinks")
        if self.rounded:
            parts.append(f"the formula loses digits at {self.rounded}")
        if self.undefined:
            parts.append(f"no derivative exists at {self.undefined}")
        if self.single is not None and self.single.off and not self.problem:
            parts.append(f"float32 is off at {self.single.off}")
        return "; ".join(parts)


@dataclass(frozen=True)
class GradientCheck:
    """The outcome of `check_gradients`.

    Attributes:
        formula: the loss.
        rows: one for each prediction and parameter.
        value: the same for the value of the loss.
        tolerance: largest relative error that passes.
        dtype: in which the program ran.
    """

    formula: str
    rows: tuple[SymbolCheck, ...]
    value: SymbolCheck
    tolerance: float
    dtype: str

    @property
    def ok(self) -> bool:
        """Whether every derivative, and the value, was compared and is right."""
        return all(row.ok for row in (self.value, *self.rows))

    def __getitem__(self, symbol: str) -> SymbolCheck:
        for row in self.rows:
            if row.symbol == symbol:
                return row
        raise KeyError(symbol)

    def assert_ok(self) -> None:
        """Raise if a derivative is wrong or could not be compared.

        Raises:
            GradientMismatchError: with the table and the worst point of every symbol that fails.
        """
        if not self.ok:
            raise GradientMismatchError(str(self))

    def __str__(self) -> str:
        failing = [row for row in (self.value, *self.rows) if not row.ok]
        verdict = f"{len(failing)} of {len(self.rows) + 1} checks fail" if failing else "all gradients agree"
        lines = [f"{verdict} ({self.dtype}, tolerance {self.tolerance:g}): {' '.join(self.formula.split())}", ""]
        table = [_HEADINGS, *(_cells(row) for row in (self.value, *self.rows))]
        widths = [max(len(line[column]) for line in table) for column in range(len(_HEADINGS))]
        lines += ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
        for row in failing:
            if row.worst is not None:
                lines += ["", f"{row.symbol} at {row.worst}"]
        inaccurate = max((row for row in (self.value, *self.rows) if row.single is not None), key=_culp, default=None)
        if inaccurate is not None and _culp(inaccurate) > _REMARKABLE:
            lines += ["", f"least accurate in float32: {inaccurate.symbol} at {inaccurate.single}"]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings, lists and dicts for JSON; NaN and infinity as strings."""
        return {
            "ok": self.ok, "formula": self.formula, "dtype": self.dtype, "tolerance": self.tolerance,
            "value": _plain(asdict(self.value)), "gradients": [{**_plain(asdict(row)), "ok": row.ok} for row in self.rows],
        }  # fmt: skip


def _culp(row: SymbolCheck) -> float:
    return -1.0 if row.single is None else row.single.culp


def _cells(row: SymbolCheck) -> tuple[str, ...]:
    errors = [f"{error:.1e}" if row.points else "-" for error in (row.error_autodiff, row.error_mpmath)]
    if row.symbol.startswith("("):
        errors[0] = "-"
    single = "-" if row.single is None else f"{row.single.culp:.2g} culp"
    return row.symbol, str(row.points), *errors, single, str(row.kinks), row.notes()


def _short(value: Any) -> str:
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST_VALUES else f"{text[: _LONGEST_VALUES - 3]}..."


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
