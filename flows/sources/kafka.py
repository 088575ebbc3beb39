"""The Kafka source: whole batches from the partitions of a topic.

A partition starts where all shards and the consumer group stand, whichever is less; where a shard has nothing
of it, far enough back for every window. What is committed to the group is in RocksDB by then, but for shards
in other processes that still wait for other partitions with it; what counts is what the shards have.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

from bytewax.inputs import FixedPartitionedSource

from flows.kafka.buffer import Taken
from flows.kafka.config import consumer_config
from flows.kafka.reader import Reader
from flows.model.batch import Batch
from flows.runtime import telemetry
from flows.settings import Settings
from flows.shards.clock import FlowClock
from flows.shards.cluster import Cluster
from flows.shards.opening import Opening
from flows.sources.barriers import Barriers
from flows.sources.kafka_start import first_offset
from flows.sources.opening_partition import OpeningPartition, Partition, say_start
from flows.sources.portions import portion_of_records
from flows.state.state import State

PATIENCE_MS = 5_000


class KafkaSource(FixedPartitionedSource[Batch, int | None]):
    """The partitions of a topic, named TOPIC/NUMBER; positions are offsets."""

    def __init__(self, settings: Settings, cluster: Cluster, state: State) -> None:
        brokers, _, self._topic = settings.source.removeprefix("kafka:").rpartition("/")
        self._cluster, self._state, self._every_ms = cluster, state, settings.publish_every_ms
        self._begin_ms = settings.begin_ms
        self._config = consumer_config(brokers, settings)
        self._lock = threading.Lock()

    @functools.cached_property
    def _reader(self) -> Reader:
        return Reader(self._config, self._topic)

    def list_parts(self) -> list[str]:
        """Return the partitions the topic has; waits for a broker that is down."""
        with self._lock:
            self._state.identify(self._reader.topic_id or None)
            return [self._reader.name(number) for number in self._reader.partitions]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> OpeningPartition:
        """Start reading a partition once it is known what the shards have applied."""
        open_part = functools.partial(self.open_part, for_part, resume_state)
        return OpeningPartition(self._cluster, self._state, open_part, resume_state)

    def open_part(self, name: str, resume: int | None, opening: Opening) -> KafkaPartition:
        """Open a partition.

        Where the group has no offset yet the start is committed at once, so that a flow that is killed before
        every shard has saved begins at the same place again.
        """
        number = int(name.rpartition("/")[2])
        with self._lock:
            applied = opening.applied(name)
            stored = self._reader.committed(number) if resume is None else resume
            stands = [applied, stored]
            if applied is None and (resume is None or opening.missing):
                now_ms = self._cluster.clock.now_ms()
                stands.append(first_offset(self._reader, number, self._begin_ms, now_ms))
            known = [position for position in stands if position is not None]
            start, reach = min(known), max(*known, opening.reach(name))
            if stored is None:
                self._reader.commit(number, start, wait=True)
            self._reader.open(number, start)
        say_start(name, start)
        on_disk = functools.partial(self._state.on_disk, name)
        barriers = Barriers(self._every_ms)
        return KafkaPartition(self._reader, number, start, reach, self._cluster.clock, barriers, on_disk)


class KafkaPartition(Partition):
    """One partition's batches; `reach` is the furthest offset known to have been read once.

    `on_disk` tells how far up to an offset all shards of this process have it on disk.
    """

    def __init__(
        self,
        reader: Reader,
        number: int,
        start: int,
        reach: int,
        clock: FlowClock,
        barriers: Barriers,
        on_disk: Callable[[int], int],
    ) -> None:
        self._reader, self._number, self._position, self._reach = reader, number, start, reach
        self._clock, self._barriers, self._on_disk = clock, barriers, on_disk
        self._patient_until_ms = clock.now_ms() + PATIENCE_MS
        self._left: Taken | None = None
        self._epoch: int | None = None
        self._saved: tuple[int, int | None] = start, None
        self._committed = start

    def next_batch(self) -> Iterable[Batch]:
        """Return a whole batch, or what there is when a barrier is due."""
        at_ms = self._clock.now_ms()
        due = at_ms >= self._barriers.next_ms()
        if self._left is None:
            self._left = self._reader.take(self._number, everything=due)
        if self._left is None:
            return []
        batch = self._batch(self._left, at_ms)
        messages, end = batch.end > batch.start, batch.end
        if due:
            if not messages:
                self._reader.check_end(self._number, max(self._reach, end))
            lag = self._reader.lag(self._number, end)
            barrier = self._barriers.barrier(at_ms, finite=False, lag=lag)
            batch.barrier = barrier and replace(barrier, complete=messages or self._may_be_empty(end, at_ms))
        batch.until_s = self._barriers.until_s(batch.barrier)
        if messages:
            self._patient_until_ms = 0
        return [batch]

    def _may_be_empty(self, end: int, at_ms: int) -> bool:
        """Return False while the first records are still to come: no board is to say that there are none."""
        return at_ms >= self._patient_until_ms or self._reader.lag(self._number, end) == 0

    def _batch(self, left: Taken, at_ms: int) -> Batch:
        """Return a batch of what was taken from the reader, or of a part of it."""
        taken, rest = left.cut(portion_of_records(left.records))
        self._left = rest if len(rest.records) else None
        telemetry.TOMBSTONES.inc(taken.tombstones)
        size, offsets = len(taken.records), taken.offsets
        if size:
            self._epoch = int(taken.epochs[-1])
        start, self._position = self._position, taken.end
        without_gap = not size or (offsets[0] == start and offsets[-1] == start + size - 1)
        return Batch(
            self._reader.name(self._number),
            start,
            taken.end,
            taken.records,
            at_ms,
            positions=None if without_gap else offsets.tolist(),
            parts=len(self._reader.partitions),
        )

    def close(self) -> None:
        """Let go of the partition."""
        self._reader.close(self._number)

    @property
    def position(self) -> int:
        """The offset of the next read."""
        return self._position

    def snapshot(self, before: int | None = None) -> int:
        """Return the offset of what is taken in next, and commit that of the epoch before.

        By now every shard has written the epoch before, without clicks that wait in it for other partitions.
        """
        saved, epoch = self._saved
        offset = self._on_disk(saved)
        if offset > self._committed:
            self._reader.commit(self._number, offset, epoch)
            self._committed = offset
        position = super().snapshot(before)
        self._saved = position, self._epoch
        return position
