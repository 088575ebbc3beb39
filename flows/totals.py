"""Totals since the state began: accepted clicks, late ones, and rejected records by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from flows.columns import Rejection
from flows.entries import Entries, pack
from flows.outbox import Outbox, Receipts
from flows.split import ShardClicks


class Totals:
    """Counts what becomes of every record; rejected ones are passed on for all to see."""

    def __init__(self, receipts: Receipts | None = None) -> None:
        self._counts: Counter[str] = Counter()
        self._outbox = Outbox(receipts or Receipts())

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks and the shard's rejected records."""
        self._counts["clicks"] += len(item)
        self._counts["late"] += item.late
        if item.rejected:
            for rejection in item.rejected:
                self._counts[f"rejected {rejection.reason}"] += 1
            self._outbox.put(_entries(item.header.source, item.rejected))

    def entries(self) -> list[Entries]:
        """Return the entries of the records rejected since the last call, at first those not yet written."""
        return self._outbox.entries()

    def report(self, as_of_s: int) -> dict[str, int]:
        """Return the counts."""
        return dict(self._counts)

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return all counts, which are few, and the entries that are not yet written."""
        return {"counts": dict(self._counts), "outbox": self._outbox.pending()}

    def load(self, part: dict[str, Any]) -> None:
        """Take in a part of the state."""
        self._counts = Counter(part["counts"])
        self._outbox.load(part["outbox"])


def _entries(source: str, rejected: list[Rejection]) -> Iterator[Entries]:
    # Rows of one column-shaped record share its position: numbered, so that none hides another.
    position = np.array([rejection.position for rejection in rejected])
    sub = np.arange(len(position)) - np.searchsorted(position, position)
    reasons, records = [each.reason for each in rejected], [each.record for each in rejected]
    return pack("rejected", source, [position, sub], {"reason": reasons, "record": records})


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
    }
