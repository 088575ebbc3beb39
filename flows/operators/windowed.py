"""Windowed operators: how the metrics and the admission of a shard run inside Bytewax.

A metric is a small class that knows neither Bytewax nor RocksDB: `add` takes in a shard's admitted clicks,
`report` gives its figures as of a second, `changes` and `load` carry its state to disk and back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import Stream
from bytewax.operators import StatefulBatchLogic

from flows.entries.entry import Entries
from flows.model.rejected import Rejected
from flows.model.shard_clicks import Beat, ShardClicks
from flows.runtime import telemetry
from flows.runtime.exits import fail
from flows.runtime.signals import stop_requested
from flows.shards.admission import Admission, GapError
from flows.shards.directory import Directory
from flows.state.state import Shard, State

Keyed = tuple[str, ShardClicks]


class Metric(Protocol):
    """One metric of one shard."""

    def add(self, item: ShardClicks) -> None:
        """Take in admitted clicks; forget the visitors of `item.freed` first."""

    def report(self, as_of_s: int) -> Any:
        """Return the shard's figures for windows that end at `as_of_s`, exclusive."""

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return what changed since the last call, or all there is; arrays, numbers, lists and strings."""

    def load(self, part: dict[str, Any]) -> None:
        """Take in what `changes` gave once; parts come in the order in which they were given.

        When all are in, `loaded` is called if there is one.
        """


@dataclass(frozen=True, slots=True)
class Report:
    """A metric's figures for one shard and beat."""

    metric: str
    shard: int
    beat: Beat
    figures: Any


class _MetricLogic(StatefulBatchLogic[ShardClicks, Any, int]):
    def __init__(self, name: str, make: Callable[[], Metric], state: State) -> None:
        self._name, self._metric, self._state = name, make(), state
        self._shard: Shard | None = None

    def on_batch(self, values: list[ShardClicks]) -> tuple[Iterable[Any], bool]:
        if self._shard is None:
            self._shard = self._state.shard(values[0].shard)
            for part in self._shard.load(self._name):
                self._metric.load(part)
            getattr(self._metric, "loaded", lambda: None)()
        out: list[Any] = []
        for item in values:
            self._metric.add(item)
            entries: list[Entries] = getattr(self._metric, "entries", list)()
            if entries:
                out.append(entries)
            if item.beat is not None:
                figures = self._metric.report(item.beat.as_of_s)
                out.append(Report(self._name, item.shard, item.beat, figures))
                telemetry.REPORTS.inc()
        return out, False

    def snapshot(self) -> int:
        if self._shard is None:
            return -1
        self._shard.save(self._name, self._metric.changes)
        return self._shard.number


class _AdmissionLogic(StatefulBatchLogic[ShardClicks, ShardClicks, int]):
    """Admits; with a `directory` also numbers the shard's visitors, and keeps the positions."""

    def __init__(self, name: str, state: State, directory: Directory | None) -> None:
        self._name, self._state, self._directory = name, state, directory
        self._shard: Shard | None = None
        self._admission: Admission | None = None
        self._empty: ShardClicks | None = None
        self._given = False

    def _open(self, first: ShardClicks) -> Admission:
        self._shard = shard = self._state.shard(first.shard)
        self._admission = admission = Admission(shard.positions, shard.mark)
        self._state.watch(admission.waiting)
        self._empty = first.take(np.empty(0, np.int64))
        self._empty.rejected, self._empty.newest = Rejected(), []
        for part in shard.load(self._name):
            admission.waiting.load(part)
            if self._directory is not None:
                self._directory.load(part)
        if self._directory is not None:
            self._directory.loaded()
        return admission

    def on_batch(self, values: list[ShardClicks]) -> tuple[Iterable[ShardClicks], bool]:
        admission = self._admission or self._open(values[0])
        try:
            items = [admitted for item in values for admitted in admission.admit(item)]
        except GapError as error:
            fail(f"{error}: restart the flow; if it happens again, move the state directory away to rebuild")
        return self._give(items), False

    def on_eof(self) -> tuple[Iterable[ShardClicks], bool]:
        if self._admission is None or self._empty is None:
            return [], False
        return self._give(self._admission.last(self._empty, stopped=stop_requested())), False

    def _give(self, items: list[ShardClicks]) -> list[ShardClicks]:
        self._given = self._given or bool(items)
        if self._directory is not None:
            for item in items:
                self._directory.number(item)
                telemetry.count(len(item), item.late, item.rejected.counts())
        return items

    def snapshot(self) -> int:
        if self._shard is None or self._admission is None:
            return -1
        # Where all was held the metrics were not called: this epoch leaves the shard as it was.
        if self._given:
            self._given = False
            if self._directory is not None:
                self._shard.save_position(self._admission.positions, self._admission.watermark.mark)
            self._shard.save(self._name, self._changes)
        return self._shard.number

    def _changes(self, *, everything: bool) -> dict[str, Any]:
        assert self._admission is not None
        part = self._admission.waiting.changes(everything=everything)
        return part if self._directory is None else part | self._directory.changes(everything=everything)


def admitted(
    name: str, clicks: Stream[Keyed], state: State, *, directory: bool = False, everywhere: bool = True
) -> Stream[Keyed]:
    """Admit each shard's clicks, or those of the first alone; with `directory`, number its visitors."""
    state.expect(name, everywhere=everywhere, reports=False)
    return op.stateful_batch(
        name, clicks, lambda _: _AdmissionLogic(name, state, Directory() if directory else None)
    )


def windowed(
    name: str, clicks: Stream[Keyed], make: Callable[[], Metric], state: State, *, everywhere: bool = True
) -> Stream[tuple[str, Any]]:
    """Run one metric, in every shard or in the first alone; gives Reports, and lists of the entries made."""
    state.expect(name, everywhere=everywhere)
    return op.stateful_batch(name, clicks, lambda _: _MetricLogic(name, make, state))
