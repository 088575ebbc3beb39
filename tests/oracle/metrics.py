"""From clicks to the rows of each metric: a small function each, over a list of clicks in arrival order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from fractions import Fraction

from tests.oracle.records import (
    EPOCH,
    HALF_HOUR,
    HOUR,
    MINUTE,
    MS,
    SECOND,
    Click,
    Row,
)


def floor(time: int, step: int) -> int:
    """Return the last multiple of `step` that is not after `time`."""
    return time // step * step


def within(clicks: Iterable[Click], start: int, end: int) -> list[Click]:
    """Return the clicks in [start, end)."""
    return [click for click in clicks if start <= click.time < end]


def newest_first(clicks: Iterable[Click]) -> list[Click]:
    """Return the clicks by descending time; at the same time the one that arrived later comes first."""
    return sorted(clicks, key=lambda click: click.time)[::-1]


def distinct_users(clicks: Iterable[Click]) -> int:
    """Return how many visitors the clicks are of."""
    return len({click.user for click in clicks})


def minute_rows(clicks: list[Click], as_of: int) -> list[Row]:
    """Count clicks and visitors per clock minute: that of the second before `as_of` and the 14 before."""
    rows = []
    for ago in range(14, -1, -1):
        start = floor(as_of - SECOND, MINUTE) - ago * MINUTE
        inside = within(clicks, start, start + MINUTE)
        rows.append({"datetime": start // MS, "count": len(inside), "visitors": distinct_users(inside)})
    return rows


def sessions_of(clicks: list[Click]) -> list[list[int]]:
    """Return the sessions of all visitors, each the ascending times of its clicks."""
    by_user: dict[str, list[list[int]]] = {}
    for click in sorted(clicks, key=lambda click: click.time):
        sessions = by_user.setdefault(click.user, [])
        if sessions and click.time - sessions[-1][-1] <= HALF_HOUR:
            sessions[-1].append(click.time)
        else:
            sessions.append([click.time])
    return [session for sessions in by_user.values() for session in sessions]


def touching(sessions: list[list[int]], start: int, end: int) -> list[list[int]]:
    """Return the sessions with a click in [start, end)."""
    return [session for session in sessions if any(start <= time < end for time in session)]


def session_rows(sessions: list[list[int]], as_of: int) -> list[Row]:
    """Count the sessions with a click in each 30-minute clock bucket, the current one and the 16 before."""
    rows = []
    for ago in range(16, -1, -1):
        start = floor(as_of - SECOND, HALF_HOUR) - ago * HALF_HOUR
        count = len(touching(sessions, start, start + HALF_HOUR))
        rows.append({"datetime": start // MS, "userId": count, "count": count})
    return rows


def session_figures(sessions: list[list[int]], as_of: int) -> Row:
    """Return the board's figures about the sessions of the last 8 hours, each session as a whole."""
    recent = touching(sessions, as_of - 8 * HOUR, as_of)

    def mean(values: Iterable[int], unit: int = 1) -> float | None:
        return float(Fraction(sum(values), len(recent) * unit)) if recent else None

    return {
        "sessions_8h": len(recent),
        "sessions_active": sum(session[-1] >= as_of - HALF_HOUR for session in sessions),
        "session_seconds_mean": mean((session[-1] - session[0] for session in recent), SECOND),
        "session_clicks_mean": mean(len(session) for session in recent),
        "session_bounce_share": mean(len(session) == 1 for session in recent),
    }


def device_rows(clicks: list[Click]) -> list[Row]:
    """Count distinct (visitor, device type) for the three named types and for all others together."""
    named = ("Desktop", "Tablet", "Mobile")
    pairs = {(click.user, click.device) for click in clicks}
    totals = Counter(device if device in named else "Other" for _, device in pairs)
    return [
        {"Device": "Device type", "Device type": name, "Total": totals[name]} for name in (*named, "Other")
    ]


def page_rows(clicks: list[Click], top: int | None = 10) -> list[Row]:
    """Return the most clicked (product, category), with the title of each one's newest click."""
    pages: dict[tuple[str, str], list[Click]] = {}
    for click in newest_first(clicks):
        if click.fields["productId"] is not None:
            pages.setdefault((click.fields["productId"], click.category), []).append(click)
    ranked = sorted(pages.items(), key=lambda page: (-len(page[1]), page[0]))
    return [
        {"productId": product, "category": category, "count": len(own), "title": own[0].fields["title"]}
        for (product, category), own in ranked[:top]
    ]


def category_rows(clicks: list[Click]) -> list[Row]:
    """Count clicks per category, the most clicked first, ties by name."""
    counts = Counter(click.category for click in clicks)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [{"category": category, "count": count} for category, count in ranked[:100]]
    if len(ranked) > 100:
        others = sum(count for _, count in ranked[100:])
        rows.append({"category": f"({len(ranked) - 100} others)", "count": others})
    return rows


def latest_rows(clicks: list[Click], as_of: int) -> list[Row]:
    """Return the ten visitors with the newest clicks, each once, by their newest click."""
    latest: dict[str, Click] = {}
    for click in newest_first(clicks):
        latest.setdefault(click.user, click)
    return [
        {
            "Relative Time": relative((as_of - click.time) // SECOND),
            "Date and Time": (EPOCH + timedelta(seconds=click.time // SECOND)).strftime("%Y-%m-%d %H:%M:%S"),
            "ip": click.fields["ip"],
            "country": click.fields["country"],
        }
        for click in list(latest.values())[:10]
    ]


def relative(seconds: int) -> str:
    """Return a time that many whole seconds ago, in words."""
    if seconds == 0:
        return "just now"
    number, unit = (seconds, "second") if seconds < 60 else (seconds // 60, "minute")
    return f"{number} {unit}{'' if number == 1 else 's'} ago"


def raw_rows(clicks: list[Click]) -> list[Row]:
    """Return the 100 newest clicks with all their fields."""
    return [click.fields | {"datetime": click.time // MS} for click in newest_first(clicks)[:100]]
