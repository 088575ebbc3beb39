"""Devices connected right now: distinct visitors by type of device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flows.metrics.metric import Frame, Metric, Part, Published, sums
from flows.model.columns import Ints
from flows.model.fields import DEVICE_TYPES as TYPES
from flows.model.fields import UNKNOWN
from flows.model.shard_clicks import AlignedBarrier, ShardClicks
from flows.runtime.compiled import entry
from flows.windows.last_seen import LastSeen
from flows.windows.table import Table

OTHER = "Other"


class Devices(Metric[list[int]]):
    """Distinct (visitor, device type) in [as_of - window_s, as_of); types not in TYPES count as Other."""

    frames = ("device_type_popularity",)

    def __init__(self, *, window_s: int) -> None:
        self._window_s = window_s

    def begin(self) -> None:
        """Make what a shard keeps, empty."""
        # By slot and type, the newest second; the few of other types by (slot, type).
        self._table = Table(**dict.fromkeys(TYPES, np.uint32))
        self._last_seen = [LastSeen(self._table, name) for name in TYPES]
        self._other: dict[tuple[int, str], int] = {}
        self._changed: set[tuple[int, str]] = set()

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks."""
        self._table.clear(item.freed)
        if not len(item):
            return
        self._table.reserve(item.slots)
        self._table.touch(item.slot)
        second, device = item.second, item.words("device")
        used, place = device.used()
        types = [device.words[code] for code in used.tolist()]
        kind = np.array([TYPES.index(word) if word in TYPES else len(TYPES) for word in types])[place]
        for number, name in enumerate(TYPES):
            _see(number, kind, item.slot, second, self._table[name])
        rows = np.flatnonzero(kind == len(TYPES))
        self._add_other(device.all_at(rows), item.slot[rows].tolist(), second[rows].tolist())

    def _add_other(self, words: list[str | None], slots: list[int], seconds: list[int]) -> None:
        for word, slot, second in zip(words, slots, seconds, strict=True):
            key = (slot, UNKNOWN if word is None else word)
            self._other[key] = max(second, self._other.get(key, 0))
            self._changed.add(key)

    def report(self, as_of_s: int) -> list[int]:
        """Return the number of Desktops, Tablets, Mobiles and others."""
        from_s = max(as_of_s - self._window_s, 1)
        self._other = {key: second for key, second in self._other.items() if second >= from_s}
        return [last_seen.count(from_s) for last_seen in self._last_seen] + [len(self._other)]

    def publish(self, barrier: AlignedBarrier, shards: Sequence[list[int]]) -> Published:
        """Return the number of devices, and one row a type."""
        totals = sums(shards)
        rows: Frame = {"Device": ["Device type"] * 4, "Device type": [*TYPES, OTHER], "Total": totals}
        return Published({"devices_now": sum(totals)}, {self.frames[0]: rows})

    def changes(self, *, everything: bool) -> Part:
        """Return what changed, or all."""
        part = self._table.everything(*TYPES) if everything else self._table.changes()
        keys = self._other.keys() if everything else self._changed & self._other.keys()
        part["other"] = [(*key, self._other[key]) for key in keys]
        self._changed = set()
        return part

    def load(self, part: Part) -> None:
        """Take in a part of the state."""
        self._table.load(part)
        self._other |= {(slot, word): second for slot, word, second in part["other"]}


@entry("int64, int64[::1], int32[::1], int64[::1], uint32[::1]")
def _see(number: int, kind: Ints, slot: Ints, second: Ints, newest_s: Ints) -> None:
    """Note the newest second of each visitor whose device is of this number."""
    for i in range(len(slot)):
        if kind[i] == number:
            newest_s[slot[i]] = max(newest_s[slot[i]], second[i])
