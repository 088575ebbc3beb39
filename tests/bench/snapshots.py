"""What state costs: `python -m tests.bench.snapshots [--clicks N] [VISITORS...]`, a line for each number.

A log of one click of each visitor, then of N clicks a second by visitors among them, for SECONDS seconds;
every second is an epoch. The first columns are what the snapshots of those seconds took, of all shards and
operators: processor time, and time until all of it was written and synced. Then what the state takes, and the
time from the start of a new process until its first board is in Redis.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import redis
from bytewax.testing import run_main

from flows.clicks import build
from flows.model.columns import Floats
from flows.settings import Settings
from flows.sources import file as sources
from flows.state.inspection import inspect
from flows.state.shard import Shard
from tests.support import logs
from tests.support.servers import RedisServer, wait_until

SECONDS = 60
HELD = (10_000, 100_000, 1_000_000)


def clicks(visitors: int, a_second: int) -> Iterator[bytes]:
    """Yield the log's records, all of one length; `a_second` of them in each second at its end."""
    rng = Random(visitors)
    begin = logs.MIDNIGHT - SECONDS * logs.SECOND
    for number in range(visitors):
        yield _click(number, begin - logs.HOUR + number * logs.HOUR // visitors, rng)
    for second in range(SECONDS):
        for _ in range(a_second):
            yield _click(rng.randrange(visitors), begin + second * logs.SECOND, rng)


def _click(visitor: int, time_ns: int, rng: Random) -> bytes:
    device = rng.choice(["Desktop", "Tablet", "Mobile"])
    click = {
        "timestamp": time_ns,
        "userId": f"visitor-{visitor:07}",
        "productId": f"P{rng.randrange(1000):03}",
        "category": f"C{rng.randrange(10)}",
        "deviceType": device,
        "title": "A title".ljust(20 - len(device)),
        "gender": rng.choice("MF"),
        "age": rng.randrange(20, 60),
    }
    return json.dumps(click, separators=(",", ":")).encode()


def snapshots(settings: Settings, block_bytes: int, results: Any) -> None:
    """Run the flow, an epoch a second of the log; puts (CPU ms, ms) that each snapshot took."""
    took_s: dict[int, Floats] = defaultdict(lambda: np.zeros(2))
    save: Callable[..., None] = Shard.save

    def now_s() -> Floats:
        return np.array([time.thread_time(), time.perf_counter()])

    def timed(shard: Shard, *args: Any) -> None:
        begun_s, epoch = now_s(), shard._epoch
        save(shard, *args)
        took_s[epoch] += now_s() - begun_s

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Shard, "save", timed)
        patch.setattr(sources, "BLOCK_BYTES", block_bytes)
        run_main(build(settings), epoch_interval=timedelta(0))
    results.put([(1000 * took_s[epoch]).tolist() for epoch in sorted(took_s)][-SECONDS:])


def restart_s(settings: Settings) -> tuple[float, float]:
    """Return the time until the first board of a new process, and what processor time it took in all."""
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
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
    return took_s, used.ru_utime + used.ru_stime


def measure(visitors: int, a_second: int) -> str:
    """Return a line of the table."""
    with tempfile.TemporaryDirectory() as folder, RedisServer() as server:
        logs.write(Path(folder) / "log", clicks(visitors, a_second))
        block_bytes = (len(next(clicks(visitors, a_second))) + 1) * a_second
        settings = Settings(f"file:{folder}/log", server.url, Path(folder) / "state")
        context = multiprocessing.get_context("spawn")
        results = context.Queue()
        process = context.Process(target=snapshots, args=(settings, block_bytes, results))
        process.start()
        cpu_ms, took_ms = zip(*results.get(timeout=600), strict=True)
        process.join()
        shards = inspect(settings.state_dir)
        held_mb = sum(sum(sizes) for shard in shards for sizes in shard.parts.values()) / 1e6
        disk_mb = sum(shard.disk_bytes for shard in shards) / 1e6
        sizes = (
            f"{held_mb:.1f} | {disk_mb:.1f} | {' | '.join(f'{took_s:.1f}' for took_s in restart_s(settings))}"
        )
    times = f"{statistics.median(cpu_ms):.0f} | {max(cpu_ms):.0f} | {statistics.median(took_ms):.0f}"
    return f"| {visitors:,} | {a_second:,} | {times} | {sizes} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.snapshots")
    parser.add_argument("--clicks", type=int, default=5_000, help="how many a second")
    parser.add_argument("visitors", type=int, nargs="*", default=HELD)
    options = parser.parse_args()
    print(
        "| visitors held | clicks/s | snapshot, median CPU ms | at most CPU ms | median ms "
        "| state, MB | on disk, MB | restart to board, s | CPU s |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for visitors in options.visitors:
        print(measure(visitors, options.clicks), flush=True)


if __name__ == "__main__":
    main()
