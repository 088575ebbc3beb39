"""The metronome: at each publishing interval of the wall clock a source puts one marker on a batch."""

from __future__ import annotations

import time

from flows.items import Marker


def now_ms() -> int:
    """Return the wall clock."""
    return time.time_ns() // 10**6


class Metronome:
    """Gives the marker of each publishing interval of the wall clock once."""

    def __init__(self, every_ms: int) -> None:
        self._every_ms = every_ms
        self._last = -1

    def marker(self, at_ms: int, *, finite: bool, lag: int | None = None) -> Marker | None:
        """Return the marker due at wall clock `at_ms`, None if it has been given."""
        number = at_ms // self._every_ms
        if number == self._last:
            return None
        self._last = number
        return Marker(number, None if finite else at_ms, lag)

    def next_ms(self) -> int:
        """Return the wall clock at which the next marker is due."""
        return (self._last + 1) * self._every_ms
