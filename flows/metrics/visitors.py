"""Visitors of the last 15 minutes, and of each of its minutes.

A visitor's newest second tells whether a window that ends now holds them; a mask of 16 bits tells in which of
the last minutes they clicked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from flows.metrics.metric import Metric, Part, Published, sums
from flows.model.event_time import MINUTE_S
from flows.model.shard_clicks import AlignedBarrier, ShardClicks
from flows.windows.last_seen import LastSeen
from flows.windows.ring import Ring
from flows.windows.table import Table


class VisitorFigures(NamedTuple):
    """Distinct visitors of the window; clicks and distinct visitors of each minute, oldest first."""

    visitors: int
    clicks_by_minute: list[int]
    visitors_by_minute: list[int]


class Visitors(Metric[VisitorFigures]):
    """Distinct visitors in [as_of - window_s, as_of); clicks and distinct visitors per clock minute.

    As many minutes are shown as the window has, 15 at most; the last one is still filling.
    """

    frames = ("last_15_minutes",)

    def __init__(self, *, window_s: int) -> None:
        self._window_s, self._minutes = window_s, window_s // MINUTE_S

    def begin(self) -> None:
        """Make what a shard keeps, empty."""
        self._table = Table(newest_s=np.uint32, minutes=np.uint16)
        self._last_seen = LastSeen(self._table, "newest_s")
        self._ring = Ring(self._table, "minutes", slice_s=MINUTE_S, kept=self._minutes)

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks."""
        self._table.clear(item.freed)
        if len(item):
            self._table.reserve(item.slots)
            self._table.touch(item.slot)
            self._last_seen.add(item.slot, item.second)
            self._ring.add(item.slot, item.second, item.newest_s)

    def report(self, as_of_s: int) -> VisitorFigures:
        """Return the shard's figures."""
        return VisitorFigures(self._last_seen.count(as_of_s - self._window_s), *self._ring.report(as_of_s))

    def publish(self, barrier: AlignedBarrier, shards: Sequence[VisitorFigures]) -> Published:
        """Return the visitors of the window, and one row a minute."""
        current = (barrier.as_of_s - 1) // MINUTE_S
        minutes = {
            "datetime": [(current - self._minutes + 1 + i) * MINUTE_S * 1000 for i in range(self._minutes)],
            "count": sums([shard.clicks_by_minute for shard in shards]),
            "visitors": sums([shard.visitors_by_minute for shard in shards]),
        }
        visitors = sum(shard.visitors for shard in shards)
        return Published({"visitors_15m": visitors}, {self.frames[0]: minutes})

    def changes(self, *, everything: bool) -> Part:
        """Return what changed, or all."""
        part = self._table.everything("newest_s") if everything else self._table.changes()
        return part | self._ring.state()

    def load(self, part: Part) -> None:
        """Take in a part of the state."""
        self._ring.load(part)
        self._table.load(part)
