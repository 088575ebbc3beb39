"""A bounded queue of entries that wait to be written."""

from __future__ import annotations

import math
from collections import deque

from flows.entries.entry import Entries

# So many bytes of a stream wait at most, packed.
MOST_BYTES = 16 << 20


class Queue:
    """Entries of one stream in their order: about `room` of them, in at most `most_bytes`; whole pieces."""

    def __init__(self, room: float = math.inf, most_bytes: int = MOST_BYTES) -> None:
        self._room, self._most_bytes = room, most_bytes
        self.pieces: deque[Entries] = deque()
        self.entries = self.bytes = 0

    def append(self, entries: Entries) -> list[Entries]:
        """Add entries; returns the oldest ones, which have to go for them."""
        self.pieces.append(entries)
        self._count(entries, 1)
        gone = []
        while len(self.pieces) > 1 and self._is_full():
            gone.append(self.popleft())
        return gone

    def _is_full(self) -> bool:
        return self.bytes > self._most_bytes or self.entries - self.pieces[0].size >= self._room

    def popleft(self) -> Entries:
        """Take out the oldest piece."""
        entries = self.pieces.popleft()
        self._count(entries, -1)
        return entries

    def _count(self, entries: Entries, sign: int) -> None:
        self.entries += sign * entries.size
        self.bytes += sign * len(entries.packed)
