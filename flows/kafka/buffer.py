"""A buffer: the records that have arrived of one partition, until they are taken."""

from __future__ import annotations

from typing import Any


class Buffer:
    """Records in their order, and how many `bytes` they have; `end` is the offset after the last of them."""

    def __init__(self, end: int) -> None:
        self.messages: list[Any] = []
        self.bytes = 0
        self.end = end

    def add(self, messages: list[Any]) -> int:
        """Add records, one at least; returns how many bytes they have."""
        size = sum(map(len, messages))
        self.messages += messages
        self.bytes += size
        self.end = messages[-1].offset() + 1
        return size

    def empty(self) -> tuple[list[Any], int]:
        """Return all records, which are let go of, and how many bytes they have."""
        messages, size = self.messages, self.bytes
        self.messages, self.bytes = [], 0
        return messages, size
