"""The audience of the last 15 minutes: countries, genders and ages."""

from __future__ import annotations

from collections.abc import Iterator

from dashboard.data.board import Figures, Row, Table
from dashboard.data.values import text
from dashboard.page.panels.panel import Panel, View, empty, shares
from dashboard.page.parts import Html, Part
from dashboard.page.text import number, safe
from flows.metrics.audience import BANDS, GENDERS, Audience

HEIGHT = 400
_NAMES = {"F": "Women", "M": "Men", "other": "Other", "Unknown": "Unknown"}


def _person(row: Row) -> tuple[str, str, int]:
    return text(row["gender"]), text(row["age"]), int(row["visitors"])


COUNTRIES = Table(Audience.frames[0], lambda row: (text(row["country"]), int(row["visitors"])))
# (gender, band of age, visitors)
PEOPLE = Table(Audience.frames[1], _person)


def _draw(board: Figures, view: View) -> Iterator[Part]:
    yield Html('<div class="pair"><div><p class="of">By country</p>')
    yield shares(board.rows(COUNTRIES), "No visitor in the last 15 minutes.", HEIGHT)
    yield Html('</div><div><p class="of">By gender and age</p>')
    yield Html(_people(board.rows(PEOPLE)))
    yield Html("</div></div>")


def _people(rows: tuple[tuple[str, str, int], ...] | None) -> str:
    """Write a table of ages by genders: those of which there is anyone."""
    if not rows:
        return empty(rows, "No visitor in the last 15 minutes.", HEIGHT).text
    visitors = {(gender, age): count for gender, age, count in rows}
    most = max(visitors.values())
    genders = [name for name in GENDERS if any(gender == name for gender, _ in visitors)]
    head = "".join(f'<th scope="col">{_NAMES[name]}</th>' for name in genders)
    lines = "".join(
        f'<tr><th scope="row">{safe(band)}</th>'
        + "".join(_cell(visitors.get((gender, band), 0), most) for gender in genders)
        + "</tr>"
        for band in BANDS
    )
    return f'<table class="people"><thead><tr><th></th>{head}</tr></thead><tbody>{lines}</tbody></table>'


def _cell(count: int, most: int) -> str:
    return f'<td style="--of:{count / most:.0%}">{number(count) if count else ""}</td>'


AUDIENCE = Panel(
    key="audience",
    title="Audience in the last 15 minutes",
    definition="Visitors by the fields of their newest click.",
    tables=[COUNTRIES, PEOPLE],
    draw=_draw,
)
