"""A partition of any source, from its opening on: what each batch is judged by, and what is set aside.

source's partition ──batches──► readings ──► quarantine ──one part at a time──► the flow
"""

from __future__ import annotations

import hashlib
import logging
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from bytewax.inputs import StatefulSourcePartition

from flows.model.batch import Batch
from flows.runtime.idle import DUE
from flows.runtime.pulse import PULSE
from flows.runtime.signals import stop_requested
from flows.shards.cluster import Cluster
from flows.shards.opening import Opening
from flows.shards.quarantine import Quarantine
from flows.shards.readings import Readings
from flows.state.state import State

log = logging.getLogger("clicks.source")

# So long a record that is suspected by itself is apart from others where several workers take them in.
_APART_S = 1.0
# While so large a batch is counted (bytes of a block, records of a list), the next one is read and decoded.
LARGE: Final = {bytes: 1 << 20, list: 2000}


class Partition(StatefulSourcePartition[Batch, int]):
    """A partition of a source that is open."""

    @property
    @abstractmethod
    def position(self) -> int:
        """The position of the next read."""

    def snapshot(self, before: int | None = None) -> int:
        """Return the position of what is taken in next: `before`, or that of the next read."""
        return self.position if before is None else before


class OpeningPartition(StatefulSourcePartition[Batch, int | None]):
    """A partition that is opened once it is known what every shard has applied; raises what `open_part` does.

    Until all that any shard has applied or any board shown is read again, no barrier is complete: some
    shards are ahead. What is read again is judged by the clock of its first reading, so that every shard
    comes to the same: which clicks are too new, and which wait.
    """

    def __init__(
        self,
        cluster: Cluster,
        state: State,
        open_part: Callable[[Opening], Partition],
        resume: int | None,
    ) -> None:
        self._cluster, self._state = cluster, state
        self._open_part, self._resume = open_part, resume
        self._part: Partition | None = None
        self._readings: Readings | None = None
        self._quarantine: Quarantine | None = None
        self._parts: deque[Batch] = deque()
        self._has_turn = False
        self._apart, self._taken_s = False, 0.0
        self._over = False

    def next_batch(self) -> Iterable[Batch]:
        """Return what is to be taken in next, none while it is not open; raises StopIteration on a stop."""
        opening = self._cluster.opening
        self._cluster.called(self)
        if stop_requested():
            self._landed()
            raise StopIteration
        if opening is None:
            return []
        if self._part is None:
            self._part = self._open_part(opening)
        self._landed()
        if not self._parts:
            self._read(self._part, opening)
        if not self._parts and self._over:
            self._cluster.ended = True
            raise StopIteration
        if not self._parts or not self._may_take(self._parts[0]):
            return []
        part = self._parts.popleft()
        self._taken_s = time.monotonic()
        if self._quarantine is not None and part.end > part.start:
            self._apart = self._quarantine.suspects_alone(part)
            self._quarantine.take(part, self._cluster.clock.now_ms())
            if self._may_look_ahead(part):
                self._read(self._part, opening)
                if self._parts:
                    self._cluster.begin_decoding(self._parts[0])
        self._cluster.move()
        return [part]

    def _may_look_ahead(self, part: Batch) -> bool:
        """Return whether the next batch is decoded while `part` is counted; nothing suspected ever is."""
        large = len(part.data) >= LARGE[bytes if isinstance(part.data, bytes) else list]
        clear = self._quarantine is not None and self._quarantine.clear
        return large and clear and not self._parts and self._cluster.may_look_ahead()

    def _read(self, part: Partition, opening: Opening) -> None:
        try:
            batches = [] if self._over else list(part.next_batch())
        except StopIteration:
            self._over, batches = True, []
        for batch in batches:
            readings, quarantine = self._helpers(batch.source, opening)
            batch.key, batch.log = opening.key, self._state.log
            if self._state.crowded:
                batch.ahead_s = 0
            if batch.barrier is not None:
                complete = batch.barrier.complete and batch.end >= opening.reach(batch.source)
                batch.barrier = replace(batch.barrier, known=opening.mark, complete=complete)
            for judged in readings.judged(batch):
                self._parts.extend(quarantine.parts(judged))

    def _helpers(self, source: str, opening: Opening) -> tuple[Readings, Quarantine]:
        if self._readings is None or self._quarantine is None:
            number = self._cluster.shard_here
            notes = None if number is None else self._state.shard(number)
            self._readings = Readings(source, opening.readings(source), notes)
            self._quarantine = Quarantine(source, opening.flight(source), opening.poison(source), notes)
            # What ends the flow while it saves is no record's doing.
            self._state.before_saving(self._landed)
        return self._readings, self._quarantine

    def _may_take(self, part: Batch) -> bool:
        """Return whether it is a part's turn: one that runs have ended in is taken in while no other is."""
        turn, quarantine = self._state.turn, self._quarantine
        suspected = quarantine is not None and quarantine.suspects(part)
        apart = self._apart or (quarantine is not None and quarantine.suspects_alone(part))
        if apart and self._cluster.workers > 1 and time.monotonic() < self._taken_s + _APART_S:
            return False
        if self._has_turn and not suspected:
            self._has_turn = False
            turn.release()
        elif suspected and not self._has_turn:
            self._has_turn = turn.acquire(blocking=False)
            return self._has_turn
        return self._has_turn or not turn.locked()

    def _landed(self) -> None:
        if self._quarantine is not None:
            self._quarantine.landed(self._cluster.clock.now_ms)

    def next_awake(self) -> datetime:
        """Return a time that is due: a worker with nothing to do rests by itself."""
        return DUE

    def snapshot(self) -> int | None:
        """Return the position of what is taken in next."""
        if self._part is None:
            position = self._resume
        else:
            position = self._part.snapshot(self._parts[0].start if self._parts else None)
        if self._readings is not None and position is not None:
            self._readings.forget(position)
        return position

    def close(self) -> None:
        """Close the partition."""
        PULSE.end(self)
        if self._has_turn:
            self._state.turn.release()
        if self._part is not None:
            self._part.close()


def say_start(partition: str, position: int) -> None:
    """Say where reading begins."""
    fields = {"partition": partition, "position": position}
    log.info("reading %(partition)s from %(position)d on", fields, extra=fields)


def short_hash(text: bytes) -> str:
    """Return what a log is known by, made of a text that is its own."""
    return hashlib.blake2b(text, digest_size=8).hexdigest()
