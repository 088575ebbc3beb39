"""The one Kafka consumer of a process: what arrives is handed to the buffers of its partitions.

One for all partitions, since each of many would be polled in vain while it is idle. A broker that is down is
waited for; whatever no waiting can heal ends the flow with one line.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from itertools import compress, count, repeat
from operator import is_not
from typing import Any, NoReturn

from confluent_kafka import KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from flows.kafka.buffer import Buffer, Taken
from flows.kafka.errors import Place, checked, is_read, kind
from flows.kafka.link import Link
from flows.kafka.watch import ANEW, Watch
from flows.runtime.exits import Kind, fail, one_line

# A batch is split into all shards, which costs the same for few records as for many. Where no more are there
# yet, few are better now than many when the board is due.
BATCH_RECORDS, LIVE_RECORDS = 90_000, 10_000
BUFFER_BYTES = 64 << 20

_ANSWER_S, _PROBE_S = 1.5, 0.5
_CLOSE_S = 3.0
_POLL_EVERY_S, _BUSY_RECORDS, _CHUNK_RECORDS = 0.004, 500, 500

log = logging.getLogger("clicks.kafka")
_OUT_OF_RANGE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._LOG_TRUNCATION}
# Leaders have an epoch each: in a log that lost its end that of the last record read ends before it.
_TRUNCATED = "log truncation detected"
_LOST_END = f"Kafka lost the end of its log; {ANEW}"


class Reader:
    """Reads partitions of one topic; safe to use from several threads.

    `config` is librdkafka's; a wrong one, an unknown topic and a refused login end the flow.
    """

    def __init__(self, config: dict[str, str], topic: str) -> None:
        self._config: dict[str, Any] = dict(config)
        self._topic = topic
        rights = f"reading of topic {topic!r} and of the group"
        place = Place(config["bootstrap.servers"], topic, "CLICKS_SOURCE", rights, config["group.id"])
        self._link = Link(config, place)
        self._consumer = self._link.consumer
        self._lock = threading.RLock()
        self._buffers: dict[int, Buffer] = {}
        self._opened: list[TopicPartition] = []
        self._stored: dict[int, TopicPartition] = {}
        self._unproven: dict[int, TopicPartition] = {}
        self._watch: Watch | None = None
        self._bytes = 0
        self._next_poll_s = 0.0

    def name(self, number: int) -> str:
        """Return a partition's name."""
        return f"{self._topic}/{number}"

    @functools.cached_property
    def partitions(self) -> list[int]:
        """The topic's partitions at the start."""

        def ask() -> list[int]:
            topic = self._consumer.list_topics(self._topic, timeout=_ANSWER_S).topics[self._topic]
            return sorted(checked([topic])[0].partitions)

        return self._link.ask(ask)

    @functools.cached_property
    def _admin(self) -> AdminClient:
        return AdminClient(self._config)

    def _described(self) -> Any:
        wanted = TopicCollection([self._topic])
        return self._admin.describe_topics(wanted, request_timeout=_ANSWER_S)[self._topic].result()

    @functools.cached_property
    def topic_id(self) -> str:
        """What tells the topic from one of the same name before it; "" if the broker does not say."""

        def ask() -> str:
            try:
                return _id(self._described())
            except KafkaException as error:
                if kind(error.args[0].code()) is Kind.OUTAGE:
                    raise
                return ""

        return self._link.ask(ask)

    def committed(self, number: int) -> int | None:
        """Return the group's offset, None if it has none."""
        wanted = [self._part(number)]
        [found] = self._link.ask(lambda: checked(self._consumer.committed(wanted, timeout=_ANSWER_S)))
        self._stored[number] = found
        return int(found.offset) if found.offset >= 0 else None

    def offset_at(self, number: int, at_ms: int) -> int | None:
        """Return the first offset with a timestamp of `at_ms` or later, None if there is none."""
        wanted = [self._part(number, at_ms)]
        [found] = self._link.ask(lambda: checked(self._consumer.offsets_for_times(wanted, timeout=_ANSWER_S)))
        return int(found.offset) if found.offset >= 0 else None

    def span(self, number: int) -> tuple[int, int]:
        """Return (the offset of the first record that the log still has, the offset after the last)."""
        return self._link.ask(lambda: self._ends(number))

    def commit(self, number: int, offset: int, epoch: int | None = None, *, wait: bool = False) -> None:
        """Commit a partition's offset to the group, and the leader's `epoch` of what is before it."""
        offsets = [self._part(number, offset, epoch)]
        if wait:
            self._link.ask(lambda: checked(self._consumer.commit(offsets=offsets, asynchronous=False) or []))
        else:
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def open(self, number: int, position: int) -> None:
        """Read a partition from `position` on, or from where its log begins.

        Reading begins with the first `take`: a broker answers the questions of a connection in their order,
        and so anything asked after the first fetch would wait for records to come.
        """
        with self._lock:
            low, _ = self.span(number)
            self._buffers[number] = Buffer(position)
            self._read_from(number, position, low)
            if self._watch is None:
                self._watch = Watch(self._topic, self.topic_id, len(self.partitions), self._look)
                self._watch.start()

    def take(self, number: int, *, everything: bool) -> Taken | None:
        """Return a partition's next records: with `everything` as many as there are.

        Else None until they make a batch or the buffers are full.
        """
        with self._lock:
            buffer = self._buffers[number]
            more = buffer.count < BATCH_RECORDS and self._poll() >= _BUSY_RECORDS
            enough = buffer.count >= (BATCH_RECORDS if more else LIVE_RECORDS)
            if not (everything or enough or self._bytes >= BUFFER_BYTES):
                return None
            taken, size = buffer.empty()
            self._bytes -= size
            return taken

    def lag(self, number: int, position: int) -> int | None:
        """Return how many offsets are known to be ahead of `position`, None while the broker is in doubt."""
        high = self._known_end(number)
        return None if self._link.doubtful or high is None else max(0, high - position)

    def check_end(self, number: int, reach: int) -> None:
        """End the flow with one line if the log ends before `reach`, although that has been read."""
        high = self._known_end(number)
        if self._link.doubtful or high is None or high >= reach:
            return
        # What is known may be that of a new leader, which catches up: only the answer to a question counts.
        with contextlib.suppress(KafkaException):
            _, high = self._ends(number, _PROBE_S)
            if high < reach:
                self._fail_shorter(number, high, reach)

    def _poll(self) -> int:
        """Take in what has arrived, unless the buffers are full; returns how many records that was."""
        at_s = time.monotonic()
        self._link.probe()
        if at_s < self._next_poll_s or self._bytes >= BUFFER_BYTES:
            return 0
        if self._opened:
            self._consumer.incremental_assign(self._opened)
            self._opened = []
        arrived = 0
        while arrived < BATCH_RECORDS and self._bytes < BUFFER_BYTES:
            # confluent-kafka's types say that everything in a message may be missing.
            messages: list[Any] = self._consumer.consume(_CHUNK_RECORDS, 0)
            if not messages:
                break
            arrived += len(messages)
            self._arrive(messages)
        self._next_poll_s = 0.0 if arrived else at_s + _POLL_EVERY_S
        return arrived

    def _arrive(self, messages: list[Any]) -> None:
        """Take in what has arrived, records and events."""
        if self._unproven:
            messages = self._proven(messages)
        start = 0
        for place in compress(count(), map(is_not, map(Message.error, messages), repeat(None))):
            self._take_in(messages[start:place])
            self._event(messages[place])
            start = place + 1
        self._take_in(messages[start:])

    def _take_in(self, messages: list[Any]) -> None:
        """Take in records of whichever partitions."""
        numbers: list[Any] = list(map(Message.partition, messages))
        found = set(numbers)
        # One that is missing was closed since its records were asked for.
        for number in self._buffers.keys() & found:
            mine = messages if len(found) == 1 else compress(messages, map(number.__eq__, numbers))
            self._bytes += self._buffers[number].add(list(mine))

    def _proven(self, messages: list[Any]) -> list[Any]:
        """Return the messages of partitions of which it has been asked whether they hold what was read.

        librdkafka asks where a leader's epoch ended on a seek to an offset of that epoch, which it takes from
        partitions that it reads already. Those it reads again, and says so by an error if there is less.
        """
        again = set()
        for message in messages:
            stored = self._unproven.pop(message.partition(), None)
            if stored is not None and is_read(message.error()):
                self._consumer.seek(stored)
                again.add(stored.partition)
        return [message for message in messages if message.partition() not in again]

    def _event(self, message: Any) -> None:
        error, number = message.error(), message.partition()
        buffer = self._buffers.get(number)
        if buffer is None:
            return
        if error.code() == KafkaError._PARTITION_EOF:
            # Beyond the last record there may be marks of transactions, which are no records.
            buffer.end = max(buffer.end, message.offset())
        elif error.code() in _OUT_OF_RANGE:
            low, high = self.span(number)
            if high < buffer.end:
                self._fail_shorter(number, high, buffer.end)
            if _TRUNCATED in error.str():
                self._fail_other(f"{self.name(number)}: {one_line(error.str())}")
            self._consumer.incremental_unassign([self._part(number)])
            self._read_from(number, buffer.end, low)
        else:
            self._link.judge(error)

    def _read_from(self, number: int, position: int, low: int) -> None:
        if low > position:
            lost = f"{self.name(number)}: the log no longer has the records [{position}, {low})"
            log.warning("%s: they are not counted", lost)
        start, stored = self._part(number, max(position, low)), self._stored.get(number)
        if stored is not None and stored.offset == start.offset and (stored.leader_epoch or 0) >= 0:
            self._unproven[number] = stored
        self._opened.append(start)

    def _part(self, number: int, offset: int = -1001, epoch: int | None = None) -> TopicPartition:
        return TopicPartition(self._topic, number, offset, leader_epoch=-1 if epoch is None else epoch)

    def _ends(self, number: int, timeout_s: float = _ANSWER_S) -> tuple[int, int]:
        low, high = self._consumer.get_watermark_offsets(self._part(number), timeout=timeout_s)
        return low, high

    def _known_end(self, number: int) -> int | None:
        high = int(self._consumer.get_watermark_offsets(self._part(number), cached=True)[1])
        return high if high >= 0 else None

    def _fail_shorter(self, number: int, high: int, reach: int) -> NoReturn:
        self._fail_other(f"{self.name(number)} ends at {high}, but {reach} were read")

    def _fail_other(self, found: str) -> NoReturn:
        """End the flow with what was `found` of a log that is not the one that was read."""
        with contextlib.suppress(KafkaException):
            if self.topic_id and _id(self._described()) == self.topic_id:
                fail(f"{found}: {_LOST_END}")
        fail(f"{found}: the topic was deleted and created anew, or {_LOST_END}")

    def _look(self) -> tuple[str, int]:
        """Return (id, number of partitions) as they are now; raises KafkaException."""
        described = self._described()
        return _id(described), len(described.partitions)

    def close(self, number: int) -> None:
        """Let go of a partition, and with the last one of the broker.

        In a thread, which keeps the consumer if that takes long: one whose broker is down would keep the
        process from ending for as long as a commit may take.
        """
        with self._lock:
            self._buffers.pop(number, None)
            if self._buffers:
                return
            if self._watch is not None:
                self._watch.stop()
        closing = threading.Thread(target=self._consumer.close, name="kafka-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)


def _id(described: Any) -> str:
    """Return a topic's id, "" where the broker knows of none: all zero."""
    found = str(described.topic_id)
    return found if found.strip("A") else ""
