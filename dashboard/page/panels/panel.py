"""Panel: one box of the page; each has a module in this package, and a place in the layout.

A panel says what it draws, of which tables, and draws it or says why it cannot, in the same space. It knows
the board and the time zone, not the viewer: so it is drawn once for all who look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.data.board import Figures, Table
from dashboard.data.values import LAST_MOMENT_MS
from dashboard.page import charts
from dashboard.page.html import Bar, bar_list
from dashboard.page.parts import Chart, Html, Part
from dashboard.page.text import share

SHARES_HEIGHT = 150


class View(NamedTuple):
    """How a board is seen: in which time zone, at which moment (relative times are relative to it).

    `visitor`: of the log, only what is of visitors whose id has this in it.
    """

    zone: ZoneInfo
    now_ms: float
    visitor: str = ""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel: `draw` is given a board of which any part may be unknown.

    `personal`: it shows single visitors. `can_pause`: a viewer may let it stand still.
    """

    key: str
    title: str
    definition: str
    draw: Callable[[Figures, View], Iterable[Part]]
    tables: Sequence[Table[Any]] = ()
    personal: bool = False
    can_pause: bool = False

    def parts(self, board: Figures, view: View) -> list[Part]:
        """Draw the panel with its title; pieces of HTML that follow each other are one."""
        found: list[Part] = [Html(f'<h2>{self.title}</h2><p class="def">{self.definition}</p>')]
        for part in self.draw(board, view):
            last = found[-1]
            if isinstance(part, Html) and isinstance(last, Html):
                found[-1] = Html(last.text + part.text)
            else:
                found.append(part)
        return found

    def frame(self) -> DeltaGenerator:
        """Put the panel's frame on the page, for its parts."""
        return st.container(border=True, key=f"panel-{self.key}", height="stretch", gap=None)


def chart(frame: pd.DataFrame, spec: dict[str, object], height: int, name: str, *, known: bool) -> Part:
    """Draw a chart of a frame, or say that there is nothing."""
    if frame.empty:  # an axis with a zero on it would look like a measurement
        return empty(() if known else None, "No click yet.", height)
    # As a named dataset the rows are there when the chart is first drawn; given as data they come after it.
    return Chart(spec | {"datasets": {charts.DATASET: charts.arrow(frame)}}, height, name)


def shares(rows: tuple[tuple[str, int], ...] | None, none: str, height: int = SHARES_HEIGHT) -> Part:
    """Draw names with their counts and shares, or say that there are none."""
    if not rows:
        return empty(rows, none, height)
    total, most = sum(count for _, count in rows), max(count for _, count in rows)
    return Html(
        bar_list(Bar(name, count, most, note=share(count / total if total else None)) for name, count in rows)
    )


def empty(rows: tuple[object, ...] | None, why: str, height: int) -> Html:
    """Say why there is nothing, in the `height` in pixels of what is to come: nothing jumps when it does."""
    told = why if rows is not None else "Unknown until a board is read."
    return Html(f'<p class="empty" style="height:{height}px">{told}</p>')


def times(epoch_ms: Iterable[object], zone: ZoneInfo) -> pd.Series:
    """Take each cell as a moment in `zone`; nothing where it is none."""
    known = [
        cell if isinstance(cell, (int, float)) and 0 <= cell < LAST_MOMENT_MS else None for cell in epoch_ms
    ]
    moments = pd.to_datetime(pd.Series(known, dtype="float64"), unit="ms", utc=True, errors="coerce")
    return moments.dt.tz_convert(zone)
