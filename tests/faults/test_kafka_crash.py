"""The flow and the broker killed while a producer writes: afterwards every value equals the oracle's."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from random import Random

import pytest

from tests.faults.injection import COMMIT_POINTS, Faults
from tests.kafka.kafka_crash import (
    TOPIC,
    assert_committed_is_on_disk,
    assert_exact_in_the_end,
    flow_over,
    kill_while_writing,
)
from tests.kafka.kafka_flow import KafkaFlow, clicks, writing
from tests.support.brokers import Broker
from tests.support.servers import RedisServer, wait_until

KILLS = 20
KILLS_AT_POINT = 10
RESTARTS = 5


def test_killed_while_a_producer_writes(tmp_path: Path, redis_url: str) -> None:
    kill_while_writing(tmp_path, redis_url, 4, "1", KILLS, Random(1))


@pytest.mark.parametrize("point", COMMIT_POINTS)
def test_killed_at(point: str, tmp_path: Path, redis_url: str) -> None:
    rng, parts = Random(point), clicks(KILLS_AT_POINT * 1000, parts=2)
    with Broker() as broker, flow_over(broker, tmp_path, redis_url) as flow:
        broker.create(TOPIC, 2)
        hurry = threading.Event()
        writer = writing(broker.producer(), TOPIC, parts, KILLS_AT_POINT * 200, hurry)
        for _ in range(KILLS_AT_POINT):
            flow.faults = Faults(pause_s=0.0, epoch_ms=100, kill_at=(point, rng.randrange(1, 6)))
            flow.start()
            assert flow.wait() == -signal.SIGKILL, flow.output
            assert_committed_is_on_disk(flow, broker, 2)
        hurry.set()
        writer.join()
        flow.faults = Faults(pause_s=0.0, epoch_ms=100)
        flow.start()
        assert_exact_in_the_end(flow, broker, 2)
        assert flow.signal(signal.SIGTERM) == 0, flow.output


def test_broker_restarts_while_redis_is_gone(tmp_path: Path) -> None:
    rng, parts = Random(2), clicks(RESTARTS * 800, parts=2)
    with (
        Broker("kept") as broker,
        RedisServer() as server,
        flow_over(broker, tmp_path, server.url) as flow,
    ):
        broker.create(TOPIC, 2)
        server.kill()
        hurry = threading.Event()
        writer = writing(broker.producer(), TOPIC, parts, RESTARTS * 80, hurry, 0.5)
        flow.start()
        for end in rng.sample([broker.stop, broker.kill] * RESTARTS, 2 * RESTARTS):
            await_state(flow)
            end()
            broker.start()
        await_state(flow)
        assert writer.is_alive()
        hurry.set()
        writer.join()
        server.start()
        assert_exact_in_the_end(flow, broker, 2)
        assert flow.signal(signal.SIGTERM) == 0, flow.output


def await_state(flow: KafkaFlow) -> None:
    """Wait until more of either partition is on disk."""

    def applied() -> int:
        assert flow.process is not None
        assert flow.process.is_alive(), flow.output
        return sum(flow.applied(number) or 0 for number in range(2))

    begun = applied()
    wait_until(lambda: applied() > begun, "state", 20)
