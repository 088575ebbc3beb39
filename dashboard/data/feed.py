"""The feed: the newest board, read once for all viewers of a server, and how far it is to be trusted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from copy import copy
from typing import NamedTuple

from dashboard.data.board import Board
from dashboard.data.reader import BoardError, Reader
from dashboard.data.trust import State, Watch
from flows.runtime.exits import SettingsError

# Viewers come once a second each, at moments of their own: what is no older is new enough for all of them.
FRESH_MS = 400
UNSEEN_MS = 5000


class Sight(NamedTuple):
    """What there is to see: the board if any, how far to trust it, the flow's clock, and how ours differs."""

    board: Board | None
    state: State
    watch: Watch
    flow_ms: float
    ahead_ms: float


class Feed:
    """Reads boards for all threads of a server; `reader` is made at the first look, and again if it fails."""

    def __init__(self, reader: Callable[[], Reader]) -> None:
        self._make = reader
        self._reader: Reader | None = None
        self._watch, self._lock = Watch(), threading.Lock()
        self._sight: Sight | None = None
        self._looked_ms = 0.0

    def look(self) -> Sight:
        """Return what there is to see now."""
        with self._lock:
            if self._sight is None or time.monotonic() * 1000 - self._looked_ms > FRESH_MS:
                self._sight = self._look()
                self._looked_ms = time.monotonic() * 1000
            return self._sight

    def _look(self) -> Sight:
        if time.monotonic() * 1000 - self._looked_ms > UNSEEN_MS:
            self._watch.totals.clear()  # nobody looked: a rate over the gap would be a guess
        self._watch.see(self._read(), time.monotonic() * 1000)
        now_ms, ticks_ms = time.time() * 1000, time.monotonic() * 1000
        watch = copy(self._watch)
        watch.owners, watch.totals = self._watch.owners.copy(), self._watch.totals.copy()
        flow_ms = watch.flow_ms(now_ms, ticks_ms)
        state, ahead_ms = watch.state(now_ms, ticks_ms), watch.ahead_ms(now_ms, ticks_ms)
        return Sight(watch.board, state, watch, flow_ms, ahead_ms)

    def _read(self) -> Board | BoardError | None:
        try:
            if self._reader is None:
                self._reader = self._make()
            return self._reader.read()
        except BoardError as error:
            return error
        except SettingsError as error:
            return BoardError(str(error))
