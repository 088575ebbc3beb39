"""Runs: clicks of visitors cut wherever the gap is longer than a session's.

clicks of a visitor   ──x─x──x────────────────────x──x──►
runs                    [start, end], 3 clicks    [..], 2 clicks
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flows.model.columns import Index, Ints, ordered
from flows.model.event_time import SESSION_GAP_S

GAP_NS = SESSION_GAP_S * 10**9


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of clicks of visitors: from `start_ns` to `end_ns`, both inclusive."""

    slot: Ints
    start_ns: Ints
    end_ns: Ints
    clicks: Ints

    def take(self, index: Index) -> Runs:
        """Return the runs of `index`."""
        return Runs(self.slot[index], self.start_ns[index], self.end_ns[index], self.clicks[index])

    def plus(self, other: Runs) -> Runs:
        """Return both, by visitor and start."""
        names = ("slot", "start_ns", "end_ns", "clicks")
        both = Runs(*(np.concatenate((getattr(self, name), getattr(other, name))) for name in names))
        return both.take(np.lexsort((both.start_ns, both.slot)))

    def in_turn(self) -> Iterator[Runs]:
        """Yield the first runs of all visitors, then their second ones, and so on; `self` is by visitor."""
        first = np.flatnonzero(np.diff(self.slot, prepend=-1))
        if len(first) == len(self.slot):
            yield self
            return
        nth = np.arange(len(self.slot)) - np.repeat(first, np.diff(first, append=len(self.slot)))
        for number in range(int(nth.max()) + 1):
            yield self.take(np.flatnonzero(nth == number))


def runs(slot: Ints, time_ns: Ints) -> Runs:
    """Cut clicks into runs without a gap of more than 30 minutes, by visitor and start."""
    in_order = not np.any(np.diff(time_ns) < 0)
    order = ordered(slot) if in_order else np.lexsort((time_ns, slot))
    slot, time_ns = slot[order].astype(np.int64), time_ns[order]
    new = (np.diff(slot, prepend=-1) != 0) | (np.diff(time_ns, prepend=time_ns[0]) > GAP_NS)
    first = np.flatnonzero(new)
    clicks = np.diff(first, append=len(slot))
    return Runs(slot[first], time_ns[first], time_ns[first + clicks - 1], clicks)
