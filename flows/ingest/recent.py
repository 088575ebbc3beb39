"""The newest clicks of a batch: all that raw data and latest visitors can ever show of it."""

from __future__ import annotations

from collections.abc import Iterator

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
    index = sorted(_newest_index(clicks, apart))
    by_record: dict[int, list[int]] = {}
    for i, row in zip(index, clicks.row[index].tolist(), strict=True):
        by_record.setdefault(row, []).append(i)
    return [newest for row, rows in by_record.items() for newest in _newest(clicks, row, rows, apart)]


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


def _newest(clicks: Clicks, row: int, index: list[int], apart: Bools) -> Iterator[RecentClick]:
    """Yield clicks that come from one record, `row`."""
    # Clicks of one column-shaped record share its position: their place in it tells them apart.
    subs = [i - int(np.searchsorted(clicks.row, row)) for i in index]
    position, record = clicks.lines.position(row), clicks.lines.record(row)
    if row in clicks.in_columns:
        rows = plain_rows(record, clicks.newest_ns, subs)
        times = clicks.time_ns[index].tolist()
        shown_rows = [shown(fields | {"timestamp": time}) for fields, time in zip(rows, times, strict=True)]
        records = [record_of(fields, mask=clicks.mask_ip) for fields in shown_rows]
    elif clicks.mask_ip or len(record) > _SMALL_BYTES:
        records = [record_of(fields_in(record), mask=clicks.mask_ip)]
    else:
        records = [record]
    for i, sub, each in zip(index, subs, records, strict=True):
        visitor = clicks.words("visitor").at(i)
        yield RecentClick(int(clicks.time_ns[i]), position, sub, visitor, each, bool(apart[i]))
