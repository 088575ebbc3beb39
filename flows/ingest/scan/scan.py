"""Scanning: the clicks of a batch straight from its bytes into columns, in compiled code.

The words of a record are numbered only when it is plain to its end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flows.ingest.scan.keys import KNOWN_KEYS, MOST_KEYS
from flows.ingest.scan.record import SPANS, TIME_SPAN, record
from flows.ingest.scan.words import WIDTH, added, code_of, grown, hash_of
from flows.model.columns import Floats, Ints
from flows.model.fields import NUMBERS, WORDS
from flows.model.rejected import MAX_ROWS
from flows.runtime.compiled import Bytes, entry, inlined
from flows.runtime.loads import INT

_WORDS, _NUMBERS = len(WORDS), len(NUMBERS)
# Of how many slots words are in the first ones at first.
_SLOTS = 4096


class Scan(NamedTuple):
    """The clicks of the plain records of a batch.

    Of each click `row` int32, its record; `time_ns` int64; `codes` int32 (clicks, words), the codes of its
    words; `numbers` float64 (clicks, numbers). `words` is as in `flows.ingest.scan.words`. Of each record
    `shape` int8: 0 odd, 1 plain, 2 in columns.
    """

    row: Ints
    time_ns: Ints
    codes: Ints
    numbers: Floats
    words: Ints
    shape: Ints


def scan(data: bytes, bounds: Ints, newest_ns: int, seed: np.uint64) -> Scan:
    """Scan records; the bytes of record i are [bounds[i], bounds[i + 1] - 1) of `data`.

    Of a record with a click after `newest_ns` none is taken. `seed` is for the hashes of words.
    """
    # A row in columns takes six bytes at least; what of the arrays is never used is no memory.
    most, shape = len(bounds) - 1 + len(data) // 6, np.zeros(len(bounds) - 1, np.int8)
    row, time_ns = np.empty(most, np.int32), np.empty(most, np.int64)
    codes, numbers = np.empty((most, _WORDS), np.int32), np.empty((most, _NUMBERS))
    # A word takes two bytes at least, and each column may have one for none; half of the slots stay free.
    room = len(data) // 2 + _WORDS + 1
    words, counts = np.empty((room, WIDTH), np.int64), np.zeros(_WORDS + 1, np.int64)
    clicks = _scan(
        data if len(data) >= 8 else data.ljust(8),
        bounds,
        KNOWN_KEYS,
        np.zeros((MOST_KEYS, 8), np.uint64),
        newest_ns,
        seed,
        *(row, time_ns, codes, numbers, shape),
        *(np.empty((MAX_ROWS + 1, SPANS, 2), np.int64), np.empty((MAX_ROWS + 1, _NUMBERS))),
        *(np.zeros(max(_SLOTS, 1 << (2 * room).bit_length()), np.int32), words, counts),
        np.full(_WORDS, -1, np.int64),
    )
    return Scan(row[:clicks], time_ns[:clicks], codes[:clicks], numbers[:clicks], words[: counts[-1]], shape)


@entry(
    "bytes, int64[::1], uint64[:, ::1], uint64[:, ::1], int64, uint64, int32[::1], int64[::1], "
    "int32[:, ::1], float64[:, ::1], int8[::1], int64[:, :, ::1], float64[:, ::1], int32[::1], "
    "int64[:, ::1], int64[::1], int64[::1]"
)
def _scan(
    d: Bytes,
    bounds: Ints,
    keys: Ints,
    before: Ints,
    newest_ns: int,
    seed: np.uint64,
    row: Ints,
    time_ns: Ints,
    codes: Ints,
    numbers: Floats,
    shape: Ints,
    spans: Ints,
    of_record: Floats,
    slots: Ints,
    words: Ints,
    counts: Ints,
    none: Ints,
) -> int:
    """Scan records into arrays; returns how many clicks there are."""
    clicks, size = INT(0), INT(_SLOTS)
    for i in range(len(bounds) - 1):
        rows, in_columns = record(d, bounds[i], bounds[i + 1] - 1, keys, before, spans, of_record, newest_ns)
        while 2 * (counts[-1] + rows * _WORDS) > size < len(slots):
            size = grown(slots, size, words, counts[-1])
        if not _numbered(d, rows, spans, codes, clicks, slots, size, words, counts, none, seed):
            continue
        if rows:
            shape[i] = 2 if in_columns else 1
        for place in range(rows):
            row[clicks], time_ns[clicks] = i, spans[place, TIME_SPAN, 0]
            for n in range(_NUMBERS):
                numbers[clicks, n] = of_record[place, n]
            clicks += 1
    return clicks


@inlined
def _numbered(
    d: Bytes,
    rows: int,
    spans: Ints,
    codes: Ints,
    clicks: int,
    slots: Ints,
    size: int,
    words: Ints,
    counts: Ints,
    none: Ints,
    seed: np.uint64,
) -> bool:
    """Give the words of a record's rows their codes, from click `clicks` on; returns whether all have one."""
    for row in range(rows):
        for word in range(_WORDS):
            start, end = spans[row, word, 0], spans[row, word, 1]
            code = none[word]
            if start >= 0:
                hashed = hash_of(d, start, end, word, seed)
                code = code_of(d, start, end, word, hashed, slots, size, words, counts)
                if code < 0:
                    return False
            elif code < 0:
                code = added(start, start, word, start, words, counts)
                none[word] = code
            codes[clicks + row, word] = code
    return True
