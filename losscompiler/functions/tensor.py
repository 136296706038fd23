"""Rows of the functions that look along axes: reductions, the softmax family, selections and matrices."""

from __future__ import annotations

from math import inf

from losscompiler.functions.row import Function, Kind

_REDUCE, _ALONG, _SELECT, _MATRIX = "Reductions", "Along an axis", "Selection", "Matrices"
_AXIS, _MASKED = ("axis",), ("axis", "where")

TENSOR: tuple[Function, ...] = (
    # -- reductions: the axis stays, with length 1
    Function(
        name="sum", arguments=("x",), summary="sum", category=_REDUCE, kind=Kind.REDUCTION, keywords=(*_MASKED, "weights"), adjoints=("u",), keras="ops.sum",
    ),
    Function(
        name="mean", arguments=("x",), summary="arithmetic mean, weighted with weights=", category=_REDUCE, kind=Kind.REDUCTION,
        keywords=(*_MASKED, "weights"), synonyms=("average",), adjoints=("u/count(x)",), keras="mean",
    ),
    Function(
        name="prod", arguments=("x",), summary="product", category=_REDUCE, kind=Kind.REDUCTION, keywords=_MASKED, adjoints=("u*products_of_others(x)",),
        keras="prod",
    ),
    Function(
        name="max", arguments=("x",), summary="largest element; with two or more arguments elementwise", category=_REDUCE, kind=Kind.REDUCTION,
        keywords=_MASKED, synonyms=("amax",), adjoints=("u*(x == f)/sum(x == f)",), kink="ties", convention="ties share the gradient equally", keras="ops.max",
    ),
    Function(
        name="min", arguments=("x",), summary="smallest element; with two or more arguments elementwise", category=_REDUCE, kind=Kind.REDUCTION,
        keywords=_MASKED, synonyms=("amin",), adjoints=("u*(x == f)/sum(x == f)",), kink="ties", convention="ties share the gradient equally", keras="ops.min",
    ),
    Function(
        name="any", arguments=("x",), summary="1 where any element is not 0", category=_REDUCE, kind=Kind.REDUCTION, keywords=_AXIS, boolean=True,
        range=(0, 1), adjoints=("0",), keras="ops.any",
    ),
    Function(
        name="all", arguments=("x",), summary="1 where no element is 0", category=_REDUCE, kind=Kind.REDUCTION, keywords=_AXIS, boolean=True,
        range=(0, 1), adjoints=("0",), keras="ops.all",
    ),
    Function(
        name="count", arguments=("x",), summary="number of elements, the same for every row; with where= of those selected", category=_REDUCE,
        kind=Kind.REDUCTION, shape="number",
        keywords=_MASKED, synonyms=("size", "shape"), range=(0, inf), adjoints=("0",), keras="count",
    ),
    Function(
        name="logsumexp", arguments=("x",), summary="log(sum(exp(x))), without overflow; a row of -inf gives -inf and no gradient", category=_REDUCE,
        kind=Kind.REDUCTION, keywords=_MASKED, adjoints=("u*exp_difference(x, f)",), definition="log(sum(exp(x)))", keras="logsumexp",
    ),
    Function(
        name="norm", arguments=("x",), summary="Euclidean norm", category=_REDUCE, kind=Kind.REDUCTION, keywords=_MASKED, range=(0, inf),
        adjoints=("where(f > 0, u*x/f, 0)",), definition="sqrt(sum(x**2))", kink="x == 0", convention="the derivative at 0 is 0", keras="norm",
    ),
    Function(name="var", arguments=("x",), summary="variance of the population", category=_REDUCE, kind=Kind.REDUCTION, keywords=(*_MASKED, "weights"), definition="mean((x - mean(x))**2)", inline=True),
    Function(name="std", arguments=("x",), summary="standard deviation of the population", category=_REDUCE, kind=Kind.REDUCTION, keywords=(*_MASKED, "weights"), definition="norm(x - mean(x))/sqrt(count(x))", inline=True),
    Function(name="dot", arguments=("x", "y"), summary="sum of products", category=_REDUCE, kind=Kind.REDUCTION, keywords=_MASKED, definition="sum(x*y)", inline=True),
    # -- along an axis: the shape stays
    Function(
        name="softmax", arguments=("x",), summary="exp(x)/sum(exp(x)), without overflow", category=_ALONG, kind=Kind.ALONG_AXIS, keywords=_MASKED,
        range=(0, 1), adjoints=("softmax_adjoint(u, f)",), definition="exp(x)/sum(exp(x))", keras="softmax",
    ),
    Function(
        name="log_softmax", arguments=("x",), summary="x - logsumexp(x)", category=_ALONG, kind=Kind.ALONG_AXIS, keywords=_MASKED, range=(-inf, 0),
        synonyms=("logsoftmax",), adjoints=("log_softmax_adjoint(u, softmax(x))",), definition="x - logsumexp(x)", keras="log_softmax",
    ),
    Function(name="normalize", arguments=("x",), summary="x divided by its Euclidean norm, at least 1e-12", category=_ALONG, kind=Kind.ALONG_AXIS, keywords=_AXIS, synonyms=("l2_normalize",), definition="x/maximum(norm(x), 1e-12)", inline=True),
    Function(
        name="cumsum", arguments=("x",), summary="running sum", category=_ALONG, kind=Kind.ALONG_AXIS, keywords=_AXIS,
        adjoints=("flip(cumsum(flip(u)))",), keras="cumsum",
    ),
    Function(
        name="logcumsumexp", arguments=("x",), summary="running logsumexp", category=_ALONG, kind=Kind.ALONG_AXIS, keywords=_AXIS,
        adjoints=("logcumsumexp_adjoint(u, x, f)",), keras="logcumsumexp",
    ),
    Function(
        name="flip", arguments=("x",), summary="elements in reverse order", category=_ALONG, kind=Kind.ALONG_AXIS, keywords=_AXIS,
        adjoints=("flip(u)",), keras="ops.flip",
    ),
    Function(
        name="sort", arguments=("x",), summary="elements in ascending order", category=_ALONG, kind=Kind.ALONG_AXIS, keywords=_AXIS,
        adjoints=("sort_adjoint(u, x)",), kink="ties", convention="ties keep their order", keras="ops.sort",
    ),
    Function(
        name="argmax", arguments=("x",), summary="position of the largest element, the first of several", category=_REDUCE, kind=Kind.REDUCTION, keywords=_AXIS,
        adjoints=("0",), range=(0, inf), keras="argmax",
    ),
    Function(
        name="argmin", arguments=("x",), summary="position of the smallest element, the first of several", category=_REDUCE, kind=Kind.REDUCTION, keywords=_AXIS,
        adjoints=("0",), range=(0, inf), keras="argmin",
    ),
    # -- selection
    Function(
        name="select", arguments=("x",), summary="x[0]: one element of the last axis, which keeps length 1", category=_SELECT, kind=Kind.STRUCTURAL, shape="select", internal=True,
        adjoints=("unselect(u, x)",), keras="select",
    ),
    Function(
        name="range", arguments=("x",), summary="x[1:]: consecutive elements of the last axis", category=_SELECT, kind=Kind.STRUCTURAL, shape="range", internal=True,
        adjoints=("unselect(u, x)",), keras="range",
    ),
    Function(
        name="gather", arguments=("x", "i"), summary="p[y]: the elements of the last axis at integer positions; w[y] looks a vector up", category=_SELECT,
        kind=Kind.STRUCTURAL, shape="gather", internal=True, adjoints=("gather_adjoint(u, x, i)", "0"), keras="gather",
    ),
    Function(
        name="one_hot", arguments=("y", "n"), summary="1 at position y of n, else 0; replaces a trailing axis of length 1", category=_SELECT,
        kind=Kind.STRUCTURAL, shape="one_hot", adjoints=("0", "0"), range=(0, 1), keras="one_hot",
    ),
    Function(name="concat", arguments=("a", "b"), summary="a and b, one after the other along the last axis", category=_SELECT, kind=Kind.STRUCTURAL, shape="concat", synonyms=("concatenate",), adjoints=("unconcat_first(u, a)", "unconcat_last(u, b)"), keras="concat"),
    Function(name="diff", arguments=("x",), summary="differences of neighbours along the last axis", category=_SELECT, kind=Kind.STRUCTURAL, definition="x[1:] - x[:-1]", inline=True),
    Function(name="arange", arguments=("n",), summary="0, 1, ..., n - 1 along the last axis; n is a number, or count(x)", category=_SELECT, kind=Kind.STRUCTURAL, shape="arange", adjoints=("0",), range=(0, inf), keras="arange"),
    # -- matrices
    Function(name="matmul", arguments=("a", "b"), summary="a @ b: matrix product over the last two axes", category=_MATRIX, kind=Kind.STRUCTURAL, shape="matmul", adjoints=("u @ transpose(b)", "transpose(a) @ u"), keras="ops.matmul"),
    Function(name="transpose", arguments=("x",), summary="last two axes exchanged", category=_MATRIX, kind=Kind.STRUCTURAL, shape="transpose", adjoints=("transpose(u)",), keras="transpose"),
    Function(name="diag", arguments=("x",), summary="diagonal of the last two axes, as a column (length-1 last axis)", category=_MATRIX, kind=Kind.STRUCTURAL, shape="diag", adjoints=("where(eye_like(x) == 1, u, 0)",), keras="diag"),
    Function(name="eye_like", arguments=("x",), summary="1 on the diagonal of the last two axes, else 0", category=_MATRIX, kind=Kind.STRUCTURAL, shape="square_like", adjoints=("0",), range=(0, 1), keras="eye_like"),
    Function(name="triu", arguments=("x",), summary="x on and above the diagonal of the last two axes, else 0", category=_MATRIX, kind=Kind.STRUCTURAL, shape="square_like", adjoints=("triu(u)",), keras="triu"),
    Function(name="tril", arguments=("x",), summary="x on and below the diagonal of the last two axes, else 0", category=_MATRIX, kind=Kind.STRUCTURAL, shape="square_like", adjoints=("tril(u)",), keras="tril"),
    Function(name="softmax_complement", arguments=("x",), summary="1 - softmax(x), also where one element dominates", category=_ALONG, kind=Kind.ALONG_AXIS, internal=True, keywords=_AXIS, range=(0, 1), adjoints=("-softmax_adjoint(u, softmax(x))",), definition="1 - softmax(x)", keras="softmax_complement"),
    Function(name="softmax_residual", arguments=("x", "y"), summary="y - softmax(x), also where y is 1 and one element dominates", category=_ALONG, kind=Kind.ALONG_AXIS, internal=True, keywords=_AXIS, adjoints=("-softmax_adjoint(sum_to(u, x), softmax(x))", "sum_to(u, y)"), definition="y - softmax(x)", keras="softmax_residual"),
    Function(name="log_softmax_complement", arguments=("x",), summary="log(1 - softmax(x)), without underflow", category=_ALONG, kind=Kind.ALONG_AXIS, internal=True, keywords=_AXIS, range=(-inf, 0), adjoints=("log_softmax_complement_adjoint(u, x)",), definition="log(1 - softmax(x))", keras="log_softmax_complement"),
    Function(name="scaled_logsumexp", arguments=("x", "k"), summary="logsumexp(k*x)/k", category=_ALONG, kind=Kind.REDUCTION, internal=True, keywords=_AXIS, adjoints=("u*softmax(k*x)", "u*sum(softmax(k*x)*log_softmax(k*x))/k**2"), definition="logsumexp(k*x)/k", keras="scaled_logsumexp"),
    Function(name="weighted_logsumexp", arguments=("x", "w"), summary="log(sum(w*exp(x))), without overflow", category=_ALONG, kind=Kind.REDUCTION, internal=True, keywords=_AXIS, adjoints=("where(w == 0, 0, u*w*exp_difference(x, f))", "u*exp_difference(x, f)"), definition="log(sum(w*exp(x)))", keras="weighted_logsumexp"),
    Function(name="unit_vector", arguments=("x",), summary="x/norm(x)", category=_ALONG, kind=Kind.ALONG_AXIS, internal=True, keywords=_AXIS, range=(-1, 1), adjoints=("(u - f*sum(u*f))/norm(x)",), definition="x/norm(x)", keras="unit_vector"),
    # -- made by the compiler
    Function(name="vector", arguments=(), summary="a vector literal along the last axis", category=_SELECT, kind=Kind.STRUCTURAL, shape="vector", internal=True, keras="vector"),
    Function(name="sum_to", arguments=("x", "like"), summary="x summed over the axes along which like was broadcast", category=_REDUCE, kind=Kind.STRUCTURAL, shape="like", internal=True, adjoints=("broadcast_to(u, x)", "0"), keras="sum_to"),
    Function(name="any_to", arguments=("x", "like"), summary="whether a condition holds anywhere along the axes along which like was broadcast", category=_REDUCE, kind=Kind.STRUCTURAL, shape="like", internal=True, boolean=True, adjoints=("0", "0"), keras="any_to"),
    Function(name="broadcast_to", arguments=("x", "like"), summary="x broadcast to the shape of like", category=_REDUCE, kind=Kind.STRUCTURAL, shape="like", internal=True, adjoints=("sum_to(u, x)", "0"), keras="broadcast_to"),
    Function(name="products_of_others", arguments=("x",), summary="for each element the product of the others", category=_REDUCE, kind=Kind.ALONG_AXIS, internal=True, keywords=_AXIS, keras="products_of_others"),
    Function(name="softmax_adjoint", arguments=("g", "s"), summary="adjoint of softmax(x) = s, also where one element dominates", category=_ALONG, kind=Kind.ALONG_AXIS, internal=True, keywords=_AXIS, definition="s*(g - sum(g*s))", keras="softmax_adjoint"),
    Function(name="log_softmax_adjoint", arguments=("g", "s"), summary="adjoint of log_softmax(x) at softmax(x) = s, also where one element dominates", category=_ALONG, kind=Kind.ALONG_AXIS, internal=True, keywords=_AXIS, definition="g - s*sum(g)", keras="log_softmax_adjoint"),
    Function(name="log_softmax_complement_adjoint", arguments=("g", "x"), summary="adjoint of log_softmax_complement", category=_ALONG, kind=Kind.ALONG_AXIS, internal=True, keywords=_AXIS, definition="softmax(x)*sum(g*softmax(x)/(1 - softmax(x))) - g*softmax(x)/(1 - softmax(x))", keras="log_softmax_complement_adjoint"),
    Function(name="logcumsumexp_adjoint", arguments=("u", "x", "f"), summary="adjoint of logcumsumexp", category=_ALONG, kind=Kind.ALONG_AXIS, internal=True, keywords=_AXIS, keras="logcumsumexp_adjoint"),
    Function(name="sort_adjoint", arguments=("u", "x"), summary="u in the order of the unsorted x", category=_ALONG, kind=Kind.ALONG_AXIS, internal=True, keywords=_AXIS, keras="sort_adjoint"),
    Function(name="unselect", arguments=("u", "x"), summary="u at the selected positions of the last axis of x, else 0", category=_SELECT, kind=Kind.STRUCTURAL, shape="like", internal=True, keras="unselect"),
    Function(name="gather_adjoint", arguments=("u", "x", "i"), summary="u added up at positions i of the last axis of x", category=_SELECT, kind=Kind.STRUCTURAL, shape="like", internal=True, keras="gather_adjoint"),
    Function(name="unconcat_first", arguments=("u", "a"), summary="the first elements of u, as many as a has", category=_SELECT, kind=Kind.STRUCTURAL, shape="like", internal=True, keras="unconcat_first"),
    Function(name="unconcat_last", arguments=("u", "b"), summary="the last elements of u, as many as b has", category=_SELECT, kind=Kind.STRUCTURAL, shape="like", internal=True, keras="unconcat_last"),
)  # fmt: skip
