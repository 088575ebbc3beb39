"""Offers and rejected records in Kafka topics: each once, whatever is killed, and the lines users see."""

from __future__ import annotations

import json
import re
import shutil
import signal
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from confluent_kafka import Producer

from flows import topic_client, topic_memory, topics
from flows.items import Entry
from flows.kafka_errors import Place
from flows.outbox import Receipts
from flows.partitioner import partition_of
from flows.settings import Settings
from flows.topic_client import Client
from flows.topic_records import Record, record_of
from tests.brokers import Broker, Cluster
from tests.kafka_flow import KafkaFlow, clicks, numbered, writing
from tests.oracle import recompute
from tests.servers import free_port, wait_until

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


def wrong(flow: KafkaFlow, broker: Cluster, parts: list[list[bytes]], patience_s: float = 5) -> str:
    """Return what is wrong in the topics once there is no more to come; "" if nothing is."""
    good = [[record for record in part if record.startswith(b"{")] for part in parts]
    expected = recompute(numbered(good), time.time_ns() // 10**6)["special_offers"]
    offers = Counter((user, at_s, offer) for user, offer, at_s in expected)
    rejected = Counter(
        ("not_json", f"{flow.topic}/{number}@{position}", record)
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

    deadline_s = time.monotonic() + patience_s
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
def test_a_broken_mechanism_is_found(tmp_path: Path, topic: str, redis_url: str, mutant: str) -> None:
    parts = busy(3000)
    with Broker() as broker, closing(KafkaFlow(tmp_path, broker.address, topic, redis_url)) as flow:
        with_topics(flow, broker)
        broker.create(topic, 2)
        hurry = threading.Event()
        writer = writing(broker.producer(), topic, parts, 20, hurry)
        flow.start(mutant if mutant.startswith("records") else "killed_as_records_arrive")
        if mutant.startswith("records"):
            wait_until(lambda: (flow.applied() or 0) > 500, "progress", 20)
            flow.signal(signal.SIGKILL)
        assert flow.wait() == -signal.SIGKILL, flow.output
        hurry.set()
        writer.join()
        flow.start(mutant)
        flow.wait_for([len(part) for part in parts])
        flow.signal(signal.SIGTERM)
        assert wrong(flow, broker, parts, patience_s=0) != ""


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


def test_redis_alone_is_not_enough(flow: KafkaFlow, broker: Cluster, topic: str) -> None:
    """A file that ends while no broker is there: the next run writes what this one could not."""
    parts = busy(2000, parts=1)
    log = flow.folder / "log"
    log.write_bytes(b"\n".join(parts[0]) + b"\n")
    flow.environment["CLICKS_SOURCE"] = f"file:{log}"
    flow.start(KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")
    assert flow.wait() == 0, flow.output
    down, left = flow.output.splitlines()
    assert re.fullmatch(r"Kafka at 127\.0\.0\.1:\d+ takes no records for topics \(.+\): they wait", down)
    assert re.fullmatch(
        r"Kafka at 127\.0\.0\.1:\d+: \d+ records for topics are not written: the next start sends them", left
    )
    for _ in range(2):
        flow.start(KAFKA_BOOTSTRAP_SERVERS=broker.address)
        assert flow.wait() == 0, flow.output
        assert flow.output == ""
    offsets = [sum(len(record) + 1 for record in parts[0][:n]) for n in range(len(parts[0]))]
    refused = rejected_in(broker, f"{topic}-rejected")
    assert sorted(refused) == sorted(
        ("not_json", f"file:{log}@{offset}", record)
        for offset, record in zip(offsets, parts[0], strict=True)
        if not record.startswith(b"{")
    )
    expected = recompute(numbered([[r for r in parts[0] if r.startswith(b"{")]]), time.time_ns() // 10**6)[
        "special_offers"
    ]
    assert sorted(offers_in(broker, f"{topic}-offers")) == sorted((user, at, o) for user, o, at in expected)


# While the broker is down


def offer(number: int, lane: str = "log/0/1") -> Entry:
    fields = {"created": "1", "user": f"visitor-{number % 7}", "offer": "offer1"}
    return Entry("special_offers", lane, f"{number:020d}-000000-000", fields, number)


def rejection(number: int) -> Entry:
    position, record = f"log/0@{number}", b"\xff%d" % number
    fields: dict[str, str | bytes] = {"reason": "not_json", "position": position, "record": record}
    return Entry("rejected", "log/0", f"{number:020d}-000000", fields)


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


def test_all_offers_wait_and_the_newest_rejected_records(
    topic: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(topics, "ROOM", 10)
    monkeypatch.setitem(topics.KEEPS, "rejected", 20)
    with Broker("kept") as broker:
        for name in ("offers", "rejected"):
            broker.create(f"{topic}-{name}", PARTITIONS)
        receipts = Receipts()
        sink = topics.TopicsSink(settings_of(broker, topic), receipts)
        partition = sink.build("topics", 0, 1)
        partition.write_batch([offer(0), rejection(0)])
        wait_until(lambda: receipts.written(offer(0)) and receipts.written(rejection(0)), "the first")
        monkeypatch.setattr(topic_client, "PATIENCE_S", 0.5)
        broker.kill()
        begun_s = time.monotonic()
        for number in range(1, 100, 3):
            partition.write_batch(
                [entry(n) for n in range(number, number + 3) for entry in (offer, rejection)]
            )
        assert time.monotonic() - begun_s < 2
        wait_until(lambda: len(caplog.records) == 2, "lines")
        assert not receipts.written(offer(1))
        monkeypatch.undo()
        monkeypatch.setitem(topics.KEEPS, "rejected", 20)
        broker.start()
        wait_until(lambda: receipts.written(offer(99)) and receipts.written(rejection(99)), "the last", 20)
        partition.close()
        assert sorted(at_s for _, at_s, _ in offers_in(broker, f"{topic}-offers")) == [
            n / 1e9 for n in range(100)
        ]
        found = sorted(int(record[1:]) for _, _, record in rejected_in(broker, f"{topic}-rejected"))
        assert found[-20:] == list(range(80, 100))
        assert len(found) < 99
    where = f"Kafka at {broker.address} takes"
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(" (")[0] for line in lines] == [
        f"{where} no records for topics",
        "more than 20 entries of rejected wait: the oldest go",
        f"{where} records for topics again",
    ]


def test_a_producer_that_cannot_go_on_is_replaced(broker: Cluster, topic: str) -> None:
    for name in ("offers", "rejected"):
        broker.create(f"{topic}-{name}", PARTITIONS)
    receipts = Receipts()
    partition: Any = topics.TopicsSink(settings_of(broker, topic), receipts).build("topics", 0, 1)
    for number in range(40):
        partition.write_batch([offer(number), rejection(number)])
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
    lanes = ["log/0/1", "log/1/1"]
    held = [record_of(offer(n, lane)) for n in range(20) for lane in lanes]
    send(broker, topic, [each for record in held for each in (record, *[None] * between)], 2 + 5 * between)
    memory = client.memory(Place(broker.address, topic, "", ""), 0, 1)
    for number in (15, 19, 20, 21):
        for lane in lanes:
            assert memory.holds(record_of(offer(number, lane)).id) == (number < 20)
    assert memory._start > 0
    # The first of a lane, and one of a lane that is not there: found, or not, with the whole of it read.
    assert memory.holds(record_of(offer(0)).id)
    assert not memory.holds(record_of(offer(7, "log/2/1")).id)
    assert memory._start == 0
    # Another log's entry at the same place is another one.
    assert not memory.holds(record_of(offer(7)._replace(time_ns=8)).id)


def test_memory_ends_somewhere(
    broker: Cluster, topic: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_client, "MOST_RECORDS", 30)
    broker.create(topic)
    send(broker, topic, [record_of(offer(n)) for n in range(100)], 5)
    memory = client.memory(Place(broker.address, topic, "", ""), 0, 1)
    assert [memory.holds(record_of(offer(n)).id) for n in (60, 75, 99)] == [False, True, True]


def test_memory_of_nothing(broker: Cluster, topic: str, client: Client) -> None:
    broker.create(topic)
    assert not client.memory(Place(broker.address, topic, "", ""), 0, 1).holds(record_of(offer(1)).id)


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


# What users are told


def test_no_such_topic(kafka_flow: KafkaFlow, broker: Cluster, topic: str) -> None:
    broker.create(topic)
    for variable in ("CLICKS_OFFERS_TOPIC", "CLICKS_REJECTED_TOPIC"):
        kafka_flow.start(**{variable: f"{topic}-none"})
        assert kafka_flow.failed() == (
            f"Kafka at {broker.address} has no topic '{topic}-none': create it, or correct {variable}"
        )


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("KAFKA_ACKS", "1", "KAFKA_ACKS is '1': unset it, the flow needs 'all'"),
        (
            "KAFKA_ENABLE_IDEMPOTENCE",
            "false",
            "KAFKA_ENABLE_IDEMPOTENCE is 'false': unset it, the flow needs 'true'",
        ),
        (
            "KAFKA_BATCH_SIZE",
            "large",
            'KAFKA_BATCH_SIZE: Invalid value for configuration property "batch.size": correct or unset it',
        ),
    ],
)
def test_wrong_setting(
    flow: KafkaFlow, broker: Cluster, topic: str, name: str, value: str, line: str
) -> None:
    broker.create(topic)
    flow.start(**{name: value})
    assert flow.failed() == line


def test_settings_of_the_other_kind_of_client(flow: KafkaFlow, broker: Cluster, topic: str) -> None:
    parts = busy(1000)
    broker.create(topic, 2)
    writing(broker.producer(), topic, parts, 1, threading.Event()).join()
    flow.start(KAFKA_FETCH_MIN_BYTES="2", KAFKA_COMPRESSION_TYPE="zstd", KAFKA_SESSION_TIMEOUT_MS="50000")
    flow.wait_for([len(part) for part in parts])
    assert flow.signal(signal.SIGTERM) == 0, flow.output
    assert flow.output == ""
    assert len(rejected_in(broker, f"{topic}-rejected")) == sum(
        not r.startswith(b"{") for p in parts for r in p
    )
