"""The backlog: what waits to be written to Redis, the newest board alone and bounded queues of entries."""

from __future__ import annotations

from itertools import accumulate
from threading import Condition

from flows.entries.entry import Entries
from flows.model.board import Board
from flows.model.streams import StreamName
from flows.sinks.queue import Queue

Item = Board | list[Entries]

# About how many entries a stream keeps; no more than that, or a few thousand, wait here, nor more bytes.
MAXLEN: dict[StreamName, int] = {"special_offers": 100_000, "state_logs": 1000, "rejected": 1000}
# About how many entries go in one call; of a stream that keeps fewer, all.
CHUNK = 2000
_LEAST_ROOM = 10_000


class Backlog:
    """What waits: the flow puts, the writer looks and reports; each lock is short."""

    def __init__(self) -> None:
        self.board: Board | None = None
        self._queues = {stream: Queue(max(kept, _LEAST_ROOM)) for stream, kept in MAXLEN.items()}
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
                        self._superseded += self._queues[entries.stream].append(entries)
            self._changed.notify()

    def wait(self) -> bool:
        """Wait until there is something to write; False once closing and all is written."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._pending())
            return self._pending()

    def oldest(self, stream: StreamName) -> list[Entries]:
        """Return the oldest entries of a stream, about CHUNK of them; all of a stream that keeps fewer."""
        with self._changed:
            pieces = self._queues[stream].pieces
            if MAXLEN[stream] <= CHUNK:
                return list(pieces)
            before = accumulate((entries.size for entries in pieces), initial=0)
            return [entries for entries, size in zip(pieces, before, strict=False) if size < CHUNK]

    def board_written(self, board: Board) -> None:
        """Forget a board, unless there is a newer one."""
        with self._changed:
            if self.board is board:
                self.board = None

    def entries_written(self, written: list[Entries]) -> None:
        """Forget what was `oldest` of a stream; what was dropped of it in the meantime is written too."""
        with self._changed:
            queue = self._queues[written[0].stream]
            for entries in written:
                if queue.pieces and queue.pieces[0] is entries:
                    queue.popleft()
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
            waiting = {stream: queue.entries for stream, queue in self._queues.items() if queue.entries}
            return ", ".join(board + [f"{number} {stream} entries" for stream, number in waiting.items()])

    def _pending(self) -> bool:
        return self.board is not None or any(queue.pieces for queue in self._queues.values())
