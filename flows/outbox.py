"""Stream entries on their way out: kept with the state until the sink says that they are written.

An entry that is sent again has the same ordinal, made from its source position, and then changes nothing.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from flows.items import Entry, StreamName

# As many as the streams keep: older ones would be trimmed on arrival.
_KEPT_LOGS = 1000


class Receipts:
    """The ordinal last written of each stream and lane; noted by the sink, in a thread of its own."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, str], str] = {}

    def note(self, entry: Entry) -> None:
        """Note that an entry, and so all before it in its lane, is written."""
        self._written[entry.stream, entry.lane] = entry.ordinal

    def written(self, entry: Entry) -> bool:
        """Return whether an entry is written."""
        return entry.ordinal <= self._written.get((entry.stream, entry.lane), "")


class Outbox:
    """The entries of one shard's journeys."""

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts
        self._unsent: list[Entry] = []
        self._unwritten: list[Entry] = []
        self._lane = ""
        self._click, self._number = (-1, 0), 0

    def begin(self, lane: str) -> None:
        """From here on entries are of one lane."""
        self._lane, self._click = lane, (-1, 0)

    def add(self, stream: StreamName, position: int, sub: int, fields: dict[str, str]) -> None:
        """Put in an entry of the `sub`-th click of the record at `position`."""
        self._number = self._number + 1 if self._click == (position, sub) else 0
        self._click = position, sub
        place = f"{sub:06d}-{self._number:03d}" if sub or self._number else "000000-000"
        entry = Entry(stream, self._lane, f"{position:020d}-{place}", fields)
        self._unsent.append(entry)
        self._unwritten.append(entry)

    def entries(self) -> list[Entry]:
        """Return the entries not sent yet in this run."""
        unsent, self._unsent = self._unsent, []
        return unsent

    def pending(self) -> list[Any]:
        """Return the entries not written yet, for `load`; of the log only as many as its stream keeps."""
        self._unwritten = [entry for entry in self._unwritten if not self._receipts.written(entry)]
        too_many = sum(entry.stream == "state_logs" for entry in self._unwritten) - _KEPT_LOGS
        if too_many > 0:
            seen = count()
            self._unwritten = [
                e for e in self._unwritten if e.stream != "state_logs" or next(seen) >= too_many
            ]
        return list(self._unwritten)

    def load(self, pending: list[Any]) -> None:
        """Take back what `pending` gave, to be sent again."""
        self._unwritten = [Entry(*entry) for entry in pending]
        self._unsent = list(self._unwritten)
