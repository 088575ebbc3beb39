"""Records joined: each is found again, in every part."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flows.model.records import Records

RECORD = st.sampled_from([b"", b"{}", b"a\nb", b"\n", b"abc"])


@given(st.lists(st.lists(RECORD, min_size=1), min_size=1), st.integers(0, 9), st.integers(0, 9))
def test_records_are_found_again(pieces: list[list[bytes]], first: int, end: int) -> None:
    records = Records.joined(map(Records.of, pieces))
    wanted = [record for piece in pieces for record in piece]
    assert (list(records), len(records)) == (wanted, len(wanted))
    assert list(records[first:end]) == wanted[first:end]
    assert list(records[first:]) == wanted[first:]


def test_there_may_be_none() -> None:
    none = Records.of([])
    assert (list(none), len(none), none.data, none.bounds.tolist()) == ([], 0, b"", [0])
