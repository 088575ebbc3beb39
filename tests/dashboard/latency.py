"""Measures how long a figure takes from Redis to the page: `python -m tests.dashboard.latency --boards 100`.

Boards come at random moments, so the wait for the next refresh is part of it. Both ends are on one clock.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from tests.bench.live import percentiles
from tests.dashboard.conftest import PageServer, chromium, now_ms
from tests.dashboard.writer import Writer
from tests.support.servers import RedisServer

NOTE = """() => {
  window.seen = {};
  const look = () => {
    const text = document.querySelector('[data-figure=visitors_15m]')?.textContent;
    if (text && !(text in seen)) seen[text] = Date.now();
    requestAnimationFrame(look);
  };
  look();
}"""


def measure(boards: int) -> list[float]:
    """Return the milliseconds from write to page for each board."""
    pick = random.Random(1)
    folder = Path(tempfile.mkdtemp(prefix="latency-"))
    with RedisServer() as redis, redis.client() as client, PageServer(redis.url, folder) as server:
        writer = Writer(client)
        writer.publish()
        with chromium() as browser:
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.goto(server.url)
            page.wait_for_selector(".pulse", state="attached")
            page.evaluate(NOTE)
            written_ms: dict[str, int] = {}
            for number in range(boards):
                page.wait_for_timeout(1500 + pick.random() * 1000)
                writer.fill(now_ms())
                writer.facts["visitors_15m"] = 100_000 + number
                writer.write()
                written_ms[f"{100_000 + number:,}"] = now_ms()
            page.wait_for_timeout(3000)
            seen_ms: dict[str, int] = page.evaluate("seen")
    return [seen_ms[text] - at_ms for text, at_ms in written_ms.items()]


def main() -> None:
    """Read the options and report."""
    parser = argparse.ArgumentParser(description="Measure the time from Redis to the page.")
    parser.add_argument("--boards", type=int, default=100)
    start_s = time.monotonic()
    taken_ms = measure(parser.parse_args().boards)
    print(f"{len(taken_ms)} boards: {percentiles(taken_ms)}")
    print(f"in {time.monotonic() - start_s:.0f} s")


if __name__ == "__main__":
    main()
