"""The flow in a process of its own, slowed down, killed at a named point, or with a mechanism broken.

Runs in the child process that `tests.crash` starts: patches the flow's modules, then does what
`python -m bytewax.run flows.clicks` does.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import bytewax._bytewax
import pandas as pd
import pytest

from flows import (
    board,
    categories,
    decode,
    devices,
    latest,
    pages,
    redis_sink,
    sessions,
    sources,
    state,
    windowed,
)
from flows.items import Batch
from flows.state import Shard
from tests.kafka_faults import KAFKA_FAULTS
from tests.mutants import MUTANTS

# Imported here, before the fork, so that a child starts at once; flows.clicks itself reads the environment.
PRELOADED = (board, categories, decode, devices, latest, pages, redis_sink, sessions, windowed, pd)


@dataclass(frozen=True, slots=True)
class Faults:
    """What differs from a plain run.

    `block_bytes`, `pause_s` (after each batch), `epoch_ms` and `slack_bytes` (of a shard's part logs) make a
    short log last and go through many epochs; `kill_at` names a point of KILL_POINTS and the how-manieth
    passing of it that kills; `mutant` is one of MUTANTS of tests.mutants or of
    KAFKA_FAULTS of tests.kafka_faults.
    """

    block_bytes: int = 1 << 14
    pause_s: float = 0.002
    epoch_ms: int = 40
    slack_bytes: int = 2000
    kill_at: tuple[str, int] | None = None
    mutant: str | None = None


def run(environment: dict[str, str], arguments: list[str], faults: Faults, log: str) -> None:
    """Run the flow in this process, its output in the file `log`."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(environment)
    _apply(faults)
    sys.argv = ["bytewax.run", "flows.clicks", *arguments]
    runpy.run_module("bytewax.run", run_name="__main__", alter_sys=True)


def _apply(faults: Faults) -> None:
    patch = pytest.MonkeyPatch()
    patch.setattr(sources, "BLOCK_BYTES", faults.block_bytes)
    patch.setattr(state, "_SLACK_BYTES", faults.slack_bytes)
    _pause_after_batches(patch, faults.pause_s)
    _shorten_epochs(patch, faults.epoch_ms)
    if faults.mutant is not None:
        (MUTANTS | KAFKA_FAULTS)[faults.mutant](patch)
    if faults.kill_at is not None:
        KILL_POINTS[faults.kill_at[0]](patch, faults.kill_at[1])


def _pause_after_batches(patch: pytest.MonkeyPatch, pause_s: float) -> None:
    next_batch = sources.FilePartition.next_batch

    def slow(partition: sources.FilePartition) -> Iterable[Batch]:
        time.sleep(pause_s)
        return next_batch(partition)

    patch.setattr(sources.FilePartition, "next_batch", slow)


def _shorten_epochs(patch: pytest.MonkeyPatch, epoch_ms: int) -> None:
    """Let `-s`, which takes whole seconds, mean `epoch_ms`."""
    cli_main: Any = bytewax._bytewax.cli_main

    def run_faster(*, epoch_interval: timedelta, **options: Any) -> None:
        cli_main(**options, epoch_interval=timedelta(milliseconds=epoch_ms))

    patch.setattr(bytewax._bytewax, "cli_main", run_faster)


# Named points


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _at_write(patch: pytest.MonkeyPatch, *, due: Callable[[Shard], bool], first: bool) -> None:
    """Kill at the write of a shard for which `due` is true, before it if `first`, else after it."""
    write: Callable[..., None] = Shard._write

    def killing(shard: Shard, *args: Any) -> None:
        kill = due(shard)
        if kill and first:
            _kill()
        write(shard, *args)
        if kill:
            _kill()

    patch.setattr(Shard, "_write", killing)


def _nth(number: int) -> Callable[[Shard], bool]:
    writes = count(1)
    return lambda shard: next(writes) == number


def _ahead(number: int) -> Callable[[Shard], bool]:
    """Return whether this is a shard's write number `number` in this run, and none before it."""
    writes: Counter[int] = Counter()

    def due(shard: Shard) -> bool:
        writes[shard.number] += 1
        return writes[shard.number] == number

    return due


KILL_POINTS: dict[str, Callable[[pytest.MonkeyPatch, int], None]] = {
    "before the write": lambda patch, nth: _at_write(patch, due=_nth(nth), first=True),
    "after the write": lambda patch, nth: _at_write(patch, due=_nth(nth), first=False),
    "between two shards' writes": lambda patch, nth: _at_write(patch, due=_ahead(nth), first=False),
}
