"""How topics are written to: what waits, what they hold already, and to which partition a key belongs."""

from __future__ import annotations

import time
from random import Random
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Producer

from flows.entries.entry import Entries, pack
from flows.entries.outbox import Receipts
from flows.kafka.errors import Place
from flows.kafka.partitioner import partition_of
from flows.settings import Settings
from flows.sinks.topics import client as topic_client
from flows.sinks.topics import memory as topic_memory
from flows.sinks.topics import sink as topics
from flows.sinks.topics.client import Client
from flows.sinks.topics.records import Record, record_of
from tests.kafka.out_topics import PARTITIONS, offers_in, rejected_in
from tests.support.brokers import Broker, Cluster
from tests.support.servers import wait_until

# While the broker is down


MOST_BYTES = 3000


def offer(number: int, origin: str = "log/0/1") -> Entries:
    fields = {"time_ns": np.array([number]), "user": [f"visitor-{number % 7}"], "offer": ["offer1"]}
    return next(pack("special_offers", origin, [np.array([each]) for each in (number, 0, 0)], fields))


def rejection(number: int) -> Entries:
    fields = {"reason": ["not_json"], "record": [b"\xff%d" % number]}
    return next(pack("rejected", "log/0", [np.array([number]), np.array([0])], fields))


def offered(number: int, origin: str = "log/0/1") -> Record:
    return record_of(next(offer(number, origin).each()))


def settings_of(broker: Cluster, topic: str, **kafka: str) -> Settings:
    names = {"special_offers": f"{topic}-offers", "rejected": f"{topic}-rejected"}
    return Settings.from_env(
        {
            "CLICKS_SOURCE": f"kafka:{broker.address}/{topic}",
            "CLICKS_OFFERS_TOPIC": names["special_offers"],
            "CLICKS_REJECTED_TOPIC": names["rejected"],
            **kafka,
        }
    )


def test_while_the_broker_is_down_the_newest_wait(
    topic: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(topics, "ROOM", 10)
    monkeypatch.setattr(topics, "MOST_BYTES", MOST_BYTES)
    with Broker("kept") as broker:
        for name in ("offers", "rejected"):
            broker.create(f"{topic}-{name}", PARTITIONS)
        receipts = Receipts()
        sink = topics.TopicsSink(settings_of(broker, topic), receipts)
        partition = sink.build("topics", 0, 1)
        partition.write_batch([[offer(0), rejection(0)]])
        wait_until(lambda: receipts.written(offer(0)) and receipts.written(rejection(0)), "the first")
        monkeypatch.setattr(topic_client, "PATIENCE_S", 0.5)
        broker.kill()
        begun_s = time.monotonic()
        for number in range(1, 100, 3):
            partition.write_batch(
                [[entry(n) for n in range(number, number + 3) for entry in (offer, rejection)]]
            )
        assert time.monotonic() - begun_s < 10
        wait_until(lambda: len(caplog.records) == 2, "lines")
        assert not receipts.written(offer(1))
        monkeypatch.undo()
        broker.start()
        wait_until(lambda: receipts.written(offer(99)) and receipts.written(rejection(99)), "the last", 20)
        partition.close()
        offers = sorted(round(at_s * 1e9) for _, at_s, _ in offers_in(broker, f"{topic}-offers"))
        rejected = sorted(int(record[1:]) for _, _, record in rejected_in(broker, f"{topic}-rejected"))
        for found in (offers, rejected):
            assert found[-15:] == list(range(85, 100))
            assert found[0] == 0
            assert len(found) < 80
        assert receipts.take_dropped() == 200 - len(offers) - len(rejected)
    where = f"Kafka at {broker.address} takes"
    lines = [record.getMessage().partition(" (")[0] for record in caplog.records]
    # The first two come from two threads.
    assert (set(lines[:2]), lines[2:]) == (
        {f"{where} no records for topics", f"{topic}-offers: too many entries wait for Kafka: the oldest go"},
        [f"{where} records for topics again"],
    )


def test_a_producer_that_cannot_go_on_is_replaced(broker: Cluster, topic: str) -> None:
    for name in ("offers", "rejected"):
        broker.create(f"{topic}-{name}", PARTITIONS)
    receipts = Receipts()
    partition: Any = topics.TopicsSink(settings_of(broker, topic), receipts).build("topics", 0, 1)
    for number in range(40):
        partition.write_batch([[offer(number), rejection(number)]])
        if number in (10, 20):
            partition._client.broken = True
    wait_until(lambda: receipts.written(offer(39)) and receipts.written(rejection(39)), "the last", 20)
    partition.close()
    assert sorted(at_s for _, at_s, _ in offers_in(broker, f"{topic}-offers")) == [n / 1e9 for n in range(40)]
    found = sorted(int(record[1:]) for _, _, record in rejected_in(broker, f"{topic}-rejected"))
    assert found == list(range(40))


# What a topic holds


@pytest.fixture
def client(broker: Cluster, topic: str) -> Client:
    return Client(settings_of(broker, topic))


def send(broker: Cluster, topic: str, records: list[Record | None], batch: int = 100) -> None:
    """Write records to a topic's first partition, for None one of somebody else."""
    producer = broker.producer()
    for number, record in enumerate(records, 1):
        producer.produce(topic, "any", partition=0, headers=record.headers if record else None)
        if number % batch == 0 or number == len(records):
            assert producer.flush(10) == 0


@pytest.mark.parametrize("between", [0, 100])
def test_memory(
    broker: Cluster, topic: str, client: Client, monkeypatch: pytest.MonkeyPatch, between: int
) -> None:
    monkeypatch.setattr(topic_memory, "_FIRST_STEP", 5)
    broker.create(topic)
    origins = ["log/0/1", "log/1/1"]
    held = [offered(n, origin) for n in range(20) for origin in origins]
    send(broker, topic, [each for record in held for each in (record, *[None] * between)], 2 + 5 * between)
    memory = client.memory(Place(broker.address, topic, "", ""), 0, 1)
    for number in (15, 19, 20, 21):
        for origin in origins:
            assert memory.holds(offered(number, origin).id) == (number < 20)
    assert memory._start > 0
    # The first of an origin, and one of another that is not there: found, or not, with the whole of it read.
    assert memory.holds(offered(0).id)
    assert not memory.holds(offered(7, "log/2/1").id)
    assert memory._start == 0
    # Another log's entry at the same place is another one.
    [entry] = offer(7).each()
    assert not memory.holds(record_of(entry._replace(fields={**entry.fields, "time_ns": 8})).id)


def test_memory_ends_somewhere(
    broker: Cluster, topic: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_client, "MOST_RECORDS", 30)
    broker.create(topic)
    send(broker, topic, [offered(n) for n in range(100)], 5)
    memory = client.memory(Place(broker.address, topic, "", ""), 0, 1)
    assert [memory.holds(offered(n).id) for n in (60, 75, 99)] == [False, True, True]


def test_memory_of_nothing(broker: Cluster, topic: str, client: Client) -> None:
    broker.create(topic)
    assert not client.memory(Place(broker.address, topic, "", ""), 0, 1).holds(offered(1).id)


def test_partitions_are_those_of_other_clients(broker: Cluster, topic: str) -> None:
    broker.create(topic, 7)
    rng = Random(1)
    keys = [rng.randbytes(n % 23 + 1) for n in range(300)]
    producer = Producer(
        {"bootstrap.servers": broker.address, "partitioner": "murmur2_random", "log_level": "0"}
    )
    for key in keys:
        producer.produce(topic, b"any", key)
    assert producer.flush(10) == 0
    found = {message.key(): n for n in range(7) for message in broker.messages(topic, n)}
    assert found == {key: partition_of(key, 7) for key in keys}
