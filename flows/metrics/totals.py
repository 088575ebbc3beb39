"""Totals since the state began: accepted clicks, late ones, and rejected records by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from flows.entries.entry import Entries, lane_of, pack
from flows.entries.outbox import Outbox, Receipts
from flows.model.rejected import Rejected
from flows.model.shard_clicks import ShardClicks


class Totals:
    """Counts what becomes of every record; rejected ones are passed on for all to see.

    Of entries it counts those that a sink had to give up.
    """

    def __init__(self, receipts: Receipts | None = None) -> None:
        self._counts: Counter[str] = Counter()
        self._receipts = receipts or Receipts()
        self._outbox = Outbox(self._receipts)

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks and the shard's rejected records."""
        self._counts["clicks"] += len(item)
        self._counts["late"] += item.late
        self._counts["ahead"] += item.ahead
        if item.rejected:
            for reason, number in item.rejected.counts().items():
                self._counts[f"rejected {reason}"] += number
            self._outbox.put(_entries(lane_of(item.header.source, item.header.log), item.rejected))

    def entries(self) -> list[Entries]:
        """Return the entries of the records rejected since the last call, at first those not yet written."""
        return self._outbox.entries()

    def report(self, as_of_s: int) -> dict[str, int]:
        """Return the counts; entries given up meanwhile, of any shard in this process, are in one of them."""
        self._counts["dropped"] += self._receipts.take_dropped()
        return dict(self._counts)

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return all counts, which are few, and what changed of the entries not yet written, or all."""
        return {"counts": dict(self._counts), "outbox": self._outbox.changes(everything=everything)}

    def load(self, part: dict[str, Any]) -> None:
        """Take in a part of the state."""
        self._counts = Counter(part["counts"])
        self._outbox.load(part["outbox"])


def _entries(lane: str, rejected: Rejected) -> Iterator[Entries]:
    # Rows of one column-shaped record share its position: numbered, so that none hides another.
    position = rejected.position
    sub = np.arange(len(position)) - np.searchsorted(position, position)
    first, kept = len(position) - len(rejected.records), list(rejected.kept())
    reasons, records = [each.reason for each in kept], [each.record for each in kept]
    return pack("rejected", lane, [position[first:], sub[first:]], {"reason": reasons, "record": records})


def total_values(shards: list[dict[str, int]]) -> dict[str, Any]:
    """Return the totals of `board`."""
    total: Counter[str] = Counter()
    for shard in shards:
        total.update(shard)
    rejected = {
        key.removeprefix("rejected "): n for key, n in sorted(total.items()) if key.startswith("rejected ")
    }
    return {
        "clicks_total": total["clicks"],
        "late_total": total["late"],
        "rejected_total": sum(rejected.values()),
        "rejected": rejected,
        "entries_dropped_total": total["dropped"],
    }


def read_and_ahead(shards: list[dict[str, int]]) -> tuple[int, int]:
    """Return (records that became clicks, late or not, or are too new; how many were ahead when read)."""
    total: Counter[str] = Counter()
    for shard in shards:
        total.update(shard)
    too_new = total["rejected too_new"]
    return total["clicks"] + total["late"] + too_new, total["ahead"] + too_new
