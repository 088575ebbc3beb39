"""The split of a batch by shard: what every operator gets.

`by_visitor` and `by_page` make one `ShardClicks` a shard, by a hash that is the same in every process and
version, so that a visitor (a page) always meets the same state. Every shard gets an item of every batch.
Items go with the key of their shard, as the cluster has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from flows.ingest.mask import mask
from flows.ingest.recent import newest_clicks
from flows.journeys.table import Journey
from flows.model.clicks import Clicks
from flows.model.columns import UNKNOWN, Ints, ordered
from flows.model.event_time import BUCKET_S
from flows.model.shard_clicks import Header, ShardClicks, _take
from flows.shards.cluster import Cluster

_BUCKET_NS = BUCKET_S * 10**9


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
