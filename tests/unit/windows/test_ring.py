"""The ring: clicks and distinct visitors by slice, whatever comes round again."""

from __future__ import annotations

import numpy as np
import pytest

from flows.windows.ring import Ring
from flows.windows.table import Table

#            slice   0123456789...
CASES = [
    ("one click", "a x", 1, [1], [1]),
    ("the same visitor", "a xx", 2, [1, 1], [1, 1]),
    ("two visitors", "a x\nb x", 1, [2], [2]),
    ("older than what is kept", "a x.....x", 7, [0, 0, 0, 1], [0, 0, 0, 1]),
    ("round the ring", "a x...............x", 17, [0, 0, 0, 1], [0, 0, 0, 1]),
    ("between", "a .x.x\nb ..xx", 4, [0, 1, 1, 2], [0, 1, 1, 2]),
]


@pytest.mark.parametrize(
    ("picture", "slices", "clicks", "visitors"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_slices(picture: str, slices: int, clicks: list[int], visitors: list[int]) -> None:
    table = Table(seen=np.uint16)
    table.reserve(4)
    ring = Ring(table, "seen", slice_s=10, kept=4)
    rows = [row.split()[1] for row in picture.splitlines()]
    for at in range(max(map(len, rows))):
        slots = [slot for slot, row in enumerate(rows) if row[at : at + 1] == "x"]
        ring.add(np.array(slots, np.int32), np.full(len(slots), 10 * at), 10 * at)
    found = ring.report(10 * slices)
    assert found == ([0] * (4 - len(clicks)) + clicks, [0] * (4 - len(visitors)) + visitors)
