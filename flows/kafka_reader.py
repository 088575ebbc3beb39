"""The one Kafka consumer of a process: what arrives is handed to the buffers of its partitions.

One for all partitions, since each of many would be polled in vain while it is idle. A broker that is down is
waited for; whatever no waiting can heal ends the flow with one line.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from flows.failing import fail, one_line
from flows.kafka_errors import DOWN, Place, checked, wrong_setting
from flows.stopping import stop_requested

# A batch is split into all shards: of a quarter as many records each would cost a third more. Where no more
# are there yet, that quarter is better now than the whole when the board is due.
BATCH_RECORDS, LIVE_RECORDS = 40_000, 10_000
BUFFER_BYTES = 1 << 25

_ANSWER_S, _AGAIN_S = 1.5, 0.2
_PROBE_S, _PROBE_EVERY_S = 0.5, 1.0
_CLOSE_S = 3.0
_POLL_EVERY_S, _BUSY_RECORDS = 0.004, 500

log = logging.getLogger("clicks.kafka")
# A broker just started says so for a while; the next commit makes up for it.
_STARTING = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError._WAIT_COORD,
}
_OUT_OF_RANGE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}
Answer = TypeVar("Answer")


class _Buffer:
    """What has arrived of one partition; `end` is the offset after it."""

    def __init__(self, end: int) -> None:
        self.messages: list[Any] = []
        self.bytes = 0
        self.end = end


class Reader:
    """Reads partitions of one topic; safe to use from several threads.

    `config` is librdkafka's; a wrong one, an unknown topic and a refused login end the flow.
    """

    def __init__(self, config: dict[str, str], topic: str) -> None:
        self._config: dict[str, Any] = dict(config)
        self._topic, self._brokers = topic, config["bootstrap.servers"]
        rights = f"reading of topic {topic!r} and of the group"
        self._place = Place(self._brokers, topic, "CLICKS_SOURCE", rights)
        self._lock = threading.RLock()
        self._buffers: dict[int, _Buffer] = {}
        self._opened: list[TopicPartition] = []
        self._bytes = 0
        self._next_poll_s = self._next_probe_s = 0.0
        self._met = self._doubtful = False
        self._failures = 0
        self._reason = "no answer"
        try:
            self._consumer = Consumer(config | {"error_cb": self._on_error, "on_commit": self._on_commit})
        except KafkaException as error:
            wrong_setting(error)

    def name(self, number: int) -> str:
        """Return a partition's name."""
        return f"{self._topic}/{number}"

    @functools.cached_property
    def partitions(self) -> list[int]:
        """The topic's partitions at the start."""

        def ask() -> list[int]:
            topic = self._consumer.list_topics(self._topic, timeout=_ANSWER_S).topics[self._topic]
            return sorted(checked([topic])[0].partitions)

        return self._ask(ask)

    @functools.cached_property
    def topic_id(self) -> str:
        """What tells the topic from one of the same name before it; "" if the broker does not say."""
        admin = AdminClient(self._config)

        def ask() -> str:
            try:
                wanted = TopicCollection([self._topic])
                described = admin.describe_topics(wanted, request_timeout=_ANSWER_S)[self._topic].result()
            except KafkaException as error:
                if error.args[0].code() in DOWN:
                    raise
                return ""
            found = str(described.topic_id)
            return found if found.strip("A") else ""  # all zero: the broker knows of none

        return self._ask(ask)

    def committed(self, number: int) -> int | None:
        """Return the group's offset, None if it has none."""
        wanted = [self._part(number)]
        [found] = self._ask(lambda: checked(self._consumer.committed(wanted, timeout=_ANSWER_S)))
        return int(found.offset) if found.offset >= 0 else None

    def offset_at(self, number: int, at_ms: int) -> int | None:
        """Return the first offset with a timestamp of `at_ms` or later, None if there is none."""
        wanted = [self._part(number, at_ms)]
        [found] = self._ask(lambda: checked(self._consumer.offsets_for_times(wanted, timeout=_ANSWER_S)))
        return int(found.offset) if found.offset >= 0 else None

    def span(self, number: int) -> tuple[int, int]:
        """Return (the offset of the first record that the log still has, the offset after the last)."""
        return self._ask(lambda: self._ends(number))

    def commit(self, number: int, offset: int, *, wait: bool = False) -> None:
        """Commit a partition's offset to the group."""
        offsets = [self._part(number, offset)]
        if wait:
            self._ask(lambda: checked(self._consumer.commit(offsets=offsets, asynchronous=False) or []))
        else:
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def open(self, number: int, position: int) -> None:
        """Read a partition from `position` on, or from where its log begins.

        Reading begins with the first `take`: a broker answers the questions of a connection in their order,
        and so anything asked after the first fetch would wait for records to come.
        """
        with self._lock:
            low, _ = self._ask(lambda: self._ends(number))
            self._buffers[number] = _Buffer(position)
            self._read_from(number, position, low)

    def take(self, number: int, *, everything: bool) -> tuple[list[Any], int]:
        """Return a partition's next records, and the offset after them.

        With `everything` as many as there are; else none until they make a batch or the buffers are full.
        """
        with self._lock:
            buffer = self._buffers[number]
            more = len(buffer.messages) < BATCH_RECORDS and self._poll() >= _BUSY_RECORDS
            enough = len(buffer.messages) >= (BATCH_RECORDS if more else LIVE_RECORDS)
            if not (everything or enough or self._bytes >= BUFFER_BYTES):
                return [], buffer.end
            messages, buffer.messages = buffer.messages, []
            self._bytes -= buffer.bytes
            buffer.bytes = 0
            return messages, buffer.end

    def lag(self, number: int, position: int) -> int | None:
        """Return how many offsets are known to be ahead of `position`, None while the broker is in doubt."""
        high = self._known_end(number)
        return None if self._doubtful or high is None else max(0, high - position)

    def check_end(self, number: int, reach: int) -> None:
        """End the flow with one line if the log ends before `reach`, although that has been read."""
        high = self._known_end(number)
        if self._doubtful or high is None or high >= reach:
            return
        # What is known may be that of a new leader, which catches up: only the answer to a question counts.
        with contextlib.suppress(KafkaException):
            _, high = self._ends(number, _PROBE_S)
            if high < reach:
                self._fail_recreated(number, high, reach)

    def _poll(self) -> int:
        """Take in what has arrived, unless the buffers are full; returns how many records that was."""
        at_s = time.monotonic()
        if self._doubtful and at_s >= self._next_probe_s:
            self._probe()
        if at_s < self._next_poll_s or self._bytes >= BUFFER_BYTES:
            return 0
        if self._opened:
            self._consumer.incremental_assign(self._opened)
            self._opened = []
        # confluent-kafka's types say that everything in a message may be missing.
        messages: list[Any] = self._consumer.consume(BATCH_RECORDS, 0)
        self._next_poll_s = 0.0 if messages else at_s + _POLL_EVERY_S
        for message in messages:
            buffer = self._buffers.get(message.partition())
            if buffer is None:  # of a partition closed since it was asked for
                continue
            if message.error() is not None:
                self._event(message, buffer)
                continue
            size = len(message)
            buffer.messages.append(message)
            buffer.bytes += size
            self._bytes += size
            buffer.end = message.offset() + 1
        return len(messages)

    def _event(self, message: Any, buffer: _Buffer) -> None:
        error, number = message.error(), message.partition()
        if error.code() == KafkaError._PARTITION_EOF:
            # Beyond the last record there may be marks of transactions, which are no records.
            buffer.end = max(buffer.end, message.offset())
        elif error.code() in _OUT_OF_RANGE:
            low, high = self._ask(lambda: self._ends(number))
            if low <= buffer.end:
                self._fail_recreated(number, high, buffer.end)
            self._consumer.incremental_unassign([self._part(number)])
            self._read_from(number, buffer.end, low)
        else:
            self._judge(error)

    def _read_from(self, number: int, position: int, low: int) -> None:
        if low > position:
            lost = f"{self.name(number)}: the log no longer has the records [{position}, {low})"
            log.warning("%s: they are not counted", lost)
        self._opened.append(self._part(number, max(position, low)))

    def _part(self, number: int, offset: int = -1001) -> TopicPartition:
        return TopicPartition(self._topic, number, offset)

    def _ends(self, number: int, timeout_s: float = _ANSWER_S) -> tuple[int, int]:
        low, high = self._consumer.get_watermark_offsets(self._part(number), timeout=timeout_s)
        return low, high

    def _known_end(self, number: int) -> int | None:
        high = int(self._consumer.get_watermark_offsets(self._part(number), cached=True)[1])
        return high if high >= 0 else None

    def _fail_recreated(self, number: int, high: int, reach: int) -> NoReturn:
        fail(
            f"{self.name(number)} ends at {high}, but {reach} were read: the topic was deleted and created "
            "anew; set CLICKS_STATE_DIR to another directory and KAFKA_GROUP_ID to another group"
        )

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """Return the broker's answer; waits for a broker that is down."""
        while True:
            try:
                answer = question()
            except KafkaException as error:
                self._judge(error.args[0])
                if error.args[0].code() not in DOWN:
                    self._reason = one_line(error.args[0].str())
                self._serve_errors()
                self._gone()
                if stop_requested():
                    # State and position are one write: there is nothing to be saved.
                    os._exit(0)
                time.sleep(_AGAIN_S)
            else:
                self._there()
                return answer

    def close(self, number: int) -> None:
        """Let go of a partition, and with the last one of the broker.

        In a thread, which keeps the consumer if that takes long: one whose broker is down would keep the
        process from ending for as long as a commit may take.
        """
        with self._lock:
            self._buffers.pop(number, None)
            if self._buffers:
                return
        closing = threading.Thread(target=self._consumer.close, name="kafka-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)

    def _serve_errors(self) -> None:
        """Let `_judge` see what went wrong with the connections; once records may come `_poll` does that."""
        for _ in range(0 if self._buffers else 10):
            self._consumer.poll(0)

    def _probe(self) -> None:
        self._next_probe_s = time.monotonic() + _PROBE_EVERY_S
        try:
            self._consumer.list_topics(self._topic, timeout=_PROBE_S)
        except KafkaException:
            self._gone()
        else:
            self._there()

    def _gone(self) -> None:
        """Note that a question was not answered; the second time in a row it is worth a line."""
        self._doubtful = True
        self._failures += 1
        if self._failures == 2:
            log.warning("Kafka at %s is down (%s): waiting for it", self._brokers, self._reason)

    def _there(self) -> None:
        if self._failures > 1:
            log.warning("Kafka at %s is back", self._brokers)
        self._failures, self._doubtful, self._met = 0, False, True

    def _on_error(self, error: KafkaError) -> None:
        """Take note of what librdkafka says of its connections."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._reason = one_line(error.str())
        self._judge(error)

    def _judge(self, error: KafkaError) -> None:
        """End the flow, or doubt that the broker is there, or leave it to librdkafka to cope."""
        if line := self._place.hopeless(error, met=self._met):
            fail(line)
        if error.fatal():
            fail(f"Kafka at {self._brokers}: {one_line(error.str())}: restart the flow")
        self._doubtful = self._doubtful or error.code() in DOWN

    def _on_commit(self, error: KafkaError | None, _partitions: list[TopicPartition]) -> None:
        if error is not None and error.code() not in DOWN | _STARTING:
            text = one_line(error.str())
            log.warning("the group's offsets are not committed (%s): is KAFKA_GROUP_ID used elsewhere?", text)
