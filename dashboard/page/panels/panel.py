"""Panel: one box of the page; each has a module in this package, and a place in the layout.

A panel says what it draws, of which tables, and draws it or says why it cannot, in the same space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from dashboard.data.board import Figures, Table
from dashboard.data.values import LAST_MOMENT_MS
from dashboard.page import charts
from dashboard.page.html import Bar, bar_list
from dashboard.page.text import UNKNOWN, share

TABLE_HEIGHT = 420
SHARES_HEIGHT = 150
ROW_HEIGHT = 32


class View(NamedTuple):
    """How a board is seen: in which time zone, at which moment (relative times are relative to it)."""

    zone: ZoneInfo
    now_ms: float


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel: `draw` is given a board of which any part may be unknown."""

    key: str
    title: str
    definition: str
    draw: Callable[[Figures, View], None]
    tables: Sequence[Table[Any]] = ()

    def show(self, board: Figures, view: View) -> None:
        """Draw the panel with its frame and title."""
        with st.container(border=True, key=f"panel-{self.key}", height="stretch", gap=None):
            st.html(f'<h2>{self.title}</h2><p class="def">{self.definition}</p>')
            self.draw(board, view)


def chart(frame: pd.DataFrame, spec: dict[str, object], height: int, name: str, *, known: bool) -> None:
    """Draw a chart of a frame, or say that there is nothing."""
    if frame.empty:  # an axis with a zero on it would look like a measurement
        empty(() if known else None, "No click yet.", height)
        return
    # As a named dataset the rows are there when the chart is first drawn; given as data they come after it.
    spec = spec | {"datasets": {charts.DATASET: frame}}
    st.vega_lite_chart(None, spec, height=height, key=name, alt=name)


def shares(rows: tuple[tuple[str, int], ...] | None, none: str) -> None:
    """Draw names with their counts and shares, or say that there are none."""
    if not rows:
        empty(rows, none, SHARES_HEIGHT)
        return
    total, most = sum(count for _, count in rows), max(count for _, count in rows)
    st.html(
        bar_list(Bar(name, count, most, note=share(count / total if total else None)) for name, count in rows)
    )


def table(frame: pd.DataFrame | Styler, columns: dict[str, Any], key: str) -> None:
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


def empty(rows: tuple[object, ...] | None, why: str, height: int) -> None:
    """Say why there is nothing, in the `height` in pixels of what is to come: nothing jumps when it does."""
    told = why if rows is not None else "Unknown until a board is read."
    st.html(f'<p class="empty" style="height:{height}px">{told}</p>')


def times(epoch_ms: Iterable[object], zone: ZoneInfo) -> pd.Series:
    """Take each cell as a moment in `zone`; nothing where it is none."""
    known = [
        cell if isinstance(cell, (int, float)) and 0 <= cell < LAST_MOMENT_MS else None for cell in epoch_ms
    ]
    moments = pd.to_datetime(pd.Series(known, dtype="float64"), unit="ms", utc=True, errors="coerce")
    return moments.dt.tz_convert(zone)
