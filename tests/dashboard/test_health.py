"""What the page says of itself, as a table of boards and clocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dashboard.board import BoardError, UnreachableError, UnreadableError
from dashboard.figures import Board, Minute
from dashboard.health import State, Watch

T0 = 1_700_000_000_000
BUSY = tuple(Minute(T0 + 60_000 * i, 600, 300) for i in range(15))
RARE = tuple(Minute(T0 + 60_000 * i, 1, 1) for i in range(15))


def board(**changes: Any) -> Board:
    plain = Board(
        as_of_ms=T0, published_at_ms=T0, publish_every_ms=1000, ended=False, clicks_total=100, lag=0
    )
    return replace(plain, **changes)


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
    assert watch.state(T0 + age_ms, 0) is state


def test_stale_by_the_page_own_clock_when_the_flow_clock_runs_ahead() -> None:
    watch = Watch()
    ahead = board(as_of_ms=T0 + 60_000, published_at_ms=T0 + 60_000)
    watch.see(ahead, 0)
    watch.see(ahead, 3000)
    assert watch.state(T0, 3000) is State.LIVE
    assert watch.state(T0 + 3001, 3001) is State.STALE
    watch.see(replace(ahead, as_of_ms=T0 + 63_000, published_at_ms=T0 + 63_000), 3002)
    assert watch.state(T0 + 3002, 3002) is State.LIVE


def test_a_source_that_stops_answering_is_stale_a_quiet_one_is_not() -> None:
    watch = Watch()
    watch.see(board(lag=3), 0)
    quiet = board(published_at_ms=T0 + 5000, minutes=BUSY, raw=({"datetime": T0 - 5000},))
    watch.see(quiet, 5000)
    assert watch.state(T0 + 5000, 5000) is State.SILENT
    watch.see(replace(quiet, published_at_ms=T0 + 6000, lag=None), 6000)
    assert watch.state(T0 + 6000, 6000) is State.SOURCE_STALE


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
