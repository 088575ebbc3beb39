"""Counts by key over a sliding window that moves by the second.

What is counted in a second is a slice; the total of a key is the sum of the slices in the window:

    second     41   42   43   44   45
    clicks of       +1        +2        total of "shoes": 3
    "shoes"     └────── window ──────┘  at the end of 46 it is 3, at the end of 47 it is 2

Totals are kept by key. When the window moves on, what the seconds that leave it had added is subtracted, so
that no slice is looked at twice. Merging is addition: the order in which clicks arrive does not matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.model.columns import Ints

_CHUNKS = 64
# A second and a key as one number that sorts: with room for 134 million keys, and for years up to 4147.
_KEY_BITS = 27
_KEY_MASK = (1 << _KEY_BITS) - 1


# (second << _KEY_BITS | key, ascending; clicks of each).
Counts = tuple[Ints, Ints]


def counted(second: Ints, key: Ints) -> Counts:
    """Count clicks of `key` at `second` by both."""
    # Clicks come by their time, more or less, and then a stable sort is the quicker one.
    combined = np.sort(second.astype(np.int64) << _KEY_BITS | key, kind="stable")
    first = np.flatnonzero(np.diff(combined, prepend=-1))
    return combined[first], np.diff(first, append=len(combined))


def first_second(counts: Counts) -> int:
    """Return the second of the earliest click counted, of which there is one."""
    return int(counts[0][0]) >> _KEY_BITS


class Slices:
    """Clicks per key (a small integer) in the last `window_s` seconds."""

    def __init__(self, window_s: int) -> None:
        self._window_s = window_s
        self._from_s = 0
        self.totals: Ints = np.zeros(0, np.int64)
        # Chunks of (second << _KEY_BITS | key, clicks), each sorted; the first is the largest.
        self._chunks: list[Counts] = []
        self._added: list[Counts] = []

    def add(self, second: Ints, key: Ints, newest_s: int) -> None:
        """Count clicks of `key` at `second`; `newest_s` is the second of the newest click of all."""
        self.add_counts(counted(second, key), newest_s)

    def add_counts(self, counts: Counts, newest_s: int) -> None:
        """Take in clicks that are `counted`, as many windows may that see the same clicks."""
        self.advance(newest_s + 1)
        combined, clicks = counts
        first = np.searchsorted(combined, max(self._from_s, newest_s + 1 - self._window_s) << _KEY_BITS)
        if first < len(combined):
            self._take_in((combined[first:], clicks[first:]))
            self._added.append((combined[first:], clicks[first:]))

    def _take_in(self, chunk: Counts) -> None:
        combined, clicks = chunk
        if not len(combined):
            return
        key = combined & _KEY_MASK
        size = int(key.max()) + 1
        if size > len(self.totals):
            self.totals = np.concatenate((self.totals, np.zeros(size - len(self.totals), np.int64)))
        np.add.at(self.totals, key, clicks)
        self._chunks.append(chunk)
        if len(self._chunks) > _CHUNKS:
            self._merge()

    def _merge(self) -> None:
        """Merge the small chunks, and with the first one when they have grown to an eighth of it."""
        small = sum(len(combined) for combined, _ in self._chunks[1:])
        keep = 0 if small * 8 > len(self._chunks[0][0]) else 1
        combined = np.concatenate([chunk[0] for chunk in self._chunks[keep:]])
        clicks = np.concatenate([chunk[1] for chunk in self._chunks[keep:]])
        order = np.argsort(combined, kind="stable")
        self._chunks[keep:] = [(combined[order], clicks[order])]

    def advance(self, as_of_s: int) -> None:
        """Let the window end at `as_of_s`: subtract the seconds that leave it.

        An empty window stays where it is: before any click `as_of_s` is the wall clock, ahead of the clicks.
        """
        from_s = as_of_s - self._window_s
        if from_s <= self._from_s or not self._chunks:
            return
        self._from_s, border = from_s, from_s << _KEY_BITS
        for i, (combined, clicks) in enumerate(self._chunks):
            if combined[0] < border:
                left = int(np.searchsorted(combined, border))
                np.subtract.at(self.totals, combined[:left] & _KEY_MASK, clicks[:left])
                self._chunks[i] = combined[left:], clicks[left:]
        self._chunks = [chunk for chunk in self._chunks if len(chunk[0])]

    def renumber(self, number: Ints) -> None:
        """Give every key with clicks a new one: `number[old]`."""
        chunks, self._chunks, self.totals = self._chunks, [], np.zeros(0, np.int64)
        for combined, clicks in chunks:
            renumbered = combined >> _KEY_BITS << _KEY_BITS | number[combined & _KEY_MASK]
            order = np.argsort(renumbered, kind="stable")
            self._take_in((renumbered[order], clicks[order]))

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return what was added since the last call, or all that the window holds."""
        chunks = self._chunks if everything else self._added
        self._added = []
        none: list[Ints] = [np.empty(0, np.int64)]
        return {
            "combined": np.concatenate(none + [combined for combined, _ in chunks]),
            "clicks": np.concatenate(none + [clicks for _, clicks in chunks]),
            "from_s": self._from_s,
        }

    def load(self, part: dict[str, Any]) -> None:
        """Take in what `changes` gave; call `advance` when all parts are in."""
        order = np.argsort(part["combined"], kind="stable")
        self._take_in((part["combined"][order], part["clicks"][order]))
        self.advance(part["from_s"] + self._window_s)
