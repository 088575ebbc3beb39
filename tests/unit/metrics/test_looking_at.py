"""Online now, and what they look at."""

from __future__ import annotations

from typing import Any

from flows.metrics.looking_at import LookingAt, View
from tests.unit.metrics.shard import NOON_S, Click, OneShard, published, rows


def view(at_s: int, visitor: str, product: str | None, title: str | None = None) -> Click:
    return NOON_S + at_s, visitor, {"product": product, "category": "hats", "title": title}


def looking(shard: OneShard, as_of_s: int) -> list[tuple[Any, ...]]:
    board = shard.board(NOON_S + as_of_s)
    found = rows(board.frames["looking_at"])
    assert sum(row[3] for row in found) == board.numbers["online_5m"]
    return found


def test_each_visitor_is_on_the_page_of_their_newest_click() -> None:
    shard = OneShard(LookingAt(window_s=300, top=10))
    shard.take([view(0, "a", "P1"), view(1, "b", "P1"), view(2, "a", "P2"), view(9, "b", None)])
    assert looking(shard, 10) == [("P2", "hats", None, 1), (None, None, "(no product)", 1)]
    # A late click changes nothing; one of the same time that arrives later does.
    shard.take([view(1, "a", "P9"), view(9, "b", "P3")])
    assert looking(shard, 10) == [("P2", "hats", None, 1), ("P3", "hats", None, 1)]


def test_a_visitor_is_online_for_the_window_and_not_a_second_longer() -> None:
    shard = OneShard(LookingAt(window_s=300, top=10))
    shard.take([view(0, "a", "P1")])
    assert len(looking(shard, 300)) == 1
    assert looking(shard, 301) == []


def test_pages_beyond_the_most_looked_at_are_one_row() -> None:
    shard = OneShard(LookingAt(window_s=300, top=2))
    shard.take([view(n, str(n), product) for n, product in enumerate(["P3", "P2", "P1", "P2", "P0"])])
    assert looking(shard, 9) == [
        ("P2", "hats", None, 2),
        ("P0", "hats", None, 1),
        (None, None, "(other pages)", 2),
    ]


def test_the_title_is_that_of_the_newest_click_of_those_who_look() -> None:
    shard = OneShard(LookingAt(window_s=300, top=2))
    shard.take([view(0, "a", "P1", "old"), view(5, "b", "P1", "new"), view(1, "c", "P1")])
    assert looking(shard, 9) == [("P1", "hats", "new", 3)]


def test_shards_add_up_by_page() -> None:
    first = [View("P1", "hats", "b", 2, 7), View(None, "hats", None, 1, 9)]
    second = [View("P1", "hats", "a", 1, 7), View("P1", "caps", "c", 1, 8)]
    board = published(LookingAt(window_s=300, top=10), NOON_S, [first, second])
    assert rows(board.frames["looking_at"]) == [
        ("P1", "hats", "b", 3),
        ("P1", "caps", "c", 1),
        (None, None, "(no product)", 1),
    ]
    assert board.numbers == {"online_5m": 5}


def test_pages_that_nobody_looks_at_are_forgotten_when_all_is_saved() -> None:
    shard = OneShard(LookingAt(window_s=300, top=10))
    shard.take([view(0, "a", "P1"), view(400, "b", "P2")])
    part = shard.metric.changes(everything=True)
    assert part["views"] == [("P2", "hats", None)]
    assert len(part["newest"]["row"]) == 1
    assert looking(shard, 401) == [("P2", "hats", None, 1)]
