"""What becomes of journeys: who is on one, what was entered, how many of those begun ended in an offer."""

from __future__ import annotations

from typing import Any

from flows.entries.outbox import Receipts
from flows.journeys.metric import Journeys
from flows.journeys.table import JOURNEYS
from tests.unit.metrics.shard import NOON_S, Click, OneShard, rows

MINUTE_S = 60


def click(at_min: float, visitor: str, product: str, category: str, **who: Any) -> Click:
    person = {"gender": "M", "age": 40} | who
    return NOON_S + round(at_min * MINUTE_S), visitor, {"product": product, "category": category, **person}


def journeys(*clicks: Click) -> OneShard:
    shard = OneShard(Journeys(Receipts(), JOURNEYS, window_s=3600))
    shard.take(list(clicks))
    return shard


def states(shard: OneShard, at_min: float) -> dict[str, tuple[int | None, int]]:
    """Return (visitors now, entered in the last hour) by state."""
    found = rows(shard.board(NOON_S + round(at_min * MINUTE_S)).frames["journeys"])
    return {state: (now, entered) for _, state, now, entered in found}


def numbers(shard: OneShard, at_min: float) -> Any:
    return shard.board(NOON_S + round(at_min * MINUTE_S)).numbers


# Alice comes to an offer after 8 minutes, Bob gives up, Carol stands half-way; Dora is not in the audience.
CLICKS = (
    click(0, "alice", "C1", "clothing"),
    click(1, "bob", "C1", "clothing"),
    click(2, "bob", "B1", "books"),
    click(3, "dora", "C1", "clothing", age=60),
    click(4, "alice", "S1", "shoes"),
    click(5, "carol", "C1", "clothing", gender="F", age=30),
    click(8, "alice", "C2", "clothing"),
    click(9, "carol", "S1", "shoes", gender="F", age=30),
)


def test_who_stands_where_and_what_was_entered() -> None:
    assert states(journeys(*CLICKS), 10) == {
        "clothes_visited": (0, 3),
        "shoes_visited": (1, 2),
        "offer": (None, 1),
        "init": (None, 1),
    }


def test_who_stands_somewhere_does_so_until_the_limit_is_over() -> None:
    shard = journeys(*CLICKS)
    assert states(shard, 35 - 1 / 60)["shoes_visited"][0] == 1
    assert states(shard, 35)["shoes_visited"][0] == 0


def test_what_was_entered_leaves_after_an_hour() -> None:
    shard = journeys(*CLICKS)
    assert states(shard, 60)["clothes_visited"][1] == 3
    assert states(shard, 60 + 1 / 60)["clothes_visited"][1] == 2
    assert numbers(shard, 68)["offers"] == {"offer1": 1}
    assert numbers(shard, 69)["offers_1h"] == 0


def test_a_journey_counts_once_its_limit_is_over() -> None:
    shard = journeys(*CLICKS)
    at_first = numbers(shard, 30 - 1 / 60)
    assert at_first["journeys_over_1h"] == 0
    assert "journeys_offer_share" not in at_first
    assert "journeys_offer_seconds" not in at_first
    for at_min, over, share in ((30, 1, 1), (31, 2, 1 / 2), (35, 3, 1 / 3), (60, 3, 1 / 3)):
        found = numbers(shard, at_min)
        assert (found["journeys_over_1h"], found["journeys_offer_share"]) == (over, share)
        assert found["journeys_offer_seconds"] == 8 * MINUTE_S
    # Alice's began more than an hour ago.
    assert numbers(shard, 61) == {
        "offers_1h": 1,
        "offers": {"offer1": 1},
        "journeys_over_1h": 2,
        "journeys_offer_share": 0.0,
    }


def test_an_offer_by_a_click_from_before_the_first_took_no_time() -> None:
    early = (
        click(5, "alice", "C1", "clothing"),
        click(4, "alice", "S1", "shoes"),
        click(3, "alice", "C2", "clothing"),
    )
    assert numbers(journeys(*early), 40)["journeys_offer_seconds"] == 0
