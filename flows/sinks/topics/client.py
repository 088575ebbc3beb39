"""The one Kafka client of a process's topics: a producer, and a consumer that looks at what is there.

The producer is idempotent: the broker drops what it is sent twice, and keeps the order. Whatever no waiting
can heal ends the flow with one line; a broker that is down is waited for, and told of once.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from flows.kafka.config import client_config
from flows.kafka.contact import Contact
from flows.kafka.errors import UNKNOWN, Place, checked, kind, wrong_setting
from flows.runtime.exits import Kind, fail, one_line
from flows.settings import Settings
from flows.sinks.topics.memory import MOST_RECORDS, Memory
from flows.sinks.topics.records import Record

log = logging.getLogger("clicks.topics")

PATIENCE_S = 3.0

_POLL_S, _AGAIN_S, _ANSWER_S = 0.05, 0.2, 1.5
_FIXED = {"enable.idempotence": "true", "acks": "all", "message.timeout.ms": "0"}
_DEFAULTS = {"client.id": "clicks", "linger.ms": "20", "reconnect.backoff.max.ms": "1000"}
_LOOKING = {
    "enable.auto.commit": "false",
    "enable.partition.eof": "true",
    "auto.offset.reset": "earliest",
    # A transaction that someone else has left open must not hide what is behind it.
    "isolation.level": "read_uncommitted",
    "queued.max.messages.kbytes": "4096",
    "fetch.wait.max.ms": "200",
}
Answer = TypeVar("Answer")


class AbandonedError(Exception):
    """The flow has ended and waits no longer."""


class Client:
    """Writes to topics and looks into them; for one thread. All calls wait, and may raise AbandonedError.

    `broken` says that records were not taken and will not be before `renew`. Once all topics are
    `found`, an unknown one is waited for: a broker just started may not know it yet.
    """

    def __init__(self, settings: Settings) -> None:
        self.abandoned = self.down = self.broken = False
        self._contact = Contact()
        self._brokers = settings.brokers
        self._moved_s = time.monotonic()
        looking = client_config(self._brokers, settings, {"group.id": "clicks"}, {}) | _LOOKING
        self._config = client_config(self._brokers, settings, _DEFAULTS, _FIXED)
        place = Place(self._brokers, "", "", "writing and reading of topics")
        self._error_cb = functools.partial(self._contact.overheard, place)
        try:
            self._consumer = Consumer(looking | {"error_cb": self._error_cb})
            self._producer = self._new_producer()
        except KafkaException as error:
            wrong_setting(error)

    def partitions(self, place: Place) -> int:
        """Return how many partitions a topic has; an unknown one ends the flow, or is waited for."""

        def ask() -> int:
            # Asked of the consumer: a producer's question could make the broker create the topic.
            topic = self._consumer.list_topics(place.topic, timeout=_ANSWER_S).topics[place.topic]
            return len(checked([topic])[0].partitions)

        return self._ask(place, ask)

    def memory(self, place: Place, number: int, partitions: int) -> Memory:
        """Return what one of a topic's partitions holds by now."""
        part = TopicPartition(place.topic, number)
        return Memory(self._consumer, functools.partial(self._ask, place), part, MOST_RECORDS // partitions)

    def produce(self, place: Place, number: int, record: Record, arrived: Callable[[], None]) -> None:
        """Send a record, or set `broken`; `arrived` is called, by a later `poll`, once it is in the topic."""

        def delivered(error: KafkaError | None, _: Any) -> None:
            arrived() if error is None else self._refused(place, error)

        while not self.broken:
            try:
                self._producer.produce(
                    *(place.topic, record.value, record.key, number),
                    headers=record.headers,
                    on_delivery=delivered,
                )
            except BufferError:
                self.poll(_POLL_S)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    log.warning("%s: %s... is too large for a record and is given up", place.topic, record.id)
                    arrived()
                    return
                self._refused(place, error.args[0])
            else:
                return

    def poll(self, timeout_s: float) -> None:
        """Let acknowledgements come, for at most this long."""
        self._producer.poll(timeout_s)
        if self.abandoned:
            raise AbandonedError
        if not self.down and time.monotonic() - self._moved_s > PATIENCE_S:
            self.down = True
            log.warning(
                "Kafka at %s takes no records for topics (%s): they wait", self._brokers, self._contact.reason
            )

    def idle(self) -> None:
        """Note that nothing is waited for, and let go of what there was to hear meanwhile."""
        self._moved_s = time.monotonic()
        self._producer.poll(0)
        self._consumer.poll(0)

    def moved(self) -> None:
        """Note that the broker takes records, or answers."""
        self._moved_s, self._contact.met = time.monotonic(), True
        if self.down:
            self.down = False
            log.warning("Kafka at %s takes records for topics again", self._brokers)

    def found(self) -> None:
        """Note that all topics are there: one that is unknown later is waited for."""
        self._contact.patience = UNKNOWN

    def renew(self) -> None:
        """Give up what has not arrived and begin with a new producer."""
        self._producer.purge()
        self._producer = self._new_producer()
        self.broken = False
        time.sleep(_AGAIN_S)

    def _new_producer(self) -> Producer:
        return Producer(self._config | {"error_cb": self._error_cb})

    def _ask(self, place: Place, question: Callable[[], Answer]) -> Answer:
        while True:
            try:
                answer = question()
            except KafkaException as error:
                self._contact.answered(place, error.args[0])
                if not self._consumer.assignment():
                    self._consumer.poll(0)
                self.poll(_AGAIN_S)
            else:
                self.moved()
                return answer

    def _refused(self, place: Place, error: KafkaError) -> None:
        """Begin anew after what a new producer, which looks first at what has arrived, gets over."""
        self._contact.overheard(place, error)
        curable = error.code() in UNKNOWN or kind(error.code()) is Kind.OUTAGE
        if not (curable or error.fatal() or error.retriable()):
            fail(f"Kafka at {self._brokers} takes no record for {place.topic!r}: {one_line(error.str())}")
        self.broken = True
