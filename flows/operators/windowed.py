"""`windowed`: a metric run in every shard, inside Bytewax."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream, StatefulBatchLogic

from flows.entries.entry import Entries
from flows.metrics.metric import Metric
from flows.model.shard_clicks import AlignedBarrier, ShardClicks
from flows.operators.shards import Shards
from flows.runtime import telemetry
from flows.state.shard import Shard
from flows.state.state import State


@dataclass(frozen=True, slots=True)
class Report:
    """A metric's figures for one shard and barrier."""

    metric: str
    shard: int
    barrier: AlignedBarrier
    figures: Any


@dataclass(frozen=True)
class WindowedOut:
    """What `windowed` gives: the reports for each board, and the stream entries made."""

    reports: KeyedStream[Report]
    entries: KeyedStream[list[Entries]]


@operator
def windowed(
    step_id: str,
    clicks: KeyedStream[ShardClicks],
    metric: Metric[Any],
    shards: Shards,
    *,
    everywhere: bool = True,
) -> WindowedOut:
    """Run a metric in every shard, or in the first alone (`everywhere=False`)."""
    name = step_id.rpartition(".")[2]
    shards.metrics[name] = metric
    shards.state.expect(name, everywhere=everywhere)
    made = op.stateful_batch("shard", clicks, lambda _: _MetricLogic(name, metric.for_shard(), shards.state))
    kinds = op.branch("kinds", made, lambda item: isinstance(item[1], Report))
    return WindowedOut(kinds.trues, kinds.falses)


class _MetricLogic(StatefulBatchLogic[ShardClicks, Any, int]):
    def __init__(self, name: str, metric: Metric[Any], state: State) -> None:
        self._name, self._metric, self._state = name, metric, state
        self._shard: Shard | None = None

    def on_batch(self, values: list[ShardClicks]) -> tuple[Iterable[Report | list[Entries]], bool]:
        if self._shard is None:
            self._shard = self._state.shard(values[0].shard)
            for part in self._shard.load(self._name):
                self._metric.load(part)
            self._metric.loaded()
        out: list[Report | list[Entries]] = []
        for item in values:
            self._metric.add(item)
            if entries := self._metric.entries():
                out.append(entries)
            if item.aligned is not None:
                figures = self._metric.report(item.aligned.as_of_s)
                out.append(Report(self._name, item.shard, item.aligned, figures))
                telemetry.REPORTS.inc()
        return out, False

    def snapshot(self) -> int:
        if self._shard is None:
            return -1
        self._shard.save(self._name, self._metric.changes)
        return self._shard.number
