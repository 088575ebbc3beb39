"""The layout: which panels the page has, row by row, and how wide each is. A new panel is an entry here."""

from __future__ import annotations

from itertools import chain

import streamlit as st

from dashboard.data.board import Figures
from dashboard.page.panels.categories import CATEGORIES
from dashboard.page.panels.devices import DEVICES
from dashboard.page.panels.latest import LATEST
from dashboard.page.panels.log import LOG
from dashboard.page.panels.pages import PAGES
from dashboard.page.panels.panel import View
from dashboard.page.panels.raw import RAW
from dashboard.page.panels.rejected import rejected
from dashboard.page.panels.sessions import SESSIONS
from dashboard.page.panels.visitors import VISITORS

# Rows from the top, each of (panel, width in twelfths).
ROWS = (
    ((VISITORS, 7), (SESSIONS, 5)),
    ((PAGES, 6), (CATEGORIES, 3), (DEVICES, 3)),
    ((LATEST, 5), (LOG, 7)),
    ((RAW, 12),),
)
# What is read of a board.
TABLES = tuple(table for panel, _ in chain.from_iterable(ROWS) for table in panel.tables)


def draw(board: Figures, view: View) -> None:
    """Draw all panels."""
    for row in ROWS:
        if len(row) == 1:
            row[0][0].show(board, view)
            continue
        for place, (panel, _) in zip(st.columns([width for _, width in row]), row, strict=True):
            with place:
                panel.show(board, view)
    rejected(board)
