"""`board`: the figures of all shards and metrics for one barrier, put together as Redis holds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Stream, operator
from bytewax.operators import KeyedStream, StatefulBatchLogic

from flows.metrics.metric import Frame, Metric
from flows.model.board import Board
from flows.model.shard_clicks import AlignedBarrier
from flows.operators.shards import Shards
from flows.operators.windowed import Report

# By so many publishing intervals may workers be apart, without a board going missing.
_KEPT_BARRIERS = 64


@operator
def board(step_id: str, reports: KeyedStream[Report], shards: Shards) -> Stream[Board]:
    """Gather the reports of a barrier from every shard; gives one Board once all are in."""
    to_board = op.map("key", reports, lambda item: (shards.cluster.board_key, item[1]))
    return op.key_rm("unkey", op.stateful_batch("gather", to_board, lambda _: _BoardLogic(shards)))


class _BoardLogic(StatefulBatchLogic[Report, Board, None]):
    """Keeps nothing across a restart: the shards tell it everything again."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._aligned: dict[tuple[int, int], list[Report]] = defaultdict(list)

    def on_batch(self, values: list[Report]) -> tuple[Iterable[Board], bool]:
        boards = []
        for report in values:
            barrier = report.barrier.level, report.barrier.as_of_s
            self._aligned[barrier].append(report)
            if len(self._aligned[barrier]) == self._shards.state.reports:
                boards.append(self._board(self._aligned.pop(barrier)))
                self._aligned = defaultdict(
                    list, {key: held for key, held in self._aligned.items() if key > barrier}
                )
        while len(self._aligned) > _KEPT_BARRIERS:
            del self._aligned[min(self._aligned)]
        return boards[-1:], False

    def _board(self, reports: list[Report]) -> Board:
        """Put a board together, and keep what it shows: after a kill none is to show less."""
        cluster = self._shards.cluster
        board = compose(self._shards.metrics, reports, cluster.every_ms)
        if cluster.shard_here is not None:
            barrier = reports[0].barrier
            self._shards.state.shard(cluster.shard_here).show(barrier.positions, barrier.mark)
        return board

    def snapshot(self) -> None:
        return None


def compose(metrics: Mapping[str, Metric[Any]], reports: list[Report], publish_every_ms: int) -> Board:
    """Put the reports of all shards for one barrier together."""
    figures: dict[str, list[Any]] = defaultdict(list)
    for report in reports:
        figures[report.metric].append(report.figures)
    barrier = reports[0].barrier
    numbers: dict[str, Any] = {"as_of": barrier.as_of_s * 1000, "publish_every_ms": publish_every_ms}
    values: dict[str, str] = {}
    for name, metric in metrics.items():
        published = metric.publish(barrier, figures[name])
        numbers |= published.numbers
        values |= {key: frame_text(frame) for key, frame in published.frames.items()}
    if barrier.mark.newest_ns:
        numbers["newest_click"] = barrier.mark.newest_ns // 10**6
    numbers |= _progress([report.barrier for report in reports])
    values["board"] = msgspec.json.encode(numbers).decode()
    return Board(barrier.as_of_s * 1000, values)


def _progress(barriers: list[AlignedBarrier]) -> dict[str, Any]:
    """Return what all shards have applied, and how far the source is ahead where it knows."""
    positions: dict[str, int] = {}
    for barrier in barriers:
        for source, position in barrier.positions.items():
            positions[source] = min(position, positions.get(source, position))
    progress: dict[str, Any] = {"positions": positions}
    if barriers[0].lag is not None:
        progress["lag"] = barriers[0].lag
    if all(barrier.ended for barrier in barriers):
        progress["ended"] = True
    return progress


def frame_text(columns: Frame) -> str:
    """Return a table as `pandas.DataFrame.to_json()` has it: column to row number to cell."""
    rows = {
        name: dict(zip(map(str, range(len(cells))), cells, strict=True)) for name, cells in columns.items()
    }
    return msgspec.json.encode(rows).decode()
