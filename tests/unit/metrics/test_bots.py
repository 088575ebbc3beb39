"""Bots beside people."""

from __future__ import annotations

from typing import Any

from flows.entries.outbox import Receipts
from flows.metrics.bots import Bots
from flows.metrics.totals import Totals
from tests.unit.metrics.shard import NOON_S, Click, OneShard, rows


def clicks(bot: str | None, *visitors: str, at_s: int = 0) -> list[Click]:
    return [(NOON_S + at_s, visitor, {"bot": bot}) for visitor in visitors]


def test_clicks_of_bots_by_name_and_kind_the_busiest_first() -> None:
    shard = OneShard(Bots(window_s=3600, visitors_s=900, top=2))
    shard.take(clicks("curl", "c1", "c2") + clicks("Googlebot", "g", "g") + clicks("GPTBot", "g"))
    shard.take(clicks(None, "alice"))
    board = shard.board(NOON_S + 1)
    assert rows(board.frames["bots"]) == [("Googlebot", "search", 2), ("curl", "HTTP client", 2)]
    assert board.numbers == {"clicks_1h": 6, "bot_clicks_1h": 5, "bot_visitors_15m": 3}
    assert [count for _, count in rows(board.frames["bot_minutes"])] == [0] * 14 + [5]


def test_windows_end() -> None:
    shard = OneShard(Bots(window_s=3600, visitors_s=900, top=2))
    shard.take(clicks("curl", "c"))
    for at_s, clicks_1h, visitors in ((900, 1, 1), (901, 1, 0), (3601, 0, 0)):
        numbers = {"clicks_1h": clicks_1h, "bot_clicks_1h": clicks_1h, "bot_visitors_15m": visitors}
        assert shard.board(NOON_S + at_s).numbers == numbers


def totals(*, apart: bool) -> dict[str, Any]:
    shard = OneShard(Totals(Receipts(), bots_apart=apart))
    shard.take(clicks("curl", "c") + clicks(None, "alice", "bob"))
    numbers = shard.board(NOON_S + 1).numbers
    return {name: numbers[name] for name in ("clicks_total", "bot_clicks_total")}


def test_totals_have_bots_apart_or_count_them() -> None:
    assert totals(apart=True) == {"clicks_total": 2, "bot_clicks_total": 1}
    assert totals(apart=False) == {"clicks_total": 3, "bot_clicks_total": 0}
