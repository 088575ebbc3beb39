"""What a board says, as typed data. `None` always means unknown, never zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Minute:
    """Clicks and distinct visitors of the clock minute [start_ms, start_ms + 1 min)."""

    start_ms: int
    clicks: int
    visitors: int


@dataclass(frozen=True, slots=True)
class HalfHour:
    """Sessions with a click in [start_ms, start_ms + 30 min)."""

    start_ms: int
    sessions: int


@dataclass(frozen=True, slots=True)
class Page:
    """A product and its clicks in the last hour."""

    product_id: str
    category: str
    title: str
    clicks: int


@dataclass(frozen=True, slots=True)
class Visitor:
    """A visitor by the newest click, at `at_ms`."""

    at_ms: int | None
    ip: str
    country: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """A step of a visitor's journey."""

    at_ms: int | None
    user: str
    state: str
    msg: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record set aside: why, where it was in the source, and its first bytes."""

    reason: str
    position: str
    record: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of a board; `Figures()` is all unknown. A table is None if its key is missing."""

    visitors_15m: int | None = None
    sessions_8h: int | None = None
    sessions_active: int | None = None
    session_seconds_mean: float | None = None
    session_clicks_mean: float | None = None
    session_bounce_share: float | None = None
    devices_now: int | None = None
    clicks_total: int | None = None
    late_total: int | None = None
    rejected_total: int | None = None
    entries_dropped_total: int | None = None
    lag: int | None = None
    ahead: int | None = None
    clock_slow: bool = False
    rejected_reasons: Mapping[str, int] = field(default_factory=dict)
    minutes: tuple[Minute, ...] | None = None
    half_hours: tuple[HalfHour, ...] | None = None
    devices: tuple[tuple[str, int], ...] | None = None
    pages: tuple[Page, ...] | None = None
    visitors: tuple[Visitor, ...] | None = None
    categories: tuple[tuple[str, int], ...] | None = None
    raw: tuple[Row, ...] | None = None
    log: tuple[LogLine, ...] | None = None
    rejected: tuple[Rejected, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Board(Figures):
    """One published board: figures that are all of the same `as_of_ms` (epoch milliseconds)."""

    owner: str
    as_of_ms: int
    published_at_ms: int
    publish_every_ms: int
    ended: bool
