"""Rewrite rules: identities of real analysis whose right side is accurate where the left is not.

Each rule is one object with its pattern and replacement in the loss language, the range in which it is tested against
50-digit arithmetic, and where it comes from. They are tried in order, at every node, operands first.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One identity.

    Attributes:
        name: what ``explain`` calls it.
        pattern: text in which ``x`` stands for any subexpression.
        replacement: text of the same value.
        low, high: range of ``x`` over which a test proves the identity to 50 digits.
        source: where the form comes from.
    """

    name: str
    pattern: str
    replacement: str
    low: float
    high: float
    source: str


_SOFTPLUS = "Dugas et al. 2001; log(1 + exp(x)) overflows for x > 88 in float32"
_LOGISTIC = "1 - sigmoid(x) cancels for x > 16 in float32"
_KAHAN = "Kahan 1987: log1p and expm1 keep the digits that 1 + x loses"
_CONJUGATE = "multiplication by the conjugate; the difference cancels near 0"
_SHIFT = "Blanchard, Higham & Higham 2021, Accurately computing the log-sum-exp and softmax functions"

RULES: tuple[Rule, ...] = (
    Rule("sigmoid of the opposite", "1 - sigmoid(x)", "sigmoid(-x)", -80, 80, _LOGISTIC),
    Rule("log of sigmoid", "log(sigmoid(x))", "log_sigmoid(x)", -80, 80, _SOFTPLUS),
    Rule("softplus", "log(1 + exp(x))", "softplus(x)", -80, 80, _SOFTPLUS),
    Rule("softplus, terms exchanged", "log(exp(x) + 1)", "softplus(x)", -80, 80, _SOFTPLUS),
    Rule("softplus of the opposite", "log1p(exp(x))", "softplus(x)", -80, 80, _SOFTPLUS),
    Rule("logistic", "1/(1 + exp(-x))", "sigmoid(x)", -80, 80, "exp(-x) overflows for x < -88 in float32"),
    Rule("logistic, terms exchanged", "1/(exp(-x) + 1)", "sigmoid(x)", -80, 80, "exp(-x) overflows for x < -88 in float32"),
    Rule("exp of log of sigmoid", "exp(log_sigmoid(x))", "sigmoid(x)", -80, 80, _LOGISTIC),
    Rule("exp of minus softplus", "exp(-softplus(x))", "sigmoid(-x)", -80, 80, _LOGISTIC),
    Rule("log1p", "log(1 + x)", "log1p(x)", -0.999, 1e9, _KAHAN),
    Rule("log1p, terms exchanged", "log(x + 1)", "log1p(x)", -0.999, 1e9, _KAHAN),
    Rule("log1p of a difference", "log(1 - x)", "log1p(-x)", -1e9, 0.999, _KAHAN),
    Rule("expm1", "exp(x) - 1", "expm1(x)", -80, 80, _KAHAN),
    Rule("expm1 of the opposite sign", "1 - exp(x)", "-expm1(x)", -80, 80, _KAHAN),
    Rule("log of 1 - exp", "log(-expm1(x))", "log1mexp(x)", -80, -1e-9, "Maechler 2012, Accurately computing log(1 - exp(-|a|))"),
    Rule("log of 1 - exp by log1p", "log1p(-exp(x))", "log1mexp(x)", -80, -1e-9, "Maechler 2012, as before"),
    Rule("root of a square", "sqrt(x**2)", "abs(x)", -1e9, 1e9, "the derivative of the left side is 0/0 at 0"),
    Rule("root of a sum of squares", "sqrt(sum(x**2))", "norm(x)", -1e9, 1e9, "the derivative of the left side is 0/0 at 0"),
    Rule("root less 1", "sqrt(1 + x) - 1", "x/(1 + sqrt(1 + x))", -0.999, 1e9, _CONJUGATE),
    Rule("root less 1, terms exchanged", "sqrt(x + 1) - 1", "x/(1 + sqrt(1 + x))", -0.999, 1e9, _CONJUGATE),
    Rule("1 - cos", "1 - cos(x)", "2*sin(x/2)**2", -30, 30, "half-angle formula; 1 - cos(x) cancels near 0"),
    Rule("log cosh", "log(cosh(x))", "log_cosh(x)", -80, 80, "cosh(x) overflows for |x| > 89 in float32, and is 1 near 0"),
    Rule("log of softmax", "log(softmax(x))", "log_softmax(x)", -80, 80, _SHIFT),
    Rule("log of a sum of exponentials", "log(sum(exp(x)))", "logsumexp(x)", -80, 80, _SHIFT),
)

LOWERING: tuple[Rule, ...] = (
    Rule("square root", "x**(1/2)", "sqrt(x)", 0, 1e9, "pow costs several times what sqrt does"),
    Rule("inverse square root", "x**(-1/2)", "1/sqrt(x)", 1e-9, 1e9, "pow costs several times what sqrt does"),
    Rule("power 3/2", "x**(3/2)", "x*sqrt(x)", 0, 1e9, "pow costs several times what sqrt does"),
    Rule("reciprocal", "x**(-1)", "1/x", 1e-9, 1e9, "pow costs many times what a division does"),
    Rule("inverse square", "x**(-2)", "1/x**2", 1e-9, 1e9, "pow costs many times what a division does"),
    Rule("cube", "x**3", "x*x**2", -1e9, 1e9, "pow costs many times what products do"),
    Rule("fourth power", "x**4", "(x**2)**2", -1e9, 1e9, "pow costs many times what products do"),
)
"""Cheaper forms of equal accuracy, applied to value and gradients after derivation."""
