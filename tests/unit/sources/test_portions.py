"""Portions: no batch becomes more rows, or more bytes, than it may, and each takes a record at least."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.model.bounds import bounds_of
from flows.model.records import Records
from flows.model.rejected import MAX_ROWS
from flows.sources import portions
from flows.sources.portions import portion_of, portion_of_records

RECORDS = st.lists(
    st.sampled_from([b"{}", b"", b"[,,]", b"a,[", b"a,b,c", b"x" * 9, b"[,,,,,,,,"]), min_size=1, max_size=12
)


def rows_of(record: bytes) -> int:
    return record.count(b",") + 1 if b"[" in record else 1


def naive(records: list[bytes], most: int) -> int:
    """Return how many records become at most so many rows, one at least."""
    taken = rows = 0
    for record in records:
        rows += rows_of(record)
        if rows > most and taken:
            break
        taken += 1
        if rows > most:
            break
    return taken


@given(RECORDS, st.integers(1, 12))
def test_lines_and_records_are_cut_alike(records: list[bytes], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portions, "MOST_ROWS", most)
        data = b"".join(record + b"\n" for record in records)
        wanted = naive(records, most)
        assert portion_of(data, bounds_of(data)) == wanted
        assert portion_of_records(Records.of(records)) == wanted


def test_a_record_counts_for_no_more_rows_than_it_may_have() -> None:
    wide = b"[" + b"," * 10 * MAX_ROWS
    assert portion_of_records(Records.of([wide] * 20)) == portions.MOST_ROWS // (MAX_ROWS + 1)
    lines = (wide + b"\n") * 20
    assert portion_of(lines, bounds_of(lines)) == 13


def test_records_of_a_batch_have_a_greatest_size_together() -> None:
    assert portion_of_records(Records.of([bytes((1 << 20) - 1)] * 60)) == 48
    assert portion_of_records(Records.of([bytes(1 << 26)])) == 1
