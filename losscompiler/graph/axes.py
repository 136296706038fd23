"""What is known of a value's shape before any data has come.

Ranks and lengths of data are known only when data comes, but which values share a shape is known from the text. An
`Axes` is a set of atoms; an atom is (leaf, reduced axes): the shape of a data symbol, array parameter or structural
result, with the reduced axes cut to length 1. The shape of a value is the broadcast of its atoms; no atom means a scalar.
Equal sets have equal shapes, whatever the data; that is all that derivation needs in order to know where an adjoint
must be summed over broadcast axes.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Axis: TypeAlias = int | Literal["all"]
AxisArgument: TypeAlias = int | tuple[int, ...] | Literal["all"]
Atom: TypeAlias = tuple[str, frozenset[Axis]]
Axes: TypeAlias = frozenset[Atom]

SCALAR: Axes = frozenset()
_NONE: frozenset[Axis] = frozenset()


def leaf(name: str) -> Axes:
    """Return the axes of a data symbol, an array parameter or a result whose shape nothing else shares."""
    return frozenset({(name, _NONE)})


def _includes(larger: frozenset[Axis], smaller: frozenset[Axis]) -> bool:
    return "all" in larger or smaller <= larger


def broadcast(*parts: Axes) -> Axes:
    """Return the axes of values broadcast against each other."""
    if all(part == parts[0] for part in parts):
        return parts[0]
    atoms = frozenset[Atom]().union(*parts)
    cuts: dict[str, list[frozenset[Axis]]] = {}
    for name, cut in atoms:
        cuts.setdefault(name, []).append(cut)
    if len(cuts) == len(atoms):
        return atoms
    # An atom that another atom of the same leaf covers adds nothing: p/sum(p) has the shape of p.
    return frozenset(
        (name, cut) for name, found in cuts.items() for cut in found if not any(other != cut and _includes(cut, other) for other in found)
    )


def reduced(axes: Axes, axis: AxisArgument, vectors: frozenset[str] = frozenset()) -> Axes:
    """Return the axes after a reduction that leaves the axis with length 1; ``vectors`` names leaves of rank 1."""
    cut: frozenset[Axis] = frozenset(axis) if isinstance(axis, tuple) else frozenset({axis})

    def narrowed(atom: Atom) -> Atom:
        everything = "all" in cut or atom[0] in vectors
        return atom[0], frozenset({"all"}) if everything else atom[1] if "all" in atom[1] else atom[1] | cut

    return broadcast(*(frozenset({narrowed(atom)}) for atom in axes)) if axes else axes


def covers(larger: Axes, smaller: Axes) -> bool:
    """Tell whether a value of axes ``larger`` surely has every axis of ``smaller`` at full length."""
    return broadcast(larger, smaller) == larger


def dropped(axes: Axes) -> AxisArgument:
    """Return the axes that are reduced in every part of a value, and so are dropped from the result of a loss."""
    if not axes:
        return ()
    sets = [atom[1] for atom in axes]
    if all("all" in cut for cut in sets):
        return "all"
    common = frozenset.intersection(*(cut for cut in sets if "all" not in cut))
    return tuple(sorted(axis for axis in common if isinstance(axis, int)))
