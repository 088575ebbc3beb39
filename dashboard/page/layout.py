"""The layout: which panels the page has, row by row, and how wide each is. A new panel is an entry here."""

from __future__ import annotations

from itertools import chain

from dashboard.page.panels.audience import AUDIENCE
from dashboard.page.panels.bots import BOTS
from dashboard.page.panels.categories import CATEGORIES
from dashboard.page.panels.devices import DEVICES
from dashboard.page.panels.journeys import JOURNEYS
from dashboard.page.panels.latest import LATEST
from dashboard.page.panels.log import LOG
from dashboard.page.panels.looking_at import LOOKING_AT
from dashboard.page.panels.pages import PAGES
from dashboard.page.panels.panel import Panel
from dashboard.page.panels.raw import RAW
from dashboard.page.panels.sessions import SESSIONS
from dashboard.page.panels.trending import TRENDING
from dashboard.page.panels.visitors import VISITORS

Row = tuple[tuple[Panel, int], ...]
# Rows from the top, each of (panel, width in twelfths).
ROWS: tuple[Row, ...] = (
    ((LOOKING_AT, 7), (TRENDING, 5)),
    ((VISITORS, 7), (SESSIONS, 5)),
    ((PAGES, 6), (CATEGORIES, 3), (DEVICES, 3)),
    ((LATEST, 5), (AUDIENCE, 7)),
    ((BOTS, 5), (JOURNEYS, 7)),
    ((LOG, 12),),
    ((RAW, 12),),
)
# What is read of a board.
TABLES = tuple(table for panel, _ in chain.from_iterable(ROWS) for table in panel.tables)


def rows(*, personal: bool) -> tuple[Row, ...]:
    """Return the rows, those that show single visitors only if `personal`."""
    shown = (tuple((panel, width) for panel, width in row if personal or not panel.personal) for row in ROWS)
    return tuple(row for row in shown if row)
