"""The most viewed pages. A page is a product in a category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from flows.metrics.metric import Frame, Metric, Part, Published
from flows.model.columns import Ints, Words, distinct
from flows.model.shard_clicks import AlignedBarrier, ShardClicks
from flows.windows.names import Names
from flows.windows.slices import Slices
from flows.windows.table import grown


class Page(NamedTuple):
    """A page among the most viewed: sorts by rank."""

    minus_clicks: int
    product: str
    category: str
    title: str | None


class Pages(Metric[list[Page]]):
    """The `top` pages by clicks in [as_of - window_s, as_of), each with the title of its newest click."""

    frames = ("products_last_hour",)

    def __init__(self, *, window_s: int, top: int) -> None:
        self._window_s, self._top = window_s, top

    def begin(self) -> None:
        """Make what a shard keeps, empty."""
        self._slices = Slices(self._window_s)
        self._names = Names[tuple[str, str]]()
        self._titles: list[str | None] = []
        self._titled_ns: Ints = np.zeros(0, np.int64)
        self._changed: set[int] = set()

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks, each of which has a product."""
        page = self._pages(item.words("product"), item.words("category"))
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
        """Keep the title of each page's newest click; of equal times the later arrival's."""
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

    def report(self, as_of_s: int) -> list[Page]:
        """Return the most viewed of this shard."""
        self._slices.advance(as_of_s)
        totals = self._slices.totals
        viewed = np.flatnonzero(totals)
        if len(viewed) > self._top:
            border = np.partition(totals[viewed], -self._top)[-self._top]
            viewed = viewed[totals[viewed] >= border]
        names, titles = self._names.names, self._titles
        pages = sorted(Page(-int(totals[n]), names[n][0], names[n][1], titles[n]) for n in viewed.tolist())
        return pages[: self._top]

    def publish(self, barrier: AlignedBarrier, shards: Sequence[list[Page]]) -> Published:
        """Return the most viewed of all shards: a page is in one of them."""
        top = sorted(page for shard in shards for page in shard)[: self._top]
        rows: Frame = {
            "productId": [page.product for page in top],
            "category": [page.category for page in top],
            "count": [-page.minus_clicks for page in top],
            "title": [page.title for page in top],
        }
        return Published(frames={self.frames[0]: rows})

    def changes(self, *, everything: bool) -> Part:
        """Return what changed, or all; when all, pages without clicks are forgotten first."""
        if everything:
            self._forget()
        pages = range(len(self._titles)) if everything else sorted(self._changed)
        self._changed = set()
        return {
            "page": [(n, *self._names.names[n], self._titles[n], int(self._titled_ns[n])) for n in pages],
            "slices": self._slices.changes(everything=everything),
        }

    def _forget(self) -> None:
        totals = self._slices.totals
        held = np.flatnonzero(totals)
        self._titles = [self._titles[old] for old in held.tolist()]
        self._titled_ns = self._titled_ns[held]
        self._slices.renumber(self._names.keep(held, len(totals)))

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
