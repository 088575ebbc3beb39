"""The words of a batch, numbered while it is scanned: which bytes stand for the same word of a column.

A word is known by where it first stood. `slots` is an open hash table of the numbers of words, plus one:

    slots    . 3 . . 1 . 2 .          words   0       1         2
                                      column  0       0         3
    no two words are alike            bytes   [9,11)  [88,90)   [20,28)
                                      code    0       1         0

`words` is int64 (words, 5): column, start and end (start -1: no word), hash, and the code by which the column
knows it. `counts` int64 has how many each column has, and last how many there are.
"""

from __future__ import annotations

import numpy as np

from flows.model.columns import Ints
from flows.runtime.compiled import Bytes, compiled, inlined
from flows.runtime.loads import INT, U, eight, first_bytes

COLUMN, START, END, HASH, CODE, WIDTH = range(6)
# Words made to meet in one place are looked through no further.
MOST_STEPS = 128
_MULTIPLIER = U(0x9E3779B97F4A7C15)


@compiled
def grown(slots: Ints, size: int, words: Ints, count: int) -> int:
    """Let words be in more of the slots, by four times; returns in how many they are now."""
    slots[:size] = 0
    size = min(4 * size, len(slots))
    for w in range(count):
        if words[w, START] >= 0:
            slot = words[w, HASH] & (size - 1)
            while slots[slot]:
                slot = (slot + 1) & (size - 1)
            slots[slot] = w + 1
    return size


@inlined
def hash_of(d: Bytes, p: int, end: int, column: int, seed: np.uint64) -> int:
    """Hash the bytes [p, end) of a column's word, eight at a time."""
    hashed = (seed + U(end - p) + (U(column) << U(56))) * _MULTIPLIER
    while p < end:
        word = eight(d, p)
        hashed = (hashed ^ (word if end - p >= 8 else first_bytes(word, end - p))) * _MULTIPLIER
        hashed ^= hashed >> U(29)
        p += 8
    return INT(hashed)


@inlined
def code_of(
    d: Bytes,
    start: int,
    end: int,
    column: int,
    hashed: int,
    slots: Ints,
    size: int,
    words: Ints,
    counts: Ints,
) -> int:
    """Return the code of the word [start, end), added if it is new; -1 if too many are in its place."""
    mask = size - 1
    slot = hashed & mask
    for _ in range(MOST_STEPS):
        w = slots[slot] - 1
        if w < 0:
            slots[slot] = counts[-1] + 1
            return added(start, end, column, hashed, words, counts)
        if (
            words[w, HASH] == hashed
            and words[w, COLUMN] == column
            and words[w, END] - words[w, START] == end - start
            and _same(d, words[w, START], start, end)
        ):
            return words[w, CODE]
        slot = (slot + 1) & mask
    return -1


@compiled
def added(start: int, end: int, column: int, hashed: int, words: Ints, counts: Ints) -> int:
    """Add a word; returns its code."""
    w, code = counts[-1], counts[column]
    counts[-1] += 1
    counts[column] += 1
    words[w, COLUMN], words[w, START], words[w, END] = column, start, end
    words[w, HASH], words[w, CODE] = hashed, code
    return code


@compiled
def _same(d: Bytes, other: int, p: int, end: int) -> bool:
    """Whether the bytes [p, end) stand at `other` too."""
    while p + 8 <= end:
        if eight(d, other) != eight(d, p):
            return False
        other += 8
        p += 8
    return first_bytes(eight(d, other), end - p) == first_bytes(eight(d, p), end - p)
