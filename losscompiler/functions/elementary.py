"""Rows of the elementary functions: exponential, trigonometric, rounding and piecewise ones."""

from __future__ import annotations

from math import inf, pi

from losscompiler.functions.row import Function

_EXP, _POWER, _TRIG, _HYPERBOLIC, _PIECE = (
    "Exponentials and logarithms", "Powers and roots", "Trigonometric functions", "Hyperbolic functions", "Piecewise functions",
)  # fmt: skip
_FLAT = "the value is constant between jumps; no gradient passes"

ELEMENTARY: tuple[Function, ...] = (
    # -- exponentials and logarithms
    Function(
        name="exp", arguments=("x",), summary="exponential", category=_EXP, partials=("f",), range=(0, inf), monotone=1,
        sympy="exp", mpmath="exp", keras="ops.exp",
    ),
    Function(
        name="expm1", arguments=("x",), summary="exp(x) - 1, accurate near 0", category=_EXP, partials=("exp(x)",), range=(-1, inf), monotone=1,
        definition="exp(x) - 1", mpmath="expm1", keras="ops.expm1",
    ),
    Function(
        name="exp_difference", arguments=("x", "total"), summary="exp(x - total), and 0 where total is -inf: a share of logsumexp", category=_EXP,
        internal=True, partials=("f", "-f"), range=(0, inf), definition="where(total > -inf, exp(x - total), 0)", keras="exp_difference",
    ),
    Function(name="exp2", arguments=("x",), summary="2**x", category=_EXP, definition="2**x", inline=True),
    Function(
        name="log", arguments=("x",), summary="natural logarithm", category=_EXP, synonyms=("ln",), partials=("1/x",), domain=("x > 0",), monotone=1,
        sympy="log", mpmath="log", keras="ops.log",
    ),
    Function(
        name="log1p", arguments=("x",), summary="log(1 + x), accurate near 0", category=_EXP, partials=("1/(1 + x)",), domain=("x > -1",), monotone=1,
        definition="log(1 + x)", mpmath="log1p", keras="ops.log1p",
    ),
    Function(name="log2", arguments=("x",), summary="logarithm to base 2", category=_EXP, definition="log(x)/log(2)", inline=True),
    Function(name="log10", arguments=("x",), summary="logarithm to base 10", category=_EXP, definition="log(x)/log(10)", inline=True),
    Function(
        name="logaddexp", arguments=("x", "y"), summary="log(exp(x) + exp(y)), without overflow", category=_EXP,
        partials=("sigmoid(x - y)", "sigmoid(y - x)"), definition="log(exp(x) + exp(y))", keras="logaddexp",
    ),
    Function(
        name="log1mexp", arguments=("x",), summary="log(1 - exp(x)) for x < 0, accurate near 0", category=_EXP, partials=("-1/expm1(-x)",),
        domain=("x < 0",), range=(-inf, 0), monotone=-1, definition="log(1 - exp(x))", keras="log1mexp",
    ),
    Function(
        name="xlogy", arguments=("x", "y"), summary="x*log(y), and 0 at x = 0", category=_EXP,
        partials=("where(x == 0, 0, log(y))", "where(x == 0, 0, x/y)"), domain=("y > 0 or x == 0",),
        definition="where(x == 0, 0, x*log(y))", keras="xlogy", convention="value and both derivatives are 0 at x = 0",
    ),
    Function(
        name="weighted_log", arguments=("x", "weight"), summary="log(x), and 0 where x and the weight by which it is multiplied are both 0",
        category=_EXP, internal=True, partials=("weighted_reciprocal(x, weight)", "0"), domain=("x > 0 or weight == 0",), definition="log(x)",
        keras="weighted_log",
    ),
    Function(
        name="weighted_log1p", arguments=("x", "weight"), summary="log(1 + x), and 0 where 1 + x and the weight by which it is multiplied are both 0",
        category=_EXP, internal=True, partials=("weighted_reciprocal(1 + x, weight)", "0"), domain=("x > -1 or weight == 0",),
        definition="log(1 + x)", keras="weighted_log1p",
    ),
    Function(
        name="weighted_reciprocal", arguments=("x", "weight"), summary="1/x, and 0 where x and the weight by which it is multiplied are both 0",
        category=_EXP, internal=True, partials=("-f**2", "0"), domain=("x != 0 or weight == 0",), definition="1/x", keras="weighted_reciprocal",
    ),
    Function(
        name="log_zero_inflated", arguments=("v", "x", "w"), category=_EXP, internal=True, keras="log_zero_inflated",
        summary="log(1 + v*(exp(x) - 1)), without overflow, where w is 1 - v with the digits that it has",
        partials=(
            "where(x > 0, -expm1(-x)/(v + w*exp(-x)), expm1(x)/(w + v*exp(x)))",
            "where(x > 0, v/(v + w*exp(-x)), where(x > -50, v*exp(x)/(w + v*exp(x)), sigmoid(x + log(abs(v)) - log(abs(w)))))", "0",
        ),
        definition="log(1 + v*(exp(x) - 1))", domain=("1 + v*expm1(x) > 0", "w == 1 - v"),
    ),
    Function(
        name="log1p_tanh", arguments=("y", "x"), category=_EXP, internal=True, keras="log1p_tanh",
        summary="log(1 + y*tanh(x)) for -1 <= y <= 1, also where y is 1 or -1 and tanh(x) the opposite but for rounding",
        partials=(
            "where(abs(y) > 1, tanh(x)/(1 + y*tanh(x)), where(x > 0, -expm1(-2*x)/(1 + y + (1 - y)*exp(-2*x)), "
            "expm1(2*x)/(1 - y + (1 + y)*exp(2*x))))",
            "y*where(abs(y) > 1, sech_squared(x)/(1 + y*tanh(x)), "
            "4*where(x > 0, sigmoid(2*x)/(1 - y + (1 + y)*weighted_reciprocal(exp(-2*x), 1 + y)), "
            "sigmoid(-2*x)/(1 + y + (1 - y)*weighted_reciprocal(exp(2*x), 1 - y))))",
        ),
        definition="log(1 + y*tanh(x))", domain=("1 + y*tanh(x) > 0",),
    ),
    Function(
        name="scaled_logaddexp", arguments=("x", "y", "k"), summary="log(exp(k*x) + exp(k*y))/k", category=_EXP, internal=True,
        partials=("sigmoid(k*(x - y))", "sigmoid(k*(y - x))", "-logistic_entropy(k*(x - y))/k**2"), domain=("k != 0",),
        definition="logaddexp(k*x, k*y)/k", keras="scaled_logaddexp",
    ),
    Function(
        name="weighted_logaddexp", arguments=("x", "y", "v", "w"), summary="log(v*exp(x) + w*exp(y)), without overflow, for weights of any sign",
        category=_EXP, internal=True, partials=("v*exp(x - f)", "w*exp(y - f)", "exp(x - f)", "exp(y - f)"), domain=("v*exp(x) + w*exp(y) > 0",),
        definition="log(v*exp(x) + w*exp(y))", keras="weighted_logaddexp",
    ),
    Function(
        name="log_exp_mean", arguments=("x",), summary="log((exp(x) - 1)/x), and 0 at x = 0, without overflow", category=_EXP, internal=True,
        partials=("exp_mean_slope(x)",), monotone=1, definition="log(exp_moment(0, x))", keras="log_exp_mean",
    ),
    Function(
        name="reciprocal_exp_mean", arguments=("x",), summary="x/(exp(x) - 1), and 1 at x = 0, without overflow", category=_EXP, internal=True,
        partials=("-f*exp_mean_slope(x)",), range=(0, inf), monotone=-1, definition="1/exp_moment(0, x)", keras="reciprocal_exp_mean",
    ),
    Function(
        name="exp_mean_slope", arguments=("x",), summary="exp(x)/(exp(x) - 1) - 1/x, and 1/2 at x = 0: the derivative of log((exp(x) - 1)/x)",
        category=_EXP, internal=True, partials=("exp_moment(2, -abs(x))/exp_moment(0, -abs(x)) - (exp_moment(1, -abs(x))/exp_moment(0, -abs(x)))**2",),
        range=(0, 1), monotone=1, definition="exp_moment(1, x)/exp_moment(0, x)", keras="exp_mean_slope",
    ),
    Function(
        name="scaled_square", arguments=("w", "x"), summary="w*x**2, and 0 where w or x is 0, also if the other is infinite", category=_EXP, internal=True,
        partials=("x**2", "2*w*x"), definition="w*x**2", keras="scaled_square",
    ),
    Function(
        name="scaled_sigmoid", arguments=("w", "x"), summary="w*sigmoid(x), also where sigmoid(x) underflows and the product does not",
        category=_EXP, internal=True, partials=("sigmoid(x)", "scaled_sigmoid(w, x)*sigmoid(-x)"), definition="w/(1 + exp(-x))",
        keras="scaled_sigmoid",
    ),
    Function(
        name="reciprocal_expm1", arguments=("x",), summary="1/(exp(x) - 1)", category=_EXP, internal=True,
        partials=("-exp(-abs(x))/expm1(-abs(x))**2",), domain=("x != 0",), definition="1/(exp(x) - 1)", keras="reciprocal_expm1",
    ),
    Function(
        name="log_cloglog", arguments=("x",), summary="log(1 - exp(-exp(x))), without underflow", category=_EXP, internal=True,
        partials=("exp(x - exp(x) - f)",), range=(-inf, 0), monotone=1, definition="log(1 - exp(-exp(x)))", keras="log_cloglog",
    ),
    Function(
        name="powm1", arguments=("x", "y"), summary="x**y - 1, also near 0", category=_EXP, internal=True,
        partials=("y*x**(y - 1)", "where(x == 0, 0, (1 + f)*log(x))"), domain=("x > 0 or y is an integer",), definition="x**y - 1",
        convention="d/dy is 0 at x = 0", keras="powm1",
    ),
    Function(
        name="share", arguments=("x", "y"), summary="x/(x + y)", category=_EXP, internal=True, partials=("share(y, x)/(x + y)", "-f/(x + y)"),
        domain=("x + y != 0",), definition="x/(x + y)", keras="part_of_sum",
    ),
    Function(
        name="relative_difference", arguments=("x", "y"), summary="(x - y)/y", category=_EXP, internal=True, partials=("1/y", "-x/y/y"),
        domain=("y != 0",), definition="(x - y)/y", keras="relative_difference",
    ),
    Function(
        name="contrast", arguments=("x", "y"), summary="(x - y)/(x + y), and 0 where x and y are both 0", category=_EXP, internal=True,
        partials=(
            "2*(y*weighted_reciprocal(x + y, y))*weighted_reciprocal(x + y, y)",
            "-2*(x*weighted_reciprocal(x + y, x))*weighted_reciprocal(x + y, x)",
        ),
        domain=("x + y != 0 or x == y",), definition="where(abs(x) + abs(y) == 0, 0, (x - y)/(x + y))", keras="contrast",
        convention="value and both derivatives are 0 at x = y = 0",
    ),
    Function(
        name="log_of_quotient", arguments=("x", "y", "t", "weight"), category=_EXP, internal=True, keras="log_of_quotient",
        summary="log((x + t)/(y + t)), in which a sum counts for 1 where it and the weight of the logarithm are both 0",
        partials=(
            "weighted_reciprocal(x + t, weight)", "-weighted_reciprocal(y + t, weight)",
            "(y - x)*weighted_reciprocal(x + t, weight)*weighted_reciprocal(y + t, weight)", "0",
        ),
        domain=("(x + t)/(y + t) > 0 or weight == 0",), definition="log((x + t)/(y + t))",
    ),
    Function(
        name="entropy_of_quotient", arguments=("x", "y", "t"), category=_EXP, internal=True, keras="entropy_of_quotient",
        summary="(x + t)*log((x + t)/(y + t)), and 0 where x + t is 0",
        partials=(
            "1 + log_of_quotient(x, y, t, x + t)", "-(x + t)*weighted_reciprocal(y + t, x + t)",
            "where(2*(y - x) > y + t, log_of_quotient(x, y, t, 1) - (x - y)/(y + t), log1pmx((x - y)*weighted_reciprocal(y + t, x - y)))",
        ),
        domain=("(x + t)/(y + t) > 0 or x + t == 0",), definition="where(x + t == 0, 0, (x + t)*log((x + t)/(y + t)))",
    ),
    Function(
        name="weighted_power", arguments=("x", "y", "weight"), category=_EXP, internal=True, keras="weighted_power",
        summary="x**y, and 0 where x and the weight by which it is multiplied are both 0",
        partials=("y*weighted_power(x, y - 1, weight)", "where(x == 0, 0, f*log(x))", "0"), definition="x**y",
        domain=("x > 0 or y is an integer",), convention="d/dy is 0 at x = 0",
    ),
    # -- powers and roots
    Function(
        name="sqrt", arguments=("x",), summary="square root", category=_POWER, partials=("1/(2*f)",), domain=("x >= 0",), range=(0, inf), monotone=1,
        sympy="sqrt", mpmath="sqrt", keras="ops.sqrt",
    ),
    Function(
        name="cbrt", arguments=("x",), summary="real cube root", category=_POWER, partials=("1/(3*f**2)",), monotone=1,
        definition="sign(x)*abs(x)**(1/3)", keras="cbrt",
    ),
    Function(name="square", arguments=("x",), summary="x**2", category=_POWER, definition="x**2", inline=True),
    Function(name="reciprocal", arguments=("x",), summary="1/x", category=_POWER, definition="1/x", inline=True),
    Function(
        name="hypot", arguments=("x", "y"), summary="sqrt(x**2 + y**2)", category=_POWER,
        partials=("where(f > 0, x/f, 0)", "where(f > 0, y/f, 0)"), range=(0, inf), definition="sqrt(x**2 + y**2)", mpmath="hypot", keras="hypot",
        kink="x == 0 and y == 0", convention="the derivative at (0, 0) is 0",
    ),
    Function(
        name="cosine_distance", arguments=("a", "b", "c", "d"), summary="1 - (a*c + b*d)/(hypot(a, b)*hypot(c, d))", category=_POWER, internal=True,
        partials=(
            "b*(a*d - b*c)/(hypot(a, b)**3*hypot(c, d))", "-a*(a*d - b*c)/(hypot(a, b)**3*hypot(c, d))",
            "d*(b*c - a*d)/(hypot(c, d)**3*hypot(a, b))", "-c*(b*c - a*d)/(hypot(c, d)**3*hypot(a, b))",
        ),
        domain=("hypot(a, b)*hypot(c, d) > 0",), range=(0, 2), definition="1 - (a*c + b*d)/(hypot(a, b)*hypot(c, d))", keras="cosine_distance",
    ),
    Function(
        name="squared_root_difference", arguments=("x", "y", "d"), category=_POWER, internal=True, keras="squared_root_difference",
        summary="(sqrt(x) - sqrt(y))**2, where d is x - y with the digits that it has",
        partials=(
            "where(abs(x) + abs(y) == 0, 1, d/(x + sqrt(x)*sqrt(y)))", "where(abs(x) + abs(y) == 0, 1, -d/(y + sqrt(x)*sqrt(y)))", "0",
        ),
        domain=("x >= 0", "y >= 0"), definition="(sqrt(x) - sqrt(y))**2", convention="at x = y = 0 the derivatives are those along the axes",
    ),
    Function(
        name="unit_slope_difference", arguments=("u", "v", "d", "w"), category=_POWER, internal=True, keras="unit_slope_difference",
        summary="u/hypot(u, d) - v/hypot(v, d), where w is u - v with the digits that it has",
        partials=(
            "(d/hypot(u, d))**2/hypot(u, d)", "-(d/hypot(v, d))**2/hypot(v, d)",
            "v*d/hypot(v, d)**3 - u*d/hypot(u, d)**3", "0",
        ),
        domain=("hypot(u, d)*hypot(v, d) > 0",), range=(-2, 2), definition="u/hypot(u, d) - v/hypot(v, d)",
    ),
    # -- trigonometric
    Function(name="sin", arguments=("x",), summary="sine", category=_TRIG, partials=("cos(x)",), range=(-1, 1), sympy="sin", mpmath="sin", keras="sin"),
    Function(name="cos", arguments=("x",), summary="cosine", category=_TRIG, partials=("-sin(x)",), range=(-1, 1), sympy="cos", mpmath="cos", keras="cos"),
    Function(name="tan", arguments=("x",), summary="tangent", category=_TRIG, partials=("1 + f**2",), sympy="tan", mpmath="tan", keras="tan"),
    Function(
        name="asin", arguments=("x",), summary="inverse sine", category=_TRIG, synonyms=("arcsin",), partials=("1/sqrt(1 - x**2)",),
        domain=("x >= -1", "x <= 1"), range=(-pi / 2, pi / 2), monotone=1, sympy="asin", mpmath="asin", keras="asin",
    ),
    Function(
        name="acos", arguments=("x",), summary="inverse cosine", category=_TRIG, synonyms=("arccos",), partials=("-1/sqrt(1 - x**2)",),
        domain=("x >= -1", "x <= 1"), range=(0, pi), monotone=-1, sympy="acos", mpmath="acos", keras="acos",
    ),
    Function(
        name="arc_ratio", arguments=("x",), summary="acos(x)/sqrt(1 - x**2), acosh(x)/sqrt(x**2 - 1) beyond 1, and 1 at x = 1", category=_TRIG,
        internal=True, partials=("where(x == 1, -1/3, (x*f - 1)/((1 - x)*(1 + x)))",), domain=("x > -1",), range=(0, inf), monotone=-1,
        definition="where(x < 1, acos(x)/sqrt(1 - x**2), where(x > 1, acosh(x)/sqrt(x**2 - 1), 1))", keras="arc_ratio",
    ),
    Function(
        name="atan_remainder", arguments=("x",), summary="atan(x) - x/(1 + x**2), also for small x", category=_TRIG, internal=True,
        partials=("2*square(x/(1 + x**2))",), monotone=1, range=(-pi / 2, pi / 2), definition="atan(x) - x/(1 + x**2)", keras="atan_remainder",
    ),
    Function(
        name="sine_remainder", arguments=("x",), summary="sin(x) - x*cos(x), also for small x", category=_TRIG, internal=True,
        partials=("x*sin(x)",), definition="sin(x) - x*cos(x)", keras="sine_remainder",
    ),
    Function(
        name="log_cosh_remainder", arguments=("x",), summary="2*log(cosh(x)) - x*tanh(x), also for small x", category=_EXP, internal=True,
        partials=("tanh(x) - x*sech_squared(x)",), range=(0, inf), definition="2*log_cosh(x) - x*tanh(x)", keras="log_cosh_remainder",
    ),
    Function(
        name="atan", arguments=("x",), summary="inverse tangent", category=_TRIG, synonyms=("arctan",), partials=("1/(1 + x**2)",),
        range=(-pi / 2, pi / 2), monotone=1, sympy="atan", mpmath="atan", keras="atan",
    ),
    Function(
        name="atan2", arguments=("y", "x"), summary="angle of the point (x, y)", category=_TRIG, synonyms=("arctan2",),
        partials=("x/hypot(x, y)/hypot(x, y)", "-y/hypot(x, y)/hypot(x, y)"), domain=("x != 0 or y != 0",), range=(-pi, pi), sympy="atan2", mpmath="atan2",
        keras="atan2",
    ),
    # -- hyperbolic
    Function(name="sinh", arguments=("x",), summary="hyperbolic sine", category=_HYPERBOLIC, partials=("cosh(x)",), monotone=1, sympy="sinh", mpmath="sinh", keras="sinh"),
    Function(name="cosh", arguments=("x",), summary="hyperbolic cosine", category=_HYPERBOLIC, partials=("sinh(x)",), range=(1, inf), sympy="cosh", mpmath="cosh", keras="cosh"),
    Function(name="tanh", arguments=("x",), summary="hyperbolic tangent", category=_HYPERBOLIC, partials=("1/cosh(x)**2",), range=(-1, 1), monotone=1, sympy="tanh", mpmath="tanh", keras="tanh"),
    Function(
        name="sech_squared", arguments=("x",), summary="1/cosh(x)**2, without overflow", category=_HYPERBOLIC, internal=True,
        partials=("-2*tanh(x)*f",), range=(0, 1), definition="1 - tanh(x)**2", keras="sech_squared",
    ),
    Function(
        name="log_sinhc", arguments=("x",), summary="log(sinh(x)/x), without overflow and accurate near 0", category=_HYPERBOLIC, internal=True,
        partials=("langevin(x)",), range=(0, inf), definition="log(sinh(x)/x)", keras="log_sinhc",
    ),
    Function(
        name="langevin", arguments=("x",), summary="cosh(x)/sinh(x) - 1/x, without overflow and accurate near 0", category=_HYPERBOLIC, internal=True,
        partials=("where(abs(x) > 20, 1/x**2, where(x == 0, 1/3, 1 - f**2 - 2*f/x))",), range=(-1, 1), monotone=1,
        definition="cosh(x)/sinh(x) - 1/x", keras="langevin",
    ),
    Function(
        name="log_cosh", arguments=("x",), summary="log(cosh(x)), without overflow and accurate near 0", category=_HYPERBOLIC, synonyms=("logcosh",),
        partials=("tanh(x)",), range=(0, inf), definition="log(cosh(x))", keras="log_cosh",
    ),
    Function(
        name="asinh", arguments=("x",), summary="inverse hyperbolic sine", category=_HYPERBOLIC, synonyms=("arcsinh",),
        partials=("1/sqrt(x**2 + 1)",), monotone=1, sympy="asinh", mpmath="asinh", keras="asinh",
    ),
    Function(
        name="acosh", arguments=("x",), summary="inverse hyperbolic cosine", category=_HYPERBOLIC, synonyms=("arccosh",),
        partials=("1/sqrt(x**2 - 1)",), domain=("x >= 1",), range=(0, inf), monotone=1, sympy="acosh", mpmath="acosh", keras="acosh",
    ),
    Function(
        name="atanh", arguments=("x",), summary="inverse hyperbolic tangent", category=_HYPERBOLIC, synonyms=("arctanh",),
        partials=("1/(1 - x**2)",), domain=("x > -1", "x < 1"), monotone=1, sympy="atanh", mpmath="atanh", keras="atanh",
    ),
    # -- piecewise
    Function(
        name="abs", arguments=("x",), summary="absolute value", category=_PIECE, synonyms=("Abs", "fabs", "absolute"), partials=("abs_slope(x)",),
        range=(0, inf), kink="x == 0", convention="the derivative at 0 is 0", sympy="Abs", mpmath="fabs", keras="ops.abs",
    ),
    Function(
        name="sign", arguments=("x",), summary="-1, 0 or 1", category=_PIECE, synonyms=("sgn",), partials=("0",), range=(-1, 1), kink="x == 0",
        convention=_FLAT, sympy="sign", mpmath="sign", keras="ops.sign",
    ),
    Function(
        name="abs_slope", arguments=("x",), summary="sign(x) as the derivative of abs(x)", category=_PIECE, internal=True, partials=("0",),
        range=(-1, 1), kink="x == 0", convention=_FLAT, definition="sign(x)", sympy="sign", mpmath="sign", keras="ops.sign",
    ),
    Function(
        name="relu", arguments=("x",), summary="max(x, 0)", category=_PIECE, partials=("where(x > 0, 1, 0)",), range=(0, inf), kink="x == 0",
        convention="the derivative at 0 is 0", definition="where(x > 0, x, 0)", keras="ops.relu",
    ),
    Function(
        name="maximum", arguments=("x", "y"), summary="the larger of two values; written max(x, y) too", category=_PIECE, synonyms=("Max",),
        partials=("where(x >= y, 1, 0)", "where(x >= y, 0, 1)"), kink="x == y", convention="at a tie the gradient goes to x",
        definition="where(x >= y, x, y)", sympy="Max", keras="maximum",
    ),
    Function(
        name="minimum", arguments=("x", "y"), summary="the smaller of two values; written min(x, y) too", category=_PIECE, synonyms=("Min",),
        partials=("where(x <= y, 1, 0)", "where(x <= y, 0, 1)"), kink="x == y", convention="at a tie the gradient goes to x",
        definition="where(x <= y, x, y)", sympy="Min", keras="minimum",
    ),
    Function(
        name="clip", arguments=("x", "low", "high"), summary="x limited to low <= x <= high", category=_PIECE, synonyms=("clamp", "clip_by_value"),
        partials=("where(x >= low and x <= high, 1, 0)", "where(x < low and low <= high, 1, 0)", "where(x > high or low > high, 1, 0)"),
        kink="x == low or x == high", convention="at a limit the gradient goes to x", definition="minimum(maximum(x, low), high)",
        keras="clip",
    ),
    Function(
        name="heaviside", arguments=("x", "at_zero"), summary="0 below 0, 1 above, at_zero (0.5 if left out) at 0", category=_PIECE, optional=1,
        definition="where(x == 0, at_zero, x > 0)", inline=True,
    ),
    Function(
        name="floor", arguments=("x",), summary="largest integer not above x", category=_PIECE, partials=("0",), kink="x == floor(x)",
        convention=_FLAT, sympy="floor", mpmath="floor", keras="floor",
    ),
    Function(
        name="ceil", arguments=("x",), summary="smallest integer not below x", category=_PIECE, synonyms=("ceiling",), partials=("0",),
        kink="x == floor(x)", convention=_FLAT, sympy="ceiling", mpmath="ceil", keras="ceil",
    ),
    Function(
        name="round", arguments=("x",), summary="nearest integer, ties to the even one", category=_PIECE, synonyms=("rint",), partials=("0",),
        kink="x - 1/2 == floor(x)", convention=_FLAT, mpmath="nint", keras="ops.round",
    ),
)  # fmt: skip
