"""Visitors in the last 15 minutes, and the minute series of visitors and clicks."""

from __future__ import annotations

import streamlit as st

from dashboard.data.board import Figures
from dashboard.data.tables import MINUTES
from dashboard.page import charts
from dashboard.page.html import figures
from dashboard.page.panels.panel import Panel, View, chart
from dashboard.page.text import number


def _draw(board: Figures, view: View) -> None:
    st.html(figures([(number(board.count("visitors_15m")), "visitors, 15 min", "visitors_15m")]))
    minutes = board.rows(MINUTES)
    frame, known = charts.minute_frame(minutes or (), view.zone), minutes is not None
    st.html('<p class="of">Visitors per clock minute<em>the last one is still filling</em></p>')
    chart(frame, charts.visitors_spec(), charts.VISITORS_HEIGHT, "Visitors per minute", known=known)
    st.html('<p class="of">Clicks per clock minute</p>')
    chart(frame, charts.clicks_spec(), charts.CLICKS_HEIGHT, "Clicks per minute", known=known)


VISITORS = Panel(
    key="visitors",
    title="Visitors in the last 15 minutes",
    definition="Distinct visitors with a click in the window.",
    tables=[MINUTES],
    draw=_draw,
)
