"""Barrier alignment: all shards report on the same clicks, whatever the order in which batches reach them.

A source puts a barrier into each of its partitions, at the same moments of the flow's clock. Several
processes read, so a shard may get the batches of one partition long before those of another. What comes
behind a barrier is held until that barrier has come from every partition:

    partition 0   c c c ║ c c         ║ barrier   c click
    partition 1   c ║ h h             h held: partition 0's barrier has not come yet
                    └ reported on once ║ has come from both

Every partition gives barriers, records or not, so little is held; with a single partition nothing is. The
method is that of Flink's aligned checkpoints (Carbone et al., Lightweight Asynchronous Snapshots, 2015).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator

from flows.model.shard_clicks import ShardClicks


class Alignment:
    """Puts one shard's items into the order in which they are to be applied.

    The first partition by name sets the pace: a report is due at each of its barriers, and at the first one
    of every other partition that has this number or a higher one.
    """

    def __init__(self) -> None:
        self._parts = 0
        self._waits_at: dict[str, int] = {}
        self._held: dict[str, deque[ShardClicks]] = defaultdict(deque)

    def take(self, item: ShardClicks) -> Iterator[tuple[ShardClicks, bool]]:
        """Yield the items to be applied now that `item` is here, and whether a report is due behind each."""
        # The most, should the topic be given another partition while the processes start.
        self._parts = max(self._parts, item.header.parts)
        self._held[item.header.source].append(item)
        ready = [item.header.source]
        while ready:
            source = ready.pop()
            held = self._held[source]
            if not held or source in self._waits_at:
                continue
            ready.append(source)
            item = held.popleft()
            if item.header.barrier is None:
                yield item, False
                continue
            self._waits_at[source] = item.header.barrier.number
            free, due = self._next() if len(self._waits_at) >= self._parts else ([], False)
            yield item, due
            for name in free:
                del self._waits_at[name]
            ready += free

    def _next(self) -> tuple[list[str], bool]:
        """Return (partitions that may go on, whether a report is due): not while any is behind the first."""
        pace = self._waits_at[min(self._waits_at)]
        behind = [name for name, at in self._waits_at.items() if at < pace]
        # One ahead of the first waits on, for its next barrier: else it would stay ahead for good.
        return behind or [name for name, at in self._waits_at.items() if at == pace], not behind

    def rest(self) -> list[ShardClicks]:
        """Return what is held, for when nothing more will come."""
        return [item for held in self._held.values() for item in held]
