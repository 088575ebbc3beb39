"""State on disk: one RocksDB a shard, in which state and source position are one atomic, synced write.

A part holds the rows that changed in one epoch as columns (a put of many rows costs what a put of one
does). Loading applies the parts in their order. When the parts since the last whole one have outgrown it,
the operator writes itself whole again and the older parts go: the store stays within a small multiple of
what the operators hold. Shards and operators take turns at that, so that what an epoch writes depends on
what changed and not on what is held. Values are MessagePack; nothing in them can run code.

Every operator writes a part in every epoch. So whatever is lost of the files, state is complete exactly if
each operator's parts run from a whole one to the epoch of `position` without a gap, and that is checked.
State that merely ends earlier than it did does no harm: the source begins where it ends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from flows.runtime.exits import fail
from flows.runtime.malloc import Heap
from flows.state.key import write_key
from flows.state.part_sizes import Credit
from flows.state.shard import Shard
from flows.state.store import (
    VERSION,
    Header,
    read_header,
    shard_path,
)
from flows.state.trouble import DamagedError, unusable

log = logging.getLogger("clicks.state")

# So much may be kept of clicks that wait for their time, packed.
MOST_WAITING_BYTES = 32 << 20

_REMEDIES = {
    "version": "run the version that wrote it",
    "shards": "set CLICKS_SHARDS back",
    "shard": "put it back in its place",
    "source": "set CLICKS_SOURCE back",
    "log": "it is another log under the same name, so put the one back that was read",
    "operators": "run a flow that has all of these",
}


class Sized(Protocol):
    """What says how many bytes it keeps."""

    bytes: int


class State:
    """The shards of a state directory, each opened when first asked for."""

    def __init__(self, directory: Path, shards: int, source: str) -> None:
        self.directory, self.shards, self.source = directory, shards, source
        # How many reports make a board: one a metric and shard.
        self.reports = 0
        self._everywhere: list[str] = []
        self._first_only: list[str] = []
        self._open: dict[int, Shard] = {}
        self._headers: dict[int, Header] = {}
        self._credit, self._heap = Credit(), Heap(time.monotonic())
        self._log: str | None = None
        self._key: int | None = None
        self._waiting: list[Sized] = []
        self._crowded = False
        self._lock = threading.RLock()
        # Held by the partition that takes in what runs of the flow have ended in.
        self.turn = threading.Lock()
        self._before_saving: defaultdict[int, list[Callable[[], None]]] = defaultdict(list)

    def identify(self, log: str | None) -> None:
        """Tell what the source's log is known by, whatever its name; None if that is not known yet.

        State of a log that is known by something else is refused.
        """
        self._log = log

    def before_saving(self, do: Callable[[], None]) -> None:
        """Have something done by the calling worker before it saves anything."""
        self._before_saving[threading.get_ident()].append(do)

    def _save(self) -> None:
        for do in self._before_saving[threading.get_ident()]:
            do()

    @property
    def log(self) -> str:
        """What the source's log is known by, empty if that is not known."""
        return self._log or ""

    def watch(self, waiting: Sized) -> None:
        """Take note of clicks that wait for their time."""
        self._waiting.append(waiting)

    @property
    def crowded(self) -> bool:
        """Whether so many clicks wait in this process that no more are to."""
        crowded = sum(waiting.bytes for waiting in self._waiting) > MOST_WAITING_BYTES
        if crowded and not self._crowded:
            log.warning(
                "clicks ahead of the clock take %d MB: more are rejected as too_new until their time comes",
                MOST_WAITING_BYTES >> 20,
            )
        self._crowded = crowded
        return crowded

    def open_with(self, key: int) -> None:
        """Take note of the key that the shards are to keep, before any is opened.

        It is kept beside them too: rebuilt with another one, steps and offers would be told twice.
        """
        self._key = key
        write_key(self.directory, key)

    def expect(self, operator: str, *, everywhere: bool, reports: bool = True) -> None:
        """Announce an operator that keeps state, in every shard or in the first alone."""
        (self._everywhere if everywhere else self._first_only).append(operator)
        if reports:
            self.reports += self.shards if everywhere else 1

    def operators(self, number: int) -> list[str]:
        """Return the operators that keep state in shard `number`."""
        return self._everywhere + (self._first_only if number == 0 else [])

    def shard(self, number: int) -> Shard:
        """Return a shard, opened for writing; ends the flow with one line if that cannot be."""
        with self._lock:
            if number not in self._open:
                # First without writing, so that state of no use to this flow stays as it is.
                self.header(number)
                path = shard_path(self.directory, number)
                self._open[number] = Shard(path, self._format(number), self._credit, self._heap, self._save)
            return self._open[number]

    def header(self, number: int) -> Header:
        """Return what a shard said of itself when this process first looked at it, without opening it.

        Ends the flow with one line if it is of no use to this flow.
        """
        with self._lock:
            if number not in self._headers:
                path = shard_path(self.directory, number)
                self._headers[number] = _checked_header(path, self._format(number))
            return self._headers[number]

    def on_disk(self, source: str, position: int) -> int:
        """Return how far, up to a position of a partition, all shards that are open here have it on disk."""
        return min([position, *(shard.positions.get(source, 0) for shard in list(self._open.values()))])

    @property
    def held_bytes(self) -> int:
        """How many bytes of state the open shards have on disk, without what RocksDB adds."""
        return sum(shard.held_bytes for shard in list(self._open.values()))

    def _format(self, number: int) -> dict[str, Any]:
        return {
            "version": VERSION,
            "shards": self.shards,
            "shard": number,
            "source": self.source,
            "operators": sorted(self.operators(number)),
        } | {name: value for name, value in (("log", self._log), ("key", self._key)) if value is not None}


def _checked_header(path: Path, wanted: dict[str, Any]) -> Header:
    try:
        header = read_header(path)
    except (DamagedError, OSError) as error:
        fail(unusable(path, error))
    for key, value in header.format.items():
        if key == "operators" and set(value) <= set(wanted[key]):
            continue  # those that are not there yet begin empty
        if value != wanted.get(key, value if key in ("log", "key") else None):
            if key == "log" and wanted["source"].startswith("kafka:"):
                fail(
                    f"{path} holds state of another {wanted['source']}: the topic was deleted and created "
                    "anew; set CLICKS_STATE_DIR to another directory and KAFKA_GROUP_ID to another group"
                )
            remedy = f"{_REMEDIES.get(key, 'set it back')}, or set CLICKS_STATE_DIR to another directory"
            fail(f"{path} holds state of {key} {value}, this flow has {wanted.get(key)}: {remedy}")
    return header
