"""The newest clicks of a batch: all that raw data and latest visitors can ever show of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flows.columns import Clicks, Ints
from flows.masking import mask_record

KEPT_NEWEST = 100
KEPT_VISITORS = 10


class Newest(NamedTuple):
    """One of the newest clicks of a batch, as raw data shows it; sorts by age, oldest first."""

    time_ns: int
    position: int
    sub: int
    visitor: str
    record: bytes


def newest_clicks(clicks: Clicks) -> list[Newest]:
    """Return the 100 newest clicks, and the newest click of each of the 10 latest visitors."""
    return [_newest(clicks, i) for i in sorted(_newest_index(clicks))]


def _newest_index(clicks: Clicks) -> set[int]:
    for wanted in (1000, len(clicks.row)):
        order = _newest_first(clicks.time_ns, wanted)
        seen: dict[str, int] = {}
        for i in order:
            seen.setdefault(clicks.visitor.at(i), i)
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


def _newest(clicks: Clicks, i: int) -> Newest:
    row = int(clicks.row[i])
    record = clicks.shown.get(i) or clicks.lines.record(row)
    if clicks.mask_ip:
        record = mask_record(record)
    # Clicks of one column-shaped record share its position: their place in it tells them apart.
    sub = i - int(np.searchsorted(clicks.row, row)) if i in clicks.shown else 0
    return Newest(int(clicks.time_ns[i]), clicks.lines.position(row), sub, clicks.visitor.at(i), record)
