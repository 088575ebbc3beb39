"""Visitors of the last 15 minutes, and of each of its minutes.

A visitor's newest second tells whether a window that ends now holds them; a mask of 16 bits tells in which of
the last minutes they clicked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.model.shard_clicks import ShardClicks
from flows.windows.ring import Ring
from flows.windows.table import Table

WINDOW_S = 900
MINUTES = 15


class Visitors:
    """Distinct visitors in [as_of - 15 min, as_of); clicks and distinct visitors per clock minute."""

    def __init__(self) -> None:
        self._table = Table(newest_s=np.uint32, minutes=np.uint16)
        self._ring = Ring(self._table, "minutes", slice_s=60, kept=MINUTES)

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks."""
        self._table.clear(item.freed)
        if not len(item):
            return
        self._table.reserve(int(item.slot.max()) + 1)
        self._table.touch(item.slot)
        second = item.second
        np.maximum.at(self._table["newest_s"], item.slot, second.astype(np.uint32))
        self._ring.add(item.slot, second, item.newest_s)

    def report(self, as_of_s: int) -> tuple[int, list[int], list[int]]:
        """Return (visitors, clicks by minute, visitors by minute); minutes oldest first."""
        visitors = int(np.count_nonzero(self._table["newest_s"] >= max(as_of_s - WINDOW_S, 1)))
        return visitors, *self._ring.report(as_of_s)

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return what changed, or all."""
        part = self._table.everything("newest_s") if everything else self._table.changes()
        return part | self._ring.state()

    def load(self, part: dict[str, Any]) -> None:
        """Take in a part of the state."""
        self._ring.load(part)
        self._table.load(part)


def minute_rows(as_of_s: int, clicks: list[int], visitors: list[int]) -> dict[str, Any]:
    """Return the columns of `last_15_minutes`: one row a minute, the one that ends last being current."""
    current = (as_of_s - 1) // 60
    minutes = [(current - MINUTES + 1 + i) * 60_000 for i in range(MINUTES)]
    return {"datetime": minutes, "count": clicks, "visitors": visitors}
