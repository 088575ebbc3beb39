"""The directory: which visitors a shard holds, each with a small number, their slot.

A visitor is known by 128 bits of a keyed hash of their id: two of a billion visitors are taken for one with
a chance of 1 in 10^21, whoever chooses the ids. So a visitor costs 36 bytes here, and numpy looks up all of a
batch at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.ingest.split import ShardClicks
from flows.model.columns import Ints
from flows.shards.admission import SESSION_GAP_S, covered_from_s
from flows.windows.table import Table, Vacant


class Directory:
    """A slot for each visitor whom any window may still hold."""

    def __init__(self) -> None:
        self._table = Table(newest_s=np.uint32, low=np.uint64, high=np.uint64)
        self._index = Index()
        self._vacant = Vacant()
        self._swept_s = 0

    def __len__(self) -> int:
        return self._vacant.used - len(self._vacant)

    def number(self, item: ShardClicks) -> None:
        """Fill in `slot` and `freed` of `item`."""
        visitor = item.columns["visitor"]
        used, place = visitor.used()
        slot = self._slots(*visitor.hashes(item.header.key)[:, used])[place]
        np.maximum.at(self._table["newest_s"], slot, item.second.astype(np.uint32))
        self._table.touch(slot)
        item.slot = slot.astype(np.int32)
        item.freed = self._sweep(item.newest_s, slot)

    def _slots(self, low: Ints, high: Ints) -> Ints:
        """Return the slots of visitors, each one there once; those not known are given one."""
        slot, ended = self._index.find(self._table, low, high)
        new = np.flatnonzero(slot < 0)
        if len(new):
            slot[new] = rows = self._vacant.take(len(new))
            self._table.reserve(self._vacant.used)
            self._table["low"][rows], self._table["high"][rows] = low[new], high[new]
            self._index.add(self._table, rows, ended[new])
        return slot

    def _sweep(self, newest_s: int, present: Ints) -> Ints:
        """Free the slots of visitors whom no window holds and no click in time can reach.

        Those `present` in the batch stay: its clicks may span hours, and go on with what they began.
        """
        horizon_s = covered_from_s(newest_s) - SESSION_GAP_S - 1
        if horizon_s <= self._swept_s:
            return np.empty(0, np.int32)
        self._swept_s = horizon_s
        seen_s = self._table["newest_s"]
        old = (seen_s > 0) & (seen_s < horizon_s)
        old[present] = False
        freed = np.flatnonzero(old)
        if len(freed):
            self._table.clear(freed)
            self._vacant.give_back(freed)
            self._index.rebuild(self._table)
        return freed.astype(np.int32)

    def load(self, part: dict[str, Any]) -> None:
        """Take in what `changes` gave once; parts come in the order they were given."""
        self._table.load(part)

    def loaded(self) -> None:
        """All parts are in: number the visitors again."""
        self._vacant.find(self._table["newest_s"] > 0)
        self._index.rebuild(self._table)

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return what changed since the last call, or everything that is."""
        return self._table.everything("newest_s") if everything else self._table.changes()


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
