"""The flow's clock: one time for all processes, which nobody can bend while the flow runs.

One process reads its wall clock once, when it starts, and counts on by the machine's ticks, which nobody
sets. It tells the others what it shows, when they meet and again now and then. So a wall clock that is set,
or differs from host to host, changes nothing:

    wall clock     12:00:00   12:00:01   11:59:40   11:59:41      (set back by 22 s)
    flow's clock   12:00:00   12:00:01   12:00:02   12:00:03

Nothing else in the flow reads a wall clock. Times are milliseconds since 1970, ticks milliseconds since some
moment of the machine's.
"""

from __future__ import annotations

import threading
from collections import deque

from flows.runtime.ticks import ticks_ms, wall_ms

# What a wall clock is slewed by is less than this between two looks at it; what it is set by is more.
STEP_MS = 500
# Of so many tellings the one that was on its way for the shortest time counts.
_TELLINGS = 8


class Clock:
    """What one process shows of the flow's clock, given the ticks; it never goes back."""

    def __init__(self, wall_ms: int, ticks_ms: int) -> None:
        self._ahead_ms = wall_ms - ticks_ms
        self._told: deque[int] = deque(maxlen=_TELLINGS)
        self._shown_ms = 0
        self._lock = threading.Lock()

    def at(self, ticks_ms: int) -> int:
        """Return the time at `ticks_ms`."""
        with self._lock:
            self._shown_ms = max(self._shown_ms, ticks_ms + self._ahead_ms)
            return self._shown_ms

    def hear(self, told_ms: int, ticks_ms: int) -> None:
        """Go by another process, whose clock showed `told_ms` a little before `ticks_ms` of this machine."""
        self._told.append(told_ms - ticks_ms)
        self._ahead_ms = max(self._told)

    def reach(self, least_ms: int, ticks_ms: int) -> None:
        """Go on from `least_ms` if that is later: nothing is published from beyond the clock."""
        self._ahead_ms = max(self._ahead_ms, least_ms - ticks_ms)


class Wall:
    """The wall clock of a host, looked at now and then: whether it was set."""

    def __init__(self, wall_ms: int, ticks_ms: int) -> None:
        self._ahead_ms = wall_ms - ticks_ms

    def look(self, wall_ms: int, ticks_ms: int) -> int:
        """Return by how much it was set since the last look; negative: back; 0: it was not."""
        before_ms, self._ahead_ms = self._ahead_ms, wall_ms - ticks_ms
        step_ms = self._ahead_ms - before_ms
        return step_ms if abs(step_ms) >= STEP_MS else 0


class FlowClock:
    """The flow's clock as it runs in this process, and the wall clock beside it."""

    def __init__(self) -> None:
        self._clock = Clock(wall_ms(), ticks_ms())
        self._wall = Wall(wall_ms(), ticks_ms())

    def now_ms(self) -> int:
        """Return the time."""
        return self._clock.at(ticks_ms())

    def hear(self, told_ms: int) -> None:
        """Go by the process that has just told its time."""
        self._clock.hear(told_ms, ticks_ms())

    def reach(self, least_ms: int) -> None:
        """Go on from `least_ms` if that is later."""
        self._clock.reach(least_ms, ticks_ms())

    def step_ms(self) -> int:
        """Return by how much this host's wall clock was set since the last call."""
        return self._wall.look(wall_ms(), ticks_ms())

    def wall_ahead_ms(self) -> int:
        """Return by how much this host's wall clock is ahead of the flow's clock."""
        return wall_ms() - self.now_ms()
