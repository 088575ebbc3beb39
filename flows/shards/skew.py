"""Skew: whether it is the flow's own clock that is slow, and not those of the clicks.

One phone is fast; but if most clicks of a minute are ahead of the flow's clock, it is the clock.
"""

from __future__ import annotations

import logging

# Of fewer clicks in a minute nothing follows.
LEAST_CLICKS = 10
_MINUTE_MS = 60_000

log = logging.getLogger("clicks.board")


class Skew:
    """Judges each minute of the flow's clock by what was read in it; says so when that changes."""

    def __init__(self) -> None:
        self._minute = 0
        self._before = 0, 0
        self._slow = False

    def is_slow(self, now_ms: int, clicks: int, ahead: int) -> bool:
        """Return whether most clicks of the minute before the one of `now_ms` were ahead or too new.

        `clicks` and `ahead` count all that were read up to now.
        """
        minute = now_ms // _MINUTE_MS
        if minute != self._minute:
            if minute == self._minute + 1:
                self._judge(clicks - self._before[0], ahead - self._before[1])
            self._minute, self._before = minute, (clicks, ahead)
        return self._slow

    def _judge(self, clicks: int, ahead: int) -> None:
        slow = clicks >= LEAST_CLICKS and 2 * ahead > clicks
        if slow and not self._slow:
            log.warning(
                "%d of %d clicks of the last minute are ahead of the flow's clock: it is slow; set the clock "
                "of its host (NTP), then restart the flow",
                ahead,
                clicks,
            )
        self._slow = slow
