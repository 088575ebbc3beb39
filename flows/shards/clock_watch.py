"""The watch on a host's wall clock: what it shows beside the flow's clock.

That it was set, or is not that of other hosts, changes nothing for the flow, which goes by its own clock.
But it is worth a line and a metric. And Bytewax ends its epochs, at which state is saved, by the wall clock:
where that keeps the flow from saving for long, it ends, to be started again.
"""

from __future__ import annotations

import logging

from flows.runtime import telemetry as metrics
from flows.runtime.exits import fail
from flows.runtime.ticks import ticks_ms
from flows.shards.clock import FlowClock

# A host whose clock differs by more is worth a line.
DIFFERENCE_MS = 5000
# So long nothing may be saved because the wall clock was set back.
UNSAVED_MS = 600_000

log = logging.getLogger("clicks.clock")


class ClockWatch:
    """Looks at the wall clock now and then."""

    def __init__(self, clock: FlowClock) -> None:
        self._clock = clock
        self._differs = False
        # By how much the wall clock is behind where Bytewax last ended an epoch, and since when.
        self._back_ms = self._back_since_ms = 0

    def look(self) -> None:
        """Say and count it if the wall clock was set, or differs from the flow's clock by much."""
        step_ms, ahead_ms = self._clock.step_ms(), self._clock.wall_ahead_ms()
        differs = abs(ahead_ms) > DIFFERENCE_MS
        metrics.CLOCK_DIFFERENCE.set(ahead_ms / 1000)
        if step_ms:
            metrics.CLOCK_STEPS.inc()
            log.warning(
                "this host's clock was set %s by %.1f s: the flow goes on by its own clock, which is %s it; "
                "if the new time is the right one, restart the flow to go by it",
                "back" if step_ms < 0 else "forward",
                abs(step_ms) / 1000,
                _beside(-ahead_ms),
            )
        elif differs and not self._differs:
            log.warning("this host's clock is %s the flow's: check NTP", _beside(ahead_ms))
        self._differs = differs
        self._check_saving(step_ms)

    def _check_saving(self, step_ms: int) -> None:
        """End the flow if Bytewax, which ends epochs by the wall clock, keeps it from saving for long."""
        at_ms = ticks_ms()
        if step_ms < 0 and not self._back_ms:
            self._back_since_ms = at_ms
        self._back_ms = min(0, self._back_ms + step_ms)
        unsaved_ms = at_ms - self._back_since_ms
        if unsaved_ms >= -self._back_ms:
            self._back_ms = 0
        elif unsaved_ms >= UNSAVED_MS:
            fail(
                f"nothing was saved for {unsaved_ms // 60_000} minutes, since this host's clock was set "
                "back: start the flow again, it goes on where its state ends"
            )


def _beside(ahead_ms: int) -> str:
    return f"{abs(ahead_ms) / 1000:.1f} s {'ahead of' if ahead_ms > 0 else 'behind'}"
