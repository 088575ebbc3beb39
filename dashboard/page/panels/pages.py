"""Top 10 viewed pages in the last hour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dashboard.data.board import Figures, Row, Table
from dashboard.data.values import text
from dashboard.page.html import Bar, bar_list
from dashboard.page.panels.panel import Panel, View, empty
from dashboard.page.parts import Html, Part
from dashboard.page.text import joined
from flows.metrics.pages import Pages

HEIGHT = 446


class Page(NamedTuple):
    """A product and its clicks in the last hour."""

    product_id: str
    category: str
    title: str
    clicks: int

    @property
    def under(self) -> str:
        """What stands below the title."""
        return joined(self.category, self.product_id)


def _page(row: Row) -> Page:
    return Page(text(row["productId"]), text(row["category"]), text(row["title"]), int(row["count"]))


TOP = Table(Pages.frames[0], _page)


def _draw(board: Figures, view: View) -> Iterator[Part]:
    rows = board.rows(TOP)
    if not rows:
        yield empty(rows, "No product was clicked in the last hour.", HEIGHT)
        return
    most = max(page.clicks for page in rows)
    yield Html(
        bar_list(Bar(page.title or page.product_id, page.clicks, most, under=page.under) for page in rows)
    )


PAGES = Panel(
    key="pages",
    title="Top 10 viewed pages in the last hour",
    definition="Products by clicks; ties by product id.",
    tables=[TOP],
    draw=_draw,
)
