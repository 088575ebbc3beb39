"""Devices connected right now: distinct visitors by type of device in the last 10 minutes."""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.model.columns import DEVICE_TYPES as TYPES
from flows.model.columns import UNKNOWN
from flows.model.shard_clicks import ShardClicks
from flows.windows.table import Table

WINDOW_S = 600
OTHER = "Other"


class Devices:
    """Distinct (visitor, device type) in [as_of - 10 min, as_of); types not in TYPES count as Other."""

    def __init__(self) -> None:
        # By slot and type, the newest second; the few of other types by (slot, type).
        self._table = Table(**dict.fromkeys(TYPES, np.uint32))
        self._other: dict[tuple[int, str], int] = {}
        self._changed: set[tuple[int, str]] = set()

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks."""
        self._table.clear(item.freed)
        if not len(item):
            return
        self._table.reserve(int(item.slot.max()) + 1)
        self._table.touch(item.slot)
        second = item.second
        device = item.columns["device"]
        used, place = device.used()
        types = [device.words[code] for code in used.tolist()]
        kind = np.array([TYPES.index(word) if word in TYPES else len(TYPES) for word in types])[place]
        for number, name in enumerate(TYPES):
            rows = np.flatnonzero(kind == number)
            np.maximum.at(self._table[name], item.slot[rows], second[rows].astype(np.uint32))
        rows = np.flatnonzero(kind == len(TYPES))
        self._add_other(device.all_at(rows), item.slot[rows].tolist(), second[rows].tolist())

    def _add_other(self, words: list[str | None], slots: list[int], seconds: list[int]) -> None:
        for word, slot, second in zip(words, slots, seconds, strict=True):
            key = (slot, UNKNOWN if word is None else word)
            self._other[key] = max(second, self._other.get(key, 0))
            self._changed.add(key)

    def report(self, as_of_s: int) -> list[int]:
        """Return the number of Desktops, Tablets, Mobiles and others."""
        from_s = max(as_of_s - WINDOW_S, 1)
        self._other = {key: second for key, second in self._other.items() if second >= from_s}
        return [int(np.count_nonzero(self._table[name] >= from_s)) for name in TYPES] + [len(self._other)]

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return what changed, or all."""
        part = self._table.everything(*TYPES) if everything else self._table.changes()
        keys = self._other.keys() if everything else self._changed & self._other.keys()
        part["other"] = [(*key, self._other[key]) for key in keys]
        self._changed = set()
        return part

    def load(self, part: dict[str, Any]) -> None:
        """Take in a part of the state."""
        self._table.load(part)
        self._other |= {(slot, word): second for slot, word, second in part["other"]}


def device_rows(totals: list[int]) -> dict[str, Any]:
    """Return the columns of `device_type_popularity`."""
    return {"Device": ["Device type"] * 4, "Device type": [*TYPES, OTHER], "Total": totals}
