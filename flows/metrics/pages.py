"""The top 10 viewed pages of the last hour. A page is a product in a category."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from flows.model.columns import UNKNOWN, Ints, Words, distinct
from flows.model.shard_clicks import ShardClicks
from flows.windows.slices import Slices
from flows.windows.table import grown

WINDOW_S = 3600
TOP = 10


class Page(NamedTuple):
    """A page of the top 10: sorts by rank."""

    minus_clicks: int
    product: str
    category: str
    title: str | None


class Pages:
    """Clicks per page in [as_of - 1 h, as_of), each with the title of its newest click."""

    def __init__(self) -> None:
        self._slices = Slices(WINDOW_S)
        self._number: dict[tuple[str, str], int] = {}
        self._names: list[tuple[str, str]] = []
        self._titles: list[str | None] = []
        self._titled_ns: Ints = np.zeros(0, np.int64)
        self._changed: set[int] = set()

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks, each of which has a product."""
        page = self._pages(item.columns["product"], item.columns["category"])
        self._slices.add(item.second, page, item.newest_s)
        if len(page):
            self._entitle(page, item.time_ns, item.columns["title"])

    def _pages(self, product: Words, category: Words) -> Ints:
        """Return each click's page number."""
        width = len(category.words) or 1
        pairs = product.codes.astype(np.int64) * width + category.codes
        used, place = distinct(pairs, width * len(product.words))
        numbers = [
            self._page(product.words[code // width] or "", category.words[code % width])
            for code in used.tolist()
        ]
        return np.array(numbers, np.int64)[place]

    def _page(self, product: str, category: str | None) -> int:
        name = product, UNKNOWN if category is None else category
        number = self._number.get(name)
        if number is None:
            number = self._number[name] = len(self._names)
            self._names.append(name)
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
        """Return this shard's top 10 as of `as_of_s`."""
        self._slices.advance(as_of_s)
        totals = self._slices.totals
        viewed = np.flatnonzero(totals)
        if len(viewed) > TOP:
            border = np.partition(totals[viewed], -TOP)[-TOP]
            viewed = viewed[totals[viewed] >= border]
        names, titles = self._names, self._titles
        numbers = viewed.tolist()
        return sorted(Page(-int(totals[n]), names[n][0], names[n][1], titles[n]) for n in numbers)[:TOP]

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return what changed, or all; when all, pages without clicks are forgotten first."""
        if everything:
            self._forget()
        pages = range(len(self._titles)) if everything else sorted(self._changed)
        self._changed = set()
        return {
            "page": [(n, *self._names[n], self._titles[n], int(self._titled_ns[n])) for n in pages],
            "slices": self._slices.changes(everything=everything),
        }

    def _forget(self) -> None:
        totals = self._slices.totals
        held = np.flatnonzero(totals)
        number = np.zeros(max(len(totals), 1), np.int64)
        number[held] = np.arange(len(held))
        self._names = [self._names[old] for old in held.tolist()]
        self._number = {name: number for number, name in enumerate(self._names)}
        self._titles = [self._titles[old] for old in held.tolist()]
        self._titled_ns = self._titled_ns[held]
        self._slices.renumber(number)

    def load(self, part: dict[str, Any]) -> None:
        """Take in a part of the state."""
        for number, product, category, title, _ in part["page"]:
            self._page(product, category)  # in the order of their numbers
            self._titles[number] = title
        self._titled_ns = grown(self._titled_ns, len(self._titles))
        for number, *_, titled_ns in part["page"]:
            self._titled_ns[number] = titled_ns
        self._changed = set()
        self._slices.load(part["slices"])


def page_rows(shards: list[list[Page]]) -> dict[str, Any]:
    """Return the columns of `products_last_hour`, the top 10 of all shards."""
    top = sorted(page for shard in shards for page in shard)[:TOP]
    return {
        "productId": [page.product for page in top],
        "category": [page.category for page in top],
        "count": [-page.minus_clicks for page in top],
        "title": [page.title for page in top],
    }
