"""State machine log: the newest steps of the visitors' journeys."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import streamlit as st

from dashboard.data.board import Figures
from dashboard.page.charts import arrow
from dashboard.page.panels.panel import Panel, View, empty, times
from dashboard.page.parts import TABLE_HEIGHT, Grid, Part

# Field of a line: heading and width.
COLUMNS = {
    "user": ("Visitor", 300),
    "left": ("From", 130),
    "state": ("To", 130),
    "product": ("Product", 130),
    "category": ("Category", 120),
    "offer": ("Offer", 110),
}


def _draw(board: Figures, view: View) -> Iterator[Part]:
    rows = board.log
    if rows and view.visitor:
        wanted = view.visitor.casefold()
        rows = tuple(line for line in rows if wanted in line.user.casefold())
    if not rows:
        why = "No journey yet: one begins when a visitor of the audience clicks clothing."
        yield empty(rows, "No step of such a visitor." if view.visitor else why, TABLE_HEIGHT)
        return
    frame = pd.DataFrame({"at": times([line.at_ms for line in rows], view.zone)})
    for name in COLUMNS:
        frame[name] = pd.Series([getattr(line, name) or None for line in rows], dtype="string")
    columns = {"at": st.column_config.DatetimeColumn("Time", format="YYYY-MM-DD HH:mm:ss", width=160)}
    for name, (heading, width) in COLUMNS.items():
        columns[name] = st.column_config.TextColumn(heading, width=width)
    yield Grid(arrow(frame), columns, "log")


LOG = Panel(
    key="log",
    title="State machine log",
    definition="The newest 200 journey steps and offers, newest first.",
    draw=_draw,
    personal=True,
    can_pause=True,
)
