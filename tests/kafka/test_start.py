"""Where a new group begins: nothing is passed over without a word; against a real Apache Kafka."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest
import redis

from flows.kafka.reader import Reader
from flows.sources.kafka_start import REACH_MS, first_offset
from tests.support import logs
from tests.support.apache import Apache
from tests.support.processes import Flow
from tests.support.servers import wait_until


def send(kafka: Apache, topic: str, stamps_ms: list[int]) -> None:
    """Log clicks of now, with these timestamps of Kafka's."""
    producer = kafka.producer()
    for number, stamp_ms in enumerate(stamps_ms):
        click = logs.click_of(f"user-{number}", time.time_ns() - logs.MINUTE + number)
        producer.produce(topic, logs.record_of(click), partition=0, timestamp=stamp_ms)
    assert producer.flush(10) == 0


def test_records_before_the_start_are_told_of(
    kafka: Apache, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    kafka.create(topic)
    now_ms = time.time_ns() // 10**6
    send(kafka, topic, [now_ms - REACH_MS - 60_000, now_ms - REACH_MS - 1000, now_ms - 1000])
    reader = Reader({"bootstrap.servers": kafka.address, "group.id": topic}, topic)
    caplog.set_level(logging.INFO)
    begun = [(None, 2), (0, 0), (now_ms - REACH_MS - 2000, 1), (now_ms, 3)]
    assert [first_offset(reader, 0, begin_ms, now_ms) for begin_ms, _ in begun] == [at for _, at in begun]
    remedy = (
        "before are older; to read them set CLICKS_FROM=beginning (or to a moment), KAFKA_GROUP_ID to a new "
        "group and CLICKS_STATE_DIR to a new directory"
    )
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", f"{topic}/0 begins at 2: the Kafka timestamps of the 2 records {remedy}"),
        ("INFO", f"{topic}/0 begins at 1: the Kafka timestamps of the 1 records {remedy}"),
        ("WARNING", f"{topic}/0 begins at the end 3: the Kafka timestamps of the 3 records {remedy}"),
    ]
    reader.close(0)


class Growing:
    """A partition to which a record comes after each question."""

    end = 10

    def name(self, number: int) -> str:
        return f"growing/{number}"

    def span(self, number: int) -> tuple[int, int]:
        self.end += 1
        return 0, self.end - 1

    def offset_at(self, number: int, at_ms: int) -> int | None:
        self.end += 1
        return None


def test_records_that_come_while_the_broker_is_asked_are_read() -> None:
    assert first_offset(Growing(), 0, None, 10**12) == 10


def test_clicks_whose_timestamps_are_of_no_use_are_read_from_the_beginning(
    kafka: Apache, topic: str, tmp_path: Path, redis_url: str
) -> None:
    kafka.create(topic)
    send(kafka, topic, [time.time_ns() // 10**9 + number for number in range(5)])
    environment = {"CLICKS_SOURCE": f"kafka:{kafka.address}/{topic}", "REDIS_URL": redis_url}
    environment |= {"KAFKA_GROUP_ID": topic, "CLICKS_SHARDS": "2"}
    with redis.Redis.from_url(redis_url) as client:

        def total() -> bool:
            return b'"clicks_total": 5' in (client.get("board") or b"")

        with Flow(tmp_path, environment) as flow:
            flow.wait_for(f"{topic}/0 begins at the end 5: the Kafka timestamps of the 5 records")
        # What the line says to do.
        environment |= {"CLICKS_FROM": "beginning", "KAFKA_GROUP_ID": f"{topic}-2"}
        environment["CLICKS_STATE_DIR"] = str(tmp_path / "anew")
        with Flow(tmp_path, environment) as flow:
            wait_until(total, "all clicks", 30)
