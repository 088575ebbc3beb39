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

from rocksdict import Rdict, WriteBatch, WriteOptions

from flows.model.mark import Mark
from flows.model.notes import Flight, Reading
from flows.model.packing import encode
from flows.runtime.exits import fail
from flows.runtime.malloc import Heap
from flows.runtime.telemetry import SNAPSHOT_SECONDS
from flows.state.key import write_key
from flows.state.part_sizes import Credit, Sizes
from flows.state.store import (
    VERSION,
    Header,
    flight_key,
    header_of,
    options,
    parts_of,
    poison_key,
    read_header,
    reading_key,
    shard_path,
)
from flows.state.trouble import DamagedError, unmakeable, unusable, unwritable

log = logging.getLogger("clicks.state")

# So much may be kept of clicks that wait for their time, packed.
MOST_WAITING_BYTES = 32 << 20

_REMEDIES = {
    "version": "run the version that wrote it",
    "shards": "set CLICKS_SHARDS back",
    "shard": "put it back in its place",
    "source": "set CLICKS_SOURCE back",
    "log": "it is another log under the same name, so put the one back that was read",
    "operators": "run the flow that wrote it",
}

Changes = Callable[..., dict[str, Any]]


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


class Shard:
    """One shard's database; `positions` and `mark` are as of when it was opened."""

    def __init__(
        self,
        path: Path,
        own_format: dict[str, Any],
        credit: Credit,
        heap: Heap,
        before_saving: Callable[[], None] = lambda: None,
    ) -> None:
        self.path, self.number, self._credit, self._heap = path, int(own_format["shard"]), credit, heap
        self._before_saving = before_saving
        self._operators: list[str] = own_format["operators"]
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            columns = {name: options() for name in ["default", *self._operators]}
            self._db = Rdict(str(path), options(), columns)
            header = header_of(self._db)
            if not own_format.items() <= header.format.items():
                self._db.put(b"format", encode(header.format | own_format))
        except OSError as error:
            fail(unmakeable(path, error))
        except Exception as error:
            fail(unusable(path, error))
        self.positions, self.mark = header.positions, header.mark
        self._epoch = header.epoch
        self._handles = {name: self._db.get_column_family_handle(name) for name in self._operators}
        self._sizes = {name: Sizes() for name in self._operators}
        self._epochs: list[dict[str, tuple[bytes, bool]]] = []
        self._positions: list[dict[str, Any]] = []

    def load(self, operator: str) -> list[dict[str, Any]]:
        """Return the parts of an operator's state, oldest first; ends the flow if any is missing."""
        try:
            parts = parts_of(self._db, operator, self._epoch)
        except Exception as error:
            fail(unusable(self.path, error))
        for size_bytes, part in parts:
            self._sizes[operator].add(size_bytes, whole=part.pop("whole"))
        return [part for _, part in parts]

    def save_position(self, positions: dict[str, int], mark: Mark) -> None:
        """Give the position that belongs to what the operators save of this epoch."""
        self._positions.append({"positions": dict(positions), "mark": mark})

    def show(self, positions: dict[str, int], mark: Mark) -> None:
        """Keep what a board shows that is about to be published; survives a kill, and is not synced."""
        self._put(b"shown", encode({"positions": positions, "mark": mark}))

    def note(self, source: str, reading: Reading) -> None:
        """Keep a reading; survives a kill, and is not synced."""
        what = reading._asdict()
        self._put(reading_key(source, what.pop("start")), encode(what))

    def forget(self, source: str, position: int) -> None:
        """Let go of the readings, and the poison, of what is before `position`."""
        for key in reading_key, poison_key:
            self._note(self._db.delete_range, key(source, 0), key(source, position))

    def fly(self, source: str, flight: Flight) -> None:
        """Keep what of a source is being taken in; survives a kill, and is not synced."""
        self._put(flight_key(source), encode(flight._asdict()))

    def poison(self, source: str, position: int) -> None:
        """Keep that a record is poison."""
        self._put(poison_key(source, position), b"")

    def save(self, operator: str, changes: Changes) -> None:
        """Give an operator's changes of an epoch; with those of the last operator all are written."""
        self._before_saving()
        sizes = self._sizes[operator]
        whole = sizes.first or (sizes.outgrown and self._credit.left)
        part = encode(changes(everything=whole) | {"whole": whole}), whole
        if not sizes.first:
            self._credit.note(len(part[0]), whole=whole)
        for epoch in self._epochs:
            if operator not in epoch:
                epoch[operator] = part
                break
        else:
            self._epochs.append({operator: part})
        if len(self._epochs[0]) == len(self._operators):
            self._write(self._epochs.pop(0), self._positions.pop(0))
            self._heap.trim(time.monotonic())

    def _put(self, key: bytes, value: bytes) -> None:
        self._note(self._db.put, key, value)

    def _note(self, do: Callable[[bytes, bytes], None], first: bytes, second: bytes) -> None:
        try:
            do(first, second)
        except Exception as error:
            fail(unwritable(self.path, error))

    @property
    def held_bytes(self) -> int:
        """How many bytes the parts on disk have."""
        return sum(sizes.all_bytes for sizes in self._sizes.values())

    def close(self) -> None:
        """Let go of the files; nothing is lost without."""
        self._handles.clear()
        self._db.close()

    @SNAPSHOT_SECONDS.time()
    def _write(self, parts: dict[str, tuple[bytes, bool]], position: dict[str, Any]) -> None:
        self._epoch += 1
        batch = WriteBatch(raw_mode=True)
        for operator, (part, whole) in parts.items():
            if whole:
                batch.delete_range(_key(0), _key(self._epoch), self._handles[operator])
            batch.put(_key(self._epoch), part, self._handles[operator])
            self._sizes[operator].add(len(part), whole=whole)
        batch.put(b"position", encode({"epoch": self._epoch, **position}))
        synced = WriteOptions()
        synced.sync = True
        try:
            self._db.write(batch, synced)
        except Exception as error:
            fail(unwritable(self.path, error))


def _checked_header(path: Path, wanted: dict[str, Any]) -> Header:
    try:
        header = read_header(path)
    except (DamagedError, OSError) as error:
        fail(unusable(path, error))
    for key, value in header.format.items():
        if value != wanted.get(key, value if key in ("log", "key") else None):
            if key == "log" and wanted["source"].startswith("kafka:"):
                fail(
                    f"{path} holds state of another {wanted['source']}: the topic was deleted and created "
                    "anew; set CLICKS_STATE_DIR to another directory and KAFKA_GROUP_ID to another group"
                )
            remedy = f"{_REMEDIES.get(key, 'set it back')}, or set CLICKS_STATE_DIR to another directory"
            fail(f"{path} holds state of {key} {value}, this flow has {wanted.get(key)}: {remedy}")
    return header


def _key(epoch: int) -> bytes:
    return epoch.to_bytes(8, "big")
