"""Totals since the state began: accepted clicks, late ones, and rejected records by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from flows.entries.entry import Entries, origin_of, pack
from flows.entries.outbox import Outbox, Receipts
from flows.metrics.metric import Metric, Part, Published
from flows.model.rejected import Rejected
from flows.model.shard_clicks import AlignedBarrier, ShardClicks
from flows.shards.skew import Skew


class TotalFigures(NamedTuple):
    """A shard's counts by name, and how many of its clicks wait for their time."""

    counts: dict[str, int]
    waiting: int


class Totals(Metric[TotalFigures]):
    """Counts what becomes of every record; rejected ones are passed on for all to see.

    Bots' clicks that are set apart are totals of their own. Of entries it counts those that a sink had to
    give up. It also judges whether the flow's clock is slow.
    """

    def __init__(self, receipts: Receipts, *, bots_apart: bool = True) -> None:
        self._receipts, self._bots_apart = receipts, bots_apart
        self._skew = Skew()

    def begin(self) -> None:
        """Make what a shard keeps, empty."""
        self._counts: Counter[str] = Counter()
        self._waiting = 0
        self._outbox = Outbox(self._receipts)

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks and the shard's rejected records."""
        bots = int(np.count_nonzero(item.of_bots)) if self._bots_apart else 0
        late_bots = item.late_bots if self._bots_apart else 0
        self._counts["clicks"] += len(item) - bots
        self._counts["late"] += item.late - late_bots
        self._counts["bot clicks"] += bots
        self._counts["bot late"] += late_bots
        self._counts["ahead"] += item.ahead
        if item.aligned is not None:
            self._waiting = item.aligned.ahead
        if item.rejected:
            for reason, number in item.rejected.counts().items():
                self._counts[f"rejected {reason}"] += number
            self._outbox.put(_entries(origin_of(item.header.source, item.header.log), item.rejected))

    def entries(self) -> list[Entries]:
        """Return the entries of the records rejected since the last call, at first those not yet written."""
        return self._outbox.entries()

    def report(self, as_of_s: int) -> TotalFigures:
        """Return the counts; entries given up meanwhile, of any shard in this process, are in one of them."""
        self._counts["dropped"] += self._receipts.take_dropped()
        return TotalFigures(dict(self._counts), self._waiting)

    def publish(self, barrier: AlignedBarrier, shards: Sequence[TotalFigures]) -> Published:
        """Return the totals, and whether the clock is slow if it is."""
        total: Counter[str] = Counter()
        for shard in shards:
            total.update(shard.counts)
        named = sorted(name.split(" ")[1] for name in total if name.startswith("rejected "))
        rejected = {reason: total[f"rejected {reason}"] for reason in named}
        waiting = sum(shard.waiting for shard in shards)
        numbers: dict[str, Any] = {
            "clicks_total": total["clicks"],
            "late_total": total["late"],
            "rejected_total": sum(rejected.values()),
            "rejected": rejected,
            "entries_dropped_total": total["dropped"],
            "ahead": waiting,
            "bot_clicks_total": total["bot clicks"],
            "bot_late_total": total["bot late"],
        }
        too_new = total["rejected too_new"]
        read = sum(total[name] for name in ("clicks", "late", "bot clicks", "bot late")) + too_new + waiting
        if barrier.now_ms is not None and self._skew.is_slow(barrier.now_ms, read, total["ahead"] + too_new):
            numbers["clock_slow"] = True
        return Published(numbers)

    def changes(self, *, everything: bool) -> Part:
        """Return all counts, which are few, and what changed of the entries not yet written, or all."""
        return {"counts": dict(self._counts), "outbox": self._outbox.changes(everything=everything)}

    def load(self, part: Part) -> None:
        """Take in a part of the state."""
        self._counts = Counter(part["counts"])
        self._outbox.load(part["outbox"])


def _entries(origin: str, rejected: Rejected) -> Iterator[Entries]:
    # Rows of one column-shaped record share its position: numbered, so that none hides another.
    position = rejected.position
    sub = np.arange(len(position)) - np.searchsorted(position, position)
    first, kept = len(position) - len(rejected.records), list(rejected.kept())
    reasons, records = [each.reason for each in kept], [each.record for each in kept]
    return pack("rejected", origin, [position[first:], sub[first:]], {"reason": reasons, "record": records})
