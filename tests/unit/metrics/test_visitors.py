"""Visitors: who is in the window, and the minutes of it. A character is a minute."""

from __future__ import annotations

import pytest

from flows.metrics.visitors import Visitors
from tests.unit.metrics.shard import NOON_S, OneShard, drawn, rows

MINUTE = 60
#          minutes   0    5    10   15   20
CASES = [
    ("in the window", "alice 1....2...", 10 * MINUTE, 1),
    ("two visitors", "alice 1........\nbob ...2.....", 10 * MINUTE, 2),
    ("its first second counts", "alice 1........", 15 * MINUTE, 1),
    ("a second later it does not", "alice 1........", 15 * MINUTE + 1, 0),
    ("a late click changes nothing", "alice 2.......1", 23 * MINUTE, 1),
    ("a late click alone is over", "alice 2.......\nbob ..............1", 28 * MINUTE, 1),
]


@pytest.mark.parametrize(
    ("picture", "as_of_s", "visitors"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_visitors_of_15_minutes(picture: str, as_of_s: int, visitors: int) -> None:
    shard = OneShard(Visitors(window_s=900))
    for click in drawn(picture, MINUTE):
        shard.take([click])
    assert shard.board(NOON_S + as_of_s).numbers == {"visitors_15m": visitors}


def test_minutes_have_their_clicks_and_visitors() -> None:
    shard = OneShard(Visitors(window_s=900))
    shard.take(drawn("alice 134\nbob 2..", 60) + drawn("alice 5", 1))
    minutes = rows(shard.board(NOON_S + 121).frames["last_15_minutes"])
    assert minutes[-3:] == [
        (NOON_S * 1000, 3, 2),
        ((NOON_S + 60) * 1000, 1, 1),
        ((NOON_S + 120) * 1000, 1, 1),
    ]
    assert len(minutes) == 15
    assert {clicks for _, clicks, _ in minutes[:-3]} == {0}
