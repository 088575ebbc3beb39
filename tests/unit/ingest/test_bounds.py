"""Where the lines of a block begin, by splitting it."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from flows.model.bounds import bounds_of


# Longer than what is looked at together, with bytes that differ from a newline in one bit.
@given(data=st.lists(st.sampled_from([b"\n", b"\x8a", b"\x0b", b"a", b"ab" * 20])).map(b"".join))
def test_bounds_are_where_lines_begin(data: bytes) -> None:
    pieces = data.split(b"\n")
    sizes = [len(piece) + 1 for piece in (pieces if pieces[-1] else pieces[:-1])]
    assert bounds_of(data).tolist() == list(accumulate(sizes, initial=0))
