"""The wall clock set while the flow runs, or not that of other hosts: boards go on, every second."""

from __future__ import annotations

import json
import re
import signal
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support import logs
from tests.support.brokers import Broker
from tests.support.processes import Flow
from tests.support.servers import wait_until
from tests.support.wall_clock import WallClock, python_clock

DEMO = {"CLICKS_SOURCE": "demo:?rate=20&history=1m", "CLICKS_SHARDS": "2"}
PHONE_AHEAD_S = 299


def boards(redis_url: str, number: int) -> list[tuple[float, dict[str, Any]]]:
    """Return (monotonic seconds, board) of the next boards."""
    with redis.Redis.from_url(redis_url) as client:
        channel = client.pubsub(ignore_subscribe_messages=True)
        channel.subscribe("boards")
        found: list[tuple[float, dict[str, Any]]] = []
        while len(found) < number:
            message = channel.get_message(timeout=10)
            assert message is not None or not found, "no board for 10 s"
            if message is not None:
                found.append((time.monotonic(), json.loads(str(client.get("board"), "utf-8"))))
        channel.close()
    return found


def metric(text: str, name: str) -> float:
    [value] = re.findall(rf"^{name} (\S+)$", text, re.MULTILINE)
    return float(value)


@pytest.mark.parametrize("steps_s", [[-20], [-3600], [3600, 0]])
def test_the_wall_clock_is_set_while_clicks_arrive(
    steps_s: list[float], tmp_path: Path, redis_url: str
) -> None:
    clock = WallClock(tmp_path)
    environment = DEMO | {"REDIS_URL": redis_url} | clock.environment
    # No epoch ends by itself meanwhile, half of whose sources would wait for the clock that is set back.
    flow = Flow(tmp_path, environment, arguments=("-s", "60"))
    with flow, redis.Redis.from_url(redis_url) as client:
        wait_until(lambda: client.exists("board"), "a board", 30)
        seen = boards(redis_url, 2)
        for ahead_s in steps_s:
            clock.set(ahead_s)
            seen += boards(redis_url, 4)
        at_s, published_s = [at for at, _ in seen], [board["published_at"] / 1000 for _, board in seen]
        gaps_s = [after - before for before, after in pairwise(at_s)]
        assert max(gaps_s) < 2.5, gaps_s
        # By the flow's clock, which goes on as it was.
        assert published_s[-1] - published_s[0] == pytest.approx(at_s[-1] - at_s[0], abs=1)
        clicks = [board["clicks_total"] for _, board in seen]
        assert clicks == sorted(clicks)
        assert clicks[-1] > clicks[0]
        shown = flow.metrics()
        assert metric(shown, "clicks_clock_steps_total") == len(steps_s)
        assert metric(shown, "clicks_clock_difference_seconds") == pytest.approx(steps_s[-1], abs=1)
        said = f"clock was set {'back' if steps_s[-1] <= 0 else 'forward'} by"
        flow.wait_for(said)
        flow.signal(signal.SIGTERM)
        assert flow.end() == [0]


def click(user: str, ahead_s: float, **fields: Any) -> bytes:
    return logs.record_of(logs.click_of(user, time.time_ns() + int(ahead_s * 1e9), **fields))


def kafka(broker: Broker, topic: str, redis_url: str) -> dict[str, str]:
    return {
        "CLICKS_SOURCE": f"kafka:{broker.address}/{topic}",
        "KAFKA_GROUP_ID": topic,
        "REDIS_URL": redis_url,
        "CLICKS_SHARDS": "2",
    }


def send(broker: Broker, topic: str, records: list[bytes], partition: int = 0) -> None:
    producer = broker.producer()
    for record in records:
        producer.produce(topic, record, partition=partition)
    assert producer.flush(10) == 0


def board(client: Any) -> dict[str, Any]:
    found = client.get("board")
    return json.loads(found) if found else {"clicks_total": -1}


def test_processes_whose_hosts_differ_delay_nothing_and_say_so(tmp_path: Path, redis_url: str) -> None:
    with Broker() as broker, redis.Redis.from_url(redis_url) as client:
        broker.create("hosts", 2)
        own = {1: python_clock(tmp_path, -30)}
        with Flow(tmp_path, kafka(broker, "hosts", redis_url), processes=2, own=own) as flow:
            wait_until(lambda: client.exists("board"), "a board", 30)
            for partition in (0, 1):
                send(broker, "hosts", [click(f"user-{partition}", -1)], partition)
            wait_until(lambda: board(client)["clicks_total"] == 2, "both clicks", 6)
            assert board(client)["visitors_15m"] == 2
            flow.wait_for("s behind the flow's: check NTP")
            assert metric(flow.metrics(1), "clicks_clock_difference_seconds") == pytest.approx(-30, abs=1)
            assert abs(metric(flow.metrics(0), "clicks_clock_difference_seconds")) < 1
            assert board(client)["published_at"] == pytest.approx(time.time_ns() / 10**6, abs=5000)
            flow.signal(signal.SIGTERM)
            assert flow.end() == [0, 0]


def test_a_flow_whose_processes_wait_for_a_clock_that_was_set_back_ends_and_goes_on(
    tmp_path: Path, redis_url: str
) -> None:
    clock = WallClock(tmp_path)
    with Broker() as broker, redis.Redis.from_url(redis_url) as client:
        broker.create("back", 2)
        settings = kafka(broker, "back", redis_url)
        with Flow(tmp_path, settings, processes=2, own={1: clock.environment}) as flow:
            send(broker, "back", [click("before", -1)])
            wait_until(lambda: board(client)["clicks_total"] == 1, "the click", 30)
            clock.set(-3600)
            flow.wait_for("set back by 3600.0 s, and Bytewax waits for it: start the flow again")
        send(broker, "back", [click("after", -1)], partition=1)
        # With its true clock: librdkafka waits by that.
        with Flow(tmp_path, settings, processes=2) as flow:
            wait_until(lambda: board(client)["clicks_total"] == 2, "both clicks", 30)
            assert board(client)["visitors_15m"] == 2
            flow.signal(signal.SIGTERM)
            assert flow.end() == [0, 0]


def test_one_fast_phone_changes_nothing_for_anyone_else(tmp_path: Path, redis_url: str) -> None:
    with Broker() as broker, redis.Redis.from_url(redis_url) as client:
        broker.create("phone", 1)
        visitors = [click(f"user-{n}", -n, deviceType="Mobile") for n in range(590)]
        send(broker, "phone", visitors)
        with Flow(tmp_path, kafka(broker, "phone", redis_url)) as flow:
            wait_until(lambda: board(client)["clicks_total"] == 590, "all clicks", 30)
            before = board(client)
            send(broker, "phone", [click("fast", PHONE_AHEAD_S, deviceType="Mobile")])
            wait_until(lambda: board(client)["ahead"] == 1, "a click ahead", 10)
            after = board(client)
            assert after["visitors_15m"] == before["visitors_15m"] == 590
            # Those whose ten minutes are over leave one by one, and no more than that.
            passed_s = (after["as_of"] - before["as_of"]) / 1000
            assert 0 <= before["devices_now"] - after["devices_now"] <= passed_s + 1
            assert after["as_of"] <= after["published_at"]
            assert after["clicks_total"] == 590
            # It is killed, and what waits still waits.
            flow.kill()
        with Flow(tmp_path, kafka(broker, "phone", redis_url)) as flow:
            flow.wait_for("reading phone/0")
            seen = boards(redis_url, 2)[-1][1]
            assert (seen["ahead"], seen["clicks_total"], seen["rejected_total"]) == (1, 590, 0)
            flow.signal(signal.SIGTERM)
            assert flow.end() == [0]
