"""The same metrics by Bytewax's own windowing operators, one item a click, to be measured beside ours.

What they can express: visitors and devices, categories and pages as sliding windows, a new one each `every`
(a second as ours move, or a minute), and sessions. State is kept in memory alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.dataflow import Dataflow, Stream
from bytewax.testing import TestingSink, TestingSource

Row = dict[str, object]
EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)


def build(rows: Iterable[Row], out: list[object], every: timedelta) -> Dataflow:
    """Build a flow of all metrics over `rows`; their results are put into `out`."""
    flow = Dataflow("windows")
    clicks = op.input("rows", flow, TestingSource(rows, batch_size=1000))
    results = [
        _distinct(clicks, "visitors", _sliding(15, every), lambda row: "all"),
        _distinct(clicks, "devices", _sliding(10, every), lambda row: str(row.get("deviceType"))),
        _count(clicks, "categories", _sliding(60, every), lambda row: str(row.get("category"))),
        _count(
            clicks,
            "pages",
            _sliding(60, every),
            lambda row: f"{row.get('productId')}|{row.get('category')}",
        ),
        _sessions(clicks),
    ]
    op.output("out", op.merge("results", *results), TestingSink(out))
    return flow


def _clock() -> Any:
    return win.EventClock(_time, wait_for_system_duration=timedelta(seconds=10))


def _time(row: Row) -> datetime:
    return datetime.fromtimestamp(int(str(row["timestamp"])) / 1e9, timezone.utc)


def _sliding(minutes: int, every: timedelta) -> win.SlidingWindower:
    return win.SlidingWindower(timedelta(minutes=minutes), every, EPOCH)


def _distinct(clicks: Stream[Row], name: str, windower: win.SlidingWindower, key: Any) -> Stream[Any]:
    def add(seen: set[object], row: Row) -> set[object]:
        seen.add(row["userId"])
        return seen

    keyed = op.key_on(f"{name}_key", clicks, key)
    windows: win.WindowOut[Row, set[object]] = win.fold_window(
        name, keyed, _clock(), windower, set, add, lambda one, other: one | other, ordered=False
    )
    return op.map(f"{name}_size", windows.down, lambda item: len(item[1][1]))


def _count(clicks: Stream[Row], name: str, windower: win.SlidingWindower, key: Any) -> Stream[Any]:
    return win.count_window(name, clicks, _clock(), windower, key).down


def _sessions(clicks: Stream[Row]) -> Stream[Any]:
    keyed = op.key_on("sessions_key", clicks, lambda row: str(row["userId"]))
    windower = win.SessionWindower(timedelta(minutes=30))
    windows = win.fold_window(
        "sessions", keyed, _clock(), windower, int, lambda n, _: n + 1, int.__add__, ordered=False
    )
    return windows.down
