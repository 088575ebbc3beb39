"""Waiting: a shard's clicks that are ahead of the flow's clock, kept until `as_of` is past their second.

Then they are given as if they had just arrived. They are packed meanwhile, by second, and so are small and go
into the state as they are.

    clock 12:00:07   waiting: 12:00:09 -> [clicks], 12:04:30 -> [clicks]
    as_of 12:00:10   given:   12:00:09
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np

from flows.model.rejected import Rejected
from flows.model.shard_clicks import ShardClicks, packed_clicks, unpacked_clicks


class Waiting:
    """What one shard's admission holds back."""

    def __init__(self) -> None:
        self._held: defaultdict[int, list[bytes]] = defaultdict(list)
        self._clicks: defaultdict[int, int] = defaultdict(int)
        self._new: defaultdict[int, list[bytes]] = defaultdict(list)
        self._given_s = 0
        self.bytes = 0

    def hold(self, item: ShardClicks, until_s: int) -> ShardClicks:
        """Keep the clicks of second `until_s` and later, each second's by itself; returns the others."""
        waits = item.time_ns >= until_s * 10**9
        newest = [click for click in item.recent if click.time_ns >= until_s * 10**9]
        if not newest and not waits.any():
            return item
        second = item.second
        for due_s in sorted({*second[waits].tolist(), *(click.time_ns // 10**9 for click in newest)}):
            self._keep(item, due_s, np.flatnonzero(second == due_s))
        rest = item.take(np.flatnonzero(~waits))
        rest.recent = [click for click in item.recent if click.time_ns < until_s * 10**9]
        rest.ahead = self._ahead(item, waits)
        return rest

    @staticmethod
    def _ahead(item: ShardClicks, waits: Any) -> int:
        """Return how many clicks are of a second that had not begun when they were read."""
        begun_s = item.header.read_ms // 1000 + 1
        return int(np.count_nonzero(item.time_ns[waits] >= begun_s * 10**9))

    def _keep(self, item: ShardClicks, due_s: int, index: Any) -> None:
        header = replace(item.header, barrier=None)
        part = replace(item.take(index), rejected=Rejected(), due_s=due_s, header=header)
        part.recent = [click for click in item.recent if click.time_ns // 10**9 == due_s]
        packed = packed_clicks(part)
        self._held[due_s].append(packed)
        self.bytes += len(packed)
        self._new[due_s].append(packed)
        self._clicks[due_s] += len(part)

    def give(self, as_of_s: int) -> list[ShardClicks]:
        """Return the clicks of the seconds before `as_of_s`, the earliest first, and keep them no longer."""
        due = sorted(second for second in self._held if second < as_of_s)
        for second in due:
            self._new.pop(second, None)
            self._clicks.pop(second)
        self._given_s = max(self._given_s, as_of_s)
        given = [packed for second in due for packed in self._held.pop(second)]
        self.bytes -= sum(map(len, given))
        return [unpacked_clicks(packed) for packed in given]

    def ahead(self, now_s: int) -> int:
        """Return how many clicks wait that are of a later second than `now_s`, the clock's."""
        return sum(clicks for second, clicks in self._clicks.items() if second > now_s)

    def changes(self, *, everything: bool) -> dict[str, Any]:
        """Return what was held since the last call and still is, or all."""
        kept = self._held if everything else self._new
        part = {"waiting": [list(each) for each in kept.items()], "given_s": self._given_s}
        self._new = defaultdict(list)
        return part

    def load(self, part: dict[str, Any]) -> None:
        """Take in what `changes` gave once."""
        for second, packed in part["waiting"]:
            self._held[second] += packed
            self.bytes += sum(map(len, packed))
            self._clicks[second] += sum(len(unpacked_clicks(each)) for each in packed)
        self.give(part["given_s"])
