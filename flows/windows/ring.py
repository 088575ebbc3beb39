"""A ring of recent time slices: which visitors clicked in each, as one bit a slice in a mask a visitor.

A slice is a minute or a half hour of event time, numbered from 1970. Slice n has bit n modulo the width of
the masks, so bits are used again and again, like places on a ring:

    visitor   bit 7 6 5 4 3 2 1 0       width 8, slices 10 to 15 are kept
    alice         1 . . . . 1 . .       clicked in slices 15 and 10
    bob           . 1 1 . . . . .       clicked in slices 14 and 13
                              ^ ^
                              wiped before slices 17 and 16 come to bits 1 and 0

The width is more than the slices kept. Distinct visitors of a slice are the masks that have its bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.model.columns import Bools, Ints
from flows.runtime.compiled import entry
from flows.windows.table import Table


class Ring:
    """Clicks and distinct visitors per slice of `slice_s` seconds, for the newest `kept` slices."""

    def __init__(self, table: Table, column: str, *, slice_s: int, kept: int) -> None:
        self._table, self._column = table, column
        self._slice_s, self._kept = slice_s, kept
        self._width = table[column].dtype.itemsize * 8
        self._newest = -1
        self._clicks, self._visitors = np.zeros(self._width, np.int64), np.zeros(self._width, np.int64)
        # Of which bits the visitors are to be counted again.
        self._stale = np.zeros(self._width, bool)

    def add(self, slot: Ints, second: Ints, newest_s: int) -> None:
        """Count clicks of visitors `slot` at `second`; `newest_s`: the second of the newest click of all."""
        self._advance(newest_s // self._slice_s)
        oldest = self._newest - self._kept + 1
        masks = self._table[self._column]
        _mark[masks.dtype.name](masks, self._clicks, self._stale, slot, second, self._slice_s, oldest)

    def report(self, as_of_s: int) -> tuple[list[int], list[int]]:
        """Return (clicks, distinct visitors) by slice; the last one holds the second before `as_of_s`."""
        current = (as_of_s - 1) // self._slice_s
        numbers = range(current - self._kept + 1, current + 1)
        held = range(self._newest - self._width + 1, self._newest + 1)
        clicks = [int(self._clicks[n % self._width]) if n in held else 0 for n in numbers]
        return clicks, [self._distinct(n % self._width) if n in held else 0 for n in numbers]

    def _distinct(self, bit: int) -> int:
        if self._stale[bit]:
            masks = self._table[self._column]
            self._visitors[bit] = np.count_nonzero(masks & masks.dtype.type(1 << bit))
            self._stale[bit] = False
        return int(self._visitors[bit])

    def _advance(self, newest: int) -> None:
        steps = min(newest - self._newest, self._width)
        if steps <= 0:
            return
        bits = [n % self._width for n in range(newest - steps + 1, newest + 1)]
        masks = self._table[self._column]
        kept = masks.dtype.type(~sum(1 << bit for bit in bits) & (1 << self._width) - 1)
        np.bitwise_and(masks, kept, out=masks)
        self._clicks[bits] = self._visitors[bits] = 0
        self._stale[bits] = False
        self._newest = newest

    def state(self) -> dict[str, Any]:
        """Return what is not in the table."""
        return {"newest": self._newest, "clicks": self._clicks.tolist()}

    def load(self, part: dict[str, Any]) -> None:
        """Take back `state`; to be called before the table takes in the rows of the same part."""
        self._advance(part["newest"])
        self._clicks[:] = part["clicks"]
        self._stale[:] = True


def _mark_each(
    masks: Ints, clicks: Ints, stale: Bools, slot: Ints, second: Ints, slice_s: int, oldest: int
) -> None:
    """Count each click of slice `oldest` or later, and set the bit of its slice in its visitor's mask."""
    number, from_s = 0, 0
    for i in range(len(slot)):
        # Most clicks are in the slice of the one before: to divide takes longer than all else.
        if not from_s <= second[i] < from_s + slice_s:
            number = second[i] // slice_s
            from_s = number * slice_s
        if number >= oldest:
            bit = number & (len(clicks) - 1)
            masks[slot[i]] |= 1 << bit
            clicks[bit] += 1
            stale[bit] = True


_mark = {
    kind: entry(f"{kind}[::1], int64[::1], bool[::1], int32[::1], int64[::1], int64, int64")(_mark_each)
    for kind in ("uint16", "uint32")
}
