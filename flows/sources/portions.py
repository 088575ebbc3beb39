"""Portions: how much of what was read goes into one batch, by what its records may become.

A plain record is one click. A column-shaped one, which needs a bracket, may be as many as it has commas, and
so a few megabytes of them would be millions of clicks:

    {..}{..}{..}{"Timestamps":[..]}{..}      a click each, and up to 10,000
    [       a batch       ][  a batch  ]
"""

from __future__ import annotations

import numpy as np

from flows.model.columns import Ints
from flows.model.records import Records
from flows.model.rejected import MAX_ROWS

# So many rows a batch may become, or a few more; records of so many bytes go into one of Kafka's.
MOST_ROWS = 1 << 17
MOST_BYTES = 48 << 20


def portion_of(data: bytes, bounds: Ints) -> int:
    """Return how many records, which begin at `bounds[:-1]`, go into a batch: one at least."""
    records = len(bounds) - 1
    bracket = data.find(b"[")
    if bracket < 0:
        return min(records, MOST_ROWS)
    rows = np.ones(records, np.int64)
    while bracket >= 0:
        record = int(np.searchsorted(bounds, bracket, side="right")) - 1
        start, end = bounds[record : record + 2].tolist()
        rows[record] += min(data.count(b",", start, end), MAX_ROWS)
        bracket = data.find(b"[", end)
    return int(np.searchsorted(np.cumsum(rows), MOST_ROWS, side="right")) or 1


def portion_of_records(records: Records) -> int:
    """Return how many of some records go into a batch, one at least."""
    within = int(np.searchsorted(records.bounds, MOST_BYTES, side="right")) - 1
    return min(portion_of(records.data, records.bounds), max(within, 1))
