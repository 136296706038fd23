"""How compile time and operation counts grow with the formula, with sympy.diff + cse beside it.

Run: python benchmarks/compile_time.py [--quick]

For each family and size it prints the time from text to emitted program (parsing, names, derivation, emission; best of
three), the operations of the value, of the value with all gradients, their ratio, and what ``sympy.diff`` by every
variable followed by ``sympy.cse`` takes and counts for the same formula (left out above a size where it runs for minutes).
"""

from __future__ import annotations

import argparse
import time
import warnings

from losscompiler.pipeline import Stages


def wide(size: int) -> str:
    return " + ".join(f"a{i}*tanh(p + {i})" for i in range(size))


def deep(size: int) -> str:
    text = "p*a + y"
    for level in range(size):
        text = f"{'tanh' if level % 2 else 'softplus'}({text})"
    return text


def product(size: int) -> str:
    return "*".join(f"(p + a{i})" for i in range(size))


FAMILIES = {
    "sum of n terms, n parameters": (wide, (10, 100, 1000), 100),
    "softplus/tanh nested n deep": (deep, (10, 20, 40), 40),
    "product of n factors": (product, (10, 30, 100), 100),
}


def ours(text: str) -> tuple[float, int, int]:
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        stages = Stages(text)
        program = stages.program
        best = min(best, time.perf_counter() - start)
    return best, program.value_operations, program.total_operations


def sympys(text: str, names: tuple[str, ...]) -> tuple[float, int]:
    import sympy

    symbols = {name: sympy.Symbol(name, real=True) for name in (*names, "y")}
    softplus = {"softplus": lambda x: sympy.log(1 + sympy.exp(x)), "tanh": sympy.tanh}
    start = time.perf_counter()
    expression = sympy.parse_expr(text, {**symbols, **softplus})
    outputs = [expression, *(sympy.diff(expression, symbols[name]) for name in names)]
    replacements, reduced = sympy.cse(outputs)
    seconds = time.perf_counter() - start
    return seconds, int(sum(sympy.count_ops(e) for _, e in replacements) + sum(sympy.count_ops(e) for e in reduced))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave SymPy out")
    quick = parser.parse_args().quick
    warnings.simplefilter("ignore")
    ours("(y - p)**2")  # the grammar is loaded once
    print(f"{'formula':<30}{'n':>6}{'ms':>9}{'value ops':>11}{'all ops':>9}{'ratio':>7}{'sympy ms':>11}{'sympy ops':>11}{'times':>8}")
    for label, (make, sizes, largest) in FAMILIES.items():
        for size in sizes:
            text = make(size)
            seconds, value, total = ours(text)
            line = f"{label:<30}{size:>6}{seconds * 1e3:>9.1f}{value:>11}{total:>9}{total / value:>7.2f}"
            if not quick and size <= largest:
                their_seconds, their_ops = sympys(text, Stages(text).graph.variables)
                line += f"{their_seconds * 1e3:>11.0f}{their_ops:>11}{their_seconds / seconds:>8.0f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
