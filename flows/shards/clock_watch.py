"""The watch on a host's wall clock: what it shows beside the flow's clock.

That it was set, or is not that of other hosts, changes nothing for the flow, which goes by its own clock.
But it is worth a line and a metric. And Bytewax ends its epochs, at which state is saved, by the wall clock,
each source for itself. A source that has ended one is not called until all others have:

    clock set back by an hour
                 |
    source a   --+---- epoch 7 -------------- ...      ends it in an hour
    source b   7 | epoch 8: waits for a ----- ...      is not called for an hour

So where Bytewax waits for a clock that was set back, or nothing was saved for long, the flow ends, to be
started again.
"""

from __future__ import annotations

import logging

from flows.runtime import telemetry as metrics
from flows.runtime.exits import fail
from flows.runtime.pulse import PULSE, Pulse
from flows.runtime.ticks import ticks_ms
from flows.shards.clock import FlowClock

# A host whose clock differs by more is worth a line.
DIFFERENCE_MS = 5000
LOOK_MS = 1000
# So long a source may wait for the wall clock; it counts on by itself where that was set back by less.
WAIT_MS = 5000
# So long nothing may be saved because the wall clock was set back.
UNSAVED_MS = 600_000

log = logging.getLogger("clicks.clock")


class ClockWatch:
    """Looks at the wall clock now and then."""

    def __init__(self, clock: FlowClock, pulse: Pulse = PULSE) -> None:
        self._clock, self._pulse = clock, pulse
        self._differs = False
        self._looked_ms = 0
        # By how much the wall clock is behind where Bytewax last ended an epoch, and since when.
        self._back_ms = self._back_since_ms = 0

    def called(self, source: object, alone: bool) -> None:
        """Note that a source of this process is called, and look every second; `alone`: there is no other."""
        at_ms = ticks_ms()
        self._pulse.called(source, at_ms / 1000)
        if at_ms - self._looked_ms >= LOOK_MS:
            self._looked_ms = at_ms
            self._look(at_ms, alone)

    def _look(self, at_ms: int, alone: bool) -> None:
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
        self._check_saving(step_ms, at_ms, alone)

    def _check_saving(self, step_ms: int, at_ms: int, alone: bool) -> None:
        if step_ms < 0 and not self._back_ms:
            self._back_since_ms = at_ms
        self._back_ms = min(0, self._back_ms + step_ms)
        unsaved_ms = at_ms - self._back_since_ms
        if unsaved_ms >= -self._back_ms:
            self._back_ms = 0
        elif self._waits(unsaved_ms, at_ms, alone):
            fail(
                f"this host's clock was set back by {-self._back_ms / 1000:.1f} s, and Bytewax waits for it: "
                "start the flow again, it goes on where its state ends"
            )
        elif unsaved_ms >= UNSAVED_MS:
            fail(
                f"nothing was saved for {unsaved_ms // 60_000} minutes, since this host's clock was set "
                "back: start the flow again, it goes on where its state ends"
            )

    def _waits(self, unsaved_ms: int, at_ms: int, alone: bool) -> bool:
        """Return whether a source is not called; those of other processes will not be, sooner or later."""
        if not alone:
            return -self._back_ms > WAIT_MS
        return min(unsaved_ms, self._pulse.silent_s(at_ms / 1000) * 1000) >= WAIT_MS


def _beside(ahead_ms: int) -> str:
    return f"{abs(ahead_ms) / 1000:.1f} s {'ahead of' if ahead_ms > 0 else 'behind'}"
