"""Offers and rejected records in Kafka topics: each once, whatever is killed, and the lines that users see."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from collections import Counter
from random import Random
from typing import Any

import pytest

from flows.partitioner import partition_of
from tests.brokers import Cluster
from tests.kafka_flow import KafkaFlow, clicks, numbered, writing
from tests.oracle import recompute
from tests.servers import wait_until

PARTITIONS = 3


@pytest.fixture
def flow(kafka_flow: KafkaFlow, broker: Cluster) -> KafkaFlow:
    with_topics(kafka_flow, broker)
    return kafka_flow


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


def wrong(flow: KafkaFlow, broker: Cluster, parts: list[list[bytes]], source: str | None = None) -> str:
    """Return what is wrong in the topics once there is no more to come; "" if nothing is."""
    good = [[record for record in part if record.startswith(b"{")] for part in parts]
    expected = recompute(numbered(good), time.time_ns() // 10**6)["special_offers"]
    offers = Counter((user, at_s, offer) for user, offer, at_s in expected)
    rejected = Counter(
        ("not_json", f"{source or f'{flow.topic}/{number}'}@{position}", record)
        for number, part in enumerate(parts)
        for position, record in enumerate(part)
        if not record.startswith(b"{")
    )
    assert len(offers) > 30
    assert len(rejected) > 100

    def differences() -> str:
        sent = Counter(offers_in(broker, f"{flow.topic}-offers"))
        refused = Counter(rejected_in(broker, f"{flow.topic}-rejected"))
        lost, more = [*(offers - sent), *(rejected - refused)], [*(sent - offers), *(refused - rejected)]
        return (
            "" if not lost and not more else f"{len(lost)} lost {lost[:3]}, {len(more)} too many {more[:3]}"
        )

    deadline_s = time.monotonic() + 5
    while (found := differences()) and time.monotonic() < deadline_s:
        time.sleep(0.2)
    return found


# Once


def test_killed_while_a_producer_writes(flow: KafkaFlow, broker: Cluster, topic: str) -> None:
    parts = busy(6000)
    broker.create(topic, 2)
    hurry = threading.Event()
    writer = writing(broker.producer(), topic, parts, 400, hurry)
    rng, before = Random(2), 0
    for fault in (None, "killed_as_records_arrive", None, "killed_as_records_arrive", None):
        flow.start(fault)
        if fault is None:
            wait_until(lambda: flow.progress() > before, "progress", 20)  # noqa: B023
            time.sleep(rng.uniform(0, 0.4))
            assert flow.signal(signal.SIGKILL) == -signal.SIGKILL, flow.output
        else:
            assert flow.wait() == -signal.SIGKILL, flow.output
        before = flow.progress()
    assert writer.is_alive()
    hurry.set()
    writer.join()
    flow.start()
    flow.wait_for([len(part) for part in parts])
    assert wrong(flow, broker, parts) == ""
    assert flow.output == ""


@pytest.mark.parametrize(
    "mutant", ["what_topics_hold_is_not_looked_at", "records_are_noted_as_they_are_sent"]
)
def test_a_broken_mechanism_is_found(flow: KafkaFlow, broker: Cluster, topic: str, mutant: str) -> None:
    parts = busy(3000)
    broker.create(topic, 2)
    hurry = threading.Event()
    writer = writing(broker.producer(), topic, parts, 20, hurry)
    if mutant == "what_topics_hold_is_not_looked_at":
        flow.start("killed_as_records_arrive")
        assert flow.wait() == -signal.SIGKILL, flow.output
    else:
        flow.start(mutant)
        wait_until(lambda: (flow.applied() or 0) > 500, "progress", 20)
        flow.signal(signal.SIGKILL)
    hurry.set()
    writer.join()
    flow.start(mutant)
    flow.wait_for([len(part) for part in parts])
    flow.signal(signal.SIGTERM)
    assert wrong(flow, broker, parts) != ""


def test_state_that_is_lost(flow: KafkaFlow, broker: Cluster, topic: str) -> None:
    """What is read again is in the topics already."""
    parts = busy(2000)
    broker.create(topic, 2)
    writing(broker.producer(), topic, parts, 1, threading.Event()).join()
    for _ in range(2):
        flow.start()
        flow.wait_for([len(part) for part in parts])
        assert wrong(flow, broker, parts) == ""
        assert flow.signal(signal.SIGTERM) == 0, flow.output
        shutil.rmtree(flow.folder / "state")
        flow.redis.flushall()
