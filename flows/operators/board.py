"""The board: the figures of all shards and metrics for one beat, put together as Redis holds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import bytewax.operators as op
import msgspec
import pandas as pd
from bytewax.dataflow import Stream
from bytewax.operators import StatefulBatchLogic

from flows.metrics.categories import category_rows
from flows.metrics.devices import device_rows
from flows.metrics.latest import latest_rows, raw_rows
from flows.metrics.pages import page_rows
from flows.metrics.sessions import SessionFigures, bucket_rows
from flows.metrics.totals import read_and_ahead, total_values
from flows.metrics.visitors import minute_rows
from flows.model.board import Board
from flows.model.shard_clicks import Beat
from flows.operators.windowed import Report
from flows.shards.cluster import Cluster
from flows.shards.skew import Skew
from flows.state.state import State

# By so many publishing intervals may workers be apart, without a board going missing.
_KEPT_BEATS = 64


def board(
    name: str, reports: Stream[tuple[str, Report]], state: State, cluster: Cluster, publish_every_ms: int
) -> Stream[Board]:
    """Gather the reports of a beat from every shard; gives one Board once all are in."""
    to_board = op.map(f"{name}_key", reports, lambda item: (cluster.board_key, item[1]))
    boards = op.stateful_batch(name, to_board, lambda _: _BoardLogic(state, cluster, publish_every_ms))
    return op.key_rm(f"{name}_unkey", boards)


class _BoardLogic(StatefulBatchLogic[Report, Board, None]):
    """Keeps nothing across a restart: the shards tell it everything again."""

    def __init__(self, state: State, cluster: Cluster, publish_every_ms: int) -> None:
        self._state, self._cluster, self._publish_every_ms = state, cluster, publish_every_ms
        self._skew = Skew()
        self._beats: dict[tuple[int, int], list[Report]] = defaultdict(list)

    def on_batch(self, values: list[Report]) -> tuple[Iterable[Board], bool]:
        boards = []
        for report in values:
            beat = report.beat.level, report.beat.as_of_s
            self._beats[beat].append(report)
            if len(self._beats[beat]) == self._state.reports:
                boards.append(self._board(self._beats.pop(beat)))
                self._beats = defaultdict(
                    list, {key: held for key, held in self._beats.items() if key > beat}
                )
        while len(self._beats) > _KEPT_BEATS:
            del self._beats[min(self._beats)]
        return boards[-1:], False

    def _board(self, reports: list[Report]) -> Board:
        """Put a board together, and keep what it shows: after a kill none is to show less."""
        beat = reports[0].beat
        totals = [report for report in reports if report.metric == "totals"]
        done, ahead = read_and_ahead([report.figures for report in totals])
        read = done + sum(report.beat.ahead for report in totals)
        slow = beat.now_ms is not None and self._skew.is_slow(beat.now_ms, read, ahead)
        board = compose(reports, self._publish_every_ms, clock_slow=slow)
        if self._cluster.shard_here is not None:
            self._state.shard(self._cluster.shard_here).show(beat.positions, beat.mark)
        return board

    def snapshot(self) -> None:
        return None


def compose(reports: list[Report], publish_every_ms: int, *, clock_slow: bool = False) -> Board:
    """Put the reports of all shards for one beat together; `clock_slow`: it is the flow's clock that is."""
    figures: dict[str, list[Any]] = defaultdict(list)
    for report in reports:
        figures[report.metric].append(report.figures)
    beat = reports[0].beat
    as_of_s = beat.as_of_s
    by_minute = [(clicks, visitors) for _, clicks, visitors in figures["visitors"]]
    sessions: list[SessionFigures] = figures["sessions"]
    devices = _sums(figures["devices"])
    frames = {
        "last_15_minutes": minute_rows(
            as_of_s,
            _sums([clicks for clicks, _ in by_minute]),
            _sums([visitors for _, visitors in by_minute]),
        ),
        "sessions": bucket_rows(as_of_s, _sums([shard.by_bucket for shard in sessions])),
        "device_type_popularity": device_rows(devices),
        "products_last_hour": page_rows(figures["pages"]),
        "latest_visitors": latest_rows(as_of_s, figures["latest"][0]),
        "category_popularity": category_rows(figures["categories"]),
        "raw_data": raw_rows(figures["raw"][0]),
    }
    numbers = {
        "as_of": as_of_s * 1000,
        "publish_every_ms": publish_every_ms,
        "visitors_15m": sum(visitors for visitors, _, _ in figures["visitors"]),
        **_session_values(sessions),
        "devices_now": sum(devices),
        **total_values(figures["totals"]),
        "ahead": sum(report.beat.ahead for report in reports if report.metric == "totals"),
        **_progress([report.beat for report in reports]),
        **({"clock_slow": True} if clock_slow else {}),
    }
    values = {key: _frame(columns) for key, columns in frames.items()}
    values["board"] = msgspec.json.encode(numbers).decode()
    return Board(as_of_s * 1000, values)


def _sums(lists: list[list[int]]) -> list[int]:
    return [sum(column) for column in zip(*lists, strict=True)]


def _session_values(shards: list[SessionFigures]) -> dict[str, Any]:
    sessions = sum(shard.sessions for shard in shards)

    def mean(total: float) -> float | None:
        return total / sessions if sessions else None

    return {
        "sessions_8h": sessions,
        "sessions_active": sum(shard.active for shard in shards),
        "session_seconds_mean": mean(sum(shard.duration_ns for shard in shards) / 10**9),
        "session_clicks_mean": mean(sum(shard.clicks for shard in shards)),
        "session_bounce_share": mean(sum(shard.single for shard in shards)),
    }


def _progress(beats: list[Beat]) -> dict[str, Any]:
    """Return what all shards have applied, and how far the source is ahead where it knows."""
    positions: dict[str, int] = {}
    for beat in beats:
        for source, position in beat.positions.items():
            positions[source] = min(position, positions.get(source, position))
    progress: dict[str, Any] = {"positions": positions}
    if beats[0].lag is not None:
        progress["lag"] = beats[0].lag
    if all(beat.ended for beat in beats):
        progress["ended"] = True
    return progress


def _frame(columns: dict[str, Any]) -> str:
    frame = pd.DataFrame({name: pd.Series(values, dtype=_dtype(values)) for name, values in columns.items()})
    if "datetime" in frame:
        frame["datetime"] = pd.to_datetime(frame["datetime"], unit="ms")
    text: str = frame.to_json()
    return text


def _dtype(values: list[Any]) -> Any:
    """Integers stay integers; all else goes to JSON as it is."""
    return "int64" if values and all(type(value) is int for value in values) else object
