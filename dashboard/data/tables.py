"""The tables that tell, beside what panels draw of them, how fresh a board is."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.data.board import Row, Table
from dashboard.data.values import cell, moment_ms
from flows.metrics.latest import Raw
from flows.metrics.visitors import Visitors


@dataclass(frozen=True, slots=True)
class Minute:
    """Clicks and distinct visitors of the clock minute [start_ms, start_ms + 1 min)."""

    start_ms: int
    clicks: int
    visitors: int


def _minute(row: Row) -> Minute:
    return Minute(moment_ms(row["datetime"]), int(row["count"]), int(row["visitors"]))


def _click(row: Row) -> Row:
    return {name: cell(value) for name, value in row.items()}


MINUTES = Table(Visitors.frames[0], _minute)
CLICKS = Table(Raw.frames[0], _click)
