"""Devices connected right now: distinct visitors by type of device in the last 10 minutes."""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.columns import UNKNOWN
from flows.split import ShardClicks
from flows.table import Table

WINDOW_S = 600
TYPES = ("Desktop", "Tablet", "Mobile")
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
        for code in device.used()[0].tolist():
            rows, word = np.flatnonzero(device.codes == code), device.words[code]
            if word in TYPES:
                np.maximum.at(self._table[word], item.slot[rows], second[rows].astype(np.uint32))
            else:
                self._add_other(
                    UNKNOWN if word is None else word, item.slot[rows].tolist(), second[rows].tolist()
                )

    def _add_other(self, word: str, slots: list[int], seconds: list[int]) -> None:
        for slot, second in zip(slots, seconds, strict=True):
            key = (slot, word)
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
