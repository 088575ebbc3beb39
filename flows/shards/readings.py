"""Readings: by which clock the records of a partition were read first, so that a replay judges them alike.

Whether a click is too new, and whether it waits for its time, depends on the clock when it is read. After a
kill some shards have applied records that others are still to read again. So each reading is noted before
anything of it is passed on, and what is read again goes by the note:

    positions    100        140         175              a reading each: [start, end)
    first read    |  12:00   |  12:01    | (kill)
    read again    |  12:00   |  12:01    |  12:05        and not 12:05 for all

Notes survive a kill of the process; they are not synced, as the state is. Once every shard has saved what
they are of they are forgotten.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol

from flows.model.batch import Batch
from flows.model.notes import Reading

# A partition may be ahead of the others, and so of what is saved, for so many epochs.
_EPOCHS = 3


class Notes(Protocol):
    """Where readings are noted."""

    def note(self, source: str, reading: Reading) -> None:
        """Keep a reading."""

    def forget(self, source: str, position: int) -> None:
        """Let go of the readings of what is before `position`."""


class Readings:
    """The readings of one partition: those of earlier runs that are `known`, and those made from now on."""

    def __init__(self, source: str, known: Iterable[Reading], notes: Notes | None) -> None:
        self._source, self._notes = source, notes
        self._known = deque(sorted(known))
        self._saved: deque[int] = deque(maxlen=_EPOCHS)

    def judged(self, batch: Batch) -> list[Batch]:
        """Return a batch cut where readings begin or end, each part with the clock of its first reading."""
        return list(self._judged(batch)) if batch.end > batch.start else [batch]

    def _judged(self, batch: Batch) -> Iterator[Batch]:
        while self._known and self._known[0].start < batch.end:
            reading = self._known[0]
            if reading.end <= batch.start:
                self._known.popleft()
                continue
            if reading.start > batch.start:
                new, batch = batch.cut(reading.start)
                yield self._noted(new)
            whole = reading.end >= batch.end
            again, batch = (batch, batch) if whole else batch.cut(reading.end)
            again.read_ms, again.until_s, again.ahead_s = reading.read_ms, reading.until_s, reading.ahead_s
            yield again
            if whole:
                return
        yield self._noted(batch)

    def _noted(self, batch: Batch) -> Batch:
        if self._notes is not None:
            judged = batch.read_ms, batch.until_s, batch.ahead_s
            self._notes.note(self._source, Reading(batch.start, batch.end, *judged))
        return batch

    def forget(self, position: int) -> None:
        """Take note that an epoch has ended at `position`; what was saved some epochs ago is let go."""
        if self._notes is not None and len(self._saved) == _EPOCHS and self._saved[0] > 0:
            self._notes.forget(self._source, self._saved[0])
        self._saved.append(position)
