"""The pulse of this process: when each of its workers was last called.

A flow whose workers hang still answers its probes by itself, since the web server has threads of its own. So
what it answers is made to depend on the workers (see `flows.runtime.telemetry`).
"""

from __future__ import annotations


class Pulse:
    """When workers were called, by seconds of any clock that does not go back."""

    def __init__(self) -> None:
        self._called_s: dict[int, float] = {}

    def called(self, worker: int, at_s: float) -> None:
        """Note that a worker is called; one that never was may be waiting for others."""
        self._called_s[worker] = at_s

    def end(self, worker: int) -> None:
        """Note that a worker has done its work: it is not called any more."""
        self._called_s.pop(worker, None)

    def silent_s(self, at_s: float) -> float:
        """Return for how long the worker that was called least lately has not been; 0 if there is none."""
        return max((at_s - called_s for called_s in list(self._called_s.values())), default=0.0)


PULSE = Pulse()
