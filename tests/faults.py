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
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import bytewax._bytewax
import pandas as pd

from flows import board, categories, decode, devices, latest, pages, redis_sink, sessions, sources, state, windowed
from flows.items import Batch
from flows.state import Shard

# Imported here, before the fork, so that a child starts at once; flows.clicks itself reads the environment.
PRELOADED = (board, categories, decode, devices, latest, pages, redis_sink, sessions, windowed, pd)


@dataclass(frozen=True, slots=True)
class Faults:
    """What differs from a plain run.

    `block_bytes`, `pause_s` (after each batch), `epoch_ms` and `slack_bytes` (of a shard's part logs) make a
    short log last and go through many epochs; `kill_at` names a point of KILL_POINTS and the how-manieth
    passing of it that kills; `mutant` is one of MUTANTS of tests.mutants.
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
    sources.BLOCK_BYTES = faults.block_bytes
    state._SLACK_BYTES = faults.slack_bytes
    _pause_after_batches(faults.pause_s)
    _shorten_epochs(faults.epoch_ms)
    if faults.mutant is not None:
        from tests.mutants import MUTANTS

        MUTANTS[faults.mutant]()
    if faults.kill_at is not None:
        KILL_POINTS[faults.kill_at[0]](faults.kill_at[1])


def _pause_after_batches(pause_s: float) -> None:
    next_batch = sources.FilePartition.next_batch

    def slow(partition: sources.FilePartition) -> Iterable[Batch]:
        time.sleep(pause_s)
        return next_batch(partition)

    sources.FilePartition.next_batch = slow  # type: ignore[method-assign]


def _shorten_epochs(epoch_ms: int) -> None:
    """Let `-s`, which takes whole seconds, mean `epoch_ms`."""
    cli_main = bytewax._bytewax.cli_main

    def run_faster(*, epoch_interval: timedelta, **options: Any) -> None:
        cli_main(**options, epoch_interval=timedelta(milliseconds=epoch_ms))

    bytewax._bytewax.cli_main = run_faster


# Named points


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _around_write(*, before: Callable[[int, int], bool], after: Callable[[int, int], bool]) -> None:
    """Kill before (after) a shard's write if `before` (`after`) says so of its count and its shard."""
    write = Shard._write
    writes = 0

    def counted(shard: Shard, *args: Any) -> None:
        nonlocal writes
        writes += 1
        if before(writes, shard.number):
            _kill()
        write(shard, *args)
        if after(writes, shard.number):
            _kill()

    Shard._write = counted  # type: ignore[method-assign]


def _never(writes: int, shard: int) -> bool:
    return False


def _before_write(nth: int) -> None:
    _around_write(before=lambda writes, _: writes == nth, after=_never)


def _after_write(nth: int) -> None:
    _around_write(before=_never, after=lambda writes, _: writes == nth)


def _between_shards(nth: int) -> None:
    """Kill when the first shard has written its `nth` epoch and another has not."""
    epochs: dict[int, int] = {}

    def torn(_: int, shard: int) -> bool:
        epochs[shard] = epochs.get(shard, 0) + 1
        return max(epochs.values()) >= nth and epochs[shard] > min(epochs.get(other, 0) for other in (0, 1))

    _around_write(before=_never, after=torn)


KILL_POINTS: dict[str, Callable[[int], None]] = {
    "before the write": _before_write,
    "after the write": _after_write,
    "between two shards' writes": _between_shards,
}
