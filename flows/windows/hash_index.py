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
from flows.runtime.compiled import entry
from flows.windows.table import Table


class Index:
    """Finds the row of a key (`low`, `high`) in a table: open addressing with double hashing.

    Knuth, The Art of Computer Programming, vol. 3, 6.4, algorithm D. The first place is taken from `high`,
    since all keys of a shard have something in common in `low`; the step from the upper half of `low`.
    """

    def __init__(self) -> None:
        self._rows: Ints = np.full(64, -1, np.int32)
        self._count = 0

    def find(self, table: Table, low: Ints, high: Ints) -> Ints:
        """Return the row of each key, int64, -1 for none."""
        found = np.empty(len(low), np.int64)
        _find(self._rows, table["low"], table["high"], low, high, found)
        return found

    def add(self, table: Table, rows: Ints) -> None:
        """Add rows, int64, whose keys are not there yet."""
        if 2 * (self._count + len(rows)) > len(self._rows):
            self.rebuild(table, 4 * (self._count + len(rows)))
        else:
            self._count += len(rows)
            _put(self._rows, table["low"], table["high"], rows)

    def rebuild(self, table: Table, places: int = 0) -> None:
        """Find all rows of the table again that are not vacant, those just given included."""
        rows = np.flatnonzero((table["low"] != 0) | (table["high"] != 0))
        self._rows = np.full(1 << max(places, 4 * len(rows), 64).bit_length() - 1, -1, np.int32)
        self._count = len(rows)
        _put(self._rows, table["low"], table["high"], rows)


@entry("int32[::1], uint64[::1], uint64[::1], uint64[::1], uint64[::1], int64[::1]")
def _find(rows: Ints, low: Ints, high: Ints, low_keys: Ints, high_keys: Ints, found: Ints) -> None:
    """Note the row of each key, whose columns are `low` and `high`; -1 where the search ends in vacancy."""
    for key in range(len(found)):
        place = high_keys[key] & np.uint64(len(rows) - 1)
        row = rows[place]
        while row >= 0 and (low[row] != low_keys[key] or high[row] != high_keys[key]):
            place = (place + (low_keys[key] >> np.uint64(32) | np.uint64(1))) & np.uint64(len(rows) - 1)
            row = rows[place]
        found[key] = row


@entry("int32[::1], uint64[::1], uint64[::1], int64[::1]")
def _put(rows: Ints, low: Ints, high: Ints, added: Ints) -> None:
    """Put each added row at the first vacant place; steps are odd, so they meet every one of 2^n places."""
    for row in added:
        place = high[row] & np.uint64(len(rows) - 1)
        while rows[place] >= 0:
            place = (place + (low[row] >> np.uint64(32) | np.uint64(1))) & np.uint64(len(rows) - 1)
        rows[place] = row
