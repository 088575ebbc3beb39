"""The one door to Redis: reads a whole published board in one round trip and returns typed data.

Knows nothing of Streamlit, so that another front end can use it. `None` always means unknown, never zero.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, TypeVar
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from dashboard.figures import Board, HalfHour, LogLine, Minute, Page, Rejected, Row, Visitor

CONNECT_TIMEOUT_S = 1.0
ANSWER_TIMEOUT_S = 1.5  # with the connect time-out well below the 5 s in which the page must tell
LOG_ROWS = 200
REJECTED_ROWS = 50
DEFAULT_PUBLISH_EVERY_MS = 1000
LAST_MOMENT_MS = 221_845_392_000_000

FRAMES = (
    "last_15_minutes",
    "sessions",
    "device_type_popularity",
    "products_last_hour",
    "latest_visitors",
    "category_popularity",
    "raw_data",
)

T = TypeVar("T")


class BoardError(Exception):
    """There is no board to show; the text is one line for the user, free of credentials."""


class UnreachableError(BoardError):
    """Redis does not answer, or refuses this user."""


class UnreadableError(BoardError):
    """Redis answers, but what it holds is not a board."""


class Reader:
    """Reads boards from one Redis; safe to share between threads."""

    def __init__(self, url: str) -> None:
        self.address = address(url)
        try:
            self._redis = Redis.from_url(
                url,
                socket_connect_timeout=CONNECT_TIMEOUT_S,
                socket_timeout=ANSWER_TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),  # the page itself tries again a second later
                maint_notifications_config=MaintNotificationsConfig(
                    enabled=False
                ),  # would stretch the time-outs
                decode_responses=True,
                encoding_errors="replace",
            )
        except (ValueError, TypeError):
            raise UnreachableError(_BAD_URL) from None

    def read(self) -> Board | None:
        """Return the board now in Redis, None if there is none yet; raises BoardError."""
        try:
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.mget("board", *FRAMES)
                pipe.xrevrange("state_logs", count=LOG_ROWS)
                pipe.xrevrange("rejected", count=REJECTED_ROWS)
                texts, log, rejected = pipe.execute()
        except (AuthenticationError, NoPermissionError):
            told = f"Redis at {self.address} refuses this user or password: check REDIS_URL."
            raise UnreachableError(told) from None
        except (RedisConnectionError, RedisTimeoutError, OSError):
            told = f"Redis at {self.address} does not answer: is it running?"
            raise UnreachableError(told) from None
        except RedisError as error:
            told = f"Redis at {self.address} answers with an error ({type(error).__name__}): check its keys."
            raise UnreadableError(told) from None
        except ValueError:  # an option of the URL that redis-py finds wrong only when it connects
            raise UnreachableError(_BAD_URL) from None
        if texts[0] is None:
            return None
        return parse(dict(zip(("board", *FRAMES), texts, strict=True)), log, rejected)


_BAD_URL = "REDIS_URL cannot be read: percent-encode what is special in its user and password."


def address(url: str) -> str:
    """Return where `url` points, without user, password and options; raises UnreachableError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "localhost", parts.port or 6379
    except ValueError:
        raise UnreachableError(_BAD_URL) from None
    # An @ behind the host means that the password holds a bare / ? or #: what looks like a host is its start.
    if "@" in parts.path + parts.query + parts.fragment:
        raise UnreachableError(_BAD_URL)
    return parts.path if parts.scheme == "unix" else f"{host}:{port}"


def parse(
    texts: Mapping[str, str | None],
    log: Iterable[tuple[str, Row]] = (),
    rejected: Iterable[tuple[str, Row]] = (),
) -> Board:
    """Build a board from the keys' texts and the newest stream entries; raises UnreadableError."""
    facts = _json("board", texts["board"] or "")
    try:
        as_of_ms, published_at_ms = _moment_ms(facts["as_of"]), _moment_ms(facts["published_at"])
    except (ArithmeticError, LookupError, TypeError, ValueError):
        raise _unreadable(key="board") from None
    reasons = facts.get("rejected")

    def table(key: str, make: Callable[[Row], T]) -> tuple[T, ...] | None:
        value = texts.get(key)
        return None if value is None else _table(key, value, make)

    return Board(
        as_of_ms=as_of_ms,
        published_at_ms=published_at_ms,
        publish_every_ms=_int(facts.get("publish_every_ms")) or DEFAULT_PUBLISH_EVERY_MS,
        ended=facts.get("ended") is True,
        visitors_15m=_int(facts.get("visitors_15m")),
        sessions_8h=_int(facts.get("sessions_8h")),
        sessions_active=_int(facts.get("sessions_active")),
        session_seconds_mean=_float(facts.get("session_seconds_mean")),
        session_clicks_mean=_float(facts.get("session_clicks_mean")),
        session_bounce_share=_float(facts.get("session_bounce_share")),
        devices_now=_int(facts.get("devices_now")),
        clicks_total=_int(facts.get("clicks_total")),
        late_total=_int(facts.get("late_total")),
        rejected_total=_int(facts.get("rejected_total")),
        entries_dropped_total=_int(facts.get("entries_dropped_total")),
        lag=_int(facts.get("lag")),
        rejected_reasons={str(k): _int(v) or 0 for k, v in reasons.items()}
        if isinstance(reasons, dict)
        else {},
        minutes=table(
            "last_15_minutes",
            lambda r: Minute(_moment_ms(r["datetime"]), int(r["count"]), int(r["visitors"])),
        ),
        half_hours=table("sessions", lambda r: HalfHour(_moment_ms(r["datetime"]), int(r["count"]))),
        devices=table("device_type_popularity", lambda r: (_text(r["Device type"]), int(r["Total"]))),
        pages=table("products_last_hour", _page),
        visitors=table("latest_visitors", _visitor),
        categories=table("category_popularity", lambda r: (_text(r["category"]), int(r["count"]))),
        raw=table("raw_data", dict),
        log=tuple(_log_line(entry) for _, entry in log),
        rejected=tuple(
            Rejected(*(_text(entry.get(name)) for name in ("reason", "position", "record")))
            for _, entry in rejected
        ),
    )


def _text(value: object) -> str:
    """Return a cell as text; empty for null."""
    return "" if value is None else str(value)


def _json(key: str, value: str) -> dict[str, Any]:
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _unreadable(key)
    return found


def _unreadable(key: str) -> UnreadableError:
    return UnreadableError(f"The key {key} does not hold what this flow publishes: is it the right Redis?")


def _table(key: str, value: str, make: Callable[[Row], T]) -> tuple[T, ...]:
    """Read a `DataFrame.to_json()`: column to row label to cell. pandas.read_json would guess at types."""
    columns = _json(key, value)
    try:
        labels = list(next(iter(columns.values()), {}))
        return tuple(make({name: column[label] for name, column in columns.items()}) for label in labels)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise _unreadable(key) from None


def _page(row: Row) -> Page:
    return Page(_text(row["productId"]), _text(row["category"]), _text(row["title"]), int(row["count"]))


def _visitor(row: Row) -> Visitor:
    return Visitor(_utc_ms(_text(row["Date and Time"])), _text(row["ip"]), _text(row["country"]))


def _utc_ms(value: str) -> int | None:
    try:
        at = datetime.strptime(value, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return round(at.timestamp() * 1000)


def _log_line(entry: Row) -> LogLine:
    try:
        at_ms: int | None = _moment_ms(float(entry["created"]) * 1000)
    except (ArithmeticError, LookupError, ValueError):
        at_ms = None
    return LogLine(at_ms, _text(entry.get("user")), _text(entry.get("state")), _text(entry.get("msg")))


def _moment_ms(value: float) -> int:
    """Return epoch milliseconds before the year 9000, where every zone still has a calendar, or raise."""
    moment_ms = round(value)
    if not 0 <= moment_ms < LAST_MOMENT_MS:
        raise ValueError
    return moment_ms


def _float(value: object) -> float | None:
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and value == value
    return float(value) if known else None  # type: ignore[arg-type]


def _int(value: object) -> int | None:
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**63
    return int(value) if known else None  # type: ignore[call-overload]
