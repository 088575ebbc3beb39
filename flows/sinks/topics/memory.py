"""What a topic already holds: the topic itself is the memory of what was written to it.

Every record has an id in its headers, made of the entry's origin and ordinal. After a start it is not known
which of the entries to be sent are there already. So ids are read back from the end of each partition, in
growing steps, only as far as is asked for:

    partition     ... 17  21  30  34  38        ids of one origin, ascending
    is 30 there?           <──── read back      found
    is 31 there?           <──── read back      30 is met, which is below it: it is not there
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from flows.sinks.topics.records import place_of

# How many of its newest records are read back at most, of all partitions of a topic together.
MOST_RECORDS = 500_000

_FIRST_STEP, _GROWTH = 1_000, 4
_ANSWER_S, _POLL_S = 1.5, 0.5
Answer = TypeVar("Answer")
Ask = Callable[[Callable[[], Answer]], Answer]


class Memory:
    """The ids of one partition as it was when this was made.

    `ask` is to call what it is given until there is an answer; an error is a KafkaException.
    """

    def __init__(self, consumer: Consumer, ask: Ask[Any], part: TopicPartition, most_records: int) -> None:
        self._consumer, self._ask, self._part = consumer, ask, part
        low, self._start = ask(lambda: consumer.get_watermark_offsets(part, timeout=_ANSWER_S))
        self._floor = max(low, self._start - most_records)
        self._read_once = False
        self._step = _FIRST_STEP
        self._ids: set[str] = set()
        self._lowest: dict[str, str] = {}

    def holds(self, record_id: str) -> bool:
        """Return whether the partition holds a record of this id; reads further back if need be."""
        origin, ordinal = place_of(record_id)
        while not self._read_once or (
            self._start > self._floor and not self._lowest.get(origin, "~") <= ordinal
        ):
            # To its very end at first: what a broker calls the end may be a little before.
            end = self._start if self._read_once else None
            self._start = max(self._floor, self._start - self._step)
            self._read(end)
            self._read_once, self._step = True, self._step * _GROWTH
        return record_id in self._ids

    def _read(self, end: int | None) -> None:
        """Read from `_start` to the offset `end`, exclusive; None: to the end of the partition."""
        self._consumer.assign([TopicPartition(self._part.topic, self._part.partition, self._start)])
        try:
            while not self._ask(lambda: self._take(end)):
                pass
        finally:
            self._consumer.unassign()

    def _take(self, end: int | None) -> bool:
        """Take in what has arrived; returns whether the end is reached. Raises KafkaException."""
        # confluent-kafka's types say that everything in a message may be missing.
        first = self._consumer.poll(_POLL_S)
        if first is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        messages: list[Any] = [first, *self._consumer.consume(_FIRST_STEP, 0)]
        trouble: KafkaError | None = None
        for message in messages:
            error, offset = message.error(), message.offset()
            if error is None and (end is None or offset < end):
                self._note(dict(message.headers() or []).get("id"))
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                return True
            if error is None and end is not None and offset >= end - 1:
                return True
            trouble = trouble or error
        if trouble is not None:
            raise KafkaException(trouble)
        return False

    def _note(self, header: bytes | None) -> None:
        if header is not None:
            record_id = header.decode(errors="replace")
            origin, ordinal = place_of(record_id)
            self._lowest[origin] = min(ordinal, self._lowest.get(origin, ordinal))
            self._ids.add(record_id)
