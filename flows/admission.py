"""Admission: what stands between a batch and a shard's state.

A click the shard has applied already is skipped, a gap in the source stops the flow, a late click is set
aside. Alignment decides when to report, the clock as of when.
"""

from __future__ import annotations

import numpy as np

from flows.alignment import Alignment
from flows.items import Marker
from flows.split import BUCKET_S, Beat, Header, ShardClicks

BUCKETS = 17
SESSION_GAP_S = 1800
FINAL_LEVEL = 1 << 62


class GapError(Exception):
    """The source continues beyond what the shard has applied: clicks in between would be lost."""


def covered_from_s(newest_s: int) -> int:
    """Return where the oldest window begins when the newest click is of second `newest_s`.

    That is the half-hour bucket 16 before the newest click's; an older click is late.
    """
    return (newest_s // BUCKET_S - (BUCKETS - 1)) * BUCKET_S


class Clock:
    """Event time as one shard sees it: the newest click, and as of when to report.

    `newest_ns` is the newest event time, `logged_ms` the wall clock when it entered the log (None for a
    finite source).
    """

    def __init__(self, newest_ns: int | None, logged_ms: int | None) -> None:
        self.newest_ns, self.logged_ms = newest_ns, logged_ms
        self._arrived_ms = 0
        self._as_of_s = 0
        self._markers: dict[str, Marker] = {}

    @property
    def newest_s(self) -> int:
        """The second of the newest click; 0 before any."""
        return (self.newest_ns or 0) // 10**9

    def observe(self, header: Header) -> None:
        """Take note of a batch."""
        if header.newest_ns is not None:
            self._arrived_ms = max(self._arrived_ms, header.read_ms)
            found = header.newest_ns, header.logged_ms or 0
            if found > (self.newest_ns or 0, self.logged_ms or 0):
                self.newest_ns, self.logged_ms = header.newest_ns, header.logged_ms
        if header.marker is not None:
            self._markers[header.source] = header.marker

    def beat(self, parts: int, *, last: bool = False, stopped: bool = False) -> Beat | None:
        """Return the beat at the newest markers of all partitions; None if no board is to be made of it.

        `last`: at the end of the source, or where the flow was `stopped`. All shards find the same `as_of_s`:
        what only some of them know of, because they had applied it before, the markers tell the others.
        """
        markers = [self._markers[name] for name in sorted(self._markers)]
        whole = all(marker.whole for marker in markers) or (last and not stopped)
        if len(markers) < parts or not whole:
            return None
        now_ms = max((marker.now_ms for marker in markers if marker.now_ms is not None), default=None)
        lags = [marker.lag for marker in markers]
        known = [(marker.newest_ns, marker.logged_ms) for marker in markers]
        newest_ns, logged_ms = max(*known, (self.newest_ns or 0, self.logged_ms or 0))
        if not newest_ns:
            as_of_s = 0 if now_ms is None else now_ms // 1000 + 1
        else:
            quiet_s = self._quiet_s(now_ms, logged_ms)
            as_of_s = self._as_of_s = max(self._as_of_s, newest_ns // 10**9 + 1 + quiet_s)
        return Beat(
            level=FINAL_LEVEL if last else markers[0].number,
            as_of_s=as_of_s,
            lag=None if None in lags else sum(lag for lag in lags if lag is not None),
            ended=last and not stopped and now_ms is None,
        )

    def _quiet_s(self, now_ms: int | None, logged_ms: int) -> int:
        """Return by how much windows drain: once no clicks arrive, the time since the newest was logged."""
        if now_ms is None or not logged_ms or now_ms - self._arrived_ms < 1000:
            return 0
        return max(0, now_ms - logged_ms) // 1000


class Admission:
    """Admits the clicks of a shard; see the module. `positions` are those its state has applied."""

    def __init__(self, positions: dict[str, int], newest_ns: int | None, logged_ms: int | None) -> None:
        self.positions = dict(positions)
        self.clock = Clock(newest_ns, logged_ms)
        self._alignment = Alignment()

    def admit(self, item: ShardClicks) -> list[ShardClicks]:
        """Return what is to be applied now that `item` is here: what is new and not late, with the beats due.

        Raises GapError if a batch begins beyond what has been applied.
        """
        return [self._admit(each, due=due) for each, due in self._alignment.take(item)]

    def last(self, item: ShardClicks, *, stopped: bool) -> list[ShardClicks]:
        """Return what was held, and `item` (empty) with the last beat: at the end, or when `stopped`."""
        items = [self._admit(each, due=False) for each in self._alignment.rest()]
        item.newest_s = self.clock.newest_s
        self._beat(item, last=True, stopped=stopped)
        return [*items, item]

    def _admit(self, item: ShardClicks, *, due: bool) -> ShardClicks:
        before_ns = self.clock.newest_ns or 0
        header = item.header
        self.clock.observe(header)
        applied = self.positions.get(header.source, header.start)
        if header.start > applied:
            message = f"{header.source} continues at {header.start}, state ends at {applied}"
            raise GapError(message)
        if header.start < applied:
            item = self._unapplied(item, applied)
        self.positions[header.source] = max(applied, header.end)
        if header.oldest_ns is not None and header.oldest_ns < covered_from_s(self.clock.newest_s) * 10**9:
            item = self._in_time(item, before_ns)
        item.newest_s = self.clock.newest_s
        if due:
            self._beat(item)
        return item

    def _beat(self, item: ShardClicks, *, last: bool = False, stopped: bool = False) -> None:
        item.beat = self.clock.beat(item.header.parts, last=last, stopped=stopped)
        if item.beat is not None:
            item.beat.positions = dict(self.positions)

    @staticmethod
    def _unapplied(item: ShardClicks, applied: int) -> ShardClicks:
        if item.header.end <= applied:
            kept = item.take(np.empty(0, np.int64))
            kept.rejected, kept.newest = [], []
            return kept
        kept = item.take(np.flatnonzero(item.position >= applied))
        kept.rejected = [rejection for rejection in item.rejected if rejection.position >= applied]
        kept.newest = [click for click in item.newest if click.position >= applied]
        return kept

    @staticmethod
    def _in_time(item: ShardClicks, before_ns: int) -> ShardClicks:
        high_s = np.maximum(item.high_ns, before_ns) // 10**9
        covered_ns = (high_s // BUCKET_S - (BUCKETS - 1)) * BUCKET_S * 10**9
        in_time = item.time_ns >= covered_ns
        kept = item.take(np.flatnonzero(in_time))
        kept.late = len(item) - len(kept)
        return kept
