"""Counts per key over a sliding window equal a naive count, in any year."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.windows.slices import Slices

WINDOW_S = 100
Y2038_S, Y2106_S, Y2200_S = 1 << 31, 1 << 32, 7_258_118_400


@pytest.mark.parametrize("around_s", [1_700_000_000, Y2038_S, Y2106_S, Y2200_S])
@given(clicks=st.lists(st.tuples(st.integers(-150, 150), st.integers(0, 5)), min_size=1, max_size=30))
def test_totals_are_those_of_the_window(around_s: int, clicks: list[tuple[int, int]]) -> None:
    slices, newest_s = Slices(WINDOW_S), 0
    for second, key in clicks:
        newest_s = max(newest_s, around_s + second)
        slices.add(np.array([around_s + second]), np.array([key]), newest_s)
    as_of_s = newest_s + 1
    slices.advance(as_of_s)
    wanted = Counter(key for second, key in clicks if around_s + second >= as_of_s - WINDOW_S)
    assert {key: total for key, total in enumerate(slices.totals.tolist()) if total} == wanted
    again = Slices(WINDOW_S)
    again.load(slices.changes(everything=True))
    assert {key: total for key, total in enumerate(again.totals.tolist()) if total} == wanted
