"""The flow in a process of its own, slowed down, killed at a named point, or with a mechanism broken.

Runs in the child process that `tests.faults.crash` starts: patches the flow's modules, then does what
`python -m bytewax.run flows.clicks` does.
"""

from __future__ import annotations

import faulthandler
import os
import re
import resource
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
from redis.connection import AbstractConnection

from flows.ingest.scan import scan
from flows.journeys import metric as journeys
from flows.kafka.reader import Reader
from flows.metrics import sessions
from flows.model.batch import Batch
from flows.operators import board, meet, windowed
from flows.runtime.compiled import get_ready
from flows.sinks.redis import sink
from flows.sources import file, opening_partition
from flows.state import part_sizes
from flows.state.shard import Shard
from tests.faults.kafka_faults import KAFKA_FAULTS
from tests.faults.mutants import KILLERS, MUTANTS

# Imported before the fork, so that a child starts at once; flows.clicks, which binds what is patched, later.
PRELOADED = (board, journeys, scan, sessions, sink, windowed, pd)
get_ready()


@dataclass(frozen=True, slots=True)
class Faults:
    """What differs from a plain run.

    `block_bytes`, `pause_s` (after each batch), `epoch_ms` and `slack_bytes` (of a shard's part logs) make a
    short log last and go through many epochs; `kill_at` names a point of KILL_POINTS or COMMIT_POINTS and the
    how-manieth passing of it that kills; `mutant` is one of MUTANTS (`mutants`) or of KAFKA_FAULTS
    (`kafka_faults`); a file that grows to `file_bytes` can grow no more.
    """

    block_bytes: int = 1 << 14
    pause_s: float = 0.002
    epoch_ms: int = 40
    slack_bytes: int = 2000
    kill_at: tuple[str, int] | None = None
    mutant: str | None = None
    file_bytes: int | None = None


def run(environment: dict[str, str], arguments: list[str], faults: Faults, log: str) -> None:
    """Run the flow in this process, its output in the file `log`; also where its threads are on SIGUSR1."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    faulthandler.enable(output)
    faulthandler.register(signal.SIGUSR1, output)
    os.environ.update(environment)
    _apply(faults)
    sys.argv = ["bytewax.run", "flows.clicks", *arguments]
    runpy.run_module("bytewax.run", run_name="__main__", alter_sys=True)


def _apply(faults: Faults) -> None:
    patch = pytest.MonkeyPatch()
    patch.setattr(file, "BLOCK_BYTES", faults.block_bytes)
    # Blocks are small here: the next one is decoded ahead all the same.
    patch.setattr(opening_partition, "LARGE", {bytes: 1, list: 1})
    patch.setattr(part_sizes, "_SLACK_BYTES", faults.slack_bytes)
    # Of a key drawn anew each time, each run would find something else.
    patch.setattr(meet, "drawn_key", lambda: 0)
    _pause_after_batches(patch, faults.pause_s)
    _shorten_epochs(patch, faults.epoch_ms)
    if faults.mutant is not None:
        (MUTANTS | KAFKA_FAULTS | KILLERS)[faults.mutant](patch)
    if faults.kill_at is not None:
        (KILL_POINTS | COMMIT_POINTS)[faults.kill_at[0]](patch, faults.kill_at[1])
    if faults.file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (faults.file_bytes, resource.RLIM_INFINITY))


def _pause_after_batches(patch: pytest.MonkeyPatch, pause_s: float) -> None:
    next_batch = file.FilePartition.next_batch

    def slow(partition: file.FilePartition) -> Iterable[Batch]:
        time.sleep(pause_s)
        return next_batch(partition)

    patch.setattr(file.FilePartition, "next_batch", slow)


def _shorten_epochs(patch: pytest.MonkeyPatch, epoch_ms: int) -> None:
    """Let `-s`, which takes whole seconds, mean `epoch_ms`."""
    cli_main: Any = bytewax._bytewax.cli_main

    def run_faster(*, epoch_interval: timedelta, **options: Any) -> None:
        cli_main(**options, epoch_interval=timedelta(milliseconds=epoch_ms))

    patch.setattr(bytewax._bytewax, "cli_main", run_faster)


def troubles(output: str) -> list[str]:
    """Return the messages in what a flow printed, without those that only inform, and anything else."""
    lines = (re.sub(r"^\S+Z (INFO|WARNING|ERROR) ", r"\1 ", line) for line in output.splitlines())
    return [line.removeprefix("WARNING ") for line in lines if not line.startswith("INFO ")]


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


def _at_transaction(patch: pytest.MonkeyPatch, number: int, *, half: bool) -> None:
    """Kill at a Redis transaction when half of it has been sent, or all of it and no reply has come."""
    send: Callable[..., None] = AbstractConnection.send_packed_command
    transactions = count(1)

    def killing(connection: Any, command: Any, *args: Any, **options: Any) -> None:
        packed = b"".join(command) if isinstance(command, list) else b""
        if b"MULTI" in packed and next(transactions) == number:
            connection._sock.sendall(packed[: len(packed) // 2] if half else packed)
            _kill()
        send(connection, command, *args, **options)

    patch.setattr(AbstractConnection, "send_packed_command", killing)


def _at_commit(patch: pytest.MonkeyPatch, number: int, *, first: bool) -> None:
    """Kill at a commit of offsets to the consumer group, before it if `first`, else once it is made."""
    commit: Callable[..., None] = Reader.commit
    commits = count(1)

    def killing(reader: Reader, *args: Any, wait: bool = False) -> None:
        kill = next(commits) == number
        if kill and first:
            _kill()
        commit(reader, *args, wait=wait or kill)
        if kill:
            _kill()

    patch.setattr(Reader, "commit", killing)


KILL_POINTS: dict[str, Callable[[pytest.MonkeyPatch, int], None]] = {
    "before the write": lambda patch, nth: _at_write(patch, due=_nth(nth), first=True),
    "after the write": lambda patch, nth: _at_write(patch, due=_nth(nth), first=False),
    "between two shards' writes": lambda patch, nth: _at_write(patch, due=_ahead(nth), first=False),
    "amid a transaction": lambda patch, nth: _at_transaction(patch, nth, half=True),
    "before a transaction's reply": lambda patch, nth: _at_transaction(patch, nth, half=False),
}
COMMIT_POINTS: dict[str, Callable[[pytest.MonkeyPatch, int], None]] = {
    "before the commit": lambda patch, nth: _at_commit(patch, nth, first=True),
    "after the commit": lambda patch, nth: _at_commit(patch, nth, first=False),
}
