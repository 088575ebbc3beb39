"""Rising and falling products."""

from __future__ import annotations

from typing import Any

import pytest

from flows.metrics.trending import Trending
from tests.unit.metrics.shard import NOON_S, OneShard, rows

# An hour ends here; the last quarter begins at RECENT.
END, RECENT = NOON_S + 3600, NOON_S + 2700


def trending(before: dict[str, int], now: dict[str, int], began_s: int = NOON_S) -> tuple[Any, Any]:
    """Return (numbers, rows as (product, clicks, expected, direction)) of an hour with clicks by product."""
    shard = OneShard(Trending(window_s=3600, recent_s=900))
    for at_s, clicks in ((began_s, before), (RECENT, now)):
        shard.take(
            [
                (at_s, "a", {"product": name, "category": "hats"})
                for name in clicks
                for _ in range(clicks[name])
            ]
        )
    board = shard.board(END)
    found = [(row[0], *row[3:]) for row in rows(board.frames["trending"])]
    return board.numbers, found


def test_a_page_rises_when_it_has_more_than_its_share() -> None:
    # The shop has 200 clicks after 600: a third. So of `hat` 20 were to be expected, and z is 40 / sqrt(20).
    numbers, found = trending({"hat": 60, "rest": 540}, {"hat": 60, "rest": 140})
    assert found == [("hat", 60, 20.0, "rising")]
    assert numbers == {"trending_rising": 1, "trending_falling": 0}


@pytest.mark.parametrize(
    ("before", "now", "rises"),
    [
        (0, 20, True),
        (0, 19, False),  # too few clicks
        (60, 40, True),  # expected 20: z is 4.47
        (60, 37, False),  # z is 3.8
        (600, 300, True),  # exactly half as many again as the expected 200
        (600, 299, False),
    ],
)
def test_the_bounds_of_a_rise(before: int, now: int, *, rises: bool) -> None:
    numbers, found = trending({"hat": before, "rest": 9000 - before}, {"hat": now, "rest": 3000 - now})
    assert [row[0] for row in found] == ["hat"] * rises
    assert numbers["trending_rising"] == rises
    if rises:
        assert found[0][3] == ("rising" if before else "new")


@pytest.mark.parametrize(("now", "falls"), [(100, True), (101, False), (0, True)])
def test_the_bounds_of_a_fall(now: int, *, falls: bool) -> None:
    _, found = trending({"hat": 600, "rest": 8400}, {"hat": now, "rest": 3000 - now})
    assert [(row[0], row[3]) for row in found] == [("hat", "falling")] * falls


def test_only_the_ten_most_viewed_before_may_fall() -> None:
    before = {f"P{number:02}": 100 for number in range(11)} | {"rest": 1900}
    _, found = trending(before, {"rest": 1000})
    # `rest` is one of the ten, so of eleven others of 100 clicks nine are, by product; three are shown.
    assert [(row[0], row[1]) for row in found if row[3] == "falling"] == [("P00", 0), ("P01", 0), ("P02", 0)]


def test_five_rise_at_most_the_strongest_first_ties_by_product() -> None:
    _, found = trending({"rest": 900}, {"rest": 300} | {f"P{n}": 20 + (n == 6) for n in range(7)})
    assert [row[0] for row in found] == ["P6", "P0", "P1", "P2", "P3"]


def test_it_is_unknown_for_the_first_hour_and_while_there_is_little_to_compare_with() -> None:
    assert trending({"rest": 100}, {"hat": 30}, NOON_S + 1) == ({}, [])
    assert trending({"rest": 99}, {"hat": 30}) == ({}, [])
    assert trending({"rest": 100}, {"hat": 30, "rest": 60})[1] == [("hat", 30, 0.0, "new")]
