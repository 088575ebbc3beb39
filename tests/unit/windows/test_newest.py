"""The newest click of each visitor."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flows.windows.newest import Newest

# Clicks in the order of arrival: (slot, time in ns, number).
CLICKS = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 6), st.integers(0, 9)), max_size=30)


@given(st.lists(CLICKS, max_size=4))
def test_it_is_the_newest_and_of_one_time_the_last_to_arrive(
    batches: list[list[tuple[int, int, int]]],
) -> None:
    newest, wanted = Newest(300), dict[int, tuple[int, int]]()
    for batch in batches:
        newest.add(
            np.array([slot for slot, _, _ in batch], np.int32),
            *(np.array([click[place] for click in batch], np.int64) for place in (1, 2)),
        )
        for slot, time_ns, number in batch:
            if time_ns >= wanted.get(slot, (0, 0))[0]:
                wanted[slot] = time_ns, number
    numbers, times_ns = newest.clicks()
    slots = newest.changes(everything=True)["row"]
    assert (
        dict(zip(slots.tolist(), zip(times_ns.tolist(), numbers.tolist(), strict=True), strict=True))
        == wanted
    )


def test_what_is_before_a_second_is_forgotten() -> None:
    newest = Newest(300)
    newest.add(np.array([0, 1], np.int32), np.array([5, 6]) * 10**9, np.array([3, 4]))
    newest.advance(306)
    assert newest.forget().tolist() == [4]
    assert newest.changes(everything=True)["row"].tolist() == [1]
