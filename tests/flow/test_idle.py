"""What an idle worker costs, and that one with work does not rest."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import redis

from flows.runtime.idle import REST_S, Idle
from tests.support.processes import Flow
from tests.support.servers import wait_until


def wakes(pid: int) -> int:
    """Return how often the workers of a process of a cluster have gone to sleep."""
    tasks = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/status")]
    workers = [status for status in tasks if status.startswith("Name:\ttimely:work")]
    assert workers
    return sum(int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0]) for status in workers)


def test_a_worker_with_nothing_to_do_rests() -> None:
    rest = Idle()
    began_s, took = time.monotonic(), 0
    while time.monotonic() - began_s < 10 * REST_S:
        assert rest.take()
        took += 1
    # A few naps after each long sleep.
    assert took < 10 * 20


def test_a_worker_that_knows_that_nothing_moves_only_rests() -> None:
    rest = Idle()
    began_s, took = time.monotonic(), 0
    while time.monotonic() - began_s < 10 * REST_S:
        assert rest.take(still=True)
        took += 1
    # A few naps in the beginning.
    assert took < 10 + 20
    began_s = time.monotonic()
    assert rest.take(still=False)
    assert time.monotonic() - began_s < REST_S


def test_a_rest_ends_when_something_is_due() -> None:
    rest = Idle()
    began_s = time.monotonic()
    for _ in range(100):
        assert rest.take(0.001)
    assert time.monotonic() - began_s < 10 * REST_S


def test_a_worker_that_computes_does_not_however_slowly() -> None:
    rest = Idle()
    until_s = time.thread_time() + 0.002
    while time.thread_time() < until_s:
        pass
    # As on a machine that has little time for it.
    threading.Event().wait(0.05)
    assert not rest.take()
    assert rest.take()


def test_all_workers_of_a_quiet_flow_are_woken_seldom(tmp_path: Path, redis_url: str) -> None:
    environment = {"CLICKS_SOURCE": "demo:?rate=10&history=10s", "REDIS_URL": redis_url}
    with Flow(tmp_path, environment, processes=2) as flow, redis.Redis.from_url(redis_url) as client:
        wait_until(lambda: client.exists("board"), "a board", 60)
        boards = client.pubsub(ignore_subscribe_messages=True)
        boards.subscribe("boards")
        began_s, before = time.monotonic(), [wakes(pid) for pid in flow.pids]
        seen = [boards.get_message(timeout=None) for _ in range(4)]
        took_s = time.monotonic() - began_s
        assert any(seen)
        # Bytewax alone would wake them a thousand times.
        each_s = [(wakes(pid) - known) / took_s for pid, known in zip(flow.pids, before, strict=True)]
        assert max(each_s) < 400
