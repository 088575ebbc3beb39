"""Rest: a worker that has nothing to do sleeps, since Bytewax wakes it a thousand times a second."""

from __future__ import annotations

import time

REST_S = 0.04
# To be woken a few times takes less; any work takes more, however little of the processor it gets meanwhile.
_IDLE_S = 0.001


class Rest:
    """Sleeps for REST_S in the calling thread, if that has done nothing since the last call."""

    def __init__(self) -> None:
        self._used_s = time.thread_time()

    def take(self) -> bool:
        """Return whether there was time to sleep."""
        idle = time.thread_time() - self._used_s < _IDLE_S
        if idle:
            time.sleep(REST_S)
        self._used_s = time.thread_time()
        return idle
