"""Memory and disk a visitor takes: `python -m tests.bench.memory [FEW MANY]`.

Runs the flow over two logs that differ in how many visitors they hold, each of whom comes once in each of
ROUNDS hours. Prints what each run took at most, and the difference a visitor.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from flows.inspection import inspect
from tests import logs
from tests.bench.process import peak_rss_mib
from tests.servers import RedisServer

ROUNDS = 3


def records(visitors: int) -> Iterator[bytes]:
    """Yield the log's clicks in the order of their times; every visitor id is a UUID, as in the topic."""
    rng = random.Random(visitors)
    ids = [str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(visitors)]
    for round_ in range(ROUNDS):
        rng.shuffle(ids)
        for number, visitor in enumerate(ids):
            click = {
                "timestamp": logs.MIDNIGHT + round_ * logs.HOUR + number * logs.HOUR // visitors,
                "userId": visitor,
                "ip": f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}",
                "productId": f"VD{rng.randrange(5000):08}",
                "category": rng.choice(["clothing", "shoes", "bags", "books", "toys"]),
                "deviceType": rng.choice(["Desktop", "Tablet", "Mobile"]),
                "gender": rng.choice("MF"),
                "age": rng.randrange(18, 70),
                "country": "United States",
            }
            yield json.dumps(click).encode()


def measure(visitors: int) -> tuple[int, int]:
    """Return the bytes of memory that the flow took at most, and those of its state on disk."""
    with tempfile.TemporaryDirectory() as folder, RedisServer() as server:
        logs.write(Path(folder) / "log", records(visitors))
        state = Path(folder) / "state"
        environment = {
            "CLICKS_SOURCE": f"file:{folder}/log",
            "CLICKS_STATE_DIR": str(state),
            "REDIS_URL": server.url,
        }
        command = [sys.executable, "-m", "bytewax.run", "flows.clicks", "-s", "2"]
        process = subprocess.Popen(command, env={**os.environ, **environment})
        # What the kernel says in the end would count this process too, as it was at the fork.
        peak_mib = 0.0
        while process.poll() is None:
            with suppress(OSError, StopIteration):
                peak_mib = max(peak_mib, peak_rss_mib(process.pid))
            time.sleep(0.05)
        assert process.returncode == 0
        assert json.loads(str(server.client().get("board")))["clicks_total"] == ROUNDS * visitors
        return round(peak_mib * 2**20), sum(shard.disk_bytes for shard in inspect(state))


def main() -> None:
    """Print the table."""
    few, many = map(int, sys.argv[1:] or (100_000, 1_000_000))
    runs = {visitors: measure(visitors) for visitors in (few, many)}
    print("| visitors | memory at most, MiB | state on disk, MB |\n| ---: | ---: | ---: |")
    for visitors, (memory, disk) in runs.items():
        print(f"| {visitors:,} | {memory / 2**20:,.0f} | {disk / 1e6:,.0f} |")
    each = [(more - less) / (many - few) for less, more in zip(runs[few], runs[many], strict=True)]
    print(f"\nA visitor takes {each[0]:.0f} bytes of memory and {each[1]:.0f} bytes on disk.")


if __name__ == "__main__":
    main()
