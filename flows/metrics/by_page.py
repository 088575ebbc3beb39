"""Clicks by page in a sliding window, each page with its title: the base of what is told of pages.

A page is a product in a category. All clicks on a page are in one shard.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from flows.metrics.metric import Metric, Part
from flows.model.columns import Ints, Words, side_by_side
from flows.model.shard_clicks import ShardClicks
from flows.windows.names import Names
from flows.windows.newest import take_newest
from flows.windows.slices import Counts, Slices, counted
from flows.windows.table import grown

Figures = TypeVar("Figures")


class ByPage(Metric[Figures]):
    """Clicks by page in [as_of - window_s, as_of), and the title of each page's newest click.

    Of clicks of equal times the later arrival has the title.
    """

    def __init__(self, *, window_s: int) -> None:
        self._window_s = window_s

    def begin(self) -> None:
        """Make what a shard keeps, empty."""
        self._slices = Slices(self._window_s)
        self._names = Names[tuple[str, str]]()
        self._titles: list[str | None] = []
        self._titled_ns: Ints = np.zeros(0, np.int64)
        self._changed: set[int] = set()

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks, each of which has a product."""
        if len(item):
            pages, place, clicks = item.once(_pages)
            number = self._numbers(pages)
            self.count(clicks.renumbered(number), item.newest_s)
            self._entitle(number[place], item.time_ns, item.words("title"))

    def count(self, counts: Counts, newest_s: int) -> None:
        """Take in clicks counted by page number."""
        self._slices.add_counts(counts, newest_s)

    def _numbers(self, pages: list[tuple[str, str]]) -> Ints:
        numbers, known = self._names.numbers(pages), len(self._titles)
        self._titles += [None] * (len(self._names) - known)
        self._changed.update(range(known, len(self._names)))
        return numbers

    def _entitle(self, page: Ints, time_ns: Ints, title: Words) -> None:
        self._titled_ns = grown(self._titled_ns, len(self._titles))
        entitled, code = np.zeros(len(self._titles), bool), np.zeros(len(self._titles), np.uint32)
        take_newest(
            self._titled_ns, code, entitled, page.astype(np.int32), time_ns, title.codes.astype(np.int64)
        )
        pages = np.flatnonzero(entitled)
        for number, place in zip(pages.tolist(), code[pages].tolist(), strict=True):
            self._titles[number] = title.words[place]
        self._changed.update(pages.tolist())

    def named(self, number: int) -> tuple[str, str, str | None]:
        """Return a page's product, category and title."""
        return (*self._names.names[number], self._titles[number])

    def changes(self, *, everything: bool) -> Part:
        """Return what changed, or all; when all, pages without clicks are forgotten first."""
        if everything:
            held = self._slices.held()
            self.keep(held, self._names.keep(held, len(self._names)))
        pages = range(len(self._titles)) if everything else sorted(self._changed)
        self._changed = set()
        return {
            "page": [(n, *self._names.names[n], self._titles[n], int(self._titled_ns[n])) for n in pages],
            "slices": self._slices.changes(everything=everything),
        }

    def keep(self, held: Ints, number: Ints) -> None:
        """Forget all pages but `held`; `number` has the new one of each by its old."""
        self._titles = [self._titles[old] for old in held.tolist()]
        self._titled_ns = self._titled_ns[held]
        self._slices.renumber(number)

    def load(self, part: Part) -> None:
        """Take in a part of the state."""
        # In the order of their numbers.
        self._numbers([(product, category) for _, product, category, _, _ in part["page"]])
        for number, _, _, title, _ in part["page"]:
            self._titles[number] = title
        self._titled_ns = grown(self._titled_ns, len(self._titles))
        for number, *_, titled_ns in part["page"]:
            self._titled_ns[number] = titled_ns
        self._changed = set()
        self._slices.load(part["slices"])


def _pages(item: ShardClicks) -> tuple[list[tuple[str, str]], Ints, Counts]:
    """Return (pages, as product and category; each click's place among them; clicks by second and place)."""
    pairs, place = side_by_side([item.words("product"), item.words("category")])
    pages = [(product or "", category or "") for product, category in pairs]
    return pages, place, counted(item.second, place)
