"""Stream entries on their way out: kept with the state until every sink that takes them has them written.

An entry that is sent again has the same ordinal, made from its source position, and then changes nothing.
What is kept is bounded by the sinks: what one of them gives up, for want of room, counts as written by it.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from flows.entries.entry import Entries, Ordinal
from flows.model.streams import StreamName

_PRUNE_AT = 10_000

# Tells of a stream and an origin that the entry of an ordinal is written, and all before it in its origin.
Note = Callable[[StreamName, str, Ordinal], None]
Origin = tuple[StreamName, str]


class Receipts:
    """The ordinal last written of each stream and origin, by sink; sinks note it in threads of their own."""

    def __init__(self) -> None:
        self._sinks: defaultdict[StreamName, list[dict[Origin, Ordinal]]] = defaultdict(list)
        self._dropped = 0
        self._lock = threading.Lock()

    def sink(self, streams: Iterable[StreamName]) -> Note:
        """Add a sink of some streams; returns what it is to call as it writes entries, or gives them up."""
        noted: dict[Origin, Ordinal] = {}
        for stream in streams:
            self._sinks[stream].append(noted)

        def note(stream: StreamName, origin: str, ordinal: Ordinal) -> None:
            noted[stream, origin] = max(noted.get((stream, origin), ()), ordinal)

        return note

    def written(self, entries: Entries) -> bool:
        """Return whether every sink of their stream has all of the entries written."""
        sinks = self._sinks[entries.stream]
        place = entries.stream, entries.origin
        return bool(sinks) and all(entries.last <= noted.get(place, ()) for noted in sinks)

    def drop(self, number: int) -> None:
        """Count entries that a sink has given up."""
        with self._lock:
            self._dropped += number

    def take_dropped(self) -> int:
        """Return how many entries were given up since the last call."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        return dropped


class Outbox:
    """The entries of one shard's journeys, or of its rejected records."""

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts
        self._unsent: list[Entries] = []
        self._unwritten: list[Entries] = []
        # How many of the unwritten the state has; what is written since, of those that it has.
        self._saved = 0
        self._done: dict[Origin, Ordinal] = {}
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

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return what was put in since the last call and is not written, and what of the rest is; or all."""
        self._prune()
        new = self._unwritten if everything else self._unwritten[self._saved :]
        done = [] if everything else [[*origin, ordinal] for origin, ordinal in self._done.items()]
        self._saved, self._done = len(self._unwritten), {}
        return {"put": list(new), "done": done}

    def load(self, part: dict[str, Any]) -> None:
        """Take back what `changes` gave, to be sent again."""
        done = {(stream, origin): tuple(ordinal) for stream, origin, ordinal in part["done"]}
        put = [
            Entries(stream, origin, count, tuple(last), packed)
            for stream, origin, count, last, packed in part["put"]
        ]
        kept = [each for each in self._unwritten if each.last > done.get((each.stream, each.origin), ())]
        self._unwritten = kept + put
        self._saved = len(self._unwritten)
        self._unsent = list(self._unwritten)

    def _prune(self) -> None:
        saved, kept = 0, []
        for number, entries in enumerate(self._unwritten):
            if not self._receipts.written(entries):
                saved += number < self._saved
                kept.append(entries)
            elif number < self._saved:
                self._done[entries.stream, entries.origin] = entries.last
        self._unwritten, self._saved = kept, saved
        self._put, self._prune_at = 0, max(_PRUNE_AT, sum(entries.size for entries in kept))
