"""Quarantine: a record that ends the flow whenever it is taken in is found and set aside as `poison`.

What of a partition is being taken in is noted before, and survives the flow. A range in which two runs in a
row have ended is taken record by record; the record in which that ends too is tried once more by itself, so
that no record goes for a kill that merely met it:

    run 1   [100 .................... 200)                  ended within
    run 2   [100 .................... 200)                  ended within
    run 3   100  101  102 ... 147                           ended at 147
    run 4   [100 .... 147)  147                             ended at 147
    run 5   [100 .... 147)       [148 .. 200)               147 is set aside

One that ends the flow while it is decoded ahead is first looked for in the batch before: that costs a run.
Several workers take in what one of them has read. Of what ends another worker a little later only the range
is sure to be found.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Protocol

import numpy as np

from flows.model.batch import Batch
from flows.model.lines import Lines
from flows.model.notes import NOTHING, Flight
from flows.model.rejected import KEPT_BYTES


class Notes(Protocol):
    """Where flights are noted."""

    def fly(self, source: str, flight: Flight) -> None:
        """Keep what is in flight."""

    def poison(self, source: str, position: int) -> None:
        """Keep that the record at `position` is poison."""


def newest_flight(flights: Iterable[Flight]) -> Flight:
    """Return which of several notes is the last one."""
    return max(flights, key=lambda flight: flight.at_ms, default=NOTHING)


class Quarantine:
    """One partition's: `found` was in flight when the last run ended, `poison` are positions set aside."""

    def __init__(self, source: str, found: Flight, poison: Collection[int], notes: Notes | None) -> None:
        self._source, self._notes = source, notes
        self._poison = set(poison)
        self._suspect: Flight | None = None
        self._in_flight = False
        if found.start < found.end:
            self._suspect = found._replace(ended=found.ended + 1)
            if found.alone and self._suspect.ended > 1:
                self._poison.add(found.start)
                if notes is not None:
                    notes.poison(source, found.start)
            self._note(NOTHING, 0)

    @property
    def clear(self) -> bool:
        """Whether nothing is suspected."""
        return self._suspect is None

    def suspects(self, part: Batch) -> bool:
        """Return whether a part is taken in by itself because runs ended in it."""
        suspect = self._suspect
        careful = suspect is not None and (suspect.alone or suspect.ended > 1)
        return careful and suspect is not None and suspect.start <= part.start < suspect.end

    def suspects_alone(self, part: Batch) -> bool:
        """Return whether a part is one record that is suspected by itself."""
        return self.suspects(part) and self._suspect is not None and self._suspect.alone

    def parts(self, batch: Batch) -> Iterator[Batch]:
        """Yield what is to be taken in at once, one after the other; poison is set aside."""
        for position in sorted(self._poison):
            if batch.start <= position < batch.end:
                before, batch = _cut(batch, position)
                if before is not None:
                    yield from self._suspected(before)
                after = _second_position(batch)
                first, rest = (batch, None) if after is None else batch.cut(after)
                yield _set_aside(first)
                if rest is None:
                    return
                batch = rest
        yield from self._suspected(batch)

    def _suspected(self, batch: Batch) -> Iterator[Batch]:
        suspect = self._suspect
        if suspect is None or suspect.end <= batch.start or batch.end <= suspect.start:
            yield batch
            return
        before, batch = _cut(batch, suspect.start)
        if before is not None:
            yield before
        after = None
        if suspect.end < batch.end:
            batch, after = batch.cut(suspect.end)
        yield from _each(batch) if suspect.ended > 1 and not suspect.alone else [batch]
        if after is not None:
            yield after

    def take(self, batch: Batch, at_ms: int) -> None:
        """Note that a part is about to be taken in, at `at_ms` of the flow's clock."""
        flight = Flight(batch.start, batch.end)
        suspect = self._suspect
        if suspect is not None and batch.start >= suspect.end:
            self._suspect = None
        elif suspect is not None and batch.start >= suspect.start:
            same = (batch.start, batch.end) == (suspect.start, suspect.end)
            in_turn = suspect.ended > 1 and not suspect.alone
            flight = flight._replace(ended=suspect.ended if same and not in_turn else 0)
            flight = flight._replace(alone=in_turn or (same and suspect.alone))
        self._in_flight = True
        self._note(flight, at_ms)

    def landed(self, now_ms: Callable[[], int]) -> None:
        """Note that all is taken in; `now_ms` is asked for the time of the flow's clock."""
        if self._in_flight:
            self._in_flight = False
            self._note(NOTHING, now_ms())

    def _note(self, flight: Flight, at_ms: int) -> None:
        if self._notes is not None:
            self._notes.fly(self._source, flight._replace(at_ms=at_ms))


def _cut(batch: Batch, at: int) -> tuple[Batch | None, Batch]:
    return (None, batch) if at <= batch.start else batch.cut(at)


def _lines(batch: Batch) -> Lines:
    return Lines(batch.data, batch.start, batch.positions, batch.bounds)


def _second_position(batch: Batch) -> int | None:
    """Return where the second record of a batch begins; None if there is none."""
    lines = _lines(batch)
    return lines.position(1) if len(lines) > 1 else None


def _each(batch: Batch) -> Iterator[Batch]:
    """Yield each record as a batch of its own, the last one with the barrier; an empty batch as it is."""
    lines = _lines(batch)
    if not len(lines):
        yield batch
        return
    at = lines.positions(np.arange(len(lines))).tolist()
    begins = [batch.start, *at[1:], batch.end]
    for number, (start, end) in enumerate(pairwise(begins)):
        record = lines.record(number)
        yield replace(
            batch,
            start=start,
            end=end,
            data=record if isinstance(batch.data, bytes) else [record],
            positions=None if batch.positions is None else [at[number]],
            barrier=batch.barrier if end == batch.end else None,
            bounds=None,
            set_aside=[each for each in batch.set_aside if start <= each[1] < end],
        )


def _set_aside(batch: Batch) -> Batch:
    """Return a batch of one record without it."""
    head = "poison", batch.start, _lines(batch).record(0)[:KEPT_BYTES]
    empty: bytes | list[bytes] = b"" if isinstance(batch.data, bytes) else []
    return replace(batch, data=empty, positions=None, bounds=None, set_aside=[*batch.set_aside, head])
