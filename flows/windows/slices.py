"""Counts by key over a sliding window that moves by the second.

What is counted in a second is a slice; the total of a key is the sum of the slices in the window:

    second     41   42   43   44   45
    clicks of       +1        +2        total of "shoes": 3
    "shoes"     └────── window ──────┘  at the end of 46 it is 3, at the end of 47 it is 2

Totals are kept by key. When the window moves on, what the seconds that leave it had added is subtracted, so
that no slice is looked at twice. Merging is addition: the order in which clicks arrive does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from flows.model.columns import Ints
from flows.runtime.compiled import entry

# So many chunks are kept; with every so many that are added, the window moves on.
_CHUNKS, _MOVE_EVERY = 64, 8
# A second and a key as one number that sorts: with room for 134 million keys, and for years up to 4147.
_KEY_BITS = 27
_KEY_MASK = (1 << _KEY_BITS) - 1


class Counts(NamedTuple):
    """Clicks by second and key: `combined` is second << _KEY_BITS | key; `clicks` of each.

    Seconds ascend. `first` is the first of `combined`: at hand when a window asks all of its chunks for it.
    """

    first: int
    combined: Ints
    clicks: Ints

    @classmethod
    def of(cls, combined: Ints, clicks: Ints) -> Counts:
        """Return the counts of some clicks."""
        return cls(int(combined[0]), combined, clicks)

    @property
    def first_s(self) -> int:
        """The second of the earliest click."""
        return self.first >> _KEY_BITS

    def renumbered(self, number: Ints) -> Counts:
        """Return the counts with other keys: `number[old]`."""
        return Counts.of(
            self.combined >> _KEY_BITS << _KEY_BITS | number[self.combined & _KEY_MASK], self.clicks
        )


def counted(second: Ints, key: Ints) -> Counts:
    """Count clicks of `key` at `second` by both; there is one at least."""
    # Clicks come by their time, more or less, and then a stable sort is the quicker one.
    combined = np.sort(second.astype(np.int64) << _KEY_BITS | key, kind="stable")
    clicks = np.empty(len(combined), np.int64)
    count = _runs(combined, clicks)
    return Counts.of(combined[:count].copy(), clicks[:count].copy())


@entry("int64[::1], int64[::1]")
def _runs(numbers: Ints, length: Ints) -> int:
    """Keep one of each run of equal numbers, at the front, and the `length` of the run; returns how many."""
    count = 0
    for i in range(len(numbers)):
        if count == 0 or numbers[i] != numbers[count - 1]:
            numbers[count], length[count] = numbers[i], 0
            count += 1
        length[count - 1] += 1
    return count


class Slices:
    """Clicks per key (a small integer) in the last `window_s` seconds."""

    def __init__(self, window_s: int) -> None:
        self._window_s = window_s
        self._from_s = self._newest_s = 0
        self.totals: Ints = np.zeros(0, np.int64)
        # The first is the largest.
        self._chunks: list[Counts] = []
        self._added: list[Counts] = []

    def add(self, second: Ints, key: Ints, newest_s: int) -> None:
        """Count clicks of `key` at `second`; `newest_s` is the second of the newest click of all."""
        if len(second):
            self.add_counts(counted(second, key), newest_s)

    def add_counts(self, counts: Counts, newest_s: int) -> None:
        """Take in clicks that are `counted`, as many windows may that see the same clicks.

        What has left the window is subtracted now and then, and at the latest by `advance`.
        """
        self._newest_s = newest_s
        if len(self._chunks) % _MOVE_EVERY == 0:
            self.advance(newest_s + 1)
        _, kept = _parted(counts, max(self._from_s, newest_s + 1 - self._window_s) << _KEY_BITS)
        if kept is not None:
            self._take_in(kept)
            self._added.append(kept)

    def _take_in(self, chunk: Counts) -> None:
        key = chunk.combined & _KEY_MASK
        size = int(key.max()) + 1
        if size > len(self.totals):
            self.totals = np.concatenate((self.totals, np.zeros(size - len(self.totals), np.int64)))
        np.add.at(self.totals, key, chunk.clicks)
        self._chunks.append(chunk)
        if len(self._chunks) > _CHUNKS:
            self._merge()

    def _merge(self) -> None:
        """Merge the small chunks, and with the first one when they have grown to an eighth of it."""
        small = sum(len(chunk.combined) for chunk in self._chunks[1:])
        keep = 0 if small * 8 > len(self._chunks[0].combined) else 1
        self._chunks[keep:] = [_in_order(*_joined(self._chunks[keep:]))]

    def advance(self, as_of_s: int) -> None:
        """Let the window end at `as_of_s`: subtract the seconds that leave it.

        An empty window stays where it is: before any click `as_of_s` is the wall clock, ahead of the clicks.
        """
        from_s = as_of_s - self._window_s
        if from_s <= self._from_s or not self._chunks:
            return
        self._from_s, border = from_s, from_s << _KEY_BITS
        chunks, self._chunks = self._chunks, []
        for chunk in chunks:
            left, kept = _parted(chunk, border)
            if left:
                np.subtract.at(self.totals, chunk.combined[:left] & _KEY_MASK, chunk.clicks[:left])
            if kept is not None:
                self._chunks.append(kept)

    def held(self) -> Ints:
        """Return the keys with clicks in the window, ascending."""
        self.advance(self._newest_s + 1)
        return np.flatnonzero(self.totals)

    def renumber(self, number: Ints) -> None:
        """Give every key with clicks a new one: `number[old]`."""
        chunks, self._chunks, self.totals = self._chunks, [], np.zeros(0, np.int64)
        for chunk in chunks:
            self._take_in(chunk.renumbered(number))

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return what was added since the last call, or all that the window holds."""
        chunks = self._chunks if everything else self._added
        self._added = []
        combined, clicks = _joined(chunks) if chunks else ([], [])
        return {"combined": combined, "clicks": clicks, "from_s": self._from_s}

    def load(self, part: dict[str, Any]) -> None:
        """Take in what `changes` gave; call `advance` when all parts are in."""
        if len(part["combined"]):
            self._take_in(_in_order(part["combined"], part["clicks"]))
        self.advance(part["from_s"] + self._window_s)


def _parted(chunk: Counts, border: int) -> tuple[int, Counts | None]:
    """Return (how many of a chunk's counts are below a border, the others if there are any)."""
    if chunk.first >= border:
        return 0, chunk
    left = int(chunk.combined.searchsorted(border))
    kept = left < len(chunk.combined)
    return left, Counts.of(chunk.combined[left:], chunk.clicks[left:]) if kept else None


def _joined(chunks: Sequence[Counts]) -> tuple[Ints, Ints]:
    none = np.empty(0, np.int64)
    return (
        np.concatenate([none, *(chunk.combined for chunk in chunks)]),
        np.concatenate([none, *(chunk.clicks for chunk in chunks)]),
    )


def _in_order(combined: Ints, clicks: Ints) -> Counts:
    order = np.argsort(combined, kind="stable")
    return Counts.of(combined[order], clicks[order])
