"""Rows of the special functions: logistic, error, gamma and Bessel families."""

from __future__ import annotations

from math import inf

from losscompiler.functions.row import Function

_LOGISTIC, _ERROR, _GAMMA, _BESSEL = "Logistic functions", "Error functions", "Gamma functions", "Bessel functions"

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
        monotone=1, sympy="erfinv", mpmath="erfinv", keras="ops.erfinv",
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
        name="polygamma", arguments=("n", "x"), summary="n-th derivative of digamma; n is a number", category=_GAMMA,
        partials=("0", "polygamma(n + 1, x)"), domain=("x > 0",), sympy="polygamma", mpmath="polygamma", keras="polygamma",
    ),
    Function(
        name="lbeta", arguments=("x", "y"), summary="logarithm of the beta function", category=_GAMMA, synonyms=("betaln", "log_beta"),
        definition="lgamma(x) + lgamma(y) - lgamma(x + y)", inline=True,
    ),
    Function(
        name="beta", arguments=("x", "y"), summary="beta function", category=_GAMMA, definition="exp(lgamma(x) + lgamma(y) - lgamma(x + y))",
        inline=True,
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
)  # fmt: skip
