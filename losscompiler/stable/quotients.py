"""Quotients and roots whose derivative cancels, or is 0/0, as it is written: x/(x + y), c**2*f(x/c)."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

from losscompiler.graph.node import Graph, Node
from losscompiler.stable.cancelling import added, cancels, products_of, ratio
from losscompiler.stable.rules import Rule
from losscompiler.stable.signs import Signs
from losscompiler.stable.terms import Product, chained, power_product, product_of, scaled, single, sum_of, total, whole_exponent

SHARES = Rule(
    "share of a sum", "x**2/(x**2 + 4)", "share(x**2, 4)", -1e9, 1e9,
    "the derivative of x/(x + y) is y/(x + y)**2, which 1/(x + y) - x/(x + y)**2 loses",
)  # fmt: skip
RELATIVE_DIFFERENCES = Rule(
    "difference relative to one of its terms", "(x - y)**2/y**2", "relative_difference(x, y)**2", -1e9, 1e9,
    "the derivative by y is -x/y**2 times a factor, which -1/y - (x - y)/y**2 loses for small x", (0.1, 9),
)  # fmt: skip
SUMS_OVER_TERMS = Rule(
    "sum over all of its terms", "(x**2 + y**2)/(3*x**2*y**2)", "1/3/y**2 + 1/3/x**2", 1e-9, 1e9,
    "the derivatives of both sides of the quotient cancel, as for 1/x + 1/y behind a common denominator", (0.1, 9),
)  # fmt: skip
LIMITED = Rule(
    "minimum over one of its arguments", "minimum(x, 3)/x", "where(x < 3, 1, 3/x)", 0.1, 80,
    "the derivatives of both sides of the quotient cancel",
)  # fmt: skip
SCALED = Rule(
    "powers of a scale", "x**2*(y/x)**2", "y**2", 0.1, 1e9, "laws of exponents; by the scale the derivatives of both factors cancel",
    (-9, 9),
)  # fmt: skip
LESS_ITS_PART = Rule(
    "root less what is under it", "sqrt(x + 9) - 3", "x/(sqrt(x + 9) + 3)", -8.9, 1e9,
    "multiplication by the conjugate; the difference cancels near 0",
)  # fmt: skip
ROOTS = Rule(
    "root of many squares", "sqrt(x**2 + 4*y**2 + y**4)", "hypot(hypot(x, 2*y), y**2)", -1e9, 1e9,
    "the derivative of the left side is 0/0 at 0", (-9, 9),
)  # fmt: skip


def relative_difference(graph: Graph, node: Node) -> Node | None:
    """Return a power of (x - y)/y as one of `relative_difference`, whose derivative by y is -x/y**2."""
    if node.op not in ("mul", "div"):
        return None
    whole = product_of(graph, node)
    for base, exponent in whole.powers:
        inside, odd = (base.args[0], exponent % 2 == 1) if base.op == "abs" else (base, False)
        if inside.op != "sub" or exponent.denominator != 1 or exponent <= 0:
            continue
        for x, y in (inside.args, inside.args[::-1]):
            if x.constant or y.constant:
                continue
            if whole.exponent(y) != -exponent:
                whole, exact = _with_exponentials(graph, whole, y, -exponent)
                if not exact:
                    continue
            found = graph.simple("relative_difference", x, y)
            sign = -1 if inside is base and x is not inside.args[0] and exponent % 2 else 1
            if inside is not base:
                found = graph.simple("abs", found)
            rest = whole.times(Product(Fraction(sign), ((base, exponent), (y, -exponent))), -1)
            if odd:
                rest = rest.times(single(graph.simple("sign", y)))
            return power_product(graph, rest.times(Product(Fraction(1), ((found, exponent),))))
    return None


def _with_exponentials(graph: Graph, whole: Product, y: Node, exponent: Fraction) -> tuple[Product, bool]:
    """Return a product in which exp(2*u) is exp(u)**2, and whether y = exp(u) then has the exponent that is asked for."""
    if y.op != "exp":
        return whole, False
    for base, power in whole.powers:
        times = ratio(product_of(graph, base.args[0]), product_of(graph, y.args[0])) if base.op == "exp" and base is not y else None
        if times is not None:
            whole = whole.times(Product(Fraction(1), ((base, power),)), -1).times(Product(Fraction(1), ((y, power * times),)))
    return whole, whole.exponent(y) == exponent


def share(graph: Graph, node: Node) -> Node | None:
    """Return a*x/(x + y) as a*share(x, y) for a variable x among the factors of a numerator."""
    if node.op != "div" or node.args[1].op not in ("add", "mul"):
        return None
    below = product_of(graph, node.args[1])
    above = product_of(graph, node.args[0])
    for base, exponent in below.powers:
        if base.op != "add" or exponent != 1:
            continue
        parts = sum_of(graph, base)
        for position, term in enumerate(parts.terms):
            inner = product_of(graph, term.node)
            if term.node.constant or inner.coefficient * term.scale <= 0 or not inner.powers:
                continue
            if all(above.exponent(factor) == power for factor, power in inner.powers if power > 0):
                others = parts.without({position})
                value = _share(graph, scaled(graph, term.node, term.scale), total(graph, others.constant, others.parts))
                rest = above.times(below, -1).times(single(base)).times(Product(inner.coefficient * term.scale, inner.powers), -1)
                return power_product(graph, rest.times(single(value)))
    return None


def _share(graph: Graph, x: Node, y: Node) -> Node:
    """Return x/(x + y), with what x is divided by as a factor of both: (1/a)/(1/a + y) is 1/(1 + a*y)."""
    inside = product_of(graph, x)
    below = Product(Fraction(1), tuple((base, -exponent) for base, exponent in inside.powers if exponent < 0 and not base.constant))
    if not below.powers:
        return graph.simple("share", x, y)
    left = power_product(graph, inside.times(below))
    right = added(graph, [power_product(graph, term.times(below)) for term in products_of(graph, y)])
    return graph.simple("share", left, right) if left.axes | right.axes == x.axes | y.axes else graph.simple("share", x, y)


def sum_over_terms(graph: Graph, signs: Signs, node: Node) -> Node | None:
    """Return (x + y)/(x*y) as 1/y + 1/x, for terms that are not negative, if all of them cancel."""
    if node.op not in ("mul", "div"):
        return None
    whole = product_of(graph, node)
    for base, exponent in whole.powers:
        terms = products_of(graph, base) if base.op == "add" and exponent == 1 else []
        rest = whole.times(single(base), -1)
        if len(terms) > 1 and all(term.powers and cancels(term, rest) and signs.nonnegative(power_product(graph, term)) for term in terms):
            return added(graph, [power_product(graph, term.times(rest)) for term in terms])
    return None


def limited(graph: Graph, node: Node) -> Node | None:
    """Return a product with minimum(x, y) or maximum(x, y) as a choice, if one of the two cancels against the other factors."""
    if node.op not in ("mul", "div"):
        return None
    whole = product_of(graph, node)
    for base, exponent in whole.powers:
        if base.op in ("minimum", "maximum") and exponent == 1:
            rest = whole.times(single(base), -1)
            sides = [product_of(graph, side) for side in base.args]
            if any(not side.constant and cancels(product, rest) for side, product in zip(base.args, sides, strict=True)):
                first = graph.make("lt" if base.op == "minimum" else "gt", *base.args)
                return graph.simple("where", first, *(power_product(graph, rest.times(side)) for side in sides))
    return None


def merged_scales(graph: Graph, node: Node) -> Node | None:
    """Return a product in which powers of a scale cancel that stands above the line and, inside a power, below it."""
    if node.op not in ("mul", "div"):
        return None
    written = _bases(node)
    if written is None:
        return None
    product = product_of(graph, node)
    kept = {base.index for base, _ in product.powers}
    ends = [(base, exponent, inside) for base, exponent, inside in written if not base.constant]
    for base, exponent, inside in ends:
        opposite = any(other is base and power * exponent < 0 and (nested or inside) for other, power, nested in ends)
        if opposite and (base.index not in kept or abs(product.exponent(base)) < max(abs(p) for o, p, _ in ends if o is base)):
            result = power_product(graph, product)
            return result if result.axes == node.axes else None
    return None


def _bases(root: Node) -> list[tuple[Node, Fraction, bool]] | None:
    """Return the factors of a product with their exponents, and whether each stands in a power of a product or quotient."""
    found: list[tuple[Node, Fraction, bool]] = []
    stack: list[tuple[Node, Fraction, bool]] = [(root, Fraction(1), False)]
    any_inside = False
    while stack:
        node, exponent, inside = stack.pop()
        if len(found) + len(stack) > 16:
            return None
        if node.op in ("mul", "div"):
            stack += [(node.args[0], exponent, inside), (node.args[1], exponent if node.op == "mul" else -exponent, inside)]
        elif node.op == "neg":
            stack.append((node.args[0], exponent, inside))
        elif (power := whole_exponent(node)) is not None:
            deeper = inside or node.args[0].op in ("mul", "div")
            any_inside = any_inside or deeper
            stack.append((node.args[0], exponent * power, deeper))
        elif node.op != "const":
            found.append((node, exponent, inside))
    return found if any_inside else None


class LessItsPart:
    """Takes the difference out of roots of which a part is subtracted, by multiplying with the conjugate."""

    def __init__(self, graph: Graph, signs: Signs) -> None:
        self.graph = graph
        self.signs = signs
        self._conjugates: set[int] = set()

    def apply(self, node: Node) -> Node | None:
        """Return sqrt(x + b**2) - b, and hypot(a, b) - b, as a quotient where b is positive; sqrt(x + b**2) + b where it is negative."""
        if node.op not in ("add", "sub") or node.index in self._conjugates:
            return None
        graph, found = self.graph, products_of(self.graph, node)
        for i, term in enumerate(found):
            for root, power in [(base, exponent) for base, exponent in term.powers if _is_root(base, exponent)]:
                outside = term.times(Product(Fraction(1), ((root, power),)), -1)
                root = root if power == 1 else graph.simple("sqrt", root)
                for j, other in enumerate(found):
                    if i == j or any(_is_root(base, exponent) for base, exponent in other.powers):
                        continue
                    b = power_product(graph, other.times(outside, -1).times(Product(Fraction(-1), ())))
                    rest = None if self.signs.nonpositive(b) else _under_root_without(graph, root, b)
                    if rest is None:
                        continue
                    kept = [power_product(graph, each) for k, each in enumerate(found) if k not in (i, j)]
                    result = added(graph, [*kept, self._quotient(outside, root, b, rest)])
                    if self.signs.positive(b, closed=False):
                        return result
                    self._conjugates.add(node.index)
                    return graph.simple("where", graph.make("gt", b, graph.const(0)), result, node)
        return None


    def _quotient(self, outside: Product, root: Node, b: Node, rest: Node) -> Node:
        """Return c*(root - b) for a root of rest + b**2; where b is a factor of c, by the relative size of the rest."""
        graph, scale = self.graph, product_of(self.graph, b)
        left = outside.times(scale, -1)
        if scale.powers and all(exponent > 0 and outside.exponent(base) >= exponent for base, exponent in scale.powers):
            # By the scale both terms of the derivative of c/(c + root) are of the order of the rest; their difference is smaller.
            relative = power_product(graph, product_of(graph, rest).times(scale, -1).times(scale, -1))
            one = graph.const(1)
            conjugate = graph.simple("add", one, graph.simple("sqrt", graph.simple("add", one, relative)))
            self._conjugates.add(conjugate.index)
            return power_product(graph, left.times(product_of(graph, graph.simple("div", rest, conjugate))))
        conjugate = graph.simple("add", root, b)
        self._conjugates.add(conjugate.index)
        return power_product(graph, outside.times(product_of(graph, graph.simple("div", rest, conjugate))))


def _is_root(base: Node, exponent: Fraction) -> bool:
    return (base.op == "hypot" and exponent == 1) or (exponent == Fraction(1, 2) and not base.constant)


def _under_root_without(graph: Graph, root: Node, b: Node) -> Node | None:
    """Return what stands under a root beside b**2, or ``None`` if that is not there."""
    if root.op == "hypot":
        return next((graph.simple("pow", a, graph.const(2)) for a, side in (root.args, root.args[::-1]) if side is b), None)
    parts, square = sum_of(graph, root.args[0]), product_of(graph, b)
    square = square.times(square)
    if not square.powers:
        return total(graph, Fraction(0), parts.parts) if parts.constant == square.coefficient else None
    for position, term in enumerate(parts.terms):
        if term.coefficient == square.coefficient and term.key == square.key and len(parts.terms) > 1:
            return total(graph, parts.constant, parts.without({position}).parts)
    return None


def root_of_squares(graph: Graph, node: Node) -> Node | None:
    """Return the root of a sum of squares of variables as nested hypot, whose derivative where all are 0 is 0."""
    if node.op != "sqrt" or node.args[0].op != "add":
        return None
    parts = sum_of(graph, node.args[0])
    if len(parts.terms) < 2 or parts.constant != 0:
        return None
    sides: list[Node] = []
    for term in parts.terms:
        side = _side(graph, product_of(graph, term.node).times(Product(term.scale, ())))
        if side is None:
            return None
        sides.append(side)
    return chained(graph, "hypot", sides)


def _side(graph: Graph, product: Product) -> Node | None:
    """Return what a product is the square of, for a coefficient that is a square."""
    numerator, denominator = (isqrt(max(0, number)) for number in (product.coefficient.numerator, product.coefficient.denominator))
    root = Fraction(numerator, denominator)
    if root**2 != product.coefficient or any(exponent % 2 for _, exponent in product.powers):
        return None
    return power_product(graph, Product(root, tuple((base, exponent / 2) for base, exponent in product.powers)))
