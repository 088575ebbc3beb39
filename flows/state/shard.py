"""A shard's database, opened for writing: its operators' parts and its position are one write an epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rocksdict import WriteBatch, WriteOptions

from flows.model.mark import Mark
from flows.model.notes import Flight, Reading
from flows.model.packing import encode
from flows.runtime.exits import fail
from flows.runtime.malloc import Heap
from flows.runtime.telemetry import SNAPSHOT_SECONDS
from flows.state.part_sizes import Credit, Sizes
from flows.state.store import (
    flight_key,
    header_of,
    opened,
    part_key,
    parts_of,
    poison_key,
    reading_key,
)
from flows.state.trouble import unmakeable, unusable, unwritable

Changes = Callable[..., dict[str, Any]]


class Shard:
    """One shard's database; `positions` is what it has on disk, `mark` as of when it was opened."""

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
            self._db = opened(path)
            header = header_of(self._db)
            # An operator that the state does not know begins empty; it is in the format once it has a part.
            known = header.format.get("operators", []) if header.epoch >= 0 else self._operators
            self._new = set(self._operators).difference(known)
            self._format = header.format | own_format
            now = self._format | {"operators": known}
            if header.format != now:
                self._db.put(b"format", encode(now))
        except OSError as error:
            fail(unmakeable(path, error))
        except Exception as error:
            fail(unusable(path, error))
        self.positions, self.mark = header.positions, header.mark
        self._epoch = header.epoch
        self._sizes = {name: Sizes() for name in self._operators}
        self._epochs: list[dict[str, tuple[bytes, bool]]] = []
        self._positions: list[dict[str, Any]] = []

    def load(self, operator: str) -> list[dict[str, Any]]:
        """Return the parts of an operator's state, oldest first; ends the flow if any is missing.

        Of one that is new to the state there are none.
        """
        if operator in self._new:
            return []
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
        self._db.close()

    @SNAPSHOT_SECONDS.time()
    def _write(self, parts: dict[str, tuple[bytes, bool]], position: dict[str, Any]) -> None:
        self._epoch += 1
        batch = WriteBatch(raw_mode=True)
        for operator, (part, whole) in parts.items():
            if whole:
                batch.delete_range(part_key(operator, 0), part_key(operator, self._epoch))
            batch.put(part_key(operator, self._epoch), part)
            self._sizes[operator].add(len(part), whole=whole)
        if self._new:
            batch.put(b"format", encode(self._format))
            self._new.clear()
        batch.put(b"position", encode({"epoch": self._epoch, **position}))
        synced = WriteOptions()
        synced.sync = True
        try:
            self._db.write(batch, synced)
        except Exception as error:
            fail(unwritable(self.path, error))
        self.positions = position["positions"]
