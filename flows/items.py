"""What flows: batches of raw records in, boards and stream entries out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

StreamName = Literal["state_logs", "special_offers", "rejected"]


@dataclass(frozen=True, slots=True)
class Marker:
    """The beat of the board: the source puts one on a batch once per publishing interval.

    `number` counts intervals of the wall clock and grows. `now_ms` is the wall clock (milliseconds since
    1970 UTC) towards which windows drain while it is quiet; None for a finite source, which never drains.
    `lag` is the number of clicks not read yet, None where the source does not know. `newest_ns` and
    `logged_ms` are the event time of the newest click that any shard had applied when the flow started, and
    when that was logged. No board is to be made of a beat that is not `whole`: records read before are still
    to be read again, or the first ones to come.
    """

    number: int
    now_ms: int | None = None
    lag: int | None = None
    newest_ns: int = 0
    logged_ms: int = 0
    whole: bool = True


@dataclass(slots=True)
class Batch:
    """Records of one source partition, at positions [start, end).

    `data` is either a block of whole newline-separated lines or a list of records; `positions` gives each
    record of such a list its position (a block's lines have theirs by byte). `read_ms` is the wall clock
    when it was read, `logged_ms` the wall clock when its newest record entered the log (None: finite).
    `parts` is the number of partitions of the whole source.
    """

    source: str
    start: int
    end: int
    data: bytes | list[bytes]
    read_ms: int
    positions: list[int] | None = None
    logged_ms: int | None = None
    marker: Marker | None = None
    parts: int = 1
    too_large: list[tuple[int, bytes]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Board:
    """One published board: Redis key to JSON text, all of the same `as_of_ms`."""

    as_of_ms: int
    values: dict[str, str]


class Entry(NamedTuple):
    """One entry of a stream, written once however often it is sent: to Redis, and to a topic if it has one.

    Entries of one (`stream`, `lane`) come in the order of `ordinal`, a string made from the source position
    that sorts as text; an entry whose ordinal is not above the last one written changes nothing. A field is
    text, or bytes where it is part of a record as it came.
    """

    stream: StreamName
    lane: str
    ordinal: str
    fields: Mapping[str, str | bytes]


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries of one stream and lane as columns: a field has its values in the order of the entries."""

    stream: StreamName
    lane: str
    ordinals: list[str]
    fields: dict[str, list[str | bytes]]

    def __len__(self) -> int:
        return len(self.ordinals)

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries one by one."""
        for ordinal, *values in zip(self.ordinals, *self.fields.values(), strict=True):
            yield Entry(self.stream, self.lane, ordinal, dict(zip(self.fields, values, strict=True)))

    def pieces(self, most: int) -> Iterator[Entries]:
        """Yield the same entries, at most so many at once."""
        if 0 < len(self) <= most:
            yield self
            return
        for first in range(0, len(self), most):
            part = slice(first, first + most)
            fields = {name: values[part] for name, values in self.fields.items()}
            yield Entries(self.stream, self.lane, self.ordinals[part], fields)
