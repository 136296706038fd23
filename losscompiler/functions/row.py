"""What the table knows of a function: one `Function` is one row."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf


class Kind(Enum):
    """How a function treats shapes."""

    ELEMENTWISE = "elementwise"
    REDUCTION = "reduction"
    ALONG_AXIS = "along an axis"
    STRUCTURAL = "structural"


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function of the loss language.

    Texts in this row are in the loss language itself, in terms of ``arguments``, of ``f`` for the function's own value
    and, in adjoints, of ``u`` for the upstream adjoint. The compiler parses them with the same parser as a user's loss.

    Attributes:
        name: name in the language and of the graph operation.
        arguments: argument names.
        summary: one line for the reference.
        category: heading in the reference.
        kind: how shapes are treated.
        shape: name of the shape rule; by default that of the kind (operands broadcast; the axis is cut to 1; x's own shape).
        synonyms: other accepted names.
        whole: an argument that must be written as a whole number: the member of a family of functions.
        optional: how many trailing arguments may be left out (structural and inline functions only).
        partials: for elementwise functions, the partial derivative by each argument; "0" where it vanishes or is not defined.
        adjoints: for the other kinds, what flows back to each argument; "0" where nothing does.
        definition: the function in more elementary ones: exact mathematics, not a stable form.
        inline: the graph holds the definition instead of the function.
        domain: conditions on the arguments under which the value is real and finite.
        range: bounds of the value.
        monotone: +1 or -1 where the (one-argument) function rises or falls on its whole domain, 0 otherwise.
        kink: where the derivative jumps or does not exist.
        convention: the derivative that is used there, in words.
        boolean: the value is 0 or 1.
        sympy: name in SymPy; empty if the algebra makes a function class of this row.
        mpmath: name in mpmath; empty if the definition is evaluated.
        keras: the expression in emitted Keras code: a dotted name, or the name of a function of the runtime module. NumPy code
            has the same name there (``np.log`` for ``ops.log``) or the one that ``runtime/numpy_functions.py`` gives.
        internal: made by the compiler; not part of the language.
        keywords: keyword arguments of reductions and functions along an axis.
    """

    name: str
    arguments: tuple[str, ...]
    summary: str
    category: str
    kind: Kind = Kind.ELEMENTWISE
    shape: str = ""
    synonyms: tuple[str, ...] = ()
    whole: str = ""
    optional: int = 0
    partials: tuple[str, ...] = ()
    adjoints: tuple[str, ...] = ()
    definition: str = ""
    inline: bool = False
    domain: tuple[str, ...] = ()
    range: tuple[float, float] = (-inf, inf)
    monotone: int = 0
    kink: str = ""
    convention: str = ""
    boolean: bool = False
    sympy: str = ""
    mpmath: str = ""
    keras: str = ""
    internal: bool = False
    keywords: tuple[str, ...] = ()

    @property
    def arity(self) -> tuple[int, int]:
        """Smallest and largest number of positional arguments."""
        return len(self.arguments) - self.optional, len(self.arguments)
