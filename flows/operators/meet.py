"""The operator by which workers meet: each tells all processes what its shards have applied."""

from __future__ import annotations

import logging
import time
from datetime import datetime

import bytewax.operators as op
from bytewax.dataflow import Dataflow, operator
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.operators import StatefulBatchLogic

from flows import __version__
from flows.operators.shards import Shards
from flows.runtime.idle import DUE, NAP_S, Idle
from flows.runtime.open_files import allow_open_files
from flows.runtime.pulse import PULSE
from flows.runtime.signals import stop_requested
from flows.runtime.ticks import ticks_ms
from flows.shards.cluster import Announcement, Cluster
from flows.shards.routing import key_on
from flows.state.key import drawn_key, read_key
from flows.state.state import State

log = logging.getLogger("clicks.cluster")

_TELL_MS = 10_000


@operator
def meet(step_id: str, flow: Dataflow, shards: Shards) -> None:
    """Let every worker tell all processes what its shards have applied."""
    shards.cluster.opened = shards.state.open_with
    told = op.input("tell", flow, _Announcers(shards.cluster, shards.state))
    op.stateful_batch("learn", told, lambda _: _Listener(shards.cluster))


class _Announcers(DynamicSource[tuple[str, Announcement]]):
    def __init__(self, cluster: Cluster, state: State) -> None:
        self._cluster, self._state = cluster, state

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Announcer:
        self._cluster.join(worker_index, worker_count)
        return _Announcer(self._cluster, self._state, worker_index)


class _Announcer(StatelessSourcePartition[tuple[str, Announcement]]):
    def __init__(self, cluster: Cluster, state: State, worker: int) -> None:
        self._cluster, self._state, self._worker = cluster, state, worker
        self._told = self._over = False
        self._idle = Idle()
        self._clock_told_ms = 0

    def next_batch(self) -> list[tuple[str, Announcement]]:
        at_ms = ticks_ms()
        self._cluster.called(self)
        if self._over:
            PULSE.end(self)
            raise StopIteration
        if not self._told:
            self._told, self._clock_told_ms = True, at_ms
            return self._tell(self._begin())
        if stop_requested() or self._cluster.ended:
            self._over = True
            return self._tell(Announcement(0, {}, self._cluster.ended, stop_requested()))
        if self._cluster.opening is None:
            time.sleep(NAP_S)
            return []
        if self._worker == 0 and at_ms - self._clock_told_ms >= _TELL_MS:
            self._clock_told_ms = at_ms
            return self._tell(Announcement(0, {}))
        self._idle.take(self._cluster.until_barrier_s, still=self._cluster.still())
        return []

    def _begin(self) -> Announcement:
        cluster, state = self._cluster, self._state
        fields = {"version": __version__, "worker": self._worker, "workers": cluster.workers}
        fields |= {"source": state.source, "state_dir": str(state.directory), "shards": cluster.shards}
        text = "clicks %(version)s: worker %(worker)d of %(workers)d, %(source)s, state in %(state_dir)s"
        log.info(text, fields, extra=fields)
        if cluster.workers > 1:
            cluster.await_answers()
        allow_open_files(sum(len(cluster.shards_of(worker)) for worker in cluster.here))
        key = read_key(state.directory)
        applied = {number: state.header(number) for number in cluster.shards_of(self._worker)}
        return Announcement(0, applied, key=key, drawn=drawn_key() if self._worker == 0 else None)

    def _tell(self, told: Announcement) -> list[tuple[str, Announcement]]:
        workers = self._cluster.workers
        if self._worker == 0:
            told = told._replace(clock_ms=self._cluster.clock.now_ms())
        return [(key_on("worker", to, workers), told._replace(to=to)) for to in range(workers)]

    def next_awake(self) -> datetime:
        return DUE


class _Listener(StatefulBatchLogic[Announcement, None, None]):
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def on_batch(self, values: list[Announcement]) -> tuple[list[None], bool]:
        for told in values:
            self._cluster.learn(told)
        return [], True

    def snapshot(self) -> None:
        return None
