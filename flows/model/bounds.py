"""Bounds: where the lines of a block begin, found in compiled code.

    block    ab⏎cde⏎⏎f      ⏎ is a newline
    bounds   0  3   78 10

The last is where another line would begin.
"""

from __future__ import annotations

import numpy as np

from flows.model.columns import Ints
from flows.runtime.compiled import Bytes, entry
from flows.runtime.loads import INT, WIDE, U, at, newline, zeros_below


def bounds_of(data: bytes) -> Ints:
    """Return where the lines of a block begin, and where another would, int64."""
    # What of it is never used is no memory.
    bounds = np.empty(len(data) + 2, np.int64)
    return bounds[: _bounds(data, bounds)].copy()


@entry("bytes, int64[::1]")
def _bounds(d: Bytes, bounds: Ints) -> int:
    """Note where lines begin; returns how many bounds there are."""
    bounds[0], count, p = 0, 1, INT(0)
    while p + WIDE <= d[1]:
        found = newline(d, p)
        while found != U(0):
            bounds[count] = p + INT(zeros_below(found)) + 1
            count += 1
            found &= found - U(1)
        p += WIDE
    while p < d[1]:
        if at(d, p) == 10:
            bounds[count] = p + 1
            count += 1
        p += 1
    if bounds[count - 1] < d[1]:
        bounds[count] = d[1] + 1
        count += 1
    return count
