"""The one door to Redis: reads a whole published board, whatever it holds, and returns typed data.

Knows nothing of Streamlit, so that another front end can use it. `None` always means unknown, never zero.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, TypeVar

from redis.client import Pipeline
from redis.exceptions import RedisError, ResponseError

from dashboard.figures import Board, HalfHour, LogLine, Minute, Page, Rejected, Row, Visitor
from flows.runtime.exits import Kind, SettingsError
from flows.sinks.redis.errors import kind, told
from flows.sinks.redis.url import address, client, own_words, uses_tls

CONNECT_TIMEOUT_S = 1.0
ANSWER_TIMEOUT_S = 1.5  # with the connect time-out well below the 5 s in which the page must tell
LOG_ROWS = 200
REJECTED_ROWS = 50
DEFAULT_PUBLISH_EVERY_MS = 1000
MOST_PUBLISH_EVERY_MS = 3_600_000
LAST_MOMENT_MS = 221_845_392_000_000
# More than a key of any board, of any stream.
MOST_BYTES = 16 << 20
# More rows than any table of a board has, more characters than any cell.
MOST_ROWS, MOST_CHARS = 101, 512
STREAMS = ("state_logs", "rejected")

FRAMES = (
    "last_15_minutes",
    "sessions",
    "device_type_popularity",
    "products_last_hour",
    "latest_visitors",
    "category_popularity",
    "raw_data",
)

# What is read at once.
BOARD_KEYS = ("board", *FRAMES)

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
        try:
            self.address = address(url)
        except SettingsError as error:
            line = f"{error}."
            raise UnreachableError(line) from None
        self._tls = uses_tls(url)
        # The page itself tries again a second later.
        self._redis = client(url, CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S, decode=True)

    def read(self) -> Board | None:
        """Return the board now in Redis, None if there is none yet; raises BoardError."""
        try:
            self._check_sizes()
            # No MULTI: a full Redis refuses it, though it lets its keys be read. One MGET sees one board.
            texts, log, rejected = self._answers(
                lambda pipe: pipe.mget(*BOARD_KEYS),
                lambda pipe: pipe.xrevrange("state_logs", count=LOG_ROWS),
                lambda pipe: pipe.xrevrange("rejected", count=REJECTED_ROWS),
            )
            if isinstance(texts, RedisError):
                raise texts
        except (RedisError, OSError) as error:
            line = f"Redis at {self.address} {told(own_words(self._redis, error), tls=self._tls)}"
            answers = isinstance(error, ResponseError) and kind(error) is Kind.OUTAGE
            raise (UnreadableError if answers else UnreachableError)(line) from None
        if texts[0] is None:
            return None
        found = dict(zip(BOARD_KEYS, texts, strict=True))
        return parse(
            found, *(None if isinstance(entries, RedisError) else entries for entries in (log, rejected))
        )

    def _answers(self, *asked: Callable[[Pipeline], object]) -> list[Any]:
        """Ask all in one round trip; what is refused is an error in its place."""
        with self._redis.pipeline(transaction=False) as pipe:
            for ask in asked:
                ask(pipe)
            return pipe.execute(raise_on_error=False)

    def _check_sizes(self) -> None:
        """Raise UnreadableError if any key is larger than all that a flow publishes."""
        sizes = self._answers(
            *(functools.partial(Pipeline.strlen, name=key) for key in BOARD_KEYS),
            *(functools.partial(Pipeline.memory_usage, key=stream) for stream in STREAMS),
        )
        for key, size in zip((*BOARD_KEYS, *STREAMS), sizes, strict=True):
            if isinstance(size, int) and size > MOST_BYTES:
                line = (
                    f"The key {key} has {size >> 20} MB, more than any flow publishes: is it the right Redis?"
                )
                raise UnreadableError(line)


def parse(
    texts: Mapping[str, str | None],
    log: Iterable[tuple[str, Row]] | None = (),
    rejected: Iterable[tuple[str, Row]] | None = (),
) -> Board:
    """Build a board from the keys' texts and the newest stream entries, None: unknown.

    Raises UnreadableError.
    """
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
        owner=_text(facts.get("owner")),
        as_of_ms=as_of_ms,
        published_at_ms=published_at_ms,
        publish_every_ms=_publish_every_ms(facts.get("publish_every_ms")),
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
        ahead=_int(facts.get("ahead")),
        clock_slow=facts.get("clock_slow") is True,
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
        raw=table("raw_data", lambda row: {name: _cell(value) for name, value in row.items()}),
        log=None if log is None else tuple(_log_line(entry) for _, entry in log),
        rejected=None
        if rejected is None
        else tuple(
            Rejected(*(_text(entry.get(name)) for name in ("reason", "position", "record")))
            for _, entry in rejected
        ),
    )


def _text(value: object) -> str:
    """Return a cell as text, cut if endless; empty for null."""
    return "" if value is None else str(value)[:MOST_CHARS]


def _cell(value: object) -> object:
    """Return a cell as it came; what is endless as a text that is cut."""
    text = str(value)
    return value if len(text) <= MOST_CHARS else text[:MOST_CHARS]


def _json(key: str, value: str) -> dict[str, Any]:
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
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
        labels = list(next(iter(columns.values()), {}))[:MOST_ROWS]
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


def _publish_every_ms(value: object) -> int:
    every_ms = _int(value) or 0
    return min(every_ms, MOST_PUBLISH_EVERY_MS) if every_ms > 0 else DEFAULT_PUBLISH_EVERY_MS


def _float(value: object) -> float | None:
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and value == value
    return float(value) if known else None  # type: ignore[arg-type]


def _int(value: object) -> int | None:
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**63
    return int(value) if known else None  # type: ignore[call-overload]
