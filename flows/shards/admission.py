"""Admission: what stands between a batch and a shard's state.

A click the shard has applied already is skipped, a gap in the source stops the flow, a late click is set
aside, one ahead of the clock waits. Alignment decides when to report, the watermark as of when.
"""

from __future__ import annotations

import numpy as np

from flows.model.batch import Barrier
from flows.model.event_time import BUCKET_S, BUCKETS, covered_from_s
from flows.model.mark import Mark
from flows.model.rejected import Rejected
from flows.model.shard_clicks import AlignedBarrier, ShardClicks
from flows.shards.alignment import Alignment
from flows.shards.waiting import Waiting
from flows.shards.watermark import Watermark

FINAL_LEVEL = 1 << 62


class GapError(Exception):
    """The source continues beyond what the shard has applied: clicks in between would be lost."""


class Admission:
    """Admits the clicks of a shard; see the module. `positions` and `mark` are those of its state."""

    def __init__(self, positions: dict[str, int], mark: Mark) -> None:
        self.positions = dict(positions)
        self.watermark = Watermark(mark)
        self.waiting = Waiting()
        self._alignment = Alignment()
        self._barriers: dict[str, Barrier] = {}

    def admit(self, item: ShardClicks) -> list[ShardClicks]:
        """Return what is to be applied now that `item` is here: what is new and in time, and when to report.

        Raises GapError if a batch begins beyond what has been applied.
        """
        aligned = self._alignment.take(item)
        return [admitted for each, due in aligned for admitted in self._admit(each, due=due)]

    def last(self, item: ShardClicks, *, stopped: bool) -> list[ShardClicks]:
        """Return what was held, and `item` (empty) with the last barrier: at the end, or when `stopped`."""
        items = [admitted for each in self._alignment.rest() for admitted in self._admit(each, due=False)]
        return items + self._report(item, last=True, stopped=stopped)

    def _admit(self, item: ShardClicks, *, due: bool) -> list[ShardClicks]:
        before_ns = self.watermark.mark.newest_ns
        header = item.header
        self.watermark.observe(header.newest_ns, header.ahead_s, header.read_ms)
        if header.barrier is not None:
            self._barriers[header.source] = header.barrier
        applied = self.positions.get(header.source, header.start)
        if header.start > applied:
            message = f"{header.source} continues at {header.start}, state ends at {applied}"
            raise GapError(message)
        if header.start < applied:
            item = self._unapplied(item, applied)
        self.positions[header.source] = max(applied, header.end)
        if header.ahead_s and header.until_s is not None:
            item = self.waiting.hold(item, max(header.until_s, self.watermark.mark.as_of_s))
        covered_s = covered_from_s(self.watermark.newest_s)
        if header.oldest_ns is not None and header.oldest_ns < covered_s * 10**9:
            item = self._in_time(item, before_ns)
        item.newest_s = self.watermark.newest_s
        return self._report(item) if due else [item]

    def _report(self, item: ShardClicks, *, last: bool = False, stopped: bool = False) -> list[ShardClicks]:
        """Return `item` with the aligned barrier of all partitions, behind the clicks that it sets free.

        No board is to be made of barriers that are not complete. All shards find the same `as_of_s`: what
        only some of them know of, because they had applied it before, the barriers tell the others.
        """
        barriers = [self._barriers[name] for name in sorted(self._barriers)]
        complete = all(barrier.complete for barrier in barriers) or (last and not stopped)
        item.newest_s = self.watermark.newest_s
        if len(barriers) < item.header.parts or not complete:
            return [item]
        now_ms = max((barrier.now_ms for barrier in barriers if barrier.now_ms is not None), default=None)
        lags = [barrier.lag for barrier in barriers]
        lag = None if None in lags else sum(lag for lag in lags if lag is not None)
        known = [barrier.known for barrier in barriers]
        as_of_s = self.watermark.advance(now_ms, known, all_read=lag == 0)
        free = self.waiting.give(as_of_s)
        for each in (*free, item):
            each.newest_s = self.watermark.newest_s
        item.aligned = AlignedBarrier(
            level=FINAL_LEVEL if last else barriers[0].number,
            as_of_s=as_of_s,
            now_ms=now_ms,
            positions=dict(self.positions),
            mark=self.watermark.mark,
            lag=lag,
            ahead=0 if now_ms is None else self.waiting.ahead(now_ms // 1000),
            ended=last and not stopped and now_ms is None,
        )
        return [*free, item]

    @staticmethod
    def _unapplied(item: ShardClicks, applied: int) -> ShardClicks:
        if item.header.end <= applied:
            kept = item.take(np.empty(0, np.int64))
            kept.rejected, kept.recent = Rejected(), []
            return kept
        kept = item.take(np.flatnonzero(item.position >= applied))
        kept.rejected = item.rejected.since(applied)
        kept.recent = [click for click in item.recent if click.position >= applied]
        return kept

    @staticmethod
    def _in_time(item: ShardClicks, before_ns: int) -> ShardClicks:
        high_s = np.maximum(item.high_ns, before_ns) // 10**9
        covered_ns = (high_s // BUCKET_S - (BUCKETS - 1)) * BUCKET_S * 10**9
        in_time = item.time_ns >= covered_ns
        kept = item.take(np.flatnonzero(in_time))
        kept.late = len(item) - len(kept)
        if "bot" in item.columns:
            kept.late_bots = int(np.count_nonzero(item.of_bots[~in_time]))
        return kept
