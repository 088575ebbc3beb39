"""What those who are here now look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dashboard.data.board import Figures, Row, Table
from dashboard.data.values import text
from dashboard.page.html import Bar, bar_list
from dashboard.page.panels.panel import Panel, View, empty
from dashboard.page.parts import Html, Part
from dashboard.page.text import joined, share
from flows.metrics.looking_at import LookingAt

HEIGHT = 514


class Looked(NamedTuple):
    """A page, or the others, or none, and the visitors whose newest click is on it."""

    product_id: str
    category: str
    title: str
    visitors: int


def _looked(row: Row) -> Looked:
    return Looked(text(row["productId"]), text(row["category"]), text(row["title"]), int(row["visitors"]))


VIEWS = Table(LookingAt.frames[0], _looked)


def _draw(board: Figures, view: View) -> Iterator[Part]:
    rows = board.rows(VIEWS)
    if not rows:
        yield empty(rows, "Nobody was here in the last 5 minutes.", HEIGHT)
        return
    total = sum(row.visitors for row in rows)
    most = max((row.visitors for row in rows if row.product_id), default=0)
    yield Html(bar_list(_bar(row, total, most) for row in rows))


def _bar(row: Looked, total: int, most: int) -> Bar:
    under = joined(row.category, row.product_id)
    note = share(row.visitors / total if total else None)
    # Of all other pages together a bar would dwarf those of the pages.
    most = most if row.product_id else 0
    return Bar(row.title or row.product_id, row.visitors, most, under=under, note=note)


LOOKING_AT = Panel(
    key="looking-at",
    title="What they look at now",
    definition="Visitors of the last 5 minutes, each on the page of their newest click.",
    tables=[VIEWS],
    draw=_draw,
)
