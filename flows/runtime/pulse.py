"""The pulse of this process: when each source of its workers was last called.

A flow whose workers hang still answers its probes by itself, since the web server has threads of its own. So
what it answers is made to depend on the workers (see `flows.runtime.telemetry`).
"""

from __future__ import annotations


class Pulse:
    """When sources were called, by seconds of any clock that does not go back."""

    def __init__(self) -> None:
        self._called_s: dict[object, float] = {}

    def called(self, source: object, at_s: float) -> None:
        """Note that a source is called; one that never was may be waiting for others."""
        self._called_s[source] = at_s

    def end(self, source: object) -> None:
        """Note that a source has done its work: it is not called any more."""
        self._called_s.pop(source, None)

    def silent_s(self, at_s: float) -> float:
        """Return for how long the source that was called least lately has not been; 0 if there is none."""
        return max((at_s - called_s for called_s in list(self._called_s.values())), default=0.0)


PULSE = Pulse()
