"""Clicks per second of the whole flow, decoding alone, the seed's way and Bytewax's windows: `make bench`.

Each work runs in turn in a process of its own, several times; the table has medians, and each one's rate as a
multiple of the whole flow's in the same round. It is printed as Markdown and, with `--json FILE`, written.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import flows.clicks  # noqa: F401
from flows.runtime.compiled import get_ready
from tests.bench.log import make_log
from tests.bench.works import CLICKHOUSE, FLOW, WORKS, Timed

Run = dict[str, float]


def measure(name: str, log: Path) -> Run:
    """Run one piece of work in this process; the log is in memory before, whoever has read it last."""
    with log.open("rb") as blocks:
        while blocks.read(1 << 20):
            pass
    timed = Timed()
    WORKS[name](log, timed)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return asdict(timed) | {"peak_mib": peak_mib}


def rounds(tasks: dict[str, tuple[str, Path]], runs: int) -> dict[str, list[Run]]:
    """Run each task, a work and the log it takes, `runs` times in turn, each in a process of its own."""
    results: dict[str, list[Run]] = {task: [] for task in tasks}
    for _ in range(runs):
        for task, (name, log) in tasks.items():
            command = [sys.executable, "-m", "tests.bench.throughput", "--log", str(log), "--only", name]
            out = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
            results[task].append(json.loads(out.splitlines()[-1]))
    return results


def table(results: dict[str, list[Run]], what: str, ratio: str) -> list[dict[str, object]]:
    """Return a row a task: medians, and its rate as a multiple of the first task's, round by round."""
    first = next(iter(results.values()))
    return [
        {
            what: task,
            "clicks/s": round(statistics.median(_rate(run) for run in runs)),
            "CPU us a click": round(statistics.median(run["cpu_s"] / run["clicks"] * 1e6 for run in runs), 2),
            "peak MiB": round(statistics.median(run["peak_mib"] for run in runs)),
            ratio: _times(
                statistics.median(_rate(run) / _rate(one) for run, one in zip(runs, first, strict=True))
            ),
        }
        for task, runs in results.items()
    ]


def markdown(rows: list[dict[str, object]]) -> str:
    """Return rows as a Markdown table."""
    lines = ["| " + " | ".join(rows[0]) + " |", "| " + " | ".join("---" for _ in rows[0]) + " |"]
    lines += [
        "| "
        + " | ".join(f"{value:,}" if isinstance(value, int | float) else str(value) for value in row.values())
        + " |"
        for row in rows
    ]
    return "\n".join(lines)


def _rate(run: Run) -> float:
    return run["clicks"] / run["wall_s"]


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.1 else f"1/{1 / ratio:.0f}"


def _runnable() -> list[str]:
    """Return the works for which all is here: chdb is installed by hand."""
    return [name for name in WORKS if name != CLICKHOUSE or importlib.util.find_spec("chdb")]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=1_000_000)
    parser.add_argument("--visitors", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--works", nargs="*", choices=WORKS, default=_runnable(), metavar="WORK")
    parser.add_argument("--only", choices=WORKS, help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help="a log to take in place of one that is made")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only, options.log)))
        return
    get_ready()
    with tempfile.TemporaryDirectory() as folder:
        log = options.log or Path(folder) / "log"
        if options.log is None:
            make_log(log, options.clicks, options.visitors)
        tasks = {name: (name, log) for name in (FLOW, *options.works)}
        rows = table(rounds(tasks, options.runs), "what", "rate to the whole flow's")
    print(markdown(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
