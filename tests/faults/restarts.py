"""A flow whose broker is stopped, killed and started again while a producer writes, and what it made of it.

`python -m tests.faults.restarts --restarts 20 [--broker tansu]` does it for longer than the suite, half of
the restarts clean and half hard, by default with a real Apache Kafka; everything is compared with the oracle.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tests.kafka.kafka_flow import KafkaFlow, numbered, writing
from tests.kafka.out_topics import busy, with_topics, wrong
from tests.support.apache import Apache
from tests.support.brokers import Broker, Server
from tests.support.servers import RedisServer, wait_until

SLOW_S = 60.0


def restart(flow: KafkaFlow, broker: Server, hard: Sequence[bool]) -> None:
    """Restart the broker as often as `hard` has items, by SIGKILL where true; raises AssertionError."""
    # The embedded broker that keeps its log is slow: it has enough to do without the topics.
    topics = isinstance(broker, Apache)
    if topics:
        with_topics(flow, broker)
    broker.create(flow.topic, 2)
    hurry = threading.Event()
    writer = writing(broker.producer(), flow.topic, busy(1000 + 500 * len(hard)), 20 * len(hard), hurry)
    flow.start()
    for number, kill in enumerate(hard, 1):
        wait_until(lambda: "lag" in flow.board(), "lag known", SLOW_S)
        broker.kill() if kill else broker.stop()
        wait_until(lambda: flow.output.count(" is down") == number, "outage", SLOW_S)  # noqa: B023
        wait_until(lambda: "lag" not in flow.board(), "lag unknown", SLOW_S)
        broker.start()
        wait_until(lambda: flow.output.count(" is back") == number, "end of outage", SLOW_S)  # noqa: B023
    hurry.set()
    writer.join()
    # A producer whose broker is killed before it answers sends again: what counts is what the log holds.
    parts = [broker.records(flow.topic, part) for part in range(2)]
    assert sum(len(part) for part in parts) >= 1000 + 500 * len(hard)
    flow.wait_for([len(part) for part in parts])
    assert not topics or wrong(flow, broker, parts) == ""
    flow.assert_exact(numbered(parts))


def main() -> None:
    """Restart as often as the command line says; raises AssertionError if anything is wrong then."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.restarts")
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--broker", choices=["kafka", "tansu"], default="kafka")
    options = parser.parse_args()
    made: Server = Apache() if options.broker == "kafka" else Broker("kept")
    begun_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        RedisServer() as server,
        made as broker,
        closing(KafkaFlow(Path(folder), broker.address, "clicks", server.url)) as flow,
    ):
        restart(flow, broker, [number % 2 == 0 for number in range(options.restarts)])
    print(f"{options.restarts} restarts: exact ({time.monotonic() - begun_s:.0f} s)")


if __name__ == "__main__":
    main()
