"""State on disk: one RocksDB a shard, in which state and source position are one atomic, synced write.

    STATE_DIR/shard-0000/     column family `default`:  `format`    {version, shards, shard, source}
                                                        `position`  {positions, newest_ns, logged_ms}
                              column family OPERATOR:   8-byte big-endian number -> a part of its state

A part holds the rows that changed in one Bytewax epoch as columns (a put of many rows costs what a put of one
does). Loading applies the parts in the order of their numbers. When the parts since the last whole one have
outgrown it, the operator writes itself whole again and the older parts go: the store stays within about twice
what the operators hold. Values are MessagePack; nothing in them can run code.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from rocksdict import AccessType, Options, Rdict, WriteBatch, WriteOptions

from flows.failing import fail

VERSION = 1
_SLACK_BYTES = 1 << 16

Changes = Callable[..., dict[str, Any]]


class State:
    """The shards of a state directory, each opened when first asked for."""

    def __init__(self, directory: Path, shards: int, source: str) -> None:
        self.directory, self.shards, self.source = directory, shards, source
        self._everywhere: list[str] = []
        self._first_only: list[str] = []
        self._open: dict[int, Shard] = {}
        self._lock = threading.Lock()

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
                self._open[number] = Shard(self, number)
            return self._open[number]

    def path(self, number: int) -> Path:
        """Return where a shard lives."""
        return self.directory / f"shard-{number:04d}"

    def position(self, source: str) -> int | None:
        """Return the smallest position any shard has applied of `source`; None if one has applied nothing."""
        applied = [self._peek(number).get(source) for number in range(self.shards)]
        return None if None in applied else min(position for position in applied if position is not None)

    def _peek(self, number: int) -> dict[str, int]:
        if number in self._open:
            return self._open[number].positions
        if not (self.path(number) / "CURRENT").exists():
            return {}
        try:
            columns = {name: _options() for name in Rdict.list_cf(str(self.path(number)), _options())}
            db = Rdict(str(self.path(number)), _options(), columns, AccessType.read_only())
        except Exception as error:
            fail(_unreadable(self.path(number), error))
        value = db.get(b"position")
        db.close()
        return dict(_decode(value)["positions"]) if value else {}


class Shard:
    """One shard's database; `positions`, `newest_ns` and `logged_ms` are as of its last write."""

    def __init__(self, state: State, number: int) -> None:
        self.number = number
        self._operators = state.operators(number)
        path = state.path(number)
        path.mkdir(parents=True, exist_ok=True)
        try:
            columns = {name: _options() for name in ["default", *self._operators]}
            self._db = Rdict(str(path), _options(), columns)
        except Exception as error:
            if "lock" in str(error).lower():
                fail(f"{path} is in use: another flow runs with this state directory; stop it or set CLICKS_STATE_DIR")
            fail(_unreadable(path, error))
        self._handles = {name: self._db.get_column_family_handle(name) for name in self._operators}
        self._check_format({"version": VERSION, "shards": state.shards, "shard": number, "source": state.source})
        position = self._db.get(b"position")
        saved = _decode(position) if position else {"positions": {}, "newest_ns": None, "logged_ms": None}
        self.positions: dict[str, int] = saved["positions"]
        self.newest_ns: int | None = saved["newest_ns"]
        self.logged_ms: int | None = saved["logged_ms"]
        self._logs = {name: _PartLog() for name in self._operators}
        self._epochs: list[dict[str, tuple[bytes, bool]]] = []
        self._position: list[bytes] = []

    def _check_format(self, wanted: dict[str, Any]) -> None:
        found = self._db.get(b"format")
        if found is None:
            self._db.put(b"format", _encode(wanted))
            return
        for key, value in _decode(found).items():
            if value != wanted.get(key):
                fail(
                    f"{self._db.path()} holds state of {key} {value}, this flow has {wanted.get(key)}: "
                    f"set it back, or set CLICKS_STATE_DIR to another directory"
                )

    def load(self, operator: str) -> list[dict[str, Any]]:
        """Return the parts of an operator's state, oldest first."""
        log, parts = self._logs[operator], []
        for key, value in self._db.get_column_family(operator).items():
            part = _decode(value)
            log.loaded(int.from_bytes(key, "big"), len(value), whole=part.pop("whole"))
            parts.append(part)
        return parts

    def save_position(self, positions: dict[str, int], newest_ns: int | None, logged_ms: int | None) -> None:
        """Give the position that belongs to what the operators save of this epoch."""
        self._position.append(
            _encode({"positions": positions, "newest_ns": newest_ns, "logged_ms": logged_ms})
        )

    def save(self, operator: str, changes: Changes) -> None:
        """Give an operator's changes of an epoch; once all operators have, they and the position are written."""
        whole = self._logs[operator].outgrown
        part = _encode(changes(everything=whole) | {"whole": whole}), whole
        for epoch in self._epochs:
            if operator not in epoch:
                epoch[operator] = part
                break
        else:
            self._epochs.append({operator: part})
        if len(self._epochs[0]) == len(self._operators):
            self._write(self._epochs.pop(0), self._position.pop(0))

    def _write(self, parts: dict[str, tuple[bytes, bool]], position: bytes) -> None:
        batch = WriteBatch(raw_mode=True)
        for operator, (part, whole) in parts.items():
            log, handle = self._logs[operator], self._handles[operator]
            if whole:
                batch.delete_range(_key(0), _key(log.next), handle)
            batch.put(_key(log.next), part, handle)
            log.loaded(log.next, len(part), whole=whole)
        batch.put(b"position", position)
        synced = WriteOptions()
        synced.sync = True
        try:
            self._db.write(batch, synced)
        except Exception as error:
            fail(f"cannot write state to {self._db.path()}: {error}: make room there, then restart the flow")


class _PartLog:
    """How large an operator's parts on disk are: when to write it whole."""

    def __init__(self) -> None:
        self.next = 0
        self._whole_bytes = 0
        self._since_bytes = 0

    def loaded(self, number: int, size_bytes: int, *, whole: bool) -> None:
        self.next = number + 1
        if whole:
            self._whole_bytes, self._since_bytes = size_bytes, 0
        else:
            self._since_bytes += size_bytes

    @property
    def outgrown(self) -> bool:
        return self._since_bytes > self._whole_bytes + _SLACK_BYTES


def _key(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    return options


def _unreadable(path: Path, error: Exception) -> str:
    return f"cannot open the state in {path}: {error}: move the directory away to rebuild it from the source"


def _encode(part: dict[str, Any]) -> bytes:
    return msgspec.msgpack.encode(part, enc_hook=_encode_array)


def _encode_array(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        return {"dtype": array.dtype.str, "shape": list(array.shape), "data": array.tobytes()}
    if isinstance(array, np.generic):
        return array.item()
    message = f"{type(array).__name__} is no part of a state"
    raise NotImplementedError(message)


def _decode(value: bytes) -> dict[str, Any]:
    return {name: _decode_array(part) for name, part in msgspec.msgpack.decode(value).items()}


def _decode_array(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    if part.keys() == {"dtype", "shape", "data"}:
        return np.frombuffer(part["data"], np.dtype(part["dtype"])).reshape(part["shape"])
    return {name: _decode_array(value) for name, value in part.items()}
