"""Category popularity in the last hour."""

from __future__ import annotations

from collections.abc import Iterator

from dashboard.data.board import Figures, Table
from dashboard.data.values import text
from dashboard.page.panels.panel import Panel, View, shares
from dashboard.page.parts import Part
from flows.metrics.categories import Categories

POPULARITY = Table(Categories.frames[0], lambda row: (text(row["category"]), int(row["count"])))


def _draw(board: Figures, view: View) -> Iterator[Part]:
    yield shares(board.rows(POPULARITY), "No click in the last hour.")


CATEGORIES = Panel(
    key="categories",
    title="Category popularity in the last hour",
    definition="Clicks, and share of all clicks.",
    tables=[POPULARITY],
    draw=_draw,
)
