"""The time series as Vega-Lite specifications, drawn up once.

The page hands over new data only: with the same specification Streamlit updates a chart in place.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from functools import cache
from typing import Any
from zlib import crc32

import altair as alt
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]

from dashboard.data.tables import Minute
from dashboard.page.text import at

VISITORS_HEIGHT = 176
CLICKS_HEIGHT = 104
SESSIONS_HEIGHT = 236
DATASET = "rows"


def minute_frame(minutes: Iterable[Minute], bots: Iterable[int], zone: tzinfo) -> pd.DataFrame:
    """One row a minute, oldest first; the last one is still filling.

    `bots` are their clicks by minute, cut where they are more than people's most: else they would hide these.
    """
    rows = list(minutes)
    counts = {"visitors": [m.visitors for m in rows], "clicks": [m.clicks for m in rows]}
    most = max(counts["clicks"], default=0)
    counts["bots"] = [min(clicks, most) for clicks in [*bots, *[0] * len(rows)][: len(rows)]]
    return _frame([m.start_ms for m in rows], zone, counts)


def half_hour_frame(half_hours: Iterable[tuple[int, int]], zone: tzinfo) -> pd.DataFrame:
    """One row a half hour, given as (start in epoch ms, sessions), oldest first; the last still filling."""
    rows = list(half_hours)
    return _frame([start_ms for start_ms, _ in rows], zone, {"sessions": [sessions for _, sessions in rows]})


def arrow(frame: pd.DataFrame) -> pa.Table:
    """Return a frame as the browser is sent it: so it is converted once, and not for every viewer."""
    return pa.Table.from_pandas(frame, preserve_index=False)


def _frame(starts_ms: list[int], zone: tzinfo, counts: dict[str, list[int]]) -> pd.DataFrame:
    moments = [at(start_ms, zone) for start_ms in starts_ms]
    newest = len(moments) - 1
    facts: dict[str, list[Any]] = {
        "from": [moment.isoformat() for moment in moments],
        "shown": [moment.strftime("%Y-%m-%d %H:%M %Z") for moment in moments],
        "part": ["so far" if row == newest else "whole" for row in range(len(moments))],
        "last": [row >= newest - 1 for row in range(len(moments))],
    }
    rows = facts | counts
    # Streamlit 1.65 takes data for unchanged unless their shape, size or column names change, whatever the
    # values are, and a chart would stand still. So the name of an unused column tells the values apart.
    return pd.DataFrame(rows | {f"values {crc32(repr(rows).encode())}": None})


# The labels are ISO texts with their zone's offset: distinct even when a clock is turned back,
# and the same in every browser's zone. Their hour and minute are what the axis shows.
def _x(step: str) -> alt.X:
    axis = alt.Axis(
        title=None, labelExpr="slice(datum.label, 11, 16)", labelAngle=0, labelOverlap="greedy",
        ticks=False, domain=False, labelPadding=6,
    )  # fmt: skip
    return alt.X("from:O", sort=None, axis=axis, title=step)


def _y(field: str) -> alt.Y:
    # A fixed width for the labels, or the plot would move sideways with each new digit.
    axis = alt.Axis(title=None, format=",d", tickMinStep=1, tickCount=3, minExtent=46, maxExtent=46)
    return alt.Y(f"{field}:Q", axis=axis, scale=alt.Scale(domainMin=0, nice=True))


def _tooltip(step: str, field: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("shown:N", title=f"{step} from"),
        alt.Tooltip(f"{field}:Q", title=field.capitalize(), format=",d"),
        alt.Tooltip("part:N", title="Measured"),
    ]


def _colour(index: int) -> alt.Color:
    """Take the theme's colour of that index, in light and dark."""
    domain = [str(number) for number in range(4)]
    return alt.Color(datum=str(index), type="nominal", scale=alt.Scale(domain=domain), legend=None)


_FADED = alt.condition("datum.part == 'so far'", alt.value(0.45), alt.value(0.95))


@cache
def visitors_spec() -> dict[str, Any]:
    """Distinct visitors per minute: a line over a tinted area."""
    base = alt.Chart(alt.NamedData(DATASET)).encode(x=_x("minute"), y=_y("visitors"), color=_colour(0))
    whole = base.transform_filter("datum.part == 'whole'")
    area = whole.mark_area(opacity=0.16, interpolate="monotone")
    line = whole.mark_line(strokeWidth=2.5, interpolate="monotone")
    # The minute that is still filling would read as a fall: its stretch is dashed, its point hollow.
    last = base.transform_filter("datum.last").mark_line(strokeWidth=1.5, strokeDash=[3, 4], opacity=0.8)
    tip = _tooltip("Minute", "visitors")
    points = whole.mark_point(size=46, filled=True, opacity=1).encode(tooltip=tip)
    open_point = base.transform_filter("datum.part == 'so far'").mark_point(size=60, strokeWidth=2, opacity=1)
    return _spec(alt.layer(area, line, last, points, open_point.encode(tooltip=tip)))


@cache
def clicks_spec() -> dict[str, Any]:
    """Clicks per minute as bars, and those of bots as a line over them."""
    base = alt.Chart(alt.NamedData(DATASET))
    bots = base.mark_line(strokeWidth=1.5, interpolate="monotone", opacity=0.9)
    return _spec(
        alt.layer(_bars("Minute", "clicks", 1), bots.encode(x=_x("minute"), y=_y("bots"), color=_colour(3)))
    )


@cache
def sessions_spec() -> dict[str, Any]:
    """Sessions with a click in each half hour as bars."""
    return _spec(_bars("Half hour", "sessions", 0))


def _bars(step: str, field: str, colour: int) -> alt.Chart:
    mark = alt.Chart(alt.NamedData(DATASET)).mark_bar(cornerRadiusTopLeft=3, cornerRadiusTopRight=3)
    bars: alt.Chart = mark.encode(
        x=_x(step), y=_y(field), color=_colour(colour), opacity=_FADED, tooltip=_tooltip(step, field)
    )
    return bars


def _spec(chart: alt.TopLevelMixin) -> dict[str, Any]:
    spec: dict[str, Any] = chart.to_dict(validate=False)
    for given in ("config", "$schema"):  # Streamlit's theme has its own
        spec.pop(given, None)
    return spec | {
        "data": {"name": DATASET},
        "usermeta": {"embedOptions": {"renderer": "svg"}},
        "padding": {"bottom": 4},
    }
