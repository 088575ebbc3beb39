"""How far the figures can be trusted: the state of the page, judged from boards and ticks alone.

The clock of this host and that of the flow's may differ, so a board's age is never the one less the other: a
board that changes is fresh, whatever it says of the time, and one that does not is as old as this page has
seen it stand.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise

from dashboard.data.board import Board
from dashboard.data.reader import BoardError, UnreachableError
from dashboard.data.tables import CLICKS, MINUTES

STALE_AFTER_MS = 3000
STALE_AFTER_INTERVALS = 3
BEHIND_AFTER_MS = 60_000
SILENT_AFTER_MS = 4000
SILENT_AFTER_GAPS = 20  # of a Poisson stream of clicks, one gap in half a billion is as long as 20 mean gaps
RATE_BOARDS = 10
OWNERS = 10
CLOCKS_DIFFER_MS = 5000


class State(Enum):
    """What the page says of itself; the value is the word on the page."""

    LIVE = "Live"
    SILENT = "No clicks"
    BEHIND = "Catching up"
    ENDED = "Log ended"
    WAITING = "Waiting"
    STALE = "Stale"
    SOURCE_STALE = "Stale source"
    UNREACHABLE = "Cannot reach Redis"
    UNREADABLE = "Cannot read the board"

    @property
    def trusted(self) -> bool:
        """Whether the figures stand as they are; if not, they are greyed."""
        return self in (State.LIVE, State.SILENT, State.BEHIND, State.ENDED)


@dataclass
class Watch:
    """What is remembered of the boards that were seen. Clocks and ticks are milliseconds."""

    board: Board | None = None
    error: BoardError | None = None
    lag_seen: bool = False
    owners: deque[str] = field(default_factory=lambda: deque(maxlen=OWNERS))
    _changed_ms: float = 0.0
    _changes: bool = False
    totals: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=RATE_BOARDS + 1))

    def see(self, found: Board | BoardError | None, ticks_ms: float) -> None:
        """Take in what a read gave; `ticks_ms` is a monotonic clock. After an error the last board stays."""
        self.error = found if isinstance(found, BoardError) else None
        if self.error:
            self.totals.clear()  # boards were missed: a rate over the gap would be a guess
            return
        assert not isinstance(found, BoardError)
        if found is None:
            self.totals.clear()
        elif self.board is None or found.published_at_ms != self.board.published_at_ms:
            self._changes = self.board is not None
            self._changed_ms = ticks_ms
            self._count(found)
            self.owners.append(found.owner)
        self.board = found

    @property
    def flows(self) -> int:
        """How many flows write to this Redis in turn; one that begins anew is another, but goes on alone."""
        changes = sum(before != after for before, after in pairwise(self.owners))
        return len(set(self.owners)) if changes >= len(set(self.owners)) > 1 else 1

    def _count(self, board: Board) -> None:
        self.lag_seen = self.lag_seen or board.count("lag") is not None
        total = board.count("clicks_total")
        if total is None:
            self.totals.clear()
            return
        newest = (board.published_at_ms, total)
        if self.totals and (newest[0] < self.totals[-1][0] or newest[1] < self.totals[-1][1]):
            self.totals.clear()  # another flow, or one that began anew
        self.totals.append(newest)

    def clicks_per_s(self, state: State) -> float | None:
        """Return accepted clicks per second over about the last ten boards; None if unknown."""
        if state not in (State.LIVE, State.SILENT, State.BEHIND) or len(self.totals) < 2:
            return None
        (start_ms, first), (end_ms, last) = self.totals[0], self.totals[-1]
        return (last - first) * 1000 / (end_ms - start_ms)

    def flow_ms(self, now_ms: float, ticks_ms: float) -> float:
        """Return the flow's clock, as far as a board that was seen to change tells it; else `now_ms`."""
        if self.board is None or not self._changes:
            return now_ms
        return self.board.published_at_ms + ticks_ms - self._changed_ms

    def ahead_ms(self, now_ms: float, ticks_ms: float) -> float:
        """Return by how much this host's clock is ahead of the flow's; 0 if that is little, or not known."""
        ahead_ms = now_ms - self.flow_ms(now_ms, ticks_ms)
        return ahead_ms if abs(ahead_ms) > CLOCKS_DIFFER_MS else 0

    def state(self, now_ms: float, ticks_ms: float) -> State:
        """Judge the board last seen at `ticks_ms`; the wall clock `now_ms` changes nothing."""
        if self.error:
            return State.UNREACHABLE if isinstance(self.error, UnreachableError) else State.UNREADABLE
        board = self.board
        if board is None:
            return State.WAITING
        if board.ended:
            return State.ENDED
        patience_ms = max(STALE_AFTER_MS, STALE_AFTER_INTERVALS * board.publish_every_ms)
        if ticks_ms - self._changed_ms > patience_ms:
            return State.STALE
        # While the source does not answer `as_of` stands still.
        if board.count("lag") is None and self.lag_seen and silent_since_ms(board, board.published_at_ms):
            return State.SOURCE_STALE
        silent = silent_since_ms(board, board.as_of_ms) is not None
        if board.published_at_ms - board.as_of_ms > BEHIND_AFTER_MS:
            return State.BEHIND
        return State.SILENT if silent else State.LIVE


def silent_since_ms(board: Board, until_ms: int) -> int | None:
    """Return the newest click's event time (epoch ms) if there was none for conspicuously long `until_ms`."""
    newest, minutes = board.rows(CLICKS), board.rows(MINUTES)
    # Where single visitors are not shown, the raw data are not there.
    newest_ms = newest[0].get("datetime") if newest else board.count("newest_click")
    if not isinstance(newest_ms, int) or not minutes:
        return None
    clicks = sum(minute.clicks for minute in minutes)
    gap_ms = len(minutes) * 60_000 / max(clicks, 1)
    silent = until_ms - newest_ms > max(SILENT_AFTER_MS, SILENT_AFTER_GAPS * gap_ms)
    return newest_ms if silent else None
