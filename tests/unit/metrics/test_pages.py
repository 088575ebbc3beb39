"""Pages: a product in a category, by clicks, with the title of its newest click."""

from __future__ import annotations

import pytest

from flows.metrics.pages import Pages
from tests.unit.metrics.shard import NOON_S, Click, OneShard, rows


def view(second: int, product: str, title: str | None = None, category: str = "books") -> Click:
    return NOON_S + second, "alice", {"product": product, "category": category, "title": title}


CASES = [
    ("by clicks", [view(0, "P1"), view(0, "P2"), view(0, "P2")], [("P2", "books", 2), ("P1", "books", 1)]),
    ("ties by product", [view(0, "P2"), view(0, "P1")], [("P1", "books", 1), ("P2", "books", 1)]),
    (
        "two categories are two pages",
        [view(0, "P1"), view(0, "P1", category="toys")],
        [("P1", "books", 1), ("P1", "toys", 1)],
    ),
    (
        "no more than asked for",
        [view(0, f"P{n}") for n in range(5)],
        [(f"P{n}", "books", 1) for n in range(3)],
    ),
]


@pytest.mark.parametrize(("views", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_the_most_viewed(views: list[Click], expected: list[tuple[str, str, int]]) -> None:
    shard = OneShard(Pages(window_s=3600, top=3))
    shard.take(views)
    assert [row[:3] for row in rows(shard.board(NOON_S + 1).frames["products_last_hour"])] == expected


@pytest.mark.parametrize(
    ("views", "title"),
    [
        ([view(0, "P1", "old"), view(1, "P1", "new")], "new"),
        ([view(1, "P1", "new"), view(0, "P1", "late")], "new"),
        ([view(0, "P1", "first"), view(0, "P1", "later arrival")], "later arrival"),
        ([view(0, "P1", "old"), view(1, "P1", None)], None),
    ],
)
def test_a_page_has_the_title_of_its_newest_click(views: list[Click], title: str | None) -> None:
    for batches in [views], [[each] for each in views]:
        shard = OneShard(Pages(window_s=3600, top=3))
        for batch in batches:
            shard.take(batch)
        assert rows(shard.board(NOON_S + 2).frames["products_last_hour"])[0][3] == title
