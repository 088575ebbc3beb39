"""Leaves the flow under load: an hour of event time a minute, for 20 minutes, over Kafka.

`python -m tests.bench.soak --minutes 20 --picture tests/bench/soak.png` draws memory, rate and how far the
board is behind, sampled every few seconds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
from confluent_kafka import Producer

from flows.sources.shop.shop import Shop
from tests.bench.live import board_in, running_flow
from tests.bench.log import partition_of
from tests.bench.process import cpu_s, rss_mib
from tests.support.brokers import Broker
from tests.support.servers import RedisServer, wait_until

SPEED = 60
EVERY_S = 5.0
PARTITIONS = 4
Sample = dict[str, float]


class FastShop:
    """Produces the shop's clicks SPEED times as fast as they happen, up to the present."""

    def __init__(self, producer: Producer, topic: str, shop: Shop, minutes: float) -> None:
        self._producer, self._topic, self._shop = producer, topic, shop
        self._seconds = round(minutes * 60)
        self._first_s = int(time.time()) - self._seconds * SPEED
        self._thread = threading.Thread(target=self._run)
        self.newest_s = self._first_s

    def __enter__(self) -> FastShop:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    @property
    def running(self) -> bool:
        """Whether it still produces."""
        return self._thread.is_alive()

    def _run(self) -> None:
        began_s = time.monotonic()
        for second in range(self._seconds):
            self.newest_s = self._first_s + second * SPEED
            for event_s in range(self.newest_s, self.newest_s + SPEED):
                for record in self._shop.second(event_s):
                    part = partition_of(record, PARTITIONS)
                    self._producer.produce(self._topic, record, partition=part)
            self._producer.poll(0)
            time.sleep(max(0.0, began_s + second + 1 - time.monotonic()))
        self._producer.flush(30)


def soak(minutes: float, shop: Shop) -> list[Sample]:
    """Run the flow, and return a sample every few seconds."""
    samples: list[Sample] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Broker() as broker,
        RedisServer() as server,
        server.client() as client,
    ):
        broker.create("clicks", PARTITIONS)
        with (
            running_flow(broker, "clicks", server.url, Path(folder)) as flow,
            FastShop(broker.producer(), "clicks", shop, minutes) as load,
        ):
            wait_until(lambda: board_in(client).get("clicks_total"), "a board", 60)
            began_s = time.monotonic()
            while load.running:
                time.sleep(EVERY_S)
                board = board_in(client)
                samples.append(
                    {
                        "minute": (time.monotonic() - began_s) / 60,
                        "clicks": board["clicks_total"],
                        "cpu_s": cpu_s(flow.pid),
                        "memory, MiB": rss_mib(flow.pid),
                        "sessions in 8 h": board["sessions_8h"],
                        "board behind, s": time.time() - board["published_at"] / 1000,
                    }
                )
                print(json.dumps(samples[-1]), flush=True)
    return samples


def draw(samples: list[Sample], picture: Path) -> None:
    """Draw what became of memory, rate and processor time."""
    frame = pd.DataFrame(samples)
    step_s = frame["minute"].diff() * 60
    frame["clicks/s"] = frame["clicks"].diff() / step_s
    frame["share of a core, %"] = frame["cpu_s"].diff() / step_s * 100
    names = ["memory, MiB", "clicks/s", "share of a core, %", "sessions in 8 h", "board behind, s"]
    charts: list[Any] = [
        alt.Chart(frame.iloc[1:])
        .mark_line()
        .encode(x=alt.X("minute:Q", title="minutes"), y=alt.Y(f"{name}:Q", scale=alt.Scale(zero=True)))
        .properties(width=420, height=110)
        for name in names
    ]
    alt.vconcat(*charts).save(str(picture), scale_factor=1.5)


def main() -> None:
    """Read the options, run and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=float, default=30, help="clicks per second of event time")
    parser.add_argument("--visitors", type=int, default=200_000, help="a day")
    parser.add_argument("--picture", type=Path, default=Path("soak.png"))
    options = parser.parse_args()
    draw(soak(options.minutes, Shop(rate=options.rate, visitors=options.visitors)), options.picture)


if __name__ == "__main__":
    main()
