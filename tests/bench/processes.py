"""How much faster several processes read a Kafka topic than one, and what crosses between them.

Fills a topic of a broker of its own (tansu, or `--broker apache` after `make kafka`) with clicks of the
built-in shop, then lets one and more processes read all of it in turn, each time with new state:
`python -m tests.bench.processes`. Measured is what lies between the first board that has clicks and the one
that has all. Wall clocks tell what this machine does, broker included; CPU of the busiest process tells what
machines of their own would do.
"""

from __future__ import annotations

import argparse
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from flows.ingest.decode import decode
from flows.ingest.split import by_age, by_page, by_visitor
from flows.model.batch import Batch
from flows.sources.shop.shop import Shop
from tests.bench.live import board_in
from tests.bench.log import partition_of
from tests.bench.process import cpu_s as process_cpu_s
from tests.support.apache import Apache
from tests.support.brokers import Broker, Server
from tests.support.clocks import cluster_of
from tests.support.servers import RedisServer, free_port, wait_until

HOURS = 9.5
PARTS = 4
TOPIC = "clicks"
BROKERS = {"tansu": Broker, "apache": Apache}
BATCH = 10_000


def shop(clicks: int, visitors: int) -> list[tuple[int, bytes]]:
    """Return about so many clicks of the last HOURS hours, with the partition of their visitor."""
    source = Shop(rate=2.5 * clicks / (HOURS * 3600), visitors=2 * visitors)
    end_s = int(time.time()) - 60
    records = [r for second in range(end_s - int(HOURS * 3600), end_s) for r in source.second(second)]
    return [(partition_of(record, PARTS), record) for record in records[-clicks:]]


def measure(processes: int, broker: Server, ends: dict[str, int]) -> dict[str, float]:
    """Let so many processes read the topic; returns clicks/s, CPU per click of all and the busiest.

    From when all partitions are open until a board has all: clicks are at work long before a board has some.
    """
    addresses = ";".join(f"127.0.0.1:{free_port()}" for _ in range(processes))
    with tempfile.TemporaryDirectory() as folder, RedisServer() as server, server.client() as client:
        environment = os.environ | {
            "CLICKS_SOURCE": f"kafka:{broker.address}/{TOPIC}",
            "CLICKS_STATE_DIR": f"{folder}/state",
            "KAFKA_GROUP_ID": Path(folder).name,
            "REDIS_URL": server.url,
        }
        command = [sys.executable, "-m", "bytewax.run", "flows.clicks"]
        where = [["-i", str(n), "-a", addresses] if processes > 1 else [] for n in range(processes)]
        said = Path(folder) / "said"
        with said.open("ab") as out:
            running = [
                subprocess.Popen([*command, *arguments], env=environment, stderr=out) for arguments in where
            ]

        def taken() -> tuple[float, list[float]]:
            return time.perf_counter(), [process_cpu_s(process.pid) for process in running]

        try:
            wait_until(lambda: said.read_text().count(" reading ") == PARTS, "all partitions are opened", 60)
            began_s, before_s = taken()
            wait_until(lambda: board_in(client).get("positions") == ends, "all is read", 600)
            ended_s, after_s = taken()
        finally:
            for process in running:
                process.kill()
                process.wait()
    clicks = sum(ends.values())
    used_us = [(after - before) / clicks * 1e6 for before, after in zip(before_s, after_s, strict=True)]
    return {"rate": clicks / (ended_s - began_s), "all_us": sum(used_us), "most_us": max(used_us)}


def crossing(records: list[bytes], workers: int) -> dict[str, float]:
    """Return the bytes and the CPU per click of what leaves a worker of `workers` for others."""
    cluster = cluster_of(16)
    cluster.join(0, workers)
    splits = by_visitor(cluster.shard_keys), by_page(cluster.shard_keys), by_age(cluster.shard_keys)
    size = 0
    cpu_s = [0.0, 0.0]
    for start in range(0, len(records), BATCH):
        batch = records[start : start + BATCH]
        clicks = decode(Batch("log", start, start + len(batch), batch, time.time_ns() // 10**6))
        items = [item for split in splits for _, item in split(clicks) if item.shard % workers]
        began_s = time.process_time()
        # Twice, as Bytewax does.
        pickles = [[pickle.dumps(item, 4) for item in items] for _ in range(2)][1]
        cpu_s[0] += time.process_time() - began_s
        began_s = time.process_time()
        for data in pickles:
            pickle.loads(data)
        cpu_s[1] += time.process_time() - began_s
        size += sum(map(len, pickles))
    pack_us, unpack_us = (cpu / len(records) * 1e6 for cpu in cpu_s)
    return {"bytes": size / len(records), "pack_us": pack_us, "unpack_us": unpack_us}


def main() -> None:
    """Measure each number of processes `--runs` times in turn and print tables of medians."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.processes")
    parser.add_argument("--clicks", type=int, default=3_000_000)
    parser.add_argument("--visitors", type=int, default=200_000)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--broker", choices=BROKERS, default="tansu")
    options = parser.parse_args()
    records = shop(options.clicks, options.visitors)
    print(
        "| workers | bytes a click that cross | us a click to pack | to unpack |\n| --- | --- | --- | --- |"
    )
    for workers in (2, 4):
        crossed = crossing([record for _, record in records[: 20 * BATCH]], workers)
        print(
            f"| {workers} | {crossed['bytes']:.0f} | {crossed['pack_us']:.2f} | {crossed['unpack_us']:.2f} |"
        )
    runs: dict[int, list[dict[str, float]]] = {processes: [] for processes in options.processes}
    with BROKERS[options.broker]() as broker:
        broker.create(TOPIC, PARTS)
        ends = broker.fill(TOPIC, records)
        del records
        for _ in range(options.runs):
            for processes, results in runs.items():
                results.append(measure(processes, broker, ends))
    print_table(runs)


def print_table(runs: dict[int, list[dict[str, float]]]) -> None:
    """Print medians, and the ratios to the first row run by run."""
    print("\n| processes | clicks/s | CPU us a click | of the busiest process | speed-up | by CPU |")
    print("| --- | --- | --- | --- | --- | --- |")
    first = next(iter(runs.values()))
    for processes, results in runs.items():
        medians: list[Any] = [
            statistics.median(run[name] for run in results) for name in ("rate", "all_us", "most_us")
        ]
        pairs = list(zip(results, first, strict=True))
        faster = statistics.median(run["rate"] / one["rate"] for run, one in pairs)
        by_cpu = statistics.median(one["most_us"] / run["most_us"] for run, one in pairs)
        print(
            "| {} | {:,.0f} | {:.2f} | {:.2f} |".format(processes, *medians), f"{faster:.2f} | {by_cpu:.2f} |"
        )


if __name__ == "__main__":
    main()
