"""Clicks per second of the whole flow, beside decoding alone: `make bench`.

Makes a log of the built-in shop, then runs each in turn in a process of its own, and prints medians. The flow
writes a board a second to a real Redis, with all metrics, journeys and RocksDB on.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bytewax.testing import run_main

from flows.clicks import build
from flows.decode import decode
from flows.items import Batch
from flows.settings import Settings
from flows.shop import Shop
from flows.sources import FilePartition, Metronome
from tests.servers import RedisServer

HOURS = 9.5


def make_log(path: Path, clicks: int, visitors: int) -> None:
    """Write about `clicks` clicks of HOURS hours of a day that is over."""
    end_s = int(time.time()) // 86_400 * 86_400 - 6 * 3600
    shop = Shop(rate=clicks / (HOURS * 3600) * 0.8, visitors=2 * visitors)
    made = 0
    with path.open("wb") as log:
        for second_s in range(end_s - int(HOURS * 3600), end_s):
            records = shop.second(second_s)
            made += len(records)
            log.writelines(record + b"\n" for record in records)
            if made >= clicks:
                return


def decode_alone(log: Path) -> int:
    """Decode the log as the flow does; returns its clicks."""
    part = FilePartition(log, "log", 0, Metronome(1000))
    clicks = 0
    try:
        while True:
            batches: list[Batch] = list(part.next_batch())
            clicks += sum(len(decode(batch).time_ns) for batch in batches)
    except StopIteration:
        return clicks


def whole_flow(log: Path) -> int:
    """Run the flow over the log; returns the clicks on its last board."""
    with tempfile.TemporaryDirectory() as state, RedisServer() as server:
        run_main(build(Settings(source=f"file:{log}", redis_url=server.url, state_dir=Path(state))))
        return int(json.loads(str(server.client().get("board")))["clicks_total"])


WORKS = {"decoding alone": decode_alone, "whole flow": whole_flow}


def measure(name: str, log: Path) -> dict[str, Any]:
    """Run one piece of work in this process."""
    started_s, cpu_s = time.perf_counter(), time.process_time()
    clicks = WORKS[name](log)
    return {
        "clicks": clicks,
        "wall_s": time.perf_counter() - started_s,
        "cpu_s": time.process_time() - cpu_s,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Measure each work `--runs` times in turn and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=1_000_000)
    parser.add_argument("--visitors", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=WORKS, help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only, options.log)))
        return
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        make_log(log, options.clicks, options.visitors)
        command = [sys.executable, "-m", "tests.bench.throughput", "--log", str(log), "--only"]
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in WORKS}
        for _ in range(options.runs):
            for name, results in runs.items():
                out = subprocess.run(
                    [*command, name], stdout=subprocess.PIPE, check=True, env=os.environ
                ).stdout
                results.append(json.loads(out.splitlines()[-1]))
    print_table(runs)


def print_table(runs: dict[str, list[dict[str, Any]]]) -> None:
    """Print the medians, and the flow's rate as a share of decoding alone, run by run."""
    print("| what | clicks/s | CPU us a click | peak MiB |\n| --- | --- | --- | --- |")
    for name, results in runs.items():
        rate = statistics.median(run["clicks"] / run["wall_s"] for run in results)
        cpu_us = statistics.median(run["cpu_s"] / run["clicks"] * 1e6 for run in results)
        peak = statistics.median(run["peak_mib"] for run in results)
        print(f"| {name} | {rate:,.0f} | {cpu_us:.2f} | {peak:,.0f} |")
    pairs = zip(*runs.values(), strict=True)
    ratio = statistics.median(alone["wall_s"] / flow["wall_s"] for alone, flow in pairs)
    print(f"\nThe whole flow runs at {ratio:.2f} of decoding alone.")


if __name__ == "__main__":
    main()
