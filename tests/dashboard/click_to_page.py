"""Measures how long a click takes from Kafka to its number in Redis and on the page.

`python -m tests.dashboard.click_to_page --clicks 100 --rate 100`: marked clicks of new visitors are produced
at random moments amid `rate` clicks a second of 200 known ones; each adds one to the visitors of 15 minutes.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from confluent_kafka import Producer
from playwright.sync_api import Page

from tests.bench.live import RedisWatch, first_seen, percentiles, running_flow
from tests.bench.load import VISITORS, Load
from tests.bench.log import click, rest_of_click
from tests.dashboard.conftest import PageServer, chromium, now_ms
from tests.dashboard.latency import NOTE
from tests.support.brokers import Broker
from tests.support.servers import RedisServer, wait_until


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
        [first_seen(watch.seen_ms, number) - at_ms for number, at_ms in made_ms.items()],
        [
            first_seen({int(text.replace(",", "")): at for text, at in on_page_ms.items()}, number) - at_ms
            for number, at_ms in made_ms.items()
        ],
    )


def _mark(clicks: int, producer: Producer, page: Page) -> dict[int, int]:
    """Produce the marked clicks; returns the wall clock (ms) of each by the number of visitors it makes."""
    pick, made_ms = random.Random(1), {}
    for number in range(VISITORS + 1, VISITORS + 1 + clicks):
        page.wait_for_timeout(1000 + pick.random() * 1000)
        made_ms[number] = now_ms()
        producer.produce("clicks", click(time.time_ns(), rest_of_click(number, pick)))
        producer.poll(0)
    page.wait_for_timeout(5000)
    return made_ms


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
