"""The opening: what the shards, wherever they run, have applied before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from flows.model.mark import Mark, newest_of
from flows.model.notes import Flight, Reading
from flows.shards.quarantine import newest_flight
from flows.state.store import Header


class MixedError(Exception):
    """Shards hold state of different flows."""


class Opening:
    """What all shards, by number, had applied when the flow started.

    `key` is the secret that visitors are hashed with: that of the shards, or `other` where none has one.
    Raises MixedError if shards have different ones.
    """

    def __init__(self, shards: Mapping[int, Header], other: int = 0) -> None:
        self._shards = shards
        keys = {header.format["key"]: number for number, header in shards.items() if "key" in header.format}
        if len(keys) > 1:
            first, second = sorted(keys.values())[:2]
            message = f"shards {first} and {second} hold state of different flows"
            raise MixedError(message)
        self.key = next(iter(keys), other)

    def applied(self, source: str) -> int | None:
        """Return the smallest position a shard has applied of `source`; None if one has applied nothing."""
        positions = [header.positions.get(source) for header in self._shards.values()]
        known = [position for position in positions if position is not None]
        return min(known) if known and len(known) == len(positions) else None

    def reach(self, source: str) -> int:
        """Return the largest position of `source` that a shard has applied or a board shown, 0 if none."""
        found = [header.positions for header in self._shards.values()]
        found += [header.shown.positions for header in self._shards.values()]
        return max(positions.get(source, 0) for positions in found)

    def readings(self, source: str) -> list[Reading]:
        """Return by which clock what may be read again was read first."""
        return [reading for header in self._shards.values() for reading in header.readings.get(source, [])]

    def flight(self, source: str) -> Flight:
        """Return what of `source` was being taken in when the flow ended."""
        return newest_flight(
            header.flights[source] for header in self._shards.values() if source in header.flights
        )

    def poison(self, source: str) -> set[int]:
        """Return the positions of what is set aside of `source`."""
        return {position for header in self._shards.values() for position in header.poison.get(source, [])}

    @property
    def clock_ms(self) -> int:
        """The latest that the flow's clock is known to have shown: on a board, or to what was read by it."""
        notes = (note for header in self._shards.values() for note in header.readings.values())
        read_ms = (reading.read_ms for readings in notes for reading in readings)
        return max(self.mark.as_of_s * 1000, *read_ms, 0)

    @property
    def missing(self) -> list[int]:
        """The shards that have nothing, if others have something."""
        missing = [number for number, header in sorted(self._shards.items()) if header.epoch < 0]
        return [] if len(missing) == len(self._shards) else missing

    @cached_property
    def mark(self) -> Mark:
        """The watermark: what the shards have applied, and what the newest board shows."""
        marks = [header.mark for header in self._shards.values()]
        return newest_of(marks + [header.shown.mark for header in self._shards.values()])
