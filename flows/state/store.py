"""A shard's files: how its RocksDB is laid out, opened and read.

STATE_DIR/shard-0000/   `format`                    version, shards, shard, source, operators, log
                        `position`                  epoch, positions, mark (of the watermark)
                        `part/OPERATOR/EPOCH`       a part of its state; the epoch is 8 bytes big-endian
                        `shown`                     positions and mark of the newest board
                        `read/SOURCE/START`         a reading: end, read_ms, until_s
                        `flight/SOURCE`, `poison/SOURCE/POSITION`  quarantine
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from rocksdict import AccessType, Options, Rdict

from flows.model.mark import Mark, mark_of
from flows.model.notes import Flight, Reading
from flows.model.packing import decode
from flows.runtime.exits import one_line, within
from flows.state.trouble import DamagedError, unusable

VERSION = 6
OPENING_S = 60
_BUFFER_BYTES = 1 << 20
Found = TypeVar("Found")


class Shown(NamedTuple):
    """What the newest board shows: the positions it includes, and the watermark."""

    positions: dict[str, int]
    mark: Mark


class Header(NamedTuple):
    """What a shard says of itself; a fresh one nothing (all empty, or -1).

    `positions` and `mark` belong to its state. The newest board `shown`, the `readings`, `flights` and
    `poison` are those that were noted in it, whatever shards they are of.
    """

    format: dict[str, Any]
    epoch: int
    positions: dict[str, int]
    mark: Mark
    shown: Shown
    readings: dict[str, list[Reading]]
    flights: dict[str, Flight]
    poison: dict[str, list[int]]


NOTHING = Header({}, -1, {}, Mark(), Shown({}, Mark()), {}, {}, {})
_PART, _READ, _FLIGHT, _POISON = b"part/", b"read/", b"flight/", b"poison/"


def shard_path(directory: Path, number: int) -> Path:
    """Return where a shard lives."""
    return directory / f"shard-{number:04d}"


def read_header(path: Path) -> Header:
    """Return a shard's header without writing to it, whether or not a flow runs; raises DamagedError."""
    if not (path / "CURRENT").exists():
        # A kill while RocksDB makes its files leaves some, but none that holds anything.
        if any(file.suffix in (".sst", ".log") and file.stat().st_size for file in path.glob("*")):
            message = "its file CURRENT is missing"
            raise DamagedError(message)
        return NOTHING
    return read(path, header_of)


def read(path: Path, look: Callable[[Rdict], Found]) -> Found:
    """Return what `look` finds in a shard's database, opened not to be written to; raises DamagedError.

    While a flow runs, a file may go between being listed and being read: what then seems damaged is looked at
    again, until the files stay the same meanwhile.
    """
    while True:
        files = _names(path)
        try:
            # Some damage makes RocksDB look for the rest of its files' list for ever.
            with within(OPENING_S, unusable(path, TimeoutError(f"not opened within {OPENING_S} s"))):
                db = opened(path, AccessType.read_only())
            try:
                return look(db)
            finally:
                db.close()
        except Exception as error:
            if _names(path) == files:
                raise DamagedError(one_line(error)) from error


def _names(path: Path) -> list[str]:
    """Return the files but RocksDB's own log, which each opening may begin anew."""
    return sorted(name for name in os.listdir(path) if not name.startswith("LOG"))


def header_of(db: Rdict) -> Header:
    """Return the header in an open database, of another version its format alone; raises DamagedError."""
    own_format, position = db.get(b"format"), db.get(b"position")
    if own_format is None and position is not None:
        message = "its format is missing"
        raise DamagedError(message)
    if own_format is None:
        return NOTHING
    header = NOTHING._replace(format=decode(own_format))
    if header.format["version"] != VERSION:
        return header
    header = header._replace(
        shown=_shown(db.get(b"shown")),
        readings=dict(_readings(db)),
        flights={key.decode(): Flight(**decode(value)) for key, value in _noted(db, _FLIGHT)},
        poison=_positions(db),
    )
    if position is None:
        return header
    found = decode(position)
    return header._replace(epoch=found["epoch"], positions=found["positions"], mark=mark_of(found["mark"]))


def _shown(data: bytes | None) -> Shown:
    if data is None:
        return NOTHING.shown
    found = decode(data)
    return Shown(found["positions"], mark_of(found["mark"]))


def part_key(operator: str, epoch: int) -> bytes:
    """Return where a part of an operator's state is; its parts are in the order of epochs."""
    return _PART + operator.encode() + b"/" + epoch.to_bytes(8, "big")


def reading_key(source: str, start: int) -> bytes:
    """Return where a reading is noted; keys of one source are in the order of positions."""
    return _READ + source.encode() + b"/" + start.to_bytes(8, "big")


def poison_key(source: str, position: int) -> bytes:
    """Return where it is noted that a record is poison; keys of one source are in the order of positions."""
    return _POISON + source.encode() + b"/" + position.to_bytes(8, "big")


def flight_key(source: str) -> bytes:
    """Return where it is noted what of a source is being taken in."""
    return _FLIGHT + source.encode()


def _noted(db: Rdict, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the notes whose keys begin with `prefix`, by the rest of the key."""
    items: Iterator[Any] = db.items(from_key=prefix)
    for key, value in items:
        if not key.startswith(prefix):
            return
        yield key[len(prefix) :], value


def _place(key: bytes) -> tuple[str, int]:
    return key[:-9].decode(), int.from_bytes(key[-8:], "big")


def _readings(db: Rdict) -> Iterator[tuple[str, list[Reading]]]:
    found: defaultdict[str, list[Reading]] = defaultdict(list)
    for key, value in _noted(db, _READ):
        source, start = _place(key)
        found[source].append(Reading(start, **decode(value)))
    yield from found.items()


def _positions(db: Rdict) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for source, position in (_place(key) for key, _ in _noted(db, _POISON)):
        found[source].append(position)
    return dict(found)


def parts_of(db: Rdict, operator: str, epoch: int) -> list[tuple[int, dict[str, Any]]]:
    """Return (bytes, part) of an operator's parts up to `epoch`; raises DamagedError if any is missing."""
    items = list(_noted(db, part_key(operator, 0)[:-8]))
    epochs = [int.from_bytes(key, "big") for key, _ in items]
    parts = [(len(value), decode(value)) for _, value in items]
    if epochs != list(range(epochs[0] if epochs else 0, epoch + 1)) or (parts and not parts[0][1]["whole"]):
        message = f"parts of {operator} are missing"
        raise DamagedError(message)
    return parts


def opened(path: Path, access: AccessType | None = None) -> Rdict:
    """Open a shard's database, for writing if nothing else is said."""
    return Rdict(str(path), options(), {"default": options()}, access or AccessType.read_write())


def options() -> Options:
    """Return options that keep a shard's memory, files and logs small."""
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_db_write_buffer_size(_BUFFER_BYTES)
    options.set_write_buffer_size(_BUFFER_BYTES)
    options.set_arena_block_size(_BUFFER_BYTES >> 6)
    options.set_writable_file_max_buffer_size(_BUFFER_BYTES >> 4)
    options.set_manifest_preallocation_size(_BUFFER_BYTES >> 6)
    options.set_max_open_files(32)
    options.set_max_file_opening_threads(1)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(_BUFFER_BYTES >> 2)
    options.set_stats_dump_period_sec(0)
    return options
