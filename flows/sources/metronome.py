"""The metronome: at each publishing interval of the flow's clock a source puts one marker on a batch."""

from __future__ import annotations

from flows.model.batch import Marker


class Metronome:
    """Gives the marker of each publishing interval of the flow's clock once."""

    def __init__(self, every_ms: int) -> None:
        self._every_ms = every_ms
        self._last = -1

    def marker(self, at_ms: int, *, finite: bool, lag: int | None = None) -> Marker | None:
        """Return the marker due at `at_ms` of the flow's clock, None if it has been given."""
        number = at_ms // self._every_ms
        if number <= self._last:
            return None
        self._last = number
        return Marker(number, None if finite else at_ms, lag)

    def next_ms(self) -> int:
        """Return the flow's clock at which the next marker is due."""
        return (self._last + 1) * self._every_ms

    def until_s(self, marker: Marker | None) -> int:
        """Return from which second on clicks wait that are read with `marker`, or before the next one.

        Those before it are reported on when it is over, or later.
        """
        at_ms = self.next_ms() if marker is None or marker.now_ms is None else marker.now_ms
        return at_ms // 1000
