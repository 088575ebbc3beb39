"""A flow's clock that shows what a test says."""

from __future__ import annotations

from flows.shards.clock import FlowClock
from flows.shards.cluster import Cluster


class StillClock(FlowClock):
    """Shows `at_ms` until that is changed."""

    def __init__(self, at_ms: int) -> None:
        super().__init__()
        self.at_ms = at_ms

    def now_ms(self) -> int:
        """Return what the test says."""
        return self.at_ms


def cluster_of(shards: int, clock: FlowClock | None = None) -> Cluster:
    """Return the workers of a flow that publishes once a second."""
    return Cluster(shards, clock or FlowClock(), 1000)
