"""What goes wrong with Kafka on purpose: named faults and mutants of a flow in a process of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from flows.kafka.reader import Reader
from flows.sinks.topics import client as topic_client
from flows.sinks.topics import sink as topics
from flows.sinks.topics.client import Client
from flows.sinks.topics.memory import Memory

Patch = pytest.MonkeyPatch
Produce = Callable[..., None]


def little_patience(patch: Patch) -> None:
    """Give up soon, at the end and on brokers that are down."""
    patch.setattr(topic_client, "PATIENCE_S", 0.5)
    patch.setattr(topics, "CLOSE_S", 4.0)


def the_broker_tells_no_topic_ids(patch: Patch) -> None:
    """As brokers before Kafka 2.8 do."""
    patch.setattr(Reader, "topic_id", "")


def killed_as_records_arrive(patch: Patch) -> None:
    """Kill when records are in the topic and not noted yet."""
    produce: Produce = Client.produce
    arrivals = count(1)

    def killing(client: Client, place: Any, number: int, record: Any, arrived: Callable[[], None]) -> None:
        def arrive() -> None:
            if next(arrivals) == 25:
                os.kill(os.getpid(), signal.SIGKILL)
            arrived()

        produce(client, place, number, record, arrive)

    patch.setattr(Client, "produce", killing)


def records_are_never_noted(patch: Patch) -> None:
    """Write records and hear nothing of it: the state keeps all of them."""
    produce: Produce = Client.produce

    def deaf(client: Client, place: Any, number: int, record: Any, arrived: Callable[[], None]) -> None:
        produce(client, place, number, record, lambda: None)

    patch.setattr(Client, "produce", deaf)


def what_topics_hold_is_not_looked_at(patch: Patch) -> None:
    """Take every record for a new one."""
    patch.setattr(Memory, "holds", lambda *_: False)


def records_are_noted_as_they_are_sent(patch: Patch) -> None:
    """Count a record as written when it is sent, and leave it in the producer for good."""
    patch.setitem(topic_client._DEFAULTS, "linger.ms", "600000")
    produce: Produce = Client.produce

    def early(client: Client, place: Any, number: int, record: Any, arrived: Callable[[], None]) -> None:
        produce(client, place, number, record, lambda: None)
        arrived()

    patch.setattr(Client, "produce", early)


KAFKA_FAULTS: dict[str, Callable[[Patch], None]] = {
    fault.__name__: fault
    for fault in (
        little_patience,
        the_broker_tells_no_topic_ids,
        killed_as_records_arrive,
        records_are_never_noted,
        what_topics_hold_is_not_looked_at,
        records_are_noted_as_they_are_sent,
    )
}
