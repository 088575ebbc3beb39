"""Measures how long a click takes from Kafka to its number in Redis and on the page.

`python -m tests.dashboard.click_to_page --clicks 100 --rate 100`: marked clicks of new visitors are produced
at random moments amid `rate` clicks a second of 200 known ones; each adds one to the visitors of 15 minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import redis
from confluent_kafka import Producer
from playwright.sync_api import Page

from tests.brokers import Broker
from tests.dashboard.conftest import PageServer, chromium, now_ms
from tests.dashboard.latency import NOTE, percentiles
from tests.servers import RedisServer, wait_until

VISITORS = 200
TICK_S = 0.02


def record(visitor: str) -> bytes:
    """Return a click of now, about 430 bytes long."""
    click = {
        "timestamp": time.time_ns(),
        "original_timestamp": 1331800486,
        "userId": visitor,
        "ip": "69.76.12.213",
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0",
        "productId": "VD55177927",
        "category": "clothing",
        "title": "Deluxe Cashmere Sweater",
        "gender": "F",
        "country": "United States",
        "deviceType": "Desktop",
        "age": 42,
        "birthdate": "1981-11-14",
    }
    return json.dumps(click).encode()


class Load:
    """Produces `rate` clicks a second of known visitors until it is stopped."""

    def __init__(self, producer: Producer, topic: str, rate: int) -> None:
        self._producer, self._topic, self._rate = producer, topic, rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.made = 0

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        began_s, visitors = time.monotonic(), count()
        while not self._stop.wait(TICK_S):
            due = round((time.monotonic() - began_s) * self._rate)
            for _ in range(due - self.made):
                self._producer.produce(self._topic, record(f"known-{next(visitors) % VISITORS}"))
                self._producer.poll(0)
            self.made = max(self.made, due)


class RedisWatch:
    """Notes when each number of visitors is first published."""

    def __init__(self, client: redis.Redis) -> None:
        self.seen_ms: dict[int, int] = {}
        self._client = client
        self._boards = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self._boards.subscribe(boards=self._note)
        self._thread = self._boards.run_in_thread(sleep_time=0.1)

    def _note(self, _message: object) -> None:
        board = json.loads(str(self._client.get("board")))
        self.seen_ms.setdefault(board["visitors_15m"], now_ms())

    def stop(self) -> None:
        """Stop watching."""
        self._thread.stop()
        self._thread.join()
        self._boards.close()


@contextmanager
def running_flow(
    broker: Broker, topic: str, redis_url: str, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the flow in a process of its own."""
    env = os.environ | {
        "CLICKS_SOURCE": f"kafka:{broker.address}/{topic}",
        "CLICKS_STATE_DIR": str(folder / "state"),
        "REDIS_URL": redis_url,
    }
    with (folder / "flow.log").open("wb") as log:
        command = [sys.executable, "-m", "bytewax.run", "flows.clicks", "-s", "1"]
        flow = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield flow
        assert flow.poll() is None, (folder / "flow.log").read_text()
    finally:
        flow.terminate()
        flow.wait(20)


def measure(clicks: int, rate: int) -> tuple[list[float], list[float]]:
    """Return for each marked click the milliseconds to Redis and to the page."""
    folder = Path(tempfile.mkdtemp(prefix="click-to-page-"))
    with Broker() as broker, RedisServer() as server, server.client() as client:
        broker.create("clicks")
        producer = broker.producer()
        with (
            running_flow(broker, "clicks", server.url, folder),
            PageServer(server.url, folder) as pages,
            chromium() as browser,
            Load(producer, "clicks", rate),
        ):
            watch = RedisWatch(client)
            wait_until(lambda: VISITORS in watch.seen_ms, "all known visitors", 60)
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.goto(pages.url)
            page.wait_for_selector(".pulse", state="attached")
            page.evaluate(NOTE)
            made_ms = _mark(clicks, producer, page)
            watch.stop()
            on_page_ms: dict[str, int] = page.evaluate("seen")
    return (
        [_first(watch.seen_ms, number) - at_ms for number, at_ms in made_ms.items()],
        [
            _first({int(text.replace(",", "")): at for text, at in on_page_ms.items()}, number) - at_ms
            for number, at_ms in made_ms.items()
        ],
    )


def _mark(clicks: int, producer: Producer, page: Page) -> dict[int, int]:
    """Produce the marked clicks; returns the wall clock (ms) of each by the number of visitors it makes."""
    pick, made_ms = random.Random(1), {}
    for number in range(VISITORS + 1, VISITORS + 1 + clicks):
        page.wait_for_timeout(1000 + pick.random() * 1000)
        made_ms[number] = now_ms()
        producer.produce("clicks", record(f"marked-{number}"))
        producer.poll(0)
    page.wait_for_timeout(5000)
    return made_ms


def _first(seen_ms: dict[int, int], number: int) -> int:
    """Return when a number, or one beyond it, was first seen."""
    return min(at_ms for seen, at_ms in seen_ms.items() if seen >= number)


def main() -> None:
    """Read the options and report."""
    parser = argparse.ArgumentParser(description="Measure the time from Kafka to Redis and to the page.")
    parser.add_argument("--clicks", type=int, default=100)
    parser.add_argument("--rate", type=int, default=100)
    asked = parser.parse_args()
    in_redis, on_page = measure(asked.clicks, asked.rate)
    print(f"{asked.clicks} clicks amid {asked.rate:,} clicks/s")
    print(f"in Redis: {percentiles(in_redis)}")
    print(f"on the page: {percentiles(on_page)}")


if __name__ == "__main__":
    main()
