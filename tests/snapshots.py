"""What state costs: `python -m tests.snapshots [VISITORS...]` prints a table, a line for each number held.

A log of one click of each visitor, then of CHANGED clicks a second by visitors among them, for SECONDS
seconds; every second is an epoch. The first two columns are the time the snapshots of those seconds took,
of all shards and operators, written and synced; then what the state takes, and the time from the start of a
new process until its first board is in Redis.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis
from bytewax.testing import run_main

from flows import sources
from flows.clicks import build
from flows.inspection import inspect
from flows.settings import Settings
from flows.state import Shard
from tests import logs
from tests.servers import RedisServer, wait_until

CHANGED = 5_000
SECONDS = 60
HELD = (10_000, 100_000, 1_000_000)


def clicks(visitors: int) -> Iterator[bytes]:
    """Yield the log's records, all of one length."""
    rng = Random(visitors)
    begin = logs.MIDNIGHT - SECONDS * logs.SECOND
    for number in range(visitors):
        yield _click(number, begin - logs.HOUR + number * logs.HOUR // visitors, rng)
    for second in range(SECONDS):
        for _ in range(CHANGED):
            yield _click(rng.randrange(visitors), begin + second * logs.SECOND, rng)


def _click(visitor: int, time_ns: int, rng: Random) -> bytes:
    click = {
        "timestamp": time_ns,
        "userId": f"visitor-{visitor:07}",
        "productId": f"P{rng.randrange(1000):03}",
        "category": f"C{rng.randrange(10)}",
        "deviceType": rng.choice(["Desktop", "Tablet ", "Mobile "]),
        "gender": rng.choice("MF"),
        "age": rng.randrange(20, 60),
    }
    return json.dumps(click, separators=(",", ":")).encode()


def snapshots(settings: Settings, record_bytes: int, results: Any) -> None:
    """Run the flow, an epoch a second of the log; puts the milliseconds that each snapshot took."""
    took_s: dict[int, float] = {}
    save: Callable[..., None] = Shard.save

    def timed(shard: Shard, *args: Any) -> None:
        begun_s, epoch = time.perf_counter(), shard._epoch
        save(shard, *args)
        took_s[epoch] = took_s.get(epoch, 0.0) + time.perf_counter() - begun_s

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Shard, "save", timed)
        patch.setattr(sources, "BLOCK_BYTES", record_bytes * CHANGED)
        run_main(build(settings), epoch_interval=timedelta(0))
    results.put([1000 * took_s[epoch] for epoch in sorted(took_s)][-SECONDS:])


def restart_s(settings: Settings) -> float:
    """Return the time until the first board of a new process."""
    environment = {
        "CLICKS_SOURCE": settings.source,
        "CLICKS_STATE_DIR": str(settings.state_dir),
        "REDIS_URL": str(settings.redis_url),
    }
    with redis.Redis.from_url(str(settings.redis_url)) as client:
        client.flushall()
        begun_s = time.monotonic()
        command = [sys.executable, "-m", "bytewax.run", "flows.clicks", "-s", "1"]
        process = subprocess.Popen(command, env={**os.environ, **environment})
        wait_until(lambda: client.exists("board"), "a board", 120)
        took_s = time.monotonic() - begun_s
        assert process.wait(120) == 0
    return took_s


def measure(visitors: int) -> str:
    """Return a line of the table."""
    with tempfile.TemporaryDirectory() as folder, RedisServer() as server:
        logs.write(Path(folder) / "log", clicks(visitors))
        record_bytes = len(next(clicks(visitors))) + 1
        settings = Settings(f"file:{folder}/log", server.url, Path(folder) / "state")
        context = multiprocessing.get_context("spawn")
        results = context.Queue()
        process = context.Process(target=snapshots, args=(settings, record_bytes, results))
        process.start()
        took_ms = results.get(timeout=600)
        process.join()
        shards = inspect(settings.state_dir)
        held_mb = sum(sum(sizes) for shard in shards for sizes in shard.parts.values()) / 1e6
        disk_mb = sum(shard.disk_bytes for shard in shards) / 1e6
        sizes = f"{held_mb:.1f} | {disk_mb:.1f} | {restart_s(settings):.1f}"
    return f"| {visitors:,} | {statistics.median(took_ms):.0f} | {max(took_ms):.0f} | {sizes} |"


def main() -> None:
    """Print the table."""
    print(
        "| visitors held | snapshot, median ms | at most ms | state, MB | on disk, MB | restart to board, s |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for visitors in map(int, sys.argv[1:] or HELD):
        print(measure(visitors), flush=True)


if __name__ == "__main__":
    main()
