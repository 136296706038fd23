"""Rewrite rules: identities of real analysis whose right side is accurate where the left is not.

Each rule is one object with its pattern and replacement in the loss language, the range in which it is tested against
50-digit arithmetic, and where it comes from. They are tried in order, at every node, operands first. Terms and factors of a
pattern match in any order.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One identity.

    Attributes:
        name: what ``explain`` calls it.
        pattern: text in which ``x`` and ``y`` stand for any subexpressions.
        replacement: text of the same value.
        low, high: range of ``x`` over which a test proves the identity to 50 digits.
        source: where the form comes from.
        y: range of ``y``, for identities of two variables.
    """

    name: str
    pattern: str
    replacement: str
    low: float
    high: float
    source: str
    y: tuple[float, float] | None = None


_SOFTPLUS = "Dugas et al. 2001; log(1 + exp(x)) overflows for x > 88 in float32"
_LOGISTIC = "1 - sigmoid(x) cancels for x > 16 in float32"
_OVERFLOW = "exp(x) overflows for x > 88 in float32, for x > 709 in float64"
_KAHAN = "Kahan 1987: log1p and expm1 keep the digits that 1 + x loses"
_MAECHLER = "Maechler 2012, Accurately computing log(1 - exp(-|a|))"
_CONJUGATE = "multiplication by the conjugate; the difference cancels near 0"
_SHIFT = "Blanchard, Higham & Higham 2021, Accurately computing the log-sum-exp and softmax functions"
_HALF_ANGLE = "half-angle formula; the difference cancels near 0"
_TAIL = "the difference cancels where the distribution function is 1"
_BESSEL = "Amos 1974; i0(x) and i1(x) overflow for x > 91 in float32"
_ORDERED = "the difference of two tails cancels where both are close to 1"
_SINE = "the difference cancels where the sine is close to 1"
_ADDITION = "addition theorem; the slope of an arc is infinite at its ends, and its cosine the rounded argument elsewhere"
_KINK = "the kinks of both terms at 0 cancel, which conventions for their derivatives do not"
_NORM = "the derivative of the left side is 0/0 at 0"

RULES: tuple[Rule, ...] = (
    # -- logistic functions
    Rule("sigmoid of the opposite", "1 - sigmoid(x)", "sigmoid(-x)", -80, 80, _LOGISTIC),
    Rule("log of sigmoid", "log(sigmoid(x))", "log_sigmoid(x)", -80, 80, _SOFTPLUS),
    Rule("softplus", "log(1 + exp(x))", "softplus(x)", -80, 80, _SOFTPLUS),
    Rule("softplus by log1p", "log1p(exp(x))", "softplus(x)", -80, 80, _SOFTPLUS),
    Rule("logistic", "1/(1 + exp(-x))", "sigmoid(x)", -80, 80, _OVERFLOW),
    Rule("logistic of the opposite", "1/(1 + exp(x))", "sigmoid(-x)", -80, 80, _OVERFLOW),
    Rule("exp of log of sigmoid", "exp(log_sigmoid(x))", "sigmoid(x)", -80, 80, _LOGISTIC),
    Rule("exp of minus softplus", "exp(-softplus(x))", "sigmoid(-x)", -80, 80, _LOGISTIC),
    Rule("log of tanh", "log(tanh(x))", "log1mexp(-2*x) - softplus(-2*x)", 1e-3, 80, "tanh(x) rounds to 1 for x > 9 in float32"),
    Rule("tanh by the logistic function", "2*sigmoid(x) - 1", "tanh(x/2)", -80, 80, "the difference cancels near 0"),
    Rule("tanh by the logistic function, negative", "1 - 2*sigmoid(x)", "-tanh(x/2)", -80, 80, "the difference cancels near 0"),
    Rule("inverse of tanh", "atanh(tanh(x))", "x", -20, 20, "tanh(x) rounds to 1 for x > 9 in float32"),
    Rule("inverse of an opposite tanh", "atanh(-tanh(x))", "-x", -20, 20, "tanh(x) rounds to 1 for x > 9 in float32"),
    Rule(
        "log of 1 + tanh", "log1p(y*tanh(x))", "log1p_tanh(y, x)", -80, 80, "1 + y*tanh(x) is 0 for y = 1, x < -9 in float32",
        (-0.999, 0.999),
    ),
    Rule(
        "log of what a maximum lacks to 1", "log1p(-maximum(x, 0))", "minimum(log1p(-x), 0)", -80, 0.999,
        "the logarithm is monotone, and 1 - x may be a probability of its own",
    ),
    Rule(
        "log1p by the other side of a probability", "log1p(y - sigmoid(x))", "log(y + sigmoid(-x))", -80, 80, _LOGISTIC, (0.01, 0.9)
    ),
    Rule("log of softplus", "log(softplus(x))", "log_softplus(x)", -80, 80, "softplus(x) underflows for x < -87 in float32"),
    Rule("softplus by the larger", "maximum(x, 0) + softplus(-abs(x))", "softplus(x)", -80, 80, _KINK),
    Rule("softplus by relu", "relu(x) + softplus(-abs(x))", "softplus(x)", -80, 80, _KINK),
    Rule("log of sigmoid by the smaller", "minimum(x, 0) - softplus(-abs(x))", "log_sigmoid(x)", -80, 80, _KINK),
    Rule("difference of sigmoids", "sigmoid(y) - sigmoid(x)", "sigmoid_difference(x, y)", -80, 80, _ORDERED, (-9, 9)),
    Rule(
        "log of a difference of sigmoids",
        "log(sigmoid_difference(x, y))",
        "log1mexp(x - y) + log_sigmoid(y) + log_sigmoid(-x)",
        -80,
        -9.5,
        "McCullagh 1980, Regression models for ordinal data; both sides of the difference round to 1",
        (-9, 80),
    ),
    # -- exponentials
    Rule("log of a reciprocal", "log(1/x)", "-log(x)", 1e-9, 1e9, "one form of a logarithm, for the rules about 1 + x"),
    Rule("log of exp", "log(exp(x))", "x", -80, 80, _OVERFLOW),
    Rule("exp of log of softmax", "exp(log_softmax(x))", "softmax(x)", -80, 80, _SHIFT),
    Rule("quotient by an exponential", "y/exp(x)", "y*exp(-x)", -80, 80, _OVERFLOW, (-9, 9)),
    Rule("complement of a complement", "1 - (1 - x)", "x", -1e9, 1e9, "the digits of a small x are lost in 1 - x"),
    Rule("log1p of expm1", "log1p(expm1(x))", "x", -80, 80, _KAHAN),
    Rule("expm1 of log1p", "expm1(log1p(x))", "x", -0.999, 1e9, _KAHAN),
    Rule("log1p", "log(1 + x)", "log1p(x)", -0.999, 1e9, _KAHAN),
    Rule("log1p of a difference", "log(1 - x)", "log1p(-x)", -1e9, 0.999, _KAHAN),
    Rule("expm1", "exp(x) - 1", "expm1(x)", -80, 80, _KAHAN),
    Rule("expm1 of the opposite sign", "1 - exp(x)", "-expm1(x)", -80, 80, _KAHAN),
    Rule("exp by expm1", "1 + expm1(x)", "exp(x)", -80, 80, "the sum cancels for large negative x"),
    Rule("log of 1 - exp", "log(-expm1(x))", "log1mexp(x)", -80, -1e-9, _MAECHLER),
    Rule("log of 1 - exp by log1p", "log1p(-exp(x))", "log1mexp(x)", -80, -1e-9, _MAECHLER),
    Rule("log of exp - 1", "log(expm1(x))", "x + log1mexp(-x)", 1e-9, 80, _OVERFLOW),
    Rule("exp over exp - 1", "exp(x)/expm1(x)", "-reciprocal_expm1(-x)", 0.1, 80, _OVERFLOW),
    Rule("log of odds by an exponential", "log(reciprocal_expm1(x))", "-x - log1mexp(-x)", 1e-3, 80, _OVERFLOW),
    Rule("log of the mean of exp", "log(exp_moment(0, x))", "log_exp_mean(x)", -80, 80, _OVERFLOW),
    Rule("reciprocal of the mean of exp", "1/exp_moment(0, x)", "reciprocal_exp_mean(x)", -80, 80, _OVERFLOW),
    Rule("log of 1 - exp of minus exp", "log1mexp(-exp(x))", "log_cloglog(x)", -80, 4, "exp(x) underflows for x < -87 in float32"),
    # -- roots and squares
    Rule("square", "x*x", "x**2", -1e9, 1e9, "one form of a square, for the rules below"),
    Rule("square of an absolute value", "abs(x)**2", "x**2", -1e9, 1e9, "one form of a square, for the rules below"),
    Rule("root of a square", "sqrt(x**2)", "abs(x)", -1e9, 1e9, _NORM),
    Rule("root of a sum of squares", "sqrt(sum(x**2))", "norm(x)", -1e9, 1e9, _NORM),
    Rule("root of a mean of squares", "sqrt(mean(x**2))", "norm(x)/sqrt(count(x))", -1e9, 1e9, _NORM),
    Rule("root of two squares", "sqrt(x**2 + y**2)", "hypot(x, y)", -1e9, 1e9, _NORM, (-9, 9)),
    Rule("root less 1", "sqrt(1 + x) - 1", "x/(1 + sqrt(1 + x))", -0.999, 1e9, _CONJUGATE),
    Rule(
        "variance",
        "mean(x**2) - mean(x)**2",
        "mean((x - stop_gradient(max(x)) - mean(x - stop_gradient(max(x))))**2)",
        -1e4,
        1e4,
        "Chan, Golub & LeVeque 1983, Algorithms for computing the sample variance",
    ),
    Rule("a factor cancels", "x*(y/x)", "y", 0.1, 9, "laws of exponents", (-9, 9)),
    # -- circular and hyperbolic functions
    Rule("1 - cos", "1 - cos(x)", "2*sin(x/2)**2", -30, 30, _HALF_ANGLE),
    Rule("Cauchy distribution function", "1/2 + atan(x)/pi", "atan2(1, -x)/pi", -1e9, 1e9, "the left side cancels for large negative x"),
    Rule("upper tail of Cauchy", "1/2 - atan(x)/pi", "atan2(1, x)/pi", -1e9, 1e9, "the left side cancels for large x"),
    Rule("cosh - 1", "cosh(x) - 1", "2*sinh(x/2)**2", -80, 80, _HALF_ANGLE),
    Rule("log cosh", "log(cosh(x))", "log_cosh(x)", -80, 80, "cosh(x) overflows for |x| > 89 in float32, and is 1 near 0"),
    Rule("log sinh", "log(sinh(x))", "log(x) + log_sinhc(x)", 1e-9, 80, "sinh(x) overflows for x > 89 in float32"),
    Rule("log of sinh**2", "log(sinh(x)**2)", "2*log(abs(x)) + 2*log_sinhc(x)", 0.1, 80, "sinh(x)**2 overflows for x > 45 in float32"),
    Rule("tanh", "sinh(x)/cosh(x)", "tanh(x)", -80, 80, _OVERFLOW),
    Rule("tanh by exponentials", "expm1(x)/(1 + exp(x))", "tanh(x/2)", -80, 80, _OVERFLOW),
    Rule("coth", "cosh(x)/sinh(x)", "1/tanh(x)", 0.1, 80, _OVERFLOW),
    Rule("Langevin function", "1/tanh(x) - 1/x", "langevin(x)", 0.1, 80, "Langevin 1905; the difference cancels near 0"),
    Rule("inverse hyperbolic sine", "log(x + sqrt(1 + x**2))", "asinh(x)", -1e9, 1e9, "the sum cancels for negative x, and is 1 near 0"),
    Rule("1 - tanh", "1 - tanh(x)", "2*sigmoid(-2*x)", -80, 80, "1 - tanh(x) cancels for x > 8 in float32"),
    Rule("1 + tanh", "1 + tanh(x)", "2*sigmoid(2*x)", -80, 80, "1 + tanh(x) cancels for x < -8 in float32"),
    Rule("1 - tanh**2", "1 - tanh(x)**2", "sech_squared(x)", -80, 80, "1 - tanh(x)**2 cancels for |x| > 8 in float32"),
    Rule("1 - sech**2", "1 - sech_squared(x)", "tanh(x)**2", -80, 80, "1 - sech(x)**2 cancels near 0"),
    Rule("log of sech**2", "log(sech_squared(x))", "-2*log_cosh(x)", -80, 80, "sech(x)**2 underflows for |x| > 44 in float32"),
    # -- normal distribution
    Rule("upper tail", "1 - ndtr(x)", "ndtr(-x)", -80, 80, _TAIL),
    Rule("upper tail by erf", "1 - erf(x)", "erfc(x)", -80, 80, _TAIL),
    Rule("lower tail by erf", "1 + erf(x)", "erfc(-x)", -80, 80, _TAIL),
    Rule("lower tail by erfc", "2 - erfc(x)", "erfc(-x)", -80, 80, _TAIL),
    Rule("erf by erfc", "1 - erfc(x)", "erf(x)", -80, 80, "1 - erfc(x) cancels near 0"),
    Rule("log of ndtr", "log(ndtr(x))", "log_ndtr(x)", -80, 80, "ndtr(x) underflows for x < -13 in float32"),
    Rule("log of erfc", "log(erfc(x))", "log(2) + log_ndtr(-sqrt(2)*x)", -80, 80, "erfc(x) underflows for x > 9 in float32"),
    Rule("scaled complementary error function", "exp(x**2)*erfc(x)", "erfcx(x)", -9, 80, "exp(x**2) overflows for |x| > 9 in float32"),
    Rule("difference of ndtr", "ndtr(y) - ndtr(x)", "ndtr_difference(x, y)", -80, 80, _ORDERED, (-9, 9)),
    Rule("difference of erfc", "erfc(x) - erfc(y)", "2*ndtr_difference(sqrt(2)*x, sqrt(2)*y)", -80, 80, _ORDERED, (-9, 9)),
    Rule("difference of erf", "erf(y) - erf(x)", "2*ndtr_difference(sqrt(2)*x, sqrt(2)*y)", -80, 80, _ORDERED, (-9, 9)),
    Rule("difference of tanh", "tanh(y) - tanh(x)", "2*sigmoid_difference(2*x, 2*y)", -80, 80, _ORDERED, (-9, 9)),
    Rule("log of a difference of ndtr", "log(ndtr_difference(x, y))", "log_ndtr_difference(x, y)", -80, -9.5, _ORDERED, (-9, 80)),
    Rule("cosine by a sine", "sqrt(1 - sin(x)**2)", "abs(cos(x))", -80, 80, _SINE),
    Rule("cosine by the size of a sine", "sqrt(1 - abs(sin(x))**2)", "abs(cos(x))", -80, 80, _SINE),
    Rule("cosine of an arc and an angle", "cos(acos(x) + y)", "x*cos(y) - sin(y)*sqrt(1 - x**2)", -1, 1, _ADDITION, (-80, 80)),
    Rule("cosine of an arc less an angle", "cos(acos(x) - y)", "x*cos(y) + sin(y)*sqrt(1 - x**2)", -1, 1, _ADDITION, (-80, 80)),
    Rule("cosine of an angle less an arc", "cos(y - acos(x))", "x*cos(y) + sin(y)*sqrt(1 - x**2)", -1, 1, _ADDITION, (-80, 80)),
    Rule("sine of an arc and an angle", "sin(asin(x) + y)", "x*cos(y) + sin(y)*sqrt(1 - x**2)", -1, 1, _ADDITION, (-80, 80)),
    Rule("sine of an arc less an angle", "sin(asin(x) - y)", "x*cos(y) - sin(y)*sqrt(1 - x**2)", -1, 1, _ADDITION, (-80, 80)),
    Rule("sine of an angle less an arc", "sin(y - asin(x))", "sin(y)*sqrt(1 - x**2) - x*cos(y)", -1, 1, _ADDITION, (-80, 80)),
    Rule("inverse hyperbolic cosine near 1", "acosh(1 + x)", "2*asinh(sqrt(x/2))", 1e-9, 1e9, "the digits of a small x are lost in 1 + x"),
    # -- Bessel functions
    Rule("log of i0", "log(i0(x))", "log_i0(x)", -80, 80, _BESSEL),
    Rule("log of i1", "log(i1(x))", "log(i1e(x)) + abs(x)", 1e-9, 80, _BESSEL),
    Rule("log of i0e", "log(i0e(x))", "log_i0(x) - abs(x)", -80, 80, _BESSEL),
    Rule("ratio of Bessel functions", "i1(x)/i0(x)", "bessel_ratio(x)", -80, 80, _BESSEL),
    Rule("ratio of scaled Bessel functions", "i1e(x)/i0e(x)", "bessel_ratio(x)", -80, 80, _BESSEL),
    Rule("1 - ratio of Bessel functions", "1 - bessel_ratio(x)", "bessel_ratio_complement(x)", -80, 80, _BESSEL),
    # -- along an axis
    Rule("log of softmax", "log(softmax(x))", "log_softmax(x)", -80, 80, _SHIFT),
    Rule("log of a running sum of exponentials", "log(cumsum(exp(x)))", "logcumsumexp(x)", -80, 80, _SHIFT),
    Rule("log of a sum of exponentials", "log(sum(exp(x)))", "logsumexp(x)", -80, 80, _SHIFT),
    Rule("complement of softmax", "1 - softmax(x)", "softmax_complement(x)", -80, 80, "1 - softmax(x) cancels where one element dominates"),
    Rule("complement of the others", "1 - softmax_complement(x)", "softmax(x)", -80, 80, _SHIFT),
    Rule("log of a complement of softmax", "log(softmax_complement(x))", "log_softmax_complement(x)", -80, 80, _SHIFT),
    Rule(
        "1 - sum of powers of shares", "1 - sum(exp(y*log_softmax(x)))", "-sum(softmax(x)*expm1((y - 1)*log_softmax(x)))", -80, 80,
        "Tsallis 1988; shares add up to 1, and where one is 1 the difference cancels", (0.1, 9),
    ),
    Rule(
        "sum of powers of shares less 1", "sum(exp(y*log_softmax(x))) - 1", "sum(softmax(x)*expm1((y - 1)*log_softmax(x)))", -80, 80,
        "Tsallis 1988; shares add up to 1, and where one is 1 the difference cancels", (0.1, 9),
    ),
    Rule("complement of a share", "1 - share(x, y)", "share(y, x)", 0.1, 9, "1 - x/(x + y) cancels for small y", (0.1, 9)),
)

LOWERING: tuple[Rule, ...] = (
    Rule("opposite of an opposite", "-(-x)", "x", -1e9, 1e9, "two operations that undo each other"),
    Rule("slope of an absolute value", "abs_slope(x)", "sign(x)", -1e9, 1e9, "one function computes both"),
    Rule("square root", "x**(1/2)", "sqrt(x)", 0, 1e9, "pow costs several times what sqrt does"),
    Rule("inverse square root", "x**(-1/2)", "1/sqrt(x)", 1e-9, 1e9, "pow costs several times what sqrt does"),
    Rule("power 3/2", "x**(3/2)", "x*sqrt(x)", 0, 1e9, "pow costs several times what sqrt does"),
    Rule("reciprocal", "x**(-1)", "1/x", 1e-9, 1e9, "pow costs many times what a division does"),
    Rule("inverse square", "x**(-2)", "1/x**2", 1e-9, 1e9, "pow costs many times what a division does"),
    Rule("cube", "x**3", "x*x**2", -1e9, 1e9, "pow costs many times what products do"),
    Rule("fourth power", "x**4", "(x**2)**2", -1e9, 1e9, "pow costs many times what products do"),
    Rule(
        "difference of logarithms", "log(x) - log(y)", "2*log(sqrt(x)/sqrt(y))", 1e-30, 1e30,
        "the logarithms of equal numbers far from 1 cancel in all digits; a quotient of roots never overflows", (1e-30, 1e30),
    ),
)  # fmt: skip
"""Forms that cost no more and are no less accurate, applied to value and gradients after derivation."""
