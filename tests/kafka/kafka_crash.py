"""The flow killed and started again over a topic to which a producer writes all the time."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from operator import itemgetter
from pathlib import Path
from random import Random

from tests.kafka.kafka_flow import KafkaFlow, clicks, writing
from tests.support.brokers import Broker
from tests.support.servers import wait_until

TOPIC = "clicks"
# More than are written while a slow machine starts the flow.
PER_KILL = 1000
END_S = 120.0


def kill_while_writing(
    folder: Path, redis_url: str, shards: int, workers: str, kills: int, rng: Random
) -> None:
    """Kill `kills` times at random moments, then compare every value with the oracle's."""
    parts = clicks(kills * PER_KILL, rng.randrange(10**6), parts=rng.choice([1, 3]))
    with Broker() as broker, flow_over(broker, folder, redis_url) as flow:
        broker.create(TOPIC, len(parts))
        flow.environment["CLICKS_SHARDS"] = str(shards)
        flow.arguments += ["-w", workers]
        hurry = threading.Event()
        writer = writing(broker.producer(), TOPIC, parts, kills * PER_KILL // 3, hurry)
        for _ in range(kills):
            run_for(flow, rng.uniform(0, 0.4))
            assert_committed_is_on_disk(flow, broker, len(parts))
        assert writer.is_alive(), "all was written before the last kill"
        hurry.set()
        writer.join()
        flow.start()
        assert_exact_in_the_end(flow, broker, len(parts))


@contextmanager
def flow_over(broker: Broker, folder: Path, redis_url: str) -> Iterator[KafkaFlow]:
    """Give a flow, and end it whatever happens."""
    flow = KafkaFlow(folder, broker.address, TOPIC, redis_url)
    try:
        yield flow
    finally:
        flow.redis.close()
        if flow.process is not None:
            flow.process.kill()
            flow.process.join()


def assert_exact_in_the_end(flow: KafkaFlow, broker: Broker, parts: int) -> None:
    """Wait until all that the topic holds is published, and compare every value with the oracle's.

    A producer whose broker does not answer in time sends again: what counts is what the topic holds. It is
    read anew until the numbers agree, since the end that the broker tells may be less than it is.
    """
    deadline_s = time.monotonic() + END_S
    while True:
        held = [broker.records(flow.topic, number) for number in range(parts)]
        clicks = sum(map(len, held))
        if flow.board().get("clicks_total") == clicks:
            break
        assert flow.process is not None
        assert flow.process.is_alive(), flow.output
        assert time.monotonic() < deadline_s, f"{clicks} clicks, not within {END_S} s: {flow.board()}"
    flow.assert_exact(arrived(held))


def arrived(parts: list[list[bytes]]) -> list[tuple[int, bytes]]:
    """Return the records of all partitions numbered by event time, but those of each in their order."""
    stamped: list[tuple[int, bytes]] = []
    for part in parts:
        stamped += zip(
            accumulate((json.loads(record)["timestamp"] for record in part), max), part, strict=True
        )
    return list(enumerate(record for _, record in sorted(stamped, key=itemgetter(0))))


def run_for(flow: KafkaFlow, seconds: float) -> None:
    """Start the flow, and kill it some seconds after it has published more than the run before."""
    before = flow.progress()
    flow.start()
    wait_until(lambda: flow.progress() > before, "progress", 40)
    time.sleep(seconds)
    assert flow.signal(signal.SIGKILL) == -signal.SIGKILL, flow.output


def assert_committed_is_on_disk(flow: KafkaFlow, broker: Broker, parts: int) -> None:
    """Check that every shard has on disk what the group has committed."""
    for number, committed in enumerate(broker.committed(flow.topic, flow.topic, parts)):
        assert (committed or 0) <= (flow.applied(number) or 0)
