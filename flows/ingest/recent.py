"""The newest clicks of a batch: all that raw data and latest visitors can ever show of it."""

from __future__ import annotations

from itertools import groupby

import numpy as np

from flows.ingest.column_shape import plain_rows
from flows.ingest.shown import fields_in, record_of, shown
from flows.model.clicks import Clicks
from flows.model.columns import Bools, Ints
from flows.model.recent import RecentClick

KEPT_NEWEST = 100
KEPT_VISITORS = 10
# A record of no more is kept as it came.
_SMALL_BYTES = 2048


def newest_clicks(clicks: Clicks, *, bots_apart: bool = True) -> list[RecentClick]:
    """Return the 100 newest clicks, and that of each of the 10 latest visitors, no bots if they are apart."""
    apart = clicks.words("bot").known() & bots_apart
    index = np.array(sorted(_newest_index(clicks, apart)), np.int64)
    row = clicks.row[index]
    # Clicks of one column-shaped record share its position: their place in it tells them apart.
    sub, time_ns = (index - np.searchsorted(clicks.row, row)).tolist(), clicks.time_ns[index].tolist()
    rows, in_columns = row.tolist(), np.isin(row, clicks.in_columns)
    records: list[bytes] = []
    for place, of_record in groupby(range(len(rows)), rows.__getitem__):
        if in_columns[len(records)]:
            records += _records_in_columns(clicks, place, [(sub[at], time_ns[at]) for at in of_record])
        else:
            records.append(_record(clicks, place))
    position, visitor = clicks.lines.positions(row).tolist(), clicks.words("visitor").all_at(index)
    return list(map(RecentClick, time_ns, position, sub, visitor, records, apart[index].tolist()))


def _newest_index(clicks: Clicks, apart: Bools) -> set[int]:
    for wanted in (1000, len(clicks.row)):
        order = _newest_first(clicks.time_ns, wanted)
        seen: dict[str, int] = {}
        visitor = clicks.words("visitor")
        for i in order:
            if not apart[i]:
                seen.setdefault(visitor.at(i), i)
            if len(seen) == KEPT_VISITORS:
                break
        if len(seen) == KEPT_VISITORS or len(order) == len(clicks.row):
            break
    return {*order[:KEPT_NEWEST], *seen.values()}


def _newest_first(time_ns: Ints, wanted: int) -> list[int]:
    """Return the index of the `wanted` newest, newest first; of equal times the later arrival first."""
    index: Ints = np.arange(len(time_ns))
    if len(time_ns) > wanted:
        border = np.partition(time_ns, -wanted)[-wanted]
        index = np.flatnonzero(time_ns >= border)
    order: list[int] = index[np.lexsort((index, time_ns[index]))][::-1].tolist()
    return order


def _record(clicks: Clicks, row: int) -> bytes:
    record = clicks.lines.record(row)
    if clicks.mask_ip or len(record) > _SMALL_BYTES:
        return record_of(fields_in(record), mask=clicks.mask_ip)
    return record


def _records_in_columns(clicks: Clicks, row: int, clicks_of: list[tuple[int, int]]) -> list[bytes]:
    """Return a record for each of a column-shaped one's clicks, by their place in it and their time."""
    found = plain_rows(clicks.lines.record(row), clicks.newest_ns, [sub for sub, _ in clicks_of])
    pairs = zip(found, clicks_of, strict=True)
    rows = [shown(fields | {"timestamp": time_ns}) for fields, (_, time_ns) in pairs]
    return [record_of(fields, mask=clicks.mask_ip) for fields in rows]
