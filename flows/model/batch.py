"""Batches of raw records as sources read them, and the barriers that sources put on them."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace

from flows.model.columns import Ints
from flows.model.event_time import AHEAD_S
from flows.model.mark import NOTHING, Mark
from flows.model.records import Records


@dataclass(frozen=True, slots=True)
class Barrier:
    """A cut of one partition: a board is due of what was read before it.

    The source puts one on a batch each publishing interval. `number` is that of the interval of the flow's
    clock, and grows. `now_ms` is that clock (milliseconds since 1970 UTC), which no board is ever beyond;
    None for a finite source. `lag` is the number of clicks not read yet, None where the source does not
    know. `known` is what was known of the watermark when the flow started. No board is made of a barrier
    that is not `complete`: records read before are still to be read again, or the first ones to come.
    """

    number: int
    now_ms: int | None = None
    lag: int | None = None
    known: Mark = NOTHING
    complete: bool = True


@dataclass(slots=True)
class Batch:
    """Records of one source partition, at positions [start, end).

    `data` is either a block of whole newline-separated lines or records; `positions` gives each record its
    position (a block's lines have theirs by byte). `read_ms` is the flow's clock when it was first read.
    Clicks of the second `until_s` and later wait for their time: no board before has an `as_of` beyond it
    (None: finite, nothing waits); none may be more than `ahead_s` ahead of the clock.
    `parts` is the number of partitions of the whole source. Words are hashed with `key`, which is secret; the
    log is known by `log`. `bounds` is where the lines of a block begin, and where another would (None: not
    known yet). `set_aside` are records that the source itself rejects: (reason, position, how each begins).
    """

    source: str
    start: int
    end: int
    data: bytes | Records | list[bytes]
    read_ms: int
    positions: list[int] | None = None
    until_s: int | None = None
    ahead_s: int = AHEAD_S
    barrier: Barrier | None = None
    parts: int = 1
    key: int = 0
    log: str = ""
    bounds: Ints | None = None
    set_aside: list[tuple[str, int, bytes]] = field(default_factory=list)

    def cut(self, at: int) -> tuple[Batch, Batch]:
        """Return the records before position `at`, where a record begins, and the others with the barrier."""
        index = at - self.start if self.positions is None else bisect_left(self.positions, at)
        before, after = self.positions, self.positions
        if self.positions is not None:
            before, after = self.positions[:index], self.positions[index:]
        first = replace(self, end=at, data=self.data[:index], positions=before, barrier=None, bounds=None)
        second = replace(self, start=at, data=self.data[index:], positions=after, bounds=None)
        first.set_aside = [each for each in self.set_aside if each[1] < at]
        second.set_aside = [each for each in self.set_aside if each[1] >= at]
        return first, second
