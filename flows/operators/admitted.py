"""`admitted`: what is new and in time of each shard's clicks goes on, its visitors numbered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream, StatefulBatchLogic

from flows.model.rejected import Rejected
from flows.model.shard_clicks import ShardClicks
from flows.operators.shards import Shards
from flows.runtime import telemetry
from flows.runtime.exits import fail
from flows.runtime.signals import stop_requested
from flows.shards.admission import Admission, GapError
from flows.shards.directory import Directory
from flows.state.shard import Shard
from flows.state.state import State


@operator
def admitted(
    step_id: str,
    clicks: KeyedStream[ShardClicks],
    shards: Shards,
    *,
    directory: bool = False,
    everywhere: bool = True,
) -> KeyedStream[ShardClicks]:
    """Admit each shard's clicks, or those of the first alone; with `directory`, number its visitors."""
    name = step_id.rpartition(".")[2]
    shards.state.expect(name, everywhere=everywhere, reports=False)
    return op.stateful_batch(
        "shard",
        clicks,
        lambda _: _AdmissionLogic(name, shards.state, Directory() if directory else None),
    )


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
        self._empty.rejected, self._empty.recent = Rejected(), []
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
