"""Rows of the operators: arithmetic, comparisons, logic and selection."""

from __future__ import annotations

from losscompiler.functions.row import Function

_ARITHMETIC, _COMPARISON, _LOGIC = "Arithmetic", "Comparisons", "Logic and selection"
_JUMP = "the value is constant on both sides; no gradient passes"

OPERATORS: tuple[Function, ...] = (
    Function(name="add", arguments=("x", "y"), summary="x + y", category=_ARITHMETIC, internal=True, partials=("1", "1")),
    Function(name="sub", arguments=("x", "y"), summary="x - y", category=_ARITHMETIC, internal=True, partials=("1", "-1")),
    Function(name="mul", arguments=("x", "y"), summary="x*y", category=_ARITHMETIC, internal=True, partials=("y", "x")),
    Function(name="div", arguments=("x", "y"), summary="x/y", category=_ARITHMETIC, internal=True, partials=("1/y", "-f/y"), domain=("y != 0",)),
    Function(name="neg", arguments=("x",), summary="-x", category=_ARITHMETIC, internal=True, partials=("-1",), monotone=-1),
    Function(
        name="pow", arguments=("x", "y"), summary="x**y", category=_ARITHMETIC, synonyms=("power",), mpmath="power", keras="ops.power",
        partials=("y*x**(y - 1)", "where(x == 0, 0, f*log(x))"), domain=("x > 0 or y is an integer",),
        convention="d/dy is 0 at x = 0",
    ),
    *(
        Function(
            name=name, arguments=("x", "y"), summary=f"x {symbol} y, as 0 or 1", category=_COMPARISON, internal=True, boolean=True,
            range=(0, 1), partials=("0", "0"), kink="x == y", convention=_JUMP, keras=keras,
        )
        for name, symbol, keras in (
            ("lt", "<", "ops.less"), ("le", "<=", "ops.less_equal"), ("gt", ">", "ops.greater"), ("ge", ">=", "ops.greater_equal"),
            ("eq", "==", "ops.equal"), ("ne", "!=", "ops.not_equal"),
        )
    ),
    *(
        Function(
            name=name, arguments=("x", "y"), summary=f"x {name} y, as 0 or 1", category=_LOGIC, internal=True, boolean=True, range=(0, 1),
            partials=("0", "0"), keras=f"ops.logical_{name}",
        )
        for name in ("and", "or")
    ),
    Function(
        name="not", arguments=("x",), summary="not x, as 0 or 1", category=_LOGIC, internal=True, boolean=True, range=(0, 1), partials=("0",),
        keras="ops.logical_not",
    ),
    Function(
        name="number", arguments=("x",), summary="a condition as the number 0 or 1", category=_LOGIC, internal=True, range=(0, 1), partials=("0",),
        keras="number",
    ),
    Function(
        name="where", arguments=("condition", "x", "y"), summary="x where the condition holds, else y; the branch not taken contributes nothing",
        category=_LOGIC, synonyms=("if_else", "select"), partials=("0", "where(condition, 1, 0)", "where(condition, 0, 1)"), keras="ops.where",
    ),
    Function(
        name="stop_gradient", arguments=("x",), summary="x, through which no gradient flows", category=_LOGIC, partials=("0",), keras="ops.stop_gradient",
        convention="the derivative is 0 everywhere",
    ),
)  # fmt: skip
