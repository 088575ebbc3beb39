"""Clicks by page in a sliding window, each page with its title: the base of what is told of pages.

A page is a product in a category. All clicks on a page are in one shard.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from flows.metrics.metric import Metric, Part
from flows.model.columns import Ints, Words, distinct
from flows.model.shard_clicks import ShardClicks
from flows.windows.names import Names
from flows.windows.slices import Slices
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
        self.count(item, self._pages(item.words("product"), item.words("category")))

    def count(self, item: ShardClicks, page: Ints) -> None:
        """Count clicks, each of page number `page`."""
        self._slices.add(item.second, page, item.newest_s)
        if len(page):
            self._entitle(page, item.time_ns, item.words("title"))

    def _pages(self, product: Words, category: Words) -> Ints:
        """Return each click's page number."""
        width = len(category.words) or 1
        pairs = product.codes.astype(np.int64) * width + category.codes
        used, place = distinct(pairs, width * len(product.words))
        numbers = [
            self._page(product.words[code // width] or "", category.words[code % width] or "")
            for code in used.tolist()
        ]
        return np.array(numbers, np.int64)[place]

    def _page(self, product: str, category: str) -> int:
        number = self._names.number((product, category))
        if number == len(self._titles):
            self._titles.append(None)
            self._changed.add(number)
        return number

    def _entitle(self, page: Ints, time_ns: Ints, title: Words) -> None:
        self._titled_ns = grown(self._titled_ns, len(self._titles))
        order = np.argsort(time_ns, kind="stable")
        newest = np.zeros(len(self._titles), np.int64) - 1
        newest[page[order]] = order
        pages = np.flatnonzero(newest >= 0)
        pages = pages[time_ns[newest[pages]] >= self._titled_ns[pages]]
        self._titled_ns[pages] = time_ns[newest[pages]]
        for number, code in zip(pages.tolist(), title.codes[newest[pages]].tolist(), strict=True):
            self._titles[number] = title.words[code]
        self._changed.update(pages.tolist())

    def named(self, number: int) -> tuple[str, str, str | None]:
        """Return a page's product, category and title."""
        return (*self._names.names[number], self._titles[number])

    def changes(self, *, everything: bool) -> Part:
        """Return what changed, or all; when all, pages without clicks are forgotten first."""
        if everything:
            totals = self._slices.totals
            held = np.flatnonzero(totals)
            self.keep(held, self._names.keep(held, len(totals)))
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
        for number, product, category, title, _ in part["page"]:
            self._page(product, category)  # in the order of their numbers
            self._titles[number] = title
        self._titled_ns = grown(self._titled_ns, len(self._titles))
        for number, *_, titled_ns in part["page"]:
            self._titled_ns[number] = titled_ns
        self._changed = set()
        self._slices.load(part["slices"])
