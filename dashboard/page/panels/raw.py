"""Raw data view: the newest clicks with all their fields."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from dashboard.data.board import Figures
from dashboard.data.tables import CLICKS
from dashboard.page.charts import arrow
from dashboard.page.panels.panel import Panel, View, empty, times
from dashboard.page.parts import TABLE_HEIGHT, Grid, Part
from flows.ingest.bots import bot_of

COLUMNS = {  # column of the frame: heading and width; the moment comes first, in the page's zone
    "datetime": ("Time", 190),
    "userId": ("Visitor", 150),
    "title": ("Title", 220),
    "category": ("Category", 110),
    "productId": ("Product", 110),
    "deviceType": ("Device", 90),
    "country": ("Country", 120),
    "gender": ("Gender", 70),
    "age": ("Age", 60),
    "birthdate": ("Born", 100),
    "ip": ("Address", 130),
    "userAgent": ("User agent", 320),
    "bot": ("Bot", 130),
    "timestamp": ("timestamp", 170),
    "original_timestamp": ("original_timestamp", 150),
}


def _draw(board: Figures, view: View) -> Iterator[Part]:
    rows = board.rows(CLICKS)
    if not rows:
        yield empty(rows, "No click in the last hour.", TABLE_HEIGHT)
        return
    rows = tuple({**row, "bot": bot_of(row.get("userAgent"), row.get("deviceType"))} for row in rows)
    frame = pd.DataFrame({name: _cells(name, [row.get(name) for row in rows], view.zone) for name in COLUMNS})
    columns = {
        name: st.column_config.DatetimeColumn(heading, format="YYYY-MM-DD HH:mm:ss.SSS", width=width)
        if name == "datetime"
        else st.column_config.NumberColumn(heading, format="%d", width=width)
        if name == "age"
        else st.column_config.TextColumn(heading, width=width)
        for name, (heading, width) in COLUMNS.items()
    }
    yield Grid(arrow(frame), columns, "raw")


def _cells(name: str, values: list[object], zone: ZoneInfo) -> pd.Series:
    if name == "datetime":
        return times(values, zone)
    if name == "age":
        known = [age if isinstance(age, (int, float)) and abs(age) < 1e6 else None for age in values]
        return pd.Series(known, dtype="float64")
    return pd.Series([None if value is None else str(value) for value in values], dtype="string")


RAW = Panel(
    key="raw",
    title="Raw data view",
    definition="The 100 newest clicks of the last hour, all fields, newest first; bots' too, by their names.",
    tables=[CLICKS],
    personal=True,
    can_pause=True,
    draw=_draw,
)
