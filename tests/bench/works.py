"""What is measured: each work takes a log, and times what it does with it; see `flows` for what it is."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows import clicks
from flows.ingest.decode import decode
from flows.metrics.categories import Categories
from flows.metrics.pages import Pages
from flows.runtime.process import prepare
from flows.settings import Settings
from flows.shards.clock import FlowClock
from flows.sources.barriers import Barriers
from flows.sources.file import FilePartition
from tests.bench import clickhouse, seed, windows
from tests.bench.log import partition_of
from tests.support.brokers import Broker
from tests.support.servers import RedisServer, wait_until

PARTITIONS = 4
SEED_BATCHES = 10


@dataclass
class Timed:
    """How many clicks were taken in, in how many seconds of the wall and of the processor."""

    clicks: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure what is done within."""
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        yield
        self.wall_s, self.cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s


def decode_alone(log: Path, timed: Timed) -> None:
    """Decode the log as the flow does."""
    part = FilePartition(log, "log", 0, FlowClock(), Barriers(1000))
    with timed.measured():
        try:
            while True:
                for batch in part.next_batch():
                    timed.clicks += len(decode(batch).time_ns)
        except StopIteration:
            pass


def prepared(asked: Settings) -> Dataflow:
    """Make this process ready for a flow, as `flows.clicks.flow` does; returns the flow."""
    prepare(asked.log_format, trust_network=False, warnings=())
    return clicks.build(asked)


def whole_flow(log: Path, timed: Timed, **settings: Any) -> None:
    """Run the flow over the log, from a fresh state to the last board in a real Redis."""
    with tempfile.TemporaryDirectory() as state, RedisServer() as server:
        asked = Settings(source=f"file:{log}", redis_url=server.url, state_dir=Path(state), **settings)
        flow = prepared(asked)
        with timed.measured():
            run_main(flow)
        timed.clicks = _clicks(server)


def on_one_core(log: Path, timed: Timed) -> None:
    """Run the flow on one core; Redis has another."""
    with mock.patch(f"{__name__}.run_main", _pinned(run_main)):
        whole_flow(log, timed)


def clickhouse_on_one_core(log: Path, timed: Timed) -> None:
    """Let ClickHouse take the log in on one core, with a board a second."""
    _pinned(clickhouse.take_in)(log, timed, threads=1)


def _pinned(function: Callable[..., None]) -> Callable[..., None]:
    """Return a function that first keeps what this process begins from now on to one core."""

    def pinned(*given: Any, **named: Any) -> None:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        function(*given, **named)

    return pinned


def without_journeys(log: Path, timed: Timed) -> None:
    """Run the flow on one core with an empty table of journeys, which ClickHouse does not follow either."""
    with mock.patch.object(clicks, "JOURNEYS", ()):
        on_one_core(log, timed)


def a_board_a_minute(log: Path, timed: Timed) -> None:
    """Run the flow with a board a minute."""
    whole_flow(log, timed, publish_every_ms=60_000)


def eight_hour_windows(log: Path, timed: Timed) -> None:
    """Run the flow with windows of 8 hours for pages and categories, in place of 1 hour."""
    with mock.patch.multiple(clicks, Pages=_long(Pages), Categories=_long(Categories)):
        whole_flow(log, timed)


def _long(metric: Callable[..., Any]) -> Callable[..., Any]:
    return lambda **given: metric(**given | {"window_s": 8 * 3600})


def from_kafka(log: Path, timed: Timed) -> None:
    """Run the flow over the log in a topic of 4 partitions, until a board has all of it."""
    with Broker() as broker, RedisServer() as server, tempfile.TemporaryDirectory() as state:
        broker.create("log", PARTITIONS)
        with log.open("rb") as lines:
            ends = broker.fill("log", ((partition_of(line, PARTITIONS), line[:-1]) for line in lines))
        asked = Settings(
            source=f"kafka:{broker.address}/log", redis_url=server.url, state_dir=Path(state), kafka=_FAR_BACK
        )
        flow = prepared(asked)
        with timed.measured():
            threading.Thread(target=_stop_at, args=(server, sum(ends.values())), daemon=True).start()
            run_main(flow)
        timed.clicks = _clicks(server)


def seeds_way(log: Path, timed: Timed) -> None:
    """Take in batches of 1,000 rows as the pandas service did, with 100,000 rows of the last hour held."""
    with tempfile.TemporaryDirectory() as folder, RedisServer() as server, server.client() as client:
        service = seed.Seed(Path(folder), client)
        rows = seed.plain_rows(log, seed.HELD + SEED_BATCHES * seed.BATCH)
        service.take(rows[: seed.HELD])
        with timed.measured():
            for first in range(seed.HELD, len(rows), seed.BATCH):
                service.take(rows[first : first + seed.BATCH])
                timed.clicks += seed.BATCH
        service.close()


def bytewax_windows(log: Path, timed: Timed, every: timedelta, clicks: int) -> None:
    """Run Bytewax's own windows over the first `clicks` of the log; the second half of them is measured.

    What opens all windows at the beginning and closes them at the end is left out: in a long log there are
    many more clicks to each.
    """
    rows = seed.plain_rows(log, clicks)
    half = len(rows) // 2

    def halves() -> Iterator[windows.Row]:
        yield from rows[:half]
        with timed.measured():
            yield from rows[half:]

    out: list[object] = []
    run_main(windows.build(halves(), out, every))
    assert out
    timed.clicks = len(rows) - half


def windows_by_the_minute(log: Path, timed: Timed) -> None:
    """Run Bytewax's own windows, a new one each minute."""
    bytewax_windows(log, timed, timedelta(minutes=1), 20_000)


def windows_by_the_second(log: Path, timed: Timed) -> None:
    """Run Bytewax's own windows, a new one each second, as the flow's own move."""
    bytewax_windows(log, timed, timedelta(seconds=1), 2_000)


FLOW = "whole flow, one process"
ONE_CORE = "whole flow, one core"
CLICKHOUSE = "ClickHouse, one core, a board a second"
WORKS: dict[str, Callable[[Path, Timed], None]] = {
    "decoding alone": decode_alone,
    FLOW: whole_flow,
    ONE_CORE: on_one_core,
    "whole flow, one core, journeys off": without_journeys,
    CLICKHOUSE: clickhouse_on_one_core,
    "whole flow, a board a minute": a_board_a_minute,
    "whole flow, windows of 8 h for 1 h": eight_hour_windows,
    "whole flow, from Kafka": from_kafka,
    "the seed's pandas way, 100 k rows held": seeds_way,
    "Bytewax's own windows, sliding each minute": windows_by_the_minute,
    "Bytewax's own windows, sliding each second": windows_by_the_second,
}

# A log of another day: a new group would begin 8 h 30 min back.
_FAR_BACK = {"group.id": "bench"}


def _stop_at(server: RedisServer, records: int) -> None:
    """Stop the flow of this process once a board has all records."""
    with server.client() as client:

        def there() -> bool:
            value = client.get("board")
            return value is not None and sum(json.loads(str(value))["positions"].values()) >= records

        wait_until(there, "a board of the whole topic", 300)
    os.kill(os.getpid(), signal.SIGTERM)


def _clicks(server: RedisServer) -> int:
    with server.client() as client:
        board = json.loads(str(client.get("board")))
        return int(board["clicks_total"] + board["bot_clicks_total"])
