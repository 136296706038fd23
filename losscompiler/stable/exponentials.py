"""Products, quotients and powers of exponentials as one exponential: exp(a)/(exp(a) + exp(b)) is exp(a - logaddexp(a, b)).

Where one factor overflows and another underflows, their product is infinity times 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from math import inf

from losscompiler.functions import FUNCTIONS
from losscompiler.graph.node import Graph, Node, reachable
from losscompiler.graph.parameter import Parameter
from losscompiler.stable.log_domain import LogDomain
from losscompiler.stable.patterns import instance, match_operands, pattern
from losscompiler.stable.rules import RULES, Rule
from losscompiler.stable.signs import PICKS, Signs
from losscompiler.stable.terms import chained, total

PRODUCTS = Rule(
    "product of exponentials", "exp(x)/(exp(x) + exp(2*x))", "sigmoid(-x)", -80, 80,
    "Blanchard, Higham & Higham 2021, Accurately computing the log-sum-exp and softmax functions",
)  # fmt: skip
POWERS = Rule("power of an exponential", "sigmoid(x)**(1/3)", "exp(log_sigmoid(x)/3)", -80, 80, "laws of exponents; the base underflows")
CONFLICTS = Rule(
    "product of exponentials in a derivative", "exp(x)*exp(-exp(x))", "exp(x - exp(x))", -80, 9,
    "laws of exponents; exp(x) overflows where exp(-exp(x)) underflows",
)  # fmt: skip
PICKED = Rule(
    "exp of a log of softmax that is picked from", "exp(log_softmax(x)[0])", "softmax(x)[0]", -80, 80,
    "one form of a share, for the rules about softmax",
)  # fmt: skip
SHARED_OUT = Rule(
    "sum over a sum of exponentials", "(3*exp(x) + exp(2*x))/(exp(x) + exp(2*x))",
    "3*exp(x - logaddexp(x, 2*x)) + exp(2*x - logaddexp(x, 2*x))", -80, 80, "shares of logsumexp; both sums overflow",
)  # fmt: skip
SPREAD = Rule(
    "exponential times a sum with another", "exp(3*x)*(y*exp(-x) - x)", "y*exp(2*x) - x*exp(3*x)", -20, 20,
    "one of the two underflows where the other overflows", (0.1, 9),
)  # fmt: skip
VANISHING = Rule(
    "product with an exponential that may be infinite", "x*exp(x)", "scaled_square(x, exp(x/2))", -80, 80,
    "0 times infinity is NaN; exp(x) overflows for x > 88 in float32",
)  # fmt: skip
UNDERFLOWING = Rule(
    "product with a logistic function that may underflow", "x*sigmoid(x)", "scaled_sigmoid(x, x)", -80, 80,
    "sigmoid(x) underflows for x < -87 in float32, which a factor may bring back",
)  # fmt: skip
DIVISORS = Rule(
    "quotient by a softplus that may underflow", "y*x/softplus(x)**2", "y*x*weighted_reciprocal(softplus(x)**2, y*x)", -30, 80,
    "0/0 is NaN; softplus(x)**2 underflows for x < -44 in float32", (0.1, 9),
)  # fmt: skip
_MOST_FACTORS = 16
_SUMS = ("add", "sub", "sum", "mean")
_Factor = tuple[Node, int]


@cache
def _pairs() -> tuple[tuple[Rule, tuple[Node, ...]], ...]:
    """Return the rules for a quotient of two functions, with the two."""
    roots = ((rule, pattern(rule.pattern)) for rule in RULES)
    return tuple((rule, root.args) for rule, root in roots if root.op == "div" and all(part.args for part in root.args))


class Exponentials:
    """Brings exponentials together where they stand side by side."""

    def __init__(self, graph: Graph, parameters: Mapping[str, Parameter]) -> None:
        self.graph = graph
        self.parameters = parameters
        self.signs = Signs(parameters)
        self.logs = LogDomain(graph, parameters, self.signs)

    # -- powers
    def power(self, node: Node) -> Node | None:
        """Return A**g as exp(g*log(A)) for an exponential A, where the power or its derivative may be 0 times infinity."""
        if node.op not in ("pow", "sqrt") or not self.signs.exponential(node.args[0]):
            return None
        base = node.args[0]
        exponent = self.graph.const(Fraction(1, 2)) if node.op == "sqrt" else node.args[1]
        value = exponent.value if exponent.op == "const" else None
        if base.op != "exp" and isinstance(value, Fraction) and value.denominator == 1 and value > 0:
            return None
        log = self.logs.log(base)
        return None if log is None else self.graph.simple("exp", self.graph.simple("mul", exponent, log))

    # -- products
    def product(self, node: Node) -> Node | None:
        """Return a product whose exponentials are one, where one may overflow and another underflow, or a divisor overflow."""
        if node.op not in ("mul", "div"):
            return None
        factors, negative = _chain(node)
        if len(factors) > _MOST_FACTORS:
            return None
        result = self._pair(factors) or self._joined(factors) or self._reciprocal(factors)
        return self.graph.simple("neg", result) if result is not None and negative else result

    def conflict(self, node: Node) -> Node | None:
        """Return a product of a derivative in which one exponential may overflow and another underflow as one exponential."""
        if node.op not in ("mul", "div"):
            return None
        factors, negative = _chain(node)
        result = self._joined(factors, divisors=False) if len(factors) <= _MOST_FACTORS else None
        return self.graph.simple("neg", result) if result is not None and negative else result

    def _pair(self, factors: list[_Factor]) -> Node | None:
        """Return the product with a quotient of two functions for which there is a rule."""
        if not any(sign < 0 for _, sign in factors):
            return None
        for rule, parts in _pairs():
            for above in factors:
                for below in factors:
                    if above[1] > 0 > below[1]:
                        found = match_operands(parts, (above[0], below[0]))
                        if found is not None:
                            others = [factor for factor in factors if factor not in (above, below)]
                            return self._times(others, instance(self.graph, rule.replacement, found))
        return None

    def _joined(self, factors: list[_Factor], *, divisors: bool = True) -> Node | None:
        reach = [self.signs.reach(factor)[::sign] for factor, sign in factors]
        fast = [i for i, either in enumerate(reach) if any(either)]
        conflict = any(reach[i][0] and reach[j][1] for i in fast for j in fast if i != j)
        divisor = divisors and any(factors[i][1] < 0 and reach[i][1] for i in fast)
        if not (conflict or divisor):
            return None
        logs = {i: self.logs.log(factors[i][0]) for i in fast}
        known = [(i, log) for i, log in logs.items() if log is not None]
        # Where a sign is not known, what is left may still have two that belong together.
        if not known or (len(known) == 1 and not (factors[known[0][0]][1] < 0 and reach[known[0][0]][1])):
            return None
        exponent = total(self.graph, Fraction(0), [(Fraction(factors[i][1]), log) for i, log in known])
        others = [factor for i, factor in enumerate(factors) if i not in dict(known)]
        return self._times(others, self.graph.simple("exp", exponent))

    def shared_out(self, node: Node) -> Node | None:
        """Return a sum over a sum of exponentials, both of which may overflow, as a sum of shares."""
        if node.op not in ("mul", "div"):
            return None
        factors, negative = _chain(node)
        if len(factors) > _MOST_FACTORS:
            return None
        below = next((factor for factor in factors if factor[1] < 0 and factor[0].op in _SUMS and self.signs.reach(factor[0])[0]), None)
        above = next((factor for factor in factors if factor[1] > 0 and factor[0].op in _SUMS and self.signs.reach(factor[0])[0]), None)
        log = self.logs.log(below[0]) if below is not None and above is not None else None
        if log is None or below is None or above is None:
            return None
        share = self.graph.simple("exp", self.graph.simple("neg", log))
        top = above[0]
        if top.op in ("sum", "mean"):
            shared = self.graph.simple(top.op, self.graph.simple("mul", top.args[0], share), span=None, **top.attributes)
        else:
            shared = self.graph.simple(top.op, *(self.graph.simple("mul", arg, share) for arg in top.args))
        result = self._times([factor for factor in factors if factor not in (below, above)], shared)
        return self.graph.simple("neg", result) if negative else result

    def spread(self, node: Node) -> Node | None:
        """Return exp(x)*(a + b) as exp(x)*a + exp(x)*b, where exp(x) may underflow and the sum overflow; (a + b)/exp(x) too."""
        if node.op not in ("mul", "div"):
            return None
        factors, negative = _chain(node)
        small = next((factor for factor, sign in factors if factor.op == "exp" and self.signs.reach(factor)[1 if sign > 0 else 0]), None)
        large = next((factor for factor, sign in factors if sign > 0 and factor.op in ("add", "sub") and self.signs.reach(factor)[0]), None)
        if len(factors) > _MOST_FACTORS or small is None or large is None:
            return None
        position = factors.index((large, 1))
        others = [*factors[:position], *factors[position + 1 :]]
        result = self.graph.simple(large.op, *(self._times(others, term) for term in large.args))
        return self.graph.simple("neg", result) if negative else result

    def vanishing(self, node: Node) -> Node | None:
        """Return w*exp(x) as a function that is 0 where w is 0, if exp(x) may overflow and w vanish."""
        if node.op not in ("mul", "div"):
            return None
        factors, negative = _chain(node)
        grown = [factor for factor, sign in factors if sign > 0 and factor.op == "exp" and self.signs.reach(factor)[0]]
        if len(factors) > _MOST_FACTORS or len(grown) > 1:
            return None
        if not grown:
            return self._into_weight(factors, negative)
        rest = [(factor, sign) for factor, sign in factors if factor is not grown[0]]
        if all(factor.constant or self.signs.positive(factor, closed=False) for factor, _ in rest):
            return None
        last = next((position for position, (_, sign) in reversed(list(enumerate(rest))) if sign > 0), None)
        if last is None:
            return None
        weight = self._times([*rest[:last], *rest[last + 1 :]], rest[last][0])
        root = self.graph.simple("exp", self.graph.simple("div", grown[0].args[0], self.graph.const(2)))
        result = self.graph.simple("scaled_square", weight, root)
        return self.graph.simple("neg", result) if negative else result

    def _into_weight(self, factors: list[_Factor], negative: bool) -> Node | None:
        """Return w*x**2 times what may be infinite where x is 0 with that as a part of w."""
        square = next((factor for factor, sign in factors if sign > 0 and factor.op == "scaled_square"), None)
        large = [factor for factor, sign in factors if sign > 0 and factor.op == "exp_moment"]
        if square is None or not large:
            return None
        weight = chained(self.graph, "mul", [square.args[0], *large])
        rest = [(factor, sign) for factor, sign in factors if factor is not square and factor not in large]
        result = self._times(rest, self.graph.simple("scaled_square", weight, square.args[1]))
        return self.graph.simple("neg", result) if negative else result

    def underflowing(self, node: Node) -> Node | None:
        """Return w*sigmoid(x), for a w that may be large, as a function of both."""
        if node.op not in ("mul", "div"):
            return None
        factors, negative = _chain(node)
        small = [factor for factor, sign in factors if sign > 0 and factor.op == "sigmoid"]
        if len(factors) > _MOST_FACTORS or not small:
            return None
        position = factors.index((small[0], 1))
        rest = [*factors[:position], *factors[position + 1 :]]
        inside = {below.index for below in reachable(small[0].args)}
        above = [i for i, (factor, sign) in enumerate(rest) if sign > 0 and (factor.index in inside or self._is_open(factor))]
        if not above:
            return None
        weight = self._times([*rest[: above[-1]], *rest[above[-1] + 1 :]], rest[above[-1]][0])
        result = self.graph.simple("scaled_sigmoid", weight, small[0].args[0])
        return self.graph.simple("neg", result) if negative else result

    def divisor(self, node: Node) -> Node | None:
        """Return w/softplus(x)**n as a product that is 0 where w is, also if softplus(x) is too small for a float."""
        if node.op not in ("mul", "div"):
            return None
        factors, negative = _chain(node)
        small = [(factor, sign) for factor, sign in factors if sign < 0 and _base_operation(factor) == "softplus"]
        if len(factors) > _MOST_FACTORS or not small:
            return None
        weights = [factor for factor, sign in factors if sign > 0 and self._is_open(factor)]
        if not weights or any(self.signs.positive(factor, closed=False) for factor in weights):
            return None
        below = chained(self.graph, "mul", [factor for factor, _ in small])
        reciprocal = self.graph.make("weighted_reciprocal", below, chained(self.graph, "mul", weights))
        result = self._times([factor for factor in factors if factor not in small], reciprocal)
        return self.graph.simple("neg", result) if negative else result

    def _is_open(self, factor: Node) -> bool:
        """Tell whether a factor depends on a prediction or parameter, and is not known to be bounded."""
        row = FUNCTIONS.get(factor.op)
        bounded = row is not None and row.range[0] > -inf and row.range[1] < inf
        return not bounded and any(node.op == "symbol" and node.name in self.parameters for node in reachable([factor]))

    def _reciprocal(self, factors: list[_Factor]) -> Node | None:
        """Return the product with 1/expm1(x) as one function; its derivative as a quotient is infinity over infinity."""
        for factor, sign in factors:
            if factor.op == "expm1" and sign < 0:
                others = [other for other in factors if other != (factor, sign)]
                return self._times(others, self.graph.simple("reciprocal_expm1", factor.args[0]))
        return None

    def _times(self, factors: list[_Factor], last: Node) -> Node:
        above = [factor for factor, sign in factors if sign > 0]
        below = [factor for factor, sign in factors if sign < 0]
        result = chained(self.graph, "mul", [*above, last])
        return self.graph.simple("div", result, chained(self.graph, "mul", below)) if below else result

    # -- exponentials of logarithms
    def exp_of_selection(self, node: Node) -> Node | None:
        """Return exp(log_softmax(x)[y]) as softmax(x)[y]."""
        if node.op != "exp" or node.args[0].op not in PICKS or node.args[0].args[0].op != "log_softmax":
            return None
        picked = node.args[0]
        inner = picked.args[0]
        softmax = self.graph.simple("softmax", *inner.args, span=None, **inner.attributes)
        return self.graph.simple(picked.op, softmax, *picked.args[1:], span=None, **picked.attributes)


def _base_operation(factor: Node) -> str:
    """Return the operation of a factor, or of the base of a power."""
    return factor.args[0].op if factor.op == "pow" else factor.op


def _chain(root: Node) -> tuple[list[_Factor], bool]:
    """Return the factors of a chain of products, with 1 above and -1 below the line, and whether its sign is turned."""
    factors: list[_Factor] = []
    negative = False
    stack: list[_Factor] = [(root, 1)]
    while stack and len(factors) <= _MOST_FACTORS:
        node, sign = stack.pop()
        if node.op in ("mul", "div"):
            stack += [(node.args[1], sign if node.op == "mul" else -sign), (node.args[0], sign)]
        elif node.op == "neg":
            negative = not negative
            stack.append((node.args[0], sign))
        else:
            factors.append((node, sign))
    return factors, negative
