"""What a quiet stream costs: `python -m tests.bench.quiet --rate 10 --seconds 60`, over Kafka."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.bench.live import running_flow
from tests.bench.load import VISITORS, Load
from tests.bench.process import cpu_s
from tests.support.brokers import Broker
from tests.support.servers import RedisServer, wait_until


def measure(rate: int, seconds: float) -> float:
    """Return the share of a core that the flow takes, boards and all, at `rate` clicks a second."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Broker() as broker,
        RedisServer() as server,
        server.client() as client,
    ):
        broker.create("clicks")
        with (
            running_flow(broker, "clicks", server.url, Path(folder)) as flow,
            Load(broker.producer(), "clicks", rate) as load,
        ):
            wait_until(lambda: client.exists("board") and load.made >= min(rate * 5, VISITORS), "a board", 60)
            began_s, before_s = time.monotonic(), cpu_s(flow.pid)
            time.sleep(seconds)
            return (cpu_s(flow.pid) - before_s) / (time.monotonic() - began_s)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    share = measure(options.rate, options.seconds)
    print(f"{options.rate} clicks/s for {options.seconds:g} s: {share:.1%} of a core")


if __name__ == "__main__":
    main()
