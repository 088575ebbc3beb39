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

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rocksdict import Rdict, WriteBatch, WriteOptions

from flows.failing import fail
from flows.heap import Heap
from flows.metrics import SNAPSHOT_SECONDS
from flows.packing import encode
from flows.store import (
    VERSION,
    DamagedError,
    Header,
    damaged,
    header_of,
    options,
    parts_of,
    read_header,
    shard_path,
    unwritable,
)

_SLACK_BYTES = 1 << 16
_CREDIT_BYTES = 1 << 20

_REMEDIES = {
    "version": "run the version that wrote it",
    "shards": "set CLICKS_SHARDS back",
    "shard": "put it back in its place",
    "source": "set CLICKS_SOURCE back",
    "log": "it is another log under the same name, so put the one back that was read",
    "operators": "run the flow that wrote it",
}

Changes = Callable[..., dict[str, Any]]


class State:
    """The shards of a state directory, each opened when first asked for."""

    def __init__(self, directory: Path, shards: int, source: str) -> None:
        self.directory, self.shards, self.source = directory, shards, source
        self._everywhere: list[str] = []
        self._first_only: list[str] = []
        self._open: dict[int, Shard] = {}
        self._headers: dict[int, Header] = {}
        self._credit, self._heap = Credit(), Heap(time.monotonic())
        self._log: str | None = None
        self._lock = threading.RLock()

    def identify(self, log: str | None) -> None:
        """Tell what the source's log is known by, whatever its name; None if that is not known yet.

        State of a log that is known by something else is refused.
        """
        self._log = log

    def expect(self, operator: str, *, everywhere: bool) -> None:
        """Announce an operator that keeps state, in every shard or in the first alone."""
        (self._everywhere if everywhere else self._first_only).append(operator)

    @property
    def reports(self) -> int:
        """How many reports make a board: one a metric and shard; the directory gives none."""
        return (len(self._everywhere) - 1) * self.shards + len(self._first_only)

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
                self._open[number] = Shard(path, self._format(number), self._credit, self._heap)
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
        } | ({} if self._log is None else {"log": self._log})


class Credit:
    """What whole parts may cost, over all shards: not much more than the changes of late took."""

    def __init__(self) -> None:
        self._bytes = 0

    @property
    def left(self) -> bool:
        """Whether another whole part may be written."""
        return self._bytes > 0

    def note(self, size_bytes: int, *, whole: bool) -> None:
        """Take note of a part; changes earn twice their size, since what grows is larger the next time."""
        self._bytes = self._bytes - size_bytes if whole else min(self._bytes + 2 * size_bytes, _CREDIT_BYTES)


class Shard:
    """One shard's database; `positions`, `newest_ns` and `logged_ms` are as of when it was opened."""

    def __init__(self, path: Path, own_format: dict[str, Any], credit: Credit, heap: Heap) -> None:
        self.path, self.number, self._credit, self._heap = path, int(own_format["shard"]), credit, heap
        self._operators: list[str] = own_format["operators"]
        try:
            path.mkdir(parents=True, exist_ok=True)
            columns = {name: options() for name in ["default", *self._operators]}
            self._db = Rdict(str(path), options(), columns)
            header = header_of(self._db)
            if not own_format.items() <= header.format.items():
                self._db.put(b"format", encode(header.format | own_format))
        except OSError as error:
            fail(f"{path} cannot be made: {error.strerror}: set CLICKS_STATE_DIR to a directory to write to")
        except Exception as error:
            if "/LOCK" in str(error):
                fail(
                    f"{path} is in use by another flow: stop it, or set CLICKS_STATE_DIR to another directory"
                )
            fail(damaged(path, error))
        self.positions, self.newest_ns, self.logged_ms = header[2:]
        self._epoch = header.epoch
        self._handles = {name: self._db.get_column_family_handle(name) for name in self._operators}
        self._sizes = {name: _Sizes() for name in self._operators}
        self._epochs: list[dict[str, tuple[bytes, bool]]] = []
        self._positions: list[dict[str, Any]] = []

    def load(self, operator: str) -> list[dict[str, Any]]:
        """Return the parts of an operator's state, oldest first; ends the flow if any is missing."""
        try:
            parts = parts_of(self._db, operator, self._epoch)
        except Exception as error:
            fail(damaged(self.path, error))
        for size_bytes, part in parts:
            self._sizes[operator].add(size_bytes, whole=part.pop("whole"))
        return [part for _, part in parts]

    def save_position(self, positions: dict[str, int], newest_ns: int | None, logged_ms: int | None) -> None:
        """Give the position that belongs to what the operators save of this epoch."""
        saved = {"positions": dict(positions), "newest_ns": newest_ns, "logged_ms": logged_ms}
        self._positions.append(saved)

    def save(self, operator: str, changes: Changes) -> None:
        """Give an operator's changes of an epoch; with those of the last operator all are written."""
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


class _Sizes:
    """How large an operator's parts on disk are: when to write it whole."""

    def __init__(self) -> None:
        self._whole_bytes: int | None = None
        self._since_bytes = 0

    def add(self, size_bytes: int, *, whole: bool) -> None:
        if whole:
            self._whole_bytes, self._since_bytes = size_bytes, 0
        else:
            self._since_bytes += size_bytes

    @property
    def first(self) -> bool:
        return self._whole_bytes is None

    @property
    def all_bytes(self) -> int:
        return (self._whole_bytes or 0) + self._since_bytes

    @property
    def outgrown(self) -> bool:
        return self._since_bytes > (self._whole_bytes or 0) + _SLACK_BYTES


def _checked_header(path: Path, wanted: dict[str, Any]) -> Header:
    try:
        header = read_header(path)
    except DamagedError as error:
        fail(damaged(path, error))
    for key, value in header.format.items():
        if value != wanted.get(key, value if key == "log" else None):
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


if __name__ == "__main__":
    from flows.inspection import main

    main()
