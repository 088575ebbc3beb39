"""Stream entries: steps and offers of journeys and rejected records, on their way to Redis and to topics.

Each is written once, however often it is sent. What tells it from all others is where it comes from:

    stream         origin                     ordinal
    state_logs     clicks/3#4f1c.../7         (position of the record, click in it, entry of the click)

Within an origin (a partition of a log, and a shard) ordinals ascend. So who writes keeps the last ordinal of
each origin, and passes over what is not above it. Entries travel as columns, packed, some hundred in one
piece: so they are few objects, whose bytes go into the state as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from flows.model.columns import Ints
from flows.model.streams import StreamName

# The source position of the record that an entry comes from, then its place among those of the record.
# Entries of clicks that waited for their time have origins of their own, and first the second waited for.
Ordinal = tuple[int, ...]
# How many digits each number has as text, by how many there are.
ORDINAL_DIGITS = {1: (20,), 2: (20, 6), 3: (20, 6, 3), 4: (12, 20, 6, 3)}
PIECE = 500


def origin_of(source: str, log: str) -> str:
    """Return the origin of what comes from a partition: its name, and what its log is known by."""
    return f"{source}#{log}"


def source_of(origin: str) -> str:
    """Return the partition that an origin is of."""
    return origin.rpartition("#")[0]


class Entry(NamedTuple):
    """One entry of a stream, written once however often it is sent: to Redis, and to a topic if it has one.

    Entries of one (`stream`, `origin`) come in the order of `ordinal`. `fields` are

    - of `state_logs`: `time_ns` (of the click), `user`, `product`, `category`, `from` (the state left),
      `state` (entered), `offer` (empty if it is the step that the entry tells of)
    - of `special_offers`: `time_ns`, `user`, `offer`
    - of `rejected`: `reason`, `record` (bytes, how it begins)
    """

    stream: StreamName
    origin: str
    ordinal: Ordinal
    fields: Mapping[str, Any]


class Entries(NamedTuple):
    """Some entries of one stream and origin: how many, the last one's ordinal, and all of them packed."""

    stream: StreamName
    origin: str
    size: int
    last: Ordinal
    packed: bytes

    def columns(self) -> tuple[list[Ordinal], dict[str, list[Any]]]:
        """Return (ordinals, values by field)."""
        ordinals, fields = msgspec.msgpack.decode(self.packed)
        return (
            list(zip(*map(_unpacked, ordinals), strict=True)),
            {name: _unpacked(column) for name, column in fields.items()},
        )

    def each(self) -> Iterator[Entry]:
        """Yield the entries one by one."""
        ordinals, fields = self.columns()
        for ordinal, *values in zip(ordinals, *fields.values(), strict=True):
            yield Entry(self.stream, self.origin, ordinal, dict(zip(fields, values, strict=True)))


def pack(
    stream: StreamName, origin: str, ordinals: Sequence[Ints], fields: Mapping[str, Any]
) -> Iterator[Entries]:
    """Yield entries in pieces of at most PIECE, which have `ordinals`, as columns, in ascending order.

    A field is a column of integers, or a list of texts or of bytes; what is no Unicode in a text becomes `?`.
    """
    for first in range(0, len(ordinals[0]), PIECE):
        part = slice(first, first + PIECE)
        numbers = [column[part] for column in ordinals]
        columns = {name: column[part] for name, column in fields.items()}
        last = tuple(int(column[-1]) for column in numbers)
        yield Entries(stream, origin, len(numbers[0]), last, _packed(numbers, columns))


def _packed(numbers: list[Ints], columns: dict[str, Any]) -> bytes:
    try:
        return msgspec.msgpack.encode((numbers, columns), enc_hook=_integers)
    except UnicodeEncodeError:  # a lone surrogate in a click must not block its stream
        encodable = {name: _encodable(column) for name, column in columns.items()}
        return msgspec.msgpack.encode((numbers, encodable), enc_hook=_integers)


def _integers(column: Any) -> bytes:
    return bytes(column.astype(np.int64).data)


def _unpacked(column: bytes | list[Any]) -> list[Any]:
    return np.frombuffer(column, np.int64).tolist() if isinstance(column, bytes) else column


def _encodable(column: Any) -> Any:
    if not isinstance(column, list):
        return column
    return [each.encode(errors="replace").decode() if isinstance(each, str) else each for each in column]


def ordinal_text(ordinal: Ordinal) -> str:
    """Return an ordinal as text, which sorts as ordinals do."""
    return "-".join(
        f"{number:0{digits}d}" for number, digits in zip(ordinal, ORDINAL_DIGITS[len(ordinal)], strict=True)
    )
