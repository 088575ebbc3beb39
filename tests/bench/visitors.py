"""What many visitors cost the whole flow: `python -m tests.bench.visitors [--few 10000 --many 2000000]`.

Two logs of as many clicks in the same hours differ in how many visitors they are of. Each visitor comes once,
in no particular order; who makes the clicks after that is drawn anew for each. The flow runs over both in
turn, each time in a process of its own with new state. The table has medians, and the rate with many visitors
as a multiple of that with few in the same round.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.bench.log import HOURS, click, first_second, rest_of_click
from tests.bench.throughput import markdown, rounds, table
from tests.bench.works import FLOW


def who_clicks(clicks: int, visitors: int, rng: Random) -> Iterator[int]:
    """Yield the visitor of each click: each of them once, then any."""
    everyone = list(range(visitors))
    rng.shuffle(everyone)
    yield from everyone
    for _ in range(clicks - visitors):
        yield rng.randrange(visitors)


def make_log(path: Path, clicks: int, visitors: int) -> None:
    """Write the log; its clicks come evenly."""
    rng = Random(visitors)
    begin_ns, step_ns = first_second() * 10**9, int(HOURS * 3600 * 1e9) // clicks
    with path.open("wb") as log:
        for number, visitor in enumerate(who_clicks(clicks, visitors, rng)):
            log.write(click(begin_ns + number * step_ns, rest_of_click(visitor, rng)) + b"\n")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.visitors")
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=2_000_000)
    parser.add_argument("--clicks", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if not 0 < options.few < options.many <= options.clicks:
        parser.error("give more visitors as --many than as --few, and no fewer --clicks than that")
    with tempfile.TemporaryDirectory() as folder:
        tasks: dict[str, tuple[str, Path]] = {}
        for visitors in (options.few, options.many):
            log = Path(folder) / str(visitors)
            make_log(log, options.clicks, visitors)
            tasks[f"{visitors:,}"] = FLOW, log
        print(markdown(table(rounds(tasks, options.runs), "visitors", "rate to that of few")))


if __name__ == "__main__":
    main()
