"""The split of a batch by shard: what every operator gets.

`by_visitor` and `by_page` make one `ShardClicks` a shard, by a hash that is the same in every process and
version, so that a visitor (a page) always meets the same state. Every shard gets an item of every batch.
Items go with the key of their shard, as the cluster has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from flows.ingest.mask import mask
from flows.ingest.recent import Newest, newest_clicks
from flows.journeys.table import Journey
from flows.model.batch import Marker
from flows.model.columns import UNKNOWN, Clicks, Ints, Lines, Words, ordered
from flows.model.rejected import Rejected
from flows.model.wire import pack, packed, unpack, unpacked
from flows.shards.cluster import Cluster
from flows.shards.watermark import NOTHING, Mark, mark_of

# The windows that reach back furthest are of whole half hours.
BUCKET_S = 1800
_BUCKET_NS = BUCKET_S * 10**9


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
    marker: Marker | None
    oldest_ns: int | None
    newest_ns: int | None
    ahead_s: tuple[int, ...] = ()
    key: int = 0
    log: str = ""


@dataclass(slots=True, kw_only=True)
class Beat:
    """The call to report: for publication `level`, as of `as_of_s` (seconds since 1970, exclusive).

    `now_ms` is the flow's clock (None: finite), `mark` the watermark behind `as_of_s`, `ahead` how many of
    the shard's clicks wait for their time.
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
    """One shard's clicks of a batch, in the order of arrival.

    `high_ns` is the newest event time of the whole batch up to and including each click, rounded down to the
    half hour; clicks that wait do not count for it. Admission fills in the last seven: `slot`, the visitor's
    number in the shard; `freed`, slots to forget first; `beat`; `late`, how many clicks it set aside;
    `ahead`, how many now wait; `due_s`, the second that these clicks have waited for, 0 if they did not; and
    `newest_s`, the second of the newest click ever. An item is pickled only to cross to another process,
    before admission, and then more than once.
    """

    shard: int
    header: Header
    time_ns: Ints
    high_ns: Ints
    row: Ints
    lines: Lines
    columns: dict[str, Any]
    rejected: Rejected = field(default_factory=Rejected)
    newest: list[Newest] = field(default_factory=list)
    packed: bytes | None = None
    slot: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    freed: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    beat: Beat | None = None
    late: int = 0
    ahead: int = 0
    due_s: int = 0
    newest_s: int = 0

    def __len__(self) -> int:
        return len(self.time_ns)

    @property
    def second(self) -> Ints:
        """Event time in whole seconds, int64."""
        return self.time_ns // 10**9

    @property
    def position(self) -> Ints:
        """Source position of each click, int64."""
        return self.lines.positions(self.row)

    def __reduce__(self) -> tuple[Callable[[bytes], ShardClicks], tuple[bytes]]:
        self.packed = self.packed or packed_clicks(self)
        return unpacked_clicks, (self.packed,)

    def take(self, index: Ints) -> ShardClicks:
        """Return the clicks of `index` alone."""
        return replace(
            self,
            time_ns=self.time_ns[index],
            high_ns=self.high_ns[index],
            row=self.row[index],
            columns={name: _take(column, index) for name, column in self.columns.items()},
        )


_SENT = [name for name in Header.__slots__ if name != "marker"]


def packed_clicks(item: ShardClicks) -> bytes:
    """Return an item as bytes, before admission or waiting for its time."""
    header, marker = item.header, item.header.marker
    arrays = item.time_ns, item.high_ns, item.position
    return pack(
        [
            [item.shard, item.due_s],
            [getattr(header, name) for name in _SENT],
            marker and [getattr(marker, name) for name in Marker.__slots__],
            [packed(array) for array in arrays],
            {name: packed(column) for name, column in item.columns.items()},
            [packed(item.rejected.reason), packed(item.rejected.position), item.rejected.records],
            item.newest,
        ]
    )


def unpacked_clicks(data: bytes) -> ShardClicks:
    """Return the item; its records are known by their positions alone."""
    (shard, due_s), header_values, marker_values, arrays, columns, rejected, newest = unpack(data)
    reason, rejected_at, records = rejected
    header = Header(
        **dict(zip(_SENT, header_values, strict=True)),
        marker=_marker(*marker_values) if marker_values else None,
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
        columns={name: unpacked(parts) for name, parts in columns.items()},
        rejected=Rejected(unpacked(reason), unpacked(rejected_at), records),
        newest=[Newest(*values) for values in newest],
        due_s=due_s,
    )


def _marker(number: int, now_ms: int | None, lag: int | None, told: list[Any], whole: bool) -> Marker:
    return Marker(number, now_ms, lag, mark_of(told), whole)


def _take(column: Any, index: Ints | slice) -> Any:
    return column.take(index) if isinstance(column, Words) else column[index]


def by_visitor(
    cluster: Cluster, journeys: Sequence[Journey] = ()
) -> Callable[[Clicks], list[tuple[str, ShardClicks]]]:
    """Return the splitter of a batch by its visitors."""

    def split(clicks: Clicks) -> list[tuple[str, ShardClicks]]:
        shard_of_word = clicks.visitor.hashes(clicks.key)[0] % np.uint64(cluster.shards)
        shard = shard_of_word[clicks.visitor.codes]
        columns = {
            "visitor": clicks.visitor,
            "product": clicks.product,
            "category": clicks.category.filled(UNKNOWN),
            "device": clicks.device,
            "gender": clicks.gender,
            **{
                fits_column(number): journey.fits(clicks.category, clicks.gender, clicks.age)
                for number, journey in enumerate(journeys)
            },
        }
        items = list(_split(clicks, shard, cluster.keys, np.arange(len(shard)), columns))
        items[0][1].rejected = clicks.rejected.mapped(mask) if clicks.mask_ip else clicks.rejected
        return items

    return split


def fits_column(number: int) -> str:
    """Return the name of the column that tells which rows of a journey fit (see `Journey.fits`)."""
    return f"fits {number}"


def by_page(cluster: Cluster) -> Callable[[Clicks], list[tuple[str, ShardClicks]]]:
    """Return the splitter of a batch by the page viewed; clicks without one are left out."""

    def split(clicks: Clicks) -> list[tuple[str, ShardClicks]]:
        shard_of_word = clicks.product.hashes(clicks.key)[0] % np.uint64(cluster.shards)
        viewed: Ints = np.arange(len(clicks.row))
        if None in clicks.product.words:
            viewed = np.flatnonzero(clicks.product.codes != clicks.product.words.index(None))
        shard = shard_of_word[clicks.product.codes[viewed]] if len(shard_of_word) else np.empty(0, np.uint64)
        columns = {"product": clicks.product, "category": clicks.category, "title": clicks.title}
        return list(_split(clicks, shard, cluster.keys, viewed, columns))

    return split


def by_age(cluster: Cluster) -> Callable[[Clicks], list[tuple[str, ShardClicks]]]:
    """Return what keeps all that raw data and latest visitors may show of a batch, for the first shard."""

    def keep(clicks: Clicks) -> list[tuple[str, ShardClicks]]:
        none = np.empty(0, np.int64)
        [(key, item)] = _split(clicks, none, cluster.keys[:1], none, {})
        item.newest = newest_clicks(clicks)
        return [(key, item)]

    return keep


def _split(
    clicks: Clicks, shard: Ints, keys: list[str], index: Ints, columns: dict[str, Any]
) -> Iterator[tuple[str, ShardClicks]]:
    """Yield one item for every key, of the clicks of `index` whose `shard` it is; arrival order is kept."""
    header, high_ns = _header(clicks)
    order = index[ordered(shard)]
    bounds = np.concatenate(
        ([0], np.cumsum(np.bincount(shard.astype(np.int64), minlength=len(keys))))
    ).tolist()
    high_ns = high_ns[order]
    time_ns, row = clicks.time_ns[order], clicks.row[order]
    columns = {name: _take(column, order) for name, column in columns.items()}
    for number, key in enumerate(keys):
        part = slice(bounds[number], bounds[number + 1])
        yield (
            key,
            ShardClicks(
                shard=number,
                header=header,
                time_ns=time_ns[part],
                high_ns=high_ns[part],
                row=row[part],
                lines=clicks.lines,
                columns={name: _take(column, part) for name, column in columns.items()},
            ),
        )


def _header(clicks: Clicks) -> tuple[Header, Ints]:
    """Return (what all shards learn of the batch, the newest event time up to each click, by half hours)."""
    time_ns, in_time, ahead_s = clicks.time_ns, clicks.time_ns, ()
    if clicks.until_s is not None and len(time_ns) and time_ns.max() >= clicks.until_s * 10**9:
        waits = time_ns >= clicks.until_s * 10**9
        ahead_s = tuple(np.unique(time_ns[waits] // 10**9).tolist())
        in_time, time_ns = time_ns[~waits], np.where(waits, 0, time_ns)
    header = Header(
        source=clicks.source,
        parts=clicks.parts,
        key=clicks.key,
        log=clicks.log,
        start=clicks.start,
        end=clicks.end,
        read_ms=clicks.read_ms,
        until_s=clicks.until_s,
        marker=clicks.marker,
        oldest_ns=int(in_time.min()) if len(in_time) else None,
        newest_ns=int(in_time.max()) if len(in_time) else None,
        ahead_s=ahead_s,
    )
    return header, np.maximum.accumulate(time_ns) // _BUCKET_NS * _BUCKET_NS
