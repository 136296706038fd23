"""A search for the points at which a program loses most digits, by evolution of those that were sampled.

What cancels only where several symbols agree, such as ``lbeta(a, b) - (a - 1)*log(y) - (b - 1)*log(1 - y)`` at the mode of a
narrow distribution, no random point is close to; but points that lose a digit more than others lie on the way there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Points: TypeAlias = dict[str, Any]
"""Values by symbol, as flat arrays of one length."""

_KEPT, _CHILDREN, _GENERATIONS = 48, 192, 24
_PATIENCE, _PROGRESS = 4, 1.1
"""The search ends when so many generations have found nothing so much worse."""


class WorstPoints:
    """The points that lose most digits of all that were seen.

    Args:
        within: brings values of a symbol back into its domain.
        fixed: tells of a symbol whether its values are positions, which are only exchanged.
    """

    def __init__(self, within: Callable[[str, Any, Any], Any], fixed: Callable[[str], bool]) -> None:
        self.within, self.fixed = within, fixed
        self.points: Points = {}
        self.units: Any = None

    def add(self, values: Mapping[str, Any], units: Any) -> None:
        """Take in points, given in the shape of their errors or one that broadcasts to it."""
        import numpy as np

        flat = {name: np.broadcast_to(x, np.shape(units)).ravel() for name, x in values.items()}
        errors = np.ravel(units)
        if self.units is not None:
            flat = {name: np.concatenate([self.points[name], x]) for name, x in flat.items()}
            errors = np.concatenate([self.units, errors])
        kept = np.argsort(-errors, kind="stable")[:_KEPT]
        self.points, self.units = {name: x[kept] for name, x in flat.items()}, errors[kept]

    def exceed(self, most: float, errors: Callable[[Points], Any]) -> bool:
        """Tell whether points that descend from those seen lose more than so many units.

        Args:
            most: units of error.
            errors: the units of error at some points, ``None`` where there is nothing to compare.
        """
        import numpy as np

        random = np.random.default_rng(0)
        reached = [] if self.units is None else [self.units[0]]
        while 0 < len(reached) <= _GENERATIONS and reached[-1] <= most:
            if len(reached) > _PATIENCE and reached[-1] < _PROGRESS * reached[-1 - _PATIENCE]:
                return False
            children = self._children(random)
            units = errors(children)
            if units is None:
                return False
            self.add(children, units)
            reached.append(self.units[0])
        return bool(reached and reached[-1] > most)

    def _children(self, random: Any) -> Points:
        """Return points near those kept, some with a symbol's value of another one."""
        import numpy as np

        parents, others = random.integers(0, len(self.units), (2, _CHILDREN))
        children: Points = {}
        for name, values in self.points.items():
            x = values[parents]
            how = random.integers(0, 5, _CHILDREN)
            step = 10.0 ** random.uniform(-3, 0, _CHILDREN) * random.normal(size=_CHILDREN)
            x = np.where(how == 0, values[others], x)
            if not self.fixed(name):
                x = np.where(how == 1, x * np.exp(step), x)
                x = self.within(name, np.where(how == 2, x + step, x), random)
            children[name] = np.asarray(np.asarray(x, "float32"), "float64")
        return children
