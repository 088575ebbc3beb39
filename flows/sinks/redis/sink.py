"""The Redis sink: boards and stream entries out, never in the way of the flow.

A background thread writes. It keeps only the newest board and bounded queues of entries, so a Redis that is
down, hung, full or read-only costs the flow neither time nor memory, and has a whole board again about a
second after it is back at the latest.
"""

from __future__ import annotations

import json
import logging
import math
import re
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from typing import Any

import redis
from redis.client import Pipeline
from redis.commands.core import Script
from redis.exceptions import NoPermissionError

from flows.entries.entry import Entries
from flows.entries.outbox import Note, Receipts
from flows.model.streams import StreamName
from flows.runtime import telemetry
from flows.runtime.exits import Kind, fail, one_line
from flows.runtime.ticks import wall_ms
from flows.settings import Settings
from flows.sinks.redis import embedded, personal
from flows.sinks.redis.backlog import MAXLEN, Backlog, Item
from flows.sinks.redis.entries import ADD_ENTRIES, arguments
from flows.sinks.redis.errors import kind, text_of, told
from flows.sinks.redis.owner import HEAD_BYTES, Owner
from flows.sinks.redis.url import address, client, own_words, uses_tls
from flows.sinks.writer import Writer, WriterSink

log = logging.getLogger("clicks.redis")

TIMEOUT_S = 1.0
BACKOFF_S = (0.1, 1.0)  # doubling from the first to the second
CLOSE_S = 10.0
TRIM_EVERY_S = 60.0
# A stream of no more is not what fills Redis.
LARGE_BYTES = 1 << 20


class RedisSink(WriterSink[Item]):
    """Writes boards and entries to `settings.redis_url`, to the embedded Valkey if that is None.

    `receipts` are told of entries that are in Redis, and of those that newer ones pushed out of the buffer.
    Boards are published at what `now_ms`, the flow's clock, shows. Raises SettingsError for a bad URL, or if
    there can be no embedded Valkey.
    """

    def __init__(
        self,
        settings: Settings,
        receipts: Receipts | None = None,
        now_ms: Callable[[], int] = wall_ms,
    ) -> None:
        # Checked here, where the error is one line; what Bytewax makes of one in `build` is a page.
        embedded.check() if settings.redis_url is None else address(settings.redis_url)
        receipts = receipts or Receipts()
        on_written = receipts.sink(MAXLEN)
        super().__init__(
            lambda: _Writer(
                settings.redis_url or embedded.ensure(),
                receipts,
                on_written,
                now_ms,
                settings.keep_ms,
                show_visitors=settings.show_visitors,
            )
        )


class _Writer(Writer[Item]):
    """Writes a backlog to Redis."""

    def __init__(
        self,
        url: str,
        receipts: Receipts,
        on_written: Note,
        now_ms: Callable[[], int],
        keep_ms: int,
        *,
        show_visitors: bool = True,
    ) -> None:
        super().__init__(f"Redis at {address(url)}", log, CLOSE_S)
        self._receipts, self._on_written = receipts, on_written
        self._now_ms, self._keep_ms, self._show_visitors = now_ms, keep_ms, show_visitors
        self._backlog = Backlog()
        # The origins written to in this run: what else comes of them is new.
        self._begun: dict[StreamName, set[str]] = {stream: set() for stream in MAXLEN}
        self._tls = uses_tls(url)
        self._client = client(url, TIMEOUT_S, TIMEOUT_S)
        self._owner = Owner()
        self._announces = True
        self._add_entries = Script(self._client, ADD_ENTRIES)
        self._next_trim_s = 0.0
        self._abandoned = Event()
        self._down_since_s: float | None = None
        self._met = False
        self._told: set[str] = set()

    def write_batch(self, items: list[Item]) -> None:
        self._backlog.put(items)

    def finish(self) -> None:
        self._backlog.put([], last=True)

    def abandon(self) -> None:
        self._abandoned.set()

    def left(self) -> str:
        unwritten = str(self._backlog)
        return unwritten and f"not written at the end: {unwritten}"

    def write(self) -> None:
        pause_s = BACKOFF_S[0]
        while self._backlog.wait() and not self._abandoned.is_set():
            began_s = time.monotonic()
            try:
                self._give_up(self._backlog.pop_superseded())
                self._write()
                self._trim()
            except (redis.RedisError, OSError) as error:
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
            except redis.OutOfMemoryError as error:
                refusal = refusal or error
                if stream is None:
                    self._make_room()
            except redis.ResponseError as error:
                refusal = refusal or error
        if refusal is not None:
            raise refusal

    def _write_board(self) -> None:
        board = self._backlog.board
        if board is None:
            return
        summary = json.loads(board.values["board"])
        summary = {"owner": self._owner.name, **summary, "published_at": self._now_ms()}
        values = board.values
        if not self._show_visitors:
            summary["show_visitors"], values = False, personal.without_tables(values)
        with self._client.pipeline(transaction=True) as pipe:
            # The watch keeps a board given up by us, but still on its way into a hung Redis, from replacing a
            # newer one. EXEC ends it; told so now, redis-py will report a lost connection as what it is.
            pipe.watch("board")  # type: ignore[no-untyped-call]
            self._look_whose(pipe)
            pipe.watching = False
            pipe.multi()
            pipe.mset({**values, "board": json.dumps(summary)})
            if not self._show_visitors:
                pipe.delete(*personal.TABLES, personal.LOG)
            if self._announces:
                pipe.publish("boards", board.as_of_ms)
            try:
                with (
                    suppress(redis.WatchError),
                    telemetry.writing_board(summary),
                ):  # after one, it still waits
                    pipe.execute()
                    self._backlog.board_written(board)
                    self._owner.has_written = True
            except NoPermissionError as error:
                if not self._announces or not any(word in text_of(error) for word in ("channel", "publish")):
                    raise
                self._announces = False
                text = "%s: boards are written, but not announced (%s): allow the channel boards"
                log.warning(text, self.where, text_of(error))
        if not self._announces and self._backlog.board is board:
            self._write_board()

    def _look_whose(self, pipe: Pipeline) -> None:
        """Say so if another flow has replaced the board of this one."""
        with suppress(redis.ResponseError):
            head: Any = pipe.getrange("board", 0, HEAD_BYTES)
            if self._owner.meets_another(head):
                text = (
                    "%s: another flow writes its boards over those of this one: end it, or give "
                    "each a database of its own in REDIS_URL (/1, /2, ...)"
                )
                log.warning(text, self.where)

    def _write_entries(self, stream: StreamName) -> None:
        entries = self._backlog.oldest(stream)
        if not entries:
            return
        begun, shown = self._begun[stream], self._show_visitors
        args = arguments(entries, MAXLEN[stream], begun, show_visitors=shown)
        self._add_entries(keys=["entries_written", stream], args=args)
        self._backlog.entries_written(entries)
        self._begun[stream].update(each.origin for each in entries)
        self._note(entries)

    def _note(self, written: list[Entries]) -> None:
        for entries in written:
            self._on_written(entries.stream, entries.origin, entries.last)

    def _give_up(self, dropped: list[Entries]) -> None:
        self._receipts.drop(sum(entries.size for entries in dropped))
        self._note(dropped)

    def _trim(self) -> None:
        """Let go of the streams' entries that are too old, once a minute."""
        if time.monotonic() < self._next_trim_s:
            return
        self._next_trim_s = time.monotonic() + TRIM_EVERY_S
        try:
            seconds, _ = self._client.time()
            oldest = f"{max(0, seconds * 1000 - self._keep_ms)}-0"
            for stream in MAXLEN:
                self._client.xtrim(stream, minid=oldest, approximate=False)
        except redis.ResponseError as error:
            if not isinstance(error, NoPermissionError) and "syntax" not in str(error):
                raise
            self._next_trim_s = math.inf
            text = "%s: old entries stay (%s): use Redis 6.2 or later, and allow TIME and XTRIM"
            log.warning(text, self.where, one_line(error))

    def _make_room(self) -> None:
        """Let the older half of each large stream go: what fills Redis are streams, and boards go first."""
        for stream in MAXLEN:
            if (self._client.memory_usage(stream) or 0) > LARGE_BYTES:
                kept = self._client.xlen(stream) // 2
                dropped = self._client.xtrim(stream, maxlen=kept, approximate=False)
                self._receipts.drop(dropped)
                log.warning("%s is full: %d entries of %s go", self.where, dropped, stream)

    def _failed(self, error: Exception) -> None:
        """Tell each reason of an outage once; end a flow that never got through if waiting does not help."""
        # A new connection may lead to the new primary, where the old one leads to the old.
        self._client.connection_pool.disconnect()
        error = own_words(self._client, error)
        telemetry.REDIS_FAILURES.inc()
        reason = told(error, tls=self._tls)
        got_through = self._met and (self._backlog.board is None or self._owner.has_written)
        if kind(error) is Kind.OURS or (kind(error) is Kind.FINAL and not got_through):
            fail(f"{self.where} {reason}")
        if self._down_since_s is None:
            self._down_since_s = time.monotonic()
        # How exactly nobody answers may be another at each attempt.
        what = re.sub(r" \(.*\)", "", reason)
        if what not in self._told:
            self._told.add(what)
            log.warning("%s %s; trying again", self.where, reason)

    def _succeeded(self) -> None:
        if not self._met:
            self._met = True
            self._check_eviction()
        if self._down_since_s is not None:
            log.info("%s: back after %.1f s", self.where, time.monotonic() - self._down_since_s)
            self._down_since_s = None
            self._told.clear()

    def _check_eviction(self) -> None:
        """Say so if this Redis may drop what the flow has written, and tells."""
        with suppress(redis.RedisError, OSError):
            policy = str(self._client.info("memory").get("maxmemory_policy", ""))
            if policy.startswith("allkeys"):
                text = "%s may drop keys of the board (maxmemory-policy %s): set it to noeviction"
                log.warning(text, self.where, policy)
