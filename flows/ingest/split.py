"""The split of a batch by shard: what every operator gets.

`by_visitor` and `by_page` make one `ShardClicks` a shard, by a hash that is the same in every process and
version, so that a visitor (a page) always meets the same state. Every shard gets an item of every batch.
Items go with the key of their shard: `keys` returns those of all shards, the first shard's first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from flows.ingest.mask import mask
from flows.ingest.recent import newest_clicks
from flows.model.clicks import Clicks
from flows.model.columns import Columns, Ints, ordered
from flows.model.event_time import BUCKET_S
from flows.model.fields import carried_by
from flows.model.shard_clicks import Header, ShardClicks

_BUCKET_NS = BUCKET_S * 10**9

Keys = Callable[[], Sequence[str]]
Split = Callable[[Clicks], list[tuple[str, ShardClicks]]]


def by_visitor(
    keys: Keys, judge: Callable[[Columns], Columns] = lambda _: Columns(), *, bots_apart: bool = True
) -> Split:
    """Return the splitter of a batch by its visitors; `judge` makes more columns of them.

    Bots come last if they are apart: so people are side by side.
    """

    def split(clicks: Clicks) -> list[tuple[str, ShardClicks]]:
        shard_keys, visitor, bot = keys(), clicks.words("visitor"), clicks.words("bot")
        shard_of_word = visitor.hashes(clicks.key)[0] % np.uint64(len(shard_keys))
        shard = shard_of_word[visitor.codes]
        columns = Columns(_carried(clicks, "visits") | judge(clicks.columns))
        columns["bot"] = bot
        index = np.argsort(bot.known(), kind="stable") if bots_apart else np.arange(len(shard))
        items = list(_split(clicks, shard[index], shard_keys, index, columns))
        items[0][1].rejected = clicks.rejected.mapped(mask) if clicks.mask_ip else clicks.rejected
        return items

    return split


def by_page(keys: Keys, *, bots_apart: bool = True) -> Split:
    """Return the splitter of a batch by the page viewed, without clicks that have none, or bots' if apart."""

    def split(clicks: Clicks) -> list[tuple[str, ShardClicks]]:
        shard_keys, product = keys(), clicks.words("product")
        shard_of_word = product.hashes(clicks.key)[0] % np.uint64(len(shard_keys))
        views = product.known()
        if bots_apart:
            views &= ~clicks.words("bot").known()
        viewed = np.flatnonzero(views)
        shard = shard_of_word[product.codes[viewed]] if len(shard_of_word) else np.empty(0, np.uint64)
        return list(_split(clicks, shard, shard_keys, viewed, _carried(clicks, "views")))

    return split


def by_age(keys: Keys, *, bots_apart: bool = True) -> Split:
    """Return what keeps all that raw data and latest visitors may show of a batch, for the first shard."""

    def keep(clicks: Clicks) -> list[tuple[str, ShardClicks]]:
        none = np.empty(0, np.int64)
        [(key, item)] = _split(clicks, none, keys()[:1], none, Columns())
        item.recent = newest_clicks(clicks, bots_apart=bots_apart)
        return [(key, item)]

    return keep


def _carried(clicks: Clicks, stream: str) -> Columns:
    """Return the columns that a stream carries, those of words filled where the table of FIELDS says so."""
    columns = Columns((field.column, clicks.columns[field.column]) for field in carried_by(stream))
    for field in carried_by(stream):
        if field.missing is not None:
            columns[field.column] = columns.words(field.column).filled(field.missing)
    return columns


def _split(
    clicks: Clicks, shard: Ints, keys: Sequence[str], index: Ints, columns: Columns
) -> Iterator[tuple[str, ShardClicks]]:
    """Yield one item for every key, of the clicks of `index` whose `shard` it is, in the order of `index`."""
    header, high_ns = _header(clicks)
    order = index[ordered(shard)]
    bounds = np.concatenate(
        ([0], np.cumsum(np.bincount(shard.astype(np.int64), minlength=len(keys))))
    ).tolist()
    high_ns = high_ns[order]
    time_ns, row = clicks.time_ns[order], clicks.row[order]
    columns = columns.take(order)
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
                columns=columns.take(part),
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
        barrier=clicks.barrier,
        oldest_ns=int(in_time.min()) if len(in_time) else None,
        newest_ns=int(in_time.max()) if len(in_time) else None,
        ahead_s=ahead_s,
    )
    return header, np.maximum.accumulate(time_ns) // _BUCKET_NS * _BUCKET_NS
