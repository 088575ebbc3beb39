"""Sessions: where one ends and another begins, and which a late click joins. A character is 10 minutes."""

from __future__ import annotations

import pytest

from flows.metrics.sessions import Sessions
from flows.model.packing import decode, encode
from tests.unit.metrics.shard import NOON_S, Click, OneShard, drawn

HOUR = 6
CASES = [
    # what, drawing, as of (in steps), sessions, active, mean clicks, bounced share
    ("one click", "alice 1", 1, 1, 1, 1.0, 1.0),
    ("a gap of 30 minutes goes on", "alice 1..2", 4, 1, 1, 2.0, 0.0),
    ("a gap of 40 minutes ends it", "alice 1...2", 5, 2, 1, 1.0, 1.0),
    ("late, at its end", "alice 1..3.......2", 12, 2, 1, 1.5, 0.5),
    ("late, before its beginning", "alice ..2..1", 6, 1, 1, 2.0, 0.0),
    ("late, joins two", "alice 1..3..2", 7, 1, 1, 3.0, 0.0),
    ("late, between two and in neither", "alice 1....3.....2", 12, 3, 1, 1.0, 1.0),
    ("two visitors", "alice 1..2\nbob .3", 4, 2, 2, 1.5, 0.5),
    ("not active any more", "alice 1..2", 7, 1, 0, 2.0, 0.0),
    ("in the window with its last click", "alice 1..2", 8 * HOUR + 3, 1, 0, 2.0, 0.0),
]


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "a batch each"])
@pytest.mark.parametrize(
    ("picture", "as_of", "sessions", "active", "clicks", "bounced"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_sessions(
    picture: str, as_of: int, sessions: int, active: int, clicks: float, bounced: float, together: bool
) -> None:
    shard = OneShard(Sessions(window_s=8 * 3600, active_s=1800))
    arriving = drawn(picture, 600)
    for batch in [arriving] if together else [[click] for click in arriving]:
        shard.take(batch)
    numbers = shard.board(NOON_S + as_of * 600).numbers
    found = [numbers[name] for name in ("sessions_8h", "sessions_active", "session_clicks_mean")]
    assert [*found, numbers["session_bounce_share"]] == [sessions, active, clicks, bounced]


def test_a_session_lasts_from_its_first_to_its_last_click() -> None:
    shard = OneShard(Sessions(window_s=8 * 3600, active_s=1800))
    shard.take(drawn("alice 1..2\nbob 3", 600))
    assert shard.board(NOON_S + 2400).numbers["session_seconds_mean"] == (1800 + 0) / 2


@pytest.mark.parametrize("loaded", [False, True])
def test_a_visitor_outlives_their_first_sessions(loaded: bool) -> None:
    """The first two are beyond all windows when bob comes; a late click joins the two after them."""
    shard = OneShard(Sessions(window_s=8 * 3600, active_s=1800))
    alice: list[Click] = [(NOON_S + at * 600, "alice", {}) for at in (0, 5, 4 * HOUR, 5 * HOUR)]
    shard.take([(NOON_S, "zoe", {}), *alice])
    shard.take([(NOON_S + 57 * 600, "bob", {})])
    if loaded:
        part = decode(encode(shard.metric.changes(everything=True)))
        assert part["rows"]["slot"].tolist() == [1, 1, 2]
        shard.metric = Sessions(window_s=8 * 3600, active_s=1800).for_shard()
        shard.metric.load(part)
        shard.metric.loaded()
    shard.take([(NOON_S + 27 * 600, "alice", {})])
    numbers = shard.board(NOON_S + 58 * 600).numbers
    assert (numbers["sessions_8h"], numbers["session_clicks_mean"]) == (2, 2.0)
    assert shard.metric.changes(everything=True)["rows"]["slot"].tolist() == [1, 2]


def test_without_a_session_there_is_no_mean() -> None:
    numbers = OneShard(Sessions(window_s=8 * 3600, active_s=1800)).board(NOON_S).numbers
    assert (numbers["sessions_8h"], numbers["session_seconds_mean"]) == (0, None)
