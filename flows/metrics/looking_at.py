"""Online now, and what they look at: each visitor of the last minutes once, on the page clicked last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from flows.metrics.metric import Frame, Metric, Part, Published, ranked
from flows.model.columns import Ints, side_by_side
from flows.model.shard_clicks import AlignedBarrier, ShardClicks
from flows.windows.names import Names
from flows.windows.newest import Newest

OTHER_PAGES = "(other pages)"
NO_PRODUCT = "(no product)"


class View(NamedTuple):
    """What the newest clicks of some visitors say of a page; `newest_ns` is the newest of these clicks."""

    product: str | None
    category: str
    title: str | None
    visitors: int
    newest_ns: int


class LookingAt(Metric[list[View]]):
    """Distinct visitors in [as_of - window_s, as_of), and the `top` pages of their newest clicks.

    A page is a product in a category. Its title is that of the newest of these clicks; of equal times the
    last in the order of the alphabet. Two rows more are for other pages, and for no product, if there are
    any: the sum is everybody.
    """

    frames = ("looking_at",)

    def __init__(self, *, window_s: int, top: int) -> None:
        self._window_s, self._top = window_s, top

    def begin(self) -> None:
        """Make what a shard keeps, empty."""
        self._newest = Newest(self._window_s)
        self._views = Names[tuple[str | None, str, str | None]]()
        self._saved = 0

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks."""
        self._newest.clear(item.freed)
        self._newest.advance(item.newest_s + 1)
        if not len(item):
            return
        recent = self._newest.recent(item.second)
        if len(recent):
            self._newest.add(item.slot[recent], item.time_ns[recent], self._numbers(item, recent))

    def _numbers(self, item: ShardClicks, rows: Ints) -> Ints:
        """Return for each click the number of (product, category, title)."""
        columns = [item.words(name).take(rows) for name in ("product", "category", "title")]
        views, place = side_by_side(columns)
        return self._views.numbers(views)[place]

    def report(self, as_of_s: int) -> list[View]:
        """Return what the shard's visitors look at."""
        self._newest.advance(as_of_s)
        numbers, times_ns = self._newest.clicks()
        visitors = np.bincount(numbers, minlength=len(self._views))
        newest_ns = np.zeros(len(self._views), np.int64)
        np.maximum.at(newest_ns, numbers, times_ns)
        views = self._views.names
        return [
            View(product, category, title, int(visitors[number]), int(newest_ns[number]))
            for number in np.flatnonzero(visitors).tolist()
            for product, category, title in [views[number]]
        ]

    def publish(self, barrier: AlignedBarrier, shards: Sequence[list[View]]) -> Published:
        """Return how many are online, and a row a page."""
        visitors: dict[tuple[str, str], int] = {}
        titles: dict[tuple[str, str], tuple[int, str]] = {}
        nowhere = 0
        for view in (view for shard in shards for view in shard):
            if view.product is None:
                nowhere += view.visitors
                continue
            page = view.product, view.category
            visitors[page] = visitors.get(page, 0) + view.visitors
            titles[page] = max(titles.get(page, (0, "")), (view.newest_ns, view.title or ""))
        top = ranked(visitors, self._top)
        rows: list[tuple[str | None, str | None, str | None, int]] = [
            (product, category, titles[product, category][1] or None, number)
            for (product, category), number in top
        ]
        others = sum(visitors.values()) - sum(number for _, number in top)
        rows += [
            (None, None, name, number)
            for name, number in ((OTHER_PAGES, others), (NO_PRODUCT, nowhere))
            if number
        ]
        online = sum(visitors.values()) + nowhere
        frame: Frame = {
            name: [row[place] for row in rows]
            for place, name in enumerate(("productId", "category", "title", "visitors"))
        }
        return Published({"online_5m": online}, {self.frames[0]: frame})

    def changes(self, *, everything: bool) -> Part:
        """Return what changed, or all; when all, pages that nobody looks at are forgotten first."""
        if everything:
            known = len(self._views)
            held = self._newest.forget()
            self._newest.renumber(self._views.keep(held, known))
            self._saved = 0
        new, self._saved = self._views.names[self._saved :], len(self._views)
        return {"views": new, "newest": self._newest.changes(everything=everything)}

    def load(self, part: Part) -> None:
        """Take in a part of the state."""
        self._views.numbers(tuple(view) for view in part["views"])
        self._saved = len(self._views)
        self._newest.load(part["newest"])
