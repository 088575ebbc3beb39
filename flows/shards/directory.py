"""The directory: which visitors a shard holds, each with a small number, their slot.

A visitor is known by 128 bits of a keyed hash of their id: two of a billion visitors are taken for one with
a chance of 1 in 10^21, whoever chooses the ids. So a visitor costs 36 bytes here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.model.columns import Ints, distinct
from flows.model.event_time import SESSION_GAP_S, covered_from_s
from flows.model.shard_clicks import ShardClicks
from flows.windows.hash_index import Index
from flows.windows.last_seen import LastSeen
from flows.windows.table import Table, Vacant


class Directory:
    """A slot for each visitor whom any window may still hold."""

    def __init__(self) -> None:
        self._table = Table(newest_s=np.uint32, low=np.uint64, high=np.uint64)
        self._last_seen = LastSeen(self._table, "newest_s")
        self._index = Index()
        self._vacant = Vacant()
        self._swept_s = 0

    def __len__(self) -> int:
        return self._vacant.used - len(self._vacant)

    def number(self, item: ShardClicks) -> None:
        """Fill in `slot`, `slots` and `freed` of `item`."""
        visitor = item.words("visitor")
        # Not those of `Words.used`, among which are visitors of other shards where words are few.
        used, place = distinct(visitor.codes)
        low, high = visitor.hashes(item.header.key)
        slot = self._slots(low[used], high[used])[place]
        self._last_seen.add(slot, item.second)
        self._table.touch(slot)
        item.slot, item.slots = slot.astype(np.int32), self._vacant.used
        item.freed = self._sweep(item.newest_s, slot)

    def _slots(self, low: Ints, high: Ints) -> Ints:
        """Return the slots of visitors, each one there once; those not known are given one."""
        slot = self._index.find(self._table, low, high)
        new = np.flatnonzero(slot < 0)
        if len(new):
            slot[new] = rows = self._vacant.take(len(new))
            self._table.reserve(self._vacant.used)
            self._table["low"][rows], self._table["high"][rows] = low[new], high[new]
            self._index.add(self._table, rows)
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
