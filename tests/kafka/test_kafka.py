"""The flow over a Kafka topic, against real brokers: exact, whatever is killed, and the lines a user sees."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from bytewax.recovery import init_db_dir
from confluent_kafka import Consumer

from flows.kafka.watch import ANEW
from tests.faults.injection import troubles
from tests.faults.restarts import restart
from tests.kafka.kafka_flow import SECOND, KafkaFlow, clicks, numbered, produce, writing
from tests.support import logs
from tests.support.apache import Apache
from tests.support.brokers import Broker, Cluster, Server
from tests.support.servers import wait_until


@pytest.fixture
def flow(kafka_flow: KafkaFlow) -> KafkaFlow:
    return kafka_flow


def recent_log(monkeypatch: pytest.MonkeyPatch, seed: int, number: int) -> list[bytes]:
    """Return a random log that ends 20 seconds ago."""
    end = json.loads(logs.random_log(seed, number)[-1])["timestamp"]
    monkeypatch.setattr(logs, "MIDNIGHT", logs.MIDNIGHT + time.time_ns() - 20 * SECOND - end)
    return logs.random_log(seed, number)


# Exact results


def test_any_log_stopped_and_started(
    flow: KafkaFlow, broker: Cluster, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = recent_log(monkeypatch, 5, 4000)
    half = len(records) // 2
    records.insert(10, b"")
    records.insert(half + 10, b"")
    broker.create(topic)
    producer = broker.producer()
    # A tombstone is passed over, what is empty is no click.
    tombstones: list[bytes | None] = [record or None for record in records]
    produce(producer, topic, tombstones[:half])
    flow.start()
    flow.wait_for([half])
    wait_until(lambda: broker.committed(topic, topic) == [half], "commit")
    assert flow.board()["lag"] == 0
    assert flow.signal(signal.SIGTERM) == 0, flow.output
    assert troubles(flow.output) == []
    assert flow.applied() == half
    produce(producer, topic, tombstones[half:])
    flow.start()
    flow.wait_for([len(records)])
    placed = [(offset, record) for offset, record in enumerate(records) if record]
    flow.assert_exact(placed, f"{topic}/0")


def test_killed_while_a_producer_writes(flow: KafkaFlow, broker: Cluster, topic: str) -> None:
    parts = clicks(6000, parts=3)
    broker.create(topic, 3)
    hurry = threading.Event()
    writer = writing(broker.producer(), topic, parts, 4000, hurry)
    rng = Random(1)
    before = 0
    for _ in range(6):
        flow.start()
        wait_until(lambda: flow.progress() > before, "progress", 20)  # noqa: B023
        time.sleep(rng.uniform(0, 0.4))
        assert flow.signal(signal.SIGKILL) == -signal.SIGKILL, flow.output
        before = flow.progress()
        for number, committed in enumerate(broker.committed(topic, topic, 3)):
            # One that was ahead of the others from the first is held: then where the group stands counts not.
            applied = flow.applied(number)
            assert applied is None or (committed or 0) <= applied
    assert writer.is_alive()
    hurry.set()
    writer.join()
    assert sum(committed or 0 for committed in broker.committed(topic, topic, 3)) > 0
    flow.start()
    flow.wait_for([len(part) for part in parts])
    flow.assert_exact(numbered(parts))


@pytest.mark.parametrize("lost", ["one shard", "all shards"])
def test_lost_state_is_read_again(flow: KafkaFlow, broker: Cluster, topic: str, lost: str) -> None:
    parts = clicks(2000)
    broker.create(topic)
    produce(broker.producer(), topic, list(parts[0]))
    flow.start()
    flow.wait_for([2000])
    wait_until(lambda: broker.committed(topic, topic) == [2000], "commit")
    assert flow.signal(signal.SIGTERM) == 0, flow.output
    shutil.rmtree(flow.folder / "state" / ("shard-0002" if lost == "one shard" else "."))
    flow.redis.delete("board")
    flow.start()
    flow.wait_for([2000])
    flow.assert_exact(numbered(parts))


def test_recovery_of_bytewax(flow: KafkaFlow, broker: Cluster, topic: str) -> None:
    parts = clicks(2000, parts=2)
    broker.create(topic, 2)
    producer = broker.producer()
    (flow.folder / "recovery").mkdir()
    init_db_dir(flow.folder / "recovery", 1)
    flow.arguments += ["-r", str(flow.folder / "recovery"), "-b", "0"]
    for number, part in enumerate(parts):
        produce(producer, topic, list(part[:500]), number)
    flow.start()
    flow.wait_for([500, 500])
    assert flow.signal(signal.SIGTERM) == 0, flow.output
    for number, part in enumerate(parts):
        produce(producer, topic, list(part[500:]), number)
    flow.start()
    flow.wait_for([len(part) for part in parts])
    flow.assert_exact(numbered(parts))


def test_partitions_that_are_added(kafka: Apache, tmp_path: Path, topic: str, redis_url: str) -> None:
    parts = clicks(1500, parts=3)
    kafka.create(topic, 2)
    producer = kafka.producer()
    with closing(KafkaFlow(tmp_path, kafka.address, topic, redis_url)) as flow:
        for number in range(2):
            produce(producer, topic, list(parts[number]), number)
        flow.start()
        flow.wait_for([len(part) for part in parts[:2]])
        kafka.grow(topic, 3)
        assert flow.signal(signal.SIGTERM) == 0, flow.output
        # The producer may not know of the third yet.
        produce(kafka.producer(), topic, list(parts[2]), 2)
        flow.start()
        flow.wait_for([len(part) for part in parts])
        flow.assert_exact(numbered(parts))


def test_idle_partitions_and_two_workers(flow: KafkaFlow, broker: Cluster, topic: str) -> None:
    parts = clicks(1000, parts=6)
    kept = [part if number in (3, 4) else [] for number, part in enumerate(parts)]
    broker.create(topic, 6)
    producer = broker.producer()
    for number, part in enumerate(kept):
        produce(producer, topic, list(part), number)
    flow.arguments += ["-w", "2"]
    flow.start()
    flow.wait_for([len(part) for part in kept])
    flow.assert_exact(numbered(kept))


def test_broker_restarts(restartable: Server, tmp_path: Path, topic: str, redis_url: str) -> None:
    with closing(KafkaFlow(tmp_path, restartable.address, topic, redis_url)) as flow:
        restart(flow, restartable, [True, False])
        assert flow.signal(signal.SIGTERM) == 0, flow.output
        lines = [line for line in troubles(flow.output) if "for topics" not in line]
        where = f"Kafka at {restartable.address} is"
        assert [line.partition(" (")[0] for line in lines] == [f"{where} down", f"{where} back"] * 2, lines


# What cannot work


def created_anew(flow: KafkaFlow, broker: Cluster, topic: str, records: int, fault: str | None) -> str:
    """Return with which line a flow ends that has read 100 records of a topic and finds another."""
    broker.create(topic)
    produce(broker.producer(), topic, list(clicks(100)[0]))
    flow.start(fault)
    flow.wait_for([100])
    assert flow.signal(signal.SIGTERM) == 0, flow.output
    broker.delete(topic)
    broker.create(topic)
    produce(broker.producer(), topic, list(clicks(records)[0]))
    flow.start(fault)
    return flow.failed()


@pytest.mark.parametrize("records", [10, 200])
def test_topic_created_anew(flow: KafkaFlow, broker: Cluster, topic: str, records: int) -> None:
    line = created_anew(flow, broker, topic, records, None)
    assert line == (
        f"{flow.folder}/state/shard-0000 holds state of another kafka:{topic}: the topic was deleted and "
        "created anew; set CLICKS_STATE_DIR to another directory and KAFKA_GROUP_ID to another group"
    )
    flow.redis.delete("entries_written", "state_logs", "special_offers", "rejected")
    flow.environment |= {"KAFKA_GROUP_ID": f"{topic}-anew", "CLICKS_STATE_DIR": f"{flow.folder}/anew"}
    flow.start()
    flow.wait_for([records])
    flow.assert_exact(numbered([broker.records(topic, 0)]))


def test_topic_created_anew_without_ids(flow: KafkaFlow, broker: Cluster, topic: str) -> None:
    line = created_anew(flow, broker, topic, 10, "the_broker_tells_no_topic_ids")
    assert line.startswith(f"{topic}/0 ends at ")
    assert line.endswith(
        ", but 100 were read: the topic was deleted and created anew, or Kafka lost the end of its log; "
        "set CLICKS_STATE_DIR to another directory and KAFKA_GROUP_ID to another group"
    )


def test_topic_created_anew_while_it_is_read(
    kafka: Apache, tmp_path: Path, topic: str, redis_url: str
) -> None:
    """What is longer by then than what was read of the other one would be read from amid it."""
    with closing(KafkaFlow(tmp_path, kafka.address, topic, redis_url)) as flow:
        kafka.create(topic)
        produce(kafka.producer(), topic, list(clicks(10)[0]))
        flow.start()
        flow.wait_for([10])
        kafka.delete(topic)
        wait_until(lambda: not kafka.has(topic), "the topic is gone")
        kafka.create(topic)
        produce(kafka.producer(), topic, list(clicks(25)[0]))
        assert flow.failed() in (
            f"the topic {topic!r} was deleted and created anew while it was read: {ANEW}",
            f"Kafka at {kafka.address} has no topic {topic!r}: create it, or correct CLICKS_SOURCE",
        )


def test_topic_that_grows_while_it_is_read(kafka: Apache, tmp_path: Path, topic: str, redis_url: str) -> None:
    parts = clicks(1500, parts=3)
    with closing(KafkaFlow(tmp_path, kafka.address, topic, redis_url)) as flow:
        kafka.create(topic, 2)
        for number in range(2):
            produce(kafka.producer(), topic, list(parts[number]), number)
        flow.start()
        flow.wait_for([len(part) for part in parts[:2]])
        kafka.grow(topic, 3)
        produce(kafka.producer(), topic, list(parts[2]), 2)
        assert flow.failed() == (
            f"the topic {topic!r} has 3 partitions by now, 2 are read: start the flow again, it goes on "
            "where it was and reads all of them"
        )
        flow.start()
        flow.wait_for([len(part) for part in parts])
        flow.assert_exact(numbered(parts))


@pytest.mark.parametrize("records", [10, 200], ids=["shorter", "longer"])
def test_log_that_lost_its_end(
    tmp_path: Path, topic: str, redis_url: str, records: int, kafka: Apache
) -> None:
    """A leader that was behind became the leader: what was read is not what the log holds."""
    with closing(KafkaFlow(tmp_path, kafka.address, topic, redis_url)) as flow:
        kafka.create(topic)
        produce(kafka.producer(), topic, list(clicks(100)[0]))
        flow.start()
        flow.wait_for([100])
        wait_until(lambda: kafka.committed(topic, topic) == [100], "commit")
        assert flow.signal(signal.SIGTERM) == 0, flow.output
        kafka.stop()
        kafka.lose(topic)
        kafka.start()
        produce(kafka.producer(), topic, list(clicks(records)[0]))
        flow.start()
        line = flow.failed()
        assert line.startswith(f"{topic}/0")
        assert line.endswith(f": Kafka lost the end of its log; {ANEW}")


def test_group_held_by_another_application(kafka: Apache, tmp_path: Path, topic: str, redis_url: str) -> None:
    kafka.create(topic)
    other = Consumer({"bootstrap.servers": kafka.address, "group.id": topic, "log_level": "0"})
    with closing(other), closing(KafkaFlow(tmp_path, kafka.address, topic, redis_url)) as flow:
        other.subscribe([topic])
        wait_until(lambda: other.poll(0.1) is None and bool(other.assignment()), "the group has a member", 30)
        flow.start()
        assert flow.failed() == (
            f"Kafka's group {topic!r} is held by another application (Commit failed: Broker: Unknown "
            "member): set KAFKA_GROUP_ID to a group of this flow's own"
        )


def test_unknown_topic(flow: KafkaFlow, broker: Cluster, topic: str) -> None:
    flow.start()
    assert flow.failed() == (
        f"Kafka at {broker.address} has no topic {topic!r}: create it, or correct CLICKS_SOURCE"
    )


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (
            "KAFKA_NO_SUCH",
            "1",
            'KAFKA_NO_SUCH: No such configuration property: "no.such": correct or unset it',
        ),
        (
            "KAFKA_FETCH_MIN_BYTES",
            "many",
            'KAFKA_FETCH_MIN_BYTES: Invalid value for configuration property "fetch.min.bytes": '
            "correct or unset it",
        ),
        (
            "KAFKA_ENABLE_AUTO_COMMIT",
            "true",
            "KAFKA_ENABLE_AUTO_COMMIT is 'true': unset it, the flow needs 'false'",
        ),
    ],
)
def test_wrong_setting(
    flow: KafkaFlow, broker: Cluster, topic: str, name: str, value: str, line: str
) -> None:
    broker.create(topic)
    flow.start(**{name: value})
    assert flow.failed() == line


def test_refused_login(tmp_path: Path, topic: str, redis_url: str) -> None:
    with Broker(login=True) as broker:
        flow = KafkaFlow(tmp_path, broker.address, topic, redis_url)
        flow.start(
            KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT",
            KAFKA_SASL_MECHANISM="SCRAM-SHA-256",
            KAFKA_SASL_USERNAME="nobody",
            KAFKA_SASL_PASSWORD="secret",
        )
        line = flow.failed()
    assert line.startswith(f"Kafka at {broker.address} refuses the login: ")
    assert line.endswith(": correct KAFKA_SECURITY_PROTOCOL and KAFKA_SASL_...")
    assert "secret" not in line


def test_broker_that_is_down_is_waited_for(tmp_path: Path, topic: str, redis_url: str) -> None:
    with Broker("kept") as broker:
        flow = KafkaFlow(tmp_path, broker.address, topic, redis_url)
        parts = clicks(100)
        broker.create(topic)
        produce(broker.producer(), topic, list(parts[0]))
        broker.kill()
        # What Kubernetes tells of a service named kafka is no setting.
        flow.start(
            KAFKA_SERVICE_HOST="10.0.0.1",
            KAFKA_PORT_9092_TCP_ADDR="10.0.0.1",
        )
        wait_until(lambda: "waiting" in flow.output, "a line", 20)
        reason = f"{broker.address}/bootstrap: Connect to ipv4#{broker.address} failed: Connection refused"
        started_s = time.monotonic()
        wait_until(lambda: time.monotonic() > started_s + 1.5, "time passes")
        [line] = troubles(flow.output)
        assert line.startswith(f"Kafka at {broker.address} is down ({reason}")
        broker.start()
        flow.wait_for([100])
        assert troubles(flow.output)[1:] == [f"Kafka at {broker.address} is back"]
        flow.close()
