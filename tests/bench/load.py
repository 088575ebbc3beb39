"""A load of clicks for a Kafka topic: in a thread (`Load`), or in a process of its own (`loaded`).

The clicks are made beforehand but for their time. They go out in bursts, TICK_S apart.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from random import Random

from confluent_kafka import Producer

from tests.bench.log import click, rest_of_click
from tests.support.brokers import Cluster

VISITORS = 200
TICK_S = 0.02
# What the first seconds are behind, while connections are made, does not count.
WARM_UP_S = 5.0
_CLICKS_EACH = 4


class Load:
    """Produces `rate` clicks a second of known visitors, in turn, until it is stopped.

    `made` is how many so far, `behind_s` how late one was at most when the broker acknowledged it.
    """

    def __init__(
        self, producer: Producer, topic: str, rate: int, visitors: int = VISITORS, partitions: int = 1
    ) -> None:
        self._producer, self._topic, self._rate = producer, topic, rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        rng = Random(1)
        self._clicks = [
            (visitor % partitions, rest_of_click(visitor, rng))
            for _ in range(_CLICKS_EACH)
            for visitor in rng.sample(range(visitors), visitors)
        ]
        self.made, self.behind_s = 0, 0.0

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        began_s = time.monotonic()
        while not self._stop.wait(TICK_S):
            self._producer.poll(0)
            due_s = time.monotonic() - began_s
            if due_s > WARM_UP_S:
                there = self.made - len(self._producer)
                self.behind_s = max(self.behind_s, due_s - there / self._rate)
            # A full queue: the next burst makes up for what is missing in this one.
            with contextlib.suppress(BufferError):
                while self.made < int(due_s * self._rate):
                    partition, rest = self._clicks[self.made % len(self._clicks)]
                    self._producer.produce(self._topic, click(time.time_ns(), rest), partition=partition)
                    self.made += 1


class Report:
    """What a load that has ended says of itself."""

    behind_s = 0.0


@contextlib.contextmanager
def loaded(address: str, topic: str, rate: int, visitors: int, partitions: int) -> Iterator[Report]:
    """Keep a load on a topic, by a process of its own; its report is there in the end."""
    options = {"rate": rate, "visitors": visitors, "partitions": partitions}
    command = [sys.executable, "-m", "tests.bench.load", address, topic]
    command += [text for name, value in options.items() for text in (f"--{name}", str(value))]
    report = Report()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield report
        finally:
            process.terminate()
            said, _ = process.communicate(timeout=30)
    report.behind_s = json.loads(said)["behind_s"]


def main() -> None:
    """Keep the load on until SIGTERM, then report."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load")
    parser.add_argument("address")
    parser.add_argument("topic")
    for name in ("--rate", "--visitors", "--partitions"):
        parser.add_argument(name, type=int, required=True)
    asked = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    producer = Cluster(asked.address).producer()
    with Load(producer, asked.topic, asked.rate, asked.visitors, asked.partitions) as load:
        stop.wait()
    producer.flush(10)
    print(json.dumps({"behind_s": load.behind_s}))


if __name__ == "__main__":
    main()
