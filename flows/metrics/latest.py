"""Latest visitor details, and raw data: the newest clicks of the last hour as they came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, ClassVar

from flows.ingest.recent import KEPT_NEWEST, KEPT_VISITORS
from flows.ingest.shown import SHOWN, fields_in, shown
from flows.metrics.metric import Metric, Part, Published
from flows.model.recent import RecentClick
from flows.model.shard_clicks import AlignedBarrier, ShardClicks


class Raw(Metric[list[RecentClick]]):
    """The 100 newest clicks in [as_of - window_s, as_of), newest first; of equal times the later arrival."""

    frames: ClassVar[tuple[str, ...]] = ("raw_data",)

    def __init__(self, *, window_s: int) -> None:
        self._window_s = window_s

    def begin(self) -> None:
        """Make what a shard keeps, empty."""
        self._newest: list[RecentClick] = []

    def add(self, item: ShardClicks) -> None:
        """Take in the newest clicks of a batch."""
        if item.recent:
            self._newest = sorted(self._newest + item.recent, reverse=True)[:KEPT_NEWEST]

    def report(self, as_of_s: int) -> list[RecentClick]:
        """Return the clicks."""
        return [click for click in self._newest if click.time_ns >= (as_of_s - self._window_s) * 10**9]

    def publish(self, barrier: AlignedBarrier, shards: Sequence[list[RecentClick]]) -> Published:
        """Return one row a click, with all its fields."""
        [clicks] = shards
        rows = [fields_of(click) for click in clicks]
        columns: dict[str, Any] = {name: [row[name] for row in rows] for name in SHOWN}
        columns["datetime"] = [click.time_ns // 10**6 for click in clicks]
        return Published(frames={self.frames[0]: columns})

    def changes(self, *, everything: bool) -> Part:
        """Return all; they are few."""
        return {"newest": [tuple(click) for click in self._newest]}

    def load(self, part: Part) -> None:
        """Take in a part of the state."""
        self._newest = [RecentClick(*click) for click in part["newest"]]


class Latest(Raw):
    """The newest click of each of the 10 visitors with the newest clicks in [as_of - window_s, as_of)."""

    frames = ("latest_visitors",)

    def add(self, item: ShardClicks) -> None:
        """Take in the newest clicks of a batch."""
        if not item.recent:
            return
        by_visitor: dict[str, RecentClick] = {}
        people = [click for click in item.recent if not click.apart]
        for click in sorted(self._newest + people, reverse=True):
            by_visitor.setdefault(click.visitor, click)
        self._newest = list(by_visitor.values())[:KEPT_VISITORS]

    def publish(self, barrier: AlignedBarrier, shards: Sequence[list[RecentClick]]) -> Published:
        """Return one row a visitor."""
        [clicks] = shards
        rows = [fields_of(click) for click in clicks]
        columns = {
            "Relative Time": [relative(barrier.as_of_s * 10**9 - click.time_ns) for click in clicks],
            "Date and Time": [
                datetime.fromtimestamp(click.time_ns // 10**9, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
                for click in clicks
            ],
            "ip": [row["ip"] for row in rows],
            "country": [row["country"] for row in rows],
        }
        return Published(frames={self.frames[0]: columns})


@lru_cache(maxsize=2 * KEPT_NEWEST)
def fields_of(click: RecentClick) -> dict[str, Any]:
    """Return all fields of a click, missing ones None; of what cannot be read only the visitor is known.

    A click that stays among the newest is looked into once; whoever asks changes nothing.
    """
    fields = fields_in(click.record) or shown({"userId": click.visitor})
    return fields | {"timestamp": click.time_ns, "userId": click.visitor}


def relative(age_ns: int) -> str:
    """Say how long ago: "just now", "1 second ago", "5 minutes ago"."""
    seconds = age_ns // 10**9
    if seconds < 1:
        return "just now"
    number, unit = (seconds, "second") if seconds < 60 else (seconds // 60, "minute")
    return f"{number} {unit}{'' if number == 1 else 's'} ago"
