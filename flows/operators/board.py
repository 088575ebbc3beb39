"""`board`: the figures of all shards and metrics for one beat, put together as Redis holds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import bytewax.operators as op
import msgspec
import pandas as pd
from bytewax.dataflow import Stream, operator
from bytewax.operators import KeyedStream, StatefulBatchLogic

from flows.metrics.metric import Frame, Metric
from flows.model.board import Board
from flows.model.shard_clicks import Beat
from flows.operators.shards import Shards
from flows.operators.windowed import Report

# By so many publishing intervals may workers be apart, without a board going missing.
_KEPT_BEATS = 64


@operator
def board(step_id: str, reports: KeyedStream[Report], shards: Shards) -> Stream[Board]:
    """Gather the reports of a beat from every shard; gives one Board once all are in."""
    to_board = op.map("key", reports, lambda item: (shards.cluster.board_key, item[1]))
    return op.key_rm("unkey", op.stateful_batch("gather", to_board, lambda _: _BoardLogic(shards)))


class _BoardLogic(StatefulBatchLogic[Report, Board, None]):
    """Keeps nothing across a restart: the shards tell it everything again."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._beats: dict[tuple[int, int], list[Report]] = defaultdict(list)

    def on_batch(self, values: list[Report]) -> tuple[Iterable[Board], bool]:
        boards = []
        for report in values:
            beat = report.beat.level, report.beat.as_of_s
            self._beats[beat].append(report)
            if len(self._beats[beat]) == self._shards.state.reports:
                boards.append(self._board(self._beats.pop(beat)))
                self._beats = defaultdict(
                    list, {key: held for key, held in self._beats.items() if key > beat}
                )
        while len(self._beats) > _KEPT_BEATS:
            del self._beats[min(self._beats)]
        return boards[-1:], False

    def _board(self, reports: list[Report]) -> Board:
        """Put a board together, and keep what it shows: after a kill none is to show less."""
        cluster = self._shards.cluster
        board = compose(self._shards.metrics, reports, cluster.every_ms)
        if cluster.shard_here is not None:
            beat = reports[0].beat
            self._shards.state.shard(cluster.shard_here).show(beat.positions, beat.mark)
        return board

    def snapshot(self) -> None:
        return None


def compose(metrics: Mapping[str, Metric[Any]], reports: list[Report], publish_every_ms: int) -> Board:
    """Put the reports of all shards for one beat together."""
    figures: dict[str, list[Any]] = defaultdict(list)
    for report in reports:
        figures[report.metric].append(report.figures)
    beat = reports[0].beat
    numbers: dict[str, Any] = {"as_of": beat.as_of_s * 1000, "publish_every_ms": publish_every_ms}
    values: dict[str, str] = {}
    for name, metric in metrics.items():
        published = metric.publish(beat, figures[name])
        numbers |= published.numbers
        values |= {key: _json(frame) for key, frame in published.frames.items()}
    numbers |= _progress([report.beat for report in reports])
    values["board"] = msgspec.json.encode(numbers).decode()
    return Board(beat.as_of_s * 1000, values)


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


def _json(columns: Frame) -> str:
    frame = pd.DataFrame({name: pd.Series(values, dtype=_dtype(values)) for name, values in columns.items()})
    if "datetime" in frame:
        frame["datetime"] = pd.to_datetime(frame["datetime"], unit="ms")
    text: str = frame.to_json()
    return text


def _dtype(values: Sequence[Any]) -> Any:
    """Integers stay integers; all else goes to JSON as it is."""
    return "int64" if values and all(type(value) is int for value in values) else object
