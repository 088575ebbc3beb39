"""State machine log: the newest steps of the visitors' journeys."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.data.board import Figures
from dashboard.page.panels.panel import TABLE_HEIGHT, Panel, View, empty, table, times


def _draw(board: Figures, view: View) -> None:
    rows = board.log
    if not rows:
        why = "No journey yet: one begins when a visitor of the audience clicks clothing."
        empty(rows, why, TABLE_HEIGHT)
        return
    frame = pd.DataFrame(
        [(line.at_ms, line.state, line.msg, line.user) for line in rows],
        columns=["at", "state", "msg", "user"],
    )
    frame["at"] = times(frame["at"], view.zone)
    columns = {
        "at": st.column_config.DatetimeColumn("Time", format="YYYY-MM-DD HH:mm:ss", width=150),
        "state": st.column_config.TextColumn("State", width=120),
        "msg": st.column_config.TextColumn("Message", width=420),
        "user": st.column_config.TextColumn("Visitor", width=150),
    }
    table(frame.style.map(_offer_style, subset=["state"]), columns, "log")


def _offer_style(state: object) -> str:
    """Make offers stand out, in light and dark."""
    return "background-color: #e69f00; color: #1a1a1a; font-weight: bold" if state == "offer" else ""


LOG = Panel(
    key="log",
    title="State machine log",
    definition="The newest 200 journey steps and offers, newest first.",
    draw=_draw,
)
