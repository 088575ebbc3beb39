"""The audience by country, gender and age."""

from __future__ import annotations

from typing import Any

import pytest

from flows.metrics.audience import Audience
from tests.unit.metrics.shard import NOON_S, OneShard, rows


def audience(*people: dict[str, Any], top: int = 10) -> dict[str, Any]:
    shard = OneShard(Audience(window_s=900, top=top))
    shard.take([(NOON_S, str(number), {"country": "Chile"} | who) for number, who in enumerate(people)])
    return {key: rows(frame) for key, frame in shard.board(NOON_S + 1).frames.items()}


@pytest.mark.parametrize(
    ("age", "band"),
    [
        *((-0.1, "Unknown"), (0, "under 18"), (17.99, "under 18"), (18, "18-24"), (24.5, "18-24")),
        *((25, "25-34"), (35, "35-44"), (45, "45-54"), (55, "55-64"), (64.9, "55-64")),
        *((65, "65 and over"), (129.9, "65 and over"), (130, "Unknown"), (1e300, "Unknown")),
        *((None, "Unknown"), (float("inf"), "Unknown"), (float("-inf"), "Unknown")),
    ],
)
def test_the_bands_of_age(age: float | None, band: str) -> None:
    assert audience({"age": age, "gender": "F"})["audience_people"] == [("F", band, 1)]


@pytest.mark.parametrize(
    ("gender", "named"), [("F", "F"), ("M", "M"), ("X", "other"), ("other", "other"), (None, "Unknown")]
)
def test_whatever_stands_for_a_gender_is_one_of_four(gender: str | None, named: str) -> None:
    assert audience({"age": 30, "gender": gender})["audience_people"] == [(named, "25-34", 1)]


def test_countries_are_ranked_the_others_and_those_unknown_come_last() -> None:
    names = ["Peru", "Chad", "Peru", "Chile", "Mali", "Unknown", "Unknown", "Unknown"]
    assert audience(*({"country": name} for name in names), top=2)["audience_countries"] == [
        ("Peru", 2),
        ("Chad", 1),
        ("other", 2),
        ("Unknown", 3),
    ]


def test_the_newest_click_in_the_window_tells() -> None:
    shard = OneShard(Audience(window_s=900, top=10))
    shard.take([(NOON_S, "a", {"country": "Chile"}), (NOON_S + 5, "a", {"country": "Peru"})])
    shard.take([(NOON_S + 1, "a", {"country": "Mali"}), (NOON_S + 5, "a", {"country": "Chad"})])
    assert rows(shard.board(NOON_S + 6).frames["audience_countries"]) == [("Chad", 1)]
    assert rows(shard.board(NOON_S + 905).frames["audience_countries"]) == [("Chad", 1)]
    assert rows(shard.board(NOON_S + 906).frames["audience_countries"]) == []


def test_countries_of_nobody_are_forgotten_when_all_is_saved() -> None:
    shard = OneShard(Audience(window_s=900, top=10))
    shard.take([(NOON_S, "a", {"country": "Chile"}), (NOON_S + 1000, "b", {"country": "Peru", "age": 20})])
    assert shard.metric.changes(everything=True)["countries"] == ["Peru"]
    found = shard.board(NOON_S + 1001).frames
    assert rows(found["audience_countries"]) == [("Peru", 1)]
    assert rows(found["audience_people"]) == [("Unknown", "18-24", 1)]
