"""The demo: the clicks of a built-in shop, its past at full speed, then as time goes on."""

from __future__ import annotations

from collections.abc import Iterable

from bytewax.inputs import FixedPartitionedSource

from flows.model.batch import Batch
from flows.shards.clock import FlowClock
from flows.shards.cluster import Cluster
from flows.shards.opening import Opening
from flows.sources.barriers import Barriers
from flows.sources.opening_partition import OpeningPartition, Partition, say_start, short_hash
from flows.sources.shop.shop import Shop
from flows.state.state import State


class DemoSource(FixedPartitionedSource[Batch, int | None]):
    """The built-in shop: its past at full speed, then as time goes on.

    A position is the second a click is logged in (since 1970), shifted, plus its index in that second.
    """

    def __init__(self, shop: Shop, cluster: Cluster, state: State, every_ms: int) -> None:
        self._shop, self._cluster, self._state, self._every_ms = shop, cluster, state, every_ms

    def list_parts(self) -> list[str]:
        """Return the one partition; what the shop is like tells its clicks from those of another."""
        self._state.identify(short_hash(self._state.source.encode()))
        return ["demo"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> OpeningPartition:
        """Begin `history_s` ago, or where the shard that has applied least ended."""

        def open_part(opening: Opening) -> DemoPartition:
            applied = opening.applied(for_part)
            clock = self._cluster.clock
            history_s = clock.now_ms() // 1000 - round(self._shop.history_s)
            first_s = history_s if applied is None else applied >> _INDEX_BITS
            say_start(for_part, first_s << _INDEX_BITS)
            return DemoPartition(self._shop, first_s, history_s, clock, Barriers(self._every_ms))

        return OpeningPartition(self._cluster, self._state, open_part, resume_state)


class DemoPartition(Partition):
    """Brings the records of whole seconds once they are over.

    Nothing happened in the shop between `first_s`, where its state ended, and `history_s`.
    """

    def __init__(
        self, shop: Shop, first_s: int, history_s: int, clock: FlowClock, barriers: Barriers
    ) -> None:
        self._shop, self._next_s, self._clock, self._barriers = shop, first_s, clock, barriers
        self._history_s = history_s

    def next_batch(self) -> Iterable[Batch]:
        """Return the records since the last call."""
        at_ms = self._clock.now_ms()
        start_s = self._next_s
        records: list[bytes] = []
        positions: list[int] = []
        self._next_s = max(self._next_s, self._history_s)
        until_s = min(at_ms // 1000, self._next_s + _DEMO_SECONDS)
        while self._next_s < until_s and len(records) < _DEMO_RECORDS:
            second = self._shop.second(self._next_s)
            first = self._next_s << _INDEX_BITS
            positions += range(first, first + len(second))
            records += second
            self._next_s += 1
        # Caught up, nothing is left to read; how many clicks the rest of the past holds is not known.
        lag = 0 if self._next_s >= at_ms // 1000 else None
        barrier = self._barriers.barrier(at_ms, finite=False, lag=lag)
        if self._next_s == start_s and barrier is None:
            return []
        return [
            Batch(
                "demo",
                start_s << _INDEX_BITS,
                self._next_s << _INDEX_BITS,
                records,
                at_ms,
                positions,
                until_s=self._barriers.until_s(barrier),
                barrier=barrier,
            )
        ]

    @property
    def position(self) -> int:
        """The second of the next read, shifted."""
        return self._next_s << _INDEX_BITS


_DEMO_SECONDS = 600


_DEMO_RECORDS = 20_000


_INDEX_BITS = 24
