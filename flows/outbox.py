"""Stream entries on their way out: kept with the state until every sink that takes them has them written.

An entry that is sent again has the same ordinal, made from its source position, and then changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from flows.items import Entry, StreamName

_PRUNE_AT = 10_000


class Receipts:
    """The ordinal last written of each stream and lane, by sink; sinks note it in threads of their own."""

    def __init__(self) -> None:
        self._sinks: defaultdict[StreamName, list[dict[tuple[str, str], str]]] = defaultdict(list)
        self._keeps: defaultdict[StreamName, list[int]] = defaultdict(list)

    def sink(self, keeps: Mapping[StreamName, int]) -> Callable[[Entry], None]:
        """Add a sink of the streams in `keeps`, which tells how many of the newest it has use for (0: all).

        Returns what the sink is to call with an entry once that and all before it in its lane are written.
        """
        noted: dict[tuple[str, str], str] = {}
        for stream, most in keeps.items():
            self._sinks[stream].append(noted)
            self._keeps[stream].append(most)

        def note(entry: Entry) -> None:
            noted[entry.stream, entry.lane] = entry.ordinal

        return note

    def written(self, entry: Entry) -> bool:
        """Return whether every sink of its stream has an entry written."""
        sinks = self._sinks[entry.stream]
        return bool(sinks) and all(
            entry.ordinal <= noted.get((entry.stream, entry.lane), "") for noted in sinks
        )

    def most(self, stream: StreamName) -> int:
        """Return how many of the newest entries of a stream any sink has use for; 0: all."""
        keeps = self._keeps[stream]
        return 0 if 0 in keeps else max(keeps, default=0)


class Outbox:
    """The entries of one shard's journeys, or of its rejected records."""

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts
        self._unsent: list[Entry] = []
        self._unwritten: list[Entry] = []
        self._prune_at = _PRUNE_AT
        self._lane = ""
        self._click, self._number = (-1, 0), 0

    def begin(self, lane: str) -> None:
        """From here on entries are of one lane."""
        self._lane, self._click = lane, (-1, 0)

    def add(self, stream: StreamName, position: int, sub: int, time_ns: int, fields: dict[str, str]) -> None:
        """Put in an entry of the `sub`-th click, at `time_ns`, of the record at `position`."""
        self._number = self._number + 1 if self._click == (position, sub) else 0
        self._click = position, sub
        place = f"{sub:06d}-{self._number:03d}" if sub or self._number else "000000-000"
        self.put(Entry(stream, self._lane, f"{position:020d}-{place}", fields, time_ns))

    def put(self, entry: Entry) -> None:
        """Put an entry in."""
        self._unsent.append(entry)
        self._unwritten.append(entry)
        if len(self._unwritten) > self._prune_at:
            self._prune()
            self._prune_at = max(_PRUNE_AT, 2 * len(self._unwritten))

    def entries(self) -> list[Entry]:
        """Return the entries not sent yet in this run."""
        unsent, self._unsent = self._unsent, []
        return unsent

    def pending(self) -> list[Any]:
        """Return the entries not written yet, for `load`; of a stream only as many as sinks have use for."""
        self._prune()
        return list(self._unwritten)

    def load(self, pending: list[Any]) -> None:
        """Take back what `pending` gave, to be sent again."""
        self._unwritten = [Entry(*entry) for entry in pending]
        self._unsent = list(self._unwritten)

    def _prune(self) -> None:
        newest_first: list[Entry] = []
        numbers: Counter[StreamName] = Counter()
        for entry in reversed(self._unwritten):
            if not self._receipts.written(entry):
                numbers[entry.stream] += 1
                most = self._receipts.most(entry.stream)
                if not most or numbers[entry.stream] <= most:
                    newest_first.append(entry)
        self._unwritten = newest_first[::-1]
