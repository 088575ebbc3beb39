"""The workers of the flow, in one process or several: which shard runs where, and what each has applied.

Shard n runs on worker n modulo their number. A process keeps its state on a disk of its own, so a shard's
state may be missing where it runs now, or older than it was elsewhere. Before anything is read, every worker
therefore tells all processes what the shards that run on it have applied:

    worker 0   shards 0, 2   applied 500, 500
    worker 1   shards 1, 3   applied 480, nothing      shard 3 has moved here: its state is elsewhere
    the source begins at the oldest window that shard 3 needs; the others skip what they have

So the flow may be started with any number of workers and on any disks. In the end the workers tell each
other that the log is read, or that their process was asked to stop: for any process to end, the sources of
all have to. With all this goes the flow's clock, which is that of the first worker.

A process that ends while the others still meet may leave some that wait for it and do not notice: Bytewax
notices when it writes. So a process that is not answered gives up, to be started again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

from flows.model.batch import Batch
from flows.runtime.exits import fail
from flows.runtime.signals import note_running, request_stop
from flows.shards.clock import FlowClock
from flows.shards.clock_watch import ClockWatch
from flows.shards.opening import MixedError, Opening
from flows.shards.routing import key_on
from flows.state.store import Header

log = logging.getLogger("clicks.cluster")

ANSWER_S = 20.0


class Cluster:
    """The workers: shard n runs on worker n modulo their number, the board on the last one.

    How many there are is known in each process once the first of its own is built; `opening` is None until
    all have told what their shards have applied. A board is due at each multiple of `every_ms` of the clock.
    `begin_decoding` is called with a batch that a partition gives next, if it `may_look_ahead`.
    """

    def __init__(self, shards: int, clock: FlowClock, every_ms: int) -> None:
        self.shards, self.workers = shards, 1
        self.clock, self.every_ms = clock, every_ms
        self.watch = ClockWatch(clock)
        self.opening: Opening | None = None
        self.ended = False
        self._moved = True
        self._here: dict[int, int] = {}
        self._applied: dict[int, Header] = {}
        self._keys: list[int] = []
        self._drawn = 0
        self.opened: Callable[[int], None] = lambda _: None
        self.may_look_ahead: Callable[[], bool] = lambda: False
        self.begin_decoding: Callable[[Batch], None] = lambda _: None
        self._lock = threading.Lock()

    def join(self, worker: int, workers: int) -> None:
        """Note that `worker` of `workers` runs in this process."""
        note_running()
        with self._lock:
            self.workers = workers
            self._here[worker] = threading.get_ident()

    def called(self, source: object) -> None:
        """Note that a source of this process is called."""
        self.watch.called(source, alone=len(self._here) == self.workers)

    def move(self) -> None:
        """Note that a source gives something, which is on its way from now on."""
        self._moved = True

    def still(self) -> bool:
        """Return whether no source gave anything since the last call, as the only worker knows."""
        still, self._moved = self.workers == 1 and not self._moved, False
        return still

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
    def until_barrier_s(self) -> float:
        """How long it is until a board is due."""
        return (self.every_ms - self.clock.now_ms() % self.every_ms) / 1000

    def shards_of(self, worker: int) -> range:
        """Return the shards that run on a worker."""
        return range(worker, self.shards, self.workers)

    def shard_keys(self) -> list[str]:
        """Return the key of each shard."""
        return self._keys_by_shard

    @cached_property
    def _keys_by_shard(self) -> list[str]:
        return [key_on(f"{n:04d}", n % self.workers, self.workers) for n in range(self.shards)]

    @cached_property
    def board_key(self) -> str:
        """The key of the board."""
        return key_on("board", self.workers - 1, self.workers)

    def learn(self, told: Announcement) -> None:
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
                self.opened(opening.key)
                self.clock.reach(opening.clock_ms)
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
        time.sleep(ANSWER_S)
        if self.opening is None:
            fail("other processes have not answered, one may have ended: start all again")


class Announcement(NamedTuple):
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
