"""Rising and falling products: the last minutes against those before, corrected by the whole shop.

    45 minutes before: b of B clicks             last 15 minutes: a of A clicks
    ─────────────────────────────────────────────┼──────────────────────────────┤ as_of

If a page had kept its share of the shop, a would be E = (b / 3) * A / (B / 3). By how much it is more or
less, in standard deviations of a Poisson count (at least one click), is z = (a - E) / sqrt(max(E, 1)).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np

from flows.metrics.by_page import ByPage
from flows.metrics.metric import Frame, Part, Published
from flows.model.columns import Ints
from flows.model.shard_clicks import AlignedBarrier
from flows.windows.slices import Counts, Slices
from flows.windows.table import grown

RISING_CLICKS, RISING_FACTOR, RISING_Z, RISING_ROWS = 20, 1.5, 4, 5
FALLING_TOP, FALLING_FACTOR, FALLING_Z, FALLING_ROWS = 10, 0.5, -4, 3
LEAST_BEFORE = 100


class Seen(NamedTuple):
    """A page's clicks of the last minutes, and of those before."""

    product: str
    category: str
    title: str | None
    now: int
    before: int


class TrendFigures(NamedTuple):
    """A shard's clicks of the last minutes, and of those before; pages that may rise, and that may fall.

    `began_s` is the second of the first click of all, None if there is none.
    """

    now: int
    before: int
    began_s: int | None
    rising: list[Seen]
    falling: list[Seen]


class Trending(ByPage[TrendFigures]):
    """The last `recent_s` seconds of [as_of - window_s, as_of) against those before, by page."""

    frames = ("trending",)

    def __init__(self, *, window_s: int, recent_s: int) -> None:
        super().__init__(window_s=window_s)
        self._recent_s = recent_s

    def begin(self) -> None:
        """Make what a shard keeps, empty."""
        super().begin()
        self._recent = Slices(self._recent_s)
        self._began_s: int | None = None

    def count(self, counts: Counts, newest_s: int) -> None:
        """Take in clicks counted by page number."""
        super().count(counts, newest_s)
        self._recent.add_counts(counts, newest_s)
        self._began_s = counts.first_s if self._began_s is None else min(counts.first_s, self._began_s)

    def report(self, as_of_s: int) -> TrendFigures:
        """Return the shard's figures."""
        self._slices.advance(as_of_s)
        self._recent.advance(as_of_s)
        both, now = (grown(each.totals, len(self._names)) for each in (self._slices, self._recent))
        before = both - now
        most = np.flatnonzero(before)
        if len(most) > FALLING_TOP:
            border = np.partition(before[most], -FALLING_TOP)[-FALLING_TOP]
            most = most[before[most] >= border]

        def seen(pages: Ints) -> list[Seen]:
            return [Seen(*self.named(page), int(now[page]), int(before[page])) for page in pages.tolist()]

        rising = seen(np.flatnonzero(now >= RISING_CLICKS))
        return TrendFigures(int(now.sum()), int(before.sum()), self._began_s, rising, _top(seen(most)))

    def publish(self, barrier: AlignedBarrier, shards: Sequence[TrendFigures]) -> Published:
        """Return the table, empty while there is nothing to compare with: then the numbers are missing."""
        now, before = sum(shard.now for shard in shards), sum(shard.before for shard in shards)
        began_s = min((shard.began_s for shard in shards if shard.began_s is not None), default=None)
        known = before >= LEAST_BEFORE and began_s is not None and began_s <= barrier.as_of_s - self._window_s
        rising: list[tuple[float, Seen, float]] = []
        falling: list[tuple[float, Seen, float]] = []
        for page in (page for shard in shards for page in shard.rising if known):
            z, expected = _deviation(page, now, before)
            if page.now >= RISING_FACTOR * expected and z >= RISING_Z:
                rising.append((-z, page, expected))
        for page in _top([page for shard in shards for page in shard.falling if known]):
            z, expected = _deviation(page, now, before)
            if page.now <= FALLING_FACTOR * expected and z <= FALLING_Z:
                falling.append((z, page, expected))
        rising, falling = sorted(rising)[:RISING_ROWS], sorted(falling)[:FALLING_ROWS]
        numbers = {"trending_rising": len(rising), "trending_falling": len(falling)} if known else {}
        return Published(numbers, {self.frames[0]: _rows(rising, falling)})

    def changes(self, *, everything: bool) -> Part:
        """Return what changed, or all; when all, pages without clicks are forgotten first."""
        part = super().changes(everything=everything)
        return part | {"recent": self._recent.changes(everything=everything), "began_s": self._began_s}

    def keep(self, held: Ints, number: Ints) -> None:
        """Forget all pages but `held`; `number` has the new one of each by its old."""
        super().keep(held, number)
        self._recent.renumber(number)

    def load(self, part: Part) -> None:
        """Take in a part of the state."""
        super().load(part)
        self._recent.load(part["recent"])
        self._began_s = part["began_s"]


def _deviation(page: Seen, now: int, before: int) -> tuple[float, float]:
    """Return (z, what was to be expected) where the whole shop has so many clicks `now` and `before`."""
    expected = page.before / 3 * now / (before / 3)
    return (page.now - expected) / sqrt(max(expected, 1)), expected


def _top(pages: list[Seen]) -> list[Seen]:
    """Return the most viewed before, ties by product."""
    return sorted(pages, key=lambda page: (-page.before, page.product, page.category))[:FALLING_TOP]


def _rows(rising: list[tuple[float, Seen, float]], falling: list[tuple[float, Seen, float]]) -> Frame:
    rows = [
        *((page, expected, "rising" if page.before else "new") for _, page, expected in rising),
        *((page, expected, "falling") for _, page, expected in falling),
    ]
    return {
        "productId": [page.product for page, _, _ in rows],
        "category": [page.category for page, _, _ in rows],
        "title": [page.title for page, _, _ in rows],
        "clicks": [page.now for page, _, _ in rows],
        "expected": [expected for _, expected, _ in rows],
        "direction": [direction for _, _, direction in rows],
    }
