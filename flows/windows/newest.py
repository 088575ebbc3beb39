"""The newest click of each visitor, and a number for what it says: who is where, from where, how old.

    clicks of alice   12:00:04 shoes   12:00:09 toys   12:00:07 shoes (late)
    kept              12:00:09, the number of toys

Of clicks of one time the later arrival is the newer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.model.columns import Bools, Ints
from flows.runtime.compiled import entry
from flows.windows.table import Table


class Newest:
    """By slot the time of the newest click of the last `window_s` seconds, and its number, from 0 on."""

    def __init__(self, window_s: int) -> None:
        self._window_s, self._from_s = window_s, 0
        # The number is kept one higher: a vacant row is all zero.
        self._table = Table(newest_ns=np.int64, number=np.uint32)

    def advance(self, as_of_s: int) -> None:
        """Let the window end at `as_of_s`."""
        self._from_s = max(self._from_s, as_of_s - self._window_s)

    def clear(self, slots: Ints) -> None:
        """Forget visitors."""
        self._table.clear(slots)

    def recent(self, second: Ints) -> Ints:
        """Return which clicks are in the window, by number."""
        return np.flatnonzero(second >= self._from_s)

    def add(self, slot: Ints, time_ns: Ints, number: Ints) -> None:
        """Take in clicks in the order of arrival."""
        if len(slot):
            self._table.reserve(int(slot.max()) + 1)
            newest_ns, newest = self._table["newest_ns"], self._table["number"]
            take_newest(newest_ns, newest, self._table.changed, slot, time_ns, number + 1)

    def clicks(self) -> tuple[Ints, Ints]:
        """Return (numbers, times in nanoseconds) of the newest clicks in the window, both int64."""
        slots = self._slots()
        return self._numbers(slots), self._table["newest_ns"][slots]

    def _slots(self) -> Ints:
        return np.flatnonzero(self._table["newest_ns"] >= max(self._from_s * 10**9, 1))

    def _numbers(self, slots: Ints) -> Ints:
        return self._table["number"][slots].astype(np.int64) - 1

    def forget(self) -> Ints:
        """Forget clicks that the window has left; returns the numbers of the others, ascending."""
        newest_ns = self._table["newest_ns"]
        self._table.clear(np.flatnonzero((newest_ns > 0) & (newest_ns < self._from_s * 10**9)))
        return np.unique(self._numbers(self._slots()))

    def renumber(self, number: Ints) -> None:
        """Give each click that `forget` left another number: `number[old]`."""
        slots = self._slots()
        self._table["number"][slots] = number[self._numbers(slots)] + 1

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return what changed since the last call, or all."""
        return self._table.everything("newest_ns") if everything else self._table.changes()

    def load(self, part: dict[str, Any]) -> None:
        """Take in what `changes` gave."""
        self._table.load(part)


@entry("int64[::1], uint32[::1], bool[::1], int32[::1], int64[::1], int64[::1]")
def take_newest(
    newest_ns: Ints, newest: Ints, changed: Bools, row: Ints, time_ns: Ints, number: Ints
) -> None:
    """Take the number of each click as its row's, unless the row has a newer one; note which `changed`."""
    for i in range(len(row)):
        if time_ns[i] >= newest_ns[row[i]]:
            newest_ns[row[i]], newest[row[i]] = time_ns[i], number[i]
            changed[row[i]] = True
