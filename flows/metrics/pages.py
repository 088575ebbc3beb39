"""The most viewed pages. A page is a product in a category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from flows.metrics.by_page import ByPage
from flows.metrics.metric import Frame, Published
from flows.model.shard_clicks import AlignedBarrier


class Page(NamedTuple):
    """A page among the most viewed: sorts by rank."""

    minus_clicks: int
    product: str
    category: str
    title: str | None


class Pages(ByPage[list[Page]]):
    """The `top` pages by clicks in [as_of - window_s, as_of), each with the title of its newest click."""

    frames = ("products_last_hour",)

    def __init__(self, *, window_s: int, top: int) -> None:
        super().__init__(window_s=window_s)
        self._top = top

    def report(self, as_of_s: int) -> list[Page]:
        """Return the most viewed of this shard."""
        self._slices.advance(as_of_s)
        totals = self._slices.totals
        viewed = np.flatnonzero(totals)
        if len(viewed) > self._top:
            border = np.partition(totals[viewed], -self._top)[-self._top]
            viewed = viewed[totals[viewed] >= border]
        return sorted(Page(-int(totals[n]), *self.named(n)) for n in viewed.tolist())[: self._top]

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
