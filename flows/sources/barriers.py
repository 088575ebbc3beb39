"""Barriers of a partition: at each publishing interval of the flow's clock a source puts one on a batch."""

from __future__ import annotations

from flows.model.batch import Barrier


class Barriers:
    """Gives the barrier of each publishing interval of the flow's clock once."""

    def __init__(self, every_ms: int) -> None:
        self._every_ms = every_ms
        self._last = -1

    def barrier(self, at_ms: int, *, finite: bool, lag: int | None = None) -> Barrier | None:
        """Return the barrier due at `at_ms` of the flow's clock, None if it has been given."""
        number = at_ms // self._every_ms
        if number <= self._last:
            return None
        self._last = number
        return Barrier(number, None if finite else at_ms, lag)

    def next_ms(self) -> int:
        """Return the flow's clock at which the next barrier is due."""
        return (self._last + 1) * self._every_ms

    def until_s(self, barrier: Barrier | None) -> int:
        """Return from which second on clicks wait that are read with `barrier`, or before the next one.

        Those before it are reported on when it is over, or later.
        """
        at_ms = self.next_ms() if barrier is None or barrier.now_ms is None else barrier.now_ms
        return at_ms // 1000
