"""Tables in memory, and which of their rows are vacant."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from flows.windows.table import Table, Vacant


@pytest.mark.parametrize("rows", [10, 1000, 300_000])
def test_rows_keep_their_values_and_new_ones_are_zero_while_a_table_grows(rows: int) -> None:
    table = Table(a=np.uint16, b=np.int64)
    table.reserve(rows)
    held = np.arange(rows)
    table["a"][:rows], table["b"][:rows] = held % 1000, -held
    table.touch(held[::2])
    before = table["b"]
    table.reserve(3 * rows)
    # A large one grows where it is, a small one of 64 rows has room.
    assert np.shares_memory(before, table["b"]) == (rows != 1000)
    assert len(table) >= 3 * rows
    for name, values in (("a", held % 1000), ("b", -held)):
        assert table[name][:rows].tolist() == values.tolist()
        assert not table[name][rows:].any()
    part = table.changes()
    assert part["row"].tolist() == held[::2].tolist()
    other = Table(a=np.uint16, b=np.int64)
    other.load(part)
    assert other["b"][: len(other)][::2][: len(held[::2])].tolist() == (-held[::2]).tolist()


def test_a_row_is_given_to_one_at_a_time() -> None:
    rng, vacant, taken = Random(1), Vacant(), set[int]()
    for _ in range(300):
        rows = vacant.take(rng.randrange(20)).tolist()
        assert not taken & set(rows)
        assert len(set(rows)) == len(rows)
        taken |= set(rows)
        back = rng.sample(sorted(taken), rng.randrange(len(taken) + 1))
        vacant.give_back(np.array(back, np.int64))
        taken -= set(back)
        assert vacant.used - len(vacant) == len(taken)
        assert all(row < vacant.used for row in taken)
    occupied = np.isin(np.arange(vacant.used + 5), list(taken))
    vacant.find(occupied)
    assert (vacant.used, vacant.used - len(vacant)) == (max(taken, default=-1) + 1, len(taken))
    assert not taken & set(vacant.take(100).tolist())
