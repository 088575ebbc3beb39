"""Memory and disk a visitor takes: `python -m tests.bench.memory [FEW MANY]`.

Lets the flow read two topics of as many clicks of the last ROUNDS hours that differ in how many visitors made
them; each visitor comes once in each of those hours. Prints what each run took once all was read and memory
had settled, what it took at most, and the difference a visitor.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from flows.state.inspection import inspect
from tests.bench.live import board_in, running_flow
from tests.bench.process import peak_rss_mib, rss_mib
from tests.support.brokers import Broker
from tests.support.servers import RedisServer, wait_until

ROUNDS = 3
TOPIC = "clicks"
# The flow gives back each ten seconds what it does not need.
SETTLED_S = 25


class Taken(NamedTuple):
    """What a run took: memory in the end and at most, and its state on disk, in bytes."""

    memory: float
    most: float
    disk: float


def records(visitors: int, clicks: int) -> Iterator[bytes]:
    """Yield the clicks in the order of their times; every visitor id is a UUID, as in the topic.

    In each hour every visitor makes all of their clicks of that hour one after the other.
    """
    rng = random.Random(visitors)
    ids = [str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(visitors)]
    each = clicks // ROUNDS
    hour_ns = 3600 * 10**9
    begin_ns = time.time_ns() - ROUNDS * hour_ns
    for round_ in range(ROUNDS):
        rng.shuffle(ids)
        for number in range(each):
            click = {
                "timestamp": begin_ns + round_ * hour_ns + number * hour_ns // each,
                "userId": ids[number * visitors // each],
                "ip": f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}",
                "productId": f"VD{rng.randrange(5000):08}",
                "category": rng.choice(["clothing", "shoes", "bags", "books", "toys"]),
                "deviceType": rng.choice(["Desktop", "Tablet", "Mobile"]),
                "gender": rng.choice("MF"),
                "age": rng.randrange(18, 70),
                "country": "United States",
            }
            yield json.dumps(click).encode()


def measure(visitors: int, clicks: int) -> Taken:
    """Return what the flow takes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Broker() as broker,
        RedisServer() as server,
        server.client() as client,
    ):
        broker.create(TOPIC)
        ends = broker.fill(TOPIC, ((0, record) for record in records(visitors, clicks)))
        with running_flow(broker, TOPIC, server.url, Path(folder)) as flow:
            wait_until(lambda: board_in(client).get("positions") == ends, "all is read", 300)
            time.sleep(SETTLED_S)
            assert board_in(client)["clicks_total"] == clicks
            memory, most = rss_mib(flow.pid), peak_rss_mib(flow.pid)
        disk = sum(shard.disk_bytes for shard in inspect(Path(folder) / "state"))
        return Taken(memory * 2**20, most * 2**20, disk)


def main() -> None:
    """Print the table."""
    few, many = map(int, sys.argv[1:] or (100_000, 1_000_000))
    runs = {visitors: measure(visitors, ROUNDS * many) for visitors in (few, many)}
    print("| visitors | memory, MiB | at most, MiB | state on disk, MB |\n| ---: | ---: | ---: | ---: |")
    for visitors, taken in runs.items():
        print(
            f"| {visitors:,} | {taken.memory / 2**20:,.0f} | {taken.most / 2**20:,.0f} "
            f"| {taken.disk / 1e6:,.0f} |"
        )
    memory, most, disk = (
        (more - less) / (many - few) for less, more in zip(runs[few], runs[many], strict=True)
    )
    print(
        f"\nA visitor takes {memory:.0f} bytes of memory, {most:.0f} at most, and {disk:.0f} bytes on disk."
    )


if __name__ == "__main__":
    main()
