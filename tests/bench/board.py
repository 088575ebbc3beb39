"""What ends in one place, however many processes the flow has: `python -m tests.bench.board [SHARDS...]`.

Runs the flow over a log of the built-in shop and prints for each number of shards, as medians: how many
reports make a board, how many bytes they are if they cross between processes, the time it takes to put them
together, and what goes to Redis. Then what one shard more costs for each batch of the source, reports
included, and what a stream entry costs.
"""

from __future__ import annotations

import pickle
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from bytewax.testing import run_main

from flows import board, sources
from flows.clicks import build
from flows.items import Board, Entry
from flows.redis_sink import RedisSink
from flows.settings import Settings
from flows.windowed import Report
from tests.bench.throughput import make_log
from tests.servers import RedisServer

SHARDS = (16, 64, 256, 1024)
CLICKS, VISITORS = 300_000, 60_000
ENTRIES = 100_000
BLOCK_BYTES = 1 << 21


def measure(log: Path, shards: int) -> tuple[list[tuple[int, int, float, int]], float]:
    """Return of each board reports, their bytes, CPU ms of the making, its bytes; and CPU seconds of all."""
    made: list[tuple[list[Report], float, Board]] = []
    compose = board.compose

    def timed(reports: list[Report], *rest: Any) -> Board:
        begun_s = time.thread_time()
        done = compose(reports, *rest)
        made.append((reports, 1000 * (time.thread_time() - begun_s), done))
        return done

    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory() as state,
        RedisServer() as redis,
    ):
        patch.setattr(board, "compose", timed)
        patch.setattr(sources, "BLOCK_BYTES", BLOCK_BYTES)
        begun_s = time.process_time()
        run_main(build(Settings(f"file:{log}", redis.url, Path(folder), shards, publish_every_ms=100)))
        cpu_s = time.process_time() - begun_s
    boards = [
        (len(reports), sum(len(pickle.dumps(one)) for one in reports), took_ms, len(str(done.values)))
        for reports, took_ms, done in made
    ]
    return boards, cpu_s


def entry_us() -> tuple[float, float]:
    """Return the CPU time an entry like those of journeys' steps takes, of the process and of Redis."""
    fields = {"created": "1700147866.722", "msg": "x" * 110, "user": "x" * 36, "state": "clothes_visited"}
    entries = [Entry("special_offers", f"lane-{n % 16}", f"{n:012}", fields) for n in range(ENTRIES)]
    with RedisServer() as server:
        sink = RedisSink(Settings(redis_url=server.url)).build("redis", 0, 1)
        begun_s = time.process_time()
        sink.write_batch(list(entries))
        sink.close()
        took_s = time.process_time() - begun_s
        with server.client() as client:
            assert client.xlen("special_offers") == ENTRIES
            cpu = client.info("cpu")
    return took_s / ENTRIES * 1e6, (cpu["used_cpu_user"] + cpu["used_cpu_sys"]) / ENTRIES * 1e6


def main() -> None:
    """Print the table."""
    print("| shards | reports a board | their KB | making a board, CPU ms | board, KB |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    cpu_s: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        make_log(log, CLICKS, VISITORS)
        batches = log.stat().st_size / BLOCK_BYTES
        for shards in map(int, sys.argv[1:] or SHARDS):
            boards, cpu_s[shards] = measure(log, shards)
            reports, sent, took_ms, size = (statistics.median(column) for column in zip(*boards, strict=True))
            print(f"| {shards:,} | {reports:,.0f} | {sent / 1e3:,.0f} | {took_ms:.1f} | {size / 1e3:,.0f} |")
    few, many = min(cpu_s), max(cpu_s)
    if many > few:
        shard_us = (cpu_s[many] - cpu_s[few]) / (many - few) / batches * 1e6
        print(f"\nA shard more costs {shard_us:.0f} CPU us for each batch.")
    print("A stream entry takes {:.1f} CPU us of the process and {:.1f} of Redis.".format(*entry_us()))


if __name__ == "__main__":
    main()
