"""The flow told to stop, whatever it is doing: it saves and ends, and the next start is exact."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import redis

from tests.faults.crash import CrashedFlow, await_progress
from tests.faults.injection import Faults, troubles
from tests.support import logs
from tests.support.brokers import Broker
from tests.support.processes import Flow
from tests.support.servers import RedisServer, free_port, wait_until

STOPS = "the flow saves its state and ends"
DEMO = {"CLICKS_SOURCE": "demo:?rate=20&history=5m", "CLICKS_SHARDS": "2"}


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as started:
        yield started


@pytest.mark.parametrize(("told", "workers"), [(0, "1"), (1, "2")])
def test_one_of_two_processes_is_told(told: int, workers: str, tmp_path: Path, redis_url: str) -> None:
    records = logs.random_log(3, clicks=12_000, visitors=120, large=False, broken=0.04)

    def start(faults: Faults) -> list[tuple[CrashedFlow, BaseProcess]]:
        addresses = f"127.0.0.1:{free_port()};127.0.0.1:{free_port()}"
        started = []
        for number in (0, 1):
            arguments = ["-s", "1", "-w", workers, "-i", str(number), "-a", addresses]
            flow = CrashedFlow(tmp_path, redis_url, records, 4, arguments, f"output-{number}")
            started.append((flow, flow.start(faults)))
        return started

    # The log is read by the first process, so that the second has no source of its own to end.
    pair = start(Faults(pause_s=0.02))
    await_progress(*pair[told])
    pair[told][1].terminate()
    for number, (flow, process) in enumerate(pair):
        assert flow.end(process) == 0, flow.output
        assert f"{'SIGTERM' if number == told else 'another process stops'}: {STOPS}" in flow.output
    assert 0 < pair[0][0].applied() < pair[0][0].log.stat().st_size, "it was to be stopped before the end"
    pair = start(Faults(1 << 20, pause_s=0.0, epoch_ms=1000))
    for flow, process in pair:
        assert flow.end(process) == 0, flow.output
    pair[0][0].assert_exact()


def test_a_hung_redis_is_given_up(tmp_path: Path, server: RedisServer) -> None:
    with Flow(tmp_path, DEMO | {"REDIS_URL": server.url}) as flow:
        flow.wait_for("caught up")
        server.pause()
        flow.signal(signal.SIGTERM)
        assert flow.end() == [0]
    assert "not written at the end: the newest board" in troubles(flow.output)[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(number: signal.Signals, tmp_path: Path, server: RedisServer) -> None:
    with Flow(tmp_path, DEMO | {"REDIS_URL": server.url}) as flow:
        flow.wait_for("caught up")
        server.pause()
        flow.signal(number)
        flow.wait_for(f"INFO {number.name}: {STOPS}")
        began_s = time.monotonic()
        flow.signal(number)
        assert flow.end() == [128 + number]
        assert time.monotonic() - began_s < 5


@pytest.mark.parametrize("at", ["the start", "work"])
def test_a_broker_that_is_down_does_not_keep_it(at: str, tmp_path: Path, redis_url: str) -> None:
    with Broker() as broker:
        broker.create("clicks")
        environment = {"CLICKS_SOURCE": f"kafka:{broker.address}/clicks", "REDIS_URL": redis_url}
        if at == "the start":
            broker.kill()
        with Flow(tmp_path, environment) as flow, redis.Redis.from_url(redis_url) as client:
            if at == "work":
                wait_until(lambda: client.exists("board"), "a board", 30)
                broker.kill()
            flow.wait_for("is down")
            began_s = time.monotonic()
            flow.signal(signal.SIGTERM)
            assert flow.end() == [0]
            assert time.monotonic() - began_s < 10


def test_peers_that_never_come_do_not_keep_it(tmp_path: Path, redis_url: str) -> None:
    arguments = ("-i", "1", "-a", f"127.0.0.1:{free_port()};127.0.0.1:{free_port()}")
    with Flow(tmp_path, DEMO | {"REDIS_URL": redis_url}, arguments=arguments) as flow:
        flow.wait_for("retrying")
        flow.signal(signal.SIGTERM)
        assert flow.end() == [0]


def test_what_does_not_end_is_ended() -> None:
    program = "; ".join(
        [
            "import os, signal, time; from flows.runtime import signals as stopping",
            "stopping.GRACE_S = 0.2; stopping.note_running(); stopping.stop_on_signals()",
            "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
        ]
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    line = "not ended 0 s after SIGTERM: ended now, without saving; the next start is exact\n"
    assert (ended.returncode, ended.stderr) == (1, line)
