"""The workers of the flow, in one process or several: what runs where, and what each shard has applied.

A process may keep its state on a disk of its own, where shards may be missing (they ran elsewhere, or the
disk is new) or stale (they run elsewhere now). So before anything is read every worker tells all processes
what the shards that run on it have applied there. The source then begins where the shard that has applied
least goes on: however many workers there were before, a shard that has nothing is rebuilt, one that was away
catches up, and the others skip what they have.

A process that ends while the others still meet may leave some that wait for it and do not notice: Bytewax
notices when it writes. So a process that is not answered gives up, to be started again.

In the end the workers tell each other that the log is read, or that their process was asked to stop: for any
process to end, the sources of all have to.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.operators import StatefulBatchLogic

from flows import __version__
from flows.failing import fail
from flows.rest import Rest
from flows.routing import key_on
from flows.state import State
from flows.stopping import note_running, request_stop, stop_requested
from flows.store import Header

# All sources end their epochs together: one that waits keeps the others waiting, and busy.
LOOK = timedelta(milliseconds=10)
# How long an idle worker is awake between two rests: long enough to see whether there is work.
_AWAKE = timedelta(milliseconds=3)

log = logging.getLogger("clicks.cluster")

ANSWER_S = 20.0
_CHECK_S = 0.5
_CLOSE_WAIT = "08"


class Opening:
    """What all shards, by number, had applied when the flow started."""

    def __init__(self, shards: Mapping[int, Header]) -> None:
        self._shards = shards

    def applied(self, source: str) -> int | None:
        """Return the smallest position a shard has applied of `source`; None if one has applied nothing."""
        positions = [header.positions.get(source) for header in self._shards.values()]
        known = [position for position in positions if position is not None]
        return min(known) if known and len(known) == len(positions) else None

    def reach(self, source: str) -> int:
        """Return the largest position a shard has applied of `source`, 0 if none has."""
        return max(header.positions.get(source, 0) for header in self._shards.values())

    @property
    def missing(self) -> list[int]:
        """The shards that have nothing, if others have something."""
        missing = [number for number, header in sorted(self._shards.items()) if header.epoch < 0]
        return [] if len(missing) == len(self._shards) else missing

    @cached_property
    def newest(self) -> tuple[int, int]:
        """(Event time in ns, wall clock in ms when it was logged) of the newest click applied; 0: none."""
        return max((header.newest_ns or 0, header.logged_ms or 0) for header in self._shards.values())


class Cluster:
    """The workers: shard n runs on worker n modulo their number, the board on the last one.

    How many there are is known in each process once the first of its own is built; `opening` is None until
    all have told what their shards have applied.
    """

    def __init__(self, shards: int) -> None:
        self.shards, self.workers = shards, 1
        self.opening: Opening | None = None
        self.ended = False
        self._here: set[int] = set()
        self._applied: dict[int, Header] = {}
        self._lock = threading.Lock()

    def join(self, worker: int, workers: int) -> None:
        """Note that `worker` of `workers` runs in this process."""
        note_running()
        with self._lock:
            self.workers = workers
            self._here.add(worker)

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
            self._applied |= told.applied
            if self.opening is None and len(self._applied) == self.shards:
                opening = Opening(self._applied)
                if opening.missing and 0 in self._here:
                    shards = ", ".join(map(str, opening.missing))
                    log.warning(
                        "no state of shards %s where they run now: rebuilding them from the source", shards
                    )
                self.opening = opening

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
    """What a worker tells worker `to`: what its shards have applied, or why it tells nothing more."""

    to: int
    applied: dict[int, Header]
    ended: bool = False
    stop: bool = False


def meet(name: str, flow: Dataflow, cluster: Cluster, state: State) -> None:
    """Let every worker tell all processes what its shards have applied."""
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
        self._looked = datetime.now(timezone.utc)

    def next_batch(self) -> list[tuple[str, Told]]:
        self._looked = datetime.now(timezone.utc)
        if self._over:
            raise StopIteration
        workers, told = range(self._cluster.workers), Told(0, {})
        if not self._told:
            self._told = True
            numbers = self._cluster.shards_of(self._worker)
            told = told._replace(applied={number: self._state.header(number) for number in numbers})
            fields = {"version": __version__, "worker": self._worker, "workers": len(workers)}
            fields |= {"source": self._state.source, "state_dir": str(self._state.directory)}
            fields["shards"] = self._cluster.shards
            text = "clicks %(version)s: worker %(worker)d of %(workers)d, %(source)s, state in %(state_dir)s"
            log.info(text, fields, extra=fields)
            if len(workers) > 1:
                self._cluster.await_answers()
        elif stop_requested() or self._cluster.ended:
            self._over = True
            told = told._replace(ended=self._cluster.ended, stop=stop_requested())
        else:
            if self._cluster.opening is not None:
                self._rest.take()
            return []
        return [(key_on("worker", to, len(workers)), told._replace(to=to)) for to in workers]

    def next_awake(self) -> datetime:
        # Bytewax counts from when it called, and waits as long again from now on.
        return self._looked + _AWAKE


class _Learner(StatefulBatchLogic[Told, None, None]):
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def on_batch(self, values: list[Told]) -> tuple[list[None], bool]:
        for told in values:
            self._cluster.learn(told)
        return [], True

    def snapshot(self) -> None:
        return None
