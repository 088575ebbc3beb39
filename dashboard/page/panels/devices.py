"""Devices connected right now, and their types."""

from __future__ import annotations

from collections.abc import Iterator

from dashboard.data.board import Figures, Table
from dashboard.data.values import text
from dashboard.page.html import figures
from dashboard.page.panels.panel import Panel, View, shares
from dashboard.page.parts import Html, Part
from dashboard.page.text import number
from flows.metrics.devices import Devices

TYPES = Table(Devices.frames[0], lambda row: (text(row["Device type"]), int(row["Total"])))


def _draw(board: Figures, view: View) -> Iterator[Part]:
    yield Html(figures([(number(board.count("devices_now")), "devices, 10 min", "devices_now")]))
    yield shares(board.rows(TYPES), "No device in the last 10 minutes.")


DEVICES = Panel(
    key="devices",
    title="Devices connected right now",
    definition="Visitors by device type in the last 10 minutes; one who uses two types counts twice.",
    tables=[TYPES],
    draw=_draw,
)
