"""A flow that runs over a Kafka topic, and when the numbers it publishes are in Redis."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from flows.runtime.ticks import wall_ms
from tests.support.brokers import Broker


def board_in(client: redis.Redis) -> dict[str, Any]:
    """Return the board, empty while there is none."""
    value: Any = client.get("board")
    return json.loads(value) if value else {}


class RedisWatch:
    """Notes when (ms) each board is seen, and when each number of visitors first."""

    def __init__(self, client: redis.Redis) -> None:
        self.boards: list[tuple[int, dict[str, Any]]] = []
        self.seen_ms: dict[int, int] = {}
        self._client = client
        self._boards = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self._boards.subscribe(boards=self._note)
        self._thread = self._boards.run_in_thread(sleep_time=0.1)

    def _note(self, _message: object) -> None:
        board, at_ms = json.loads(str(self._client.get("board"))), wall_ms()
        self.boards.append((at_ms, board))
        self.seen_ms.setdefault(board["visitors_15m"], at_ms)

    def stop(self) -> None:
        """Stop watching."""
        self._thread.stop()
        self._thread.join()
        self._boards.close()


def started_flow(
    broker: Broker, topic: str, redis_url: str, folder: Path, **settings: str
) -> subprocess.Popen[bytes]:
    """Start the flow in a process of its own, which prints into `folder`/flow.log."""
    own = {
        "CLICKS_SOURCE": f"kafka:{broker.address}/{topic}",
        "CLICKS_STATE_DIR": str(folder / "state"),
        "REDIS_URL": redis_url,
    }
    with (folder / "flow.log").open("wb") as log:
        command = [sys.executable, "-m", "bytewax.run", "flows.clicks", "-s", "1"]
        return subprocess.Popen(
            command, env=os.environ | settings | own, stdout=log, stderr=subprocess.STDOUT
        )


@contextmanager
def running_flow(
    broker: Broker, topic: str, redis_url: str, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the flow in a process of its own."""
    flow = started_flow(broker, topic, redis_url, folder)
    try:
        yield flow
        assert flow.poll() is None, (folder / "flow.log").read_text()
    finally:
        flow.terminate()
        flow.wait(20)


def first_seen(seen_ms: dict[int, int], number: int) -> int:
    """Return when a number, or one beyond it, was first seen."""
    return min(at_ms for seen, at_ms in seen_ms.items() if seen >= number)


def percentiles(taken_ms: list[float]) -> str:
    """Return median, 99th percentile and maximum as text."""
    taken_ms = sorted(taken_ms)
    worst_ms = taken_ms[min(len(taken_ms) - 1, round(len(taken_ms) * 0.99))]
    return (
        f"median {statistics.median(taken_ms):.0f} ms, 99th percentile {worst_ms:.0f} ms, "
        f"at most {taken_ms[-1]:.0f} ms"
    )
