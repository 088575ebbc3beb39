"""Latest visitor details, and raw data: the newest clicks of the last hour as they came."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from flows.ingest.recent import KEPT_NEWEST, KEPT_VISITORS
from flows.ingest.shown import FIELDS, fields_in, shown
from flows.model.recent import Newest
from flows.model.shard_clicks import ShardClicks

WINDOW_S = 3600


class Raw:
    """The 100 newest clicks in [as_of - 1 h, as_of), newest first; of equal times the later arrival first."""

    def __init__(self) -> None:
        self._newest: list[Newest] = []

    def add(self, item: ShardClicks) -> None:
        """Take in the newest clicks of a batch."""
        if item.newest:
            self._newest = sorted(self._newest + item.newest, reverse=True)[:KEPT_NEWEST]

    def report(self, as_of_s: int) -> list[Newest]:
        """Return the clicks as of `as_of_s`."""
        return [click for click in self._newest if click.time_ns >= (as_of_s - WINDOW_S) * 10**9]

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return all; they are few."""
        return {"newest": [tuple(click) for click in self._newest]}

    def load(self, part: dict[str, Any]) -> None:
        """Take in a part of the state."""
        self._newest = [Newest(*click) for click in part["newest"]]


class Latest(Raw):
    """The newest click of each of the 10 visitors with the newest clicks in [as_of - 1 h, as_of)."""

    def add(self, item: ShardClicks) -> None:
        """Take in the newest clicks of a batch."""
        if not item.newest:
            return
        by_visitor: dict[str, Newest] = {}
        for click in sorted(self._newest + item.newest, reverse=True):
            by_visitor.setdefault(click.visitor, click)
        self._newest = list(by_visitor.values())[:KEPT_VISITORS]


def fields_of(click: Newest) -> dict[str, Any]:
    """Return all fields of a click, missing ones None; of what cannot be read only the visitor is known."""
    fields = fields_in(click.record) or shown({"userId": click.visitor})
    return fields | {"timestamp": click.time_ns, "userId": click.visitor}


def raw_rows(clicks: list[Newest]) -> dict[str, Any]:
    """Return the columns of `raw_data`."""
    rows = [fields_of(click) for click in clicks]
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in FIELDS}
    return columns | {"datetime": [click.time_ns // 10**6 for click in clicks]}


def latest_rows(as_of_s: int, clicks: list[Newest]) -> dict[str, Any]:
    """Return the columns of `latest_visitors`."""
    rows = [fields_of(click) for click in clicks]
    return {
        "Relative Time": [relative(as_of_s * 10**9 - click.time_ns) for click in clicks],
        "Date and Time": [
            datetime.fromtimestamp(click.time_ns // 10**9, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
            for click in clicks
        ],
        "ip": [row["ip"] for row in rows],
        "country": [row["country"] for row in rows],
    }


def relative(age_ns: int) -> str:
    """Say how long ago: "just now", "1 second ago", "5 minutes ago"."""
    seconds = age_ns // 10**9
    if seconds < 1:
        return "just now"
    number, unit = (seconds, "second") if seconds < 60 else (seconds // 60, "minute")
    return f"{number} {unit}{'' if number == 1 else 's'} ago"
