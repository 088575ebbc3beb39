"""Portions: how much of what was read goes into one batch, by what its records may become.

A plain record is one click. A column-shaped one, which needs a bracket, may be as many as it has commas, and
so a few megabytes of them would be millions of clicks:

    {..}{..}{..}{"Timestamps":[..]}{..}      a click each, and up to 10,000
    [       a batch       ][  a batch  ]
"""

from __future__ import annotations

from itertools import compress, count, repeat
from operator import contains

import numpy as np

from flows.model.columns import Ints
from flows.model.rejected import MAX_ROWS

# So many rows a batch may become, or a few more; records of so many bytes go into one of Kafka's.
MOST_ROWS = 1 << 17
MOST_BYTES = 1 << 24


def portion_of_lines(data: bytes, bounds: Ints) -> int:
    """Return how many lines of a block, which begin at `bounds[:-1]`, go into a batch: one at least."""
    lines = len(bounds) - 1
    bracket = data.find(b"[")
    if bracket < 0:
        return min(lines, MOST_ROWS)
    rows = np.ones(lines, np.int64)
    while bracket >= 0:
        line = int(np.searchsorted(bounds, bracket, side="right")) - 1
        start, end = bounds[line : line + 2].tolist()
        rows[line] += _commas(data, start, end)
        bracket = data.find(b"[", end)
    return int(np.searchsorted(np.cumsum(rows), MOST_ROWS, side="right")) or 1


def portion_of_records(records: list[bytes]) -> int:
    """Return how many of some records go into a batch, one at least."""
    sizes = np.fromiter(map(len, records), np.int64, len(records))
    rows = np.ones(len(records), np.int64)
    for index in compress(count(), map(contains, records, repeat(b"["))):
        rows[index] += _commas(records[index], 0, len(records[index]))
    within = (np.cumsum(rows) <= MOST_ROWS) & (np.cumsum(sizes) <= MOST_BYTES)
    return int(np.count_nonzero(within)) or 1


def _commas(data: bytes, start: int, end: int) -> int:
    return min(data.count(b",", start, end), MAX_ROWS)
