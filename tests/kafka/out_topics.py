"""The topics that a flow over Kafka writes to, for tests: what they hold against what they should."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

from flows.kafka.partitioner import partition_of
from tests.kafka.kafka_flow import KafkaFlow, clicks, numbered
from tests.oracle.oracle import recompute
from tests.support.brokers import Cluster

PARTITIONS = 3


def with_topics(flow: KafkaFlow, broker: Cluster) -> None:
    """Let a flow write offers and rejected records to topics of their own."""
    flow.environment |= {
        "CLICKS_OFFERS_TOPIC": f"{flow.topic}-offers",
        "CLICKS_REJECTED_TOPIC": f"{flow.topic}-rejected",
    }
    for topic in ("offers", "rejected"):
        broker.create(f"{flow.topic}-{topic}", PARTITIONS)


def busy(number: int, parts: int = 2) -> list[list[bytes]]:
    """Return clicks by partition, and among them records that are none, each another."""
    made = clicks(number, 1, parts)
    for part in made:
        part[:] = [
            r for n, click in enumerate(part) for r in ([click, b"\xff%d" % n] if n % 9 == 0 else [click])
        ]
    return made


def offers_in(broker: Cluster, topic: str) -> list[Any]:
    """Return (user, event time in seconds, offer) of all records of a topic."""
    found = []
    for number in range(PARTITIONS):
        for message in broker.messages(topic, number):
            [offer] = json.loads(message.value())
            at_ns = offer["Timestamp"]
            assert list(offer.items()) == list(
                {"Timestamp": at_ns, "Tags": {}, "Id": "offer", "Value": offer["Value"]}.items()
            )
            assert isinstance(at_ns, int)
            assert number == partition_of(message.key(), PARTITIONS)
            found.append((message.key().decode(), at_ns / 10**9, offer["Value"]))
    return found


def rejected_in(broker: Cluster, topic: str) -> list[Any]:
    """Return (reason, position, record) of all records of a topic."""
    found = []
    for number in range(PARTITIONS):
        for message in broker.messages(topic, number):
            headers = {name: value.decode() for name, value in message.headers()}
            assert list(headers) == ["id", "reason", "position"]
            assert message.key() is None
            found.append((headers["reason"], headers["position"], message.value()))
    return found


def offers_of(parts: list[list[bytes]]) -> list[Any]:
    """Return the offers that clicks of these partitions make, in the form of `offers_in`."""
    good = [[record for record in part if record.startswith(b"{")] for part in parts]
    expected = recompute(numbered(good), time.time_ns() // 10**6)["special_offers"]
    return [(user, at_s, offer) for user, offer, at_s in expected]


def wrong(
    flow: KafkaFlow,
    broker: Cluster,
    parts: list[list[bytes]],
    patience_s: float = 5,
    places: list[str] | None = None,
) -> str:
    """Return what is wrong in the topics once there is no more to come; "" if nothing is.

    `places` are the positions of the first partition's records, where they are not offsets.
    """
    offers = Counter(offers_of(parts))
    rejected = Counter(
        ("not_json", places[at] if places else f"{flow.topic}/{number}@{at}", record)
        for number, part in enumerate(parts)
        for at, record in enumerate(part)
        if not record.startswith(b"{")
    )
    assert len(offers) > 30

    def differences() -> str:
        sent = Counter(offers_in(broker, f"{flow.topic}-offers"))
        refused = Counter(rejected_in(broker, f"{flow.topic}-rejected"))
        lost, more = [*(offers - sent), *(rejected - refused)], [*(sent - offers), *(refused - rejected)]
        return f"{len(lost)} lost {lost[:3]}, {len(more)} too many {more[:3]}" if lost or more else ""

    deadline_s = time.monotonic() + patience_s
    while (found := differences()) and time.monotonic() < deadline_s:
        time.sleep(0.2)
    return found
