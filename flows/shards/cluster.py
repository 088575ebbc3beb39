"""The workers of the flow, in one process or several: what runs where, and what each shard has applied.

A process may keep its state on a disk of its own, where shards may be missing (they ran elsewhere, or the
disk is new) or stale (they run elsewhere now). So before anything is read every worker tells all processes
what the shards that run on it have applied there. The source then begins where the shard that has applied
least goes on: however many workers there were before, a shard that has nothing is rebuilt, one that was away
catches up, and the others skip what they have.

A process that ends while the others still meet may leave some that wait for it and do not notice: Bytewax
notices when it writes. So a process that is not answered gives up, to be started again.

When they meet they also learn the flow's clock from the first worker, and now and then again.

In the end the workers tell each other that the log is read, or that their process was asked to stop: for any
process to end, the sources of all have to.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.operators import StatefulBatchLogic

from flows import __version__
from flows.runtime.exits import fail
from flows.runtime.idle import DUE, NAP_S, Rest
from flows.runtime.open_files import allow_open_files
from flows.runtime.pulse import PULSE
from flows.runtime.signals import note_running, request_stop, stop_requested
from flows.shards.clock import FlowClock, ticks_ms
from flows.shards.clock_watch import ClockWatch
from flows.shards.opening import MixedError, Opening
from flows.shards.routing import key_on
from flows.state.key import drawn_key, read_key
from flows.state.state import State
from flows.state.store import Header

log = logging.getLogger("clicks.cluster")

ANSWER_S = 20.0
_CHECK_S = 0.5
_LOOK_MS, _TELL_MS = 1000, 10_000
_CLOSE_WAIT = "08"


class Cluster:
    """The workers: shard n runs on worker n modulo their number, the board on the last one.

    How many there are is known in each process once the first of its own is built; `opening` is None until
    all have told what their shards have applied. A board is due at each multiple of `every_ms` of the clock.
    """

    def __init__(self, shards: int, clock: FlowClock, every_ms: int) -> None:
        self.shards, self.workers = shards, 1
        self.clock, self._every_ms = clock, every_ms
        self.watch = ClockWatch(clock)
        self.opening: Opening | None = None
        self.ended = False
        self._here: dict[int, int] = {}
        self._applied: dict[int, Header] = {}
        self._keys: list[int] = []
        self._drawn = 0
        self.opened: Callable[[Opening], None] = lambda _: None
        self._lock = threading.Lock()

    def join(self, worker: int, workers: int) -> None:
        """Note that `worker` of `workers` runs in this process."""
        note_running()
        with self._lock:
            self.workers = workers
            self._here[worker] = threading.get_ident()

    @property
    def here(self) -> list[int]:
        """The workers of this process."""
        return list(self._here)

    @property
    def shard_here(self) -> int | None:
        """A shard that runs on the calling worker; None if there are more workers than shards."""
        worker = next(each for each, thread in self._here.items() if thread == threading.get_ident())
        return worker if worker < self.shards else None

    @property
    def until_beat_s(self) -> float:
        """How long it is until a board is due."""
        return (self._every_ms - self.clock.now_ms() % self._every_ms) / 1000

    def shards_of(self, worker: int) -> range:
        """Return the shards that run on a worker."""
        return range(worker, self.shards, self.workers)

    @cached_property
    def keys(self) -> list[str]:
        """The key of each shard."""
        return [key_on(f"{n:04d}", n % self.workers, self.workers) for n in range(self.shards)]

    @cached_property
    def board_key(self) -> str:
        """The key of the board."""
        return key_on("board", self.workers - 1, self.workers)

    def learn(self, told: Told) -> None:
        """Take in what a worker tells another one, which is to be in this process."""
        with self._lock:
            if told.to not in self._here:
                fail("this Bytewax routes keys in another way: install the version in requirements.txt")
            if told.stop:
                request_stop("another process stops")
            if told.ended:
                self.ended = True
            if told.clock_ms is not None and 0 not in self._here:
                self.clock.hear(told.clock_ms)
            self._applied |= told.applied
            if told.key is not None:
                self._keys.append(told.key)
            if told.drawn is not None:
                self._drawn = told.drawn
            if self.opening is None and len(self._applied) == self.shards:
                opening = self._opening()
                self.opened(opening)
                self.clock.reach(opening.mark.as_of_s * 1000)
                if opening.missing and 0 in self._here:
                    shards = ", ".join(map(str, opening.missing))
                    log.warning(
                        "no state of shards %s where they run now: rebuilding them from the source", shards
                    )
                self.opening = opening

    def _opening(self) -> Opening:
        try:
            return Opening(self._applied, min(self._keys, default=self._drawn))
        except MixedError as error:
            fail(f"{error}: put those of one flow together, or set CLICKS_STATE_DIR to another directory")

    def await_answers(self) -> None:
        """End the flow with one line if the others cannot tell any more, or do not, what they have."""
        threading.Thread(target=self._await_answers, name="cluster-answers", daemon=True).start()

    def _await_answers(self) -> None:
        until_s = time.monotonic() + ANSWER_S
        lost = 0
        while lost < 2 and time.monotonic() < until_s:
            time.sleep(_CHECK_S)
            if self.opening is not None:
                return
            lost = lost + 1 if _left_alone() else 0
        fail("other processes have not answered, one may have ended: start all again")


def _left_alone() -> bool:
    """Return whether the other side has closed a TCP connection of this process, and this one has not."""
    sockets = set()
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            sockets.add(os.readlink(f"/proc/self/fd/{fd}"))
    lines = [line for name in ("tcp", "tcp6") for line in _lines(Path("/proc/self/net", name))]
    return any(line[3] == _CLOSE_WAIT and f"socket:[{line[9]}]" in sockets for line in lines)


def _lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()[1:]] if path.exists() else []


class Told(NamedTuple):
    """What a worker tells worker `to`: what its shards have applied, or why it tells nothing more.

    It also tells the key kept where it runs; the first worker the flow's clock, and one drawn for a new flow.
    """

    to: int
    applied: dict[int, Header]
    ended: bool = False
    stop: bool = False
    clock_ms: int | None = None
    key: int | None = None
    drawn: int | None = None


def meet(name: str, flow: Dataflow, cluster: Cluster, state: State) -> None:
    """Let every worker tell all processes what its shards have applied."""
    cluster.opened = state.open_with
    told = op.input(f"{name}_tell", flow, _Tellers(cluster, state))
    op.stateful_batch(name, told, lambda _: _Learner(cluster))


class _Tellers(DynamicSource[tuple[str, Told]]):
    def __init__(self, cluster: Cluster, state: State) -> None:
        self._cluster, self._state = cluster, state

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Teller:
        self._cluster.join(worker_index, worker_count)
        return _Teller(self._cluster, self._state, worker_index)


class _Teller(StatelessSourcePartition[tuple[str, Told]]):
    def __init__(self, cluster: Cluster, state: State, worker: int) -> None:
        self._cluster, self._state, self._worker = cluster, state, worker
        self._told = self._over = False
        self._rest = Rest()
        self._looked_ms = self._clock_told_ms = 0

    def next_batch(self) -> list[tuple[str, Told]]:
        at_ms = ticks_ms()
        PULSE.beat(self._worker, at_ms / 1000)
        if self._over:
            PULSE.end(self._worker)
            raise StopIteration
        if not self._told:
            self._told, self._clock_told_ms = True, at_ms
            return self._tell(self._begin())
        if stop_requested() or self._cluster.ended:
            self._over = True
            return self._tell(Told(0, {}, self._cluster.ended, stop_requested()))
        if self._cluster.opening is None:
            time.sleep(NAP_S)
            return []
        if self._worker == 0 and at_ms - self._clock_told_ms >= _TELL_MS:
            self._clock_told_ms = at_ms
            return self._tell(Told(0, {}))
        if self._worker == min(self._cluster.here) and at_ms - self._looked_ms >= _LOOK_MS:
            self._looked_ms = at_ms
            self._cluster.watch.look()
        self._rest.take(self._cluster.until_beat_s)
        return []

    def _begin(self) -> Told:
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
        return Told(0, applied, key=key, drawn=drawn_key() if self._worker == 0 else None)

    def _tell(self, told: Told) -> list[tuple[str, Told]]:
        workers = self._cluster.workers
        if self._worker == 0:
            told = told._replace(clock_ms=self._cluster.clock.now_ms())
        return [(key_on("worker", to, workers), told._replace(to=to)) for to in range(workers)]

    def next_awake(self) -> datetime:
        return DUE


class _Learner(StatefulBatchLogic[Told, None, None]):
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def on_batch(self, values: list[Told]) -> tuple[list[None], bool]:
        for told in values:
            self._cluster.learn(told)
        return [], True

    def snapshot(self) -> None:
        return None
