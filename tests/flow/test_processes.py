"""Several processes: exact, whatever is killed, and however often their number changes."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from random import Random

import pytest
import redis

from flows.state.store import read_header, shard_path
from tests.faults.injection import troubles
from tests.k8s.pods import Pods, run_to_the_end
from tests.kafka.kafka_flow import clicks, numbered, writing
from tests.oracle.oracle import recompute
from tests.support import logs
from tests.support.brokers import Broker
from tests.support.published import assert_same, published
from tests.support.servers import wait_until

PARTS = 4
SHARDS = 7
PORTIONS = 20


@pytest.fixture
def broker(tansu: Broker) -> Broker:
    return tansu


@pytest.fixture
def topic(broker: Broker, topic: str) -> str:
    """Return a topic of PARTS partitions that no other test uses."""
    broker.create(topic, PARTS)
    return topic


def pods_of(folder: Path, broker: Broker, topic: str, redis_url: str, *, shared: bool) -> Pods:
    environment = {"KAFKA_GROUP_ID": topic, "CLICKS_SHARDS": str(SHARDS)}
    return Pods(folder, f"kafka:{broker.address}/{topic}", redis_url, shared=shared, environment=environment)


def assert_exact_at(pods: Pods, topic: str, parts: list[list[bytes]]) -> None:
    pods.wait_for({f"{topic}/{number}": len(part) for number, part in enumerate(parts)})
    pods.assert_exact(numbered(parts))


@pytest.mark.parametrize("shared", [True, False], ids=["one disk", "a disk each"])
def test_the_number_of_workers_changes_under_load(
    shared: bool, tmp_path: Path, broker: Broker, topic: str, redis_url: str
) -> None:
    parts = clicks(8000, parts=PARTS)
    written: list[list[bytes]] = [[] for _ in parts]
    shapes = [(1, 1), (2, 1), (3, 1), (1, 1), (2, 2)]
    held: set[tuple[int, int]] = set()
    with pods_of(tmp_path, broker, topic, redis_url, shared=shared) as pods:
        for stage, (replicas, workers) in enumerate(shapes):
            share = slice(len(parts[0]) * stage // 5, len(parts[0]) * (stage + 1) // 5)
            portion = (
                [part[share] for part in parts] if stage < 4 else [part[share.start :] for part in parts]
            )
            hurry = threading.Event()
            writer = writing(broker.producer(), topic, portion, 10**4, hurry)
            before = pods.progress()
            wait_until(lambda: not stage or pods.progress() > before, "progress", 30)  # noqa: B023
            pods.scale(replicas, workers)
            before = pods.progress()
            wait_until(lambda: pods.progress() > before, f"progress of {replicas} pods", 30)  # noqa: B023
            assert writer.is_alive()
            hurry.set()
            writer.join()
            written = [old + new for old, new in zip(written, portion, strict=True)]
            assert_exact_at(pods, topic, written)
            runs = {(n, 0 if shared else n % (replicas * workers) // workers) for n in range(SHARDS)}
            rebuilt = ", ".join(str(number) for number, _ in sorted(runs - held) if held)
            held |= runs
            lines = [line for line in troubles(pods.output) if line.startswith("no state of shards")]
            expected = f"no state of shards {rebuilt} where they run now: rebuilding them from the source"
            assert [line.endswith(expected) for line in lines] == ([True] if rebuilt else [])


def test_pods_are_killed(tmp_path: Path, broker: Broker, topic: str, redis_url: str) -> None:
    parts = clicks(6000, parts=PARTS)
    hurry = threading.Event()
    writer = writing(broker.producer(), topic, parts, 10**4, hurry)
    rng = Random(1)
    with pods_of(tmp_path, broker, topic, redis_url, shared=False) as pods:
        pods.scale(3)
        for replicas in (3, 3, 3, 2, 2):
            before = pods.progress()
            wait_until(lambda: pods.progress() > before, "progress", 40)  # noqa: B023
            time.sleep(rng.uniform(0, 0.5))
            if rng.random() < 0.3:
                pods.scale(replicas)
                continue
            restarts = pods.restarts
            pods.kill(rng.randrange(replicas))
            wait_until(lambda: pods.restarts >= restarts + replicas, "all end and start again", 40)  # noqa: B023
        assert writer.is_alive()
        hurry.set()
        writer.join()
        assert_exact_at(pods, topic, parts)


@pytest.mark.parametrize(("processes", "workers"), [(2, 1), (4, 1), (1, 2), (2, 2)])
def test_a_log_read_by_one_process(processes: int, workers: int, tmp_path: Path, redis_url: str) -> None:
    records = logs.random_log(7, 6000, large=False)
    logs.write(tmp_path / "log", records)
    source = f"file:{tmp_path / 'log'}"
    run_to_the_end(tmp_path, source, redis_url, processes, workers)
    with redis.Redis.from_url(redis_url) as client:
        found = published(client)
    expected = recompute(list(zip(logs.positions(records), records, strict=True)), time.time_ns() // 10**6)
    assert_same(found, expected, source)
    for number in range(16):
        home = tmp_path / f"state-{number % (processes * workers) // workers}"
        assert read_header(shard_path(home, number)).positions == {source: (tmp_path / "log").stat().st_size}
