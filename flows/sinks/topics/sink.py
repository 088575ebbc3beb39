"""The sink of topics: offers and rejected records go to Kafka, each once, never in the way of the flow.

A background thread writes. What is not acknowledged waits here, packed, and in the state, and so is sent
again after a kill; what of that a topic already holds is passed over (`Memory`). That makes it
once, unless an id is not seen where it is: because a broker is still taking in what a killed flow has sent,
or because of more records behind it than are read back. The header `id` lets a consumer drop what comes twice
by that.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from threading import Condition

from flows.entries.entry import Entries, Entry, Ordinal
from flows.entries.outbox import Note, Receipts
from flows.kafka.errors import Place
from flows.kafka.partitioner import partition_of
from flows.model.streams import StreamName
from flows.settings import TOPIC_VARIABLES, Settings
from flows.sinks.queue import MOST_BYTES, Queue
from flows.sinks.topics.client import AbandonedError, Client
from flows.sinks.topics.memory import Memory
from flows.sinks.topics.records import record_of
from flows.sinks.writer import Writer, WriterSink

log = logging.getLogger("clicks.topics")

# With more waiting while it is not, the flow waits too.
ROOM = 10_000
CLOSE_S = 10.0

_POLL_S, _IDLE_S = 0.05, 1.0
_RIGHTS = "writing and reading of topic {!r}"
_LEFT = "{} records for topics are not written: the next start sends them"


Item = list[Entries]


class TopicsSink(WriterSink[Item]):
    """Writes the entries of the streams in `settings.topics`, and passes over others.

    It notes in `receipts` each entry that is in its topic, as are all before it. Wrong settings end the flow
    when it is built.
    """

    def __init__(self, settings: Settings, receipts: Receipts) -> None:
        on_written = receipts.sink(settings.topics)
        super().__init__(lambda: _Writer(settings, on_written, receipts.drop))


class _Sent:
    def __init__(self, entry: Entry) -> None:
        self.entry, self.arrived = entry, False

    def arrive(self) -> None:
        self.arrived = True


class _Topic:
    """A topic, with the entries that wait for it and those sent to it, in their order.

    Those to be sent again come first. Of those given up only the last one's place is kept: it counts as
    written once all that were sent before it are.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.again: deque[Entry] = deque()
        self.waiting = Queue(most_bytes=MOST_BYTES)
        self.sent: deque[_Sent] = deque()
        self.given_up: dict[tuple[StreamName, str], Ordinal] = {}
        self.partitions = 0
        self.memories: dict[int, Memory] = {}

    @property
    def left(self) -> int:
        """How many entries are still to be sent."""
        return len(self.again) + self.waiting.entries


class _Writer(Writer[Item]):
    """Writes to the topics."""

    def __init__(self, settings: Settings, on_written: Note, on_dropped: Callable[[int], None]) -> None:
        super().__init__(f"Kafka at {settings.brokers}", log, CLOSE_S)
        self._on_written, self._on_dropped = on_written, on_dropped
        self._topics = {
            stream: _Topic(Place(settings.brokers, name, TOPIC_VARIABLES[stream], _RIGHTS.format(name)))
            for stream, name in settings.topics.items()
        }
        self._client = Client(settings)
        self._changed = Condition()
        self._closing = self._full = False

    def write_batch(self, items: list[Item]) -> None:
        """Put entries in; with many waiting, wait while the broker takes them."""
        with self._changed:
            for entries in chain.from_iterable(items):
                if entries.stream in self._topics:
                    self._append(self._topics[entries.stream], entries)
            self._changed.notify_all()
            while self._waiting() > ROOM and not self._client.down:
                self._changed.wait(_POLL_S)
            self._full = self._full and self._client.down

    def finish(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def abandon(self) -> None:
        self._client.abandoned = True

    def left(self) -> str:
        unwritten = self._waiting() + self._sent()
        return _LEFT.format(unwritten) if unwritten else ""

    def _waiting(self) -> int:
        return sum(topic.left for topic in self._topics.values())

    def _sent(self) -> int:
        return sum(len(topic.sent) for topic in self._topics.values())

    def _append(self, topic: _Topic, entries: Entries) -> None:
        """Put entries in, and count the oldest ones that have to go for them."""
        gone = topic.waiting.append(entries)
        if gone:
            if not self._full:
                self._full = True
                log.warning("%s: too many entries wait for Kafka: the oldest go", topic.place.topic)
            topic.given_up |= {(each.stream, each.origin): each.last for each in gone}
            self._on_dropped(sum(each.size for each in gone))

    # In the writing thread

    def write(self) -> None:
        with suppress(AbandonedError):
            self._find()
            while self._wait():
                for topic in self._topics.values():
                    for entry in self._next(topic):
                        self._send(topic, entry)
                self._serve(0)

    def _find(self) -> None:
        for topic in self._topics.values():
            topic.partitions, topic.memories = self._client.partitions(topic.place), {}
        self._client.found()

    def _wait(self) -> bool:
        """Wait for entries, seeing to those sent; False once closing and all is written."""
        while self._sent() and not self._waiting():
            self._serve(_POLL_S)
        with self._changed:
            while not self._sent():
                self._client.idle()
                if self._changed.wait_for(lambda: self._waiting() or self._closing, _IDLE_S):
                    break
            return self._waiting() > 0

    def _next(self, topic: _Topic) -> list[Entry]:
        with self._changed:
            if topic.again:
                entries = list(topic.again)
                topic.again.clear()
            else:
                entries = list(topic.waiting.popleft().each()) if topic.waiting.pieces else []
            self._changed.notify_all()
        return entries

    def _send(self, topic: _Topic, entry: Entry) -> None:
        sent = _Sent(entry)
        topic.sent.append(sent)
        if self._client.broken:
            return
        record = record_of(entry)
        number = partition_of(record.spread, topic.partitions)
        if number not in topic.memories:
            topic.memories[number] = self._client.memory(topic.place, number, topic.partitions)
        if topic.memories[number].holds(record.id):
            sent.arrive()
        else:
            self._client.produce(topic.place, number, record, sent.arrive)

    def _serve(self, timeout_s: float) -> None:
        """Let acknowledgements come and pass them on: an entry is written once all before it are."""
        self._client.poll(timeout_s)
        for topic in self._topics.values():
            while topic.sent and topic.sent[0].arrived:
                entry = topic.sent.popleft().entry
                self._on_written(entry.stream, entry.origin, entry.ordinal)
                self._client.moved()
            if not topic.sent:
                self._note_given_up(topic)
        if self._client.broken:
            self._begin_anew()

    def _note_given_up(self, topic: _Topic) -> None:
        with self._changed:
            gone, topic.given_up = topic.given_up, {}
        for (stream, origin), last in gone.items():
            self._on_written(stream, origin, last)

    def _begin_anew(self) -> None:
        """Send again what has not arrived, after another look at what the topics hold."""
        self._client.renew()
        with self._changed:
            for topic in self._topics.values():
                topic.again.extendleft(sent.entry for sent in reversed(topic.sent))
                topic.sent.clear()
        self._find()
