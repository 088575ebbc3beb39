"""The consumer's link to its broker: questions are answered, waited for, or end the flow with one line.

That the broker is down is told of once, and that it is back.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from flows.kafka.contact import Contact
from flows.kafka.errors import DOWN, Place, kind, wrong_setting
from flows.runtime.exits import Kind, fail, one_line
from flows.runtime.signals import stop_requested

_AGAIN_S = 0.2
_PROBE_S, _PROBE_EVERY_S = 0.5, 1.0

log = logging.getLogger("clicks.kafka")
Answer = TypeVar("Answer")


class Link:
    """A consumer and what is known of its broker; `doubtful` says that it may be down.

    `config` is librdkafka's; a wrong one ends the flow.
    """

    def __init__(self, config: dict[str, str], place: Place) -> None:
        self._place = place
        self.doubtful = False
        self._next_probe_s = 0.0
        self._failures = 0
        self._contact = Contact()
        callbacks: dict[str, Any] = {"error_cb": self._on_error, "on_commit": self._on_commit}
        try:
            self.consumer = Consumer(config | callbacks)
        except KafkaException as error:
            wrong_setting(error)

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Return the broker's answer; waits while there is none, and ends the flow if it is final."""
        while True:
            try:
                answer = question()
            except KafkaException as error:
                self.judge(error.args[0])
                self._serve_errors()
                self._gone(error.args[0])
                if stop_requested():
                    # State and position are one write: there is nothing to be saved.
                    os._exit(0)
                time.sleep(_AGAIN_S)
            else:
                self._there()
                return answer

    def judge(self, error: KafkaError) -> None:
        """End the flow for an error that is no outage."""
        self._contact.answered(self._place, error)
        self._doubt(error)

    def probe(self) -> None:
        """Ask a doubtful broker whether it is there, now and then."""
        at_s = time.monotonic()
        if not self.doubtful or at_s < self._next_probe_s:
            return
        self._next_probe_s = at_s + _PROBE_EVERY_S
        try:
            self.consumer.list_topics(self._place.topic, timeout=_PROBE_S)
        except KafkaException as error:
            self._gone(error.args[0])
        else:
            self._there()

    def _serve_errors(self) -> None:
        """Let `_on_error` see what went wrong; once records may come, taking them does that."""
        for _ in range(0 if self.consumer.assignment() else 10):
            self.consumer.poll(0)

    def _gone(self, error: KafkaError) -> None:
        """Note that a question was not answered; the second time in a row it is worth a line."""
        self.doubtful = True
        self._failures += 1
        if self._failures == 2:
            word = "down" if error.code() in DOWN else "not ready"
            log.warning(
                "Kafka at %s is %s (%s): waiting for it", self._place.brokers, word, self._contact.reason
            )

    def _there(self) -> None:
        if self._failures > 1:
            log.warning("Kafka at %s is back", self._place.brokers)
        self._failures, self.doubtful, self._contact.met = 0, False, True

    def _on_error(self, error: KafkaError) -> None:
        """Take note of what librdkafka says of its connections."""
        self._contact.overheard(self._place, error)
        self._doubt(error)

    def _doubt(self, error: KafkaError) -> None:
        if error.fatal():
            fail(f"Kafka at {self._place.brokers}: {one_line(error.str())}: restart the flow")
        self.doubtful = self.doubtful or error.code() in DOWN

    def _on_commit(self, error: KafkaError | None, _partitions: list[TopicPartition]) -> None:
        """Say that offsets are refused; after an outage the next commit makes up for this one."""
        if error is not None and kind(error.code()) is not Kind.OUTAGE:
            text = one_line(error.str())
            log.warning("the group's offsets are not committed (%s): is KAFKA_GROUP_ID used elsewhere?", text)
