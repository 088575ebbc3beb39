"""Journeys live: who stands where, what was entered lately, and how many end in an offer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dashboard.data.board import Figures, Row, Table
from dashboard.data.values import count, text
from dashboard.page.html import figures
from dashboard.page.panels.panel import Panel, View, empty
from dashboard.page.parts import Html, Part
from dashboard.page.text import duration, number, safe, share
from flows.journeys.metric import Journeys

HEIGHT = 220


class Standing(NamedTuple):
    """A state of a journey: how many visitors stand in it now, how often it was entered in the last hour."""

    journey: str
    state: str
    now: int | None
    entered: int


def _standing(row: Row) -> Standing:
    return Standing(text(row["journey"]), text(row["state"]), count(row["now"]), int(row["entered_1h"]))


STATES = Table(Journeys.frames[0], _standing)


def offers(board: Figures) -> list[tuple[str, int]]:
    """Return the offers of the last hour by name."""
    found = board.facts.get("offers")
    named = found.items() if isinstance(found, dict) else ()
    return [(text(name), count(made) or 0) for name, made in named]


def _draw(board: Figures, view: View) -> Iterator[Part]:
    yield Html(
        figures(
            [
                (number(board.count("offers_1h")), "offers, 1 h", "offers_1h"),
                (share(board.mean("journeys_offer_share")), "ended in an offer", "journeys_offer_share"),
                (
                    duration(board.mean("journeys_offer_seconds")),
                    "to the offer, median",
                    "journeys_offer_seconds",
                ),
                *(
                    (number(made), safe(name), f"offer-{place}")
                    for place, (name, made) in enumerate(offers(board))
                ),
            ]
        )
    )
    rows = board.rows(STATES)
    if not rows:
        yield empty(rows, "The flow looks for no journey: its table is empty.", HEIGHT)
        return
    head = "".join(f'<th scope="col">{name}</th>' for name in ("State", "Here now", "Entered, 1 h"))
    lines = "".join(
        _line(row, first=not n or rows[n - 1].journey != row.journey) for n, row in enumerate(rows)
    )
    yield Html(f'<table class="states"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>')


def _line(row: Standing, *, first: bool) -> str:
    title = f'<tr><th scope="rowgroup" colspan="3">{safe(row.journey)}</th></tr>' if first else ""
    named = "given up" if row.state == "init" else row.state
    here = "" if row.now is None else number(row.now)
    return f"{title}<tr><td>{safe(named)}</td><td>{here}</td><td>{number(row.entered)}</td></tr>"


JOURNEYS = Panel(
    key="journeys",
    title="Journeys",
    definition="Share and time to the offer: of journeys begun in the last hour whose limit is over.",
    tables=[STATES],
    draw=_draw,
)
