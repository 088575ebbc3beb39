"""Figures, times and foreign text as the page writes them. Unknown is a dash, never a zero."""

from __future__ import annotations

import html
from datetime import datetime, timezone, tzinfo

UNKNOWN = "\N{EN DASH}"
LONGEST_TEXT = 300


def number(value: float | None, decimals: int = 0) -> str:
    """`1,234`, or with decimals `1,234.5`."""
    return UNKNOWN if value is None else f"{value:,.{decimals}f}"


def rate(value: float | None) -> str:
    """Write a rate, with a decimal while it is below a hundred."""
    return number(value, 1 if value is not None and 0 < value < 100 else 0)


def share(value: float | None) -> str:
    """Write a share of 0 to 1 as `23.4 %`."""
    return UNKNOWN if value is None else f"{value:.1%}".replace("%", " %")


def duration(seconds: float | None) -> str:
    """`42 s`, `4 min 05 s` or `1 h 07 min`."""
    if seconds is None:
        return UNKNOWN
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60:02} min"


def ago(age_ms: float | None) -> str:
    """`12 s ago`, `3 min ago`, `5 h ago`, `12 days ago`; the future is said to be ahead."""
    if age_ms is None:
        return UNKNOWN
    seconds = int(abs(age_ms) // 1000)
    if age_ms < 0 and seconds:
        return f"{duration(seconds)} ahead"
    for unit_s, unit, most_s in ((1, "s", 60), (60, "min", 3600), (3600, "h", 48 * 3600)):
        if seconds < most_s:
            return f"{seconds // unit_s} {unit} ago"
    return f"{seconds // 86400:,} days ago"


def at(epoch_ms: float, zone: tzinfo) -> datetime:
    """Return the moment in `zone`."""
    return datetime.fromtimestamp(epoch_ms / 1000, timezone.utc).astimezone(zone)


def clock(epoch_ms: float | None, zone: tzinfo, near_ms: float | None = None) -> str:
    """`14:03:07`, with the date in front unless `near_ms` falls on the same day."""
    if epoch_ms is None:
        return UNKNOWN
    moment = at(epoch_ms, zone)
    same_day = near_ms is not None and at(near_ms, zone).date() == moment.date()
    return moment.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S")


def joined(*names: str) -> str:
    """Write names beside each other, without those that are empty."""
    return " · ".join(filter(None, names))


def safe(text: str) -> str:
    """Make foreign text fit for HTML: escaped, cut if endless, its writing direction its own."""
    cut = text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"
    return f"<bdi>{html.escape(cut)}</bdi>"


def hint(text: str) -> str:
    """Make foreign text fit for a quoted attribute."""
    return html.escape(text[:LONGEST_TEXT], quote=True)
