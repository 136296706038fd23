"""Rows of the special functions: logistic, error, gamma and Bessel families."""

from __future__ import annotations

from math import inf

from losscompiler.functions.row import Function

_LOGISTIC, _ERROR, _GAMMA, _BESSEL, _MOMENT = (
    "Logistic functions", "Error functions", "Gamma functions", "Bessel functions", "Integrals in place of quotients that are 0/0 at a point",
)  # fmt: skip

SPECIAL: tuple[Function, ...] = (
    # -- logistic
    Function(
        name="sigmoid", arguments=("x",), summary="1/(1 + exp(-x))", category=_LOGISTIC, synonyms=("expit", "logistic"),
        partials=("sigmoid(x)*sigmoid(-x)",), range=(0, 1), monotone=1, definition="1/(1 + exp(-x))", keras="ops.sigmoid",
    ),
    Function(
        name="log_sigmoid", arguments=("x",), summary="log(sigmoid(x)), without underflow", category=_LOGISTIC,
        synonyms=("logsigmoid", "log_expit"), partials=("sigmoid(-x)",), range=(-inf, 0), monotone=1, definition="-log(1 + exp(-x))",
        keras="ops.log_sigmoid",
    ),
    Function(
        name="softplus", arguments=("x",), summary="log(1 + exp(x)), without overflow", category=_LOGISTIC, partials=("sigmoid(x)",),
        range=(0, inf), monotone=1, definition="log(1 + exp(x))", keras="ops.softplus",
    ),
    Function(name="logit", arguments=("x",), summary="log(x/(1 - x))", category=_LOGISTIC, definition="log(x) - log1p(-x)", inline=True),
    Function(
        name="log_softplus", arguments=("x",), summary="log(softplus(x)), without underflow", category=_LOGISTIC, internal=True,
        partials=("exp(log_sigmoid(x) - f)",), monotone=1, definition="log(log(1 + exp(x)))", keras="log_softplus",
    ),
    Function(
        name="log_logit_inflated", arguments=("q", "x"), summary="log(sigmoid(q) + sigmoid(-q)*exp(x)) for x < 0, accurate near 0", category=_LOGISTIC,
        internal=True, partials=("-expm1(x)*sigmoid(q - x)*sigmoid(-q)", "sigmoid(x - q)"), domain=("x < 0",),
        range=(-inf, 0), definition="log(sigmoid(q) + sigmoid(-q)*exp(x))", keras="log_logit_inflated",
    ),
    Function(
        name="logistic_entropy", arguments=("x",), summary="entropy of a coin with logit x, in nats, accurate far from 0", category=_LOGISTIC, internal=True,
        partials=("-x*sigmoid(x)*sigmoid(-x)",), range=(0, inf), definition="softplus(x) - x*sigmoid(x)", keras="logistic_entropy",
    ),
    Function(
        name="sigmoid_difference", arguments=("x", "y"), summary="sigmoid(y) - sigmoid(x), accurate where both are close to 1", category=_LOGISTIC,
        internal=True, partials=("-sigmoid(x)*sigmoid(-x)", "sigmoid(y)*sigmoid(-y)"), range=(-1, 1), definition="sigmoid(y) - sigmoid(x)",
        keras="sigmoid_difference",
    ),
    # -- error functions
    Function(
        name="erf", arguments=("x",), summary="error function", category=_ERROR, partials=("2/sqrt(pi)*exp(-x**2)",), range=(-1, 1),
        monotone=1, sympy="erf", mpmath="erf", keras="ops.erf",
    ),
    Function(
        name="erfc", arguments=("x",), summary="1 - erf(x), without cancellation", category=_ERROR, partials=("-2/sqrt(pi)*exp(-x**2)",),
        range=(0, 2), monotone=-1, definition="1 - erf(x)", mpmath="erfc", keras="erfc",
    ),
    Function(
        name="erfinv", arguments=("x",), summary="inverse of erf", category=_ERROR, partials=("sqrt(pi)/2*exp(f**2)",), domain=("x > -1", "x < 1"),
        monotone=1, sympy="erfinv", mpmath="erfinv", keras="erfinv",
    ),
    Function(
        name="erfcx", arguments=("x",), summary="exp(x**2)*erfc(x), without underflow", category=_ERROR, partials=("2*x*f - 2/sqrt(pi)",),
        range=(0, inf), monotone=-1, definition="exp(x**2)*erfc(x)", keras="erfcx",
    ),
    Function(
        name="ndtr", arguments=("x",), summary="standard normal distribution function", category=_ERROR, synonyms=("norm_cdf",),
        partials=("exp(-x**2/2)/sqrt(2*pi)",), range=(0, 1), monotone=1, definition="erfc(-x/sqrt(2))/2", keras="ndtr",
    ),
    Function(
        name="log_ndtr", arguments=("x",), summary="log(ndtr(x)), without underflow", category=_ERROR,
        partials=("sqrt(2/pi)/erfcx(-x/sqrt(2))",), range=(-inf, 0), monotone=1, definition="log(erfc(-x/sqrt(2))/2)", keras="log_ndtr",
    ),
    Function(
        name="log_ndtr_and_square", arguments=("x", "u", "w"), category=_ERROR, internal=True, keras="log_ndtr_and_square",
        summary="log(ndtr(x)) + w, where w is (x**2 - u**2)/2, which cancels in the lower tail",
        partials=("where(x < 0, scaled_ndtr_slope(x), sqrt(2/pi)/erfcx(-x/sqrt(2)))", "where(x < 0, -u, 0)", "where(x < 0, 0, 1)"),
        definition="where(x < 0, log_ndtr(x) + x**2/2 - u**2/2, log_ndtr(x) + w)",
    ),
    Function(
        name="scaled_ndtr_slope", arguments=("x",), summary="derivative of log(ndtr(x)) + x**2/2, which is about -1/x in the lower tail",
        category=_ERROR, internal=True, partials=("1 - f*(f - x)",), range=(0, inf), monotone=1,
        definition="x + sqrt(2/pi)/erfcx(-x/sqrt(2))", keras="scaled_ndtr_slope",
    ),
    Function(
        name="ndtr_difference", arguments=("x", "y"), summary="ndtr(y) - ndtr(x), accurate where both are close to 1", category=_ERROR, internal=True,
        partials=("-exp(-x**2/2)/sqrt(2*pi)", "exp(-y**2/2)/sqrt(2*pi)"), range=(-1, 1), definition="ndtr(y) - ndtr(x)", keras="ndtr_difference",
    ),
    Function(
        name="log_ndtr_difference", arguments=("x", "y"), summary="log(ndtr(y) - ndtr(x)) for x < y, without underflow", category=_ERROR, internal=True,
        partials=("-exp(-x**2/2 - f)/sqrt(2*pi)", "exp(-y**2/2 - f)/sqrt(2*pi)"), domain=("x < y",), range=(-inf, 0),
        definition="log(ndtr(y) - ndtr(x))", keras="log_ndtr_difference",
    ),
    Function(
        name="log_expected_improvement", arguments=("x", "s"), category=_ERROR, internal=True, keras="log_expected_improvement",
        summary="log(x*ndtr(x/s) + s*exp(-(x/s)**2/2)/sqrt(2*pi)) for s > 0, without underflow", domain=("s > 0",),
        partials=("ndtr_in_improvement(x/s)/s", "density_in_improvement(x/s)/s"), definition="log(x*ndtr(x/s) + s*exp(-(x/s)**2/2)/sqrt(2*pi))",
    ),
    Function(
        name="ndtr_in_improvement", arguments=("x",), category=_ERROR, internal=True,
        partials=("where(x < 0, 1 - f*improvement_gap(x), density_in_improvement(x) - f**2)",),
        summary="ndtr(x)/(x*ndtr(x) + exp(-x**2/2)/sqrt(2*pi)), without underflow", keras="ndtr_in_improvement", range=(0, inf),
        definition="ndtr(x)/(x*ndtr(x) + exp(-x**2/2)/sqrt(2*pi))",
    ),
    Function(
        name="density_in_improvement", arguments=("x",), category=_ERROR, internal=True, partials=("-f*improvement_gap(x)",),
        summary="exp(-x**2/2)/sqrt(2*pi)/(x*ndtr(x) + exp(-x**2/2)/sqrt(2*pi)), without underflow", keras="density_in_improvement", range=(0, inf),
        definition="exp(-x**2/2)/sqrt(2*pi)/(x*ndtr(x) + exp(-x**2/2)/sqrt(2*pi))",
    ),
    Function(
        name="improvement_gap", arguments=("x",), category=_ERROR, internal=True, partials=("2 - f*ndtr_in_improvement(x)",), range=(0, inf),
        summary="x + ndtr(x)/(x*ndtr(x) + exp(-x**2/2)/sqrt(2*pi)), also for large negative x", keras="improvement_gap",
        definition="x + ndtr(x)/(x*ndtr(x) + exp(-x**2/2)/sqrt(2*pi))",
    ),
    # -- gamma family
    Function(
        name="lgamma", arguments=("x",), summary="logarithm of the gamma function", category=_GAMMA,
        synonyms=("gammaln", "loggamma", "log_gamma"), partials=("digamma(x)",), domain=("x > 0",), sympy="loggamma", mpmath="loggamma",
        keras="lgamma",
    ),
    Function(
        name="digamma", arguments=("x",), summary="derivative of lgamma", category=_GAMMA, synonyms=("psi",), partials=("polygamma(1, x)",),
        domain=("x > 0",), monotone=1, mpmath="digamma", keras="digamma",
    ),
    Function(
        name="polygamma", arguments=("n", "x"), summary="n-th derivative of digamma; n is a number", category=_GAMMA, whole="n",
        partials=("0", "polygamma(n + 1, x)"), domain=("x > 0",), sympy="polygamma", mpmath="polygamma", keras="polygamma",
    ),
    Function(
        name="lbeta", arguments=("x", "y"), summary="logarithm of the beta function", category=_GAMMA, synonyms=("betaln", "log_beta"),
        partials=("-polygamma_difference(0, x, y)", "-polygamma_difference(0, y, x)"), domain=("x > 0", "y > 0"),
        definition="lgamma(x) + lgamma(y) - lgamma(x + y)", keras="lbeta",
    ),
    Function(
        name="beta", arguments=("x", "y"), summary="beta function", category=_GAMMA,
        partials=("-f*polygamma_difference(0, x, y)", "-f*polygamma_difference(0, y, x)"), domain=("x > 0", "y > 0"), range=(0, inf),
        definition="exp(lgamma(x) + lgamma(y) - lgamma(x + y))", keras="beta",
    ),
    Function(
        name="lgamma_difference", arguments=("x", "d"), summary="lgamma(x + d) - lgamma(x), also for small d and large x", category=_GAMMA,
        partials=("polygamma_difference(0, x, d)", "digamma(x + d)"), domain=("x > 0", "d > -x"),
        definition="lgamma(x + d) - lgamma(x)", keras="lgamma_difference",
    ),
    Function(
        name="polygamma_difference", arguments=("n", "x", "d"), summary="polygamma(n, x + d) - polygamma(n, x), also for small d and large x",
        category=_GAMMA, whole="n", partials=("0", "polygamma_difference(n + 1, x, d)", "polygamma(n + 1, x + d)"),
        domain=("x > 0", "d > -x"), keras="polygamma_difference",
    ),
    Function(
        name="binet", arguments=("k", "x"), category=_GAMMA, whole="k", partials=("0", "binet(k + 1, x)"), domain=("x > 0",), keras="binet",
        summary="k-th derivative of lgamma(x) - ((x - 1/2)*log(x) - x + log(2*pi)/2), what Stirling's formula leaves out; k is a number",
    ),
    Function(
        name="inverse_binet", arguments=("k", "x"), category=_GAMMA, whole="k", partials=("0", "inverse_binet(k + 1, x)"), domain=("x > 0",),
        summary="k-th derivative of binet(0, 1/x), also at x = 0, where Stirling's formula is exact; k is a number", keras="inverse_binet",
        internal=True,
    ),
    # -- Bessel
    Function(
        name="i0", arguments=("x",), summary="modified Bessel function of order 0", category=_BESSEL, partials=("i1(x)",), range=(1, inf),
        mpmath="i0", keras="i0",
    ),
    Function(
        name="i1", arguments=("x",), summary="modified Bessel function of order 1", category=_BESSEL,
        partials=("where(x == 0, 1/2, i0(x) - f/x)",), monotone=1, mpmath="i1", keras="i1",
    ),
    Function(
        name="i0e", arguments=("x",), summary="exp(-abs(x))*i0(x), without overflow", category=_BESSEL, partials=("i1e(x) - sign(x)*f",),
        range=(0, 1), definition="exp(-abs(x))*i0(x)", keras="i0e",
    ),
    Function(
        name="i1e", arguments=("x",), summary="exp(-abs(x))*i1(x), without overflow", category=_BESSEL,
        partials=("where(x == 0, 1/2, i0e(x) - f*(sign(x) + 1/x))",), range=(-1, 1), definition="exp(-abs(x))*i1(x)", keras="i1e",
    ),
    Function(
        name="log_i0", arguments=("x",), summary="log(i0(x)), without overflow", category=_BESSEL, partials=("i1e(x)/i0e(x)",), range=(0, inf),
        definition="log(i0(x))", keras="log_i0",
    ),
    Function(
        name="log_i0e", arguments=("x",), summary="log(i0(x)) - x, also for large x", category=_BESSEL, internal=True,
        partials=("-bessel_ratio_complement(x)",), monotone=-1, definition="log(i0e(x)) + abs(x) - x", keras="log_i0e",
    ),
    Function(
        name="bessel_ratio", arguments=("x",), summary="i1(x)/i0(x), without overflow", category=_BESSEL,
        partials=("where(x == 0, 1/2, bessel_ratio_complement(x)*(1 + f) - f/x)",), range=(-1, 1), monotone=1, definition="i1e(x)/i0e(x)",
        keras="bessel_ratio",
    ),
    Function(
        name="bessel_ratio_complement", arguments=("x",), summary="1 - i1(x)/i0(x), also for large x", category=_BESSEL,
        partials=("where(x == 0, -1/2, (1 - f)/x - f*(2 - f))",), range=(0, 2), monotone=-1, definition="1 - i1e(x)/i0e(x)",
        keras="bessel_ratio_complement",
    ),
    # -- integrals in place of quotients
    Function(
        name="exp_moment", arguments=("k", "x"), category=_MOMENT, whole="k", partials=("0", "exp_moment(k + 1, x)"), range=(0, inf), keras="exp_moment",
        summary="integral of t**k*exp(t*x) over 0 < t < 1, for k = 0 (exp(x) - 1)/x; k is a number",
    ),
    Function(
        name="log1p_moment", arguments=("k", "x"), category=_MOMENT, whole="k", partials=("0", "-(k + 1)*log1p_moment(k + 1, x)"), domain=("x > -1",),
        range=(0, inf), keras="log1p_moment", summary="integral of t**k/(1 + t*x)**(k + 1) over 0 < t < 1, for k = 0 log1p(x)/x; k is a number",
    ),
    Function(
        name="reciprocal_mean", arguments=("x",), summary="mean of 1/t between 1 and x: log(x)/(x - 1), and 1 at x = 1", category=_MOMENT,
        internal=True, partials=("where(x < 1/2, (1/x - f)/(x - 1), -log1p_moment(1, x - 1))",), domain=("x > 0",), range=(0, inf), monotone=-1,
        definition="where(x == 1, 1, log(x)/(x - 1))", keras="reciprocal_mean",
    ),
    Function(
        name="asinh_moment", arguments=("k", "x"), category=_MOMENT, whole="k", partials=("0", "-(2*k + 1)*x*asinh_moment(k + 1, x)"), range=(0, 1),
        keras="asinh_moment", summary="integral of t**(2*k)/(1 + t**2*x**2)**(k + 1/2) over 0 < t < 1, for k = 0 asinh(x)/x; k is a number",
    ),
    Function(
        name="expm1mx", arguments=("x",), summary="exp(x) - 1 - x, also near 0", category=_MOMENT, partials=("expm1(x)",), range=(0, inf),
        definition="exp(x) - 1 - x", keras="expm1mx",
    ),
    Function(
        name="log1pmx", arguments=("x",), summary="log(1 + x) - x, also near 0", category=_MOMENT, partials=("-x/(1 + x)",), domain=("x > -1",),
        range=(-inf, 0), definition="log(1 + x) - x", keras="log1pmx",
    ),
)  # fmt: skip
