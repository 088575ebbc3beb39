"""Category popularity: clicks per category in the last hour."""

from __future__ import annotations

from collections import Counter
from heapq import nsmallest
from itertools import islice
from typing import Any

import numpy as np

from flows.model.shard_clicks import ShardClicks
from flows.windows.slices import Slices

WINDOW_S = 3600
TOP = 100


class Categories:
    """Clicks per category in [as_of - 1 h, as_of)."""

    def __init__(self) -> None:
        self._slices = Slices(WINDOW_S)
        self._number: dict[str, int] = {}
        self._saved = 0

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks."""
        category = item.columns["category"]
        used, place = category.used()
        words = [category.words[code] for code in used.tolist()]
        numbers = [self._number.setdefault(word, len(self._number)) for word in words]
        self._slices.add(item.second, np.array(numbers, np.int64)[place], item.newest_s)

    def report(self, as_of_s: int) -> dict[str, int]:
        """Return clicks by category as of `as_of_s`."""
        self._slices.advance(as_of_s)
        names, totals = list(self._number), self._slices.totals
        return {names[number]: int(totals[number]) for number in np.flatnonzero(totals).tolist()}

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return what changed, or all; when all, categories without clicks are forgotten first."""
        if everything:
            totals = self._slices.totals
            held, names = np.flatnonzero(totals), list(self._number)
            number = np.zeros(max(len(totals), 1), np.int64)
            number[held] = np.arange(len(held))
            self._number = {names[old]: new for new, old in enumerate(held.tolist())}
            self._slices.renumber(number)
            self._saved = 0
        new = list(islice(self._number, self._saved, None))
        self._saved = len(self._number)
        return {"names": new, "slices": self._slices.changes(everything=everything)}

    def load(self, part: dict[str, Any]) -> None:
        """Take in a part of the state."""
        for name in part["names"]:
            self._number.setdefault(name, len(self._number))
        self._saved = len(self._number)
        self._slices.load(part["slices"])


def category_rows(shards: list[dict[str, int]]) -> dict[str, Any]:
    """Return the columns of `category_popularity`, the most clicked first, ties by name.

    Of more than TOP categories the rest are one last row.
    """
    total: Counter[str] = Counter()
    for shard in shards:
        total.update(shard)
    ranked = nsmallest(TOP, total.items(), key=lambda item: (-item[1], item[0]))
    names, counts = [name for name, _ in ranked], [clicks for _, clicks in ranked]
    if len(total) > TOP:
        names.append(f"({len(total) - TOP} others)")
        counts.append(sum(total.values()) - sum(counts))
    return {"category": names, "count": counts}
