"""Stream entries on their way out: kept with the state until every sink that takes them has them written.

An entry that is sent again has the same ordinal, made from its source position, and then changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flows.entries import Entries, Ordinal, StreamName

_PRUNE_AT = 10_000

# Tells of a stream and a lane that the entry of an ordinal is written, and all before it in its lane.
Note = Callable[[StreamName, str, Ordinal], None]


class Receipts:
    """The ordinal last written of each stream and lane, by sink; sinks note it in threads of their own."""

    def __init__(self) -> None:
        self._sinks: defaultdict[StreamName, list[dict[tuple[str, str], Ordinal]]] = defaultdict(list)
        self._keeps: defaultdict[StreamName, list[int]] = defaultdict(list)

    def sink(self, keeps: Mapping[StreamName, int]) -> Note:
        """Add a sink of the streams in `keeps`, which tells how many of the newest it has use for (0: all).

        Returns what the sink is to call as it writes entries.
        """
        noted: dict[tuple[str, str], Ordinal] = {}
        for stream, most in keeps.items():
            self._sinks[stream].append(noted)
            self._keeps[stream].append(most)

        def note(stream: StreamName, lane: str, ordinal: Ordinal) -> None:
            noted[stream, lane] = ordinal

        return note

    def written(self, entries: Entries) -> bool:
        """Return whether every sink of their stream has all of the entries written."""
        sinks = self._sinks[entries.stream]
        place = entries.stream, entries.lane
        return bool(sinks) and all(entries.last <= noted.get(place, ()) for noted in sinks)

    def most(self, stream: StreamName) -> int:
        """Return how many of the newest entries of a stream any sink has use for; 0: all."""
        keeps = self._keeps[stream]
        return 0 if 0 in keeps else max(keeps, default=0)


class Outbox:
    """The entries of one shard's journeys, or of its rejected records."""

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts
        self._unsent: list[Entries] = []
        self._unwritten: list[Entries] = []
        self._put, self._prune_at = 0, _PRUNE_AT

    def put(self, pieces: Iterable[Entries]) -> None:
        """Put entries in."""
        for entries in pieces:
            self._unsent.append(entries)
            self._unwritten.append(entries)
            self._put += entries.size
        if self._put > self._prune_at:
            self._prune()

    def entries(self) -> list[Entries]:
        """Return the entries not sent yet in this run."""
        unsent, self._unsent = self._unsent, []
        return unsent

    def pending(self) -> list[Any]:
        """Return the entries not written yet, for `load`; of a stream about as many as sinks have use for."""
        self._prune()
        return list(self._unwritten)

    def load(self, pending: list[Any]) -> None:
        """Take back what `pending` gave, to be sent again."""
        self._unwritten = [
            Entries(stream, lane, count, tuple(last), packed) for stream, lane, count, last, packed in pending
        ]
        self._unsent = list(self._unwritten)

    def _prune(self) -> None:
        newest_first: list[Entries] = []
        numbers: Counter[StreamName] = Counter()
        for entries in reversed(self._unwritten):
            most = self._receipts.most(entries.stream)
            if not self._receipts.written(entries) and not 0 < most <= numbers[entries.stream]:
                numbers[entries.stream] += entries.size
                newest_first.append(entries)
        self._unwritten = newest_first[::-1]
        self._put, self._prune_at = 0, max(_PRUNE_AT, sum(numbers.values()))
