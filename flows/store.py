"""A shard's files: how its RocksDB is laid out, opened and read.

STATE_DIR/shard-0000/   column family `default`:  `format`    version, shards, shard, source, operators, log
                                                  `position`  epoch, positions, newest_ns, logged_ms
                        column family OPERATOR:   epoch, 8 bytes big-endian -> a part of its state

"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from rocksdict import AccessType, Options, Rdict

from flows.failing import one_line, within
from flows.packing import decode

VERSION = 4
OPENING_S = 60
_BUFFER_BYTES = 1 << 22
_NO_ROOM = [os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)]

Found = TypeVar("Found")


class DamagedError(Exception):
    """State that is not complete, or cannot be read."""


class Header(NamedTuple):
    """What a shard says of itself; a fresh one nothing (all empty, None or -1)."""

    format: dict[str, Any]
    epoch: int
    positions: dict[str, int]
    newest_ns: int | None
    logged_ms: int | None


NOTHING = Header({}, -1, {}, None, None)


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
    return read(path, ["default"], header_of)


def read(path: Path, columns: list[str], look: Callable[[Rdict], Found]) -> Found:
    """Return what `look` finds in a shard's database, opened not to be written to; raises DamagedError.

    While a flow runs, a file may go between being listed and being read: what then seems damaged is looked at
    again, until the files stay the same meanwhile.
    """
    while True:
        files = _names(path)
        try:
            # Some damage makes RocksDB look for the rest of its files' list for ever.
            with within(OPENING_S, damaged(path, TimeoutError(f"not opened within {OPENING_S} s"))):
                db = Rdict(
                    str(path), options(), {name: options() for name in columns}, AccessType.read_only()
                )
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
    return header._replace(**decode(position)) if position and header.format["version"] == VERSION else header


def parts_of(db: Rdict, operator: str, epoch: int) -> list[tuple[int, dict[str, Any]]]:
    """Return (bytes, part) of an operator's parts up to `epoch`; raises DamagedError if any is missing."""
    items: list[Any] = list(db.get_column_family(operator).items())
    epochs = [int.from_bytes(key, "big") for key, _ in items]
    parts = [(len(value), decode(value)) for _, value in items]
    if epochs != list(range(epochs[0] if epochs else 0, epoch + 1)) or (parts and not parts[0][1]["whole"]):
        message = f"parts of {operator} are missing"
        raise DamagedError(message)
    return parts


def unwritable(path: Path, error: Exception) -> str:
    """Return the one line for a shard that cannot be written."""
    return f"{path} cannot be written: {one_line(error)}: make room there, then restart the flow"


def damaged(path: Path, error: Exception) -> str:
    """Return the one line for a shard that cannot be used; for want of room it is not damaged."""
    if any(text in str(error) for text in _NO_ROOM):
        return unwritable(path, error)
    return f"{path} is damaged: {one_line(error)}: move it away to rebuild it from the source"


def options() -> Options:
    """Return options that keep a shard's memory, files and logs small; flushes are of all columns at once."""
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    options.set_atomic_flush(True)
    options.set_db_write_buffer_size(_BUFFER_BYTES)
    options.set_write_buffer_size(_BUFFER_BYTES)
    options.set_arena_block_size(_BUFFER_BYTES >> 6)
    options.set_manifest_preallocation_size(_BUFFER_BYTES >> 6)
    options.set_max_open_files(32)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(_BUFFER_BYTES >> 2)
    options.set_stats_dump_period_sec(0)
    return options
