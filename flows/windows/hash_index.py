"""A hash index: the row of a key in a table, found for all keys of a batch at once.

Open addressing: a key's row number stands at a place that follows from the key, or, where others stand
already, at the next one, by a step that follows from the key too:

    place     0    1    2    3    4    5    6    7
    row      -1   12   -1    3    7   -1   -1    9
                   ^              ^
                   key 3: place 4 has row 7, another key's; step 5 leads to place 1, which is its own

Half of all places are vacant at least (-1), so most searches end at the first or second.
"""

from __future__ import annotations

import numpy as np

from flows.model.columns import Ints
from flows.windows.table import Table


class Index:
    """Finds the row of a key (`low`, `high`) in a table: open addressing with double hashing.

    Knuth, The Art of Computer Programming, vol. 3, 6.4, algorithm D, for all keys of a batch at once. The
    first place is taken from `high`, since all keys of a shard have something in common in `low`; how far it
    is to the next one from the upper half of `low`.
    """

    def __init__(self) -> None:
        self._rows: Ints = np.full(64, -1, np.int32)
        self._count = 0

    def find(self, table: Table, low: Ints, high: Ints) -> tuple[Ints, Ints]:
        """Return (the row of each key, int64, -1 for none; the place at which the search for it ended)."""
        found = np.full(len(low), -1)
        place, step, left = self._first(high), self._step(low), np.arange(len(low))
        while len(left):
            row = self._rows[place[left]]
            left, row = left[row >= 0], row[row >= 0]
            same = (table["low"][row] == low[left]) & (table["high"][row] == high[left])
            found[left[same]] = row[same]
            left = left[~same]
            place[left] = self._next(place[left], step[left])
        return found, place

    def add(self, table: Table, rows: Ints, ended: Ints) -> None:
        """Add rows whose keys are not there yet; `ended`: where the search for each has just ended."""
        if 2 * (self._count + len(rows)) > len(self._rows):
            self.rebuild(table, 4 * (self._count + len(rows)))
        else:
            self._put(table, rows, ended)

    def _put(self, table: Table, rows: Ints, place: Ints) -> None:
        self._count += len(rows)
        step, left = self._step(table["low"][rows]), np.arange(len(rows))
        while len(left):
            vacant = left[self._rows[place[left]] < 0]
            # Of several that come for one place the last one has it.
            self._rows[place[vacant]] = rows[vacant]
            left = left[self._rows[place[left]] != rows[left]]
            place[left] = self._next(place[left], step[left])

    def rebuild(self, table: Table, places: int = 0) -> None:
        """Find all rows of the table again that are not vacant, those just given included."""
        rows = np.flatnonzero((table["low"] != 0) | (table["high"] != 0))
        self._rows = np.full(1 << max(places, 4 * len(rows), 64).bit_length() - 1, -1, np.int32)
        self._count = 0
        self._put(table, rows, self._first(table["high"][rows]))

    def _first(self, high: Ints) -> Ints:
        first: Ints = (high & np.uint64(len(self._rows) - 1)).astype(np.int64)
        return first

    def _step(self, low: Ints) -> Ints:
        """Odd, so that steps meet every place: there are a power of two."""
        step: Ints = (low >> np.uint64(32)).astype(np.int64) | 1
        return step

    def _next(self, place: Ints, step: Ints) -> Ints:
        following: Ints = (place + step) & (len(self._rows) - 1)
        return following
