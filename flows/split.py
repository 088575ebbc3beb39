"""The split of a batch by shard: what every operator gets.

`by_visitor` and `by_page` make one `ShardClicks` a shard, by a hash that is the same in every process and
version, so that a visitor (a page) always meets the same state. Every shard gets an item of every batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from flows.columns import Clicks, Ints, Lines, Rejection, Words, stable_hash
from flows.items import Marker
from flows.masking import mask
from flows.newest import Newest, newest_clicks


@dataclass(slots=True, kw_only=True)
class Header:
    """What every shard learns of a batch, whether or not any of its clicks are the shard's.

    The batch stood at positions [start, end) of `source`; its clicks' event times span
    [oldest_ns, newest_ns], both None where it has no click.
    """

    source: str
    parts: int
    start: int
    end: int
    read_ms: int
    logged_ms: int | None
    marker: Marker | None
    oldest_ns: int | None
    newest_ns: int | None


@dataclass(slots=True, kw_only=True)
class Beat:
    """The call to report: for publication `level`, as of `as_of_s` (seconds since 1970, exclusive)."""

    level: int
    as_of_s: int
    positions: dict[str, int] = field(default_factory=dict)
    lag: int | None = None
    ended: bool = False


@dataclass(slots=True, kw_only=True)
class ShardClicks:
    """One shard's clicks of a batch, in the order of arrival.

    `high_ns` is the newest event time of the whole batch up to and including each click. Admission fills
    in the last four: `slot`, the visitor's number in the shard; `freed`, slots to forget first; `beat`;
    `late`, how many clicks it set aside; and `newest_s`, the second of the newest click ever.
    """

    shard: int
    header: Header
    time_ns: Ints
    high_ns: Ints
    row: Ints
    lines: Lines
    columns: dict[str, Any]
    rejected: list[Rejection] = field(default_factory=list)
    newest: list[Newest] = field(default_factory=list)
    slot: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    freed: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    beat: Beat | None = None
    late: int = 0
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

    def take(self, index: Ints) -> ShardClicks:
        """Return the clicks of `index` alone."""
        return replace(
            self,
            time_ns=self.time_ns[index],
            high_ns=self.high_ns[index],
            row=self.row[index],
            columns={name: _take(column, index) for name, column in self.columns.items()},
        )


def _take(column: Any, index: Ints | slice) -> Any:
    return column.take(index) if isinstance(column, Words) else column[index]


def by_visitor(shards: int) -> Callable[[Clicks], list[tuple[str, ShardClicks]]]:
    """Return the splitter of a batch by its visitors."""

    def split(clicks: Clicks) -> list[tuple[str, ShardClicks]]:
        shard = stable_hash(clicks.visitor) % np.uint64(shards)
        columns = {
            "visitor": clicks.visitor,
            "product": clicks.product,
            "product_hash": clicks.product_hashes[clicks.product.codes],
            "category": clicks.category,
            "device": clicks.device,
            "gender": clicks.gender,
            "age": clicks.age,
        }
        items = list(_split(clicks, shard, shards, np.arange(len(shard)), columns))
        items[0][1].rejected = [
            rejection._replace(record=mask(rejection.record)) if clicks.mask_ip else rejection
            for rejection in clicks.rejected
        ]
        return items

    return split


def by_page(shards: int) -> Callable[[Clicks], list[tuple[str, ShardClicks]]]:
    """Return the splitter of a batch by the page viewed; clicks without one are left out."""

    def split(clicks: Clicks) -> list[tuple[str, ShardClicks]]:
        shard_of_word = clicks.product_hashes % np.uint64(shards)
        viewed: Ints = np.arange(len(clicks.row))
        if None in clicks.product.words:
            viewed = np.flatnonzero(clicks.product.codes != clicks.product.words.index(None))
        shard = shard_of_word[clicks.product.codes[viewed]] if len(shard_of_word) else np.empty(0, np.uint64)
        columns = {"product": clicks.product, "category": clicks.category, "title": clicks.title}
        return list(_split(clicks, shard, shards, viewed, columns))

    return split


def by_age(clicks: Clicks) -> list[tuple[str, ShardClicks]]:
    """Keep what raw data and latest visitors may show of a batch: one item, for the first shard."""
    none = np.empty(0, np.int64)
    [(key, item)] = _split(clicks, none, 1, none, {})
    item.newest = newest_clicks(clicks)
    return [(key, item)]


def _split(
    clicks: Clicks, shard: Ints, shards: int, index: Ints, columns: dict[str, Any]
) -> Iterator[tuple[str, ShardClicks]]:
    """Yield one item for every shard, of the clicks of `index` whose `shard` it is; arrival order is kept."""
    any_click = len(clicks.time_ns) > 0
    header = Header(
        source=clicks.source,
        parts=clicks.parts,
        start=clicks.start,
        end=clicks.end,
        read_ms=clicks.read_ms,
        logged_ms=clicks.logged_ms,
        marker=clicks.marker,
        oldest_ns=int(clicks.time_ns.min()) if any_click else None,
        newest_ns=int(clicks.time_ns.max()) if any_click else None,
    )
    # Few shards: their numbers fit the small integers that numpy sorts by radix.
    order = index[np.argsort(shard.astype(np.uint16), kind="stable")]
    bounds = np.concatenate(([0], np.cumsum(np.bincount(shard.astype(np.int64), minlength=shards)))).tolist()
    high_ns = np.maximum.accumulate(clicks.time_ns)[order]
    time_ns, row = clicks.time_ns[order], clicks.row[order]
    columns = {name: _take(column, order) for name, column in columns.items()}
    for number in range(shards):
        part = slice(bounds[number], bounds[number + 1])
        yield (
            f"{number:04d}",
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
