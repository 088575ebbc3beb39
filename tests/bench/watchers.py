"""What it costs to watch: the page's server with some open tabs, CPU and memory, how far they are behind.

A tab here is a client that asks for the page as a browser's does and draws nothing, so that thirty of them
leave the processors to the server: `python -m tests.bench.watchers --tabs 1 5 30`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import tempfile
import threading
import time
from datetime import datetime, timezone
from datetime import time as clock
from pathlib import Path

import redis
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.typing import Subprotocol

from tests.bench.process import cpu_s, rss_mib
from tests.dashboard.conftest import PageServer
from tests.dashboard.writer import Writer
from tests.support.servers import RedisServer

_AS_OF = re.compile(r'data-figure="as_of">([0-9:]{8})<')


class Tab:
    """One viewer; `behind_s` is how old each board was that it got to see."""

    def __init__(self, url: str, query: str = "") -> None:
        self._url = url.replace("http:", "ws:") + "/_stcore/stream"
        self._query = query
        self._known: dict[str, None] = {}
        self._seen = ""
        self.behind_s: list[float] = []

    async def watch(self, seconds: float) -> None:
        """Look at the page for so long."""
        end_s = time.monotonic() + seconds
        async with websockets.connect(
            self._url, subprotocols=[Subprotocol("streamlit")], max_size=None
        ) as socket:
            await self._ask(socket)
            repeats: dict[str, asyncio.Task[None]] = {}
            while (left_s := end_s - time.monotonic()) > 0:
                try:
                    data = await asyncio.wait_for(socket.recv(), left_s)
                except asyncio.TimeoutError:
                    break
                message = ForwardMsg()
                message.ParseFromString(data)
                if message.hash:
                    self._known[message.hash] = None
                if message.HasField("auto_rerun"):
                    every, fragment = message.auto_rerun.interval, message.auto_rerun.fragment_id
                    if fragment not in repeats:
                        repeats[fragment] = asyncio.create_task(self._repeat(socket, every, fragment))
                elif message.HasField("delta"):
                    self._look(message.delta.new_element.html.body)
            for repeat in repeats.values():
                repeat.cancel()

    def _look(self, html: str) -> None:
        found = _AS_OF.search(html)
        if found and found[1] != self._seen:
            self._seen = found[1]
            now = datetime.now(timezone.utc)
            moment = datetime.combine(now.date(), clock.fromisoformat(found[1]), timezone.utc)
            # A board is published at the beginning of the second that it is of.
            self.behind_s.append((now - moment).total_seconds() + 1)

    async def _repeat(self, socket: websockets.ClientConnection, every_s: float, fragment: str) -> None:
        while True:
            await asyncio.sleep(every_s)
            await self._ask(socket, fragment)

    async def _ask(self, socket: websockets.ClientConnection, fragment: str = "") -> None:
        message = BackMsg()
        message.rerun_script.query_string = self._query
        if fragment:
            message.rerun_script.fragment_id, message.rerun_script.is_auto_rerun = fragment, True
        message.rerun_script.cached_message_hashes.extend(self._known)
        await socket.send(message.SerializeToString())


def measure(tabs: int, seconds: float, query: str = "") -> tuple[float, float, float, float]:
    """Return (share of a core, MiB, median and greatest seconds behind) of a server with so many tabs."""
    with RedisServer() as server, tempfile.TemporaryDirectory() as folder:
        client = redis.Redis.from_url(server.url)
        stop = threading.Event()
        writing = threading.Thread(target=_write, args=(Writer(client), stop))
        writing.start()
        with PageServer(server.url, Path(folder)) as page:
            assert page.process is not None
            process = page.process.pid
            _pin(process, 0)
            _pin(os.getpid(), 1)
            asyncio.run(_all([Tab(page.url, query) for _ in range(tabs)], 8))
            watched = [Tab(page.url, query) for _ in range(tabs)]
            opened_s = 5.0 + tabs / 3
            share, mib = asyncio.run(_measured(watched, opened_s, seconds, process))
        stop.set()
        writing.join()
    behind_s = sorted(age for tab in watched for age in tab.behind_s[round(opened_s) :])
    return share, mib, behind_s[len(behind_s) // 2], behind_s[-1]


async def _all(tabs: list[Tab], seconds: float) -> None:
    await asyncio.gather(*(tab.watch(seconds) for tab in tabs))


async def _measured(tabs: list[Tab], opened_s: float, seconds: float, process: int) -> tuple[float, float]:
    watching = asyncio.create_task(_all(tabs, opened_s + seconds + 1))
    await asyncio.sleep(opened_s)
    before_s, began_s = cpu_s(process), time.monotonic()
    await asyncio.sleep(seconds)
    share = (cpu_s(process) - before_s) / (time.monotonic() - began_s)
    await watching
    return share, rss_mib(process)


def _pin(process: int, core: int) -> None:
    for thread in Path(f"/proc/{process}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def _write(writer: Writer, stop: threading.Event) -> None:
    writer.fill(time.time_ns() // 10**6)
    writer.write(log=writer.steps(time.time_ns() // 10**6, 30))
    while not stop.is_set():
        time.sleep(1.0 - time.time() % 1.0)
        writer.publish()


def main() -> None:
    """Print a row for each number of tabs."""
    parser = argparse.ArgumentParser(description="Measure what open tabs cost the page's server.")
    parser.add_argument("--tabs", type=int, nargs="+", default=[1, 5, 30])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--query", default="")
    asked = parser.parse_args()
    print("| tabs | % of a core | % a tab | MiB | s behind, median | s behind, most |")
    print("| --- | --- | --- | --- | --- | --- |")
    for tabs in asked.tabs:
        share, mib, median_s, most_s = measure(tabs, asked.seconds, asked.query)
        figures = (100 * share, 100 * share / tabs, mib)
        print(f"| {tabs} | {' | '.join(f'{n:.1f}' for n in figures)} | {median_s:.2f} | {most_s:.2f} |")


if __name__ == "__main__":
    main()
