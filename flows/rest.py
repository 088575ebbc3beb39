"""Rest: a worker that has nothing to do sleeps, since Bytewax wakes it a thousand times a second."""

from __future__ import annotations

import time

REST_S = 0.04
# Idle, a worker takes a tenth of a core for being woken; with work to do, all it gets.
_IDLE_SHARE = 1 / 3


class Rest:
    """Sleeps for REST_S in the calling thread, if that has been idle since the last call."""

    def __init__(self) -> None:
        self._at_s, self._used_s = time.monotonic(), time.thread_time()

    def take(self) -> bool:
        """Return whether there was time to sleep."""
        idle = time.thread_time() - self._used_s < _IDLE_SHARE * (time.monotonic() - self._at_s)
        if idle:
            time.sleep(REST_S)
        self._at_s, self._used_s = time.monotonic(), time.thread_time()
        return idle
