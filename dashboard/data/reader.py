"""The one door to Redis: reads a whole published board, whatever it holds, and returns typed data."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from redis.client import Pipeline
from redis.exceptions import RedisError, ResponseError

from dashboard.data.board import Board, LogLine, Rejected, Row, Table
from dashboard.data.values import count, moment_ms, text
from flows.runtime.exits import Kind, SettingsError
from flows.sinks.redis.errors import kind, told
from flows.sinks.redis.url import address, client, own_words, uses_tls

CONNECT_TIMEOUT_S = 1.0
ANSWER_TIMEOUT_S = 1.5  # with the connect time-out well below the 5 s in which the page must tell
LOG_ROWS = 200
REJECTED_ROWS = 50
DEFAULT_PUBLISH_EVERY_MS = 1000
MOST_PUBLISH_EVERY_MS = 3_600_000
# More than a key of any board, of any stream.
MOST_BYTES = 16 << 20
# More rows than any table of a board has.
MOST_ROWS = 101
STREAMS = ("state_logs", "rejected")

T = TypeVar("T")


class BoardError(Exception):
    """There is no board to show; the text is one line for the user, free of credentials."""


class UnreachableError(BoardError):
    """Redis does not answer, or refuses this user."""


class UnreadableError(BoardError):
    """Redis answers, but what it holds is not a board."""


class Reader:
    """Reads boards, with some tables, from one Redis; safe to share between threads."""

    def __init__(self, url: str, tables: Iterable[Table[Any]] = ()) -> None:
        self._tables = {table.key: table for table in tables}
        self._keys = ["board", *self._tables]
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
                lambda pipe: pipe.mget(*self._keys),
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
        found = dict(zip(self._keys, texts, strict=True))
        entries = (None if isinstance(each, RedisError) else each for each in (log, rejected))
        return parse(found, self._tables, *entries)

    def _answers(self, *asked: Callable[[Pipeline], object]) -> list[Any]:
        """Ask all in one round trip; what is refused is an error in its place."""
        with self._redis.pipeline(transaction=False) as pipe:
            for ask in asked:
                ask(pipe)
            return pipe.execute(raise_on_error=False)

    def _check_sizes(self) -> None:
        """Raise UnreadableError if any key is larger than all that a flow publishes."""
        sizes = self._answers(
            *(functools.partial(Pipeline.strlen, name=key) for key in self._keys),
            *(functools.partial(Pipeline.memory_usage, key=stream) for stream in STREAMS),
        )
        for key, size in zip((*self._keys, *STREAMS), sizes, strict=True):
            if isinstance(size, int) and size > MOST_BYTES:
                line = (
                    f"The key {key} has {size >> 20} MB, more than any flow publishes: is it the right Redis?"
                )
                raise UnreadableError(line)


def parse(
    texts: Mapping[str, str | None],
    tables: Mapping[str, Table[Any]],
    log: Iterable[tuple[str, Row]] | None = (),
    rejected: Iterable[tuple[str, Row]] | None = (),
) -> Board:
    """Build a board from the keys' texts and the newest stream entries, None: unknown.

    Raises UnreadableError.
    """
    facts = _json("board", texts["board"] or "")
    try:
        as_of_ms, published_at_ms = moment_ms(facts["as_of"]), moment_ms(facts["published_at"])
    except (ArithmeticError, LookupError, TypeError, ValueError):
        raise _unreadable(key="board") from None
    return Board(
        owner=text(facts.get("owner")),
        as_of_ms=as_of_ms,
        published_at_ms=published_at_ms,
        publish_every_ms=_publish_every_ms(facts.get("publish_every_ms")),
        ended=facts.get("ended") is True,
        facts=facts,
        tables={
            key: _rows(value, table) for key, table in tables.items() if (value := texts.get(key)) is not None
        },
        log=None if log is None else tuple(_log_line(entry) for _, entry in log),
        rejected=None if rejected is None else tuple(_rejected(entry) for _, entry in rejected),
    )


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


def _rows(value: str, table: Table[T]) -> tuple[T, ...]:
    """Read a `DataFrame.to_json()`: column to row label to cell. pandas.read_json would guess at types."""
    columns = _json(table.key, value)
    try:
        labels = list(next(iter(columns.values()), {}))[:MOST_ROWS]
        return tuple(table.make({name: cells[label] for name, cells in columns.items()}) for label in labels)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise _unreadable(table.key) from None


def _log_line(entry: Row) -> LogLine:
    try:
        at_ms: int | None = moment_ms(float(entry["created"]) * 1000)
    except (ArithmeticError, LookupError, ValueError):
        at_ms = None
    names = ("user", "state", "msg", "from", "product", "category", "offer")
    return LogLine(at_ms, *(text(entry.get(name)) for name in names))


def _rejected(entry: Row) -> Rejected:
    return Rejected(*(text(entry.get(name)) for name in ("reason", "position", "record")))


def _publish_every_ms(value: object) -> int:
    every_ms = count(value) or 0
    return min(every_ms, MOST_PUBLISH_EVERY_MS) if every_ms > 0 else DEFAULT_PUBLISH_EVERY_MS
