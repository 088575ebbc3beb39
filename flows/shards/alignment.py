"""Alignment: a beat cuts every partition of the source at a marker, whatever the order of arrival.

Several processes read, and each shard gets their batches in an order of its own. What comes from a partition
behind the marker of a beat is held until the markers of all partitions have come: so all shards report on the
same clicks. Every partition gives markers, records or not, so little is held; of a single one, nothing.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator

from flows.model.shard_clicks import ShardClicks


class Alignment:
    """Puts one shard's items into the order in which they are to be applied.

    The first partition by name sets the pace: a beat is due at each of its markers, and at the first marker
    of every other partition that has this number or a higher one.
    """

    def __init__(self) -> None:
        self._parts = 0
        self._waits_at: dict[str, int] = {}
        self._held: dict[str, deque[ShardClicks]] = defaultdict(deque)

    def take(self, item: ShardClicks) -> Iterator[tuple[ShardClicks, bool]]:
        """Yield the items to be applied now that `item` is here, and whether a beat is due behind each."""
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
            if item.header.marker is None:
                yield item, False
                continue
            self._waits_at[source] = item.header.marker.number
            free, due = self._next() if len(self._waits_at) >= self._parts else ([], False)
            yield item, due
            for name in free:
                del self._waits_at[name]
            ready += free

    def _next(self) -> tuple[list[str], bool]:
        """Return (partitions that may go on, whether a beat is due): not while any is behind the first."""
        pace = self._waits_at[min(self._waits_at)]
        behind = [name for name, at in self._waits_at.items() if at < pace]
        # One ahead of the first waits on, for the first one's next marker: else it would stay ahead for good.
        return behind or [name for name, at in self._waits_at.items() if at == pace], not behind

    def rest(self) -> list[ShardClicks]:
        """Return what is held, for when nothing more will come."""
        return [item for held in self._held.values() for item in held]
