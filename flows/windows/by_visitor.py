"""The clicks of a batch seen visitor by visitor, for what depends on the visitor's click before.

    arrival      0  1  2  3  4        `order` 0 3 1 2 4: each visitor's clicks together, in their order
    visitor      a  b  b  a  c        `first` 0   2   4: where in it a, b and c begin

All columns are in the order of arrival, one row a click; `slots` are the visitors, ascending.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from flows.model.columns import Bools, Ints, ordered

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True)
class ByVisitor:
    """The clicks' rows by visitor: `order` sorts them, `first` has where in it each visitor's begin."""

    slots: Ints
    order: Ints
    first: Ints
    visitor: Ints

    @classmethod
    def of(cls, slot: Ints) -> ByVisitor:
        """Group the clicks of visitors `slot`, at least one."""
        order = ordered(slot)
        by_visitor = slot[order]
        begins = np.concatenate([[True], by_visitor[1:] != by_visitor[:-1]])
        first = np.flatnonzero(begins)
        return cls(by_visitor[first], order, first, np.cumsum(begins) - 1)

    def before(self, column: Ints, held: Ints) -> Ints:
        """Return for each click the value of the visitor's click before; of the first, what was `held`."""
        shifted = np.concatenate([column[:1], column[self.order][:-1]])
        shifted[self.first] = held
        return self._arrived(shifted)

    def newest(self, time_ns: Ints, held_ns: Ints) -> Ints:
        """Return for each click the visitor's newest time up to and including it, and what was `held_ns`."""
        times = np.maximum(time_ns[self.order], held_ns[self.visitor])
        low = times.min()
        span = int(times.max() - low) + 1
        if span * len(self.slots) >= 1 << 63:
            # Ranks, since the visitors' times one above the other would not fit an integer.
            values, times = np.unique(times, return_inverse=True)
            newest: Ints = values[self._highest(times, len(values))]
        else:
            newest = self._highest(times - low, span) + low
        return newest

    def _highest(self, numbers: Ints, below: int) -> Ints:
        """Return for each click the visitor's highest number so far; all are from 0 to `below`, exclusive."""
        above = self.visitor * below
        return self._arrived(np.maximum.accumulate(numbers + above) - above)

    def since(self, happened: Bools) -> Bools:
        """Return for each click whether it `happened` at it or at an earlier one of the visitor's."""
        times = np.cumsum(happened[self.order])
        return self._arrived(times > (times[self.first] - happened[self.order][self.first])[self.visitor])

    def last(self, column: Ints) -> Ints:
        """Return the value of each visitor's last click."""
        last: Ints = column[self.order[np.append(self.first[1:], len(self.order)) - 1]]
        return last

    def _arrived(self, column: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        arrived = np.empty_like(column)
        arrived[self.order] = column
        return arrived
