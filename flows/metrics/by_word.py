"""Clicks by a word of theirs, such as their category, in a sliding window: the base of such metrics.

class Countries(ByWord):
\"\"\"Clicks by country.\"\"\"

column, frames = "country", ("country_popularity",)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from flows.metrics.metric import Metric, Part, Published, added, ranked
from flows.model.shard_clicks import AlignedBarrier, ShardClicks
from flows.windows.names import Names
from flows.windows.slices import Slices


class ByWord(Metric[Mapping[str, int]]):
    """Clicks by the words of `column` in [as_of - window_s, as_of).

    The table has the `top` most clicked, ties by name; the others are one last row.
    """

    column: ClassVar[str]

    def __init__(self, *, window_s: int, top: int) -> None:
        self._window_s, self._top = window_s, top

    def begin(self) -> None:
        """Make what a shard keeps, empty."""
        self._slices = Slices(self._window_s)
        self._words = Names[str]()
        self._saved = 0

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks."""
        if not len(item):
            return
        words = item.words(self.column)
        used, place = words.used()
        numbers = self._words.numbers(words.words[code] or "" for code in used.tolist())
        self._slices.add(item.second, numbers[place], item.newest_s)

    def report(self, as_of_s: int) -> Mapping[str, int]:
        """Return clicks by word."""
        self._slices.advance(as_of_s)
        words, totals = self._words.names, self._slices.totals
        return {words[number]: int(totals[number]) for number in np.flatnonzero(totals).tolist()}

    def publish(self, barrier: AlignedBarrier, shards: Sequence[Mapping[str, int]]) -> Published:
        """Return the table of the most clicked."""
        total = added(shards)
        top = ranked(total, self._top)
        words, counts = [word for word, _ in top], [clicks for _, clicks in top]
        if len(total) > self._top:
            words.append(f"({len(total) - self._top} others)")
            counts.append(sum(total.values()) - sum(counts))
        return Published(frames={self.frames[0]: {self.column: words, "count": counts}})

    def changes(self, *, everything: bool) -> Part:
        """Return what changed, or all; when all, words without clicks are forgotten first."""
        if everything:
            self._slices.renumber(self._words.keep(self._slices.held(), len(self._words)))
            self._saved = 0
        new, self._saved = self._words.names[self._saved :], len(self._words)
        return {"names": new, "slices": self._slices.changes(everything=everything)}

    def load(self, part: Part) -> None:
        """Take in a part of the state."""
        self._words.numbers(part["names"])
        self._saved = len(self._words)
        self._slices.load(part["slices"])
