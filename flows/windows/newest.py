"""The newest click of each visitor, and a number for what it says: who is where, from where, how old.

    clicks of alice   12:00:04 shoes   12:00:09 toys   12:00:07 shoes (late)
    kept              12:00:09, the number of toys

Of clicks of one time the later arrival is the newer.
"""

from __future__ import annotations

import numpy as np

from flows.model.columns import Ints
from flows.windows.table import Table


class Newest:
    """By slot the time of the newest click, and the number that it came with, from 0 on."""

    def __init__(self) -> None:
        # The number is kept one higher: a vacant row is all zero.
        self.table = Table(newest_ns=np.int64, number=np.uint32)

    def add(self, slot: Ints, time_ns: Ints, number: Ints) -> None:
        """Take in clicks in the order of arrival."""
        if not len(slot):
            return
        self.table.reserve(int(slot.max()) + 1)
        newest_ns = self.table["newest_ns"]
        np.maximum.at(newest_ns, slot, time_ns)
        rows = np.flatnonzero(time_ns == newest_ns[slot])
        # Of several rows of one slot the last is assigned.
        self.table["number"][slot[rows]] = number[rows] + 1
        self.table.touch(slot[rows])

    def slots(self, from_s: int) -> Ints:
        """Return the slots whose newest click is at `from_s` or later."""
        return np.flatnonzero(self.table["newest_ns"] >= max(from_s * 10**9, 1))

    def numbers(self, slots: Ints) -> Ints:
        """Return the numbers of the slots' newest clicks, int64."""
        return self.table["number"][slots].astype(np.int64) - 1

    def forget(self, from_s: int) -> Ints:
        """Forget clicks before `from_s`; returns the numbers that are left, ascending."""
        newest_ns = self.table["newest_ns"]
        self.table.clear(np.flatnonzero((newest_ns > 0) & (newest_ns < from_s * 10**9)))
        return np.unique(self.numbers(self.slots(from_s)))

    def renumber(self, number: Ints) -> None:
        """Give each click left another number: `number[old]`."""
        slots = self.slots(0)
        self.table["number"][slots] = number[self.numbers(slots)] + 1
