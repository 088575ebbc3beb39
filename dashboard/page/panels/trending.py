"""Rising and falling products: the last 15 minutes against the 45 before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dashboard.data.board import Figures, Row, Table
from dashboard.data.values import text
from dashboard.page.panels.panel import Panel, View, empty
from dashboard.page.parts import Html, Part
from dashboard.page.text import UNKNOWN, hint, joined, number, safe
from flows.metrics.trending import Trending

HEIGHT = 446
_WORDS = {"rising": "▲ rising", "new": "▲ new", "falling": "▼ falling"}


class Trend(NamedTuple):
    """A product, its clicks of the last 15 minutes, and how many its share of before would have been."""

    product_id: str
    category: str
    title: str
    clicks: int
    expected: float
    direction: str

    @property
    def times(self) -> str:
        """By how much it is more or less than was to be expected."""
        return (
            "new"
            if self.direction == "new"
            else f"{self.clicks / max(self.expected, 1e-9):,.1f} \N{MULTIPLICATION SIGN}"
        )


def _trend(row: Row) -> Trend:
    product, category, title, direction = (
        text(row[name]) for name in ("productId", "category", "title", "direction")
    )
    return Trend(product, category, title, int(row["clicks"]), float(row["expected"]), direction)


TRENDS = Table(Trending.frames[0], _trend)


def _draw(board: Figures, view: View) -> Iterator[Part]:
    rows = board.rows(TRENDS)
    if rows is not None and board.count("trending_rising") is None:
        why = f"{UNKNOWN}<br>Unknown in the first hour, and while there are few clicks to compare with."
        yield empty(rows, why, HEIGHT)
    elif not rows:
        yield empty(rows, "Nothing rises or falls: every product keeps its share.", HEIGHT)
    else:
        yield Html(f'<ul class="trends">{"".join(map(trend_html, rows))}</ul>')


def trend_html(row: Trend) -> str:
    """Write one product."""
    name, under = row.title or row.product_id, joined(row.category, row.product_id)
    expected = "none before" if row.direction == "new" else f"{number(row.expected)} expected"
    word = _WORDS.get(row.direction, "")
    return (
        f'<li class="{"down" if row.direction == "falling" else "up"}"><em>{word}</em>'
        f'<span title="{hint(name)} · {hint(under)}">{safe(name)}<small>{safe(under)}</small></span>'
        f"<b>{number(row.clicks)}<small>{expected}</small></b><i>{row.times}</i></li>"
    )


TRENDING = Panel(
    key="trending",
    title="Rising and falling",
    definition="Clicks of the last 15 minutes against the share of the 45 before.",
    tables=[TRENDS],
    draw=_draw,
)
