"""A buffer: the records that have arrived of one partition, until they are taken.

They are joined as they arrive, some hundred at a time: while what Kafka's client has just made of them is
still near. A tombstone has no value, and is no record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from confluent_kafka import Message

from flows.model.columns import Ints
from flows.model.records import Records


class Taken(NamedTuple):
    """Records in their order, and of each its offset and its leader's epoch, int64, -1 if that is not known.

    `end` is the offset after the last; `tombstones` how many were among them.
    """

    records: Records
    offsets: Ints
    epochs: Ints
    end: int
    tombstones: int = 0

    def cut(self, size: int) -> tuple[Taken, Taken]:
        """Return the first `size` records, with all tombstones, and the others."""
        end = self.end if size == len(self.records) else int(self.offsets[size])
        first = Taken(self.records[:size], self.offsets[:size], self.epochs[:size], end, self.tombstones)
        return first, Taken(self.records[size:], self.offsets[size:], self.epochs[size:], self.end)


class Buffer:
    """Records in their order: their `count` and `bytes`; `end` is the offset after the last."""

    def __init__(self, end: int) -> None:
        self._pieces: list[Taken] = []
        self.bytes = self.count = 0
        self.end = end

    def add(self, messages: list[Message]) -> int:
        """Add records, one at least; returns how many bytes they have."""
        # confluent-kafka's types say that everything in a message may be missing.
        values: list[Any] = list(map(Message.value, messages))
        last: Any = messages[-1].offset()
        self.end = last + 1
        tombstones = values.count(None)
        if tombstones:
            messages = [message for message in messages if message.value() is not None]
            values = [value for value in values if value is not None]
        records = Records.of(values)
        self._pieces.append(
            Taken(
                records,
                _column(messages, Message.offset),
                _column(messages, Message.leader_epoch),
                self.end,
                tombstones,
            )
        )
        self.count += len(values)
        self.bytes += len(records.data)
        return len(records.data)

    def empty(self) -> tuple[Taken, int]:
        """Return all records, which are let go of, and how many bytes they have."""
        pieces, size = self._pieces, self.bytes
        self._pieces, self.bytes, self.count = [], 0, 0
        return _joined(pieces, self.end), size


def _column(messages: list[Message], ask: Callable[[Message], int | None]) -> Ints:
    """Return what messages answer, -1 for None; that never falls, so the ends often tell all."""
    if not messages:
        return np.empty(0, np.int64)
    first, last = (-1 if each is None else each for each in (ask(messages[0]), ask(messages[-1])))
    if first == last:
        return np.full(len(messages), first, np.int64)
    if last - first == len(messages) - 1 and ask is Message.offset:
        return np.arange(first, last + 1)
    return np.array([-1 if each is None else each for each in map(ask, messages)], np.int64)


def _joined(pieces: Iterable[Taken], end: int) -> Taken:
    none = np.empty(0, np.int64)
    with_some = [piece for piece in pieces if len(piece.records)]
    tombstones = sum(piece.tombstones for piece in pieces)
    if len(with_some) == 1:
        return with_some[0]._replace(end=end, tombstones=tombstones)
    return Taken(
        Records.joined(piece.records for piece in with_some),
        np.concatenate([none, *(piece.offsets for piece in with_some)]),
        np.concatenate([none, *(piece.epochs for piece in with_some)]),
        end,
        tombstones,
    )
