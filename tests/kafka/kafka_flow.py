"""The flow over a Kafka topic, for tests: a process that is killed and started again, and what it reads."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from dataclasses import replace
from multiprocessing.process import BaseProcess
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any

import redis
from confluent_kafka import KafkaError, Message, Producer

from flows.state.store import read_header, shard_path
from tests.faults import injection
from tests.faults.injection import Faults, troubles
from tests.oracle.oracle import recompute
from tests.support import logs
from tests.support.published import assert_same, published
from tests.support.servers import wait_until

SHARDS = 4
SECOND = 10**9


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

    def start(self, fault: str | None = None, **environment: str) -> None:
        """Start it, as `python -m bytewax.run flows.clicks` does, with short epochs, maybe with a fault."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.faults.injection", "confluent_kafka"])
        chosen = replace(self.faults, mutant=fault)
        self.process = context.Process(
            target=injection.run,
            args=(self.environment | environment, self.arguments, chosen, str(self.folder / "output")),
        )
        self.process.start()

    def close(self) -> None:
        """Kill it if it runs."""
        if self.process is not None and self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.redis.close()

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
        if self.process.exitcode is None:
            # Where it is, in its output.
            os.kill(self.process.pid or 0, signal.SIGUSR1)
            self.process.join(1)
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


def produce(producer: Producer, topic: str, records: list[bytes | None], part: int = 0) -> None:
    def delivered(error: KafkaError | None, _: Message) -> None:
        assert error is None, error

    for record in records:
        producer.produce(topic, record, key=b"key", partition=part, on_delivery=delivered)
    assert producer.flush(10) == 0


def numbered(parts: list[list[bytes]]) -> list[tuple[int, bytes]]:
    """Return the records of all partitions in the order of their event time, which no two clicks share.

    What is no click comes after the one before it, and so do records that a producer sent again: each
    partition keeps its order.
    """
    timed: list[tuple[int, bytes]] = []
    for part in parts:
        time_ns = 0
        for record in part:
            if record.startswith(b"{"):
                time_ns = max(time_ns, json.loads(record)["timestamp"])
            timed.append((time_ns, record))
    return list(enumerate(record for _, record in sorted(timed, key=itemgetter(0))))


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
