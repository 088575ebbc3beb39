"""The smaller blocks: last seen, names, the hash index."""

from __future__ import annotations

import numpy as np

from flows.windows.hash_index import Index
from flows.windows.last_seen import LastSeen
from flows.windows.names import Names
from flows.windows.table import Table


def test_last_seen_is_the_newest_second() -> None:
    table = Table(at=np.uint32)
    table.reserve(3)
    seen = LastSeen(table, "at")
    seen.add(np.array([0, 1, 0]), np.array([5, 9, 7]))
    seen.add(np.array([0]), np.array([6]))
    assert [seen.count(from_s) for from_s in (-1, 0, 7, 8, 9, 10)] == [2, 2, 2, 1, 1, 0]


def test_names_are_numbered_as_they_come_and_anew_when_some_go() -> None:
    names = Names[str]()
    assert names.numbers(["b", "a", "b"]).tolist() == [0, 1, 0]
    assert names.number("c") == 2
    assert names.keep(np.array([0, 2]), 3).tolist() == [0, 0, 1]
    assert (names.names[:], names.number("c"), names.number("a")) == (["b", "c"], 1, 2)


def test_the_hash_index_finds_every_key_and_no_other() -> None:
    rng = np.random.default_rng(1)
    # Few different hashes, so that many keys want one place.
    low, high = rng.integers(1, 1 << 40, 3000, np.uint64), rng.integers(0, 50, 3000, np.uint64)
    table, index = Table(low=np.uint64, high=np.uint64), Index()
    table.reserve(3000)
    for first in range(0, 3000, 100):
        part = np.arange(first, first + 100)
        found = index.find(table, low[part], high[part])
        assert set(found.tolist()) == {-1}
        table["low"][part], table["high"][part] = low[part], high[part]
        index.add(table, part)
    assert index.find(table, low, high).tolist() == list(range(3000))
    assert set(index.find(table, low, high + np.uint64(50)).tolist()) == {-1}
