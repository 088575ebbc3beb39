"""Latest visitor details: the ten visitors with the newest clicks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dashboard.data.board import Figures, Row, Table
from dashboard.data.values import text, utc_ms
from dashboard.page.panels.panel import Panel, View, empty
from dashboard.page.parts import TABLE_HEIGHT, Html, Part
from dashboard.page.text import UNKNOWN, ago, clock, hint, safe
from flows.metrics.latest import Latest


class Visitor(NamedTuple):
    """A visitor by the newest click, at `at_ms`."""

    at_ms: int | None
    ip: str
    country: str


def _visitor(row: Row) -> Visitor:
    return Visitor(utc_ms(text(row["Date and Time"])), text(row["ip"]), text(row["country"]))


NEWEST = Table(Latest.frames[0], _visitor)


def _draw(board: Figures, view: View) -> Iterator[Part]:
    rows = board.rows(NEWEST)
    if not rows:
        yield empty(rows, "No visitor in the last hour.", TABLE_HEIGHT)
        return
    cells = "".join(
        f"<tr><td>{ago(None if v.at_ms is None else view.now_ms - v.at_ms)}</td>"
        f"<td>{clock(v.at_ms, view.zone, view.now_ms)}</td>"
        f'<td class="clip" title="{hint(v.ip)}">{safe(v.ip or UNKNOWN)}</td>'
        f'<td class="clip" title="{hint(v.country)}">{safe(v.country or UNKNOWN)}</td></tr>'
        for v in rows
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Clicked", "Time", "Address", "Country"))
    yield Html(f'<table class="plain"><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>')


LATEST = Panel(
    key="latest",
    title="Latest visitor details",
    definition="The 10 visitors with the newest clicks of the last hour, by their newest click.",
    tables=[NEWEST],
    personal=True,
    draw=_draw,
)
