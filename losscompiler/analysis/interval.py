"""`Interval`: a set of real numbers between two ends, each of which may belong to it or not, and its arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Interval:
    """What is known of a value: ``low <= value <= high``, strictly where an end is open.

    Infinite ends are never open: overflow makes infinities of finite values.
    """

    low: float = -inf
    high: float = inf
    low_open: bool = False
    high_open: bool = False

    # -- questions
    @property
    def positive(self) -> bool:
        """Whether every value is above 0."""
        return self.low > 0 or (self.low == 0 and self.low_open)

    @property
    def negative(self) -> bool:
        """Whether every value is below 0."""
        return self.high < 0 or (self.high == 0 and self.high_open)

    @property
    def sign(self) -> int:
        """+1 or -1 where no value has the other sign (0 may occur), 0 otherwise."""
        return 1 if self.low >= 0 and self.high > 0 else -1 if self.high <= 0 and self.low < 0 else 0

    @property
    def zero(self) -> bool:
        """Whether the only value is 0."""
        return self.low == self.high == 0

    def holds(self, value: float) -> bool:
        """Tell whether a value may occur."""
        return (self.low < value or (self.low == value and not self.low_open)) and (
            value < self.high or (self.high == value and not self.high_open)
        )

    def inside(self, other: Interval) -> bool:
        """Tell whether every value lies in another interval."""
        low = self.low > other.low or (self.low == other.low and (self.low_open or not other.low_open))
        high = self.high < other.high or (self.high == other.high and (self.high_open or not other.high_open))
        return low and high

    def apart(self, other: Interval) -> bool:
        """Tell whether the two have no value in common."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return low > high or (low == high and not (self.holds(low) and other.holds(low)))

    # -- sets
    def meet(self, other: Interval) -> Interval:
        """Return the values that lie in both; an empty meeting keeps this one, since contradictions prove nothing here."""
        if self.apart(other):
            return self
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, high_closed = min((self.high, not self.high_open), (other.high, not other.high_open))
        return Interval(low, high, low_open, not high_closed)

    def join(self, other: Interval) -> Interval:
        """Return the smallest interval that holds both."""
        low, low_open = min((self.low, self.low_open), (other.low, other.low_open))
        high, high_closed = max((self.high, not self.high_open), (other.high, not other.high_open))
        return Interval(low, high, low_open, not high_closed)

    # -- arithmetic
    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low, self.high_open, self.low_open)

    def __add__(self, other: Interval) -> Interval:
        return _safe(self.low + other.low, self.high + other.high, self.low_open or other.low_open, self.high_open or other.high_open)

    def __sub__(self, other: Interval) -> Interval:
        return self + (-other)

    def __mul__(self, other: Interval) -> Interval:
        ends = [
            _product(x, x_open, y, y_open)
            for x, x_open in ((self.low, self.low_open), (self.high, self.high_open))
            for y, y_open in ((other.low, other.low_open), (other.high, other.high_open))
        ]
        low, low_open = min(ends)
        high, high_closed = max((value, not opened) for value, opened in ends)
        return _safe(low, high, low_open, not high_closed)

    def inverse(self) -> Interval:
        """Return the interval of 1/x, everything if x may change its sign."""
        if self.low >= 0:
            return _safe(_over(self.high), _over(self.low), self.high_open or self.high == inf, self.low_open)
        if self.high <= 0:
            return -((-self).inverse())
        return EVERYTHING

    def magnitude(self) -> Interval:
        """Return the interval of abs(x)."""
        if self.low >= 0:
            return self
        if self.high <= 0:
            return -self
        largest, largest_open = max((-self.low, self.low_open), (self.high, self.high_open))
        return Interval(0.0, largest, False, largest_open)


EVERYTHING = Interval()
POSITIVE = Interval(0.0, inf, True)
UNIT = Interval(0.0, 1.0)


def _over(value: float) -> float:
    return inf if value == 0 else 0.0 if value == inf else 1 / value


def _product(x: float, x_open: bool, y: float, y_open: bool) -> tuple[float, bool]:
    if x == 0 or y == 0:
        # 0 is reached where a closed end is 0; an end that is not reached leaves it open.
        return 0.0, not ((x == 0 and not x_open) or (y == 0 and not y_open))
    return x * y, x_open or y_open


def _safe(low: float, high: float, low_open: bool, high_open: bool) -> Interval:
    low = -inf if math.isnan(low) else low
    high = inf if math.isnan(high) else high
    return Interval(low, high, low_open and math.isfinite(low), high_open and math.isfinite(high))
