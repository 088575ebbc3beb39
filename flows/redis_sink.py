"""The Redis sink: boards and stream entries out, never in the way of the flow.

A background thread writes. It keeps only the newest board and bounded queues of entries, so a Redis that is
down, hung, full or read-only costs the flow neither time nor memory, and has a whole board again about a
second after it is back at the latest.
"""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from threading import Event, Lock, Thread
from urllib.parse import urlsplit

import redis
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from flows import embedded, metrics
from flows.backlog import MAXLEN, Backlog, Item
from flows.entries import Entries, StreamName
from flows.outbox import Note
from flows.redis_entries import ADD_ENTRIES, arguments
from flows.settings import Settings, SettingsError

log = logging.getLogger("clicks.redis")

TIMEOUT_S = 1.0
BACKOFF_S = (0.1, 1.0)  # doubling from the first to the second
CLOSE_S = 10.0


class RedisSink(DynamicSink[Item]):
    """Writes boards and entries to `settings.redis_url`, to the embedded Valkey if that is None.

    `on_written` is called from the writing thread for entries that are in Redis, and for those that newer
    ones pushed out of the buffer. Raises SettingsError for a bad URL, or if there can be no embedded Valkey.
    """

    def __init__(self, settings: Settings, on_written: Note | None = None) -> None:
        # Checked here, where the error is one line; what Bytewax makes of one in `build` is a page.
        embedded.check() if settings.redis_url is None else address(settings.redis_url)
        self._url = settings.redis_url
        self._on_written = on_written
        self._lock = Lock()
        self._writer: _Writer | None = None

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition[Item]:
        """Start the writer of this process, which all its workers share; raises SettingsError."""
        with self._lock:
            if self._writer is None or not self._writer.partitions:
                self._writer = _Writer(self._url or embedded.ensure(), self._on_written, self._lock)
            self._writer.partitions += 1
            return self._writer


class _Writer(StatelessSinkPartition[Item]):
    """Writes a backlog to Redis until all partitions, all of them this one, are closed."""

    def __init__(self, url: str, on_written: Note | None, lock: Lock) -> None:
        self.partitions = 0
        self._backlog = Backlog()
        # The lanes written to in this run: what else comes of them is new.
        self._begun: dict[StreamName, set[str]] = {stream: set() for stream in MAXLEN}
        self._lock = lock
        self._address = address(url)
        self._client = _client(url)
        self._add_entries = Script(self._client, ADD_ENTRIES)
        self._on_written: Note = on_written or (lambda *_: None)
        self._abandoned = Event()
        self._down_since_s: float | None = None
        self._thread = Thread(target=self._run, name="redis-writer", daemon=True)
        self._thread.start()

    def write_batch(self, items: list[Item]) -> None:
        self._backlog.put(items)

    def close(self) -> None:
        """Close one partition; with the last one, write what is left, for at most CLOSE_S seconds."""
        with self._lock:
            self.partitions -= 1
            if self.partitions:
                return
        self._backlog.put([], last=True)
        self._thread.join(CLOSE_S)
        self._abandoned.set()
        if unwritten := str(self._backlog):
            log.error("Redis at %s: not written at the end: %s", self._address, unwritten)

    def _run(self) -> None:
        pause_s = BACKOFF_S[0]
        while self._backlog.wait() and not self._abandoned.is_set():
            began_s = time.monotonic()
            try:
                self._note(self._backlog.pop_superseded())
                self._write()
            except Exception as error:  # whatever it is, it must not end the writing
                self._failed(error)
                # Counted from the start of the attempt: one that hung until its timeout has waited enough.
                self._abandoned.wait(max(BACKOFF_S[0], began_s + pause_s - time.monotonic()))
                pause_s = min(2 * pause_s, BACKOFF_S[1])
            else:
                pause_s = BACKOFF_S[0]
                self._succeeded()
        self._client.close()

    def _write(self) -> None:
        """Write the board and a chunk of each stream; what Redis refuses does not keep it from the rest."""
        refusal: redis.ResponseError | None = None
        for stream in (None, *MAXLEN):
            try:
                self._write_board() if stream is None else self._write_entries(stream)
            except redis.ResponseError as error:
                refusal = refusal or error
        if refusal is not None:
            raise refusal

    def _write_board(self) -> None:
        board = self._backlog.board
        if board is None:
            return
        summary = json.loads(board.values["board"])
        summary["published_at"] = time.time_ns() // 1_000_000
        summary["entries_dropped_total"] = self._backlog.entries_dropped_total
        with self._client.pipeline(transaction=True) as pipe:
            # The watch keeps a board given up by us, but still on its way into a hung Redis, from replacing a
            # newer one. EXEC ends it; told so now, redis-py will report a lost connection as what it is.
            pipe.watch("board")  # type: ignore[no-untyped-call]
            pipe.watching = False
            pipe.multi()
            pipe.mset({**board.values, "board": json.dumps(summary)})
            pipe.publish("boards", board.as_of_ms)
            with suppress(redis.WatchError), metrics.writing_board(summary):  # after one, it still waits
                pipe.execute()
                self._backlog.board_written(board)

    def _write_entries(self, stream: StreamName) -> None:
        entries = self._backlog.oldest(stream)
        if not entries:
            return
        self._add_entries(
            keys=["entries_written", stream], args=arguments(entries, MAXLEN[stream], self._begun[stream])
        )
        self._backlog.entries_written(entries)
        self._begun[stream].update(each.lane for each in entries)
        self._note(entries)

    def _note(self, written: list[Entries]) -> None:
        for entries in written:
            self._on_written(entries.stream, entries.lane, entries.last)

    def _failed(self, error: Exception) -> None:
        # A new connection may lead to the new primary, where the old one leads to the old.
        self._client.connection_pool.disconnect()
        metrics.REDIS_FAILURES.inc()
        if self._down_since_s is None:
            self._down_since_s = time.monotonic()
            # redis-py puts the command, with our data, before the reason.
            reason = str(error).rpartition(" of pipeline caused error: ")[2]
            log.warning("Redis at %s: %s: %s; trying again", self._address, type(error).__name__, reason)

    def _succeeded(self) -> None:
        if self._down_since_s is not None:
            log.info("Redis at %s: back after %.1f s", self._address, time.monotonic() - self._down_since_s)
            self._down_since_s = None


def address(url: str) -> str:
    """Tell where a Redis URL leads (host:port/path), without its credentials; raises SettingsError."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "unix":
            return parts.path
        # An unescaped / # ? in the password cuts it in two, one of which would pass for host or path.
        if "@" in parts.path or parts.fragment or ("@" in parts.query and "=" not in parts.query):
            raise ValueError
        return f"{parts.hostname or 'localhost'}:{parts.port or 6379}{parts.path}"
    except ValueError:
        message = "REDIS_URL cannot be understood: percent-encode the special characters of its password"
        raise SettingsError(message) from None  # value and cause may hold the password


def _client(url: str) -> redis.Redis:
    """Make a client that never waits long and leaves trying again to the writer."""
    return redis.from_url(
        url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        encoding_errors="replace",  # a lone surrogate in a click must not block the board
        maint_notifications_config=MaintNotificationsConfig(enabled=False),  # it would stretch the timeouts
    )
