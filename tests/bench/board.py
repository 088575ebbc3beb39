"""What limits the number of shards and processes: `python -m tests.bench.board [SHARDS...]`.

Runs the flow over a log of the built-in shop and prints for each number of shards, as medians: how many
reports make a board, how many bytes they are if they cross between processes, the time it takes to put them
together, and what goes to Redis. Then what a batch costs each shard, however few clicks it has for it, and
what a stream entry costs.
"""

from __future__ import annotations

import pickle
import statistics
import sys
import tempfile
import time
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from bytewax.testing import run_main

from flows.clicks import build
from flows.entries.entry import pack
from flows.entries.outbox import Receipts
from flows.model.board import Board
from flows.operators import board
from flows.operators.windowed import Report
from flows.settings import Settings
from flows.sinks.redis.sink import RedisSink
from flows.sources import file as sources
from tests.bench.log import make_log
from tests.support.servers import RedisServer

SHARDS = (16, 64, 256, 1024)
CLICKS, VISITORS = 200_000, 40_000
ENTRIES, TOGETHER = 100_000, 100
SMALL_BYTES, LARGE_BYTES = 1 << 19, 1 << 23


def run(log: Path, shards: int, publish_every_ms: int) -> float:
    """Run the flow with new state; returns the CPU seconds it takes."""
    with tempfile.TemporaryDirectory() as state, RedisServer() as server:
        flow = build(Settings(f"file:{log}", server.url, Path(state), shards, publish_every_ms))
        begun_s = time.process_time()
        run_main(flow)
        return time.process_time() - begun_s


def boards(log: Path, shards: int) -> list[tuple[int, int, float, int]]:
    """Return of each board: its reports, their bytes, the CPU ms of putting them together, its bytes."""
    made: list[tuple[list[Report], float, Board]] = []
    compose = board.compose

    def timed(metrics: Any, reports: list[Report], every_ms: int) -> Board:
        begun_s = time.thread_time()
        done = compose(metrics, reports, every_ms)
        made.append((reports, 1000 * (time.thread_time() - begun_s), done))
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(board, "compose", timed)
        run(log, shards, 100)
    return [
        (len(reports), sum(len(pickle.dumps(one)) for one in reports), took_ms, len(str(done.values)))
        for reports, took_ms, done in made
    ]


def shard_us(log: Path) -> float:
    """Return the CPU time of a shard for a batch: what the same clicks cost more in smaller batches."""
    took_s: dict[int, list[float]] = {SMALL_BYTES: [], LARGE_BYTES: []}
    for block_bytes, runs in 3 * list(took_s.items()):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sources, "BLOCK_BYTES", block_bytes)
            runs.append(run(log, SHARDS[1], 3_600_000))
    batches = log.stat().st_size * (1 / SMALL_BYTES - 1 / LARGE_BYTES)
    return (min(took_s[SMALL_BYTES]) - min(took_s[LARGE_BYTES])) / batches / SHARDS[1] * 1e6


def entry_us() -> tuple[float, float]:
    """Return the CPU time an entry like those of journeys' steps takes, of the process and of Redis."""
    words = {"user": "x" * 36, "product": "x" * 10, "category": "clothing", "state": "clothes_visited"}
    fields: dict[str, Any] = {name: [word] * TOGETHER for name, word in (words | {"offer": "offer1"}).items()}
    fields["time_ns"] = np.full(TOGETHER, 1_700_147_866_722_586_000)
    entries = [
        piece
        for first in range(0, ENTRIES, TOGETHER)
        for piece in pack(
            "special_offers", f"origin-{first % 16}", [np.arange(first, first + TOGETHER)], fields
        )
    ]
    missing, written = count(1 - len(entries)), Event()

    def note(*_: object) -> None:
        if next(missing) == 0:
            written.set()

    receipts = Receipts()
    with RedisServer() as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(receipts, "sink", lambda _: note)
        sink = RedisSink(Settings(redis_url=server.url), receipts).build("redis", 0, 1)
        begun_s = time.process_time()
        sink.write_batch([entries])
        assert written.wait(300)
        took_s = time.process_time() - begun_s
        sink.close()
        with server.client() as client:
            cpu = client.info("cpu")
    return took_s / ENTRIES * 1e6, (cpu["used_cpu_user"] + cpu["used_cpu_sys"]) / ENTRIES * 1e6


def main() -> None:
    """Print the table."""
    print("| shards | reports a board | their KB | making a board, CPU ms | board, KB |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        make_log(log, CLICKS, VISITORS)
        for shards in map(int, sys.argv[1:] or SHARDS):
            columns = zip(*boards(log, shards), strict=True)
            reports, sent, took_ms, size = (statistics.median(column) for column in columns)
            print(f"| {shards:,} | {reports:,.0f} | {sent / 1e3:,.0f} | {took_ms:.1f} | {size / 1e3:,.0f} |")
        make_log(log, CLICKS // 4, VISITORS // 4)
        print(f"\nA batch takes {shard_us(log):.0f} CPU us of each shard.")
    print("A stream entry takes {:.1f} CPU us of the process and {:.1f} of Redis.".format(*entry_us()))


if __name__ == "__main__":
    main()
