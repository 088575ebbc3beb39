"""One shard's part of a batch: what every operator gets, and how it crosses to another process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from flows.model.batch import Barrier
from flows.model.columns import Bools, Column, Columns, Ints, Words
from flows.model.fields import NUMBER, carried_by
from flows.model.lines import Lines
from flows.model.mark import NOTHING, Mark, mark_of
from flows.model.recent import RecentClick
from flows.model.rejected import Rejected
from flows.model.wire import pack, packed, unpack, unpacked

Made = TypeVar("Made")


@dataclass(slots=True, kw_only=True)
class Header:
    """What every shard learns of a batch, whether or not any of its clicks are the shard's.

    The batch stood at positions [start, end) of `source`. Clicks of second `until_s` and later wait for their
    time (None: none does): `ahead_s` are the seconds of those. The event times of the others span
    [oldest_ns, newest_ns], both None where there is no other click. Words are hashed with `key`; the log
    is known by `log`, whatever its name.
    """

    source: str
    parts: int
    start: int
    end: int
    read_ms: int
    until_s: int | None
    barrier: Barrier | None
    oldest_ns: int | None
    newest_ns: int | None
    ahead_s: tuple[int, ...] = ()
    key: int = 0
    log: str = ""


@dataclass(slots=True, kw_only=True)
class AlignedBarrier:
    """The call to report: all partitions have reached the barrier of number `level`.

    `as_of_s` is where all windows end (seconds since 1970, exclusive), `mark` the watermark behind it.
    `now_ms` is the flow's clock (None: finite source), `ahead` how many of the shard's clicks wait for their
    time, `positions` what the shard has applied of each partition (exclusive), `lag` as in Barrier. `ended`:
    the log is read to its end.
    """

    level: int
    as_of_s: int
    now_ms: int | None = None
    positions: dict[str, int] = field(default_factory=dict)
    mark: Mark = NOTHING
    lag: int | None = None
    ahead: int = 0
    ended: bool = False


@dataclass(slots=True, kw_only=True)
class ShardClicks:
    """One shard's clicks of a batch, in the order of arrival; or first people's in it, then bots'.

    `high_ns` is the newest event time of the whole batch up to and including each click, rounded down to the
    half hour; clicks that wait do not count for it. Admission fills in the last nine: `slot`, the visitor's
    number in the shard; `slots`, which all of these are below; `freed`, slots to forget first; `aligned`;
    `late`, how many clicks it set aside, and `late_bots`, how many of them are bots'; `ahead`, how many now
    wait; `due_s`, the second that these clicks have waited for, 0 if they did not; and `newest_s`, the second
    of the newest click ever.

    An item is pickled only to cross to another process, before admission, and then more than once.
    """

    shard: int
    header: Header
    time_ns: Ints
    high_ns: Ints
    row: Ints
    lines: Lines
    columns: Columns
    rejected: Rejected = field(default_factory=Rejected)
    recent: list[RecentClick] = field(default_factory=list)
    packed: bytes | None = None
    slot: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    slots: int = 0
    freed: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    aligned: AlignedBarrier | None = None
    late: int = 0
    late_bots: int = 0
    ahead: int = 0
    due_s: int = 0
    newest_s: int = 0
    _made: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.time_ns)

    def once(self, make: Callable[[ShardClicks], Made]) -> Made:
        """Return what `make` makes of the clicks; made once for all operators, none of which changes it."""
        if make not in self._made:
            self._made[make] = make(self)
        made: Made = self._made[make]
        return made

    @property
    def second(self) -> Ints:
        """Event time in whole seconds, int64."""
        return self.once(_second)

    @property
    def of_bots(self) -> Bools:
        """Which clicks are bots'."""
        return self.once(_of_bots)

    @property
    def position(self) -> Ints:
        """Source position of each click, int64."""
        return self.lines.positions(self.row)

    def __reduce__(self) -> tuple[Callable[[bytes], ShardClicks], tuple[bytes]]:
        self.packed = self.packed or packed_clicks(self)
        return unpacked_clicks, (self.packed,)

    def words(self, column: str) -> Words:
        """Return a column of strings."""
        return self.columns.words(column)

    def take(self, index: Ints) -> ShardClicks:
        """Return the clicks of `index`, which ascends, alone; those side by side are not copied."""
        first, size = int(index[0]) if len(index) else 0, len(index)
        side_by_side = not size or index[-1] - first == size - 1
        rows = slice(first, first + size) if side_by_side else index
        return replace(
            self,
            time_ns=self.time_ns[rows],
            high_ns=self.high_ns[rows],
            row=self.row[rows],
            columns=self.columns.take(rows),
            slot=self.slot[rows] if len(self.slot) else self.slot,
        )

    def people(self) -> ShardClicks:
        """Return the clicks that are not bots'."""
        return self.take(np.flatnonzero(~self.of_bots)) if self.of_bots.any() else self

    def bots(self) -> ShardClicks:
        """Return the clicks that are bots'."""
        return self.take(np.flatnonzero(self.of_bots))


def _second(item: ShardClicks) -> Ints:
    return item.time_ns // 10**9


def _of_bots(item: ShardClicks) -> Bools:
    return item.words("bot").known()


_SENT = [name for name in Header.__slots__ if name != "barrier"]


def packed_clicks(item: ShardClicks) -> bytes:
    """Return an item as bytes, before admission or waiting for its time."""
    header, barrier = item.header, item.header.barrier
    arrays = item.time_ns, item.high_ns, item.position
    return pack(
        [
            [item.shard, item.due_s],
            [getattr(header, name) for name in _SENT],
            barrier and [getattr(barrier, name) for name in Barrier.__slots__],
            [packed(array) for array in arrays],
            {name: packed(column) for name, column in item.columns.items()},
            [packed(item.rejected.reason), packed(item.rejected.position), item.rejected.records],
            item.recent,
        ]
    )


def unpacked_clicks(data: bytes) -> ShardClicks:
    """Return the item; its records are known by their positions alone."""
    (shard, due_s), header_values, barrier_values, arrays, columns, rejected, newest = unpack(data)
    reason, rejected_at, records = rejected
    header = Header(
        **dict(zip(_SENT, header_values, strict=True)),
        barrier=_barrier(*barrier_values) if barrier_values else None,
    )
    header.ahead_s = tuple(header.ahead_s)
    time_ns, high_ns, position = map(unpacked, arrays)
    return ShardClicks(
        shard=shard,
        header=header,
        time_ns=time_ns,
        high_ns=high_ns,
        row=position - header.start,
        lines=Lines([], header.start, None),
        columns=_completed({name: unpacked(parts) for name, parts in columns.items()}, len(time_ns)),
        rejected=Rejected(unpacked(reason), unpacked(rejected_at), records),
        recent=[RecentClick(*values) for values in newest],
        due_s=due_s,
    )


def _completed(columns: dict[str, Column], size: int) -> Columns:
    """Return columns with those that a version before did not have yet: clicks that waited come with none."""
    found = Columns(columns)
    for field_ in carried_by("visits" if "visitor" in columns else "views") if columns else ():
        if field_.column not in found:
            empty = np.full(size, np.nan) if field_.kind == NUMBER else _words(field_.missing, size)
            found[field_.column] = empty
    if "visitor" in found:
        found.setdefault("bot", _words(None, size))
    return found


def _words(word: str | None, size: int) -> Words:
    return Words(np.zeros(size, np.int32), [word])


def _barrier(number: int, now_ms: int | None, lag: int | None, known: list[Any], complete: bool) -> Barrier:
    return Barrier(number, now_ms, lag, mark_of(known), complete)
