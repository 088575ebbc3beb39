"""The partitions of a Kafka topic as sources, against real brokers: what they give, and where they start."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.kafka import contact
from flows.kafka import reader as kafka_reader
from flows.kafka.reader import Reader
from flows.model.batch import Batch
from flows.settings import Settings
from flows.shards.opening import Opening
from flows.sources.kafka import KafkaPartition, KafkaSource
from flows.sources.kafka_start import REACH_MS
from flows.state.state import State
from flows.state.store import NOTHING
from tests.kafka.kafka_flow import SHARDS, produce
from tests.support.apache import Apache
from tests.support.brokers import Cluster
from tests.support.clocks import StillClock, cluster_of
from tests.support.servers import wait_until

NOTHING_APPLIED = Opening(dict.fromkeys(range(SHARDS), NOTHING))

# What a partition gives


@pytest.fixture
def opened(
    tmp_path: Path, broker: Cluster, topic: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[KafkaPartition]]:
    """Return a function that opens the partitions of the topic, as a flow without any state."""
    for module in (contact, kafka_reader):
        monkeypatch.setattr(module, "fail", pytest.fail)

    def open_all(
        resume: int | None = None, at_ms: int | None = None, **settings: Any
    ) -> list[KafkaPartition]:
        source = KafkaSource(
            Settings(source=f"kafka:{broker.address}/{topic}", kafka={"group.id": topic}, **settings),
            cluster_of(SHARDS, None if at_ms is None else StillClock(at_ms)),
            State(tmp_path / "state", SHARDS, topic),
        )
        return [source.open_part(name, resume, NOTHING_APPLIED) for name in source.list_parts()]

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
    opened: Callable[..., list[KafkaPartition]], broker: Cluster, topic: str
) -> None:
    broker.create(topic, 3)
    producer = broker.producer()
    produce(producer, topic, [b"x"] * 25_000)
    partitions = opened(publish_every_ms=500)
    batches: dict[int, list[Batch]] = {0: [], 1: [], 2: []}
    begun_s = time.monotonic()
    # A few records at a time come in the second one.
    for _ in range(40):
        produce(producer, topic, [b"x"] * 5, 1)
        end_s = time.monotonic() + 0.05
        while time.monotonic() < end_s:
            for number, partition in enumerate(partitions):
                batches[number] += partition.next_batch()
    batches[1] += read(partitions[1], 200)
    beats = (time.monotonic() - begun_s) / 0.5
    for number, end in ((0, 25_000), (1, 200), (2, 0)):
        assert [batch.start for batch in batches[number]] == [
            0,
            *(batch.end for batch in batches[number][:-1]),
        ]
        assert batches[number][-1].end == end
        assert {batch.source for batch in batches[number]} == {f"{topic}/{number}"}
        assert {batch.parts for batch in batches[number]} == {3}
        barriers = [batch.barrier for batch in batches[number] if batch.barrier is not None]
        assert 3 <= len(barriers) == len({barrier.number for barrier in barriers}) <= beats + 2
        assert number == 1 or barriers[-1].lag == 0
        assert {barrier.lag for barrier in barriers} <= {None, 0, *range(1, end + 1)}
        assert all(
            barrier.now_ms is not None and barrier.number == barrier.now_ms // 500 for barrier in barriers
        )
        assert len(batches[number]) <= len(barriers) + (3 if number == 0 else 0)
    assert max(len(batch.data) for batch in batches[0]) >= 10_000


def test_lag_is_exact(kafka: Apache, tmp_path: Path, topic: str) -> None:
    """Apache Kafka says where a log ends; the embedded broker says a little less."""
    kafka.create(topic)
    produce(kafka.producer(), topic, [b"x"] * 25_000)
    settings = Settings(
        source=f"kafka:{kafka.address}/{topic}", kafka={"group.id": topic}, publish_every_ms=1
    )
    source = KafkaSource(settings, cluster_of(SHARDS), State(tmp_path / "state", SHARDS, topic))
    [partition] = [source.open_part(name, None, NOTHING_APPLIED) for name in source.list_parts()]
    batches = read(partition, 25_000)
    lags = [(batch.barrier.lag, batch.end) for batch in batches if batch.barrier is not None]
    assert len(lags) > 1
    assert all(lag == 25_000 - end for lag, end in lags if lag is not None)
    assert lags[-1] == (0, 25_000)


def test_offsets_with_gaps(opened: Callable[..., list[KafkaPartition]], broker: Cluster, topic: str) -> None:
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


# Where it starts


def test_new_group_begins_before_the_oldest_window(
    opened: Callable[..., list[KafkaPartition]], broker: Cluster, topic: str
) -> None:
    assert REACH_MS == 8.5 * 3600 * 1000
    broker.create(topic)
    produce(broker.producer(), topic, [b"old"] * 10)
    # The broker goes by when records came, so the wall clock is moved instead.
    start_ms = _moment_ms()
    produce(broker.producer(), topic, [b"new"] * 10)
    [partition] = opened(at_ms=start_ms + REACH_MS)
    assert partition.snapshot() == 10
    assert broker.committed(topic, topic) == [10]
    # Later the group's offset counts, since nothing has been applied yet.
    later_ms = _moment_ms()
    produce(broker.producer(), topic, [b"newer"] * 10)
    assert opened(at_ms=later_ms + REACH_MS)[0].snapshot() == 10


def _moment_ms() -> int:
    """Return a moment after all that is logged so far, once it is over."""
    moment_ms = time.time_ns() // 10**6 + 50
    wait_until(lambda: time.time_ns() // 10**6 > moment_ms, "time passes")
    return moment_ms


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
    broker: Cluster,
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
    broker: Cluster,
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
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"{topic}/0: the log no longer has the records [10, 40): they are not counted"
    ]


def test_commits_what_the_epoch_before_had(
    opened: Callable[..., list[KafkaPartition]], broker: Cluster, topic: str
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


def test_commits_no_more_than_its_shards_have_on_disk(
    opened: Callable[..., list[KafkaPartition]], broker: Cluster, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.create(topic)
    monkeypatch.setattr(State, "on_disk", lambda *_: 4)
    produce(broker.producer(), topic, [b"x"] * 10)
    [partition] = opened()
    read(partition, 10)
    partition.snapshot()
    partition.snapshot()
    wait_until(lambda: broker.committed(topic, topic) == [4], "commit")
