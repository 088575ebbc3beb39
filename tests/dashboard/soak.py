"""Leaves the page open: memory of its server with several tabs, before and after they close.

`python -m tests.dashboard.soak --minutes 30` prints one line a minute and closes with the growth.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

from tests.bench.process import rss_mib
from tests.dashboard.conftest import PageServer, chromium
from tests.dashboard.looking import state
from tests.dashboard.writer import Writer
from tests.support.servers import RedisServer

SETTLE_S = 60.0  # what Python and Arrow take once, when the first boards are drawn
CLOSED_S = 60.0


def soak(minutes: float, tabs: int) -> None:
    """Run writer, page server and tabs, and report."""
    stop = threading.Event()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    with RedisServer() as redis, redis.client() as client, PageServer(redis.url, folder) as server:
        writing = threading.Thread(target=_write, args=(Writer(client), stop))
        writing.start()
        try:
            _watch(server, minutes, tabs)
        finally:
            stop.set()
            writing.join()


def _write(writer: Writer, stop: threading.Event) -> None:
    while not stop.wait(1.0 - time.time() % 1.0):
        writer.publish()


def _watch(server: PageServer, minutes: float, tabs: int) -> None:
    assert server.process is not None
    pid, start_s = server.process.pid, time.monotonic()

    def tell(what: str) -> float:
        taken_mib = rss_mib(pid)
        print(f"{(time.monotonic() - start_s) / 60:6.1f} min  {taken_mib:7.1f} MiB  {what}", flush=True)
        return taken_mib

    tell("before the first tab")
    with chromium() as browser:
        pages = [browser.new_page() for _ in range(tabs)]
        for page in pages:
            page.goto(server.url)
            page.wait_for_selector(".pulse", state="attached")
        pages[0].wait_for_timeout(SETTLE_S * 1000)
        first_mib = tell(f"{tabs} tabs, settled")
        end_s = time.monotonic() + minutes * 60
        last_mib = first_mib
        while time.monotonic() < end_s:
            pages[0].wait_for_timeout(min(60.0, max(0.0, end_s - time.monotonic())) * 1000)
            last_mib = tell(f"{tabs} tabs: {', '.join(state(page) for page in pages)}")
    time.sleep(CLOSED_S)
    closed_mib = tell("all tabs closed")
    grown_mib = last_mib - first_mib
    print(f"growth with {tabs} tabs over {minutes:g} min: {grown_mib:+.1f} MiB; closed: {closed_mib:.1f} MiB")
    print(server.log[-2000:])


def main() -> None:
    """Read the options."""
    parser = argparse.ArgumentParser(description="Measure the memory of the page's server over time.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--tabs", type=int, default=5)
    asked = parser.parse_args()
    soak(asked.minutes, asked.tabs)


if __name__ == "__main__":
    main()
