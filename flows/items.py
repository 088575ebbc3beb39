"""What flows: batches of raw records in, boards out; see `flows.entries` for what else."""

from __future__ import annotations

from dataclasses import dataclass, field


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
