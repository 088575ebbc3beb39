"""Rejected records of a batch: all are counted by reason, and the beginnings of the newest are kept.

They are columns, so that a batch of nothing but bad rows costs no more than one of good ones:

    reason     bad_type  no_user  no_user  not_json
    position         17       40       40        99      two rows of the column-shaped record at 40
    records                {"Ti   {"Ti     junk          of the newest alone; one head for both rows
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

import numpy as np

from flows.model.columns import Ints

REASONS: Final = {
    "too_large": "longer than 1 MiB",
    "not_json": "not one JSON value in UTF-8, or nested more than 500 deep",
    "not_a_click": "JSON, but not an object",
    "bad_columns": "column shape with columns missing or of unequal length, or with more than 10,000 rows",
    "bad_type": "a field of the wrong type",
    "no_time": "no timestamp",
    "no_user": "no userId, or an empty one",
    "too_long": "a userId, productId, category or deviceType of more than 256 characters",
    "bad_time": "a timestamp that cannot be read",
    "too_old": "event time before the year 2000",
    "too_new": "event time more than 5 minutes ahead of the flow's clock, or ahead while too many wait",
    "poison": "the flow ended whenever it took the record in",
}


KEPT_BYTES: Final = 512
# The longest record that is looked at; a longer one is `too_large`.
MAX_RECORD_BYTES: Final = 1 << 20
# The most rows of a record in columns; one with more has `bad_columns`.
MAX_ROWS: Final = 10_000
# About as many as the stream in Redis keeps.
KEPT_RECORDS = 1000

_NAMES = list(REASONS)
CODES = {reason: code for code, reason in enumerate(_NAMES)}


class Rejection(NamedTuple):
    """A record set aside: why, where it stood, how it began."""

    reason: str
    position: int
    record: bytes


@dataclass(slots=True)
class Rejected:
    """Rejections by ascending position: `reason` uint8 (see CODES), `position` int64, and `records`.

    These are the first bytes of the last `len(records)` of them.
    """

    reason: Ints = field(default_factory=lambda: np.empty(0, np.uint8))
    position: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    records: list[bytes] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.reason)

    def counts(self) -> dict[str, int]:
        """Return how many there are of each reason."""
        numbers = np.bincount(self.reason, minlength=len(_NAMES)).tolist()
        return {name: number for name, number in zip(_NAMES, numbers, strict=True) if number}

    def since(self, position: int) -> Rejected:
        """Return those at `position` and later."""
        first = int(np.searchsorted(self.position, position))
        kept = min(len(self.records), len(self) - first)
        return Rejected(self.reason[first:], self.position[first:], self.records[len(self.records) - kept :])

    def with_one(self, code: int, position: int, record: bytes) -> Rejected:
        """Return them with one more, in its place."""
        place = int(np.searchsorted(self.position, position, side="right"))
        kept = place - (len(self) - len(self.records))
        records = self.records if kept < 0 else [*self.records[:kept], record, *self.records[kept:]]
        return Rejected(
            np.insert(self.reason, place, code), np.insert(self.position, place, position), records
        )

    def mapped(self, change: Callable[[bytes], bytes]) -> Rejected:
        """Return them with each record changed; what rows of one record share is changed once."""
        changed: dict[bytes, bytes] = {record: change(record) for record in set(self.records)}
        return Rejected(self.reason, self.position, [changed[record] for record in self.records])

    def kept(self) -> Iterator[Rejection]:
        """Yield those whose record is kept, oldest first."""
        first = len(self) - len(self.records)
        codes, positions = self.reason[first:].tolist(), self.position[first:].tolist()
        for code, position, record in zip(codes, positions, self.records, strict=True):
            yield Rejection(_NAMES[code], position, record)


class Rejecting:
    """Gathers the rejections of a batch in the order of its records."""

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._codes: list[list[int]] = []
        self._heads: deque[tuple[bytes, int]] = deque(maxlen=KEPT_RECORDS)

    def add(self, row: int, record: bytes, codes: list[int]) -> None:
        """Add the rejected rows of one record, by the codes of their reasons."""
        self._rows.append(row)
        self._codes.append(codes)
        self._heads.append((record[:KEPT_BYTES], len(codes)))

    def all(
        self, positions: Callable[[Ints], Ints], set_aside: Sequence[tuple[str, int, bytes]] = ()
    ) -> Rejected:
        """Return what was added, and what the source has `set_aside` (reason, position, record).

        `positions` tells where records stand.
        """
        records = [head for head, rows in self._heads for _ in range(rows)][-KEPT_RECORDS:]
        position = np.repeat(positions(np.array(self._rows, np.int64)), list(map(len, self._codes)))
        found = Rejected(np.array(list(chain.from_iterable(self._codes)), np.uint8), position, records)
        for reason, at, record in set_aside:
            found = found.with_one(CODES[reason], at, record[:KEPT_BYTES])
        return found
