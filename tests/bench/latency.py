"""How long a click takes from Kafka to its number in Redis under load: `python -m tests.bench.latency`.

Marked clicks of new visitors are produced at random moments amid `--rate` clicks a second of `--visitors`
known ones, which a process of its own produces. They take turns at the partitions. A marked click is there
with the first board whose position in its partition is beyond it; each board has to count those visitors and
no others. It prints too what rate the flow has reached meanwhile, and how late the load was at most: if that
fell behind, it says so.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from flows.runtime.ticks import wall_ms
from tests.bench.live import RedisWatch, percentiles, running_flow
from tests.bench.load import WARM_UP_S, loaded
from tests.bench.log import click, rest_of_click
from tests.support.brokers import Broker
from tests.support.servers import RedisServer, wait_until

TOPIC, PARTITIONS = "clicks", 4
GAPS_S = 0.3, 0.7
GOAL_MS = 1500
START_S = 60.0
# A load that was later than this fell behind.
BEHIND_S = 0.25
# The broker keeps all of the load in memory, and after 15 minutes the first marked clicks no longer count.
MOST_BYTES, MOST_S = 8 << 30, 14 * 60
CLICK_BYTES = 440


class Marked(NamedTuple):
    """When a marked click was made, and where it is."""

    made_ms: int
    source: str
    offset: int

    def is_in(self, board: dict[str, Any]) -> bool:
        """Return whether a board has read it."""
        return bool(board["positions"].get(self.source, 0) > self.offset)


class Measured(NamedTuple):
    """The milliseconds of each marked click, the clicks a second meanwhile, and how late the load was."""

    taken_ms: list[float]
    rate: float
    behind_s: float


def measure(rate: int, clicks: int, visitors: int) -> Measured:
    """Measure with a flow, a broker and a Redis of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Broker() as broker,
        RedisServer() as server,
        server.client() as client,
    ):
        broker.create(TOPIC, PARTITIONS)
        with running_flow(broker, TOPIC, server.url, Path(folder)):
            wait_until(lambda: client.exists("board"), "a board", START_S)
            watch = RedisWatch(client)
            try:
                with loaded(broker.address, TOPIC, rate, visitors, PARTITIONS) as load:
                    wait_until(
                        lambda: visitors in watch.seen_ms, "all known visitors", START_S + visitors / rate
                    )
                    time.sleep(WARM_UP_S)
                    known = len(watch.boards) - 1
                    marked = _mark(range(visitors, visitors + clicks), broker.producer())
                    wait_until(lambda: visitors + clicks in watch.seen_ms, "the last marked click", 60)
            finally:
                watch.stop()
    boards = watch.boards[known:]
    for _, board in boards:
        assert board["visitors_15m"] == visitors + sum(one.is_in(board) for one in marked)
    first, last = boards[0][1], boards[-1][1]
    took_s = (last["published_at"] - first["published_at"]) / 1000
    return Measured(
        [next(at_ms for at_ms, board in boards if one.is_in(board)) - one.made_ms for one in marked],
        (last["clicks_total"] - first["clicks_total"]) / took_s,
        load.behind_s,
    )


def _mark(new_visitors: range, producer: Producer) -> list[Marked]:
    """Produce the marked clicks."""
    rng, marked = Random(1), []

    def delivered(made_ms: int, error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        offset = message.offset()
        assert offset is not None
        marked.append(Marked(made_ms, f"{TOPIC}/{message.partition()}", offset))

    for visitor in new_visitors:
        time.sleep(rng.uniform(*GAPS_S))
        record = click(time.time_ns(), rest_of_click(visitor, rng))
        on_delivery = functools.partial(delivered, wall_ms())
        producer.produce(TOPIC, record, partition=visitor % PARTITIONS, on_delivery=on_delivery)
        producer.poll(0)
    assert producer.flush(30) == 0
    return marked


def main() -> None:
    """Read the options, measure and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.latency")
    parser.add_argument("--rate", type=int, default=45_000, help="clicks per second")
    parser.add_argument("--clicks", type=int, default=200, help="marked clicks, two a second")
    parser.add_argument("--visitors", type=int, default=20_000)
    asked = parser.parse_args()
    seconds = asked.visitors / asked.rate + 2 * WARM_UP_S + asked.clicks * sum(GAPS_S) / 2
    if seconds > MOST_S or seconds * asked.rate * CLICK_BYTES > MOST_BYTES:
        parser.error(f"that takes {seconds:.0f} s, too long at this rate: give fewer --clicks")
    taken_ms, rate, behind_s = measure(asked.rate, asked.clicks, asked.visitors)
    share = sum(took_ms <= GOAL_MS for took_ms in taken_ms) / len(taken_ms)
    print(f"{asked.clicks} clicks amid {rate:,.0f} clicks/s, {asked.rate:,} asked for")
    print(f"in Redis: {percentiles(taken_ms)}; {share:.1%} within {GOAL_MS / 1000:g} s")
    print(f"the load was at most {behind_s * 1000:.0f} ms late", end="")
    print(": IT FELL BEHIND, the rate was not steady" if behind_s > BEHIND_S else "")


if __name__ == "__main__":
    main()
