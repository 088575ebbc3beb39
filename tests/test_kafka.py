"""The Kafka source against a real broker: exact results, whatever is killed, and the lines a user sees."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis
from bytewax.recovery import init_db_dir
from confluent_kafka import Producer

from flows import kafka, kafka_reader
from flows.cluster import Cluster, Opening
from flows.items import Batch
from flows.kafka import KafkaPartition, KafkaSource
from flows.kafka_reader import Reader
from flows.settings import Settings
from flows.store import NOTHING, read_header, shard_path
from tests import faults, logs
from tests.brokers import Broker
from tests.faults import Faults, troubles
from tests.oracle import recompute
from tests.published import assert_same, published
from tests.servers import wait_until

SHARDS = 4
SECOND = 10**9
_topics = count()


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with Broker() as started:
        yield started


@pytest.fixture
def topic() -> str:
    """Return a name that no other test uses, for a topic and a group."""
    return f"clicks-{next(_topics)}"


class KafkaFlow:
    """A flow over a topic, a process that may be killed and started again; its state and Redis stay."""

    def __init__(self, folder: Path, address: str, topic: str, redis_url: str) -> None:
        self.folder, self.topic = folder, topic
        self.redis = redis.Redis.from_url(redis_url)
        self.arguments = ["-s", "1"]
        self.faults = Faults(pause_s=0.0, epoch_ms=100)
        self.environment = {
            "CLICKS_SOURCE": f"kafka:{address}/{topic}",
            "CLICKS_STATE_DIR": str(folder / "state"),
            "CLICKS_SHARDS": str(SHARDS),
            "CLICKS_PUBLISH_EVERY": "0.2s",
            "KAFKA_GROUP_ID": topic,
            "REDIS_URL": redis_url,
        }
        self.process: BaseProcess | None = None

    def start(self, **environment: str) -> None:
        """Start it, as `python -m bytewax.run flows.clicks` does but with short epochs."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.faults", "confluent_kafka"])
        self.process = context.Process(
            target=faults.run,
            args=(self.environment | environment, self.arguments, self.faults, str(self.folder / "output")),
        )
        self.process.start()

    @property
    def output(self) -> str:
        """What the last run has printed."""
        path = self.folder / "output"
        return path.read_text(errors="replace") if path.exists() else ""

    def signal(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; returns the exit status."""
        assert self.process is not None
        assert self.process.pid is not None
        os.kill(self.process.pid, number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end; returns the exit status."""
        assert self.process is not None
        self.process.join(20)
        assert self.process.exitcode is not None, self.output
        return self.process.exitcode

    def failed(self) -> str:
        """Return the one line with which the flow ended."""
        assert self.wait() == 1, self.output
        [line] = troubles(self.output)
        return line

    def board(self) -> dict[str, Any]:
        """Return the newest board, {} before any."""
        value: Any = self.redis.get("board")
        return json.loads(value) if value else {}

    def progress(self) -> int:
        """Return how many records the newest board has read."""
        return sum(self.board().get("positions", {}).values())

    def applied(self, number: int = 0) -> int | None:
        """Return what all shards have on disk of a partition."""
        shards = range(int(self.environment["CLICKS_SHARDS"]))
        headers = [read_header(shard_path(self.folder / "state", shard)) for shard in shards]
        applied = [header.positions.get(f"{self.topic}/{number}") for header in headers]
        return None if None in applied else min(position for position in applied if position is not None)

    def wait_for(self, ends: list[int]) -> None:
        """Wait until a board is published that has all partitions read up to `ends`."""
        wanted = {f"{self.topic}/{number}": end for number, end in enumerate(ends)}

        def there() -> bool:
            assert self.process is not None
            assert self.process.is_alive(), self.output
            return bool(self.board().get("positions") == wanted)

        wait_until(there, f"board at {ends}", 40)

    def assert_exact(self, records: list[tuple[int, bytes]], source: str | None = None) -> None:
        """Compare all of Redis with the oracle, once entries have come after the board."""
        deadline_s = time.monotonic() + 10
        while True:
            found = published(self.redis)
            expected = recompute(records, time.time_ns() // 10**6, found["board"]["as_of"])
            try:
                assert_same(found, expected, source)
            except AssertionError:
                if time.monotonic() > deadline_s:
                    raise
                continue
            return


@pytest.fixture
def flow(tmp_path: Path, broker: Broker, topic: str, redis_url: str) -> Iterator[KafkaFlow]:
    made = KafkaFlow(tmp_path, broker.address, topic, redis_url)
    yield made
    if made.process is not None and made.process.is_alive():
        made.process.kill()
        made.process.join()
    made.redis.close()


def clicks(number: int, seed: int = 0, parts: int = 1) -> list[list[bytes]]:
    """Return clicks of the last hours by partition, a visitor's all in one, no two at the same time."""
    rng = Random(seed)
    step = 3 * 3600 * SECOND // number
    start = time.time_ns() - number * step
    made: list[list[bytes]] = [[] for _ in range(parts)]
    for n in range(number):
        visitor = rng.randrange(30)
        click = logs.click_of(
            f"visitor-{visitor}",
            start + n * step + rng.randrange(step),
            productId=rng.choice(logs.PRODUCTS),
            category=rng.choice(["clothing", "shoes", "toys"]),
            deviceType=rng.choice(logs.DEVICES),
        )
        made[visitor % parts].append(logs.record_of(click))
    return made


def recent_log(monkeypatch: pytest.MonkeyPatch, seed: int, number: int) -> list[bytes]:
    """Return a random log that ends 20 seconds ago."""
    end = json.loads(logs.random_log(seed, number)[-1])["timestamp"]
    monkeypatch.setattr(logs, "MIDNIGHT", logs.MIDNIGHT + time.time_ns() - 20 * SECOND - end)
    return logs.random_log(seed, number)


def produce(producer: Producer, topic: str, records: list[bytes | None], part: int = 0) -> None:
    for record in records:
        producer.produce(topic, record, key=b"key", partition=part)
    assert producer.flush(10) == 0


def numbered(parts: list[list[bytes]]) -> list[tuple[int, bytes]]:
    """Return the records of all partitions in the order of their event time."""
    return list(
        enumerate(sorted((r for part in parts for r in part), key=lambda r: json.loads(r)["timestamp"]))
    )


# Exact results


def test_any_log_stopped_and_started(
    flow: KafkaFlow, broker: Broker, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = recent_log(monkeypatch, 5, 4000)
    half = len(records) // 2
    records.insert(10, b"")
    records.insert(half + 10, b"")
    broker.create(topic)
    producer = broker.producer()
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
    flow.assert_exact(list(enumerate(records)), f"{topic}/0")


def writing(
    producer: Producer,
    topic: str,
    parts: list[list[bytes]],
    portions: int,
    hurry: threading.Event,
    pause_s: float = 0.05,
) -> threading.Thread:
    """Write the records of each partition in portions, in a thread, with pauses until there is a hurry."""

    def write() -> None:
        for n in range(portions):
            for number, part in enumerate(parts):
                portion = slice(len(part) * n // portions, len(part) * (n + 1) // portions)
                for record in part[portion]:
                    producer.produce(topic, record, partition=number)
            hurry.wait(pause_s)
        while producer.flush(1):
            pass

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    return writer


@pytest.mark.parametrize("lost", ["one shard", "all shards"])
def test_lost_state_is_read_again(flow: KafkaFlow, broker: Broker, topic: str, lost: str) -> None:
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


def test_recovery_of_bytewax(flow: KafkaFlow, broker: Broker, topic: str) -> None:
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


def test_idle_partitions_and_two_workers(flow: KafkaFlow, broker: Broker, topic: str) -> None:
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


def test_broker_restarts(tmp_path: Path, topic: str, redis_url: str) -> None:
    with Broker("kept") as broker:
        parts = clicks(2000, parts=2)
        broker.create(topic, 2)
        hurry = threading.Event()
        writer = writing(broker.producer(), topic, parts, 60, hurry)
        flow = KafkaFlow(tmp_path, broker.address, topic, redis_url)
        flow.start()
        for number, end in enumerate((broker.kill, broker.stop, broker.kill), 1):
            wait_until(lambda: "lag" in flow.board(), "lag known", 20)
            end()
            wait_until(lambda: flow.output.count("is down") == number, "outage", 20)  # noqa: B023
            wait_until(lambda: "lag" not in flow.board(), "lag unknown", 20)
            broker.start()
            wait_until(lambda: flow.output.count("is back") == number, "end of outage", 20)  # noqa: B023
        hurry.set()
        writer.join()
        # A producer whose broker is killed before it answers sends again: what counts is what the log holds.
        parts = [broker.records(topic, part) for part in range(2)]
        assert sum(len(part) for part in parts) > 1500
        flow.wait_for([len(part) for part in parts])
        flow.assert_exact(numbered(parts))
        assert flow.signal(signal.SIGTERM) == 0, flow.output
        lines = troubles(flow.output)
        assert [line.partition(" (")[0] for line in lines[::2]] == [f"Kafka at {broker.address} is down"] * 3
        assert lines[1::2] == [f"Kafka at {broker.address} is back"] * 3


# What a partition gives


@pytest.fixture
def opened(
    broker: Broker, topic: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[KafkaPartition]]:
    """Return a function that opens the partitions of the topic, as a flow without any state."""
    for module in (kafka, kafka_reader):
        monkeypatch.setattr(module, "fail", pytest.fail)

    def open_all(resume: int | None = None, **settings: Any) -> list[KafkaPartition]:
        source = KafkaSource(
            Settings(source=f"kafka:{broker.address}/{topic}", kafka={"group.id": topic}, **settings),
            Cluster(SHARDS),
        )
        nothing = Opening(dict.fromkeys(range(SHARDS), NOTHING))
        return [source.open_part(name, resume, nothing) for name in source.list_parts()]

    return open_all


def read(partition: KafkaPartition, until: int) -> list[Batch]:
    """Return a partition's batches until one ends at `until`."""
    batches: list[Batch] = []

    def there() -> bool:
        batches.extend(partition.next_batch())
        return bool(batches) and batches[-1].end == until

    wait_until(there, f"batch up to {until}")
    assert [batch.start for batch in batches[1:]] == [batch.end for batch in batches[:-1]]
    return batches


def positions_of(batches: list[Batch]) -> list[int]:
    """Return the positions of all records."""
    return [
        position
        for batch in batches
        for position in batch.positions or range(batch.start, batch.start + len(batch.data))
    ]


def test_batches_are_whole_and_few(
    opened: Callable[..., list[KafkaPartition]], broker: Broker, topic: str
) -> None:
    broker.create(topic, 3)
    producer = broker.producer()
    produce(producer, topic, [b"x"] * 25_000)
    partitions = opened(publish_every_ms=500)
    batches: dict[int, list[Batch]] = {0: [], 1: [], 2: []}
    # A few records at a time come in the second one.
    for _ in range(40):
        produce(producer, topic, [b"x"] * 5, 1)
        end_s = time.monotonic() + 0.05
        while time.monotonic() < end_s:
            for number, partition in enumerate(partitions):
                batches[number] += partition.next_batch()
    batches[1] += read(partitions[1], 200)
    for number, end in ((0, 25_000), (1, 200), (2, 0)):
        assert [batch.start for batch in batches[number]] == [
            0,
            *(batch.end for batch in batches[number][:-1]),
        ]
        assert batches[number][-1].end == end
        assert {batch.source for batch in batches[number]} == {f"{topic}/{number}"}
        assert {batch.parts for batch in batches[number]} == {3}
        markers = [batch.marker for batch in batches[number] if batch.marker is not None]
        assert 3 <= len(markers) == len({marker.number for marker in markers})
        assert number == 1 or markers[-1].lag == 0
        assert {marker.lag for marker in markers} <= {None, 0, *range(1, end + 1)}
        assert all(marker.now_ms is not None and marker.number == marker.now_ms // 500 for marker in markers)
        assert len(batches[number]) <= len(markers) + (3 if number == 0 else 0)
    assert max(len(batch.data) for batch in batches[0]) >= 10_000


def test_offsets_with_gaps(opened: Callable[..., list[KafkaPartition]], broker: Broker, topic: str) -> None:
    broker.create(topic)
    producer = broker.producer(transactional_id=topic)
    producer.init_transactions(10)
    for _ in range(3):
        producer.begin_transaction()
        produce(producer, topic, [b"a", b"b"])
        producer.commit_transaction(10)
    # Two records, then the mark of the transaction's end, three times.
    [partition] = opened()
    batches = read(partition, 9)
    assert batches[0].start == 0
    assert positions_of(batches) == [0, 1, 3, 4, 6, 7]
    assert partition.snapshot() == 9


def test_time_a_record_was_logged(
    opened: Callable[..., list[KafkaPartition]], broker: Broker, topic: str
) -> None:
    broker.create(topic)
    producer = broker.producer()
    at_ms = time.time_ns() // 10**6 - 60_000
    [partition] = opened(publish_every_ms=100)
    logged = []
    for end, stamp in ((1, at_ms), (2, at_ms + 7), (3, at_ms + 3_600_000)):
        producer.produce(topic, b"x", partition=0, timestamp=stamp)
        assert producer.flush(10) == 0
        logged.append(read(partition, end)[-1])
    assert [batch.logged_ms for batch in logged] == [at_ms, at_ms + 7, logged[-1].read_ms]


# Where it starts


def test_new_group_begins_before_the_oldest_window(
    opened: Callable[..., list[KafkaPartition]], broker: Broker, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kafka.REACH_MS == 8.5 * 3600 * 1000
    broker.create(topic)
    produce(broker.producer(), topic, [b"old"] * 10)
    # The broker goes by when records came, so the wall clock is moved instead.
    start_ms = time.time_ns() // 10**6 + 50
    wait_until(lambda: time.time_ns() // 10**6 > start_ms, "time passes")
    produce(broker.producer(), topic, [b"new"] * 10)
    monkeypatch.setattr(kafka, "now_ms", lambda: start_ms + kafka.REACH_MS)
    [partition] = opened()
    assert partition.snapshot() == 10
    assert broker.committed(topic, topic) == [10]
    # Later the group's offset counts, since nothing has been applied yet.
    produce(broker.producer(), topic, [b"newer"] * 10)
    later_ms = time.time_ns() // 10**6 - 1
    monkeypatch.setattr(kafka, "now_ms", lambda: later_ms + kafka.REACH_MS)
    assert opened()[0].snapshot() == 10


@pytest.mark.parametrize(
    ("applied", "committed", "resume", "start"),
    [
        (70, 50, None, 50),
        (30, 50, None, 30),
        (30, None, None, 30),
        (None, 50, None, 0),
        (None, None, None, 0),
        (70, 50, 60, 60),
        (30, 50, 60, 30),
        (None, 50, 60, 60),
    ],
)
def test_start(
    opened: Callable[..., list[KafkaPartition]],
    broker: Broker,
    topic: str,
    monkeypatch: pytest.MonkeyPatch,
    applied: int | None,
    committed: int | None,
    resume: int | None,
    start: int,
) -> None:
    broker.create(topic)
    produce(broker.producer(), topic, [b"x"] * 100)
    if committed is not None:
        broker.commit(topic, topic, committed)
    monkeypatch.setattr(Opening, "applied", lambda *_: applied)
    assert opened(resume)[0].snapshot() == start
    if resume is None:
        assert broker.committed(topic, topic) == [start if committed is None else committed]


def test_records_that_have_left_the_log(
    opened: Callable[..., list[KafkaPartition]],
    broker: Broker,
    topic: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker.create(topic)
    produce(broker.producer(), topic, [b"x"] * 100)
    # The broker keeps everything, so it is only asked as if it did not.
    monkeypatch.setattr(Reader, "_ends", lambda *_: (40, 100))
    [partition] = opened(resume=10)
    batches = read(partition, 100)
    assert batches[0].start == 10
    assert positions_of(batches) == list(range(40, 100))
    assert [record.getMessage() for record in caplog.records] == [
        f"{topic}/0: the log no longer has the records [10, 40): they are not counted"
    ]


def test_commits_what_the_epoch_before_had(
    opened: Callable[..., list[KafkaPartition]], broker: Broker, topic: str
) -> None:
    broker.create(topic)
    producer = broker.producer()
    [partition] = opened()
    partition.snapshot()
    produce(producer, topic, [b"x"] * 10)
    read(partition, 10)
    partition.snapshot()
    produce(producer, topic, [b"x"] * 10)
    read(partition, 20)
    assert broker.committed(topic, topic) == [0]
    partition.snapshot()
    wait_until(lambda: broker.committed(topic, topic) == [10], "commit")


# What cannot work


def test_topic_created_anew(flow: KafkaFlow, broker: Broker, topic: str) -> None:
    broker.create(topic)
    produce(broker.producer(), topic, list(clicks(100)[0]))
    flow.start()
    flow.wait_for([100])
    assert flow.signal(signal.SIGTERM) == 0, flow.output
    broker.delete(topic)
    broker.create(topic)
    produce(broker.producer(), topic, list(clicks(10)[0]))
    flow.start()
    line = flow.failed()
    assert line.startswith(f"{topic}/0 ends at ")
    assert line.endswith(
        ", but 100 were read: the topic was deleted and created anew; "
        "set CLICKS_STATE_DIR to another directory and KAFKA_GROUP_ID to another group"
    )


def test_unknown_topic(flow: KafkaFlow, broker: Broker, topic: str) -> None:
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
def test_wrong_setting(flow: KafkaFlow, broker: Broker, topic: str, name: str, value: str, line: str) -> None:
    broker.create(topic)
    flow.start(**{name: value})
    assert flow.failed() == line


def test_refused_login(flow: KafkaFlow, topic: str) -> None:
    with Broker(login=True) as broker:
        flow.start(
            CLICKS_SOURCE=f"kafka:{broker.address}/{topic}",
            KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT",
            KAFKA_SASL_MECHANISM="SCRAM-SHA-256",
            KAFKA_SASL_USERNAME="nobody",
            KAFKA_SASL_PASSWORD="secret",
        )
        line = flow.failed()
    assert line.startswith(f"Kafka at {broker.address} refuses the login: ")
    assert line.endswith(": correct KAFKA_SECURITY_PROTOCOL and KAFKA_SASL_...")
    assert "secret" not in line


def test_broker_that_is_down_is_waited_for(flow: KafkaFlow, topic: str) -> None:
    with Broker("kept") as broker:
        parts = clicks(100)
        broker.create(topic)
        produce(broker.producer(), topic, list(parts[0]))
        broker.kill()
        # What Kubernetes tells of a service named kafka is no setting.
        flow.start(
            CLICKS_SOURCE=f"kafka:{broker.address}/{topic}",
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
