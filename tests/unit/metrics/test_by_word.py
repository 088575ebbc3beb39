"""Clicks by a word, as categories are counted."""

from __future__ import annotations

from flows.metrics.categories import Categories
from tests.unit.metrics.shard import NOON_S, Click, OneShard, published, rows

KEY = "category_popularity"


def clicks(*categories: str, at_s: int = NOON_S) -> list[Click]:
    return [(at_s, "alice", {"category": name}) for name in categories]


def test_the_most_clicked_comes_first_ties_by_name() -> None:
    shard = OneShard(Categories(window_s=3600, top=100))
    shard.take(clicks("shoes", "books", "hats", "books"))
    assert rows(shard.board(NOON_S + 1).frames[KEY]) == [("books", 2), ("hats", 1), ("shoes", 1)]


def test_a_click_counts_in_its_window_and_not_a_second_longer() -> None:
    shard = OneShard(Categories(window_s=3600, top=100))
    shard.take(clicks("books"))
    shard.take(clicks("shoes", at_s=NOON_S + 1))
    assert rows(shard.board(NOON_S + 3600).frames[KEY]) == [("books", 1), ("shoes", 1)]
    assert rows(shard.board(NOON_S + 3601).frames[KEY]) == [("shoes", 1)]


def test_what_is_not_among_the_most_clicked_is_one_row() -> None:
    shard = OneShard(Categories(window_s=3600, top=2))
    shard.take(clicks("a", "a", "b", "b", "c", "d"))
    assert rows(shard.board(NOON_S + 1).frames[KEY]) == [("a", 2), ("b", 2), ("(2 others)", 2)]


def test_shards_add_up() -> None:
    metric = Categories(window_s=3600, top=100)
    frames = published(metric, NOON_S, [{"books": 1, "hats": 1}, {"books": 2}, {}]).frames
    assert rows(frames[KEY]) == [("books", 3), ("hats", 1)]


def test_names_without_clicks_are_forgotten_when_all_is_saved() -> None:
    shard = OneShard(Categories(window_s=60, top=100))
    shard.take(clicks("books"))
    shard.take(clicks("shoes", at_s=NOON_S + 100))
    assert shard.metric.changes(everything=True)["names"] == ["shoes"]
    assert rows(shard.board(NOON_S + 101).frames[KEY]) == [("shoes", 1)]
