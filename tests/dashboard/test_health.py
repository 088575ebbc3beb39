"""What the page says of itself, as a table of boards and clocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dashboard.data.board import Board, Table
from dashboard.data.reader import BoardError, UnreachableError, UnreadableError
from dashboard.data.tables import CLICKS, MINUTES, Minute
from dashboard.data.trust import State, Watch
from dashboard.page.header import verdict

T0 = 1_700_000_000_000
BUSY = tuple(Minute(T0 + 60_000 * i, 600, 300) for i in range(15))
RARE = tuple(Minute(T0 + 60_000 * i, 1, 1) for i in range(15))
FACTS = ("clicks_total", "lag", "clock_slow")
TABLES: dict[str, Table[Any]] = {"minutes": MINUTES, "raw": CLICKS}


def board(**changes: Any) -> Board:
    plain = Board(
        owner="one",
        as_of_ms=T0,
        published_at_ms=T0,
        publish_every_ms=1000,
        ended=False,
        facts={"clicks_total": 100, "lag": 0},
    )
    return changed(plain, **changes)


def changed(plain: Board, **changes: Any) -> Board:
    """Return a board with other fields, tables (`minutes`, `raw`) and facts."""
    facts = {name: changes.pop(name) for name in FACTS if name in changes}
    tables = {table.key: changes.pop(name) for name, table in TABLES.items() if name in changes}
    return replace(plain, facts={**plain.facts, **facts}, tables={**plain.tables, **tables}, **changes)


@pytest.mark.parametrize(
    ("changes", "age_ms", "state"),
    [
        ({}, 0, State.LIVE),
        ({}, 3000, State.LIVE),
        ({}, 3001, State.STALE),
        ({"publish_every_ms": 200}, 3000, State.LIVE),
        ({"publish_every_ms": 5000}, 15_000, State.LIVE),
        ({"publish_every_ms": 5000}, 15_001, State.STALE),
        ({"ended": True}, 86_400_000, State.ENDED),
        ({"as_of_ms": T0 - 60_000}, 0, State.LIVE),
        ({"as_of_ms": T0 - 60_001}, 0, State.BEHIND),
        ({"as_of_ms": T0 - 60_001}, 3001, State.STALE),
        ({"minutes": BUSY, "raw": ({"datetime": T0 - 4000},)}, 0, State.LIVE),
        ({"minutes": BUSY, "raw": ({"datetime": T0 - 4001},)}, 0, State.SILENT),
        ({"minutes": RARE, "raw": ({"datetime": T0 - 600_000},)}, 0, State.LIVE),
        ({"minutes": RARE, "raw": ({"datetime": T0 - 1_200_001},)}, 0, State.SILENT),
        ({"minutes": BUSY, "raw": ()}, 0, State.LIVE),
    ],
)
def test_state(changes: dict[str, Any], age_ms: int, state: State) -> None:
    watch = Watch()
    watch.see(board(**changes), 0)
    assert watch.state(T0, age_ms) is state


@pytest.mark.parametrize("ahead_s", [0, 4, 60, -60, 3600, -3600])
def test_a_board_that_changes_is_live_whatever_clocks_say(ahead_s: int) -> None:
    watch = Watch()
    for second in range(5):
        now_ms, ticks_ms = T0 + 1000 * (second + ahead_s), 1000 * second
        watch.see(board(as_of_ms=T0 + ticks_ms, published_at_ms=T0 + ticks_ms), ticks_ms)
        assert watch.state(now_ms, ticks_ms) is State.LIVE
    assert watch.flow_ms(now_ms, ticks_ms + 500) == T0 + ticks_ms + 500
    differ = abs(ahead_s) > 5
    assert watch.ahead_ms(now_ms, ticks_ms) == (1000 * ahead_s if differ else 0)
    assert watch.state(now_ms, ticks_ms + 3001) is State.STALE
    said = verdict(State.LIVE, watch, ZoneInfo("UTC"), T0, watch.ahead_ms(now_ms, ticks_ms))
    assert ("check NTP on both hosts" in said) == differ


def test_of_a_board_that_was_never_seen_to_change_the_clock_is_not_known() -> None:
    watch = Watch()
    watch.see(board(), 0)
    assert watch.flow_ms(T0 + 99_000, 1000) == T0 + 99_000
    assert watch.ahead_ms(T0 + 99_000, 1000) == 0


def test_a_slow_clock_of_the_flow_is_said() -> None:
    watch = Watch()
    watch.see(board(clock_slow=True), 0)
    assert "it is slow" in verdict(State.LIVE, watch, ZoneInfo("UTC"), T0)
    assert State.LIVE.trusted


def test_a_source_that_stops_answering_is_stale_a_quiet_one_is_not() -> None:
    watch = Watch()
    watch.see(board(lag=3), 0)
    quiet = board(published_at_ms=T0 + 5000, minutes=BUSY, raw=({"datetime": T0 - 5000},))
    watch.see(quiet, 5000)
    assert watch.state(T0 + 5000, 5000) is State.SILENT
    # However long that takes, `as_of` stands.
    for ms in (6000, 99_000):
        watch.see(changed(quiet, published_at_ms=T0 + ms, lag=None), ms)
        assert watch.state(T0 + ms, ms) is State.SOURCE_STALE


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (UnreachableError("x"), State.UNREACHABLE),
        (UnreadableError("x"), State.UNREADABLE),
        (BoardError("x"), State.UNREADABLE),
    ],
)
def test_after_an_error_the_last_board_is_kept_but_not_trusted(error: BoardError, state: State) -> None:
    watch = Watch()
    assert watch.state(T0, 0) is State.WAITING
    watch.see(board(), 0)
    watch.see(error, 1000)
    assert watch.board == board()
    assert watch.state(T0 + 1000, 1000) is state
    assert not state.trusted
    watch.see(board(published_at_ms=T0 + 2000), 2000)
    assert watch.state(T0 + 2000, 2000) is State.LIVE


def test_a_redis_that_was_emptied_is_waiting_without_figures() -> None:
    watch = Watch()
    watch.see(board(), 0)
    watch.see(None, 1000)
    assert watch.board is None
    assert watch.state(T0 + 1000, 1000) is State.WAITING


def test_clicks_per_second() -> None:
    watch = Watch()
    watch.see(board(), 0)
    assert watch.clicks_per_s(State.LIVE) is None, "one board says nothing of a rate"
    watch.see(board(), 500)
    assert watch.clicks_per_s(State.LIVE) is None, "the same board twice neither"
    watch.see(board(published_at_ms=T0 + 2000, clicks_total=150), 2000)
    assert watch.clicks_per_s(State.LIVE) == 25
    assert watch.clicks_per_s(State.STALE) is None
    assert watch.clicks_per_s(State.ENDED) is None
    watch.see(board(published_at_ms=T0 + 4000, clicks_total=150), 4000)
    assert watch.clicks_per_s(State.LIVE) == 12.5
    for second in range(5, 30):
        watch.see(board(published_at_ms=T0 + 1000 * second, clicks_total=150), second)
    assert watch.clicks_per_s(State.LIVE) == 0, "a measured zero is a zero"


@pytest.mark.parametrize(
    "break_", [None, UnreachableError("x"), board(published_at_ms=T0 + 2000, clicks_total=5)]
)
def test_a_break_makes_the_rate_unknown(break_: Board | BoardError | None) -> None:
    watch = Watch()
    watch.see(board(), 0)
    watch.see(board(published_at_ms=T0 + 1000, clicks_total=200), 1000)
    assert watch.clicks_per_s(State.LIVE) == 100
    watch.see(break_, 2000)
    if not isinstance(break_, Board):
        watch.see(board(published_at_ms=T0 + 9000, clicks_total=900), 9000)
    assert watch.clicks_per_s(State.LIVE) is None


def test_an_unknown_total_makes_the_rate_unknown() -> None:
    watch = Watch()
    watch.see(board(), 0)
    watch.see(board(published_at_ms=T0 + 1000, clicks_total=None), 1000)
    watch.see(board(published_at_ms=T0 + 2000), 2000)
    assert watch.clicks_per_s(State.LIVE) is None


@pytest.mark.parametrize(
    ("owners", "flows"),
    [("aaaa", 1), ("aabb", 1), ("abab", 2), ("aaba", 2), ("abcabc", 3), ("abc", 1), ("", 1)],
)
def test_flows_that_write_in_turn_are_counted(owners: str, flows: int) -> None:
    watch = Watch()
    for number, owner in enumerate(owners):
        watch.see(board(owner=owner, published_at_ms=T0 + number), float(number))
    assert watch.flows == flows
