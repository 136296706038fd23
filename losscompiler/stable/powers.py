"""Powers of one base brought together: x**(a - 1)*x is x**a, (x**4)**(1/2) is x**2.

The derivative of a power is infinite at 0 for exponents below 1; where the chain rule multiplies it by the base again the
product is finite, but computed as it stands it is infinity times 0.
"""

from __future__ import annotations

from fractions import Fraction

from losscompiler.derivative.reverse import UPSTREAM
from losscompiler.graph.node import Graph, Node, reachable
from losscompiler.stable.factors import MOST_FACTORS, factors_of, quotient_of
from losscompiler.stable.rules import Rule
from losscompiler.stable.signs import Signs
from losscompiler.stable.terms import chained, sum_of, total, whole_exponent

MERGED_POWERS = Rule(
    "powers of one base", "x**(1/2 - 1)*x", "x**(1/2)", 1e-9, 1e9, "laws of exponents; the left side is infinity times 0 at x = 0"
)
POWERS_OF_POWERS = Rule(
    "power of a power", "(x**4)**(1/2)", "x**2", -1e9, 1e9, "laws of exponents; the derivative of the left side is 0/0 at x = 0"
)
POWERS_LESS_1 = Rule(
    "power less 1", "log(1 - x**y)", "log(-powm1(x, y))", 1e-9, 0.999, "x**y - 1 loses its digits where x**y is close to 1", (0.01, 9)
)
LOG_OF_POWERS = Rule(
    "log of 1 + a power", "log(1 + x**y)", "softplus(y*log(x))", 1e-9, 1e9, "x**y overflows for large exponents", (0.01, 9)
)
RECIPROCALS = Rule(
    "reciprocal beside its base", "y*weighted_reciprocal(x/y, y)*(x/y/3)", "y/3", 1e-9, 1e9,
    "laws of exponents; a quotient of the left side overflows", (0.01, 9),
)  # fmt: skip
COMPLEMENTS_OF_POWERS = Rule(
    "power of 1 + x less 1", "3 - x - 3*(1 + 2*x)**y", "-3*expm1(y*log1p(2*x)) - x", 1e-9, 9,
    "Kahan 1987: log1p and expm1 keep the digits that 1 + x loses", (0.01, 9),
)  # fmt: skip
WEIGHTED_POWERS = Rule(
    "slope of a power", "3*(x + 1)*y*x**(y - 1)", "3*(x + 1)*y*weighted_power(x, y - 1, y)", 1e-9, 9,
    "x**0 is constant, so that its slope is 0 also at x = 0, where 0*x**(-1) is 0 times infinity", (0.01, 9),
)  # fmt: skip
_LOGARITHMS = frozenset({"log", "log1p", "log_sigmoid", "softplus", "weighted_log", "weighted_log1p", "weighted_logaddexp"})


class LogOfPower:
    """Takes the logarithm of 1 + x**y for a y that varies."""

    def __init__(self, graph: Graph, signs: Signs) -> None:
        self.graph = graph
        self.signs = signs
        self.kept: set[int] = set()

    def apply(self, node: Node) -> Node | None:
        """Return log(1 + x**y) as softplus(y*log(x)) for a positive x."""
        if node.op != "log1p" or not _open(node.args[0]) or node.index in self.kept:
            return None
        graph, (base, exponent) = self.graph, node.args[0].args
        result = graph.simple("softplus", graph.simple("mul", exponent, graph.simple("log", base)))
        if self.signs.positive(base):
            return result
        self.kept.add(node.index)
        return graph.simple("where", graph.make("gt", base, graph.const(0)), result, node)


def power_less_1(graph: Graph, node: Node) -> Node | None:
    """Return x**y - 1 as `powm1`, also inside a logarithm, for a y that may be close to 0."""
    match node.op, node.args:
        case "sub", (power, one) if one.is_number(1) and _open(power):
            return graph.make("powm1", *power.args)
        case "sub", (one, power) if one.is_number(1) and _open(power):
            return graph.simple("neg", graph.make("powm1", *power.args))
        case "log1p" | "weighted_log1p" as op, (Node(op="neg", args=(power,)), *weight) if _open(power):
            return graph.make(op.replace("1p", ""), graph.simple("neg", graph.make("powm1", *power.args)), *weight)
    return None


def reciprocal_beside_base(graph: Graph, node: Node) -> Node | None:
    """Return a product without weighted_reciprocal(x, w) and x; w, which is a factor too, is 0 where the two are not 1 together."""
    if node.op not in ("mul", "div"):
        return None
    above, below, _ = factors_of(node)
    bases = frozenset(factor.args[0].index for factor in above if factor.op == "weighted_reciprocal")
    if not bases or len(above) + len(below) > MOST_FACTORS:
        return None
    above, below, negative = factors_of(node, bases)
    for factor in above:
        # The weight has to stay when the base is gone, also where they are one.
        needed = 2 if factor.op == "weighted_reciprocal" and factor.args[0] is factor.args[1] else 1
        if factor.op == "weighted_reciprocal" and all(above.count(arg) >= needed for arg in factor.args):
            above.remove(factor)
            above.remove(factor.args[0])
            return quotient_of(graph, above, below, negative)
    return None


def complement_of_power(graph: Graph, signs: Signs, node: Node) -> Node | None:
    """Return c*(1 + x)**y - c, with other terms, as c*expm1(y*log1p(x)) where 1 + x is positive."""
    if node.op not in ("add", "sub"):
        return None
    parts = sum_of(graph, node)
    for position, term in enumerate(parts.terms):
        if term.node.op != "pow" or parts.constant != -term.scale or whole_exponent(term.node) is not None:
            continue
        base, exponent = term.node.args
        inside = sum_of(graph, base) if base.op in ("add", "sub") else None
        if inside is None or inside.constant != 1:
            continue
        log = graph.simple("log1p", total(graph, Fraction(0), inside.parts))
        power = graph.simple("expm1", graph.simple("mul", exponent, log))
        result = total(graph, Fraction(0), [*parts.without({position}).parts, (term.scale, power)])
        if signs.positive(base, closed=False):
            return result
        return graph.simple("where", graph.make("gt", base, graph.const(0)), result, node)
    return None


def _open(node: Node) -> bool:
    """Tell whether a node is a power whose exponent varies."""
    return node.op == "pow" and not node.args[1].constant


def power_of_power(graph: Graph, signs: Signs, node: Node) -> Node | None:
    """Return (x**a)**b as abs(x)**(a*b), or ``None`` unless x**a is defined and equal for x and -x, or x is not negative."""
    inner, outer = _power(node)
    base, exponent = _power(inner)
    if outer is None or exponent is None or outer.denominator == exponent.denominator:
        return None
    even = exponent.denominator == 1 and exponent % 2 == 0
    if not even and not (signs.nonnegative(base) and exponent > 0):
        return None
    power = exponent * outer
    if power.denominator != 1 or power % 2 or power < 0:
        base = graph.simple("abs", base)
    elif base.op == "abs":
        base = base.args[0]
    return base if power == 1 else graph.simple("sqrt", base) if power == Fraction(1, 2) else graph.simple("pow", base, graph.const(power))


def weighted_power(graph: Graph, signs: Signs, node: Node) -> Node | None:
    """Return y*x**(y - 1)*log(z) with a power that is 0 where x and the other factors both are, if they may be."""
    if node.op not in ("mul", "div"):
        return None
    above, below, negative = _factors(node)
    if len(above) + len(below) > MOST_FACTORS:
        return None
    for position, factor in enumerate(above):
        # A logarithm beside the slope of a power of what a probability lacks to 1 is 0 where that is.
        weights = [other for other in above if other.op in _LOGARITHMS]
        if factor.op == "weighted_power":
            known, _, _ = _factors(factor.args[2])
            if any(weight not in known for weight in weights):
                weight = chained(graph, "mul", [factor.args[2], *(weight for weight in weights if weight not in known)])
                above[position] = graph.make("weighted_power", *factor.args[:2], weight)
                return quotient_of(graph, above, below, negative)
        if factor.op != "pow" or factor.args[0].constant or signs.positive(factor.args[0]):
            continue
        if factor.args[1].op == "neg" and not factor.args[1].constant:
            weights += [other for other in above if _independent(other, factor) and not signs.positive(other, closed=False)]
        elif not _exponent_less_1(factor):
            continue
        exponent = factor.args[1].args[0]
        if exponent in above and not signs.positive(exponent, closed=False):
            weights.append(exponent)
        if weights:
            above[position] = graph.make("weighted_power", *factor.args, chained(graph, "mul", weights))
            return quotient_of(graph, above, below, negative)
    return None


def _independent(weight: Node, power: Node) -> bool:
    """Tell whether a factor depends on data or parameters, but on none of those in a power: where it is 0, the product is 0."""
    names = {node.name for node in reachable([weight]) if node.op == "symbol"} - {UPSTREAM}
    return bool(names) and names.isdisjoint(node.name for node in reachable([power]) if node.op == "symbol")


def _power(node: Node) -> tuple[Node, Fraction | None]:
    """Return base and exponent of a power with a fixed exponent; ``None`` as the exponent of anything else."""
    if node.op == "sqrt":
        return node.args[0], Fraction(1, 2)
    if node.op == "pow" and node.args[1].op == "const" and isinstance(node.args[1].value, Fraction):
        return node.args[0], node.args[1].value
    return node, None


def merge_powers(graph: Graph, node: Node) -> Node | None:
    """Return a product in which a power has taken in its base, or ``None`` where none can."""
    if node.op not in ("mul", "div"):
        return None
    above, below, negative = _factors(node)
    if len(above) + len(below) > MOST_FACTORS:
        return None
    for position, factor in enumerate(above):
        raised, base = _raised(graph, factor), factor.args[0] if factor.args else factor
        if factor.op == "where":
            base = next((base for branch in factor.args[1:] for base in _awaited(branch) if base in above), base)
            if base in above:
                branches = [graph.simple("mul", branch, base) for branch in factor.args[1:]]
                raised = graph.make("where", factor.args[0], *branches)
        if raised is None or base not in above:
            continue
        above[position] = raised
        above.remove(base)
        return quotient_of(graph, above, below, negative)
    return None


def _factors(root: Node) -> tuple[list[Node], list[Node], bool]:
    """Return the factors above and below the line and the sign; the base of a power among them is not taken apart."""
    above, below, negative = factors_of(root)
    powers = [node.args[0] for node in (*above, *below) if node.op == "pow"]
    powers += [base for node in above if node.op == "where" for branch in node.args[1:] for base in _awaited(branch)]
    bases = frozenset(base.index for base in powers if base.op in ("mul", "div", "neg"))
    return factors_of(root, bases) if bases else (above, below, negative)


def _awaited(branch: Node) -> list[Node]:
    """Return the bases that powers in a branch of a choice would take in."""
    above, below, _ = factors_of(branch)
    return [factor.args[0] for factor in above if _exponent_less_1(factor)] if len(above) + len(below) <= MOST_FACTORS else []


def _exponent_less_1(node: Node) -> bool:
    return node.op == "pow" and node.args[1].op == "sub" and node.args[1].args[1].is_number(1)


def _raised(graph: Graph, node: Node) -> Node | None:
    """Return a power with its exponent raised by 1, if the exponent is one that can fall below 0."""
    if node.op != "pow":
        return None
    base, exponent = node.args
    if _exponent_less_1(node):
        return graph.simple("pow", base, exponent.args[0])
    if exponent.op == "neg" and not exponent.constant:
        return graph.simple("pow", base, graph.simple("sub", graph.const(1), exponent.args[0]))
    if exponent.op == "const" and isinstance(exponent.value, Fraction) and -1 <= exponent.value < 0:
        return graph.simple("pow", base, graph.const(exponent.value + 1)) if exponent.value > -1 else None
    return None
