"""Offers and rejected records in Kafka topics: each once, whatever is killed, and the lines users see."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from flows.entries.entry import Entries
from flows.entries.outbox import Outbox, Receipts
from flows.state.store import header_of, parts_of, read, shard_path
from tests.faults.injection import troubles
from tests.kafka.kafka_flow import KafkaFlow, writing
from tests.kafka.out_topics import busy, offers_of, rejected_in, with_topics, wrong
from tests.support import logs
from tests.support.brokers import Broker, Cluster
from tests.support.servers import free_port, wait_until


@pytest.fixture
def flow(kafka_flow: KafkaFlow, broker: Cluster) -> KafkaFlow:
    with_topics(kafka_flow, broker)
    return kafka_flow


# Once


def test_killed_while_a_producer_writes(flow: KafkaFlow, broker: Cluster, topic: str) -> None:
    parts = busy(6000)
    broker.create(topic, 2)
    hurry = threading.Event()
    writer = writing(broker.producer(), topic, parts, 4000, hurry)
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
    assert troubles(flow.output) == []


@pytest.mark.parametrize(
    ("mutant", "first"),
    [
        ("what_topics_hold_is_not_looked_at", "records_are_never_noted"),
        ("records_are_noted_as_they_are_sent", "records_are_noted_as_they_are_sent"),
    ],
)
def test_a_broken_mechanism_is_found(
    tmp_path: Path, tansu: Broker, topic: str, redis_url: str, mutant: str, first: str
) -> None:
    """The first run leaves behind what only the mechanism sees to; the second goes on without it."""
    parts = busy(2000)
    ends = [len(part) for part in parts]
    with closing(KafkaFlow(tmp_path, tansu.address, topic, redis_url)) as flow:
        with_topics(flow, tansu)
        tansu.create(topic, 2)
        writing(tansu.producer(), topic, parts, 1, threading.Event()).join()
        flow.start(first)
        wait_until(lambda: [flow.applied(number) for number in (0, 1)] == ends, "all to be saved", 40)
        if first == mutant:
            wait_until(lambda: not unwritten(flow), "the state to take all for written", 40)
        else:
            wait_until(lambda: len(rejected_in(tansu, f"{topic}-rejected")) > 100, "records in the topic", 40)
            assert unwritten(flow)
        flow.signal(signal.SIGKILL)
        flow.redis.flushall()  # so that the next board is of the next run
        flow.start(mutant)
        flow.wait_for(ends)
        assert flow.signal(signal.SIGTERM) == 0, flow.output
        assert wrong(flow, tansu, parts, patience_s=0) != ""


def unwritten(flow: KafkaFlow) -> list[Entries]:
    """Return the rejected records that a flow has on disk as not yet written."""
    found = []
    for number in range(int(flow.environment["CLICKS_SHARDS"])):
        path, outbox = shard_path(flow.folder / "state", number), Outbox(Receipts())
        for _, part in read(path, lambda db: parts_of(db, "totals", header_of(db).epoch)):
            outbox.load(part["outbox"])
        found += outbox.entries()
    return found


def test_state_that_is_lost(flow: KafkaFlow, broker: Cluster, topic: str) -> None:
    """What is read again is in the topics already."""
    parts = busy(2000)
    broker.create(topic, 2)
    writing(broker.producer(), topic, parts, 1, threading.Event()).join()
    flow.arguments += ["-w", "2"]
    for _ in range(2):
        flow.start()
        flow.wait_for([len(part) for part in parts])
        assert wrong(flow, broker, parts) == ""
        flow.signal(signal.SIGTERM)
        shutil.rmtree(flow.folder / "state")
        flow.redis.flushall()


def test_a_log_that_ends_while_the_broker_is_down(flow: KafkaFlow, broker: Cluster, topic: str) -> None:
    """What one run could not write the next one does."""
    [records] = busy(2000, parts=1)
    log = flow.folder / "log"
    logs.write(log, records)
    flow.environment["CLICKS_SOURCE"] = f"file:{log}"
    nowhere = f"127.0.0.1:{free_port()}"
    flow.start("little_patience", KAFKA_BOOTSTRAP_SERVERS=nowhere)
    assert flow.wait() == 0, flow.output
    down, left = troubles(flow.output)
    assert down.startswith(f"Kafka at {nowhere} takes no records for topics (")
    assert down.endswith("): they wait")
    number = sum(not record.startswith(b"{") for record in records) + len(offers_of([records]))
    unwritten = f"{number} records for topics are not written: the next start sends them"
    assert left == f"ERROR Kafka at {nowhere}: {unwritten}"
    for _ in range(2):
        flow.start(KAFKA_BOOTSTRAP_SERVERS=broker.address)
        assert flow.wait() == 0, flow.output
        assert troubles(flow.output) == []
    assert wrong(flow, broker, [records], places=[f"file:{log}@{at}" for at in logs.positions(records)]) == ""


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
    assert troubles(flow.output) == []
    assert len(rejected_in(broker, f"{topic}-rejected")) == sum(
        not r.startswith(b"{") for p in parts for r in p
    )
