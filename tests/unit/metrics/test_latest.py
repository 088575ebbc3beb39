"""Latest visitors and raw data: the newest clicks, of equal times the later arrival."""

from __future__ import annotations

import pytest

from flows.metrics.latest import Latest, Raw, relative
from tests.unit.metrics.shard import NOON_S, OneShard, drawn

AGES = [
    (0, "just now"),
    (999_999_999, "just now"),
    (10**9, "1 second ago"),
    (59 * 10**9, "59 seconds ago"),
    (60 * 10**9, "1 minute ago"),
    (119 * 10**9, "1 minute ago"),
    (3600 * 10**9, "60 minutes ago"),
]


@pytest.mark.parametrize(("age_ns", "said"), AGES)
def test_how_long_ago_is_said(age_ns: int, said: str) -> None:
    assert relative(age_ns) == said


def test_each_visitor_is_there_once_the_newest_first() -> None:
    shard = OneShard(Latest(window_s=3600))
    for click in drawn("alice 1..4\nbob .2..\ncarol ..3", 1):
        shard.take([click])
    frame = shard.board(NOON_S + 4).frames["latest_visitors"]
    assert list(frame["Relative Time"]) == ["1 second ago", "2 seconds ago", "3 seconds ago"]


def test_raw_data_has_the_newest_first_and_the_later_arrival_before() -> None:
    shard = OneShard(Raw(window_s=3600))
    shard.take(drawn("alice 13", 1) + drawn("bob 2", 1))
    assert list(shard.board(NOON_S + 2).frames["raw_data"]["userId"]) == ["alice", "bob", "alice"]


def test_it_keeps_no_more_than_100_and_none_of_more_than_an_hour_ago() -> None:
    shard = OneShard(Raw(window_s=3600))
    shard.take([(NOON_S + second, "alice", {}) for second in range(150)])
    assert list(shard.board(NOON_S + 150).frames["raw_data"]["datetime"])[-1] == (NOON_S + 50) * 1000
    assert len(shard.board(NOON_S + 3700).frames["raw_data"]["datetime"]) == 50
