"""Visitors in the last 15 minutes, and the minute series of visitors and clicks."""

from __future__ import annotations

from collections.abc import Iterator

from dashboard.data.board import Figures, Table
from dashboard.data.tables import MINUTES
from dashboard.page import charts
from dashboard.page.html import figures
from dashboard.page.panels.panel import Panel, View, chart
from dashboard.page.parts import Html, Part
from dashboard.page.text import number
from flows.metrics.bots import Bots

BOTS = Table(Bots.frames[1], lambda row: int(row["count"]))


def _draw(board: Figures, view: View) -> Iterator[Part]:
    yield Html(figures([(number(board.count("visitors_15m")), "visitors, 15 min", "visitors_15m")]))
    minutes = board.rows(MINUTES)
    frame = charts.minute_frame(minutes or (), board.rows(BOTS) or (), view.zone)
    known = minutes is not None
    yield Html('<p class="of">Visitors per clock minute<em>the last one is still filling</em></p>')
    yield chart(frame, charts.visitors_spec(), charts.VISITORS_HEIGHT, "Visitors per minute", known=known)
    yield Html(
        '<p class="of">Clicks per clock minute<em>the line: those of bots, as far as they fit</em></p>'
    )
    yield chart(frame, charts.clicks_spec(), charts.CLICKS_HEIGHT, "Clicks per minute", known=known)


VISITORS = Panel(
    key="visitors",
    title="Visitors in the last 15 minutes",
    definition="Distinct visitors with a click in the window.",
    tables=[MINUTES, BOTS],
    draw=_draw,
)
