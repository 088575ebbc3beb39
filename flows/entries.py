"""Stream entries: steps and offers of journeys and rejected records, for Redis and for topics.

They travel packed, some hundred in one piece: so they are few objects, whose bytes go into the state and to
Redis as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

StreamName = Literal["state_logs", "special_offers", "rejected"]

# Numbers that tell an entry from the others of its stream and lane, and their order: the source position of
# the record it comes from, then the entry's place among those of the record.
Ordinal = tuple[int, ...]
ORDINAL_DIGITS = 20, 6, 3
PIECE = 500

Field = str | bytes


class Entry(NamedTuple):
    """One entry of a stream, written once however often it is sent: to Redis, and to a topic if it has one.

    Entries of one (`stream`, `lane`) come in the order of `ordinal`; an entry whose ordinal is not above the
    last one written changes nothing. A field is text, or bytes where it is part of a record as it came.
    """

    stream: StreamName
    lane: str
    ordinal: Ordinal
    fields: Mapping[str, Field]


class Entries(NamedTuple):
    """Some entries of one stream and lane: how many, the ordinal of the last one, and all of them packed.

    `packed` is MessagePack of the list of ordinals, then for each field its name and the list of its values.
    """

    stream: StreamName
    lane: str
    size: int
    last: Ordinal
    packed: bytes

    def columns(self) -> tuple[list[list[int]], dict[str, list[Field]]]:
        """Return (ordinals, values by field)."""
        ordinals, *fields = msgspec.msgpack.decode(self.packed)
        return ordinals, dict(zip(fields[::2], fields[1::2], strict=True))

    def each(self) -> Iterator[Entry]:
        """Yield the entries one by one."""
        ordinals, fields = self.columns()
        for ordinal, *values in zip(ordinals, *fields.values(), strict=True):
            yield Entry(self.stream, self.lane, tuple(ordinal), dict(zip(fields, values, strict=True)))


def pack(
    stream: StreamName, lane: str, ordinals: list[Ordinal], fields: Mapping[str, list[Field]]
) -> Iterator[Entries]:
    """Yield entries in pieces of at most PIECE; their ordinals ascend."""
    for first in range(0, len(ordinals), PIECE):
        part = slice(first, first + PIECE)
        columns = [ordinals[part], *(each for name in fields for each in (name, fields[name][part]))]
        yield Entries(stream, lane, len(columns[0]), ordinals[part][-1], packed(columns))


def packed(columns: Sequence[object]) -> bytes:
    """Return columns as MessagePack; what is no Unicode in a text becomes `?`."""
    try:
        return msgspec.msgpack.encode(columns)
    except UnicodeEncodeError:  # a lone surrogate in a click must not block its stream
        return msgspec.msgpack.encode([_encodable(column) for column in columns])


def _encodable(column: object) -> object:
    if not isinstance(column, list):
        return column
    return [each.encode(errors="replace").decode() if isinstance(each, str) else each for each in column]


def ordinal_text(ordinal: Ordinal) -> str:
    """Return an ordinal as text, which sorts as ordinals do."""
    return "-".join(f"{number:0{digits}d}" for number, digits in zip(ordinal, ORDINAL_DIGITS, strict=False))
