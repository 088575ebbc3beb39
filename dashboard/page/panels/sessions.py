"""Sessions in the last 8 hours: their figures, and bars per half hour."""

from __future__ import annotations

from collections.abc import Iterator

from dashboard.data.board import Figures, Table
from dashboard.data.values import moment_ms
from dashboard.page import charts
from dashboard.page.html import figures
from dashboard.page.panels.panel import Panel, View, chart
from dashboard.page.parts import Html, Part
from dashboard.page.text import duration, number, share
from flows.metrics.sessions import Sessions

# (start in epoch ms, sessions with a click in the half hour)
HALF_HOURS = Table(Sessions.frames[0], lambda row: (moment_ms(row["datetime"]), int(row["count"])))


def _draw(board: Figures, view: View) -> Iterator[Part]:
    rows = [
        (number(board.count("sessions_8h")), "sessions, 8 h", "sessions_8h"),
        (number(board.count("sessions_active")), "active now", "sessions_active"),
        (duration(board.mean("session_seconds_mean")), "mean duration", "session_seconds_mean"),
        (number(board.mean("session_clicks_mean"), 1), "clicks per session", "session_clicks_mean"),
        (share(board.mean("session_bounce_share")), "bounced: one click", "session_bounce_share"),
    ]
    yield Html(figures(rows))
    half_hours = board.rows(HALF_HOURS)
    frame, known = charts.half_hour_frame(half_hours or (), view.zone), half_hours is not None
    yield Html(
        '<p class="of">Sessions with a click in the half hour<em>the last one is still filling</em></p>'
    )
    yield chart(frame, charts.sessions_spec(), charts.SESSIONS_HEIGHT, "Sessions per half hour", known=known)


SESSIONS = Panel(
    key="sessions",
    title="Sessions in the last 8 hours",
    definition=(
        "A visitor's clicks with no gap over 30 minutes. Active now: last click within 30 minutes. "
        "The other figures are of all sessions with a click in the last 8 hours."
    ),
    tables=[HALF_HOURS],
    draw=_draw,
)
