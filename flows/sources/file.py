"""Where clicks come from: a finite log or the built-in demo; Bytewax input of whole batches."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from bytewax.inputs import FixedPartitionedSource

from flows.model.batch import Batch
from flows.model.bounds import bounds_of
from flows.model.columns import Ints
from flows.model.rejected import KEPT_BYTES, MAX_RECORD_BYTES
from flows.runtime.exits import fail
from flows.runtime.malloc import reuse
from flows.shards.clock import FlowClock
from flows.shards.cluster import Cluster
from flows.shards.opening import Opening
from flows.sources.barriers import Barriers
from flows.sources.log_files import BYTE_ORDER_MARK, is_finished, refusal
from flows.sources.opening_partition import OpeningPartition, Partition, say_start, short_hash
from flows.sources.portions import portion_of
from flows.state.state import State

log = logging.getLogger("clicks.source")

BLOCK_BYTES = 45 << 20
_TAIL_BYTES = 1 << 16


class FileSource(FixedPartitionedSource[Batch, int | None]):
    """A finite log of JSON lines; positions are bytes."""

    def __init__(self, path: Path, cluster: Cluster, state: State, every_ms: int) -> None:
        self._path, self._cluster, self._state, self._every_ms = path, cluster, state, every_ms

    def list_parts(self) -> list[str]:
        """Return the one partition; tells the state by what the log is known: its first line."""
        _check(self._path)
        self._state.identify(_first_line(self._path))
        return [f"file:{self._path}"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> OpeningPartition:
        """Open the log where the shard that has applied least ended.

        Not where Bytewax would resume: a shard that has lost its state needs what is before that.
        """

        def open_part(opening: Opening) -> FilePartition:
            position = opening.applied(for_part) or 0
            barriers = Barriers(self._every_ms)
            partition = FilePartition(self._path, for_part, position, self._cluster.clock, barriers)
            say_start(for_part, position)
            return partition

        return OpeningPartition(self._cluster, self._state, open_part, resume_state)


def _check(path: Path) -> None:
    """End the flow with one line if a log cannot be read."""
    try:
        why = refusal(path)
    except OSError as error:
        why = f"{error.strerror or error}: set it to a readable file"
    if why is not None:
        fail(f"CLICKS_SOURCE names {str(path)!r}: {why}")


def _first_line(path: Path) -> str | None:
    """Return a hash of a log's first line; None if there is no whole line yet, or no log."""
    try:
        with path.open("rb") as file:
            line = file.readline(BLOCK_BYTES)
    except OSError:
        return None
    return short_hash(line) if line.endswith(b"\n") else None


class FilePartition(Partition):
    """Reads blocks of whole lines."""

    def __init__(self, path: Path, name: str, position: int, clock: FlowClock, barriers: Barriers) -> None:
        self._name, self._position, self._clock, self._barriers = name, position, clock, barriers
        try:
            self._file = path.open("rb")
            size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            fail(f"CLICKS_SOURCE names {str(path)!r}: {error.strerror or error}: set it to a readable file")
        if position > size:
            fail(
                f"{path} has {size} bytes, but {position} were applied: it is another log; "
                "set CLICKS_STATE_DIR to another directory"
            )
        self._file.seek(position)
        reuse(BLOCK_BYTES + (1 << 20))
        self._begun = False
        self._unfinished = 0

    def next_batch(self) -> Iterable[Batch]:
        """Return the next block; raises StopIteration at the end."""
        start = self._position
        data, bounds, set_aside = self._read()
        if self._begun and self._position == start:
            if self._unfinished:
                text = "%s: the last line is not finished: its %d bytes from %d on are read once it is"
                log.warning(text, self._name, self._unfinished, start)
            raise StopIteration
        # Even an empty log gives one batch, and so a board.
        self._begun = True
        at_ms = self._clock.now_ms()
        barrier = self._barriers.barrier(at_ms, finite=True)
        return [
            Batch(
                *(self._name, start, self._position, data, at_ms),
                barrier=barrier,
                set_aside=set_aside,
                bounds=bounds,
            )
        ]

    def _read(self) -> tuple[bytes, Ints, list[tuple[str, int, bytes]]]:
        """Read whole lines; of a line longer than a block only where it stands and how it begins."""
        data = self._file.read(self._whole_lines())
        if not self._position and data.startswith(BYTE_ORDER_MARK):
            data = b" " * len(BYTE_ORDER_MARK) + data[len(BYTE_ORDER_MARK) :]
        end = data.rfind(b"\n") + 1
        if not end and len(data) == BLOCK_BYTES:
            return b"", bounds_of(b""), [self._skip_line(data)]
        if len(data) == BLOCK_BYTES or (end < len(data) and not is_finished(data[end:])):
            self._unfinished = len(data) - end if len(data) < BLOCK_BYTES else 0
            data = data[:end]
        bounds = bounds_of(data)
        lines = portion_of(data, bounds)
        if lines < len(bounds) - 1:
            bounds = bounds[: lines + 1]
            data = data[: bounds[-1]]
        self._position += len(data)
        self._file.seek(self._position)
        return data, bounds, []

    def _whole_lines(self) -> int:
        """Return how many bytes of a block are whole lines, or a block's: so none is cut off, by a copy."""
        seen = min(_TAIL_BYTES, BLOCK_BYTES)
        end = os.pread(self._file.fileno(), seen, self._position + BLOCK_BYTES - seen).rfind(b"\n") + 1
        return BLOCK_BYTES - seen + end if end else BLOCK_BYTES

    def _skip_line(self, data: bytes) -> tuple[str, int, bytes]:
        head = "too_large", self._position, data[:KEPT_BYTES]
        end = 0
        while data and not end:
            self._position += len(data)
            data = self._file.read(BLOCK_BYTES)
            end = data.find(b"\n") + 1
        self._position += end
        self._file.seek(self._position)
        return head

    @property
    def position(self) -> int:
        """The byte of the next read."""
        return self._position

    def close(self) -> None:
        """Close the log."""
        self._file.close()


assert BLOCK_BYTES > MAX_RECORD_BYTES
