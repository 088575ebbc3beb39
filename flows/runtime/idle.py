"""Idling: a worker that has nothing to do sleeps.

Bytewax itself would wait by the wall clock, which may be set back. So whoever it asks when to be called next
says `DUE`, and the worker sleeps here instead: for a nap, since something may be on its way from operator to
operator, and after some naps for long.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone

# In the past, and so due whatever the wall clock shows.
DUE = datetime(1970, 1, 1, tzinfo=timezone.utc)
REST_S, NAP_S = 0.04, 0.0003
# What is on its way has passed so many operators.
_NAPS = 12
# To be woken a few times takes less; any work takes more, however little of the processor it gets meanwhile.
_IDLE_S = 0.001


class Idle:
    """Sleeps in the calling thread, if that has done nothing since the last call."""

    def __init__(self) -> None:
        self._used_s = time.thread_time()
        self._naps = 0
        self._rested = False

    def take(self, at_most_s: float = REST_S, *, still: bool = False) -> bool:
        """Sleep, at most `at_most_s`; returns whether there was time to.

        `still`: nothing has set out since the last call, for certain.
        """
        idle = time.thread_time() - self._used_s < _IDLE_S
        if not idle or (self._rested and not still):
            self._naps = 0
        self._rested = self._naps >= _NAPS
        if self._rested:
            time.sleep(min(REST_S, at_most_s))
        elif idle:
            time.sleep(NAP_S)
            self._naps += 1
        self._used_s = time.thread_time()
        return idle
