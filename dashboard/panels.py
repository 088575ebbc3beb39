"""The eight panels: each draws its part of a board, or says why it cannot, in the same space."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from dashboard import charts
from dashboard.board import LAST_MOMENT_MS
from dashboard.figures import Figures, Page
from dashboard.parts import Bar, bar_list, figures
from dashboard.wording import UNKNOWN, ago, clock, duration, hint, number, safe, share

TABLE_HEIGHT = 420
PAGES_HEIGHT = 446
SHARES_HEIGHT = 150
ROW_HEIGHT = 32


def draw(board: Figures, zone: ZoneInfo, now_ms: float) -> None:
    """Lay out all panels. Relative times are relative to `now_ms`."""
    left, right = st.columns([7, 5])
    with left, _panel("visitors"):
        visitors(board, zone)
    with right, _panel("sessions"):
        sessions(board, zone)
    left, middle, right = st.columns([6, 3, 3])
    with left, _panel("pages"):
        pages(board)
    with middle, _panel("categories"):
        categories(board)
    with right, _panel("devices"):
        devices(board)
    left, right = st.columns([5, 7])
    with left, _panel("latest"):
        latest(board, zone, now_ms)
    with right, _panel("log"):
        log(board, zone)
    with _panel("raw"):
        raw(board, zone)
    rejected(board)


def visitors(board: Figures, zone: ZoneInfo) -> None:
    """Draw the distinct count of 15 minutes and the minute series of visitors and clicks."""
    _title("Visitors in the last 15 minutes", "Distinct visitors with a click in the window.")
    st.html(figures([(number(board.visitors_15m), "visitors, 15 min", "visitors_15m")]))
    minutes = board.minutes
    frame = charts.minute_frame(minutes or (), zone)
    st.html('<p class="of">Visitors per clock minute<em>the last one is still filling</em></p>')
    _chart(frame, charts.visitors_spec(), charts.VISITORS_HEIGHT, "Visitors per minute", minutes is not None)
    st.html('<p class="of">Clicks per clock minute</p>')
    _chart(frame, charts.clicks_spec(), charts.CLICKS_HEIGHT, "Clicks per minute", minutes is not None)


def sessions(board: Figures, zone: ZoneInfo) -> None:
    """Draw the session figures of 8 hours and the bars per half hour."""
    definition = (
        "A visitor's clicks with no gap over 30 minutes. Active now: last click within 30 minutes. "
        "The other figures are of all sessions with a click in the last 8 hours."
    )
    _title("Sessions in the last 8 hours", definition)
    rows = [
        (number(board.sessions_8h), "sessions, 8 h", "sessions_8h"),
        (number(board.sessions_active), "active now", "sessions_active"),
        (duration(board.session_seconds_mean), "mean duration", "session_seconds_mean"),
        (number(board.session_clicks_mean, 1), "clicks per session", "session_clicks_mean"),
        (share(board.session_bounce_share), "bounced: one click", "session_bounce_share"),
    ]
    st.html(figures(rows))
    half_hours = board.half_hours
    frame = charts.half_hour_frame(half_hours or (), zone)
    st.html('<p class="of">Sessions with a click in the half hour<em>the last one is still filling</em></p>')
    _chart(
        frame,
        charts.sessions_spec(),
        charts.SESSIONS_HEIGHT,
        "Sessions per half hour",
        half_hours is not None,
    )


def pages(board: Figures) -> None:
    """Draw the ten products with the most clicks."""
    _title("Top 10 viewed pages in the last hour", "Products by clicks; ties by product id.")
    rows = board.pages
    if not rows:
        _empty(rows, "No product was clicked in the last hour.", PAGES_HEIGHT)
        return
    most = max(page.clicks for page in rows)
    st.html(
        bar_list(Bar(page.title or page.product_id, page.clicks, most, under=_under(page)) for page in rows)
    )


def _under(page: Page) -> str:
    return " · ".join(name for name in (page.category, page.product_id) if name)


def categories(board: Figures) -> None:
    """Draw clicks per category."""
    _title("Category popularity in the last hour", "Clicks, and share of all clicks.")
    _shares(board.categories, "No click in the last hour.")


def devices(board: Figures) -> None:
    """Draw the number of devices and their types."""
    definition = "Visitors by device type in the last 10 minutes; one who uses two types counts twice."
    _title("Devices connected right now", definition)
    st.html(figures([(number(board.devices_now), "devices, 10 min", "devices_now")]))
    _shares(board.devices, "No device in the last 10 minutes.")


def _shares(rows: tuple[tuple[str, int], ...] | None, none: str) -> None:
    if not rows:
        _empty(rows, none, SHARES_HEIGHT)
        return
    total, most = sum(count for _, count in rows), max(count for _, count in rows)
    st.html(
        bar_list(Bar(name, count, most, note=share(count / total if total else None)) for name, count in rows)
    )


def latest(board: Figures, zone: ZoneInfo, now_ms: float) -> None:
    """Draw the ten visitors with the newest clicks."""
    definition = "The 10 visitors with the newest clicks of the last hour, by their newest click."
    _title("Latest visitor details", definition)
    rows = board.visitors
    if not rows:
        _empty(rows, "No visitor in the last hour.", TABLE_HEIGHT)
        return
    cells = "".join(
        f"<tr><td>{ago(None if v.at_ms is None else now_ms - v.at_ms)}</td>"
        f"<td>{clock(v.at_ms, zone, now_ms)}</td>"
        f'<td class="clip" title="{hint(v.ip)}">{safe(v.ip or UNKNOWN)}</td>'
        f'<td class="clip" title="{hint(v.country)}">{safe(v.country or UNKNOWN)}</td></tr>'
        for v in rows
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Clicked", "Time", "Address", "Country"))
    st.html(f'<table class="plain"><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>')


def log(board: Figures, zone: ZoneInfo) -> None:
    """Draw the newest steps of the visitors' journeys."""
    _title("State machine log", "The newest 200 journey steps and offers, newest first.")
    rows = board.log
    if not rows:
        why = "No journey yet: one begins when a visitor of the audience clicks clothing."
        _empty(rows, why, TABLE_HEIGHT)
        return
    frame = pd.DataFrame(
        [(line.at_ms, line.state, line.msg, line.user) for line in rows],
        columns=["at", "state", "msg", "user"],
    )
    frame["at"] = _times(frame["at"], zone)
    columns = {
        "at": st.column_config.DatetimeColumn("Time", format="YYYY-MM-DD HH:mm:ss", width=150),
        "state": st.column_config.TextColumn("State", width=120),
        "msg": st.column_config.TextColumn("Message", width=420),
        "user": st.column_config.TextColumn("Visitor", width=150),
    }
    _table(frame.style.map(_offer_style, subset=["state"]), columns, "log")


def _table(frame: pd.DataFrame | Styler, columns: dict[str, Any], key: str) -> None:
    """Draw a table that keeps its sort and scroll from one board to the next, by its `key`."""
    st.dataframe(
        frame,
        hide_index=True,
        height=TABLE_HEIGHT,
        row_height=ROW_HEIGHT,
        column_config=columns,
        key=key,
        placeholder=UNKNOWN,
    )


def _offer_style(state: object) -> str:
    """Make offers stand out, in light and dark."""
    return "background-color: #e69f00; color: #1a1a1a; font-weight: bold" if state == "offer" else ""


RAW_COLUMNS = {  # column of the frame: heading and width; the moment comes first, in the page's zone
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
    "timestamp": ("timestamp", 170),
    "original_timestamp": ("original_timestamp", 150),
}


def raw(board: Figures, zone: ZoneInfo) -> None:
    """Draw the newest clicks with all their fields."""
    _title("Raw data view", "The 100 newest clicks of the last hour, all fields, newest first.")
    rows = board.raw
    if not rows:
        _empty(rows, "No click in the last hour.", TABLE_HEIGHT)
        return
    frame = pd.DataFrame({name: _cells(name, [row.get(name) for row in rows], zone) for name in RAW_COLUMNS})
    columns = {
        name: st.column_config.DatetimeColumn(heading, format="YYYY-MM-DD HH:mm:ss.SSS", width=width)
        if name == "datetime"
        else st.column_config.NumberColumn(heading, format="%d", width=width)
        if name == "age"
        else st.column_config.TextColumn(heading, width=width)
        for name, (heading, width) in RAW_COLUMNS.items()
    }
    _table(frame, columns, "raw")


def _cells(name: str, values: list[object], zone: ZoneInfo) -> pd.Series:
    if name == "datetime":
        return _times(values, zone)
    if name == "age":
        known = [age if isinstance(age, (int, float)) and abs(age) < 1e6 else None for age in values]
        return pd.Series(known, dtype="float64")
    return pd.Series([None if value is None else str(value) for value in values], dtype="string")


def rejected(board: Figures) -> None:
    """Draw the newest records set aside, folded away."""
    with st.expander("Rejected records", key="rejected"):
        rows = board.rejected
        if not rows:
            st.html('<p class="def">None kept.</p>')
            return
        frame = pd.DataFrame(
            [(r.reason, r.position, r.record) for r in rows], columns=["reason", "position", "record"]
        )
        columns = {
            "reason": st.column_config.TextColumn("Reason", width=200),
            "position": st.column_config.TextColumn("Position in the source", width=180),
            "record": st.column_config.TextColumn("First 512 bytes", width=800),
        }
        st.dataframe(frame, hide_index=True, height=300, row_height=ROW_HEIGHT, column_config=columns)


def _panel(name: str) -> st.delta_generator.DeltaGenerator:
    return st.container(border=True, key=f"panel-{name}", height="stretch", gap=None)


def _title(name: str, definition: str) -> None:
    st.html(f'<h2>{name}</h2><p class="def">{definition}</p>')


def _chart(frame: pd.DataFrame, spec: dict[str, object], height: int, name: str, known: bool) -> None:
    if frame.empty:  # an axis with a zero on it would look like a measurement
        _empty(() if known else None, "No click yet.", height)
        return
    # As a named dataset the rows are there when the chart is first drawn; given as data they come after it.
    spec = spec | {"datasets": {charts.DATASET: frame}}
    st.vega_lite_chart(None, spec, height=height, key=name, alt=name)


def _empty(rows: tuple[object, ...] | None, why: str, height: int) -> None:
    """Say why there is nothing, in the `height` in pixels of what is to come: nothing jumps when it does."""
    told = why if rows is not None else "Unknown until a board is read."
    st.html(f'<p class="empty" style="height:{height}px">{told}</p>')


def _times(epoch_ms: Iterable[object], zone: ZoneInfo) -> pd.Series:
    """Take each cell as a moment in `zone`; nothing where it is none."""
    known = [
        cell if isinstance(cell, (int, float)) and 0 <= cell < LAST_MOMENT_MS else None for cell in epoch_ms
    ]
    moments = pd.to_datetime(pd.Series(known, dtype="float64"), unit="ms", utc=True, errors="coerce")
    return moments.dt.tz_convert(zone)
