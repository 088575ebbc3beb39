"""Drawings: what panels draw of a board, made once for all who look at it in one time zone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from dashboard.data.board import Board, Figures
from dashboard.page import layout
from dashboard.page.panels import rejected
from dashboard.page.panels.panel import View
from dashboard.page.parts import Part
from dashboard.page.wall import wall

Drawn = dict[str, list[Part]]


class Drawings:
    """Keeps what is drawn of the newest board, by time zone; older ones are let go."""

    def __init__(self) -> None:
        self._board: Board | None = None
        self._drawn: dict[str, Drawn] = {}
        self._lock = threading.Lock()

    def of(self, board: Board | None, zone: ZoneInfo) -> Drawn:
        """Return the parts of all panels, by their keys, and of the wall."""
        with self._lock:
            if board is not self._board:
                self._board, self._drawn = board, {}
            if zone.key not in self._drawn:
                self._drawn[zone.key] = dict(_draw(board, zone))
            return self._drawn[zone.key]


def _draw(board: Board | None, zone: ZoneInfo) -> Iterator[tuple[str, list[Part]]]:
    figures = board or Figures()
    view = View(zone, board.as_of_ms if board else 0)
    for row in layout.ROWS:
        for panel, _ in row:
            yield panel.key, panel.parts(figures, view)
    yield "rejected", list(rejected.parts(figures))
    yield "wall", [wall(figures)]
