"""The watermark: as of when to report, which is where all windows end.

It is the end of the second of the newest click that the flow's clock has reached. Once no clicks arrive and
all of the log is read, it moves on by the time that has passed since that click was taken in. It never goes
back, and is never beyond the clock:

    event time   ───┬──────────────┬─────────────────┬──────────────┬─────────────►
                    late click     newest click  as_of   clock      click ahead
                    (counts where a window           ▲              (waits until the
    windows      ─── covers it) ─────────────────────┘               clock is there)

A click ahead of the clock changes nothing until its second is over. The seconds that have such clicks are
noted here, the clicks wait in `flows.shards.waiting`.
"""

from __future__ import annotations

from collections.abc import Iterable

from flows.model.mark import Mark, newest_of

QUIET_MS = 1000


class Watermark:
    """The watermark as one shard sees it; all shards see the same at the same barrier."""

    def __init__(self, mark: Mark) -> None:
        self.mark = mark
        self._arrived_ms = 0

    @property
    def newest_s(self) -> int:
        """The second of the newest click that the clock has reached; 0 before any."""
        return self.mark.newest_ns // 10**9

    def observe(self, newest_ns: int | None, ahead_s: tuple[int, ...], read_ms: int) -> None:
        """Take note of clicks read at `read_ms`: the newest that does not wait, the seconds of others."""
        if newest_ns is not None:
            self._arrived_ms = max(self._arrived_ms, read_ms)
            self.mark = newest_of([self.mark, Mark(newest_ns, read_ms)])
        if ahead_s:
            self.mark = newest_of([self.mark, Mark(ahead_s=ahead_s)])
            # What is before `as_of` when it comes need not wait, whatever the clock was.
            self.mark = _reached(self.mark, self.mark.as_of_s, read_ms)

    def advance(self, now_ms: int | None, known: Iterable[Mark], *, all_read: bool) -> int:
        """Return as of when to report at clock `now_ms`, None for a finite source, which has none.

        `known` is what others knew when the flow started; `all_read`: nothing is known to be left in the log.
        """
        mark = newest_of([self.mark, *known])
        if now_ms is None:
            as_of_s = mark.newest_ns // 10**9 + 1 if mark.newest_ns else 0
        else:
            mark = _reached(mark, now_ms // 1000)
            # An earlier run of the flow may have gone by a clock that was ahead of this one.
            mark = mark._replace(took_ms=min(mark.took_ms, now_ms))
            as_of_s = min(now_ms // 1000, self._end_s(mark, now_ms, all_read=all_read))
        self.mark = mark._replace(as_of_s=max(mark.as_of_s, as_of_s))
        return self.mark.as_of_s

    def _end_s(self, mark: Mark, now_ms: int, *, all_read: bool) -> int:
        if not mark.newest_ns:
            return now_ms // 1000
        quiet = all_read and now_ms - self._arrived_ms >= QUIET_MS
        return mark.newest_ns // 10**9 + 1 + (now_ms - mark.took_ms) // 1000 * quiet


def _reached(mark: Mark, end_s: int, took_ms: int | None = None) -> Mark:
    """Return the mark where of the seconds ahead those before `end_s` count as taken in, as they ended."""
    over = [second for second in mark.ahead_s if second < end_s]
    if over:
        ended_ms = (over[-1] + 1) * 1000
        mark = newest_of([mark, Mark(over[-1] * 10**9, ended_ms if took_ms is None else took_ms)])
    return mark._replace(ahead_s=tuple(second for second in mark.ahead_s if second >= end_s))
