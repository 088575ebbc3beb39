"""The backlog: what waits to be written to Redis, the newest board alone and bounded queues of entries."""

from __future__ import annotations

from collections import deque
from itertools import accumulate
from threading import Condition

from flows.entries import Entries, StreamName
from flows.items import Board

Item = Board | list[Entries]

# About how many entries a stream keeps; 0: all. Of a stream that is trimmed, at most BUFFER wait here.
MAXLEN: dict[StreamName, int] = {"special_offers": 0, "state_logs": 1000, "rejected": 1000}
BUFFER = 10_000
# About how many entries go in one call.
CHUNK = 2000


class Backlog:
    """What waits: the flow puts, the writer looks and reports; each lock is short."""

    def __init__(self) -> None:
        self.board: Board | None = None
        self.entries_dropped_total = 0
        self._queues: dict[StreamName, deque[Entries]] = {stream: deque() for stream in MAXLEN}
        self._waiting: dict[StreamName, int] = dict.fromkeys(MAXLEN, 0)
        self._superseded: list[Entries] = []
        self._closing = False
        self._changed = Condition()

    def put(self, items: list[Item], last: bool = False) -> None:
        """Add a newer board, and entries; with `last` nothing will follow."""
        with self._changed:
            self._closing = last
            for item in items:
                if isinstance(item, Board):
                    self.board = item
                else:
                    for entries in item:
                        self._append(entries)
            self._changed.notify()

    def wait(self) -> bool:
        """Wait until there is something to write; False once closing and all is written."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._pending())
            return self._pending()

    def oldest(self, stream: StreamName) -> list[Entries]:
        """Return the oldest entries of a stream, about CHUNK of them; all of a stream that is trimmed."""
        with self._changed:
            queue = self._queues[stream]
            if MAXLEN[stream]:
                return list(queue)
            before = accumulate((entries.size for entries in queue), initial=0)
            return [entries for entries, size in zip(queue, before, strict=False) if size < CHUNK]

    def board_written(self, board: Board) -> None:
        """Forget a board, unless there is a newer one."""
        with self._changed:
            if self.board is board:
                self.board = None

    def entries_written(self, written: list[Entries]) -> None:
        """Forget what was `oldest` of a stream; what was dropped of it in the meantime counts as written."""
        with self._changed:
            stream = written[0].stream
            queue = self._queues[stream]
            for entries in written:
                if queue and queue[0] is entries:
                    queue.popleft()
                    self._waiting[stream] -= entries.size
                else:
                    self.entries_dropped_total -= entries.size
            self._superseded = [
                entries for entries in self._superseded if not any(entries is each for each in written)
            ]

    def pop_superseded(self) -> list[Entries]:
        """Return what was dropped since the last call."""
        with self._changed:
            entries, self._superseded = self._superseded, []
            return entries

    def __str__(self) -> str:
        with self._changed:
            board = ["the newest board"] if self.board else []
            entries = [f"{number} {stream} entries" for stream, number in self._waiting.items() if number]
            return ", ".join(board + entries)

    def _pending(self) -> bool:
        return self.board is not None or any(self._queues.values())

    def _append(self, entries: Entries) -> None:
        queue, stream = self._queues[entries.stream], entries.stream
        queue.append(entries)
        self._waiting[stream] += entries.size
        while MAXLEN[stream] and self._waiting[stream] - queue[0].size >= BUFFER:
            oldest = queue.popleft()
            self._waiting[stream] -= oldest.size
            self.entries_dropped_total += oldest.size
            self._superseded.append(oldest)
